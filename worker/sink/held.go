package sink

import (
	"bytes"
	"unsafe"
)

// held are a column's values of the rows of a row group. As long as all are one value,
// they are a number: of many jobs, half of the columns say the same of everybody.
type held[T uint8 | int8 | uint16 | int32 | uint64 | int64] struct {
	values []T // none while there are ones
	one    T
	ones   int
}

// add appends the values of a batch.
func (c *held[T]) add(batch []T) {
	if len(c.values) == 0 && alike(batch) && (c.ones == 0 || len(batch) > 0 && batch[0] == c.one) {
		if c.ones += len(batch); len(batch) > 0 {
			c.one = batch[0]
		}
		return
	}
	c.values = append(c.all(), batch...)
}

// addSpans appends values of a batch.
func (c *held[T]) addSpans(batch []T, spans []span) {
	for _, r := range spans {
		c.add(batch[r.from:r.past])
	}
}

// same appends a value n times.
func (c *held[T]) same(value T, n int) {
	if len(c.values) == 0 && (c.ones == 0 || c.one == value) {
		c.one, c.ones = value, c.ones+n
		return
	}
	fill(c.more(n), value)
}

// more appends n values, whatever they are, and returns them.
func (c *held[T]) more(n int) (added []T) {
	c.values, added = room(c.all(), n)
	return added
}

// all returns the values, every one.
func (c *held[T]) all() []T {
	if n := c.ones; n > 0 {
		c.ones = 0
		fill(c.more(n), c.one)
	}
	return c.values
}

func (c *held[T]) len() int { return c.ones + len(c.values) }

func (c *held[T]) reset() { c.values, c.ones = c.values[:0], 0 }

func (c *held[T]) only() (value uint64, is bool) { return uint64(c.one), c.ones > 0 }

func (c *held[T]) raw() (kind int, values unsafe.Pointer) {
	return kindOf[T](), unsafe.Pointer(unsafe.SliceData(c.all()))
}

// alike reports whether all values are one: each is the next.
func alike[T any](values []T) bool {
	var v T
	width := int(unsafe.Sizeof(v))
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*width)
	return len(values) < 2 || bytes.Equal(b[width:], b[:len(b)-width])
}

// fill makes all values one.
func fill[T any](values []T, one T) {
	for i := range values[:min(8, len(values))] {
		values[i] = one
	}
	for done := 8; done < len(values); done *= 2 {
		copy(values[done:], values[:done])
	}
}
