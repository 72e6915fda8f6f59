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
	// take appends rows from to to-1 of an Arrow array of the column's type.
	take(data arrow.ArrayData, from, to int)
	reset()
	// weigh adds k times the values of rows first to first+len(h)-1 to h.
	weigh(h []uint64, k uint64, first int)
	// physical is the type in the file.
	physical() format.Type
	// encode writes the column's pages.
	encode(c *chunk) error
	// decode appends the n values of the page that r has just read.
	decode(r *pageReader, encoding format.Encoding, n int) error
	len() int
	// array returns an Arrow array that shares the column's memory.
	array() arrow.Array
}

// narrow is an integer column that the file holds as INT32, by dictionary
// where its values allow.
type narrow[T uint8 | int8 | uint16 | int32] struct {
	values []T
	typ    arrow.DataType
}

func (c *narrow[T]) take(data arrow.ArrayData, from, to int) {
	c.values = append(c.values, arrow.GetValues[T](data, 1)[from:to]...)
}

func (c *narrow[T]) reset() { c.values = c.values[:0] }

func (c *narrow[T]) len() int { return len(c.values) }

func (c *narrow[T]) weigh(h []uint64, k uint64, first int) { weighInts(h, k, c.values[first:]) }

func (c *narrow[T]) physical() format.Type { return format.Int32 }

func (c *narrow[T]) array() arrow.Array { return arrayOf(c.typ, c.values) }

func (c *narrow[T]) encode(k *chunk) error {
	base, size := c.domain()
	if size > dictionaryDomainMax {
		return c.encodePlain(k)
	}
	counts := k.counts(size)
	count(counts, base, c.values)
	k.dictionary(base, counts) // counts holds codes from here on
	if err := k.writeDictionary(); err != nil {
		return err
	}
	k.bounds32(k.dict[0], k.dict[len(k.dict)-1])
	for from := 0; from < len(c.values); from += pageRows {
		page := c.values[from:min(from+pageRows, len(c.values))]
		if len(k.dict) > 256 {
			codes := k.codes32[:len(page)]
			for i, v := range page {
				codes[i] = int32(counts[int(v)-base])
			}
			if err := k.writeCodes32(codes); err != nil {
				return err
			}
			continue
		}
		codes, are := any(page).([]uint8)
		if !are || int(k.dict[len(k.dict)-1]) != len(k.dict)-1 { // 0, 1, 2 … are their own codes
			codes = k.codes8[:len(page)]
			for i, v := range page {
				codes[i] = uint8(counts[int(v)-base])
			}
		}
		if err := k.writeCodes8(codes); err != nil {
			return err
		}
	}
	return nil
}

// domain returns the lowest possible value and how many there can be: for
// bytes and 16-bit integers what the type allows, which saves looking.
func (c *narrow[T]) domain() (base, size int) {
	var zero T
	switch any(zero).(type) {
	case uint8:
		return 0, 1 << 8
	case int8:
		return math.MinInt8, 1 << 8
	case uint16:
		return 0, 1 << 16
	}
	low, high := bounds(c.values)
	return int(low), int(high) - int(low) + 1
}

// bounds returns the smallest and largest of at least one value.
func bounds[T uint8 | int8 | uint16 | int32 | int64](values []T) (low, high T) {
	low, high = values[0], values[0]
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	return low, high
}

// count adds how often each value occurs to counts; value v is at v-base. Most
// columns are mostly one value, and a processor that adds to one counter again
// and again waits for itself: equal neighbours are added at once, others go to
// different places in turn.
func count[T uint8 | int8 | uint16 | int32](counts []uint32, base int, values []T) {
	if len(counts) == 1<<8 {
		var turns [4][1 << 8]uint32
		i := 0
		for ; i+4 <= len(values); i += 4 {
			a, b, c, d := values[i], values[i+1], values[i+2], values[i+3]
			if a == b && b == c && c == d {
				turns[i>>2&3][uint8(int(a)-base)] += 4
				continue
			}
			turns[0][uint8(int(a)-base)]++
			turns[1][uint8(int(b)-base)]++
			turns[2][uint8(int(c)-base)]++
			turns[3][uint8(int(d)-base)]++
		}
		for v := range counts {
			counts[v] += turns[0][v] + turns[1][v] + turns[2][v] + turns[3][v]
		}
		values = values[i:]
	}
	for i := 0; i < len(values); {
		v, n := values[i], 1
		for i+n < len(values) && values[i+n] == v {
			n++
		}
		counts[int(v)-base] += uint32(n)
		i += n
	}
}

// encodePlain writes a column whose values lie too far apart for a dictionary.
func (c *narrow[T]) encodePlain(k *chunk) error {
	low, high := bounds(c.values)
	k.bounds32(int32(low), int32(high))
	for from := 0; from < len(c.values); from += pageRows {
		page := c.values[from:min(from+pageRows, len(c.values))]
		wide := k.codes32[:len(page)]
		for i, v := range page {
			wide[i] = int32(v)
		}
		if err := k.writePlain32(wide); err != nil {
			return err
		}
	}
	return nil
}

func (c *narrow[T]) decode(r *pageReader, encoding format.Encoding, n int) error {
	switch encoding {
	case format.Plain:
		values, err := r.plain32(n)
		if err != nil {
			return err
		}
		c.values, err = narrowAll(c.values, values)
		return err
	case format.RLEDictionary:
		codes, err := r.codes32(n)
		if err != nil {
			return err
		}
		table, err := narrowAll(make([]T, 0, len(r.dict)), r.dict)
		if err != nil {
			return err
		}
		c.values = slices.Grow(c.values, n)
		values := c.values[len(c.values) : len(c.values)+n]
		for i, code := range codes {
			if uint(code) >= uint(len(table)) {
				return fmt.Errorf("%w: a code past the end of its dictionary", ErrDamaged)
			}
			values[i] = table[code]
		}
		c.values = c.values[:len(c.values)+n]
		return nil
	}
	return fmt.Errorf("%w: encoded by %s", ErrLayout, encoding)
}

// narrowAll appends values to dst, or says that one does not fit.
func narrowAll[T uint8 | int8 | uint16 | int32](dst []T, values []int32) ([]T, error) {
	for _, v := range values {
		if int32(T(v)) != v {
			return dst, fmt.Errorf("%w: more bits than its type has", ErrValue)
		}
		dst = append(dst, T(v))
	}
	return dst, nil
}

// wide is an integer column that the file holds as INT64, delta-coded: numbers
// grow by little, amounts need few of their bits.
type wide[T uint64 | int64] struct {
	values []T
	typ    arrow.DataType
	bounds bool // whether the footer may tell the smallest and largest value
}

func (c *wide[T]) take(data arrow.ArrayData, from, to int) {
	c.values = append(c.values, arrow.GetValues[T](data, 1)[from:to]...)
}

func (c *wide[T]) reset() { c.values = c.values[:0] }

func (c *wide[T]) len() int { return len(c.values) }

func (c *wide[T]) weigh(h []uint64, k uint64, first int) { weighInts(h, k, c.values[first:]) }

func (c *wide[T]) physical() format.Type { return format.Int64 }

func (c *wide[T]) array() arrow.Array { return arrayOf(c.typ, c.values) }

func (c *wide[T]) encode(k *chunk) error {
	values := signed(c.values)
	if c.bounds {
		low, high := bounds(values)
		k.bounds(binary.LittleEndian.AppendUint64(nil, uint64(low)), binary.LittleEndian.AppendUint64(nil, uint64(high)))
	}
	for from := 0; from < len(values); from += pageRows {
		if err := k.writeDelta64(values[from:min(from+pageRows, len(values))]); err != nil {
			return err
		}
	}
	return nil
}

func (c *wide[T]) decode(r *pageReader, encoding format.Encoding, n int) error {
	if encoding != format.DeltaBinaryPacked {
		return fmt.Errorf("%w: encoded by %s", ErrLayout, encoding)
	}
	values, err := r.delta64(n)
	for _, v := range values {
		c.values = append(c.values, T(v))
	}
	return err
}

// real is a float32 column, stored plain.
type real struct {
	values []float32
	typ    arrow.DataType
}

func (c *real) take(data arrow.ArrayData, from, to int) {
	c.values = append(c.values, arrow.GetValues[float32](data, 1)[from:to]...)
}

func (c *real) reset() { c.values = c.values[:0] }

func (c *real) len() int { return len(c.values) }

func (c *real) weigh(h []uint64, k uint64, first int) {
	// By bits: 0 and -0 are different bytes in the file.
	weighInts(h, k, unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(c.values))), len(c.values))[first:])
}

func (c *real) physical() format.Type { return format.Float }

func (c *real) array() arrow.Array { return arrayOf(c.typ, c.values) }

func (c *real) encode(k *chunk) error {
	low, high, ordered := c.values[0], c.values[0], true
	for _, v := range c.values {
		if v < low {
			low = v
		} else if v > high {
			high = v
		} else if v != v {
			ordered = false
		}
	}
	if ordered { // bounds mean nothing beside a NaN
		k.bounds(binary.LittleEndian.AppendUint32(nil, math.Float32bits(low)), binary.LittleEndian.AppendUint32(nil, math.Float32bits(high)))
	}
	for from := 0; from < len(c.values); from += pageRows {
		if err := k.writePlainFloat(c.values[from:min(from+pageRows, len(c.values))]); err != nil {
			return err
		}
	}
	return nil
}

func (c *real) decode(r *pageReader, encoding format.Encoding, n int) error {
	if encoding != format.Plain {
		return fmt.Errorf("%w: encoded by %s", ErrLayout, encoding)
	}
	values, err := r.plainFloat(n)
	c.values = append(c.values, values...)
	return err
}

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
