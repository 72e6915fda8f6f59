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
			for j, v := range eight {
				rows := octet(d, j)
				for r := range rows {
					rows[r] |= T(v & 0xff << (g & 63))
					v >>= 8
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
	for ; i < uint(len(x)); i += 64 {
		rows := word(x, i)
		for g := 0; g < len(masks); g += 8 {
			var eight [8]uint64
			for j := range eight {
				w, some := uint64(0), octet(rows, j)
				for _, v := range some {
					w = w>>8 | uint64(v)>>(g&63)<<56
				}
				eight[j] = w >> (64 - 8*len(some))
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

// octet is the j-th eight of a word's rows, or as many of them as there are.
func octet[T any](rows []T, j int) []T {
	return rows[min(8*j, len(rows)):min(8*j+8, len(rows))]
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
	for k := range 4 {
		exchange(&w[k], &w[k+4], 4, 0x0f0f0f0f0f0f0f0f)
	}
	for k := range 2 {
		exchange(&w[k], &w[k+2], 2, 0x3333333333333333)
		exchange(&w[k+4], &w[k+6], 2, 0x3333333333333333)
	}
	for k := 0; k < 8; k += 2 {
		exchange(&w[k], &w[k+1], 1, 0x5555555555555555)
	}
}

// exchangeBytes swaps byte j of word k with byte k of word j.
func exchangeBytes(w *[8]uint64) {
	for k := range 4 {
		exchange(&w[k], &w[k+4], 32, 0x00000000ffffffff)
	}
	for k := range 2 {
		exchange(&w[k], &w[k+2], 16, 0x0000ffff0000ffff)
		exchange(&w[k+4], &w[k+6], 16, 0x0000ffff0000ffff)
	}
	for k := 0; k < 8; k += 2 {
		exchange(&w[k], &w[k+1], 8, 0x00ff00ff00ff00ff)
	}
}

// exchange swaps what a has in the places above low with what b has in low.
func exchange(a, b *uint64, above uint, low uint64) {
	t := (*a>>above ^ *b) & low
	*a ^= t << above
	*b ^= t
}
