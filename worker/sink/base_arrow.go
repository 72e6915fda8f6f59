package sink

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"rescore/worker/intake"
)

// arrowBase is a prepared base as an Arrow IPC file: the numbers as int64 that are never
// null, a record batch a row group, no dictionaries, for a file may not replace them. A
// whole number of 8 or 16 bits takes 32, a decimal 128. The file does not say which attempt
// made it: its schema stands before the rows, which are the same of every attempt.
type arrowBase struct {
	schema *arrow.Schema
	out    *ipc.FileWriter
	fixed  int // bits that a row takes whatever it holds
	slots  []arrowSlots
}

// arrowSlots are one column's buffers, from one batch to the next.
type arrowSlots struct {
	valid, values, bits []byte
	offsets             []int32
}

func newArrowBase(out *output, a Attempt, fields []intake.Field, elements []format.SchemaElement, schema string) (*arrowBase, error) {
	b := &arrowBase{slots: make([]arrowSlots, len(fields)-1)}
	columns := make([]arrow.Field, len(fields))
	for i, f := range fields {
		columns[i] = arrow.Field{Name: f.Name, Type: arrowType(f.Type, elements[i]), Nullable: i > 0}
		bits := 32 // of an offset
		if t, ok := columns[i].Type.(arrow.FixedWidthDataType); ok {
			bits = t.BitWidth()
		}
		b.fixed += bits + 1
	}
	meta := arrow.NewMetadata([]string{keyJob, keyMonth, keyPartition, keySchema}, []string{string(a.Job), strconv.Itoa(int(a.Month)), a.Range.String(), schema})
	b.schema = arrow.NewSchema(columns, &meta)
	options := []ipc.Option{ipc.WithSchema(b.schema)}
	switch a.Compression {
	case "", "none":
	case "zstd":
		options = append(options, ipc.WithZstd())
	default:
		return nil, fmt.Errorf("compression %q of Arrow is not zstd or none", a.Compression)
	}
	w, err := ipc.NewFileWriter(&told{out}, options...)
	b.out = w
	return b, err
}

// told says how much was written, which is all that the writer of the library seeks for.
type told struct{ *output }

func (o *told) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekCurrent {
		return 0, fmt.Errorf("what was written stays as it is")
	}
	return o.offset, nil
}

// arrowType is how a column lies in Arrow. What has another width than its meaning asks for,
// which only a broken input has, is a plain number: Arrow would look past its end.
func arrowType(t intake.Type, e format.SchemaElement) arrow.DataType {
	old := deprecated.ConvertedType(-1) // of writers before logical types
	if e.LogicalType.Value == nil && e.ConvertedType.Valid {
		old = e.ConvertedType.V
	}
	switch t {
	case intake.Boolean:
		return arrow.FixedWidthTypes.Boolean
	case intake.Float:
		return arrow.PrimitiveTypes.Float32
	case intake.Double:
		return arrow.PrimitiveTypes.Float64
	case intake.ByteArray:
		switch e.LogicalType.Value.(type) {
		case *format.StringType, *format.EnumType, *format.JsonType:
			return arrow.BinaryTypes.String
		}
		if old == deprecated.UTF8 || old == deprecated.Enum || old == deprecated.Json {
			return arrow.BinaryTypes.String
		}
		return arrow.BinaryTypes.Binary
	case intake.Int32, intake.Int64:
	}
	const digits = 18 // all that 64 bits hold
	unsigned := old == deprecated.Uint8 || old == deprecated.Uint16 || old == deprecated.Uint32 || old == deprecated.Uint64
	switch l := e.LogicalType.Value.(type) {
	case *format.DateType:
		if t == intake.Int32 {
			return arrow.FixedWidthTypes.Date32
		}
	case *format.TimestampType:
		if t == intake.Int64 {
			return timestamp(l)
		}
	case *format.DecimalType:
		return &arrow.Decimal128Type{Precision: min(max(l.Precision, 1), digits), Scale: l.Scale}
	case *format.IntType:
		unsigned = !l.IsSigned
	}
	switch {
	case old == deprecated.Date && t == intake.Int32:
		return arrow.FixedWidthTypes.Date32
	case old == deprecated.TimestampMillis && t == intake.Int64:
		return arrow.FixedWidthTypes.Timestamp_ms
	case old == deprecated.TimestampMicros && t == intake.Int64:
		return arrow.FixedWidthTypes.Timestamp_us
	case old == deprecated.Decimal && e.Scale.Valid && e.Precision.Valid:
		return &arrow.Decimal128Type{Precision: min(max(e.Precision.V, 1), digits), Scale: e.Scale.V}
	}
	switch {
	case t == intake.Int32 && unsigned:
		return arrow.PrimitiveTypes.Uint32
	case t == intake.Int32:
		return arrow.PrimitiveTypes.Int32
	case unsigned:
		return arrow.PrimitiveTypes.Uint64
	}
	return arrow.PrimitiveTypes.Int64
}

func timestamp(t *format.TimestampType) arrow.DataType {
	zone := ""
	if t.IsAdjustedToUTC {
		zone = "UTC"
	}
	unit := arrow.Millisecond
	switch t.Unit.Value.(type) {
	case *format.MicroSeconds:
		unit = arrow.Microsecond
	case *format.NanoSeconds:
		unit = arrow.Nanosecond
	}
	return &arrow.TimestampType{Unit: unit, TimeZone: zone}
}

// row counts a null as the value whose place it takes: batches are bounded by what they
// are in memory.
func (b *arrowBase) row(cells int) int { return b.fixed/8 + cells }

func (b *arrowBase) group(numbers []int64, columns []baseColumn) error {
	list := make([]arrow.Array, len(columns)+1)
	for i := range list {
		n, typ, buffers := 0, b.schema.Field(i).Type, [][]byte{nil, arrow.Int64Traits.CastToBytes(numbers)}
		if i > 0 {
			c := &columns[i-1]
			n, buffers = len(c.set)-c.n, b.slots[i-1].lay(c, typ)
		}
		held := make([]*memory.Buffer, len(buffers))
		for k, bytes := range buffers {
			if bytes != nil {
				held[k] = memory.NewBufferBytes(bytes)
			}
		}
		data := array.NewData(typ, len(numbers), held, nil, n, 0)
		list[i] = array.MakeFromData(data)
		data.Release()
		defer list[i].Release()
	}
	record := array.NewRecord(b.schema, list, int64(len(numbers)))
	defer record.Release()
	return b.out.Write(record)
}

func (b *arrowBase) close(int64) error { return b.out.Close() }

// lay returns a column's buffers as Arrow has them, until the next call: which rows have a
// value, nil where all have; where texts end; and the values, a place for each row.
func (s *arrowSlots) lay(c *baseColumn, typ arrow.DataType) [][]byte {
	var valid []byte
	if c.n < len(c.set) {
		s.valid = appendBits(s.valid[:0], c.set)
		valid = s.valid
	}
	if c.typ == intake.ByteArray {
		s.ends(c)
		return [][]byte{valid, arrow.Int32Traits.CastToBytes(s.offsets), c.data}
	}
	values := c.data
	if typ.ID() == arrow.DECIMAL128 || valid != nil {
		values = s.spread(c, max(c.typ.Width(), typ.(arrow.FixedWidthDataType).Bytes()))
	}
	if c.typ == intake.Boolean {
		s.bits = appendBits(s.bits[:0], values)
		values = s.bits
	}
	return [][]byte{valid, values}
}

// ends says where the text of each row ends, that of a null where the one before does.
func (s *arrowSlots) ends(c *baseColumn) {
	s.offsets = append(s.offsets[:0], 0)
	end, value := uint32(0), 0
	for _, set := range c.set {
		if set != 0 {
			end = c.ends[value]
			value++
		}
		s.offsets = append(s.offsets, int32(end))
	}
}

// spread gives every row a place of so many bytes; whole numbers keep their sign.
func (s *arrowSlots) spread(c *baseColumn, place int) []byte {
	width := c.typ.Width()
	s.values = append(s.values[:0], make([]byte, len(c.set)*place)...)
	data := c.data
	for i, set := range c.set {
		if set == 0 {
			continue
		}
		to := s.values[i*place:][:place]
		sign := byte(int8(to[copy(to, data[:width])-1]) >> 7)
		for k := width; k < place; k++ {
			to[k] = sign
		}
		data = data[width:]
	}
	return s.values
}

// appendBits packs bytes that are 0 or 1, the first into the lowest bit.
func appendBits(dst, set []byte) []byte {
	for ; len(set) >= 8; set = set[8:] {
		dst = append(dst, byte(binary.LittleEndian.Uint64(set)*0x0102040810204080>>56))
	}
	if len(set) > 0 {
		last := byte(0)
		for i, b := range set {
			last |= b << i
		}
		dst = append(dst, last)
	}
	return dst
}
