package feature

import (
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
)

// metricOf says how a monthly column becomes features.
type metricOf struct {
	column string
	usage  bool // compared per day; money only where the rules say so
}

// metrics are the monthly columns with features, in dictionary order.
var metrics = []metricOf{
	{"fee", false}, {"out_sec", true}, {"in_sec", true}, {"sms_cnt", true}, {"data_kb", true},
	{"recharge_fen", false}, {"recharge_cnt", false}, {"elogin_cnt", true},
}

// stat is one statistic of six months: how it is filled, and its dictionary
// entry, in which x stands for the metric.
type stat struct {
	suffix  string
	months  int // newest months it reads
	fill    func(out []float64, w *window)
	unit    schema.Unit
	ofX     bool // in the metric's own unit
	formula string
	null    string
}

var stats6 = []stat{
	{"last", 1, last, "", true, "x[m]", "x[m] is missing"},
	{"avg3", 3, avg3, "", true, "mean of the months of m-2..m that are there", "fewer than 2 of them"},
	{"avg6", 6, avg6, "", true, "mean of the months of m-5..m that are there", "fewer than 3 of them"},
	{"chg1", 2, chg1, schema.Ratio, false, "(x[m] - x[m-1]) / x[m-1], 0 when both are 0; per day for usage", "a month is missing, or x[m-1] is 0 and x[m] is not"},
	{"chg3", 6, chg3, schema.Ratio, false, "mean(m-2..m) / mean(m-5..m-3) - 1, 0 when both are 0; per day for usage", "fewer than 2 months in either mean, or the base is 0 and the mean is not"},
	{"slope", 6, slope, schema.Ratio, false, "least-squares slope a month over the months that are there, divided by their mean; per day for usage", "fewer than 3 months, or their mean is 0"},
	{"cv", 6, cv, schema.Ratio, false, "population standard deviation / mean over the months that are there; per day for usage", "no month, or their mean is 0"},
	{"zero_run", 6, zeroRun, schema.Month, false, "number of months up to m with x = 0, 0 to 6", "a missing month ends the run"},
	{"base_zero", 2, baseZero, schema.None, false, "1 when x[m-1] is 0, otherwise 0", "x[m-1] is missing"},
	{"appeared", 2, appeared, schema.None, false, "1 when x[m-1] is 0 and x[m] is above 0, otherwise 0", "a month is missing"},
}

// window is one chunk of a metric: the months as float64, with anything finite
// in place of nulls, and which of them are there.
type window struct {
	x        [schema.Months][]float64
	there    []uint8 // bit k: month k is known and not before activation
	compared []uint8 // bit k: and may be compared
	// per is the comparison factor of each month by pattern, 0 for a missing month.
	per [64]months6
	// tilt is lever times the comparison factor.
	tilt [64]months6
	w    [schema.Months]float64
}

// metric computes the statistics asked for of one monthly column.
type metric struct {
	spec   kernel.Spec
	months int
	stats  []stat
	chunk  int
	window window
}

func newMetric(of metricOf, stats []stat, rules job.Rules, month int32, batchRows int) *metric {
	column, ok := schema.Find(schema.Subscriber, of.column)
	if !ok {
		panic("feature: no canonical column " + of.column)
	}
	m := &metric{stats: stats, chunk: min(batchRows, kernel.ChunkRows)}
	for _, s := range stats {
		m.months = max(m.months, s.months)
		m.spec.Out = append(m.spec.Out, field(of.column+"_"+s.suffix))
	}
	m.spec.Name = "feature." + of.column
	for k := range m.months {
		m.spec.In = append(m.spec.In, kernel.Field{Name: column.At(k), Type: column.Type})
	}
	m.spec.In = append(m.spec.In, kernel.History, kernel.HistoryCompare)

	factors := raw()
	if of.usage || column.Unit == schema.Fen && rules.FeeNormaliseDays {
		factors = perDay(month)
	}
	w := &m.window
	for k := range w.x {
		w.x[k] = make([]float64, m.chunk)
		w.w[k] = float64(factors[k])
	}
	w.there, w.compared = make([]uint8, m.chunk), make([]uint8, m.chunk)
	for mask := range w.per {
		for k := range schema.Months {
			w.per[mask][k] = present[mask][k] * w.w[k]
			w.tilt[mask][k] = lever[mask][k] * w.w[k]
		}
	}
	return m
}

// field returns a feature's field.
func field(name string) kernel.Field {
	return kernel.Field{Name: name, Type: arrow.PrimitiveTypes.Float64}
}

func (m *metric) Spec() kernel.Spec { return m.spec }

func (m *metric) Eval(n int, in, out []kernel.Vector) {
	history, compare := in[m.months].U8[:n], in[m.months+1].U8[:n]
	w := &m.window
	for lo := 0; lo < n; lo += m.chunk {
		hi := min(lo+m.chunk, n)
		clear(w.there)
		for k := range m.months {
			in[k].Valid.From(lo).Mask(w.there, hi-lo, uint(k))
			// What stands behind nulls comes along: it is finite and meets a factor of 0.
			x := w.x[k][:hi-lo]
			switch v := &in[k]; {
			case v.I64 != nil:
				widen(x, v.I64[lo:hi])
			case v.I32 != nil:
				widen(x, v.I32[lo:hi])
			default:
				widen(x, v.I16[lo:hi])
			}
		}
		intersect(w.there, w.compared, history[lo:hi], compare[lo:hi])
		for j, s := range m.stats {
			s.fill(out[j].F64[lo:hi], w)
		}
	}
}

// intersect cuts the months that are known to those that may be believed.
func intersect(there, compared, history, compare []uint8) {
	n := len(history)
	there, compared, compare = there[:n], compared[:n], compare[:n]
	for i := range n {
		compared[i] = there[i] & compare[i] & 63
		there[i] = there[i] & history[i] & 63
	}
}

func last(out []float64, w *window) {
	n := len(out)
	x, there := w.x[0][:n], w.there[:n]
	for i := range out {
		out[i] = x[i] + newest[there[i]&63]
	}
}

func avg3(out []float64, w *window) {
	n := len(out)
	x0, x1, x2, there := w.x[0][:n], w.x[1][:n], w.x[2][:n], w.there[:n]
	for i := range out {
		mask := there[i] & 63
		p := &present[mask]
		out[i] = (float64(p[0]*x0[i]) + float64(p[1]*x1[i]) + float64(p[2]*x2[i])) / mean3[mask]
	}
}

func avg6(out []float64, w *window) {
	n := len(out)
	x0, x1, x2, there := w.x[0][:n], w.x[1][:n], w.x[2][:n], w.there[:n]
	x3, x4, x5 := w.x[3][:n], w.x[4][:n], w.x[5][:n]
	for i := range out {
		mask := there[i] & 63
		p := &present[mask]
		s := float64(p[0]*x0[i]) + float64(p[1]*x1[i]) + float64(p[2]*x2[i])
		s = s + float64(p[3]*x3[i]) + float64(p[4]*x4[i]) + float64(p[5]*x5[i])
		out[i] = s / mean6[mask]
	}
}

func chg1(out []float64, w *window) {
	n := len(out)
	x0, x1, compared := w.x[0][:n], w.x[1][:n], w.compared[:n]
	w0, w1 := w.w[0], w.w[1]
	for i := range out {
		known := both[compared[i]&63]
		now, base := float64(w0*x0[i]), float64(w1*x1[i])
		q := (now-base)/base + known
		if base == 0 {
			q = nan
			if now == 0 {
				q = known
			}
		}
		out[i] = q
	}
}

func chg3(out []float64, w *window) {
	n := len(out)
	x0, x1, x2, compared := w.x[0][:n], w.x[1][:n], w.x[2][:n], w.compared[:n]
	x3, x4, x5 := w.x[3][:n], w.x[4][:n], w.x[5][:n]
	for i := range out {
		mask := compared[i] & 63
		p := &w.per[mask]
		// now/a ÷ base/b − 1 over a common denominator: one rounding.
		now := float64(p[0]*x0[i]) + float64(p[1]*x1[i]) + float64(p[2]*x2[i])
		base := float64(p[3]*x3[i]) + float64(p[4]*x4[i]) + float64(p[5]*x5[i])
		a, b := mean3[mask], mean3[mask>>3]
		q := (float64(now*b)-float64(base*a))/float64(base*a) + zero
		if base == 0 {
			q = nan
			if now == 0 {
				q = (a - a) + (b - b)
			}
		}
		out[i] = q
	}
}

func slope(out []float64, w *window) {
	n := len(out)
	x0, x1, x2, compared := w.x[0][:n], w.x[1][:n], w.x[2][:n], w.compared[:n]
	x3, x4, x5 := w.x[3][:n], w.x[4][:n], w.x[5][:n]
	for i := range out {
		mask := compared[i] & 63
		p, t := &w.per[mask], &w.tilt[mask]
		sum := float64(p[0]*x0[i]) + float64(p[1]*x1[i]) + float64(p[2]*x2[i])
		sum = sum + float64(p[3]*x3[i]) + float64(p[4]*x4[i]) + float64(p[5]*x5[i])
		tilt := float64(t[0]*x0[i]) + float64(t[1]*x1[i]) + float64(t[2]*x2[i])
		tilt = tilt + float64(t[3]*x3[i]) + float64(t[4]*x4[i]) + float64(t[5]*x5[i])
		// (tilt/spread) ÷ (sum/n)
		q := float64(tilt*count[mask])/float64(spread[mask]*sum) + zero
		if sum == 0 {
			q = nan
		}
		out[i] = q
	}
}

func cv(out []float64, w *window) {
	n := len(out)
	x0, x1, x2, compared := w.x[0][:n], w.x[1][:n], w.x[2][:n], w.compared[:n]
	x3, x4, x5 := w.x[3][:n], w.x[4][:n], w.x[5][:n]
	for i := range out {
		mask := compared[i] & 63
		p, f, m := &w.per[mask], &present[mask], count[mask]
		y0, y1, y2 := float64(p[0]*x0[i]), float64(p[1]*x1[i]), float64(p[2]*x2[i])
		y3, y4, y5 := float64(p[3]*x3[i]), float64(p[4]*x4[i]), float64(p[5]*x5[i])
		sum := y0 + y1 + y2 + y3 + y4 + y5
		// n times each deviation from the mean is an integer: n·y − sum.
		d0, d1, d2 := float64(m*y0)-sum, float64(m*y1)-sum, float64(m*y2)-sum
		d3, d4, d5 := float64(m*y3)-sum, float64(m*y4)-sum, float64(m*y5)-sum
		squares := float64(f[0]*float64(d0*d0)) + float64(f[1]*float64(d1*d1)) + float64(f[2]*float64(d2*d2))
		squares = squares + float64(f[3]*float64(d3*d3)) + float64(f[4]*float64(d4*d4)) + float64(f[5]*float64(d5*d5))
		q := math.Sqrt(squares/m)/sum + zero
		if sum == 0 {
			q = nan
		}
		out[i] = q
	}
}

func zeroRun(out []float64, w *window) {
	n := len(out)
	x0, x1, x2, there := w.x[0][:n], w.x[1][:n], w.x[2][:n], w.there[:n]
	x3, x4, x5 := w.x[3][:n], w.x[4][:n], w.x[5][:n]
	for i := range out {
		mask := there[i]
		if mask&1 != 0 && x0[i] != 0 { // most rows
			out[i] = 0
			continue
		}
		zero := isZero(x0[i]) | isZero(x1[i])<<1 | isZero(x2[i])<<2 | isZero(x3[i])<<3 | isZero(x4[i])<<4 | isZero(x5[i])<<5
		run := bits.TrailingZeros8(^(zero & mask))
		out[i] = float64(run)
		if run < schema.Months && mask>>run&1 == 0 {
			out[i] = nan
		}
	}
}

// isZero returns 1 for 0 and 0 otherwise. x is never -0: it was an integer.
func isZero(x float64) uint8 {
	b := math.Float64bits(x)
	return uint8((b|-b)>>63) ^ 1
}

func baseZero(out []float64, w *window) {
	n := len(out)
	x1, compared := w.x[1][:n], w.compared[:n]
	for i := range out {
		out[i] = float64(isZero(x1[i])) + second[compared[i]&63]
	}
}

func appeared(out []float64, w *window) {
	n := len(out)
	x0, x1, compared := w.x[0][:n], w.x[1][:n], w.compared[:n]
	for i := range out {
		b := math.Float64bits(-x0[i])
		positive := uint8(b>>63) &^ isZero(x0[i])
		out[i] = float64(positive&isZero(x1[i])) + both[compared[i]&63]
	}
}
