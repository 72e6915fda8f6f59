package score

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"rescore/worker/kernel"
	"rescore/worker/model"
)

// BlockRows is how many rows go through the trees together.
const BlockRows = blockRows

// Paths lists the ways to run trees that this processor has, the best last. All
// give the same bits.
func Paths() []string {
	var names []string
	for _, p := range paths() {
		names = append(names, p.name)
	}
	return names
}

// Stages runs a model's trees as the propensity kernel does, and each stage by
// itself, so that it can be timed. It is for one goroutine.
type Stages struct {
	rows   *scorer
	forest *forest
}

// NewStages compiles an ensemble for a path of Paths, "" for the best. It is an
// error when the processor lacks the path, and when the ensemble's scores are no
// sums of leaves.
func NewStages(e *model.Ensemble, name string) (*Stages, error) {
	list := paths()
	i := len(list) - 1
	if name != "" {
		i = slices.IndexFunc(list, func(p path) bool { return p.name == name })
	}
	if i < 0 {
		return nil, fmt.Errorf("path %s: this processor does not have it; it has %s", name, strings.Join(Paths(), ", "))
	}
	c, err := compileOn(e, nil, list[i])
	if err != nil {
		return nil, err
	}
	if c.trees == nil {
		return nil, errors.New("the model is linear, or has linear trees (linear_tree=true, gblinear); its scores are no sums of leaves")
	}
	s := c.scorer()
	return &Stages{s, s.trees}, nil
}

// Path returns the name of the path.
func (s *Stages) Path() string { return s.forest.path.name }

// Score returns the raw scores of rows first to first+n-1, of the first class where
// there are more, until the next call; n is at most BlockRows.
func (s *Stages) Score(in []kernel.Vector, first, n int) []float64 {
	return s.rows.score(in, first, n)
}

// Quantise is the first stage of Score: features to what the model makes of them, to
// bins, and bins to planes.
func (s *Stages) Quantise(in []kernel.Vector, first, n int) {
	in, first = s.rows.prepare(in, first, n)
	s.forest.quantise(in, first, n)
}

// Trees is the second stage, for the block quantised last: the rows of every leaf of
// every tree.
func (s *Stages) Trees() {
	for _, t := range s.forest.trees {
		s.forest.replay(t)
	}
}

// TreesAndLeaves is the second stage and the third, the sum of the leaves' values. A
// tree's leaves are summed while they are at hand, and with AVX-512 while the next
// tree is replayed, so that the third cannot be run alone, and takes less beside the
// second than by itself.
func (s *Stages) TreesAndLeaves() { s.forest.sum() }
