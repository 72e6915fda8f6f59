package sink

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go/format"
)

// narrow is an integer column that the file holds as INT32, by dictionary where
// its values allow: they must not lie too far apart, nor be too many.
type narrow[T uint16 | int32] struct {
	held[T]
	typ    arrow.DataType
	table  []T              // of a chunk that is read: its dictionary
	halves [2][1 << 8]uint8 // of its entries, where there are so few: low and high bytes
}

func (c *narrow[T]) take(data arrow.ArrayData, spans []span) {
	c.addSpans(arrow.GetValues[T](data, 1), spans)
}

func (c *narrow[T]) physical() format.Type { return format.Int32 }

func (c *narrow[T]) array() arrow.Array { return arrayOf(c.typ, c.all()) }

func (c *narrow[T]) encode(k *chunk) error {
	if short, is := any(c.values).([]uint16); is && k.bits {
		countBits(&k.bitRows, short)
		for i := range k.bitRows {
			k.bitRows[i] += int64(c.one>>i&1) * int64(c.ones)
		}
	}
	if c.ones > 0 {
		return k.writeOne(int32(c.one), c.ones)
	}
	low, high := bounds(c.values)
	if low == high {
		return k.writeOne(int32(low), len(c.values))
	}
	if low >= 0 && high < 1<<8 {
		k.bytes, _ = room(k.bytes[:0], len(c.values))
		shorten(k.bytes, c.values)
		return k.writeBytes(k.bytes, 0)
	}
	k.bounds32(int32(low), int32(high))
	if int(high)-int(low) >= dictionaryDomainMax {
		return c.encodePlain(k)
	}
	seen := k.domain(int(high) - int(low) + 1)
	mark(seen, c.values, low)
	k.sorted(int(low), seen)
	if len(k.dict) > 1<<codeBitsMax {
		k.dict, k.dictRows = k.dict[:0], k.dictRows[:0]
		return c.encodePlain(k)
	}
	dense := k.fillUp()
	for code, v := range k.dict {
		if v >= int32(low) { // others were filled up
			k.codes[int(v)-int(low)] = uint16(code)
		}
	}
	if err := k.writeDictionary(); err != nil {
		return err
	}
	short := k.codeBits() <= 8
	for values := c.values; len(values) > 0; values = values[min(pageRows, len(values)):] {
		page := values[:min(pageRows, len(values))]
		var err error
		switch own, is := any(page).([]uint16); {
		case short:
			err = k.writeCodes8(coded(k.codes8, page, k.codes, low))
		case dense && is: // values are codes
			err = k.writeCodes16(own)
		default:
			err = k.writeCodes16(coded(k.codes16, page, k.codes, low))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mark marks the values that occur, by what they are more than low.
func mark[T uint16 | int32](seen []uint8, values []T, low T) {
	for _, v := range values {
		seen[v-low] = 1
	}
}

// coded makes of each value its code, which is found by what it is more than low.
func coded[C uint8 | uint16, T uint16 | int32](dst []C, values []T, codes []uint16, low T) []C {
	dst = dst[:len(values)]
	for i, v := range values {
		dst[i] = C(codes[v-low])
	}
	return dst
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
			c.values, err = narrowAll(c.all(), values)
		}
		return err
	case format.RLEDictionary:
		if code, is := r.one(n, len(c.table)); is {
			c.same(c.table[code], n)
			return nil
		}
		if len(c.table) <= 1<<8 {
			codes, err := r.bytes(n, len(c.table))
			if err == nil {
				c.decodeBytes(codes)
			}
			return err
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

// decodeBytes appends what codes of a byte mean.
func (c *narrow[T]) decodeBytes(codes []uint8) {
	added := c.more(len(codes))
	if short, is := any(added).([]uint16); is {
		lookup16(short, codes, &c.halves)
		return
	}
	for i, code := range codes {
		added[i] = c.table[code]
	}
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
