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
	into    func(all *lane.Compared) *[]float64 // of those worked out together, in place of fill; six months each, or chg1 alone
	unit    schema.Unit
	ofX     bool // in the metric's own unit
	formula string
	null    string
}

var stats6 = []stat{
	{"last", 1, false, last, nil, "", true, "x[m]", "x[m] is missing"},
	{"avg3", 3, false, avg3, nil, "", true, "mean of the months of m-2..m that are there", "fewer than 2 of them"},
	{"avg6", 6, false, avg6, nil, "", true, "mean of the months of m-5..m that are there", "fewer than 3 of them"},
	{"chg1", 2, true, nil, intoChange, schema.Ratio, false, "(x[m] - x[m-1]) / x[m-1], 0 when both are 0; per day for usage", "a month is missing, or x[m-1] is 0 and x[m] is not"},
	{"chg3", 6, true, nil, intoMeanChange, schema.Ratio, false, "mean(m-2..m) / mean(m-5..m-3) - 1, 0 when both are 0; per day for usage", "fewer than 2 months in either mean, or the base is 0 and the mean is not"},
	{"slope", 6, true, nil, intoSlope, schema.Ratio, false, "least-squares slope a month over the months that are there, divided by their mean; per day for usage", "fewer than 3 months, or their mean is 0"},
	{"cv", 6, true, nil, intoVariation, schema.Ratio, false, "population standard deviation / mean over the months that are there; per day for usage", "no month, or their mean is 0"},
	{"zero_run", 6, false, zeroRun, nil, schema.Month, false, "number of months up to m with x = 0, 0 to 6", "a missing month ends the run"},
	{"base_zero", 2, true, baseZero, nil, schema.None, false, "1 when x[m-1] is 0, otherwise 0", "x[m-1] is missing"},
	{"appeared", 2, true, appeared, nil, schema.None, false, "1 when x[m-1] is 0 and x[m] is above 0, otherwise 0", "a month is missing"},
}

func last(out []float64, w *window) { w.months.load(out, 0, w.there[0]) }

func avg3(out []float64, w *window) { w.months.mean(out, w.there[:3], 2) }

func avg6(out []float64, w *window) { w.months.mean(out, w.there[:6], 3) }

func intoChange(all *lane.Compared) *[]float64 { return &all.Change }

func intoMeanChange(all *lane.Compared) *[]float64 { return &all.MeanChange }

func intoSlope(all *lane.Compared) *[]float64 { return &all.Slope }

func intoVariation(all *lane.Compared) *[]float64 { return &all.Variation }

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
		w.months.zero(&w.a, k)
		w.a.And(&w.a, there)
		w.b.And(&w.b, &w.a)
		lane.Count(run, &w.b)
	}
	lost.Not(lost)
	lane.Float(out, run, lost, nan)
}

func baseZero(out []float64, w *window) {
	w.months.zero(&w.a, 1)
	w.flag(out, &w.a, w.compared[1])
}

func appeared(out []float64, w *window) {
	w.months.zero(&w.a, 1)
	w.months.positive(&w.b, 0)
	w.a.And(&w.a, &w.b)
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
