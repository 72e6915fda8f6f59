package score

import (
	"math"
	"math/rand/v2"
	"testing"

	"rescore/worker/model"
)

func TestBlocksArePublishedAsRowsAre(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(31, 32))
	raw, got := make([]float64, blockRows), make([]float32, blockRows)
	x, y := knots(r)
	for _, e := range []model.Ensemble{
		{Link: model.Logistic, Sigmoid: 1}, {Link: model.Logistic, Sigmoid: 0.7}, {Link: model.Logistic, Sigmoid: 1, Single: true}, {Link: model.CLogLog, Sigmoid: 1}, {Link: model.Identity},
	} {
		e.Classes = 1
		for _, c := range []Calibration{{}, {Method: Platt, A: -2.5, B: 0.75}, {Method: Platt, Raw: true, A: -1.25, B: -3}, {Method: Isotonic, X: x, Y: y}, {Method: Isotonic, Raw: true, X: x, Y: y}} {
			for _, beta := range []float64{1, 0.1, 1e-3} {
				odds := Correction{Beta: beta, Calibration: c}
				k := newLink(&e, odds)
				for range 40 {
					n := 1 + r.IntN(blockRows)
					for i := range raw[:n] {
						switch raw[i] = r.NormFloat64() * 5; r.IntN(12) {
						case 0:
							raw[i] = math.NaN()
						case 1:
							raw[i] *= 200
						case 2: // near where propensities are clipped
							raw[i] = math.Copysign(math.Log(propensityMax/propensityMin), raw[i]) * (1 + r.NormFloat64()*1e-12)
						}
					}
					k.publish(got[:n], raw[:n])
					for i, v := range raw[:n] {
						if want := publish(odds.Apply(v, e.Transform(v))); math.Float32bits(got[i]) != math.Float32bits(want) {
							t.Fatalf("link %d, single %v, %+v: raw score %v is published as %v, want %v", e.Link, e.Single, odds, v, got[i], want)
						}
					}
				}
			}
		}
	}
}
