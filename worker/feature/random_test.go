package feature

import (
	"slices"
	"testing"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

func TestMetricsEqualTheReferenceOnRandomRows(t *testing.T) {
	for i, m := range metrics {
		for j, r := range []job.Rules{rules, {FeeNormaliseDays: true}} {
			asof := []int32{201011, 201202, 201103, 200008}[(i+j)%4]
			perDay := m.usage
			if m.column == "fee" || m.column == "recharge_fen" {
				perDay = r.FeeNormaliseDays
			} else if j == 1 {
				continue // no other metric depends on the rule
			}
			ref := newReference(m.column, perDay, asof)
			rows := 0 // a million
			if j == 1 || slices.Contains([]string{"in_sec", "data_kb", "recharge_fen", "recharge_cnt"}, m.column) {
				rows = 100_000 // the same code on another column
			}
			t.Run(m.column, func(t *testing.T) {
				kerneltest.Random{
					New: func(n int) kernel.Kernel {
						k, err := Kernels(all(m.column), r, asof)
						if err != nil {
							t.Fatal(err)
						}
						return k[0]
					},
					Rows: rows, Reference: ref.row,
					Edges: map[string][]int64{"history": {1, 3, 7, 15, 31, 63}, "history_compare": {1, 3, 7, 15, 31, 63}, m.column: {4000, 5000}},
					// Sums stay exact, so that the order of adding does not show.
					Max:       map[string]int64{m.column: 30_000_000_000},
					NeverNull: []string{"history", "history_compare"},
					Seed:      uint64(i),
				}.Run(t)
			})
		}
	}
}
