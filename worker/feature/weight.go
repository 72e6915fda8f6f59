package feature

import (
	"math"
	"math/bits"

	"rescore/partition/schema"
	"rescore/worker/kernel"
)

// Every statistic has to do with months that may be null, in any of 64
// patterns. Instead of asking month by month, the loops look up what a pattern
// means: the byte that says which months are there indexes tables of factors.
// A missing month has factor 0, and a statistic that a pattern does not define
// has a NaN among its factors, which the arithmetic carries to the result.

var nan = math.NaN()

// zero turns -0, the change of a negative bill that stays, into 0.
const zero = 0.0

// months6 holds one number a month, newest first, padded to a cache line.
type months6 [8]float64

var (
	present [64]months6 // 1 for a month that is there
	count   [64]float64 // how many are there
	mean3   [64]float64 // the divisor of a three-month mean of bits 0 to 2: NaN below two months
	mean6   [64]float64 // the divisor of a six-month mean: NaN below three months
	both    [64]float64 // 0 when the two newest are there, NaN otherwise
	newest  [64]float64 // 0 when the newest is there, NaN otherwise
	second  [64]float64 // 0 when the second newest is there, NaN otherwise
	// spread is n·Σi² − (Σi)², n² times the variance of the month positions: NaN
	// below three months.
	spread [64]float64
	// lever is n·i − Σi for month position i, counted from the oldest.
	lever [64]months6
)

func init() {
	for mask := range 64 {
		n, sum, squares := 0, 0, 0
		for k := range schema.Months {
			if mask>>k&1 != 0 {
				i := schema.Months - 1 - k
				n, sum, squares = n+1, sum+i, squares+i*i
				present[mask][k] = 1
			}
		}
		for k := range schema.Months {
			if mask>>k&1 != 0 {
				lever[mask][k] = float64(n*(schema.Months-1-k) - sum)
			}
		}
		count[mask] = float64(n)
		mean3[mask] = atLeast(bits.OnesCount(uint(mask&7)), 2)
		mean6[mask] = atLeast(n, 3)
		spread[mask] = float64(n*squares - sum*sum)
		if n < 3 {
			spread[mask] = nan
		}
		both[mask], newest[mask], second[mask] = nan, nan, nan
		if mask&3 == 3 {
			both[mask] = 0
		}
		if mask&1 == 1 {
			newest[mask] = 0
		}
		if mask&2 == 2 {
			second[mask] = 0
		}
	}
}

// atLeast returns n, or NaN when it is less than least.
func atLeast(n, least int) float64 {
	if n < least {
		return nan
	}
	return float64(n)
}

// perDay returns the factors that make months comparable by day: L/days for
// each month of the window, newest first, L the least common multiple of their
// lengths.
func perDay(month int32) (w [schema.Months]int64) {
	lcm := int64(1)
	for k := range w {
		days := int64(kernel.DaysInMonth(kernel.MonthAdd(month, -k)))
		a, b := lcm, days
		for b != 0 {
			a, b = b, a%b
		}
		lcm = lcm / a * days
	}
	for k := range w {
		w[k] = lcm / int64(kernel.DaysInMonth(kernel.MonthAdd(month, -k)))
	}
	return w
}

// raw returns the factors of months compared as they are.
func raw() (w [schema.Months]int64) {
	for k := range w {
		w[k] = 1
	}
	return w
}
