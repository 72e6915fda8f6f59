package lane

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"rescore/worker/kernel"
)

// littleEndian says that a word is laid out as a bitmap is.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// Valid writes which of the n rows from lo on hold a value. It reads no byte past
// the one that holds the last of them.
func (m *Mask) Valid(b kernel.Bitmap, lo, n int) {
	if b.All() {
		m.Fill(true)
		return
	}
	lo += b.Offset
	held, shift := b.Bits[lo>>3:(lo+n+7)>>3], lo&7
	if shift == 0 && littleEndian {
		copy(unsafe.Slice((*byte)(at(m[:])), unsafe.Sizeof(*m)), held)
		return
	}
	// The rows of a word are in nine bytes.
	i := vector(stepValid, n>>3, at(m[:]), at(held), nil, nil, uint64(shift), uint64(8-shift)) >> 3
	for ; 8*i+8 < uint(len(held)); i++ {
		nine := (*[9]byte)(held[8*i:])
		m[i] = binary.LittleEndian.Uint64(nine[:])>>shift | binary.LittleEndian.Uint64(nine[1:])<<(8-shift)
	}
	if i<<6 < uint(n) {
		w := uint64(0)
		for k, v := range held[8*i:] {
			w |= uint64(v) << (8 * k & 63)
		}
		m[i] = w >> shift
	}
}

// Fill sets or clears every bit.
func (m *Mask) Fill(on bool) {
	w := uint64(0)
	if on {
		w = ^w
	}
	for i := range m {
		m[i] = w
	}
}

// Get reports row i's bit.
func (m *Mask) Get(i int) bool { return m[i>>6]>>(i&63)&1 != 0 }

// Set sets row i's bit to on.
func (m *Mask) Set(i int, on bool) {
	bit := uint64(1) << (i & 63)
	m[i>>6] &^= bit
	if on {
		m[i>>6] |= bit
	}
}

// The logic of masks goes by four words, which costs half of what going by one
// does.

// And sets m to a and b.
func (m *Mask) And(a, b *Mask) {
	for i := 0; i < Words; i += 4 {
		m[i], m[i+1], m[i+2], m[i+3] = a[i]&b[i], a[i+1]&b[i+1], a[i+2]&b[i+2], a[i+3]&b[i+3]
	}
}

// Or sets m to a or b.
func (m *Mask) Or(a, b *Mask) {
	for i := 0; i < Words; i += 4 {
		m[i], m[i+1], m[i+2], m[i+3] = a[i]|b[i], a[i+1]|b[i+1], a[i+2]|b[i+2], a[i+3]|b[i+3]
	}
}

// AndNot sets m to a without b.
func (m *Mask) AndNot(a, b *Mask) {
	for i := 0; i < Words; i += 4 {
		m[i], m[i+1], m[i+2], m[i+3] = a[i]&^b[i], a[i+1]&^b[i+1], a[i+2]&^b[i+2], a[i+3]&^b[i+3]
	}
}

// Not sets m to what a is not.
func (m *Mask) Not(a *Mask) {
	for i := 0; i < Words; i += 4 {
		m[i], m[i+1], m[i+2], m[i+3] = ^a[i], ^a[i+1], ^a[i+2], ^a[i+3]
	}
}

// Count returns how many of the first n bits are set.
func (m *Mask) Count(n int) int {
	count, whole := 0, n>>6
	for _, w := range m[:whole] {
		count += bits.OnesCount64(w)
	}
	if rest := n & 63; rest != 0 {
		count += bits.OnesCount64(m[whole] << (64 - rest))
	}
	return count
}

// Truth is a condition of three values: Is where it is known to hold, Not where
// it is known not to hold, neither where it is UNKNOWN, never both.
type Truth struct{ Is, Not Mask }

// And sets t to Kleene's a and b: FALSE as soon as one part is known to be.
func (t *Truth) And(a, b *Truth) {
	t.Is.And(&a.Is, &b.Is)
	t.Not.Or(&a.Not, &b.Not)
}

// Or sets t to Kleene's a or b: TRUE as soon as one part is known to be.
func (t *Truth) Or(a, b *Truth) {
	t.Is.Or(&a.Is, &b.Is)
	t.Not.And(&a.Not, &b.Not)
}

// Negate sets t to not a.
func (t *Truth) Negate(a *Truth) { t.Is, t.Not = a.Not, a.Is }

// Know sets t to a condition that holds where is says and of which known says
// where it is known.
func (t *Truth) Know(is, known *Mask) {
	for i := range t.Is {
		t.Is[i], t.Not[i] = is[i]&known[i], known[i]&^is[i]
	}
}

// Unknown writes where t is UNKNOWN.
func (t *Truth) Unknown(dst *Mask) {
	for i := range dst {
		dst[i] = ^(t.Is[i] | t.Not[i])
	}
}
