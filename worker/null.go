package worker

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
)

// nulls counts the scored rows without a value, of the columns that have a gate.
type nulls struct {
	at     []int // in the record
	counts []int64
}

// newNulls counts columns of records of all; each is one of them.
func newNulls(columns, all []string) *nulls {
	n := &nulls{counts: make([]int64, len(columns))}
	for _, column := range columns {
		n.at = append(n.at, slices.Index(all, column))
	}
	return n
}

// add counts a batch; drop says why rows are not scored, nil when all are.
func (n *nulls) add(record arrow.Record, drop []job.Reason) {
	for i, at := range n.at {
		column := record.Column(at)
		switch {
		case column.NullN() == 0:
		case drop == nil:
			n.counts[i] += int64(column.NullN())
		default:
			for row, reason := range drop {
				if reason == 0 && column.IsNull(row) {
					n.counts[i]++
				}
			}
		}
	}
}
