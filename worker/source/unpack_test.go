package source

import (
	"bytes"
	stdgzip "compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"rescore/partition"
)

func gzipped(t testing.TB, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts { // a member each
		w := gzip.NewWriter(&b)
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func zstandard(t testing.TB, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts { // a frame each
		w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// feeText is a base of rows over several segments, with what is wrong with some.
func feeText(rows int) []byte {
	var b bytes.Buffer
	b.WriteString("msisdn,fee_m0,out_sec_m0,sex\n")
	for i := range rows {
		n := partition.Mix(uint64(i))
		switch i % 97 {
		case 5:
			fmt.Fprintf(&b, "%d,x,%d,1\n", 13800130000+i*7, n%900)
		case 6:
			fmt.Fprintf(&b, "%d,1\n", 13800130000+i*7)
		default:
			fmt.Fprintf(&b, "%d,%d,%d,%d\n", 13800130000+i*7, n%20_000, n>>20%4000, n>>40%3)
		}
	}
	return b.Bytes()
}

var feeColumns = []string{"fee_m0", "out_sec_m0", "sex"}

func TestACompressedFileReadsLikeItsText(t *testing.T) {
	spools := t.TempDir()
	t.Setenv("TMPDIR", spools)
	text := feeText(2500)
	half := len(text) / 2 // in the middle of a row
	dir := t.TempDir()
	files := map[string][]byte{
		"a.csv": text, "b.csv.gz": gzipped(t, text), "c.CSV.GZ": gzipped(t, text[:half], nil, text[half:]),
		"d.csv.zst": zstandard(t, text), "e.tsv.zst": zstandard(t, text[:half], text[half:]),
		"f.csv":     zstandard(t, text),                                                           // what is inside decides
		"g.csv.zst": append([]byte("\x5a\x2a\x4d\x18\x03\x00\x00\x00abc"), zstandard(t, text)...), // begins with a frame to be skipped
		"h.csv.gz":  text,                                                                         // is not compressed at all
		"i.csv.gz":  gzipped(t, append([]byte("\xef\xbb\xbf"), text...)),
	}
	want := map[string]result{}
	for _, name := range sortedKeys(files) {
		write(t, dir, name, files[name])
		d := open(t, dir, spec(name))
		sv := survey(t, d)
		for _, group := range sortedKeys(groupers) {
			var all result
			for _, task := range cut(sv, groupers[group]) {
				r, err := readTask(t, d, sv, task, feeColumns, 100)
				if err != nil {
					t.Fatalf("%s, %s: %v", name, group, err)
				}
				for i := range r.rejects {
					r.rejects[i].File = ""
				}
				all.rows, all.rejects = append(all.rows, r.rows...), append(all.rejects, r.rejects...)
				all.counts, all.keys = all.counts.Add(r.counts), all.keys.Add(r.keys)
			}
			if name == "a.csv" {
				want[group] = all
			} else if !reflect.DeepEqual(all, want[group]) {
				t.Errorf("%s, %s: %d rows, %+v; its text has %d, %+v", name, group, len(all.rows), all.counts, len(want[group].rows), want[group].counts)
			}
		}
		n := partition.Number(13800130000 + 7*1300)
		task, err := d.Find(context.Background(), sv.Files, n)
		if err != nil || task.Rows != 1 {
			t.Errorf("%s: %d rows of a number were found, %v", name, task.Rows, err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(spools); err != nil || len(left) > 0 {
		t.Errorf("temporary files were left: %v, %v", left, err)
	}
}

func TestADamagedCompressedFileIsRefused(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	text := feeText(3000)
	for name, whole := range map[string][]byte{"a.csv.gz": gzipped(t, text), "a.csv.zst": zstandard(t, text)} {
		for cut := 4; cut < len(whole); cut += 1 + len(whole)/40 {
			err := surveyBytes(name, whole[:cut])
			wantError(t, err, ErrCorrupt, name)
		}
		for i := range 60 {
			b := bytes.Clone(whole)
			at := 4 + int(partition.Mix(uint64(i))%uint64(len(b)-4))
			b[at] ^= 1 << (i % 8)
			if err := surveyBytes(name, b); err != nil && !typed(err) { // a bit of a gzip header may say nothing
				t.Errorf("%s with a bit of byte %d flipped: %v", name, at, err)
			} else if err == nil && at > 20 {
				t.Errorf("%s with a bit of byte %d flipped is read", name, at)
			}
		}
		wantError(t, surveyBytes(name, append(bytes.Clone(whole), "rubbish"...)), ErrCorrupt, name)
	}
	err := surveyBytes("a.csv.gz", gzipped(t, gzipped(t, text)))
	if !typed(err) {
		t.Errorf("a file compressed twice: %v", err)
	}
	wantError(t, surveyBytes("a.csv.zst", zstandard(t, nil)), ErrFormat, "no row")
}

// surveyBytes opens and surveys a file.
func surveyBytes(name string, b []byte) error {
	d, err := Open(context.Background(), memoryStore{name: b}, spec(name))
	if err != nil {
		return err
	}
	_, err = d.Survey(context.Background(), 1, nil)
	return errors.Join(err, d.Close())
}

func TestABombIsRefusedBeforeItGoesOff(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, name := range []string{"a.csv.gz", "a.csv.zst"} {
		var b bytes.Buffer
		var w io.WriteCloser = stdgzip.NewWriter(&b) // packs better
		if strings.HasSuffix(name, "zst") {
			w, _ = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		}
		if _, err := io.WriteString(w, "msisdn,fee_m0,out_sec_m0,sex\n"); err != nil {
			t.Fatal(err)
		}
		rows := bytes.Repeat([]byte("13800138000,0,0,0\n"), 100_000)
		for n := 0; n < 3*packedFreeBytes; n += len(rows) {
			if _, err := w.Write(rows); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		d, err := Open(context.Background(), memoryStore{name: b.Bytes()}, spec(name))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // and again
			_, err = d.Survey(context.Background(), 2, nil)
			wantError(t, err, ErrTooLarge, name, "256 times")
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestUnpackingEndsWithItsContext(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d, err := Open(context.Background(), memoryStore{"a.csv.gz": gzipped(t, feeText(1000))}, spec("a.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Survey(ctx, 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a survey without time: %v", err)
	}
	if _, err := d.Survey(context.Background(), 1, nil); err != nil {
		t.Errorf("a survey after one that was stopped: %v", err)
	}
}

func TestNoRoomToUnpackSaysWhereRoomIsWanted(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/none")
	err := surveyBytes("a.csv.gz", gzipped(t, feeText(10)))
	if err == nil || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("without a temporary folder: %v", err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(gzipped(f, feeText(20)), true)
	f.Add(zstandard(f, feeText(20)), false)
	f.Add(zstandard(f, feeText(2), feeText(3)), false)
	f.Fuzz(func(t *testing.T, b []byte, gz bool) {
		name := "a.csv.zst"
		if gz {
			name = "a.csv.gz"
		}
		if err := surveyBytes(name, b); err != nil && !typed(err) {
			t.Fatalf("untyped error %v", err)
		}
	})
}
