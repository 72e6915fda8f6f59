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
	for ; i < len(dst); i += 64 {
		d := word(dst, i)
		for g := 0; g < len(masks); g += 8 {
			var eight [8]uint64
			for k, m := range masks[g:min(g+8, len(masks))] {
				if m != nil {
					eight[k&7] = m[i>>6]
				}
			}
			transpose(&eight)
			for r := range d {
				b := T(uint8(eight[r&7] >> (r & 56)))
				if g == 0 {
					d[r] = b
				} else {
					d[r] |= b << g
				}
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
	for ; i < len(x); i += 64 {
		for g := 0; g < len(masks); g += 8 {
			var eight [8]uint64
			for r, v := range word(x, i) {
				eight[r&7] |= uint64(uint8(v>>g)) << (r & 56)
			}
			transpose(&eight)
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

// transpose swaps masks and rows: bit j of every byte of word k becomes bit k of
// the same byte of word j. Word k in, eight rows a byte; word j out, row j of each
// eight.
func transpose(w *[8]uint64) {
	const fours, twos, ones = 0x0f0f0f0f0f0f0f0f, 0x3333333333333333, 0x5555555555555555
	for k := range 4 {
		w[k], w[k+4] = swap(w[k], w[k+4], 4, fours)
	}
	for k := 0; k < 8; k += 4 {
		w[k], w[k+2] = swap(w[k], w[k+2], 2, twos)
		w[k+1], w[k+3] = swap(w[k+1], w[k+3], 2, twos)
	}
	for k := 0; k < 8; k += 2 {
		w[k], w[k+1] = swap(w[k], w[k+1], 1, ones)
	}
}

// swap exchanges the bits of a that are by places above those in low with b's in
// low.
func swap(a, b uint64, by uint, low uint64) (uint64, uint64) {
	t := (a>>by ^ b) & low
	return a ^ t<<by, b ^ t
}
