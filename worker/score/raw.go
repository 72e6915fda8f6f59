package score

import (
	"fmt"
	"slices"

	"rescore/worker/kernel"
	"rescore/worker/model"
)

// Raw returns the raw scores of rows, by the very path that the propensity kernel
// takes on this processor, and names it. columns has one of n values for each
// feature of e, NaN where missing.
func Raw(e *model.Ensemble, columns [][]float64, n int) (scores []float64, path string, err error) {
	if e.Classes != 1 {
		return nil, "", fmt.Errorf("the model has %d classes; a propensity needs a model of one", e.Classes)
	}
	c, err := compileOn(e, nil, best())
	if err != nil {
		return nil, "", err
	}
	s := c.scorer()
	in := make([]kernel.Vector, len(columns))
	for i, column := range columns {
		in[i].F64 = column
	}
	for first := 0; first < n; first += blockRows {
		scores = append(scores, s.score(in, first, min(blockRows, n-first))...)
	}
	path = plain.name // weights are summed in Go
	if s.trees != nil {
		path = s.trees.path.name
	}
	return slices.Clip(scores), path, nil
}

// Published clips a probability and rounds it to what is written.
func Published(p float64) float32 { return publish(p) }
