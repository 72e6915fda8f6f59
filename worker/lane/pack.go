package lane

// Pack writes rows of bits: bit k of dst[i] is masks[k]'s bit i; a nil mask is
// clear. At most as many masks as T has bits.
func Pack[T uint8 | uint16 | uint32 | uint64](dst []T, masks []*Mask) {
	checkBits[T](masks)
	if len(masks) == 0 {
		clear(dst)
		return
	}
	i := vector(stepPack+width[T](), len(dst), at(dst), at(masks), nil, nil, uint64(len(masks)), 1)
	for ; i < uint(len(dst)); i += 64 {
		d := word(dst, i)
		clear(d)
		for g := 0; g < len(masks); g += 8 {
			var eight [8]uint64
			for k, m := range masks[g:min(g+8, len(masks))] {
				if m != nil {
					eight[k&7] = m[i>>6]
				}
			}
			exchangeBits(&eight)
			exchangeBytes(&eight)
			for r := range d {
				d[r] |= T(uint8(eight[r>>3&7])) << (g & 63)
				eight[r>>3&7] >>= 8
			}
		}
	}
}

// Unpack writes bit k of every row to masks[k]; a nil mask is left out. At most
// as many masks as T has bits.
func Unpack[T uint8 | uint16 | uint32 | uint64](masks []*Mask, x []T) {
	checkBits[T](masks)
	if len(masks) == 0 {
		return
	}
	i := vector(stepUnpack+width[T](), len(x), at(masks), at(x), nil, nil, uint64(len(masks)), 1)
	for ; i < uint(len(x)); i += 64 {
		for g := 0; g < len(masks); g += 8 {
			var eight [8]uint64
			for r, v := range word(x, i) {
				eight[r>>3&7] |= uint64(uint8(v>>(g&63))) << (8 * r & 63)
			}
			exchangeBytes(&eight)
			exchangeBits(&eight)
			for k, m := range masks[g:min(g+8, len(masks))] {
				if m != nil {
					m[i>>6] = eight[k&7]
				}
			}
		}
	}
}

func checkBits[T unsigned](masks []*Mask) {
	if len(masks) > 8<<width[T]() {
		panic("lane: more masks to pack than a row has bits")
	}
}

// Bit i&7 of byte i>>3 of the k-th of eight words is mask k's bit i, and is to be
// bit k of row i, which is byte i&7 of word i>>3: words change places with bits,
// then with bytes.

// exchangeBits swaps bit j of every byte of word k with bit k of that of word j.
func exchangeBits(w *[8]uint64) {
	exchange(w, 4, 4, 0x0f0f0f0f0f0f0f0f)
	exchange(w, 2, 2, 0x3333333333333333)
	exchange(w, 1, 1, 0x5555555555555555)
}

// exchangeBytes swaps byte j of word k with byte k of word j.
func exchangeBytes(w *[8]uint64) {
	exchange(w, 4, 32, 0x00000000ffffffff)
	exchange(w, 2, 16, 0x0000ffff0000ffff)
	exchange(w, 1, 8, 0x00ff00ff00ff00ff)
}

// exchange swaps what words have in the places above low with what the words far
// after them have in low.
func exchange(w *[8]uint64, far, shift uint, low uint64) {
	for i := range uint(4) {
		k := i&^(far-1)<<1 | i&(far-1)
		a, b := &w[k&7], &w[(k+far)&7]
		t := (*a>>(shift&63) ^ *b) & low
		*a ^= t << (shift & 63)
		*b ^= t
	}
}
