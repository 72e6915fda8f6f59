package province

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/schema"
	"rescore/partition/synth"
)

// labels collects a row group of labels.
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

func (l *labels) len() int { return len(l.number.Values) }

func (l *labels) take(b *synth.Batch) {
	l.number.Values, l.churned.Values = b.Labels(l.number.Values, l.churned.Values)
}

func (l *labels) flush(o *output) error {
	n := l.len()
	if n == 0 {
		return nil
	}
	for len(l.number.Valid) < (n+7)/8 {
		l.number.Valid = append(l.number.Valid, 0xff)
	}
	l.churned.Valid = l.number.Valid
	if err := o.write(l.columns, n); err != nil {
		return fmt.Errorf("write %s: %w", o.name, err)
	}
	if err := o.split(); err != nil {
		return fmt.Errorf("write %s: %w", o.name, err)
	}
	l.number.Values, l.churned.Values = l.number.Values[:0], l.churned.Values[:0]
	return nil
}
