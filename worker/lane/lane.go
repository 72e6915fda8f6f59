// Package lane computes one step of arithmetic over a chunk of rows at a time:
// compare a column with a threshold, add two columns, turn a validity bitmap
// into words. Kernels are sequences of such steps over chunks of at most Rows
// rows, which stay in the L1 cache between steps.
//
//	column ──► Less, Equal, … ──► Mask, a bit a row ──► And, Or, Not: 64 rows at once
//	       ──► Float ──► Add, Mul, Div, … ──► Column
//
// # Truth
//
// A condition is a Truth, two masks: where it is known to hold and where it is
// known not to. A row in neither is UNKNOWN. And, Or and Not are Kleene's.
//
// # Paths
//
// Steps run on AVX-512 or AVX2 where the processor has them and in plain Go
// elsewhere, chosen once at start. Every path gives the same bits: integers are
// exact, and float steps are single IEEE operations (no fused multiply-add). Only
// which NaN an operation gives is left open; none leaves a program, where NaN is
// null. Vector instructions do the whole words of a chunk, 64 rows each, and plain
// Go the rest; their assembly is written by gen.
//
// # Lengths
//
// Slices are as long as the rows of the chunk, at most Rows; outputs and inputs
// of a step are of one length, and dst may be one of the inputs. Bits of a Mask
// at and past the rows of the chunk mean nothing.
package lane

//go:generate go run ./gen

// Rows is the most rows of a chunk.
const Rows = 1024

// Words is the number of words of a mask.
const Words = Rows / 64

// Mask holds one bit a row: bit i&63 of word i>>6 is row i's.
type Mask [Words]uint64

// Integer is what integer columns hold.
type Integer interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64
}

// Number is what columns hold.
type Number interface{ Integer | float64 }
