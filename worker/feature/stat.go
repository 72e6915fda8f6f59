package feature

import (
	"rescore/partition/schema"
	"rescore/worker/lane"
)

// stat is one statistic of six months: how it is filled, and its dictionary
// entry, in which x stands for the metric.
type stat struct {
	suffix  string
	months  int  // newest months it reads
	compare bool // it compares them
	fill    func(out []float64, w *window)
	unit    schema.Unit
	ofX     bool // in the metric's own unit
	formula string
	null    string
}

var stats6 = []stat{
	{"last", 1, false, last, "", true, "x[m]", "x[m] is missing"},
	{"avg3", 3, false, avg3, "", true, "mean of the months of m-2..m that are there", "fewer than 2 of them"},
	{"avg6", 6, false, avg6, "", true, "mean of the months of m-5..m that are there", "fewer than 3 of them"},
	{"chg1", 2, true, chg1, schema.Ratio, false, "(x[m] - x[m-1]) / x[m-1], 0 when both are 0; per day for usage", "a month is missing, or x[m-1] is 0 and x[m] is not"},
	{"chg3", 6, true, chg3, schema.Ratio, false, "mean(m-2..m) / mean(m-5..m-3) - 1, 0 when both are 0; per day for usage", "fewer than 2 months in either mean, or the base is 0 and the mean is not"},
	{"slope", 6, true, slope, schema.Ratio, false, "least-squares slope a month over the months that are there, divided by their mean; per day for usage", "fewer than 3 months, or their mean is 0"},
	{"cv", 6, true, cv, schema.Ratio, false, "population standard deviation / mean over the months that are there; per day for usage", "no month, or their mean is 0"},
	{"zero_run", 6, false, zeroRun, schema.Month, false, "number of months up to m with x = 0, 0 to 6", "a missing month ends the run"},
	{"base_zero", 2, true, baseZero, schema.None, false, "1 when x[m-1] is 0, otherwise 0", "x[m-1] is missing"},
	{"appeared", 2, true, appeared, schema.None, false, "1 when x[m-1] is 0 and x[m] is above 0, otherwise 0", "a month is missing"},
}

func last(out []float64, w *window) { load(out, &w.column[0], w.lo, w.there[0], nan) }

func avg3(out []float64, w *window) { w.mean(out, w.there[:3], 2) }

func avg6(out []float64, w *window) { w.mean(out, w.there[:6], 3) }

// mean is that of the months, NaN for fewer than least.
func (w *window) mean(out []float64, months presence, least uint8) {
	total(out, w.column, w.lo, months)
	t := w.t[:w.n]
	w.number(t, months, least)
	lane.Div(out, out, t)
}

// The changes below must come out as NaN where they are not defined, and as 0,
// never -0, where nothing has changed, be it from a base of 0 or below it.

func chg1(out []float64, w *window) {
	now, base := w.y[0][:w.n], w.y[1][:w.n]
	lane.Sub(out, now, base)
	lane.Div(out, out, base)
	w.b.And(w.compared[0], w.compared[1])
	lane.Equal(&w.a, base, 0)
	w.a.AndNot(&w.b, &w.a)
	w.a.Not(&w.a)
	lane.Put(out, &w.a, nan)
	lane.EqualTo(&w.a, now, base)
	w.a.And(&w.a, &w.b)
	lane.Put(out, &w.a, 0)
}

// chg3 is recent/a ÷ earlier/b − 1, over a common denominator: one rounding.
func chg3(out []float64, w *window) {
	t := w.t[:w.n]
	w.number(out, w.compared[:3], 2)
	lane.Mul(out, out, w.earlier[:w.n])
	w.number(t, w.compared[3:], 2)
	lane.Mul(t, t, w.recent[:w.n])
	lane.Sub(t, t, out)
	lane.Div(out, t, out)
	lane.Equal(&w.a, w.earlier[:w.n], 0)
	lane.Put(out, &w.a, nan)
	lane.Equal(&w.a, t, 0)
	lane.Put(out, &w.a, 0)
}

// slope is Σ(n·i − Σi)·y ÷ spread, the slope a month over n, divided by sum/n.
func slope(out []float64, w *window) {
	n, t, sum := w.count[:w.n], w.t[:w.n], w.sum[:w.n]
	lane.Scale(out, w.y[0][:w.n], 5)
	for k := 1; k < schema.Months-1; k++ {
		lane.MulAdd(out, w.y[k][:w.n], float64(schema.Months-1-k), out)
	}
	lane.Mul(out, out, n)
	pattern, bytes := w.pattern[:w.n], w.bytes[:w.n]
	lane.Pack(pattern, w.compared)
	lane.Look(bytes, pattern, &positions)
	w.atLeast(t, bytes, 1)
	lane.Mul(t, t, sum)
	lane.Sub(out, out, t)
	lane.Mul(out, out, n)
	lane.Look(bytes, pattern, &spread)
	w.atLeast(t, bytes, 1)
	lane.Mul(t, t, sum)
	lane.Div(out, out, t)
	lane.AddTo(out, out, 0) // -0 becomes 0
}

// cv adds up squares of n·y − sum, n times the deviation from the mean and an
// integer.
func cv(out []float64, w *window) {
	n, t, sum := w.count[:w.n], w.t[:w.n], w.sum[:w.n]
	clear(out)
	for k, known := range w.compared {
		lane.Mul(t, n, w.y[k][:w.n])
		lane.Sub(t, t, sum)
		lane.AddSquare(out, t, known)
	}
	lane.Div(out, out, n)
	lane.Sqrt(out, out)
	lane.Div(out, out, sum)
	lane.AddTo(out, out, 0) // -0 becomes 0
}

// zeroRun counts, month by month, the rows whose run goes on; a row whose run
// meets a missing month has none.
func zeroRun(out []float64, w *window) {
	run, lost := w.bytes[:w.n], &w.c
	clear(run)
	lost.Fill(false)
	w.b.Fill(true)
	for k, there := range w.there[:schema.Months] {
		w.a.AndNot(&w.b, there)
		lost.Or(lost, &w.a)
		zero(&w.a, &w.column[k], w.lo, w.n)
		w.a.And(&w.a, there)
		w.b.And(&w.b, &w.a)
		lane.Count(run, &w.b)
	}
	lost.Not(lost)
	lane.Float(out, run, lost, nan)
}

func baseZero(out []float64, w *window) {
	lane.Equal(&w.a, w.y[1][:w.n], 0)
	w.flag(out, &w.a, w.compared[1])
}

func appeared(out []float64, w *window) {
	lane.AtMost(&w.a, w.y[0][:w.n], 0)
	lane.Equal(&w.b, w.y[1][:w.n], 0)
	w.a.AndNot(&w.b, &w.a)
	w.b.And(w.compared[0], w.compared[1])
	w.flag(out, &w.a, &w.b)
}

// flag writes 1 where m is set, 0 where it is clear and NaN where it is not
// known.
func (w *window) flag(out []float64, m, known *lane.Mask) {
	bytes := w.bytes[:w.n]
	lane.Flag(bytes, m)
	lane.Float(out, bytes, known, nan)
}
