package lane

// Less sets dst where x is below c. NaN is below nothing.
func Less[T Number](dst *Mask, x []T, c T) {
	compare(dst, x, func(v T) bool { return v < c })
}

// AtMost sets dst where x is c or below.
func AtMost[T Number](dst *Mask, x []T, c T) {
	compare(dst, x, func(v T) bool { return v <= c })
}

// Equal sets dst where x is c. NaN equals nothing.
func Equal[T Number](dst *Mask, x []T, c T) {
	compare(dst, x, func(v T) bool { return v == c })
}

// LessThan sets dst where x is below y, row by row.
func LessThan[T Number](dst *Mask, x, y []T) {
	y = y[:len(x)]
	for i := range x {
		dst.Set(i, x[i] < y[i])
	}
}

// EqualTo sets dst where x equals y, row by row.
func EqualTo[T Number](dst *Mask, x, y []T) {
	y = y[:len(x)]
	for i := range x {
		dst.Set(i, x[i] == y[i])
	}
}

// Bit sets dst where bit k of x is set.
func Bit[T Integer](dst *Mask, x []T, k uint) {
	for i := range x {
		dst.Set(i, x[i]>>k&1 != 0)
	}
}

// Known sets dst where x is not NaN.
func Known(dst *Mask, x []float64) {
	for i := range x {
		dst.Set(i, x[i] == x[i])
	}
}

func compare[T Number](dst *Mask, x []T, holds func(T) bool) {
	for i := range x {
		dst.Set(i, holds(x[i]))
	}
}
