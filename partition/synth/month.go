package synth

import (
	"encoding/binary"

	"rescore/partition"
	"rescore/partition/schema"
)

// Monthly columns are worked out a block of rows at a time, in short loops that
// do one thing to every row: what such a loop needs stays in registers, and a
// value that is not there is masked away, because a branch on a subscriber's
// habits is guessed wrongly too often.

// scratch holds what the loops hand to each other, a place a row.
type scratch struct {
	has   [block]uint8 // the months with a value, month k in bit k
	hash  [block]uint64
	drift [block]int32 // how far a month's usage is from the usual, a logarithm
	mask  [block]int64 // -1, or 0 where there is nothing
	rent  [block]int64 // of those who pay the plain rental, or else 0
	word  [block]uint64
	lines [block]uint8 // the rows that have broadband
}

// nullness is which rows of a block have a value in a month, as validity bitmaps.
type nullness [schema.Months][block / 8]byte

// of makes the bitmaps of n rows, eight rows at a time, so that no column sets
// a bit of its own.
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

// draws fills hash with one draw of every profile.
func draws(hash []uint64, profiles []profile, k int) {
	place := place(k)
	hash = hash[:len(profiles)]
	for r := range profiles {
		hash[r] = partition.Mix(profiles[r].h + place)
	}
}

// present fills mask with whether bit k of has is set.
func present(mask []int64, has []uint8, k int) {
	has = has[:len(mask)]
	for r := range mask {
		mask[r] = -int64(has[r] >> (k & 7) & 1)
	}
}

// keep makes the values 0 where bit k of has is not set.
func keep[T Integer](values []T, has []uint8, k int) {
	has = has[:len(values)]
	for r := range values {
		values[r] &= -T(has[r] >> (k & 7) & 1)
	}
}

// A word may hold something small of every month, a byte each, the newest lowest.
const everyMonth = 0x010101010101

// unpack fills values with the byte of month k of each word.
func unpack[T Integer](values []T, words []uint64, k int) {
	words = words[:len(values)]
	for r := range values {
		values[r] = T(words[r] >> (8 * (k & 7)) & 0xff)
	}
}

// whole is -1 when x is 0 and 0 for any other x below 2^63.
func whole(x uint64) int64 { return int64(x-1) >> 63 }
