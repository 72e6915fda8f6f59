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
// optional column and keeps a row number for each; here a batch goes from slices
// to the open page, with the library's structures for the footer. Batches are a
// part of a page, so that a batch is encoded while it is still in a core's own
// cache.
type parquetFile struct {
	w        io.Writer
	offset   int64
	codec    format.CompressionCodec
	compress func(dst, src []byte) []byte // reuses dst's memory; nil for none
	columns  []column
	page     int   // rows of the open page
	rows     int64 // of the open row group
	meta     format.FileMetaData

	// What one column after another works in.
	levels, body, raw, packed []byte
	indices                   []uint16
	room                      []int64
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
		p := pages{file: f, name: c.Name, physical: e.Type.V, codec: codec}
		f.columns = append(f.columns, newColumn(p, c))
	}
	return f, f.emit([]byte(magic))
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

// amounts is room for a block that waits and n values, with slack.
func (f *parquetFile) amounts(n int) []int64 {
	if len(f.room) < deltaBlock+n+slack {
		f.room = make([]int64, deltaBlock+n+n/8+slack)
	}
	return f.room
}

// write appends n rows of the columns.
func (f *parquetFile) write(columns []synth.Column, n int) error {
	if n == 0 {
		return nil
	}
	for i, c := range columns {
		f.columns[i].take(c.Vector, n)
	}
	f.page += n
	f.rows += int64(n)
	if f.page >= pageRows {
		f.closePage()
	}
	if f.rows >= pageRows*rowGroupPages {
		return f.split()
	}
	return nil
}

func (f *parquetFile) closePage() {
	for _, c := range f.columns {
		c.closePage()
	}
	f.page = 0
}

// split writes the row group that has gathered.
func (f *parquetFile) split() error {
	if f.rows == 0 {
		return nil
	}
	if f.page > 0 {
		f.closePage()
	}
	g := format.RowGroup{NumRows: f.rows, FileOffset: f.offset, Ordinal: int16(len(f.meta.RowGroups))}
	for i, c := range f.columns {
		chunk, err := c.flush()
		if err != nil {
			return fmt.Errorf("column %s: %w", f.meta.Schema[i+1].Name, err)
		}
		g.TotalByteSize += chunk.MetaData.TotalUncompressedSize
		g.TotalCompressedSize += chunk.MetaData.TotalCompressedSize
		g.Columns = append(g.Columns, chunk)
	}
	f.meta.RowGroups = append(f.meta.RowGroups, g)
	f.meta.NumRows += f.rows
	f.rows = 0
	return nil
}

// finish writes the footer.
func (f *parquetFile) finish() error {
	if err := f.split(); err != nil {
		return err
	}
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &f.meta)
	if err != nil {
		return err
	}
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(footer)))
	return f.emit(append(footer, magic...))
}
