package source

import (
	"fmt"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/store"
)

// field is one column of an input file.
type field struct {
	name  string
	index int // leaf column in Parquet, position in CSV
	kind  kind
	// Parquet only.
	optional bool
	unsigned bool
	scale    int   // of a decimal
	perDay   int64 // of a timestamp: units a day
	refused  string
}

// kind is what the values of a field are made of.
type kind uint8

const (
	kindText kind = iota + 1
	kindBool
	kindI32
	kindI64
	kindF32
	kindF64
	kindDay   // days since 1970 as int32
	kindStamp // timestamp as int64
)

func (k kind) String() string {
	return [...]string{"", "text", "boolean", "32-bit integer", "64-bit integer", "float", "double", "date", "timestamp"}[k]
}

// parquetFile is an open Parquet file. It is read-only after openParquet, but for its
// marks, and safe for concurrent use.
type parquetFile struct {
	obj    store.Object
	fields []field
	rows   int64
	groups []rowGroup
	marks  *bookmarks
	ask    func(from, size int64) // has bytes fetched in the background; nil where nobody can be asked
	mapped []byte                 // the whole file; nil where it can only be read
	mapper store.Mapper           // of mapped
}

func (f *parquetFile) format() string { return "parquet" }

func (f *parquetFile) count() int64 { return f.rows }

// elements is the schema in the footer, without its root.
func (f *parquetFile) elements() (list []format.SchemaElement, err error) {
	defer guard("", &err)
	pf, err := parquet.OpenFile(f.obj, f.obj.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.FileReadMode(parquet.ReadModeSync))
	if err != nil {
		return nil, corrupt("footer: %v", err)
	}
	return pf.Metadata().Schema[1:], nil
}

// pieces are the row groups.
func (f *parquetFile) pieces() []int64 {
	rows := make([]int64, len(f.groups))
	for i, g := range f.groups {
		rows[i] = g.rows
	}
	return rows
}

func (f *parquetFile) column(fd field, conv *conversion, c *codecs) tableColumn {
	return newParquetColumn(f, fd, conv, c)
}

type rowGroup struct {
	rows   int64
	chunks []chunk
}

// openParquet reads and checks the footer of obj. Offsets lie inside the file
// and the row counts agree with each other before any page is looked at.
func openParquet(obj store.Object) (f *parquetFile, err error) {
	if err := CheckFooter(obj); err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			f, err = nil, corrupt("footer: decoder panicked: %v", p)
		}
	}()
	// The default read mode is synchronous: parquet-go starts no goroutine, so a
	// panic comes back here. Indexes and filters are not needed and not trusted.
	pf, err := parquet.OpenFile(obj, obj.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true),
		parquet.FileReadMode(parquet.ReadModeSync))
	if err != nil {
		return nil, corrupt("footer: %v", err)
	}
	f = &parquetFile{obj: obj, ask: asker(obj), marks: new(bookmarks)}
	f.mapped, f.mapper = store.InPlace(obj)
	leaf := 0
	for _, c := range pf.Root().Columns() {
		f.fields = append(f.fields, leafField(c, &leaf))
	}
	meta := pf.Metadata()
	for i := range meta.RowGroups {
		g, err := f.group(&meta.RowGroups[i], leaf)
		if err != nil {
			return nil, fmt.Errorf("row group %d: %w", i, err)
		}
		f.rows += g.rows
		f.groups = append(f.groups, g)
	}
	if f.rows != meta.NumRows {
		return nil, corrupt("row groups hold %d rows, the footer states %d", f.rows, meta.NumRows)
	}
	return f, nil
}

// leafField describes a top-level column; leaf counts the leaves before it.
func leafField(c *parquet.Column, leaf *int) field {
	fd := field{name: c.Name(), index: *leaf, optional: c.Optional()}
	*leaf += countLeaves(c)
	switch {
	case !c.Leaf():
		fd.refused = "it is nested; write its parts as columns of their own"
		return fd
	case c.Repeated():
		fd.refused = "it is repeated; write one value a row"
		return fd
	}
	logical := c.Type().LogicalType()
	switch c.Type().Kind() {
	case parquet.Boolean:
		fd.kind = kindBool
	case parquet.Int32:
		fd.kind = kindI32
	case parquet.Int64:
		fd.kind = kindI64
	case parquet.Int96:
		fd.kind = kindDay
	case parquet.Float:
		fd.kind = kindF32
	case parquet.Double:
		fd.kind = kindF64
	case parquet.ByteArray:
		fd.kind = kindText
	case parquet.FixedLenByteArray:
		fd.refused = "FIXED_LEN_BYTE_ARRAY is not read; write it as a number or text"
		return fd
	default:
		fd.refused = "its type is unknown"
		return fd
	}
	if logical == nil {
		return fd
	}
	switch t := logical.Value.(type) {
	case *format.DateType:
		fd.kind = kindDay
	case *format.TimestampType:
		fd.kind, fd.perDay = kindStamp, 86_400_000
		switch t.Unit.Value.(type) {
		case *format.MicroSeconds:
			fd.perDay *= 1_000
		case *format.NanoSeconds:
			fd.perDay *= 1_000_000
		}
	case *format.IntType:
		fd.unsigned = !t.IsSigned
	case *format.DecimalType:
		fd.scale = int(t.Scale)
		if fd.kind == kindText {
			fd.refused = "a DECIMAL in bytes is not read; write it as INT64"
		} else if fd.scale < 0 || fd.scale > 18 {
			fd.refused = "its scale is out of range"
		}
	case *format.TimeType:
		fd.refused = "a time of day is not read"
	}
	return fd
}

func countLeaves(c *parquet.Column) int {
	if c.Leaf() {
		return 1
	}
	n := 0
	for _, child := range c.Columns() {
		n += countLeaves(child)
	}
	return n
}

// physical are the types that a field of a kind may be stored as.
var physical = map[kind][]format.Type{
	kindText: {format.ByteArray}, kindBool: {format.Boolean}, kindI32: {format.Int32}, kindI64: {format.Int64},
	kindF32: {format.Float}, kindF64: {format.Double}, kindDay: {format.Int32, format.Int96}, kindStamp: {format.Int64},
}

// group checks a row group. Only top-level leaves get a chunk; others are never read.
func (f *parquetFile) group(g *format.RowGroup, leaves int) (rowGroup, error) {
	size := f.obj.Size()
	if g.NumRows < 0 {
		return rowGroup{}, corrupt("%d rows", g.NumRows)
	}
	if len(g.Columns) != leaves {
		return rowGroup{}, corrupt("%d columns where the schema has %d", len(g.Columns), leaves)
	}
	out := rowGroup{rows: g.NumRows, chunks: make([]chunk, leaves)}
	for _, fd := range f.fields {
		if fd.refused != "" {
			continue
		}
		cc := &g.Columns[fd.index]
		m := &cc.MetaData
		first := m.DataPageOffset
		if m.DictionaryPageOffset > 0 && m.DictionaryPageOffset < first {
			first = m.DictionaryPageOffset
		}
		switch {
		case cc.FilePath != "":
			return rowGroup{}, fmt.Errorf("column %s lies in another file, which is not read: %w", fd.name, ErrFormat)
		case !slices.Contains(physical[fd.kind], m.Type):
			return rowGroup{}, corrupt("column %s is %v in the row group and %v in the schema", fd.name, m.Type, fd.kind)
		case m.NumValues != g.NumRows:
			return rowGroup{}, corrupt("column %s has %d values in %d rows", fd.name, m.NumValues, g.NumRows)
		case m.TotalCompressedSize < 0 || first < 0 || first < int64(len(magic)) && g.NumRows > 0 || first > size-m.TotalCompressedSize:
			return rowGroup{}, corrupt("column %s lies outside the file (%d bytes at %d of %d)", fd.name, m.TotalCompressedSize, first, size)
		}
		out.chunks[fd.index] = chunk{
			first: first, end: first + m.TotalCompressedSize, rows: g.NumRows,
			codec: m.Codec, kind: m.Type, optional: fd.optional, unsigned: fd.unsigned && m.Type == format.Int32,
		}
	}
	return out, nil
}
