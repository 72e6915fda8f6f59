package score

import (
	"math"

	"rescore/worker/kernel"
	"rescore/worker/transform"
)

// scorer gives the raw scores of blocks of rows, the bits of model.Ensemble.Raw:
//
//	features ─► columns ─────────► scores
//	            what the model     by trees (forest)
//	            makes of them      or weights (walk)
type scorer struct {
	runner  *transform.Runner // nil when the model takes the features as they are
	columns []kernel.Vector   // of the block, when there is a runner
	coded   []kernel.Coded    // of the block, of columns that come by dictionary
	refusal int               // column above 0 where the model refuses the row; -1 for none
	trees   *forest           // nil when a score is no sum of leaves
	walk    *walk
}

// score returns the raw scores of rows first to first+n-1, of the first class where
// there are more, until the next call; n is at most blockRows.
func (s *scorer) score(in []kernel.Vector, first, n int) []float64 {
	in, first = s.prepare(in, first, n)
	var scores []float64
	if s.trees != nil {
		s.trees.raw(in, first, n)
		scores = s.trees.scores[0][:n]
	} else {
		scores = s.walk.score(in, first, n)
	}
	if s.refusal >= 0 {
		for i, refused := range s.columns[s.refusal].F64 {
			if refused > 0 {
				scores[i] = math.NaN()
			}
		}
	}
	return scores
}

// prepare returns the columns that trees and weights ask for, of rows first to
// first+n-1, and where these rows begin there.
func (s *scorer) prepare(in []kernel.Vector, first, n int) (columns []kernel.Vector, from int) {
	if s.runner == nil {
		return in, first
	}
	for i, v := range in {
		if v.Coded == nil {
			s.runner.Columns[i] = v.F64[first : first+n]
		}
	}
	s.runner.Run(n)
	for i, column := range s.runner.Columns {
		if i < len(in) && in[i].Coded != nil {
			in[i].Coded.Cut(&s.coded[i], first, n)
			s.columns[i] = kernel.Vector{Coded: &s.coded[i]}
		} else {
			s.columns[i] = kernel.Vector{F64: column[:n]}
		}
	}
	return s.columns, 0
}
