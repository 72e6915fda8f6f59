package rule

import (
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// months says which months are a subscriber's, from one of the history columns.
type months struct {
	mask [schema.Months]lane.Mask
	bits []*lane.Mask
}

// bind is called once, where the months have come to stay.
func (m *months) bind() {
	for k := range m.mask {
		m.bits = append(m.bits, &m.mask[k])
	}
}

// read takes a chunk of a history column.
func (m *months) read(history []uint8) { lane.Unpack(m.bits, history) }

// known writes where month k of a column holds a value of this subscriber.
func (m *months) known(dst *lane.Mask, k int, column *kernel.Vector, lo, hi int) {
	dst.Valid(column.Valid, lo, hi-lo)
	dst.And(dst, &m.mask[k])
}
