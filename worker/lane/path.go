package lane

import (
	"math"
	"math/bits"
	"unsafe"
)

// path is one way to do the steps. All give the same bits.
type path int

const (
	plain path = iota // Go alone
	avx2
	avx512
)

func (p path) String() string { return [...]string{"go", "avx2", "avx512"}[p] }

// chosen is the path of this process, the best that the processor has.
var chosen = paths()[len(paths())-1]

// width is the place of a column's width among a family's variants.
func width[T Number]() step {
	var v T
	return step(bits.TrailingZeros(uint(unsafe.Sizeof(v))))
}

// variant is width, with floats after the widths of integers.
func variant[T Number]() step {
	if isFloat[T]() {
		return 4
	}
	return width[T]()
}

// kind is width, with unsigned integers after the signed.
func kind[T Integer]() step {
	if isSigned[T]() {
		return width[T]()
	}
	return 4 + width[T]()
}

func isFloat[T Number]() bool { return T(1)/2 != 0 }

func isSigned[T Number]() bool { return T(0)-1 < 0 }

// turned is what turns over the top bit of an unsigned integer, after which
// signed comparison orders it; 0 for signed ones.
func turned[T Number]() uint64 {
	var v T
	if isSigned[T]() {
		return 0
	}
	return 1 << (8*unsafe.Sizeof(v) - 1)
}

// raw is what memory holds of a value, in the low bits.
func raw[T Number](v T) uint64 {
	if isFloat[T]() {
		return math.Float64bits(float64(v))
	}
	return uint64(v)
}

// vector is run for a step that takes one mask.
func vector(s step, n int, dst, x, y unsafe.Pointer, m *Mask, c, d uint64) uint {
	return run(s, n, dst, x, y, unsafe.Pointer(m), c, d)
}

// at is where a slice begins.
func at[T any](x []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(x)) }

// unsigned is an integer as its bits.
type unsigned interface {
	uint8 | uint16 | uint32 | uint64
}

// as sees a slice as unsigned integers of the same width.
func as[U unsigned, T Number](x []T) []U {
	return unsafe.Slice((*U)(at(x)), len(x))
}
