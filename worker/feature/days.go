package feature

import (
	"rescore/partition/schema"
	"rescore/worker/kernel"
)

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
