package source

import (
	"fmt"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// The types of Schema.fbs.
const (
	arrowTypeNull = iota + 1
	arrowTypeInt
	arrowTypeFloat
	arrowTypeBinary
	arrowTypeUtf8
	arrowTypeBool
	arrowTypeDecimal
	arrowTypeDate
	arrowTypeTime
	arrowTypeTimestamp
	arrowTypeInterval
	arrowTypeList
	arrowTypeStruct
	arrowTypeUnion
	arrowTypeFixedBinary
	arrowTypeFixedList
	arrowTypeMap
	arrowTypeDuration
	arrowTypeLargeBinary
	arrowTypeLargeUtf8
	arrowTypeLargeList
	arrowTypeRuns
	arrowTypeBinaryView
	arrowTypeUtf8View
	arrowTypeListView
	arrowTypeLargeListView
)

// Limits on what a schema may ask for.
const (
	arrowDepthMax  = 64
	arrowFieldsMax = 1 << 16 // nested ones counted
)

// arrowClass is how values lie in their buffers.
type arrowClass uint8

const (
	classNull    arrowClass = iota // no buffers
	classBit                       // a bit each
	classInt                       // whole numbers, dates and timestamps
	classFloat                     // of 2, 4 or 8 bytes
	classDecimal                   // whole numbers of 16 or 32 bytes
	classText                      // offsets, and bytes
)

// arrowValue is the physical type of a column, or of a dictionary.
type arrowValue struct {
	class    arrowClass
	width    int // bytes a value; of text, an offset
	unsigned bool
}

// arrowLayout is where a column is among the nodes and buffers of a record batch.
type arrowLayout struct {
	node, buffer int
	views        int // columns of views before it, whose buffers are counted by batch
	value        arrowValue

	coded bool  // value is that of the dictionary, and the batch has indices
	id    int64 // of the dictionary
	index arrowValue

	element format.SchemaElement // what a preparation writes it as
	unkept  string               // why it cannot, when it cannot
}

// arrowSchema collects the columns of a schema.
type arrowSchema struct {
	fields  []field
	layouts []arrowLayout
	nodes   int
	buffers int
	views   int
	old     bool // metadata of version 4, where unions had a validity bitmap
	seen    int
}

// readSchema reads a Schema table. What it holds and cannot be read is refused column
// by column, when a job asks for it.
func readSchema(t flatTable, version int) (*arrowSchema, error) {
	if end := t.i16(0, 0); end != 0 {
		return nil, fmt.Errorf("its numbers are big-endian; write it on a little-endian machine: %w", ErrFormat)
	}
	s := &arrowSchema{old: version < 4}
	list := t.vector(1, 4)
	for i := range list.n {
		if err := s.column(list.table(i)); err != nil {
			return nil, err
		}
		if t.f.err != nil {
			return nil, t.f.err
		}
	}
	if t.f.err != nil {
		return nil, t.f.err
	}
	if len(s.fields) == 0 {
		return nil, fmt.Errorf("the schema has no columns: %w", ErrFormat)
	}
	return s, nil
}

// column takes a top-level field.
func (s *arrowSchema) column(t flatTable) error {
	fd := field{name: t.text(0), index: len(s.fields)}
	if !utf8.ValidString(fd.name) {
		return corrupt("the name of column %d is not UTF-8", fd.index)
	}
	l := arrowLayout{node: s.nodes, buffer: s.buffers, views: s.views}
	describeArrow(t, &fd, &l)
	if d, ok := t.table(4); ok {
		l.coded, l.id = true, d.i64(0)
		l.index = arrowValue{class: classInt, width: 4}
		if index, ok := d.table(1); ok {
			l.index.width, l.index.unsigned = index.i32(0, 0)/8, index.u8(1, 0) == 0
		}
		if t.f.err == nil && !validWidth(l.index.width) {
			return corrupt("column %q has dictionary indices of %d bytes", fd.name, l.index.width)
		}
		if n := t.vector(5, 4).n; n > 0 && fd.refused == "" {
			fd.refused = "its dictionary is nested"
		}
	}
	s.fields, s.layouts = append(s.fields, fd), append(s.layouts, l)
	return s.count(t, 0)
}

func validWidth(n int) bool { return n == 1 || n == 2 || n == 4 || n == 8 }

// count adds the nodes and buffers that a field has in a record batch.
func (s *arrowSchema) count(t flatTable, depth int) error {
	if s.seen++; s.seen > arrowFieldsMax {
		return corrupt("the schema holds more than %d fields", arrowFieldsMax)
	}
	if depth > arrowDepthMax {
		return corrupt("the schema nests deeper than %d", arrowDepthMax)
	}
	s.nodes++
	if _, coded := t.table(4); coded {
		s.buffers += 2 // indices; what the values are is in the dictionary
		return t.f.err
	}
	children := true
	kind := t.u8(2, 0)
	switch kind {
	case arrowTypeNull:
		children = false
	case arrowTypeInt, arrowTypeFloat, arrowTypeBool, arrowTypeDecimal, arrowTypeDate, arrowTypeTime, arrowTypeTimestamp,
		arrowTypeInterval, arrowTypeFixedBinary, arrowTypeDuration:
		s.buffers += 2
		children = false
	case arrowTypeBinary, arrowTypeUtf8, arrowTypeLargeBinary, arrowTypeLargeUtf8:
		s.buffers += 3
		children = false
	case arrowTypeBinaryView, arrowTypeUtf8View:
		s.buffers += 2
		s.views++
		children = false
	case arrowTypeList, arrowTypeLargeList, arrowTypeMap:
		s.buffers += 2
	case arrowTypeListView, arrowTypeLargeListView:
		s.buffers += 3
	case arrowTypeFixedList, arrowTypeStruct:
		s.buffers++
	case arrowTypeUnion:
		s.buffers++
		if u, _ := t.table(3); u.i16(0, 0) == 1 { // dense
			s.buffers++
		}
		if s.old {
			s.buffers++
		}
	case arrowTypeRuns:
	default:
		if t.f.err != nil {
			return t.f.err
		}
		return fmt.Errorf("column %q is of a type that this program does not know (%d); write it as a number or text: %w", t.text(0), kind, ErrFormat)
	}
	list := t.vector(5, 4)
	if !children && list.n > 0 && t.f.err == nil {
		return corrupt("column %q has columns of its own and is no nested type", t.text(0))
	}
	for i := range list.n {
		if err := s.count(list.table(i), depth+1); err != nil {
			return err
		}
	}
	return t.f.err
}

// describeArrow says how the values of a field are read, or why they are not.
func describeArrow(t flatTable, fd *field, l *arrowLayout) {
	kind := t.u8(2, 0)
	typ, _ := t.table(3)
	if typ.f.err == nil && typ.slots == 0 && kind != arrowTypeNull && kind != arrowTypeBool {
		typ.f.fail("column %q has no type", fd.name)
	}
	physical := func(p format.Type, logical format.LogicalTypeValue) {
		l.element.Type = thrift.New(p)
		if logical != nil {
			l.element.LogicalType = format.LogicalType{Value: logical}
		}
	}
	switch kind {
	case arrowTypeNull:
		fd.kind, l.unkept = kindText, "it is null throughout; leave it out"
	case arrowTypeBool:
		fd.kind, l.value = kindBool, arrowValue{class: classBit}
		physical(format.Boolean, nil)
	case arrowTypeInt:
		bits := typ.i32(0, 0)
		l.value = arrowValue{class: classInt, width: bits / 8, unsigned: typ.u8(1, 0) == 0}
		fd.unsigned = l.value.unsigned
		if t.f.err == nil && (!validWidth(bits/8) || bits%8 != 0) {
			t.f.fail("column %q has integers of %d bits", fd.name, bits)
		}
		logical := &format.IntType{BitWidth: int8(bits), IsSigned: !fd.unsigned}
		fd.kind = kindI32
		switch {
		case bits == 64:
			fd.kind = kindI64
			physical(format.Int64, nil)
			if fd.unsigned {
				physical(format.Int64, logical)
			}
		case bits == 32 && !fd.unsigned:
			physical(format.Int32, nil)
		default:
			physical(format.Int32, logical)
		}
	case arrowTypeFloat:
		fd.kind = kindF32
		switch precision := typ.i16(0, 0); precision {
		case 0, 1:
			l.value = arrowValue{class: classFloat, width: 2 << precision}
			physical(format.Float, nil)
		case 2:
			fd.kind, l.value = kindF64, arrowValue{class: classFloat, width: 8}
			physical(format.Double, nil)
		default:
			t.f.fail("column %q has numbers of precision %d", fd.name, precision)
		}
	case arrowTypeUtf8, arrowTypeBinary, arrowTypeLargeUtf8, arrowTypeLargeBinary:
		fd.kind, l.value = kindText, arrowValue{class: classText, width: 4}
		if kind == arrowTypeLargeUtf8 || kind == arrowTypeLargeBinary {
			l.value.width = 8
		}
		if physical(format.ByteArray, nil); kind == arrowTypeUtf8 || kind == arrowTypeLargeUtf8 {
			physical(format.ByteArray, new(format.StringType))
			l.element.ConvertedType = thrift.New(deprecated.UTF8)
		}
	case arrowTypeDecimal:
		precision, scale, bits := typ.i32(0, 0), typ.i32(1, 0), typ.i32(2, 128)
		fd.kind, fd.scale = kindI64, scale
		l.value = arrowValue{class: classDecimal, width: bits / 8}
		physical(format.Int64, &format.DecimalType{Precision: int32(precision), Scale: int32(scale)})
		l.element.Precision, l.element.Scale = thrift.New(int32(precision)), thrift.New(int32(scale))
		switch {
		case scale < 0 || scale > 18:
			fd.refused = "its scale is out of range"
		case bits != 128 && bits != 256:
			fd.refused = fmt.Sprintf("a decimal of %d bits is not read; write it as a number", bits)
		case precision < 1 || precision > 18:
			l.unkept = "a decimal of more than 18 digits is not written; cast it"
		}
	case arrowTypeDate:
		switch unit := typ.i16(0, 1); unit {
		case 0:
			fd.kind, l.value = kindDay, arrowValue{class: classInt, width: 4}
			physical(format.Int32, new(format.DateType))
		case 1:
			fd.kind, fd.perDay, l.value = kindStamp, 86_400_000, arrowValue{class: classInt, width: 8}
			physical(format.Int64, &format.TimestampType{Unit: format.TimeUnit{Value: new(format.MilliSeconds)}})
		default:
			t.f.fail("column %q is a date in unit %d", fd.name, unit)
		}
	case arrowTypeTimestamp:
		fd.kind, fd.perDay, l.value = kindStamp, 86_400, arrowValue{class: classInt, width: 8}
		stamp := &format.TimestampType{IsAdjustedToUTC: typ.text(1) != ""}
		switch unit := typ.i16(0, 0); unit {
		case 0:
			l.unkept = "a timestamp in seconds is not written; cast it to milliseconds"
		case 1:
			fd.perDay, stamp.Unit.Value = 86_400_000, new(format.MilliSeconds)
		case 2:
			fd.perDay, stamp.Unit.Value = 86_400_000_000, new(format.MicroSeconds)
		case 3:
			fd.perDay, stamp.Unit.Value = 86_400_000_000_000, new(format.NanoSeconds)
		default:
			t.f.fail("column %q is a timestamp in unit %d", fd.name, unit)
		}
		physical(format.Int64, stamp)
	case arrowTypeTime, arrowTypeDuration, arrowTypeInterval:
		fd.refused = "a time of day or a duration is not read; write it as a number"
	case arrowTypeFixedBinary:
		fd.refused = "fixed-size binary is not read; write it as a number or text"
	case arrowTypeUtf8View, arrowTypeBinaryView:
		fd.refused = "a view of text is not read; cast it to utf8 or large_utf8"
	case arrowTypeRuns:
		fd.refused = "run-end encoding is not read; write its values, or a dictionary"
	default:
		fd.refused = "it is nested; write its parts as columns of their own"
	}
}
