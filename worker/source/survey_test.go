package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"rescore/partition"
	"rescore/partition/job"
)

// Null and bad numbers stand everywhere, at the start of files and of row
// groups too: each belongs to the segment of the row before it.
func TestASurveyCountsWhatANaiveScanCounts(t *testing.T) {
	t.Parallel()
	type keyed struct {
		Msisdn *int64 `parquet:"msisdn"`
	}
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 9))
		dir := t.TempDir()
		num := int64(13800130000)
		var want []job.SegmentRows
		segment := partition.Segment(0)
		files := 1 + int(seed%3)
		total := int64(0)
		var sum partition.Sum
		waiting := 0     // leading runs without a segment yet
		numbered := true // every file has a number
		for f := range files {
			var rows []keyed
			n := r.IntN(400)
			found := false
			for i := range n {
				first := int64(i)
				total++
				var good bool
				switch k := r.IntN(10); {
				case k == 0 || i < int(seed%5):
					rows = append(rows, keyed{})
				case k == 1:
					rows = append(rows, keyed{ptr(int64(7))})
				default:
					num += int64(r.IntN(2500))
					rows = append(rows, keyed{ptr(num)})
					good, found = true, true
				}
				if good && partition.Number(num).Segment() != segment {
					segment = partition.Number(num).Segment()
					for j := range waiting {
						want[j].Segment = segment
					}
					waiting = 0
				}
				if k := len(want) - 1; k < 0 || want[k].File != f || want[k].Segment != segment {
					want = append(want, job.SegmentRows{Segment: segment, File: f, First: first})
					if segment == 0 {
						waiting = len(want)
					}
				}
				w := &want[len(want)-1]
				w.Rows++
				if good {
					w.Keys = w.Keys.AddNumber(partition.Number(num))
					sum = sum.AddNumber(partition.Number(num))
				}
			}
			numbered = numbered && found
			num++ // the next file starts higher
			var b bytes.Buffer
			if err := parquet.Write(&b, rows, parquet.MaxRowsPerRowGroup(1+int64(r.IntN(60))), parquet.PageBufferSize(64)); err != nil {
				t.Fatal(err)
			}
			write(t, dir, fmt.Sprintf("in/p%d.parquet", f), b.Bytes())
		}
		d := open(t, dir, spec("in"))
		last := int64(0)
		sv, err := d.Survey(context.Background(), 3, func(rows int64) {
			if rows < last {
				t.Errorf("progress went back from %d to %d", last, rows)
			}
			last = rows
		})
		if err != nil {
			t.Fatal(err)
		}
		if last != total {
			t.Errorf("seed %d: progress ended at %d of %d rows", seed, last, total)
		}
		var counted, rows int64
		var keys partition.Sum
		for i, s := range sv.Segments[0] {
			counted += s.Rows
			keys = keys.Add(s.Keys)
			if i > 0 && s.Segment < sv.Segments[0][i-1].Segment {
				t.Errorf("seed %d: segments go back", seed)
			}
		}
		for _, f := range sv.Files {
			rows += f.Rows
		}
		if counted != total || rows != total || keys != sum {
			t.Fatalf("seed %d: %d rows in segments, %d in files, want %d", seed, counted, rows, total)
		}
		// Files without a number sort last, where the naive scan does not put them.
		if numbered && !reflect.DeepEqual(sv.Segments[0], merged(want)) {
			t.Fatalf("seed %d:\n got  %+v\n want %+v", seed, sv.Segments[0], merged(want))
		}
	}
}

func merged(runs []job.SegmentRows) []job.SegmentRows {
	var out []job.SegmentRows
	for _, r := range runs {
		if k := len(out) - 1; k >= 0 && out[k].File == r.File && out[k].Segment == r.Segment {
			out[k].Rows += r.Rows
			out[k].Keys = out[k].Keys.Add(r.Keys)
			continue
		}
		out = append(out, r)
	}
	return out
}

// The rows are the surveyed ones, but two have changed places.
func TestRowsThatChangedPlacesAreRefused(t *testing.T) {
	t.Parallel()
	before := "msisdn\n13800130001\n13800130002\n13800130003\n"
	after := "msisdn\n13800130002\n13800130001\n13800130003\n"
	read := func(text string, sv *job.Survey) error {
		d, err := Open(context.Background(), memoryStore{"in.csv": []byte(text)}, spec("in.csv"))
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if sv.Files == nil {
			*sv = survey(t, d)
		}
		_, err = readTask(t, d, *sv, cut(*sv, whole)[0], []string{"sex"}, 10)
		return err
	}
	var sv job.Survey
	if err := read(before, &sv); err != nil {
		t.Fatal(err)
	}
	if err := read(after, &sv); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "out of order") {
		t.Fatalf("error %v", err)
	}
}

// A task may leave rows of a file out between two slices.
func TestSlicesNeedNotFollowEachOther(t *testing.T) {
	t.Parallel()
	rows := subscribers(4, 900, 0.1)
	for _, format := range []string{"parquet", "csv"} {
		dir := t.TempDir()
		data := csvBytes(rows)
		if format == "parquet" {
			data = parquetBytes(t, rows, parquet.PageBufferSize(300), parquet.MaxRowsPerRowGroup(200))
		}
		write(t, dir, "in."+format, data)
		d := open(t, dir, subscriberSpec("in."+format))
		sv := survey(t, d)
		each := cut(sv, groupers["each"])
		if len(each) < 5 {
			t.Fatal("too few segments")
		}
		task := each[1]
		var want []row
		all := naive(rows)
		for _, i := range []int{1, 3, 4} {
			s := each[i].Slices[0]
			want = append(want, all[s.First:s.First+s.Rows]...)
			if i > 1 {
				task.Slices = append(task.Slices, s)
				task.Rows += each[i].Rows
				task.Keys = task.Keys.Add(each[i].Keys)
				task.Range.Past = each[i].Range.Past
			}
		}
		got, err := readTask(t, d, sv, task, subscriberColumns, 50)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, got.rows, want)
	}
}

// Rows after the last one the footer counts are not passed over in silence,
// neither where numbers are read nor where columns are.
func TestRowsBeyondTheFootersCountAreAnError(t *testing.T) {
	t.Parallel()
	data := parquetBytes(t, subscribers(1, 400, 0), parquet.MaxRowsPerRowGroup(200), parquet.PageBufferSize(100))
	for turn := range 2 * 199 { // some cuts meet the end of a page, others do not
		cutRows, made := int64(turn/2+1), uint64(turn%2)*13000000000
		s := subscriberSpec("in.parquet")
		s.Input.MakeNumbers = made
		d, err := Open(context.Background(), memoryStore{"in.parquet": data}, s)
		if err != nil {
			t.Fatal(err)
		}
		f := d.files[0].table.(*parquetFile)
		g := &f.groups[1]
		g.rows, f.rows = g.rows-cutRows, f.rows-cutRows
		for i := range g.chunks {
			g.chunks[i].rows -= cutRows
		}
		sv, err := d.Survey(context.Background(), 1, nil)
		if made != 0 {
			if err != nil {
				t.Fatal(err)
			}
			_, err = readTask(t, d, sv, cut(sv, whole)[0], []string{"sex"}, 64)
		}
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d rows beyond, made numbers %v: error %v", cutRows, made != 0, err)
		}
		d.Close()
	}
}

// A flipped bit in a page with a checksum is found.
func TestPageChecksumsAreVerified(t *testing.T) {
	t.Parallel()
	p := sharedPath(t, "malformed/parquet-testing/data/datapage_v1-corrupt-checksum.parquet")
	_, _, err := devour(p[:strings.LastIndexByte(p, '/')], p[strings.LastIndexByte(p, '/')+1:], "parquet")
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "checksum") {
		t.Fatalf("error %v", err)
	}
}

// Batches end where a task does, and the last record is as long as it says.
func TestTheLastBatchIsShort(t *testing.T) {
	t.Parallel()
	data := parquetBytes(t, subscribers(1, 130, 0))
	d, err := Open(context.Background(), memoryStore{"in.parquet": data}, subscriberSpec("in.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	sv := survey(t, d)
	r, err := d.Reader(cut(sv, whole)[0], sv.Files, []string{"msisdn", "sex", "imei_m0", "pay_mode"}, 100, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, want := range []int{100, 30} {
		b, err := r.Next(context.Background())
		if err != nil || b.Len != want || b.Record.NumRows() != int64(want) {
			t.Fatalf("batch %+v, %v", b, err)
		}
		for _, c := range b.Record.Columns() {
			if c.Len() != want {
				t.Errorf("a column of %d rows", c.Len())
			}
		}
		if b.Record.Column(2).NullN() != want || b.Record.Column(3).NullN() != 0 {
			t.Errorf("an absent column has %d nulls, a constant one %d", b.Record.Column(2).NullN(), b.Record.Column(3).NullN())
		}
	}
	if _, err := r.Next(context.Background()); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}
