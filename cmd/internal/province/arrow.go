package province

import (
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	mem "github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/synth"
)

// arrowBatchRows is how many rows a record batch has: what one unpacks to for all columns
// fits in memory many times.
const arrowBatchRows = 65_536

// arrowFile writes an Arrow IPC file of the canonical types, dates as DATE32.
type arrowFile struct {
	w *ipc.FileWriter
	b *array.RecordBuilder
	n int // rows in b
}

func newArrow(w io.Writer, columns []synth.Column, compression string) (*arrowFile, error) {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c.Name, Type: c.Source.Type, Nullable: true}
	}
	schema := arrow.NewSchema(fields, nil)
	options := []ipc.Option{ipc.WithSchema(schema)}
	if compression == compressionZstd {
		options = append(options, ipc.WithZstd(), ipc.WithCompressConcurrency(1))
	}
	file, err := ipc.NewFileWriter(&position{w: w}, options...)
	return &arrowFile{w: file, b: array.NewRecordBuilder(mem.DefaultAllocator, schema)}, err
}

// position says how much was written, which the library asks by seeking.
type position struct {
	w  io.Writer
	at int64
}

func (p *position) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.at += int64(n)
	return n, err
}

func (p *position) Seek(off int64, whence int) (int64, error) {
	if off != 0 || whence != io.SeekCurrent {
		return 0, fmt.Errorf("seek to %d: a file is written from front to end", off)
	}
	return p.at, nil
}

func (f *arrowFile) write(columns []synth.Column, n int) error {
	for i := range columns {
		switch v, b := columns[i].Vector, f.b.Field(i); v := v.(type) {
		case *synth.Vector[uint8]:
			appendTo(b.(*array.Uint8Builder), v, n)
		case *synth.Vector[int16]:
			appendTo(b.(*array.Int16Builder), v, n)
		case *synth.Vector[int32]:
			if dates, ok := b.(*array.Date32Builder); ok {
				appendTo(days{dates}, v, n)
				continue
			}
			appendTo(b.(*array.Int32Builder), v, n)
		case *synth.Vector[uint32]:
			appendTo(b.(*array.Uint32Builder), v, n)
		case *synth.Vector[int64]:
			appendTo(b.(*array.Int64Builder), v, n)
		case *synth.Vector[uint64]:
			appendTo(b.(*array.Uint64Builder), v, n)
		}
	}
	if f.n += n; f.n < arrowBatchRows {
		return nil
	}
	return f.flush()
}

// days takes days since 1970 as what they are.
type days struct{ *array.Date32Builder }

func (d days) Append(v int32) { d.Date32Builder.Append(arrow.Date32(v)) }

func appendTo[T synth.Integer](b interface {
	Append(T)
	AppendNull()
}, v *synth.Vector[T], n int) {
	for i, x := range v.Values[:n] {
		if v.Null(i) {
			b.AppendNull()
		} else {
			b.Append(x)
		}
	}
}

func (f *arrowFile) flush() error {
	rec := f.b.NewRecord()
	defer rec.Release()
	f.n = 0
	return f.w.Write(rec)
}

func (f *arrowFile) finish() error {
	defer f.b.Release()
	if f.n > 0 {
		if err := f.flush(); err != nil {
			return err
		}
	}
	return f.w.Close()
}
