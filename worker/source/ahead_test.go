package source

import (
	"bytes"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// What a column will read is asked for before it is read, once, and never more than a
// stretch of it: whoever fetches it is at work while rows are scored, and fills no memory.
func TestALocalFileIsAskedForWhatComesNext(t *testing.T) {
	t.Parallel()
	type record struct {
		Msisdn int64 `parquet:"msisdn,plain"`
		Fee    int64 `parquet:"fee,plain"`
	}
	const rows, group = 200_000, 90_000
	var file bytes.Buffer
	w := parquet.NewGenericWriter[record](&file, parquet.MaxRowsPerRowGroup(group), parquet.PageBufferSize(16<<10))
	list := make([]record, rows)
	for i := range list {
		list[i] = record{13800130000 + int64(i), int64(i)}
	}
	if _, err := w.Write(list); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := openParquet(object(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if f.ask != nil {
		t.Fatal("an object of memory is asked")
	}
	asked := make([]bool, file.Len())
	at, read := 0, int64(0) // bytes of the column asked for, and rows read
	f.ask = func(from, size int64) {
		if size < 1 || size > askAhead+askAhead/2 {
			t.Errorf("%d bytes are asked for at once", size)
		}
		for i := range size {
			if asked[from+i] {
				t.Fatalf("byte %d is asked for twice", from+i)
			}
			asked[from+i] = true
		}
		at += int(size)
		if ahead := at - int(8*read); ahead > 3*askAhead {
			t.Errorf("%d bytes are asked for before they are read", ahead)
		}
	}
	fee := f.fields[1]
	c := newParquetColumn(f, fee, nil, new(codecs))
	defer c.close()
	c.seek(0)
	err = c.keys(rows, keyRule{}, func(numbers []uint64, _ []verdict) { read += int64(len(numbers)) })
	if err != nil || read != rows {
		t.Fatalf("%d rows were read: %v", read, err)
	}
	for _, g := range f.groups {
		chunk := g.chunks[fee.index]
		for i := range chunk.end - chunk.first - windowMin { // a last page may be read with the one before
			if !asked[chunk.first+i] {
				t.Fatalf("byte %d of the column is never asked for", chunk.first+i)
			}
		}
	}
	for i, b := range asked {
		inside := false
		for _, g := range f.groups {
			chunk := g.chunks[fee.index]
			inside = inside || int64(i) >= chunk.first && int64(i) < chunk.end
		}
		if b && !inside {
			t.Fatalf("byte %d is of another column", i)
		}
	}
}

func TestAFileOfTheSystemIsAsked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "in.parquet", parquetBytes(t, subscribers(3, 300, 0.1)))
	obj, err := rooted(t, dir).Open(t.Context(), "in.parquet")
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	ask := asker(obj)
	if ask == nil {
		t.Skip("this system is not asked")
	}
	ask(0, obj.Size())
	ask(obj.Size()-1, 1<<40) // what is not there does no harm
}
