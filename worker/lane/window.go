package lane

import (
	"math"
	"unsafe"
)

// A window is a monthly column's newest months, newest first. Statistics of it
// are one step each, which loads every month once. They count only months where
// known says so, and compare x·w, rounded, where w is the month's factor. Where a
// statistic has no value it is NaN, and 0 is never -0.

// Monthly is what monthly columns hold.
type Monthly interface{ int16 | int32 | int64 }

// Mean writes the mean of the known among three or six months, NaN for fewer
// than least.
func Mean[T Monthly](dst []float64, x [][]T, known []*Mask, least float64) {
	s := stepMean3
	if len(x) == 6 {
		s = stepMean6
	}
	for i := window(s, dst, x, known, nil, least); i < len(dst); i++ {
		sum, n := 0.0, 0.0
		for k := range x {
			if known[k].Get(i) {
				sum += float64(x[k][i])
				n++
			}
		}
		dst[i] = sum / atLeast(n, least)
	}
}

// Change writes month 0 over month 1, less 1, as (a - b) / b: 0 where both are
// the same, NaN where either is missing, or b is 0 and a is not.
func Change[T Monthly](dst []float64, x [][]T, known []*Mask, w *[6]float64) {
	for i := window(stepChange, dst, x, known, w, 0); i < len(dst); i++ {
		a, b := float64(float64(x[0][i])*w[0]), float64(float64(x[1][i])*w[1])
		switch {
		case !known[0].Get(i) || !known[1].Get(i):
			dst[i] = math.NaN()
		case a == b:
			dst[i] = 0
		default:
			dst[i] = (a - b) / nonzero(b)
		}
	}
}

// Compared are statistics that compare six months. What is nil is not worked out.
type Compared struct {
	// Change is what Change writes.
	Change []float64
	// MeanChange is the mean of the known among the newest three months over that of the
	// three before, less 1, over a common denominator, so that it is rounded once: 0
	// where both are the same, NaN where either mean is of fewer than two months, or the
	// earlier is 0 and the other is not.
	MeanChange []float64
	// Slope is the least-squares slope a month over the known of six months, divided by
	// their mean: NaN for fewer than three, or a mean of 0. With n months at positions
	// i, which count up to the newest's 5, it is
	// n·(n·Σi·y - Σi·Σy) / ((n·Σi² - (Σi)²)·Σy).
	Slope []float64
	// Variation is the population standard deviation of the known of six months, divided
	// by their mean: NaN for none, or a mean of 0. It adds up squares of n·y - Σy, n
	// times the deviation and an integer where all values are.
	Variation []float64
}

const (
	leastOfMean  = 2.0 // months
	leastOfSlope = 3.0
)

// Compare writes statistics of n rows, all in one pass: they share what is loaded of the
// months.
func Compare[T Monthly](dst *Compared, n int, x [][]T, known []*Mask, w *[6]float64) {
	var to [4]unsafe.Pointer
	for i, column := range [...][]float64{dst.Change, dst.MeanChange, dst.Slope, dst.Variation} {
		if column != nil {
			to[i] = at(column[:n])
		}
	}
	for k := range x {
		x[k] = x[k][:n]
	}
	i := int(run(stepCompare+width[T]()-1, n, unsafe.Pointer(&to), at(x), unsafe.Pointer(w), at(known[:len(x)]), raw(leastOfMean), raw(leastOfSlope)))
	for ; i < n; i++ {
		m := row(i, x, known, w)
		if dst.Change != nil {
			dst.Change[i] = m.change()
		}
		if dst.MeanChange != nil {
			dst.MeanChange[i] = m.meanChange()
		}
		if dst.Slope != nil {
			dst.Slope[i] = m.slope()
		}
		if dst.Variation != nil {
			dst.Variation[i] = m.variation()
		}
	}
}

// months are a row's as they are compared, 0 for those not known, and how many are
// known up to each.
type months struct{ y, n [6]float64 }

func (m *months) known(k int) bool {
	if k == 0 {
		return m.n[0] > 0
	}
	return m.n[k] > m.n[k-1]
}

func (m *months) change() float64 {
	switch a, b := m.y[0], m.y[1]; {
	case m.n[1] < 2:
		return math.NaN()
	case a == b:
		return 0
	default:
		return (a - b) / nonzero(b)
	}
}

func (m *months) meanChange() float64 {
	y, n := &m.y, &m.n
	recent, earlier := y[0]+y[1]+y[2], y[3]+y[4]+y[5]
	base := float64(atLeast(n[2], leastOfMean) * earlier)
	rise := float64(atLeast(n[5]-n[2], leastOfMean)*recent) - base
	if rise == 0 {
		return 0
	}
	return rise / nonzero(base)
}

func (m *months) sum() float64 {
	y := &m.y
	return nonzero(y[0] + y[1] + y[2] + (y[3] + y[4] + y[5]))
}

func (m *months) slope() float64 {
	weighted := float64(5 * m.y[0])
	for k := 1; k < 5; k++ {
		weighted += float64(float64(5-k) * m.y[k])
	}
	places, squares := 0.0, 0.0
	for k := range 5 {
		if m.known(k) {
			places += float64(5 - k)
			squares += float64((5 - k) * (5 - k))
		}
	}
	n := m.n[5]
	sum, count := m.sum(), atLeast(n, leastOfSlope)
	rise := float64(float64(weighted*count)-float64(places*sum)) * count
	spread := float64(n*squares) - float64(places*places)
	return rise/float64(spread*sum) + 0
}

func (m *months) variation() float64 {
	sum, squares := m.sum(), 0.0
	for k, y := range m.y {
		if m.known(k) {
			d := float64(m.n[5]*y) - sum
			squares += float64(d * d)
		}
	}
	return math.Sqrt(squares/m.n[5])/sum + 0
}

// window does a step of a window to whole words and returns how many rows that is.
func window[T Monthly](s step, dst []float64, x [][]T, known []*Mask, w *[6]float64, least float64) int {
	for k := range x {
		x[k] = x[k][:len(dst)]
	}
	return int(run(s+width[T]()-1, len(dst), at(dst), at(x), unsafe.Pointer(w), at(known[:len(x)]), raw(least), 0))
}

func row[T Monthly](i int, x [][]T, known []*Mask, w *[6]float64) (m months) {
	count := 0.0
	for k := range m.y {
		if known[k].Get(i) {
			m.y[k] = float64(float64(x[k][i]) * w[k])
			count++
		}
		m.n[k] = count
	}
	return m
}

func atLeast(n, least float64) float64 {
	if n < least {
		return math.NaN()
	}
	return n
}

func nonzero(x float64) float64 {
	if x == 0 {
		return math.NaN()
	}
	return x
}
