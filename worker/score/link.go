package score

import (
	"rescore/worker/lane"
	"rescore/worker/model"
)

// link makes published propensities of raw scores, a block at a time, with the bits of
// Ensemble.Transform, Correction.Apply and publish, which go row by row:
//
//	raw ─► the model's link ─► rate of the whole base ─► calibration ─► clip, round
type link struct {
	model *model.Ensemble
	odds  Correction

	x, y, one [blockRows]float64
	m         lane.Mask
}

func newLink(e *model.Ensemble, odds Correction) *link {
	k := &link{model: e, odds: odds}
	fill(&k.one, 1)
	return k
}

// publish writes the propensities of at most blockRows rows.
func (k *link) publish(dst []float32, raw []float64) {
	x := k.x[:len(raw)]
	k.predict(x, raw)
	k.correct(x)
	k.calibrate(x, raw)
	// A row that the model refuses has no probability: see publish.
	lane.Known(&k.m, x)
	k.m.Not(&k.m)
	lane.Put(x, &k.m, propensityMin)
	lane.Less(&k.m, x, propensityMin)
	lane.Put(x, &k.m, propensityMin)
	lane.AtMost(&k.m, x, propensityMax)
	k.m.Not(&k.m)
	lane.Put(x, &k.m, propensityMax)
	lane.Narrow(dst, x)
}

// predict applies the model's link.
func (k *link) predict(x, raw []float64) {
	if e := k.model; e.Link == model.Logistic && !e.Single && !e.Average {
		lane.Scale(x, raw, -e.Sigmoid)
		k.sigmoid(x)
		return
	}
	for i, v := range raw {
		x[i] = k.model.Transform(v)
	}
}

// sigmoid writes 1/(1+exp(x)).
func (k *link) sigmoid(x []float64) {
	lane.Exp(x, x)
	lane.AddTo(x, x, 1)
	lane.Div(x, k.one[:len(x)], x)
}

// correct is AtBaseRate, which changes nothing where everybody was kept.
func (k *link) correct(x []float64) {
	if k.odds.Beta == 1 {
		return
	}
	kept := k.y[:len(x)]
	lane.Scale(kept, x, k.odds.Beta)
	lane.Sub(x, kept, x)
	lane.AddTo(x, x, 1)
	lane.Div(x, kept, x)
}

// calibrate is Calibration.Apply.
func (k *link) calibrate(x, raw []float64) {
	c := &k.odds.Calibration
	from := x
	if c.Raw {
		from = raw
	}
	switch c.Method {
	case Platt:
		lane.Scale(x, from, c.A)
		lane.AddTo(x, x, c.B)
		k.sigmoid(x)
	case Isotonic:
		for i, s := range from {
			x[i] = c.isotonic(s)
		}
	case Uncalibrated:
	}
}
