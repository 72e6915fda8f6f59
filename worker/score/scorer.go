package score

import (
	"fmt"
	"math"

	"rescore/worker/kernel"
	"rescore/worker/model"
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
	refusal int               // column above 0 where the model refuses the row; -1 for none
	trees   *forest           // nil when a score is no sum of leaves
	walk    *walk
}

// newScorer compiles an ensemble of one class.
func newScorer(e *model.Ensemble) (*scorer, error) {
	if e.Classes != 1 {
		return nil, fmt.Errorf("the model has %d classes; a propensity needs a model of one", e.Classes)
	}
	return newScorerOn(e, paths()[len(paths())-1])
}

func newScorerOn(e *model.Ensemble, p path) (*scorer, error) {
	s := &scorer{refusal: -1}
	if e.Prepare != nil {
		s.runner = e.Prepare.Runner(blockRows)
		s.columns = make([]kernel.Vector, e.Columns())
		s.refusal = e.Prepare.Refusal()
	}
	var err error
	if e.Linear() {
		s.walk, err = newWalk(e)
	} else {
		s.trees, err = newForestOn(e, p)
	}
	return s, err
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
	for i := range in {
		s.runner.Columns[i] = in[i].F64[first : first+n]
	}
	s.runner.Run(n)
	for i, column := range s.runner.Columns {
		s.columns[i].F64 = column[:n]
	}
	return s.columns, 0
}
