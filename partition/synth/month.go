package synth

import (
	"encoding/binary"

	"rescore/partition/schema"
)

// A subscriber's months are bits of one byte, month k in bit k, or bytes of one
// word. Deciding which months are null takes one byte a row; nullness turns the
// bytes of a block into the validity bitmaps of its months, eight rows at a
// time, so that no column sets a bit of its own.
type nullness [schema.Months][block / 8]byte

// of makes the bitmaps of n rows from the months each has a value in.
func (b *nullness) of(has *[block]uint8, n int) {
	clear(has[n:])
	for g := range block / 8 {
		x := transpose(binary.LittleEndian.Uint64(has[g*8 : g*8+8]))
		for k := range b {
			b[k][g] = uint8(x >> (8 * k))
		}
	}
}

// transpose swaps rows and columns of a matrix of 8 × 8 bits, a row a byte.
// (Hacker's Delight 7-3.)
func transpose(x uint64) uint64 {
	t := (x ^ x>>7) & 0x00aa00aa00aa00aa
	x ^= t ^ t<<7
	t = (x ^ x>>14) & 0x0000cccc0000cccc
	x ^= t ^ t<<14
	t = (x ^ x>>28) & 0x00000000f0f0f0f0
	return x ^ t ^ t<<28
}

// cover sets which of the n rows from at on have a value. At is a multiple of
// the block.
func cover[T Integer](m *months[T], b *nullness, at, n int) {
	for k, v := range m {
		copy(v.Valid[at/8:(at+n+7)/8], b[k][:])
	}
}

// window is the values of n rows from at on.
func (v *Vector[T]) window(at, n int) []T { return v.Values[at : at+n] }

// all is -1 when bit k is set and 0 when it is not: a mask to null a value with.
func all(bits uint8, k int) int64 { return -int64(bits >> (k & 7) & 1) }

// whole is -1 when x is 0 and 0 for any other x below 2^63.
func whole(x uint64) int64 { return int64(x-1) >> 63 }
