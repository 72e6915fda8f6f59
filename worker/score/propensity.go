package score

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// The propensity written is never quite 0 nor quite 1 (C09).
const (
	propensityMin = 1e-6
	propensityMax = 1 - 1e-6
)

// propensity is kernel C09: a tree model's churn probability.
//
// The published propensity is a float32, and what else is published of it, the
// score and the band, is worked out from that float32 and not from the float64
// behind it, so that whoever reads the file can work them out again.
type propensity struct {
	spec     kernel.Spec
	model    *Compiled
	rows     *scorer
	link     *link
	why      *explainer // nil when no reasons are asked for
	*grading            // nil of a challenger
}

// NewPropensity returns the kernel that writes
//
//	propensity        float32  probability of churn, from 1e-6 to 1-1e-6
//	propensity_score  uint16   round(1000·propensity), halves to even
//	risk_band         uint8    1 + how many of policy.RiskBandCut the propensity reaches
//	reason1 … 3       uint16   1 + the places in e.Features of the largest three
//	                           contributions above 0 to the raw score; 0 for none
//	reason_method     uint8    how they were found: ByPath, or Unexplained
//
// features are the columns bound to the model's features, in that order: float64, NaN
// where missing, an infinite value being missing too; or, where the model takes them
// (TakesIntegers), integers, null by bitmap. The correction makes of what the model
// predicts a probability that holds for the whole base.
// The kernel takes batches of any size: its scratch is for blocks of 512 rows.
//
// It is an error when a feature has no column, and when Beta is not above 0 and at most 1.
func NewPropensity(c *Compiled, features []kernel.Field, odds Correction, policy job.Policy) (kernel.Kernel, error) {
	k, err := newPropensity(c, features, odds)
	if err != nil {
		return nil, err
	}
	k.why = c.explainer(k.rows)
	k.spec.Name = "score.propensity"
	k.spec.Out = append([]kernel.Field{
		{Name: "propensity", Type: arrow.PrimitiveTypes.Float32},
		{Name: "propensity_score", Type: arrow.PrimitiveTypes.Uint16},
		{Name: "risk_band", Type: arrow.PrimitiveTypes.Uint8},
	}, explained...)
	k.grading = newGrading(policy)
	return k, nil
}

// NewChallenger returns the kernel that writes a challenger's propensity, as the
// champion's is written, to schema.ChallengerColumn(name). Its score and band are
// not published, for they follow from it.
func NewChallenger(name string, c *Compiled, features []kernel.Field, odds Correction) (kernel.Kernel, error) {
	k, err := newPropensity(c, features, odds)
	if err != nil {
		return nil, err
	}
	column := schema.ChallengerColumn(name)
	k.spec.Name = "score." + column
	k.spec.Out = []kernel.Field{{Name: column, Type: arrow.PrimitiveTypes.Float32}}
	return k, nil
}

// newPropensity returns a kernel that writes no column yet.
func newPropensity(c *Compiled, features []kernel.Field, odds Correction) (*propensity, error) {
	if n := len(c.model.Features); len(features) != n {
		return nil, fmt.Errorf("propensity: %d columns bound to the %d features of the model; bind them with model.Bind", len(features), n)
	}
	if !(odds.Beta > 0 && odds.Beta <= 1) {
		return nil, fmt.Errorf("propensity: model.undersampling_beta is %v; it is the share of non-churners kept in training, above 0 and at most 1", odds.Beta)
	}
	return &propensity{spec: kernel.Spec{In: slices.Clone(features)}, model: c, rows: c.scorer(), link: newLink(c.model, odds)}, nil
}

// Spec implements kernel.Kernel.
func (k *propensity) Spec() kernel.Spec { return k.spec }

// TakesCoded implements kernel.Coder.
func (k *propensity) TakesCoded(i int) bool { return k.model.takesCoded(i) }

// Eval implements kernel.Kernel.
func (k *propensity) Eval(n int, in, out []kernel.Vector) {
	p := out[0].F32[:n]
	for first := 0; first < n; first += blockRows {
		rows := min(blockRows, n-first)
		scores := k.rows.score(in, first, rows)
		if k.grading != nil {
			k.why.explain(in, out[3:], first, scores)
		}
		k.link.publish(p[first:first+rows], scores)
	}
	if k.grading != nil {
		k.grade(out[1].U16[:n], out[2].U8[:n], p)
	}
}

// Correction makes of a model's prediction a probability that holds for the whole
// base.
type Correction struct {
	Beta        float64 // share of non-churners kept in training (job.Model.UndersamplingBeta), 1 for all
	Calibration Calibration
}

// Apply corrects a row's prediction: first for undersampling, then by calibration,
// which was fitted to what the model says of the whole base.
func (c *Correction) Apply(raw, prediction float64) float64 {
	return c.Calibration.Apply(raw, AtBaseRate(prediction, c.Beta))
}

// AtBaseRate corrects a probability learned on undersampled data, in which a
// non-churner was kept with probability beta, to the rate of the whole base:
// beta·p/(beta·p − p + 1). Beta 1 changes nothing.
func AtBaseRate(p, beta float64) float64 {
	kept := float64(beta * p)
	return kept / (kept - p + 1)
}

// publish clips a probability and rounds it to what is written. A row that the
// model refuses has none: it is written as the lowest, so that nobody is called for
// a score that does not exist.
func publish(p float64) float32 {
	if p != p {
		return propensityMin
	}
	return float32(min(max(p, propensityMin), propensityMax))
}

// grading works out score and band from the published propensity.
type grading struct {
	cut         [4]float64
	x           [lane.Rows]float64
	thousandths [lane.Rows]int64
	all, m      lane.Mask
}

func newGrading(policy job.Policy) *grading {
	g := new(grading)
	for i, cut := range policy.RiskBandCut {
		g.cut[i] = float64(float32(cut)) // as the propensity is rounded, so that 0.05 reaches 0.05
	}
	g.all.Fill(true)
	return g
}

func (g *grading) grade(score []uint16, band []uint8, p []float32) {
	for lo := 0; lo < len(p); lo += lane.Rows {
		hi := min(lo+lane.Rows, len(p))
		x, thousandths := g.x[:hi-lo], g.thousandths[:hi-lo]
		lane.Widen(x, p[lo:hi])
		lane.Flag(band[lo:hi], &g.all)
		for _, cut := range g.cut {
			lane.Less(&g.m, x, cut)
			g.m.Not(&g.m)
			lane.Count(band[lo:hi], &g.m)
		}
		lane.Scale(x, x, 1000) // exact
		lane.Round(thousandths, x)
		for i, v := range thousandths {
			score[lo+i] = uint16(v)
		}
	}
}
