package lane

import (
	"math"

	"rescore/worker/elementary"
)

// Add writes x + y. It, Sub, Mul and Div are one IEEE operation a row; NaN is
// carried along and x/0 is what IEEE says. Integers wrap around.
func Add[T int64 | float64](dst, x, y []T) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := vector(stepAdd+sum[T](), len(dst), at(dst), at(x), at(y), nil, 0, 0); i < uint(len(dst)); i++ {
		dst[i] = x[i] + y[i]
	}
}

// Sub writes x - y.
func Sub[T int64 | float64](dst, x, y []T) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := vector(stepSub+sum[T](), len(dst), at(dst), at(x), at(y), nil, 0, 0); i < uint(len(dst)); i++ {
		dst[i] = x[i] - y[i]
	}
}

// Mul writes x · y.
func Mul(dst, x, y []float64) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := vector(stepMul, len(dst), at(dst), at(x), at(y), nil, 0, 0); i < uint(len(dst)); i++ {
		dst[i] = x[i] * y[i]
	}
}

// Div writes x / y.
func Div(dst, x, y []float64) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := vector(stepDiv, len(dst), at(dst), at(x), at(y), nil, 0, 0); i < uint(len(dst)); i++ {
		dst[i] = x[i] / y[i]
	}
}

// Min writes the lesser, NaN where either is NaN. -0 is less than 0.
func Min(dst, x, y []float64) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := vector(stepMin, len(dst), at(dst), at(x), at(y), nil, 0, 0); i < uint(len(dst)); i++ {
		dst[i] = min(x[i], y[i])
	}
}

// Max writes the greater, NaN where either is NaN. 0 is greater than -0.
func Max(dst, x, y []float64) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := vector(stepMax, len(dst), at(dst), at(x), at(y), nil, 0, 0); i < uint(len(dst)); i++ {
		dst[i] = max(x[i], y[i])
	}
}

// AddTo adds c to every row.
func AddTo[T int64 | float64](dst, x []T, c T) {
	x = x[:len(dst)]
	for i := vector(stepAddTo+sum[T](), len(dst), at(dst), at(x), nil, nil, raw(c), 0); i < uint(len(dst)); i++ {
		dst[i] = x[i] + c
	}
}

// Scale multiplies every row by c.
func Scale[T int64 | float64](dst, x []T, c T) {
	x = x[:len(dst)]
	for i := vector(stepScale+sum[T](), len(dst), at(dst), at(x), nil, nil, raw(c), 0); i < uint(len(dst)); i++ {
		dst[i] = x[i] * c
	}
}

// AddFloat adds x, as float64, where known and leaves the other rows: for sums
// over columns, in one pass.
func AddFloat[T Integer](dst []float64, x []T, known *Mask) {
	x = x[:len(dst)]
	for i := vector(stepAddFloat+kind[T](), len(dst), at(dst), at(x), nil, known, 0, 0); i < uint(len(dst)); i += 64 {
		d, w := word(dst, i), known[i>>6]
		for k, v := range x[i:][:len(d)] {
			d[k] = math.Float64frombits(pick(w, math.Float64bits(d[k]+float64(v)), math.Float64bits(d[k])))
			w >>= 1
		}
	}
}

// Abs writes the absolute value.
func Abs(dst, x []float64) {
	x = x[:len(dst)]
	for i := vector(stepAbs, len(dst), at(dst), at(x), nil, nil, 0, 0); i < uint(len(dst)); i++ {
		dst[i] = math.Abs(x[i])
	}
}

// Sqrt writes the square root, NaN of what is below 0.
func Sqrt(dst, x []float64) {
	x = x[:len(dst)]
	for i := vector(stepSqrt, len(dst), at(dst), at(x), nil, nil, 0, 0); i < uint(len(dst)); i++ {
		dst[i] = math.Sqrt(x[i])
	}
}

// Exp writes elementary.Exp.
func Exp(dst, x []float64) {
	x = x[:len(dst)]
	for i := vector(stepExp, len(dst), at(dst), at(x), nil, nil, 0, 0); i < uint(len(dst)); i++ {
		dst[i] = elementary.Exp(x[i])
	}
}

// sum is the place of T among a family of sums.
func sum[T int64 | float64]() step {
	if isFloat[T]() {
		return 1
	}
	return 0
}
