package province

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/synth"
)

// parquetFile writes flat optional integer columns, and nothing else, as
// Parquet. The library's own writer takes a 24-byte value at a time for an
// optional column and keeps a row number for each; here a whole batch goes from
// slices to a page, with the library's structures for headers and footer. Validity bitmaps are definition levels already: one bit a row,
// least significant first.
type parquetFile struct {
	w        io.Writer
	offset   int64
	codec    format.CompressionCodec
	compress func(dst, src []byte) []byte // reuses dst's memory; nil for none
	columns  []*chunk
	rows     int64 // of the open row group
	meta     format.FileMetaData
	indexes  []pageIndex // one a column chunk, in file order
}

type pageIndex struct {
	column format.ColumnIndex
	offset format.OffsetIndex
}

const magic = "PAR1"

func newParquet(w io.Writer, columns []synth.Column, codec format.CompressionCodec) (*parquetFile, error) {
	f := &parquetFile{w: w, codec: codec}
	switch codec {
	case format.Zstd:
		z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		f.compress = func(dst, src []byte) []byte { return z.EncodeAll(src, dst[:0]) }
	case format.Snappy:
		f.compress = func(dst, src []byte) []byte { return s2.EncodeSnappy(dst[:cap(dst)], src) }
	}
	f.meta.Version = 2
	f.meta.CreatedBy = "rescore province"
	f.meta.Schema = append(f.meta.Schema, format.SchemaElement{
		Name: "subscriber", NumChildren: thrift.New(int32(len(columns))), RepetitionType: thrift.New(format.Required),
	})
	for _, c := range columns {
		e, err := element(c)
		if err != nil {
			return nil, err
		}
		f.meta.Schema = append(f.meta.Schema, e)
		f.meta.ColumnOrders = append(f.meta.ColumnOrders, format.ColumnOrder{Value: new(format.TypeDefinedOrder)})
		f.columns = append(f.columns, &chunk{file: f, name: c.Name, physical: e.Type.V, codec: codec, count: counts(c)})
	}
	return f, f.emit([]byte(magic))
}

// counts reports whether a column holds small numbers without gaps worth naming:
// counts and codes, not days and areas.
func counts(c synth.Column) bool {
	switch c.Source.Type.ID() {
	case arrow.UINT8, arrow.INT16, arrow.INT32:
		return true
	}
	return false
}

// element is a column's entry in the schema.
func element(c synth.Column) (format.SchemaElement, error) {
	e := format.SchemaElement{
		Name: c.Name, Type: thrift.New(format.Int32), RepetitionType: thrift.New(format.Optional),
	}
	integer := func(bits int8, signed bool, old deprecated.ConvertedType) {
		if bits == 64 {
			e.Type = thrift.New(format.Int64)
		}
		e.ConvertedType = thrift.New(old)
		e.LogicalType = format.LogicalType{Value: &format.IntType{BitWidth: bits, IsSigned: signed}}
	}
	switch c.Source.Type.ID() {
	case arrow.UINT8:
		integer(8, false, deprecated.Uint8)
	case arrow.INT16:
		integer(16, true, deprecated.Int16)
	case arrow.INT32:
		integer(32, true, deprecated.Int32)
	case arrow.UINT32:
		integer(32, false, deprecated.Uint32)
	case arrow.INT64:
		integer(64, true, deprecated.Int64)
	case arrow.UINT64:
		integer(64, false, deprecated.Uint64)
	case arrow.DATE32:
		e.ConvertedType = thrift.New(deprecated.Date)
		e.LogicalType = format.LogicalType{Value: new(format.DateType)}
	default:
		return e, fmt.Errorf("column %s: no Parquet type for %s", c.Name, c.Source.Type)
	}
	return e, nil
}

func (f *parquetFile) emit(b []byte) error {
	n, err := f.w.Write(b)
	f.offset += int64(n)
	return err
}

// write encodes one page of every column.
func (f *parquetFile) write(columns []synth.Column, n int) error {
	if n == 0 {
		return nil
	}
	for i, c := range columns {
		var err error
		switch v := c.Vector.(type) {
		case *synth.Vector[uint8]:
			err = page(f.columns[i], v, n)
		case *synth.Vector[int16]:
			err = page(f.columns[i], v, n)
		case *synth.Vector[int32]:
			err = page(f.columns[i], v, n)
		case *synth.Vector[uint32]:
			err = page(f.columns[i], v, n)
		case *synth.Vector[int64]:
			err = page(f.columns[i], v, n)
		case *synth.Vector[uint64]:
			err = page(f.columns[i], v, n)
		}
		if err != nil {
			return fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	f.rows += int64(n)
	return nil
}

// split writes the row group that has gathered.
func (f *parquetFile) split() error {
	if f.rows == 0 {
		return nil
	}
	g := format.RowGroup{NumRows: f.rows, FileOffset: f.offset, Ordinal: int16(len(f.meta.RowGroups))}
	for _, c := range f.columns {
		column, err := c.flush()
		if err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
		g.TotalByteSize += column.MetaData.TotalUncompressedSize
		g.TotalCompressedSize += column.MetaData.TotalCompressedSize
		g.Columns = append(g.Columns, column)
	}
	f.meta.RowGroups = append(f.meta.RowGroups, g)
	f.meta.NumRows += f.rows
	f.rows = 0
	return nil
}

// finish writes the page indexes and the footer.
func (f *parquetFile) finish() error {
	if err := f.split(); err != nil {
		return err
	}
	at := 0
	for g := range f.meta.RowGroups {
		for c := range f.meta.RowGroups[g].Columns {
			column := &f.meta.RowGroups[g].Columns[c]
			column.ColumnIndexOffset = f.offset
			if err := f.marshal(&f.indexes[at].column); err != nil {
				return err
			}
			column.ColumnIndexLength = int32(f.offset - column.ColumnIndexOffset)
			at++
		}
	}
	at = 0
	for g := range f.meta.RowGroups {
		for c := range f.meta.RowGroups[g].Columns {
			column := &f.meta.RowGroups[g].Columns[c]
			column.OffsetIndexOffset = f.offset
			if err := f.marshal(&f.indexes[at].offset); err != nil {
				return err
			}
			column.OffsetIndexLength = int32(f.offset - column.OffsetIndexOffset)
			at++
		}
	}
	start := f.offset
	if err := f.marshal(&f.meta); err != nil {
		return err
	}
	tail := binary.LittleEndian.AppendUint32(nil, uint32(f.offset-start))
	return f.emit(append(tail, magic...))
}

func (f *parquetFile) marshal(v any) error {
	b, err := thrift.Marshal(new(thrift.CompactProtocol), v)
	if err != nil {
		return err
	}
	return f.emit(b)
}
