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

func (c *narrow[T]) take(data arrow.ArrayData, from, to int) {
	c.add(arrow.GetValues[T](data, 1)[from:to])
}

func (c *narrow[T]) physical() format.Type { return format.Int32 }

func (c *narrow[T]) array() arrow.Array { return arrayOf(c.typ, c.all()) }

func (c *narrow[T]) encode(k *chunk) error {
	if c.ones > 0 {
		return k.writeOne(int32(c.one), c.ones)
	}
	low, high := bounds(c.values)
	if low >= 0 && high < 1<<8 {
		k.bytes, _ = room(k.bytes[:0], len(c.values))
		shorten(k.bytes, c.values)
		return k.writeBytes(k.bytes, 0)
	}
	k.bounds32(int32(low), int32(high))
	if int(high)-int(low) >= dictionaryDomainMax {
		return c.encodePlain(k)
	}
	codes := k.counts(int(high) - int(low) + 1)
	defer k.forget(int(low))
	if k.tallied {
		k.found = count(k.found, codes, low, c.values)
	} else {
		k.found = mark(k.found, codes, low, c.values)
	}
	k.sorted(int(low), codes)
	if len(k.dict) > 1<<codeBitsMax {
		k.dict, k.dictRows = k.dict[:0], k.dictRows[:0]
		return c.encodePlain(k)
	}
	dense := k.fillUp()
	for code, v := range k.found {
		if dense {
			code = int(v)
		}
		codes[v-int32(low)] = uint32(code)
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

// count adds how often each value occurs to counts, low being at 0, and those that had
// none yet to found. Equal neighbours are added at once.
func count[T uint16 | int32](found []int32, counts []uint32, low T, values []T) []int32 {
	for len(values) > 0 {
		v, n := values[0], 1
		if len(values) >= 4 && v == values[1] && v == values[2] && v == values[3] {
			n = 4
		}
		if counts[v-low] == 0 {
			found = append(found, int32(v))
		}
		counts[v-low] += uint32(n)
		values = values[n:]
	}
	return found
}

// mark makes the counts of values one, low being at 0, and adds those that had none yet
// to found.
func mark[T uint16 | int32](found []int32, counts []uint32, low T, values []T) []int32 {
	for _, v := range values {
		if counts[v-low] == 0 {
			counts[v-low] = 1
			found = append(found, int32(v))
		}
	}
	return found
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
	if len(c.table) == 1 {
		c.same(c.table[0], len(codes))
		return
	}
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
