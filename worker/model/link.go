package model

import (
	"fmt"

	"rescore/worker/elementary"
)

// Link is the function from raw score to prediction.
type Link uint8

// Links.
const (
	Identity     Link = 1  // x
	SignedSquare Link = 2  // sign(x)·x²: regression trained on square roots
	Logistic     Link = 3  // 1/(1+exp(-Sigmoid·x)), one class or each class by itself
	Exponential  Link = 4  // exp(x)
	Softmax      Link = 5  // over all classes
	Softplus     Link = 6  // ln(1+exp(x))
	Step         Link = 7  // 1 above 0, else 0
	Choice       Link = 8  // 1 for the class of the largest raw score, the first of equals, 0 for the others; XGBoost itself gives that class's number
	Probit       Link = 9  // the standard normal distribution at x
	CLogLog      Link = 10 // 1-exp(-exp(x))
	LogLog       Link = 11 // exp(-exp(-x))
	Cauchit      Link = 12 // the standard Cauchy distribution at x
	SimpleMax    Link = 13 // x over the sum of all classes
	Limited      Link = 14 // x, but 0 below 0 and 1 above 1
)

// Probability reports whether the prediction is the probability of the one
// event the model was trained on.
func (e *Ensemble) Probability() bool {
	if e.Classes != 1 {
		return false
	}
	switch e.Link {
	case Logistic, Probit, CLogLog, LogLog, Cauchit:
		return true
	default:
		return e.Labels != nil
	}
}

// Transform returns the prediction for a raw score. It gives the same bits on
// every processor. It panics when the model has more than one class.
func (e *Ensemble) Transform(raw float64) float64 {
	if e.Classes != 1 {
		panic("model: Transform of a model with several classes; use TransformInto")
	}
	var dst [1]float64
	e.TransformInto(dst[:], []float64{raw})
	return dst[0]
}

// TransformInto writes the prediction for each class to dst[:Classes]. The two
// slices may be the same.
func (e *Ensemble) TransformInto(dst, raw []float64) {
	dst, raw = dst[:e.Classes], raw[:e.Classes]
	copy(dst, raw)
	if e.Average {
		for i := range dst {
			dst[i] /= float64(e.Iterations())
		}
	}
	switch {
	case e.Link == Identity:
	case e.Link == Step:
		for i, x := range dst {
			dst[i] = 0
			if x > 0 {
				dst[i] = 1
			}
		}
	case e.Link == Choice:
		choose(dst)
	case e.Single && (e.Link == Logistic || e.Link == Exponential || e.Link == Softmax):
		e.transformSingle(dst)
	default:
		e.transform(dst)
	}
}

// transform applies the links of LightGBM, which computes in float64.
func (e *Ensemble) transform(dst []float64) {
	switch e.Link {
	case SignedSquare:
		for i, x := range dst {
			if x < 0 {
				dst[i] = -float64(x * x)
			} else {
				dst[i] = float64(x * x)
			}
		}
	case Logistic:
		for i, x := range dst {
			dst[i] = 1 / (1 + elementary.Exp(-float64(e.Sigmoid*x)))
		}
	case Exponential:
		for i, x := range dst {
			dst[i] = elementary.Exp(x)
		}
	case Softplus:
		for i, x := range dst {
			dst[i] = elementary.Log1p(elementary.Exp(x))
		}
	case Softmax:
		softmax(dst)
	case Probit:
		for i, x := range dst {
			dst[i] = elementary.Normal(x)
		}
	case CLogLog:
		for i, x := range dst {
			dst[i] = 1 - elementary.Exp(-elementary.Exp(x))
		}
	case LogLog:
		for i, x := range dst {
			dst[i] = elementary.Exp(-elementary.Exp(-x))
		}
	case Cauchit:
		for i, x := range dst {
			dst[i] = elementary.Cauchy(x)
		}
	case Limited:
		for i, x := range dst {
			dst[i] = min(max(x, 0), 1)
		}
	case SimpleMax:
		sum := 0.0
		for _, x := range dst {
			sum += x
		}
		for i := range dst {
			dst[i] /= sum
		}
	default:
		panic(fmt.Sprintf("model: link %d", e.Link))
	}
}

// transformSingle applies the links of XGBoost, which computes in float32.
func (e *Ensemble) transformSingle(dst []float64) {
	switch e.Link {
	case Logistic:
		for i, x := range dst {
			dst[i] = float64(1 / (expSingle(min(float32(-x), 88.7)) + 1)) // no exponential overflows
		}
	case Exponential:
		for i, x := range dst {
			dst[i] = float64(expSingle(float32(x)))
		}
	case Softmax:
		softmaxSingle(dst)
	default:
		panic(fmt.Sprintf("model: link %d", e.Link))
	}
}

// choose writes 1 in the place of the largest, the first of equals, and 0 in all
// others.
func choose(x []float64) {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	clear(x)
	x[best] = 1
}

// softmaxSingle sums in float64, and does all else in float32.
func softmaxSingle(x []float64) {
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	sum := 0.0
	for i, v := range x {
		x[i] = float64(expSingle(float32(v) - float32(top)))
		sum += x[i]
	}
	for i := range x {
		x[i] = float64(float32(x[i]) / float32(sum))
	}
}

func softmax(x []float64) {
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	sum := 0.0
	for i, v := range x {
		x[i] = elementary.Exp(v - top)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}
