package lane

import (
	"math"

	"rescore/worker/kernel"
)

// Float writes x as float64 where known and otherwise where not: NaN for the
// null inside a program, 0 for sums. It rounds to the nearest, halves to even.
func Float[T Integer](dst []float64, x []T, known *Mask, otherwise float64) {
	x = x[:len(dst)]
	c := math.Float64bits(otherwise)
	for i := vector(stepFloat+kind[T](), len(dst), at(dst), at(x), nil, known, c, 0); i < uint(len(dst)); i += 64 {
		d, w := word(dst, i), known[i>>6]
		for k, v := range x[i:][:len(d)] {
			d[k] = math.Float64frombits(pick(w, math.Float64bits(float64(v)), c))
			w >>= 1
		}
	}
}

// Floats is Float for the rows from lo on of a column of integers, whatever its type.
func Floats(dst []float64, x *kernel.Vector, lo int, known *Mask, otherwise float64) {
	hi := lo + len(dst)
	switch {
	case x.I64 != nil:
		Float(dst, x.I64[lo:hi], known, otherwise)
	case x.I32 != nil:
		Float(dst, x.I32[lo:hi], known, otherwise)
	case x.I16 != nil:
		Float(dst, x.I16[lo:hi], known, otherwise)
	case x.I8 != nil:
		Float(dst, x.I8[lo:hi], known, otherwise)
	case x.U64 != nil:
		Float(dst, x.U64[lo:hi], known, otherwise)
	case x.U32 != nil:
		Float(dst, x.U32[lo:hi], known, otherwise)
	case x.U16 != nil:
		Float(dst, x.U16[lo:hi], known, otherwise)
	default:
		Float(dst, x.U8[lo:hi], known, otherwise)
	}
}

// Int writes x as int64 where known and otherwise where not.
func Int[T Integer](dst []int64, x []T, known *Mask, otherwise int64) {
	x = x[:len(dst)]
	for i := vector(stepInt+kind[T](), len(dst), at(dst), at(x), nil, known, raw(otherwise), 0); i < uint(len(dst)); i += 64 {
		d, w := word(dst, i), known[i>>6]
		for k, v := range x[i:][:len(d)] {
			d[k] = pick(w, int64(v), otherwise)
			w >>= 1
		}
	}
}

// Round writes the nearest integer, halves to even. x must fit an int64.
func Round(dst []int64, x []float64) {
	x = x[:len(dst)]
	for i := vector(stepRound, len(dst), at(dst), at(x), nil, nil, 0, 0); i < uint(len(dst)); i++ {
		dst[i] = int64(math.RoundToEven(x[i]))
	}
}

// Widen writes x as float64.
func Widen(dst []float64, x []float32) {
	x = x[:len(dst)]
	for i := vector(stepWiden, len(dst), at(dst), at(x), nil, nil, 0, 0); i < uint(len(dst)); i++ {
		dst[i] = float64(x[i])
	}
}

// Narrow writes x as float32, to the nearest, halves to even.
func Narrow(dst []float32, x []float64) {
	x = x[:len(dst)]
	for i := vector(stepNarrow, len(dst), at(dst), at(x), nil, nil, 0, 0); i < uint(len(dst)); i++ {
		dst[i] = float32(x[i])
	}
}

// Look writes what the table holds for the lower six bits of each row.
func Look(dst, x []uint8, table *[64]uint8) {
	x = x[:len(dst)]
	for i := vector(stepLook, len(dst), at(dst), at(x), at(table[:]), nil, 0, 0); i < uint(len(dst)); i++ {
		dst[i] = table[x[i]&63]
	}
}

// Code writes x where known and 0 where not.
func Code[T Integer](dst, x []T, known *Mask) {
	x = x[:len(dst)]
	for i := vector(stepCode+width[T](), len(dst), at(dst), at(x), nil, known, 0, 0); i < uint(len(dst)); i += 64 {
		d, w := word(dst, i), known[i>>6]
		for k, v := range x[i:][:len(d)] {
			d[k] = pick(w, v, 0)
			w >>= 1
		}
	}
}

// Select writes x where m is set and y elsewhere.
func Select[T Number](dst []T, m *Mask, x, y []T) {
	x, y = x[:len(dst)], y[:len(dst)]
	i := vector(stepSelect+width[T](), len(dst), at(dst), at(x), at(y), m, 0, 0)
	switch width[T]() {
	case 0:
		choose(i, as[uint8](dst), m, as[uint8](x), as[uint8](y))
	case 1:
		choose(i, as[uint16](dst), m, as[uint16](x), as[uint16](y))
	case 2:
		choose(i, as[uint32](dst), m, as[uint32](x), as[uint32](y))
	default:
		choose(i, as[uint64](dst), m, as[uint64](x), as[uint64](y))
	}
}

func choose[U unsigned](i uint, dst []U, m *Mask, x, y []U) {
	for ; i < uint(len(dst)); i += 64 {
		d, w := word(dst, i), m[i>>6]
		a, b := x[i:][:len(d)], y[i:][:len(d)]
		for k := range d {
			d[k] = pick(w, a[k], b[k])
			w >>= 1
		}
	}
}

// Put writes c where m is set and leaves the other rows.
func Put[T Number](dst []T, m *Mask, c T) {
	i, v := vector(stepPut+width[T](), len(dst), at(dst), nil, nil, m, raw(c), 0), raw(c)
	switch width[T]() {
	case 0:
		put(i, as[uint8](dst), m, uint8(v))
	case 1:
		put(i, as[uint16](dst), m, uint16(v))
	case 2:
		put(i, as[uint32](dst), m, uint32(v))
	default:
		put(i, as[uint64](dst), m, v)
	}
}

func put[U unsigned](i uint, dst []U, m *Mask, c U) {
	for ; i < uint(len(dst)); i += 64 {
		d, w := word(dst, i), m[i>>6]
		for k, v := range d {
			d[k] = pick(w, c, v)
			w >>= 1
		}
	}
}

// Count adds 1 where m is set. 255 is followed by 0.
func Count(dst []uint8, m *Mask) {
	for i := vector(stepCount, len(dst), at(dst), nil, nil, m, 1, 0); i < uint(len(dst)); i += 64 {
		w := m[i>>6]
		d := word(dst, i)
		for k := range d {
			d[k] += uint8(w & 1)
			w >>= 1
		}
	}
}

// Flag writes 1 where m is set and 0 elsewhere.
func Flag[T uint8 | float64](dst []T, m *Mask) {
	s := stepFlag
	if isFloat[T]() {
		s++
	}
	for i := vector(s, len(dst), at(dst), nil, nil, m, raw(T(1)), 0); i < uint(len(dst)); i += 64 {
		w := m[i>>6]
		d := word(dst, i)
		for k := range d {
			d[k] = T(int64(w & 1))
			w >>= 1
		}
	}
}

// pick is a where the lowest bit of w is set and b elsewhere, without a branch.
func pick[T Integer](w uint64, a, b T) T { return b ^ (a^b)&-T(w&1) }
