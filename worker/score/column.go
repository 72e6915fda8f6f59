package score

import (
	"rescore/worker/lane"
)

// codes gives every row of a chunk a code, a bit at a time: a row has the code
// of the first take that it is in, and 0 where it is in none.
type codes struct {
	left lane.Mask // rows without a code
	bit  [8]lane.Mask
	bits []*lane.Mask
}

// bind is called once, where the codes have come to stay; width is how many bits
// the largest of them has.
func (c *codes) bind(width int) {
	for k := range width {
		c.bits = append(c.bits, &c.bit[k])
	}
}

// begin starts a chunk.
func (c *codes) begin() {
	c.left.Fill(true)
	for _, b := range c.bits {
		b.Fill(false)
	}
}

// take gives a code to the rows of m that have none, and cuts m to them.
func (c *codes) take(code uint8, m *lane.Mask) {
	m.And(m, &c.left)
	c.left.AndNot(&c.left, m)
	for k, b := range c.bits {
		if code>>k&1 != 0 {
			b.Or(b, m)
		}
	}
}

// write publishes the codes.
func (c *codes) write(dst []uint8) { lane.Pack(dst, c.bits) }
