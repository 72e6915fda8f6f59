package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
)

const shared = "../../../shared/data"

func sharedPath(t testing.TB, name string) string {
	t.Helper()
	p := filepath.Join(shared, filepath.FromSlash(name))
	if _, err := os.Stat(p); err != nil {
		t.Skipf("no test data at %s: the shared data folder stands beside the repository", name)
	}
	return p
}

// typed reports whether an error is one that callers can branch on.
func typed(err error) bool {
	for _, is := range []error{ErrNoInput, ErrFormat, ErrCorrupt, ErrMapping, ErrUnsorted, ErrChanged, ErrControl, ErrTooLarge} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// devour reads every column of one file that can be read: as extra columns, the
// rows numbered, so that any schema will do. It returns the rows that came out
// of every column, which are the ones the footer counts, or a typed error.
func devour(dir, name, format string) (rows int64, columns int, err error) {
	return devourStore(func() (*Dataset, error) {
		root, err := newRooted(dir)
		if err != nil {
			return nil, err
		}
		s := spec(name)
		s.Input.Format, s.Input.MakeNumbers = format, 13000000000
		d, err := Open(context.Background(), root, s)
		if err != nil {
			return nil, err
		}
		// Now that the columns are known, ask for all that have one value a row.
		for _, fd := range d.files[0].fields {
			if fd.refused == "" && fd.name != "" && fd.kind != kindDay && fd.kind != kindStamp {
				s.Input.Extra = append(s.Input.Extra, job.Extra{Name: "extra." + fd.name, Column: fd.name})
			}
		}
		if err := d.Close(); err != nil {
			return nil, err
		}
		return Open(context.Background(), root, s)
	})
}

func devourStore(open func() (*Dataset, error)) (rows int64, columns int, err error) {
	d, err := open()
	if err != nil {
		return 0, 0, err
	}
	defer d.Close()
	sv, err := d.Survey(context.Background(), 1, nil)
	if err != nil {
		return 0, 0, err
	}
	var names []string
	for _, e := range d.spec.Input.Extra {
		names = append(names, e.Name)
	}
	for _, task := range cut(sv, groupers["lopside"]) {
		r, err := d.Reader(task, sv.Files, names, 1000, memory.DefaultAllocator)
		if err != nil {
			return rows, len(names), err
		}
		for {
			b, err := r.Next(context.Background())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return rows, len(names), errors.Join(err, r.Close())
			}
			rows += b.Record.NumRows()
		}
		if r.Counts().In != task.Rows {
			return rows, len(names), errors.New("a task ended short without an error")
		}
		if err := r.Close(); err != nil {
			return rows, len(names), err
		}
	}
	return rows, len(names), nil
}

func TestEveryMalformedFileEndsInATypedErrorOrAllItsRows(t *testing.T) {
	root := sharedPath(t, "malformed")
	outcomes := map[string]int{}
	var slowest time.Duration
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		format := "parquet"
		switch {
		case strings.Contains(p, "csv"):
			format = "csv"
		case strings.Contains(p, "arrow-ipc"):
			return nil
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		rows, columns, err := devour(filepath.Dir(p), filepath.Base(p), format)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		slowest = max(slowest, took)
		switch {
		case err == nil:
			outcomes[format+" read"]++
		case !typed(err):
			t.Errorf("%s: untyped error %v", p, err)
		default:
			outcomes[format+" refused"]++
		}
		if took > time.Minute { // a loaded machine takes a second, an endless loop for ever
			t.Errorf("%s took %s", p, took)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<30 {
			t.Errorf("%s allocated %d MB", p, grown>>20)
		}
		if err == nil && format == "parquet" {
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			f, err := openParquet(object(data))
			if err != nil || f.rows != rows {
				t.Errorf("%s: %d rows of %d columns came out, %v", p, rows, columns, err)
			}
		}
		if testing.Verbose() {
			t.Logf("%-70s %6d rows %3d columns %8s %v", strings.TrimPrefix(p, root), rows, columns, took.Round(time.Microsecond), err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("outcomes %v, slowest %s", outcomes, slowest)
	if outcomes["parquet refused"] < 30 || outcomes["parquet read"] < 20 || outcomes["csv read"]+outcomes["csv refused"] < 4 {
		t.Errorf("outcomes %v: the corpus was not tried", outcomes)
	}
}

// Flipped bits, cut ends and repeated bytes of valid files.
func TestDamagedFilesEndInATypedErrorOrAllTheirRows(t *testing.T) {
	t.Parallel()
	var bases [][]byte // pages that are packed are never looked at in place
	for _, codec := range []compress.Codec{&parquet.Zstd, &parquet.Uncompressed} {
		bases = append(bases, parquetBytes(t, subscribers(9, 300, 0.2), parquet.MaxRowsPerRowGroup(120), parquet.Compression(codec), parquet.PageBufferSize(400)))
	}
	turns := 300
	if os.Getenv("RESCORE_LONG") != "" {
		turns = 20_000
	}
	for turn := range turns {
		b := slices.Clone(bases[turn%2])
		x := partition.Mix(uint64(turn) + 1)
		for range 1 + x%3 {
			x = partition.Mix(x)
			at := int(x % uint64(len(b)))
			if x>>40%2 == 0 { // metadata is where it hurts
				at = len(b) - 1 - int(x%3000)
			}
			b[at] ^= byte(1 << (x >> 60 & 7))
		}
		if x%5 == 0 {
			b = b[:x%uint64(len(b))]
		}
		if err := devourBytes(b); err != nil && !typed(err) {
			t.Fatalf("turn %d: untyped error %v", turn, err)
		}
	}
}

// devourBytes is devour for a Parquet file in memory, which is read, and looked at in
// place: both come to the same.
func devourBytes(b []byte) error {
	read, readErr := devourParquet(memoryStore{"in.parquet": b})
	seen, seenErr := devourParquet(mappedStore{memoryStore{"in.parquet": b}})
	if read != seen || (readErr == nil) != (seenErr == nil) {
		return fmt.Errorf("%d rows are read, %v; in place they are %d, %v", read, readErr, seen, seenErr) //nolint:errorlint // it is not to be taken for a typed one
	}
	if !typed(seenErr) {
		return seenErr
	}
	return readErr
}

func devourParquet(st store.Store) (rows int64, err error) {
	rows, _, err = devourStore(func() (*Dataset, error) {
		s := spec("in.parquet")
		s.Input.MakeNumbers = 13000000000
		d, err := Open(context.Background(), st, s)
		if err != nil {
			return nil, err
		}
		for _, fd := range d.files[0].fields {
			if fd.refused == "" && fd.name != "" && fd.kind != kindDay && fd.kind != kindStamp {
				s.Input.Extra = append(s.Input.Extra, job.Extra{Name: "extra." + fd.name, Column: fd.name})
			}
		}
		// A file may claim more rows than the number space holds, or than there is
		// time for; the count alone is no error.
		if d.files[0].table.count() > 1<<20 {
			return nil, errors.Join(ErrCorrupt, d.Close())
		}
		return Open(context.Background(), st, s)
	})
	return rows, err
}

func FuzzParquet(f *testing.F) {
	f.Add(parquetBytes(f, subscribers(1, 40, 0.3)))
	f.Add(parquetBytes(f, subscribers(2, 40, 0), parquet.Compression(&parquet.Snappy), parquet.DataPageVersion(1), parquet.MaxRowsPerRowGroup(15)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := devourBytes(bytes.Clone(b)); err != nil && !typed(err) {
			t.Fatalf("untyped error %v", err)
		}
	})
}
