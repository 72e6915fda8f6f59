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

// MeanChange writes the mean of the known among the newest three months over
// that of the three before, less 1, over a common denominator, so that it is
// rounded once: 0 where both are the same, NaN where either mean is of fewer than
// least months, or the earlier is 0 and the other is not.
func MeanChange[T Monthly](dst []float64, x [][]T, known []*Mask, w *[6]float64, least float64) {
	for i := window(stepMeanChange, dst, x, known, w, least); i < len(dst); i++ {
		y, n := row(i, x, known, w)
		recent, earlier := y[0]+y[1]+y[2], y[3]+y[4]+y[5]
		base := float64(atLeast(n[2], least) * earlier)
		rise := float64(atLeast(n[5]-n[2], least)*recent) - base
		if dst[i] = rise / nonzero(base); rise == 0 {
			dst[i] = 0
		}
	}
}

// Slope writes the least-squares slope a month over the known of six months,
// divided by their mean: NaN for fewer than least, or a mean of 0. With n months
// at positions i, which count up to the newest's 5, it is
// n·(n·Σi·y - Σi·Σy) / ((n·Σi² - (Σi)²)·Σy).
func Slope[T Monthly](dst []float64, x [][]T, known []*Mask, w *[6]float64, least float64) {
	for i := window(stepSlope, dst, x, known, w, least); i < len(dst); i++ {
		y, n := row(i, x, known, w)
		weighted := float64(5 * y[0])
		for k := 1; k < 5; k++ {
			weighted += float64(float64(5-k) * y[k])
		}
		places, squares := 0.0, 0.0
		for k := range 5 {
			if known[k].Get(i) {
				places += float64(5 - k)
				squares += float64((5 - k) * (5 - k))
			}
		}
		sum, count := nonzero(y[0]+y[1]+y[2]+(y[3]+y[4]+y[5])), atLeast(n[5], least)
		rise := float64(float64(weighted*count)-float64(places*sum)) * count
		spread := float64(n[5]*squares) - float64(places*places)
		dst[i] = rise/float64(spread*sum) + 0
	}
}

// Variation writes the population standard deviation of the known of six months,
// divided by their mean: NaN for none, or a mean of 0. It adds up squares of
// n·y - Σy, n times the deviation and an integer where all values are.
func Variation[T Monthly](dst []float64, x [][]T, known []*Mask, w *[6]float64) {
	for i := window(stepVariation, dst, x, known, w, 0); i < len(dst); i++ {
		y, n := row(i, x, known, w)
		sum, squares := nonzero(y[0]+y[1]+y[2]+(y[3]+y[4]+y[5])), 0.0
		for k := range y {
			if known[k].Get(i) {
				d := float64(n[5]*y[k]) - sum
				squares += float64(d * d)
			}
		}
		dst[i] = math.Sqrt(squares/n[5])/sum + 0
	}
}

// window does a step of a window to whole words and returns how many rows that is.
func window[T Monthly](s step, dst []float64, x [][]T, known []*Mask, w *[6]float64, least float64) int {
	for k := range x {
		x[k] = x[k][:len(dst)]
	}
	return int(run(s+width[T]()-1, len(dst), at(dst), at(x), unsafe.Pointer(w), at(known[:len(x)]), raw(least), 0))
}

// row returns a row's months as they are compared, 0 for those not known, and how
// many are known up to each.
func row[T Monthly](i int, x [][]T, known []*Mask, w *[6]float64) (y, n [6]float64) {
	count := 0.0
	for k := range y {
		if known[k].Get(i) {
			y[k] = float64(float64(x[k][i]) * w[k])
			count++
		}
		n[k] = count
	}
	return y, n
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
