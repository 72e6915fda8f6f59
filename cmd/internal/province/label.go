package province

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/schema"
	"rescore/partition/synth"
)

// labels are the labels of a batch as columns.
type labels struct {
	columns []synth.Column
	number  *synth.Vector[uint64]
	churned *synth.Vector[uint8]
}

func newLabels() *labels {
	l := &labels{number: new(synth.Vector[uint64]), churned: new(synth.Vector[uint8])}
	l.columns = []synth.Column{
		{Name: schema.Key, Source: schema.Column{Name: schema.Key, Type: arrow.PrimitiveTypes.Uint64}, Vector: l.number},
		{Name: "churned", Source: schema.Column{Name: "churned", Type: arrow.PrimitiveTypes.Uint8}, Vector: l.churned},
	}
	return l
}

// look brings the columns up to date with the batch and returns the number of rows.
func (l *labels) look(b *synth.Batch) int {
	l.number.Values, l.churned.Values = b.Labels(l.number.Values[:0], l.churned.Values[:0])
	n := len(l.number.Values)
	valid := slices.Grow(l.number.Valid[:0], n/8+1)
	for range n / 8 {
		valid = append(valid, 0xff)
	}
	if n&7 != 0 {
		valid = append(valid, 1<<(n&7)-1)
	}
	l.number.Valid, l.churned.Valid = valid, valid
	return n
}
