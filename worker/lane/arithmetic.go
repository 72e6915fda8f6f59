package lane

import "math"

// Float writes x as float64 where known and otherwise where not: NaN for the
// null inside a program, 0 for sums.
func Float[T Integer](dst []float64, x []T, known *Mask, otherwise float64) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = otherwise
		if known.Get(i) {
			dst[i] = float64(x[i])
		}
	}
}

// Int writes x as int64 where known and otherwise where not.
func Int[T Integer](dst []int64, x []T, known *Mask, otherwise int64) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = otherwise
		if known.Get(i) {
			dst[i] = int64(x[i])
		}
	}
}

// Code writes x where known and 0 where not.
func Code[T Integer](dst, x []T, known *Mask) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = 0
		if known.Get(i) {
			dst[i] = x[i]
		}
	}
}

// Add, Sub, Mul and Div are one IEEE operation a row; NaN is carried along and
// x/0 is what IEEE says.
func Add[T int64 | float64](dst, x, y []T) { each(dst, x, y, func(a, b T) T { return a + b }) }

// Sub writes x - y.
func Sub[T int64 | float64](dst, x, y []T) { each(dst, x, y, func(a, b T) T { return a - b }) }

// Mul writes x · y.
func Mul(dst, x, y []float64) { each(dst, x, y, func(a, b float64) float64 { return a * b }) }

// Div writes x / y.
func Div(dst, x, y []float64) { each(dst, x, y, func(a, b float64) float64 { return a / b }) }

// Min writes the lesser, NaN where either is NaN.
func Min(dst, x, y []float64) { each(dst, x, y, math.Min) }

// Max writes the greater, NaN where either is NaN.
func Max(dst, x, y []float64) { each(dst, x, y, math.Max) }

// AddTo adds c to every row.
func AddTo[T int64 | float64](dst, x []T, c T) { every(dst, x, func(a T) T { return a + c }) }

// Scale multiplies every row by c.
func Scale[T int64 | float64](dst, x []T, c T) { every(dst, x, func(a T) T { return a * c }) }

// MulAdd writes x·c + y, rounded twice.
func MulAdd(dst, x []float64, c float64, y []float64) {
	each(dst, x, y, func(a, b float64) float64 { return float64(a*c) + b })
}

// Abs writes the absolute value.
func Abs(dst, x []float64) { every(dst, x, math.Abs) }

// Sqrt writes the square root.
func Sqrt(dst, x []float64) { every(dst, x, math.Sqrt) }

// Select writes x where m is set and y elsewhere.
func Select[T Number](dst []T, m *Mask, x, y []T) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := range dst {
		if m.Get(i) {
			dst[i] = x[i]
		} else {
			dst[i] = y[i]
		}
	}
}

// Put writes c where m is set and leaves the other rows.
func Put[T Number](dst []T, m *Mask, c T) {
	for i := range dst {
		if m.Get(i) {
			dst[i] = c
		}
	}
}

// Count adds 1 where m is set.
func Count(dst []uint8, m *Mask) {
	for i := range dst {
		if m.Get(i) {
			dst[i]++
		}
	}
}

// Flag writes 1 where m is set and 0 elsewhere.
func Flag[T uint8 | float64](dst []T, m *Mask) {
	for i := range dst {
		dst[i] = 0
		if m.Get(i) {
			dst[i] = 1
		}
	}
}

// Pack writes rows of bits: bit k of dst[i] is masks[k]'s bit i; a nil mask is
// clear. At most as many masks as T has bits.
func Pack[T uint8 | uint16 | uint32 | uint64](dst []T, masks []*Mask) {
	for i := range dst {
		var v T
		for k, m := range masks {
			if m != nil && m.Get(i) {
				v |= 1 << k
			}
		}
		dst[i] = v
	}
}

// Unpack writes bit k of every row to masks[k]; a nil mask is left out.
func Unpack[T uint8 | uint16 | uint32 | uint64](masks []*Mask, x []T) {
	for i := range x {
		for k, m := range masks {
			if m != nil {
				m.Set(i, x[i]>>k&1 != 0)
			}
		}
	}
}

func each[T any](dst, x, y []T, f func(a, b T) T) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := range dst {
		dst[i] = f(x[i], y[i])
	}
}

func every[T any](dst, x []T, f func(T) T) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = f(x[i])
	}
}
