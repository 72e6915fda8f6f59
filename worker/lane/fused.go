package lane

import "math"

// Sums over a subscriber's months take these as one pass instead of three.

// AddFloat adds x, as float64, where known and leaves the other rows.
func AddFloat[T Integer](dst []float64, x []T, known *Mask) {
	x = x[:len(dst)]
	for i := vector(stepAddFloat+kind[T](), len(dst), at(dst), at(x), nil, known, 0, 0); i < uint(len(dst)); i += 64 {
		d, w := word(dst, i), known[i>>6]
		for k, v := range x[i:][:len(d)] {
			d[k] = pickFloat(w, d[k]+float64(v), d[k])
			w >>= 1
		}
	}
}

// Times writes x, as float64, times c where known and 0 where not.
func Times[T Integer](dst []float64, x []T, known *Mask, c float64) {
	x = x[:len(dst)]
	for i := vector(stepTimes+kind[T](), len(dst), at(dst), at(x), nil, known, raw(c), 0); i < uint(len(dst)); i += 64 {
		d, w := word(dst, i), known[i>>6]
		for k, v := range x[i:][:len(d)] {
			d[k] = pickFloat(w, float64(v)*c, 0)
			w >>= 1
		}
	}
}

// AddSquare adds x·x, rounded, where m is set and leaves the other rows.
func AddSquare(dst, x []float64, m *Mask) {
	x = x[:len(dst)]
	for i := vector(stepAddSquare, len(dst), at(dst), at(x), nil, m, 0, 0); i < uint(len(dst)); i += 64 {
		d, w := word(dst, i), m[i>>6]
		for k, v := range x[i:][:len(d)] {
			d[k] = pickFloat(w, d[k]+float64(v*v), d[k])
			w >>= 1
		}
	}
}

func pickFloat(w uint64, a, b float64) float64 {
	return math.Float64frombits(pick(w, math.Float64bits(a), math.Float64bits(b)))
}
