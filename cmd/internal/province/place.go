package province

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/synth"
)

// places encodes a column as places in a dictionary of its row group.
//
// Counts and codes are their own places in a dictionary of 0, 1, 2 and so on, as
// long as they are below 16384; days and areas are found in one with gaps by one
// look-up in a table, as long as they lie in 0 to 65534. What goes beyond is
// plain from there on.
type places[T synth.Integer] struct {
	pages
	count   bool // entries are 0, 1, 2 and so on
	spilled bool // a value did not fit: plain from here on

	present []T      // the values of the open page, nulls left out, with slack
	held    int      // how many
	entries []uint16 // the dictionary, in order of appearance
	place   []uint16 // 1 + where a value stands in entries; 0 = nowhere
}

const (
	dictionaryMax = 1<<16 - 1
	countMax      = 1 << 14
)

func (c *places[T]) take(vector any, n int) {
	v := vector.(*synth.Vector[T])
	nulls := v.Nulls(n)
	c.levels.take(v.Valid, n, nulls)
	if need := c.held + n + slack; len(c.present) < need {
		c.present = append(c.present, make([]T, need-len(c.present))...)
	}
	if nulls == 0 {
		c.held += copy(c.present[c.held:], v.Values[:n])
	} else {
		c.held += gather(c.present[c.held:], v.Values[:n], v.Valid)
	}
}

func (c *places[T]) closePage() {
	f, values := c.file, c.present[:c.held]
	c.held = 0
	body := f.body[:0]
	encoding := format.RLEDictionary
	union := either(values) // negative when any is
	switch {
	case c.count && !c.spilled && union >= 0 && int64(union) < countMax:
		c.reach(values, union)
		body = appendRuns(body, values, max(1, bits.Len16(uint16(union))))
	case !c.count && !c.spilled && union >= 0 && int64(union) < dictionaryMax:
		indices := c.find(values)
		body = appendRuns(body, indices, max(1, bits.Len(uint(max(0, len(c.entries)-1)))))
	default:
		c.spilled = true
		encoding = format.Plain
		body = appendPlain(body, values)
	}
	f.body = body
	c.add(encoding, body)
}

// reach makes the dictionary of counts as long as the values, whose bits are
// union, need.
func (c *places[T]) reach(values []T, union T) {
	high := int(union)
	if high >= len(c.entries) && high > 255 { // the union may be twice the greatest
		high = int(slices.Max(values))
	}
	for x := len(c.entries); x <= high; x++ {
		c.entries = append(c.entries, uint16(x))
	}
}

// find returns the places of values, new ones put into the dictionary.
func (c *places[T]) find(values []T) []uint16 {
	if c.place == nil {
		c.place = make([]uint16, dictionaryMax)
	}
	f := c.file
	f.indices = slices.Grow(f.indices[:0], len(values))[:len(values)]
	for i, x := range values {
		p := c.place[x]
		if p == 0 {
			c.entries = append(c.entries, uint16(x))
			p = uint16(len(c.entries))
			c.place[x] = p
		}
		f.indices[i] = p - 1
	}
	return f.indices
}

func (c *places[T]) flush() (format.ColumnChunk, error) {
	var plain []byte
	if c.physical == format.Int64 {
		for _, e := range c.entries {
			plain = binary.LittleEndian.AppendUint64(plain, uint64(e))
		}
	} else {
		for _, e := range c.entries {
			plain = binary.LittleEndian.AppendUint32(plain, uint32(e))
		}
	}
	chunk, err := c.pages.flush(plain, len(c.entries))
	if !c.count {
		for _, e := range c.entries { // also when a value did not fit on the first page
			c.place[e] = 0
		}
	}
	c.entries, c.spilled = c.entries[:0], false
	return chunk, err
}

func appendPlain[T synth.Integer](dst []byte, values []T) []byte {
	for _, x := range values {
		if unsafe.Sizeof(x) == 8 {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(x))
		} else {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(x))
		}
	}
	return dst
}
