package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/store"
)

// tasks read in any order, again and again by one process, give the rows that each gives
// by itself: what one leaves behind is only where pages begin.
func TestATaskReadsOnWhereAnotherEnded(t *testing.T) {
	t.Parallel()
	rows := subscribers(17, 3000, 0.2)
	for _, version := range []int{1, 2} {
		dir := t.TempDir()
		write(t, dir, "in.parquet", parquetBytes(t, rows, parquet.PageBufferSize(600), parquet.MaxRowsPerRowGroup(1100), parquet.DataPageVersion(version)))
		d := open(t, dir, subscriberSpec("in.parquet"))
		sv := survey(t, d)
		whole, err := readTask(t, d, sv, cut(sv, whole)[0], subscriberColumns, 97)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(9, uint64(version)))
		f := d.files[0].table.(*parquetFile)
		for range 60 {
			from := r.IntN(len(rows))
			n := 1 + r.IntN(len(rows)-from)
			c := f.column(f.fields[d.files[0].key], nil, new(codecs)).(*parquetColumn)
			at := from
			c.seek(int64(from))
			err := c.keys(int64(n), d.key, func(numbers []uint64, _ []verdict) {
				for _, number := range numbers {
					if number != whole.rows[at].key {
						t.Fatalf("row %d, read from row %d on, has another number", at, from)
					}
					at++
				}
			})
			c.close()
			if err != nil || at != from+n {
				t.Fatalf("rows %d to %d of %d: %v", from, at, from+n, err)
			}
		}
		for _, name := range sortedKeys(groupers) {
			tasks := cut(sv, groupers[name])
			r.Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
			for _, task := range tasks {
				alone, err := readTask(t, open(t, dir, subscriberSpec("in.parquet")), sv, task, subscriberColumns, 97)
				if err != nil {
					t.Fatal(err)
				}
				got, err := readTask(t, d, sv, task, subscriberColumns, 97)
				if err != nil {
					t.Fatal(err)
				}
				diff(t, got.rows, alone.rows)
			}
		}
	}
}

// A task whose neighbour was read asks for no header before its first page but the
// dictionary's.
func TestATaskAfterAnotherReadsNoPageBeforeItsOwn(t *testing.T) {
	t.Parallel()
	type record struct {
		Msisdn int64 `parquet:"msisdn,plain"`
		Fee    int64 `parquet:"fee,dict"`
	}
	const rows, half = 200_000, 150_000
	list := make([]record, rows)
	for i := range list {
		list[i] = record{13800130000 + int64(i), int64(i * 7 % 3001)}
	}
	var file bytes.Buffer
	w := parquet.NewGenericWriter[record](&file, parquet.PageBufferSize(64<<10))
	if _, err := w.Write(list); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"msisdn", "fee"} {
		trace := &traced{Object: object(file.Bytes())}
		f, err := openParquet(trace)
		if err != nil {
			t.Fatal(err)
		}
		read := func(from, n int64) (at []int64) {
			trace.at = nil
			c := newParquetColumn(f, f.fields[i], nil, new(codecs))
			defer c.close()
			c.seek(from)
			row := from
			err := c.keys(n, keyRule{}, func(numbers []uint64, why []verdict) { row += int64(len(numbers)) })
			if err != nil || row != from+n {
				t.Fatalf("%s: %d rows, %v", name, row-from, err)
			}
			return trace.at
		}
		first := f.groups[0].chunks[i].first
		walked := read(half, 1)
		page := walked[len(walked)-1] - headerSize // at the least: its header may have been read before
		read(0, half)
		again := read(half, 1)
		before := slices.DeleteFunc(slices.Clone(again), func(off int64) bool { return off >= page || name == "fee" && off < first+(64<<10) })
		if len(again) > 4 || len(before) > 0 {
			t.Errorf("%s: reads at %v for a page at %d", name, again, page)
		}
		if len(walked) < 2*len(again) {
			t.Errorf("%s: %d reads before another was there, %d after: nothing was saved", name, len(walked), len(again))
		}
	}
}

// traced notes where it is read.
type traced struct {
	store.Object
	at []int64
}

func (o *traced) ReadAt(p []byte, off int64) (int, error) {
	o.at = append(o.at, off)
	return o.Object.ReadAt(p, off)
}

// Statistics and indexes that lie, or lie elsewhere, change no row: what is read is found
// by counting.
func TestIndexesThatLieChangeNothing(t *testing.T) {
	t.Parallel()
	rows := subscribers(23, 2000, 0.1)
	honest := parquetBytes(t, rows, parquet.PageBufferSize(600), parquet.MaxRowsPerRowGroup(700))
	footer := func(file []byte) (meta format.FileMetaData, start int) {
		start = len(file) - 8 - int(binary.LittleEndian.Uint32(file[len(file)-8:]))
		if err := thrift.Unmarshal(new(thrift.CompactProtocol), file[start:len(file)-8], &meta); err != nil {
			t.Fatal(err)
		}
		return meta, start
	}
	meta, start := footer(honest)
	if c := meta.RowGroups[0].Columns[0]; c.OffsetIndexOffset == 0 || c.ColumnIndexOffset == 0 {
		t.Fatal("the writer made no indexes")
	}
	want := naive(rows)
	r := rand.New(rand.NewPCG(3, 3))
	for name, lie := range map[string]func(meta *format.FileMetaData, file []byte){
		"bounds of other numbers": func(meta *format.FileMetaData, _ []byte) {
			for g := range meta.RowGroups {
				for c := range meta.RowGroups[g].Columns {
					s := &meta.RowGroups[g].Columns[c].MetaData.Statistics
					for _, b := range []*[]byte{&s.Min, &s.Max, &s.MinValue, &s.MaxValue} {
						*b = []byte{1, 2, 3, 4, 5, 6, 7, 8}
					}
					s.NullCount = 1 << 40
				}
			}
		},
		"indexes of other columns": func(meta *format.FileMetaData, _ []byte) {
			for g := range meta.RowGroups {
				columns := meta.RowGroups[g].Columns
				for c := range columns {
					o := meta.RowGroups[(g+1)%len(meta.RowGroups)].Columns[len(columns)-1-c]
					columns[c].OffsetIndexOffset, columns[c].OffsetIndexLength = o.OffsetIndexOffset, o.OffsetIndexLength
					columns[c].ColumnIndexOffset, columns[c].ColumnIndexLength = o.ColumnIndexOffset, o.ColumnIndexLength
				}
			}
		},
		"indexes outside the file": func(meta *format.FileMetaData, _ []byte) {
			for g := range meta.RowGroups {
				for c := range meta.RowGroups[g].Columns {
					o := &meta.RowGroups[g].Columns[c]
					o.OffsetIndexOffset, o.OffsetIndexLength, o.ColumnIndexOffset, o.ColumnIndexLength = 1<<40, 1<<30, -5, -1
				}
			}
		},
		"indexes of noise": func(meta *format.FileMetaData, file []byte) {
			for g := range meta.RowGroups {
				for _, c := range meta.RowGroups[g].Columns {
					for _, b := range [][]byte{file[c.OffsetIndexOffset:][:c.OffsetIndexLength], file[c.ColumnIndexOffset:][:c.ColumnIndexLength]} {
						for i := range b {
							b[i] = byte(r.Uint32())
						}
					}
				}
			}
		},
		"row groups elsewhere in order": func(meta *format.FileMetaData, _ []byte) {
			for g := range meta.RowGroups {
				meta.RowGroups[g].SortingColumns = []format.SortingColumn{{ColumnIdx: 3, Descending: true}}
				meta.RowGroups[g].FileOffset, meta.RowGroups[g].Ordinal = 1<<50, int16(7-g)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := slices.Clone(honest)
			meta, _ := footer(file)
			lie(&meta, file)
			text, err := thrift.Marshal(new(thrift.CompactProtocol), &meta)
			if err != nil {
				t.Fatal(err)
			}
			file = append(file[:start], text...)
			file = append(binary.LittleEndian.AppendUint32(file, uint32(len(text))), magic...)
			d, err := Open(t.Context(), memoryStore{"in.parquet": file}, subscriberSpec("in.parquet"))
			if errors.Is(err, ErrCorrupt) {
				return // said, and no row of it read
			}
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			sv := survey(t, d)
			var got []row
			for _, task := range cut(sv, groupers[sortedKeys(groupers)[0]]) {
				r, err := readTask(t, d, sv, task, subscriberColumns, 100)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, r.rows...)
			}
			diff(t, got, want)
		})
	}
}
