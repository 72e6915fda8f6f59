package score

import (
	"fmt"
	"math"

	"rescore/worker/attribution"
	"rescore/worker/kernel"
	"rescore/worker/model"
)

// Compiled is a model made ready to be scored, and its rows to be explained: what the
// kernels of all programs share. It never changes.
type Compiled struct {
	model  *model.Ensemble
	trees  *forest           // nil when a score is no sum of leaves
	why    *attribution.Path // nil when no reasons are asked for
	credit *credits          // nil without trees, or reasons
}

// Compile makes a model ready, which takes as long as to score tens of thousands of rows.
// Reasons are found by the path attribution given; without one, none is. It is an error
// when the model does not predict a probability.
func Compile(e *model.Ensemble, why *attribution.Path) (*Compiled, error) {
	if !e.Probability() {
		objective := e.Objective
		if objective == "" {
			objective = "of the user's own"
		}
		return nil, fmt.Errorf("propensity: the model's objective is %s with %d outputs, which is no probability of churn; train it with objective binary or cross_entropy (LightGBM), or binary:logistic or reg:logistic (XGBoost), or export it as a classification of two values (PMML)", objective, e.Classes)
	}
	c, err := compileOn(e, why, best())
	if err != nil {
		return nil, fmt.Errorf("propensity: %w", err)
	}
	return c, nil
}

func compileOn(e *model.Ensemble, why *attribution.Path, p path) (c *Compiled, err error) {
	if why != nil && len(e.Features) > math.MaxUint16 {
		return nil, fmt.Errorf("the model has %d features, and codes of reasons go to %d; set model.reasons.method to none", len(e.Features), math.MaxUint16)
	}
	c = &Compiled{model: e, why: why}
	if e.Linear() {
		return c, nil
	}
	if c.trees, err = compile(e, p); err == nil && why != nil {
		c.credit, err = newCredits(c.trees, e, why)
	}
	return c, err
}

// TakesIntegers reports whether features may be columns of integers: where
// trees alone ask for them, which need no column of float64s to be written, and read
// again, for a bin that is found once.
func (c *Compiled) TakesIntegers() bool { return c.trees != nil && c.model.Prepare == nil }

// takesCoded reports whether a feature may come by dictionary: where only trees ask for it.
// What the model makes something else of must be values, and so must what weights
// multiply.
func (c *Compiled) takesCoded(feature int) bool {
	return c.trees != nil && (c.model.Prepare == nil || !c.model.Prepare.Touches(feature))
}

// scorer returns a scorer with scratch of its own.
func (c *Compiled) scorer() *scorer {
	e, s := c.model, &scorer{refusal: -1}
	if e.Prepare != nil {
		s.runner = e.Prepare.Runner(blockRows)
		s.columns = make([]kernel.Vector, e.Columns())
		s.coded = make([]kernel.Coded, len(e.Features))
		s.refusal = e.Prepare.Refusal()
	}
	if c.trees != nil {
		s.trees = c.trees.fresh()
	} else {
		s.walk = newWalk(e)
	}
	return s
}

// explainer returns what explains the rows of a scorer, nil when nothing is to be
// explained.
func (c *Compiled) explainer(s *scorer) *explainer {
	switch {
	case c.why == nil:
		return nil
	case s.trees != nil:
		return &explainer{rows: s, credit: c.credit.fresh(s.trees)}
	}
	return &explainer{rows: s, walk: c.why, row: make([]float64, c.model.Columns()), shares: make([]float64, c.why.Len())}
}
