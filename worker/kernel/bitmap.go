package kernel

// Bitmap is an Arrow validity bitmap with its bit offset: bit i is row i's.
// The zero Bitmap has every bit set. Kernels read it a chunk at a time, by
// lane.Mask.Valid.
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
