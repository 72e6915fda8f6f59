package kernel

import (
	"encoding/binary"
	"math/bits"
)

// Bitmap is an Arrow validity bitmap with its bit offset: bit i is row i's.
// The zero Bitmap has every bit set.
type Bitmap struct {
	Bits   []byte
	Offset int
}

// All reports whether the bitmap is the zero one: no row is null.
func (b Bitmap) All() bool { return b.Bits == nil }

// Get reports whether bit i is set.
func (b Bitmap) Get(i int) bool {
	if b.Bits == nil {
		return true
	}
	i += b.Offset
	return b.Bits[i>>3]>>(i&7)&1 != 0
}

// From returns the bitmap whose bit 0 is b's bit lo.
func (b Bitmap) From(lo int) Bitmap {
	if b.Bits == nil {
		return b
	}
	return Bitmap{Bits: b.Bits, Offset: b.Offset + lo}
}

// ones has bit 0 of each of its eight bytes set.
const ones = 0x0101010101010101

// spread turns the eight bits of b into eight bytes of 0 or 1, bit 0 lowest.
func spread(b byte) uint64 {
	// Every byte gets a copy of b and keeps its own bit; adding 0x7f then moves
	// "any bit left" to the byte's top bit without carrying into its neighbour.
	x := uint64(b) * ones & 0x8040201008040201
	return (x + 0x7f*ones) >> 7 & ones
}

// eight returns bits i to i+7. All eight must exist: it reads no further byte.
func (b Bitmap) eight(i int) byte {
	j := i + b.Offset
	at, shift := j>>3, uint(j&7)
	if shift == 0 {
		return b.Bits[at]
	}
	return b.Bits[at]>>shift | b.Bits[at+1]<<(8-shift)
}

// Bytes writes 1 for each set bit and 0 for each clear one to dst[:n].
func (b Bitmap) Bytes(dst []uint8, n int) {
	dst = dst[:n]
	i := 0
	for ; i+8 <= n; i += 8 {
		w := uint64(ones)
		if b.Bits != nil {
			w = spread(b.eight(i))
		}
		binary.LittleEndian.PutUint64(dst[i:], w)
	}
	for ; i < n; i++ {
		dst[i] = 0
		if b.Get(i) {
			dst[i] = 1
		}
	}
}

// Mask sets bit k (0 to 7) of dst[i] for each set bit i below n and leaves
// everything else as it is: the validity of several months ends up in one byte
// a row.
func (b Bitmap) Mask(dst []uint8, n int, k uint) {
	dst = dst[:n]
	i := 0
	for ; i+8 <= n; i += 8 {
		w := uint64(ones)
		if b.Bits != nil {
			w = spread(b.eight(i))
		}
		at := dst[i : i+8]
		binary.LittleEndian.PutUint64(at, binary.LittleEndian.Uint64(at)|w<<k)
	}
	for ; i < n; i++ {
		if b.Get(i) {
			dst[i] |= 1 << k
		}
	}
}

// And clears dst[i], which is 0 or 1, for each clear bit i below n.
func (b Bitmap) And(dst []uint8, n int) {
	if b.Bits == nil {
		return
	}
	dst = dst[:n]
	i := 0
	for ; i+8 <= n; i += 8 {
		at := dst[i : i+8]
		binary.LittleEndian.PutUint64(at, binary.LittleEndian.Uint64(at)&spread(b.eight(i)))
	}
	for ; i < n; i++ {
		if !b.Get(i) {
			dst[i] = 0
		}
	}
}

// Count returns how many of the first n bits are set.
func (b Bitmap) Count(n int) int {
	if b.Bits == nil {
		return n
	}
	count, i := 0, 0
	for ; i+8 <= n; i += 8 {
		count += bits.OnesCount8(b.eight(i))
	}
	for ; i < n; i++ {
		if b.Get(i) {
			count++
		}
	}
	return count
}
