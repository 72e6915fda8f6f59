package source

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"
)

// TestASplitReaderDeliversTheSameRows whatever was read before, and however often and
// unevenly it is split; numbers that repeat, are wrong or missing stand at any cut.
func TestASplitReaderDeliversTheSameRows(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 5))
	rows := subscribers(11, 1500, 0.1)
	for i := range rows {
		switch r.IntN(12) {
		case 0, 1, 2:
			if i > 0 {
				rows[i].Msisdn = rows[i-1].Msisdn
			}
		case 3:
			rows[i].Msisdn = 138 // no number
		case 4:
			rows[i].Msisdn = 1064912345678 // IoT
		}
	}
	dir := t.TempDir()
	for i := range 3 {
		write(t, dir, fmt.Sprintf("in/part-%d.parquet", i), parquetBytes(t, rows[i*500:(i+1)*500], parquet.PageBufferSize(500), parquet.MaxRowsPerRowGroup(170)))
	}
	d := open(t, dir, subscriberSpec("in"))
	sv := survey(t, d)
	task := cut(sv, whole)[0]
	want, err := readTask(t, d, sv, task, subscriberColumns, 64)
	if err != nil {
		t.Fatal(err)
	}
	split := 0
	for range 60 {
		alloc := memory.NewCheckedAllocator(memory.NewGoAllocator())
		main, err := d.Reader(task, sv.Files, subscriberColumns, 1+r.IntN(90), alloc)
		if err != nil {
			t.Fatal(err)
		}
		var got result
		readers := []*Reader{main}
		for i := 0; i < len(readers); i++ { // those of a split before its reader's own later rows
			for r.IntN(4) > 0 {
				left := readers[i].Left()
				other, err := readers[i].Split(1 + r.IntN(1000))
				if err != nil {
					t.Fatal(err)
				}
				if other == nil {
					break
				}
				if n := other.Left(); n > left/2 || n == 0 || readers[i].Left()+n != left || readers[i].Left() == 0 {
					t.Fatalf("%d rows are split into %d and %d", left, readers[i].Left(), n)
				}
				readers = append(readers[:i+1:i+1], append([]*Reader{other}, readers[i+1:]...)...)
				split++
				if err := got.read(t, readers[i], len(subscriberColumns), r.IntN(3)); err != nil {
					t.Fatal(err)
				}
			}
			if err := got.read(t, readers[i], len(subscriberColumns), 1<<20); err != nil {
				t.Fatal(err)
			}
		}
		for i := len(readers) - 1; i >= 0; i-- {
			got.counts = got.counts.Add(readers[i].Counts())
			if readers[i].Keys() != task.Keys {
				t.Error("the keys are not the task's")
			}
			if err := readers[i].Close(); err != nil {
				t.Error(err)
			}
		}
		if n := alloc.CurrentAlloc(); n != 0 {
			t.Errorf("%d bytes were not returned", n)
		}
		diff(t, got.rows, want.rows)
		if got.counts != want.counts || !reflect.DeepEqual(got.rejects, want.rejects) {
			t.Fatalf("%+v and %d rejects of %d readers, want %+v and %d", got.counts, len(got.rejects), len(readers), want.counts, len(want.rejects))
		}
	}
	if split < 50 {
		t.Errorf("split %d times", split)
	}
}

// TestWhatCannotBeSplitIsReadByOne: text, which has to be read from the
// beginning, and what is of one number.
func TestWhatCannotBeSplitIsReadByOne(t *testing.T) {
	t.Parallel()
	rows := subscribers(3, 200, 0.1)
	same := subscribers(3, 200, 0.1)
	for i := range same {
		same[i].Msisdn = same[0].Msisdn
	}
	for name, c := range map[string]struct {
		files map[string][]byte
		path  string
	}{
		"text":       {map[string][]byte{"in/a.csv": csvBytes(rows)}, "in"},
		"one number": {map[string][]byte{"in/a.parquet": parquetBytes(t, same)}, "in"},
	} {
		dir := t.TempDir()
		for file, data := range c.files {
			write(t, dir, file, data)
		}
		d := open(t, dir, subscriberSpec(c.path))
		sv := survey(t, d)
		r, err := d.Reader(cut(sv, whole)[0], sv.Files, subscriberColumns, 10, memory.NewGoAllocator())
		if err != nil {
			t.Fatal(err)
		}
		if other, err := r.Split(100); other != nil || err != nil {
			t.Errorf("%s is split: %v", name, err)
		}
		var got result
		if err := got.read(t, r, len(subscriberColumns), 1<<20); err != nil || r.Counts().In != 200 {
			t.Errorf("%s: %+v: %v", name, r.Counts(), err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if other, err := r.Split(100); other != nil || err != nil {
			t.Errorf("%s is split when it is closed: %v", name, err)
		}
	}
}
