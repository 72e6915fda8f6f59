package publish

import (
	"slices"
	"testing"

	"rescore/partition/job"
	"rescore/partition/psi"
)

func TestAVersionSaysHowFarItHasMovedAndTheGateHoldsIt(t *testing.T) {
	t.Parallel()
	uniform := slices.Repeat([]float64{0.1}, 10)
	edges := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}
	bins := []psi.Bins{{Name: "propensity", Edges: edges, Shares: uniform}, {Name: "fee_last", Edges: edges, Shares: uniform}}
	moved := []int64{5, 8, 10, 10, 10, 10, 10, 12, 12, 13, 0} // AT-20
	still := append(slices.Repeat([]int64{10}, 10), 0)
	list := Stabilities(bins, [][]int64{moved, still})
	if len(list) != 2 || list[0].Column != "propensity" || list[0].PSI != 0.054284 || list[0].Reading != "stable" || list[1].PSI != 0 || !slices.Equal(list[0].Rows, moved) {
		t.Fatalf("%+v", list)
	}
	rows := job.Counts{In: 100, Scored: 100}
	for limit, refused := range map[float64]bool{0: false, 0.054284: false, 0.05: true} {
		got := Gate(rows, list, nil, nil, job.Gates{RejectShareMax: 1, DuplicateShareMax: 1, PSIMax: limit})
		if (len(got) == 1) != refused {
			t.Errorf("limit %v: %+v", limit, got)
		}
		if refused && got[0].String() != "gates.psi_max: the propensity's PSI against the model's reference is 0.054284, the limit is 0.05: the base has moved away from what the model was trained on" {
			t.Error(got[0].String())
		}
	}
	// A feature that moved refuses nothing.
	if got := Gate(rows, Stabilities(bins, [][]int64{still, moved}), nil, nil, job.Gates{RejectShareMax: 1, DuplicateShareMax: 1, PSIMax: 0.01}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := Stabilities(bins, nil); got != nil {
		t.Errorf("without counts: %+v", got)
	}
	if got := Stabilities(bins, [][]int64{make([]int64, 11), make([]int64, 11)}); got != nil {
		t.Errorf("without rows: %+v", got)
	}
}
