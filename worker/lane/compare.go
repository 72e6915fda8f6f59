package lane

// Less sets dst where x is below c. NaN is below nothing.
func Less[T Number](dst *Mask, x []T, c T) {
	top := turned[T]()
	i := vector(stepLess+variant[T](), len(x), at(dst[:]), at(x), nil, nil, raw(c)^top, top)
	for ; i < uint(len(x)); i += 64 {
		rows, w, k := word(x, i), uint64(0), 0
		for ; k+8 <= len(rows); k += 8 {
			b := (*[8]T)(rows[k:])
			w |= (bit(b[0] < c) | bit(b[1] < c)<<1 | bit(b[2] < c)<<2 | bit(b[3] < c)<<3 |
				bit(b[4] < c)<<4 | bit(b[5] < c)<<5 | bit(b[6] < c)<<6 | bit(b[7] < c)<<7) << (k & 63)
		}
		for ; k < len(rows); k++ {
			w |= bit(rows[k] < c) << (k & 63)
		}
		dst[i>>6] = w
	}
}

// AtMost sets dst where x is c or below.
func AtMost[T Number](dst *Mask, x []T, c T) {
	if !isFloat[T]() {
		if c+1 > c {
			Less(dst, x, c+1)
		} else { // the most that T holds
			dst.Fill(true)
		}
		return
	}
	i := vector(stepAtMost, len(x), at(dst[:]), at(x), nil, nil, raw(c), 0)
	for ; i < uint(len(x)); i += 64 {
		rows, w, k := word(x, i), uint64(0), 0
		for ; k+8 <= len(rows); k += 8 {
			b := (*[8]T)(rows[k:])
			w |= (bit(b[0] <= c) | bit(b[1] <= c)<<1 | bit(b[2] <= c)<<2 | bit(b[3] <= c)<<3 |
				bit(b[4] <= c)<<4 | bit(b[5] <= c)<<5 | bit(b[6] <= c)<<6 | bit(b[7] <= c)<<7) << (k & 63)
		}
		for ; k < len(rows); k++ {
			w |= bit(rows[k] <= c) << (k & 63)
		}
		dst[i>>6] = w
	}
}

// Equal sets dst where x is c. NaN equals nothing.
func Equal[T Number](dst *Mask, x []T, c T) {
	i := vector(stepEqual+variant[T](), len(x), at(dst[:]), at(x), nil, nil, raw(c), 0)
	for ; i < uint(len(x)); i += 64 {
		rows, w, k := word(x, i), uint64(0), 0
		for ; k+8 <= len(rows); k += 8 {
			b := (*[8]T)(rows[k:])
			w |= (bit(b[0] == c) | bit(b[1] == c)<<1 | bit(b[2] == c)<<2 | bit(b[3] == c)<<3 |
				bit(b[4] == c)<<4 | bit(b[5] == c)<<5 | bit(b[6] == c)<<6 | bit(b[7] == c)<<7) << (k & 63)
		}
		for ; k < len(rows); k++ {
			w |= bit(rows[k] == c) << (k & 63)
		}
		dst[i>>6] = w
	}
}

// LessThan sets dst where x is below y, row by row.
func LessThan[T Number](dst *Mask, x, y []T) {
	y = y[:len(x)]
	i := vector(stepLessThan+variant[T](), len(x), at(dst[:]), at(x), at(y), nil, 0, turned[T]())
	for ; i < uint(len(x)); i += 64 {
		rows, w, k := word(x, i), uint64(0), 0
		others := y[i:][:len(rows)]
		for ; k+8 <= len(rows); k += 8 {
			a, b := (*[8]T)(rows[k:]), (*[8]T)(others[k:])
			w |= (bit(a[0] < b[0]) | bit(a[1] < b[1])<<1 | bit(a[2] < b[2])<<2 | bit(a[3] < b[3])<<3 |
				bit(a[4] < b[4])<<4 | bit(a[5] < b[5])<<5 | bit(a[6] < b[6])<<6 | bit(a[7] < b[7])<<7) << (k & 63)
		}
		for ; k < len(rows); k++ {
			w |= bit(rows[k] < others[k]) << (k & 63)
		}
		dst[i>>6] = w
	}
}

// EqualTo sets dst where x equals y, row by row.
func EqualTo[T Number](dst *Mask, x, y []T) {
	y = y[:len(x)]
	i := vector(stepEqualTo+variant[T](), len(x), at(dst[:]), at(x), at(y), nil, 0, 0)
	for ; i < uint(len(x)); i += 64 {
		rows, w, k := word(x, i), uint64(0), 0
		others := y[i:][:len(rows)]
		for ; k+8 <= len(rows); k += 8 {
			a, b := (*[8]T)(rows[k:]), (*[8]T)(others[k:])
			w |= (bit(a[0] == b[0]) | bit(a[1] == b[1])<<1 | bit(a[2] == b[2])<<2 | bit(a[3] == b[3])<<3 |
				bit(a[4] == b[4])<<4 | bit(a[5] == b[5])<<5 | bit(a[6] == b[6])<<6 | bit(a[7] == b[7])<<7) << (k & 63)
		}
		for ; k < len(rows); k++ {
			w |= bit(rows[k] == others[k]) << (k & 63)
		}
		dst[i>>6] = w
	}
}

// Known sets dst where x is not NaN.
func Known(dst *Mask, x []float64) { EqualTo(dst, x, x) }

// Bit sets dst where bit k of x is set; x has no bit past its width.
func Bit[T Integer](dst *Mask, x []T, k uint) {
	if k >= 8<<width[T]() {
		dst.Fill(false)
		return
	}
	i := vector(stepBit+width[T](), len(x), at(dst[:]), at(x), nil, nil, 1<<k, 0)
	for one := T(1) << k; i < uint(len(x)); i += 64 {
		rows, w, k := word(x, i), uint64(0), 0
		for ; k+8 <= len(rows); k += 8 {
			b := (*[8]T)(rows[k:])
			w |= (bit(b[0]&one != 0) | bit(b[1]&one != 0)<<1 | bit(b[2]&one != 0)<<2 | bit(b[3]&one != 0)<<3 |
				bit(b[4]&one != 0)<<4 | bit(b[5]&one != 0)<<5 | bit(b[6]&one != 0)<<6 | bit(b[7]&one != 0)<<7) << (k & 63)
		}
		for ; k < len(rows); k++ {
			w |= bit(rows[k]&one != 0) << (k & 63)
		}
		dst[i>>6] = w
	}
}

// word is the rows of x whose bits are in one word of a mask, row i's first.
func word[T any](x []T, i uint) []T { return x[i:min(i+64, uint(len(x)))] }

// bit is 1 where b holds; it compiles to no branch.
func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
