package score

import (
	"math"

	"rescore/worker/kernel"
	"rescore/worker/model"
)

// walk scores models whose scores are no sums of constants: linear ones, and trees
// with linear leaves. It is a row at a time what model.Ensemble.WalkInto does, and
// so slower than a forest; weights alone are summed column by column.
type walk struct {
	model  *model.Ensemble
	row    []float64
	asked  []int // columns that have a weight, in order, when there are no trees
	scores [blockRows]float64
}

func newWalk(e *model.Ensemble) *walk {
	w := &walk{model: e, row: make([]float64, e.Columns())}
	for column, weight := range e.Weight {
		if weight != 0 || e.Single {
			w.asked = append(w.asked, column)
		}
	}
	return w
}

// score returns the raw scores of rows first to first+n-1, until the next call.
func (w *walk) score(in []kernel.Vector, first, n int) []float64 {
	scores := w.scores[:n]
	if w.model.Weight == nil || w.model.Trees() > 0 {
		for i := range scores {
			for column := range w.row {
				w.row[column] = known(in[column].F64[first+i])
			}
			w.model.WalkInto(scores[i:i+1], w.row)
		}
		return scores
	}
	base := 0.0
	if w.model.Base != nil {
		base = w.model.Base[0]
	}
	for i := range scores {
		scores[i] = base
	}
	for _, column := range w.asked {
		x := in[column].F64[first:][:n]
		if weight := w.model.Weight[column]; w.model.Single {
			addSingle(scores, x, float32(weight))
		} else {
			for i, v := range x {
				scores[i] += float64(known(v) * weight)
			}
		}
	}
	return scores
}

// addSingle adds what a column weighs in float32s. A missing value adds nothing.
func addSingle(scores, x []float64, weight float32) {
	for i, v := range x {
		if v = known(v); v == v {
			scores[i] = float64(float32(scores[i]) + float32(float32(v)*weight))
		}
	}
}

// known returns a value, NaN for one that is infinite, which is missing too.
func known(x float64) float64 {
	if x-x != 0 {
		return math.NaN()
	}
	return x
}
