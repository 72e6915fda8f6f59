package score

import "math"

// round writes the nearest integer, halves to even. x must fit an int64.
func round(dst []int64, x []float64) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = int64(math.RoundToEven(x[i]))
	}
}

// widen writes x as float64.
func widen(dst []float64, x []float32) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = float64(x[i])
	}
}
