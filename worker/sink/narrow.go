package sink

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go/format"
)

// narrow is an integer column that the file holds as INT32, by dictionary where
// its values allow: they must not lie too far apart, nor be too many.
type narrow[T uint16 | int32] struct {
	values []T
	typ    arrow.DataType
	table  []T              // of a chunk that is read: its dictionary
	halves [2][1 << 8]uint8 // of its entries, where there are so few: low and high bytes
}

func (c *narrow[T]) take(data arrow.ArrayData, from, to int) {
	c.values = append(c.values, arrow.GetValues[T](data, 1)[from:to]...)
}

func (c *narrow[T]) note() {}

func (c *narrow[T]) reset() { c.values = c.values[:0] }

func (c *narrow[T]) len() int { return len(c.values) }

func (c *narrow[T]) weigh(h []uint64, k uint64, first int) { weighInts(h, k, c.values[first:]) }

func (c *narrow[T]) physical() format.Type { return format.Int32 }

func (c *narrow[T]) array() arrow.Array { return arrayOf(c.typ, c.values) }

func (c *narrow[T]) encode(k *chunk) error {
	low, high := bounds(c.values)
	if low >= 0 && high < 1<<8 {
		k.bytes, _ = room(k.bytes[:0], len(c.values))
		shorten(k.bytes, c.values)
		var found seen
		found.note(k.bytes)
		return k.writeBytes(k.bytes, &found, 0)
	}
	k.bounds32(int32(low), int32(high))
	if int(high)-int(low) >= dictionaryDomainMax {
		return c.encodePlain(k)
	}
	codes := k.counts(int(high) - int(low) + 1)
	if k.tallied {
		count(codes, low, c.values)
	} else {
		for _, v := range c.values {
			codes[v-low] = 1
		}
	}
	k.sorted(int(low), codes)
	if len(k.dict) > 1<<codeBitsMax {
		k.dict, k.dictRows = k.dict[:0], k.dictRows[:0]
		return c.encodePlain(k)
	}
	if k.fillUp() {
		for v := range codes {
			codes[v] = uint32(int(low) + v)
		}
	}
	if err := k.writeDictionary(); err != nil {
		return err
	}
	for values := c.values; len(values) > 0; values = values[min(pageRows, len(values)):] {
		page := values[:min(pageRows, len(values))]
		var err error
		if k.codeBits() <= 8 {
			coded := k.codes8[:len(page)]
			for i, v := range page {
				coded[i] = uint8(codes[v-low])
			}
			err = k.writeCodes8(coded)
		} else {
			coded := k.codes16[:len(page)]
			for i, v := range page {
				coded[i] = uint16(codes[v-low])
			}
			err = k.writeCodes16(coded)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// count adds how often each value occurs to counts; low is at 0. Equal neighbours
// are added at once.
func count[T uint16 | int32](counts []uint32, low T, values []T) {
	for ; len(values) >= 4; values = values[4:] {
		a, b, c, d := values[0], values[1], values[2], values[3]
		if a == b && b == c && c == d {
			counts[a-low] += 4
			continue
		}
		counts[a-low]++
		counts[b-low]++
		counts[c-low]++
		counts[d-low]++
	}
	for _, v := range values {
		counts[v-low]++
	}
}

// encodePlain writes a column that has no dictionary.
func (c *narrow[T]) encodePlain(k *chunk) error {
	wide := make([]int32, min(pageRows, len(c.values)))
	for from := 0; from < len(c.values); from += pageRows {
		page := c.values[from:min(from+pageRows, len(c.values))]
		for i, v := range page {
			wide[i] = int32(v)
		}
		if err := k.writePlain32(wide[:len(page)]); err != nil {
			return err
		}
	}
	return nil
}

func (c *narrow[T]) dictionary(r *pageReader, n int) error {
	dict, err := r.plain32(n)
	if err == nil {
		c.table, err = narrowAll(c.table[:0], dict)
	}
	for i, v := range c.table[:min(len(c.table), 1<<8)] {
		c.halves[0][i], c.halves[1][i] = uint8(v), uint8(v>>8)
	}
	return err
}

func (c *narrow[T]) decode(r *pageReader, encoding format.Encoding, n int) error {
	switch encoding {
	case format.Plain:
		values, err := r.plain32(n)
		if err == nil {
			c.values, err = narrowAll(c.values, values)
		}
		return err
	case format.RLEDictionary:
		var added []T
		c.values, added = room(c.values, n)
		if short, is := any(added).([]uint16); is && len(c.table) <= 1<<8 {
			codes, err := r.bytes(n, len(c.table))
			lookup16(short, codes, &c.halves)
			return err
		}
		codes, err := r.codes16(n, len(c.table))
		if err != nil {
			return err
		}
		for i, code := range codes {
			added[i] = c.table[code]
		}
		return nil
	}
	return fmt.Errorf("%w: encoded by %s", ErrLayout, encoding)
}

// narrowAll appends values to dst, or says that one does not fit.
func narrowAll[T uint16 | int32](dst []T, values []int32) ([]T, error) {
	for _, v := range values {
		if int32(T(v)) != v {
			return dst, errBits
		}
		dst = append(dst, T(v))
	}
	return dst, nil
}
