package sink

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go/format"
)

// column is one column of a row group, in memory and in the file.
type column interface {
	// take appends rows of an Arrow array of the column's type.
	take(data arrow.ArrayData, spans []span)
	reset()
	// only returns the value of all rows, as 64 bits, where it is known to be one.
	only() (value uint64, is bool)
	// raw returns what kind of values there are, and where they begin.
	raw() (kind int, values unsafe.Pointer)
	// physical is the type in the file.
	physical() format.Type
	// encode writes the column's pages.
	encode(c *chunk) error
	// dictionary takes the dictionary page that r has just read: the pages that follow
	// mean its values.
	dictionary(r *pageReader, n int) error
	// decode appends the n values of the page that r has just read.
	decode(r *pageReader, encoding format.Encoding, n int) error
	len() int
	// array returns an Arrow array that shares the column's memory.
	array() arrow.Array
}

// room appends n values, whatever they are, and returns them too.
func room[T any](values []T, n int) (all, added []T) {
	values = slices.Grow(values, n)[:len(values)+n]
	return values, values[len(values)-n:]
}

// wide is an integer column that the file holds as INT64, delta-coded: numbers
// grow by little, amounts need few of their bits. One that has a single value in a
// row group, such as rules of a job that has none, is a dictionary of it.
type wide[T uint64 | int64] struct {
	held[T]
	typ    arrow.DataType
	bounds bool // whether the footer may tell the smallest and largest value
	table  []T  // of a chunk that is read: its dictionary
}

func (c *wide[T]) take(data arrow.ArrayData, spans []span) {
	c.addSpans(arrow.GetValues[T](data, 1), spans)
}

func (c *wide[T]) physical() format.Type { return format.Int64 }

func (c *wide[T]) array() arrow.Array { return arrayOf(c.typ, c.all()) }

func (c *wide[T]) encode(k *chunk) error {
	if c.bounds && c.ones > 0 {
		one := binary.LittleEndian.AppendUint64(nil, uint64(c.one))
		k.bounds(one, one)
		return k.writeOne64(int64(c.one), c.ones)
	}
	values := signed(c.all())
	if c.bounds {
		low, high := bounds(values)
		k.bounds(binary.LittleEndian.AppendUint64(nil, uint64(low)), binary.LittleEndian.AppendUint64(nil, uint64(high)))
		if low == high {
			return k.writeOne64(low, len(values))
		}
	}
	for from := 0; from < len(values); from += pageRows {
		if err := k.writeDelta64(values[from:min(from+pageRows, len(values))]); err != nil {
			return err
		}
	}
	return nil
}

func (c *wide[T]) dictionary(r *pageReader, n int) error {
	dict, err := r.plain64(n)
	c.table = c.table[:0]
	for _, v := range dict {
		c.table = append(c.table, T(v))
	}
	return err
}

func (c *wide[T]) decode(r *pageReader, encoding format.Encoding, n int) error {
	switch encoding {
	case format.DeltaBinaryPacked:
		return r.delta64(signed(c.more(n)))
	case format.RLEDictionary:
		if code, is := r.one(n, len(c.table)); is {
			c.same(c.table[code], n)
			return nil
		}
		codes, err := r.codes16(n, len(c.table))
		if err != nil {
			return err
		}
		added := c.more(n)
		for i, code := range codes {
			added[i] = c.table[code]
		}
		return nil
	}
	return fmt.Errorf("%w: encoded by %s", ErrLayout, encoding)
}

// real is a float32 column, stored plain.
type real struct {
	values []float32
	typ    arrow.DataType
}

func (c *real) take(data arrow.ArrayData, spans []span) {
	values := arrow.GetValues[float32](data, 1)
	for _, r := range spans {
		c.values = append(c.values, values[r.from:r.past]...)
	}
}

func (c *real) reset() { c.values = c.values[:0] }

func (c *real) len() int { return len(c.values) }

func (c *real) only() (uint64, bool) { return 0, false }

func (c *real) raw() (kind int, values unsafe.Pointer) {
	// By bits: 0 and -0 are different bytes in the file.
	return kindUint32, unsafe.Pointer(unsafe.SliceData(c.values))
}

func (c *real) physical() format.Type { return format.Float }

func (c *real) array() arrow.Array { return arrayOf(c.typ, c.values) }

func (c *real) encode(k *chunk) error {
	if low, high, ordered := floatBounds(c.values); ordered { // they mean nothing beside a NaN
		k.bounds(binary.LittleEndian.AppendUint32(nil, math.Float32bits(low)), binary.LittleEndian.AppendUint32(nil, math.Float32bits(high)))
	}
	for from := 0; from < len(c.values); from += pageRows {
		if err := k.writePlainFloat(c.values[from:min(from+pageRows, len(c.values))]); err != nil {
			return err
		}
	}
	return nil
}

// floatBits views floats as their bits.
func floatBits(v []float32) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(v))), len(v))
}

// floatBounds returns the smallest and largest of at least one value, and whether there
// is no NaN among them. Floats from 0 to infinity stand in the order of their bits, in
// front of all others.
func floatBounds(values []float32) (low, high float32, ordered bool) {
	const infinity = 0x7f800000
	if low, high := bounds(floatBits(values)); high <= infinity {
		return math.Float32frombits(low), math.Float32frombits(high), true
	}
	low, high, ordered = values[0], values[0], true
	for _, v := range values {
		if v < low {
			low = v
		} else if v > high {
			high = v
		} else if v != v {
			ordered = false
		}
	}
	return low, high, ordered
}

func (c *real) dictionary(*pageReader, int) error { return errDictionary }

func (c *real) decode(r *pageReader, encoding format.Encoding, n int) error {
	if encoding != format.Plain {
		return fmt.Errorf("%w: encoded by %s", ErrLayout, encoding)
	}
	var added []float32
	c.values, added = room(c.values, n)
	values, err := r.plainFloat(added, n)
	copy(added, values) // as a rule onto themselves
	return err
}

// errDictionary is what columns without one say of a dictionary.
var errDictionary = fmt.Errorf("%w: a dictionary where there is none", ErrLayout)

// signed views 64-bit integers as int64, which loses nothing.
func signed[T uint64 | int64](v []T) []int64 {
	return unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(v))), len(v))
}

// arrayOf makes an Arrow array without nulls over v's memory.
func arrayOf[T arrow.FixedWidthType](typ arrow.DataType, v []T) arrow.Array {
	var width T
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(width)))
	return array.MakeFromData(array.NewData(typ, len(v), []*memory.Buffer{nil, memory.NewBufferBytes(bytes)}, nil, 0, 0))
}
