package kernel

import "math/bits"

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

// Bytes writes 1 for each set bit and 0 for each clear one to dst[:n].
func (b Bitmap) Bytes(dst []uint8, n int) {
	dst = dst[:n]
	if b.Bits == nil {
		for i := range dst {
			dst[i] = 1
		}
		return
	}
	for i := range dst {
		j := i + b.Offset
		dst[i] = b.Bits[j>>3] >> (j & 7) & 1
	}
}

// Count returns how many of the first n bits are set.
func (b Bitmap) Count(n int) int {
	if b.Bits == nil {
		return n
	}
	i, count := b.Offset, 0
	end := b.Offset + n
	for ; i < end && i&7 != 0; i++ {
		count += int(b.Bits[i>>3] >> (i & 7) & 1)
	}
	for ; i+8 <= end; i += 8 {
		count += bits.OnesCount8(b.Bits[i>>3])
	}
	for ; i < end; i++ {
		count += int(b.Bits[i>>3] >> (i & 7) & 1)
	}
	return count
}
