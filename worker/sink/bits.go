package sink

import (
	"encoding/binary"
	"unsafe"
)

// uniform notes, for 64 groups of eight codes a word, which groups hold one code
// only. Masks has a bit for every whole group.
func uniform(masks []uint64, codes []uint8) {
	whole := len(codes) / 8
	done := 0
	if n := whole / 64; chosen == avx512 && n > 0 {
		uniform512(&masks[0], &codes[0], n)
		done = 64 * n
	}
	if done < whole {
		masks[done/64] = 0
	}
	for i := done; i < whole; i++ {
		if i%64 == 0 {
			masks[i/64] = 0
		}
		if x := binary.LittleEndian.Uint64(codes[8*i:]); x == x&0xff*ones8 {
			masks[i/64] |= 1 << (i % 64)
		}
	}
}

// spreading is how packed codes become bytes, or pairs of them, 64 bytes at a time.
type spreading struct {
	bytes, shifts, mask [64]uint8
	stride              int // bytes of packed codes
}

// spreadings are by bytes of a code as it is unpacked, 1 or 2, less 1, and by width.
var spreadings = func() (all [2][codeBitsMax + 1]spreading) {
	for size := 1; size <= 2; size++ {
		for width := 1; width <= 8*size; width++ {
			s := &all[size-1][width]
			s.stride = 64 / size * width / 8
			code := uint16(1)<<width - 1
			for i := range 64 {
				eight := i / 8                   // of bytes that come from the same word
				from := eight * 8 / size * width // bit where its codes begin
				s.bytes[i] = uint8(from/8 + i%8)
				part := i % size
				s.shifts[i] = uint8(from%8 + i%8/size*width + 8*part)
				s.mask[i] = uint8(code >> (8 * part))
			}
		}
	}
	return all
}()

// lookup makes of each byte its entry of the table; dst may be src.
func lookup(dst, src []uint8, table *[1 << 8]uint8) {
	dst = dst[:len(src)]
	if n := len(src) / 64; chosen == avx512 && n > 0 {
		lookup512(&dst[0], &src[0], table, n)
		dst, src = dst[64*n:], src[64*n:]
	}
	for i, v := range src {
		dst[i] = table[v]
	}
}

// lookup16 makes of each byte its entry of a table, of which one has the low bytes and
// one the high ones.
func lookup16(dst []uint16, src []uint8, halves *[2][1 << 8]uint8) {
	dst = dst[:len(src)]
	if n := len(src) / 64; chosen == avx512 && n > 0 {
		lookup16x512(&dst[0], &src[0], halves, n)
		dst, src = dst[64*n:], src[64*n:]
	}
	for i, v := range src {
		dst[i] = uint16(halves[0][v]) | uint16(halves[1][v])<<8
	}
}

// seen says of every byte whether it occurs.
type seen [1 << 8]uint8

// note marks the values that occur.
func (s *seen) note(values []uint8) {
	if n := len(values) / 64; chosen == avx512 && n > 0 && s.note64(values[:64*n]) {
		values = values[64*n:]
	}
	if len(values) == 0 {
		return
	}
	// Most columns are mostly one value.
	s[values[0]] = 1
	last := uint64(values[0]) * ones8
	for ; len(values) >= 8; values = values[8:] {
		x := binary.LittleEndian.Uint64(values)
		if x == last {
			continue
		}
		last = x
		for range 8 {
			s[uint8(x)] = 1
			x >>= 8
		}
	}
	for _, v := range values {
		s[v] = 1
	}
}

// note64 marks the values that occur, and reports whether it has: when but 255 none is
// above 31, or none at all above 63. Others are not in the marks, or not all.
func (s *seen) note64(values []uint8) bool {
	const window = 32
	var found [4][64]uint8
	mark := func(base uint8) (others uint64) {
		others = note512(&found, &values[0], len(values)/64, base)
		for high := range found {
			var all uint64
			for bits := found[high][:]; len(bits) > 0; bits = bits[8:] {
				all |= binary.LittleEndian.Uint64(bits)
			}
			all |= all >> 32
			all |= all >> 16
			all |= all >> 8
			for low := range 8 {
				s[int(base)+8*high+low] |= uint8(all) >> low & 1
			}
		}
		return others
	}
	others := mark(0)
	if others >= 2 {
		if _, high := bounds(values); high >= 2*window {
			return false
		}
		mark(window)
	}
	s[1<<8-1] |= uint8(others & 1)
	return true
}

// unpack takes codes of a byte, or two, apart: as many as make up whole blocks of 64
// bytes, and the rest too where there is room behind it for a block. It returns how
// many.
func unpack[C uint8 | uint16](codes []C, page []byte, width int) int {
	block := 64 / int(unsafe.Sizeof(C(0)))
	n := len(codes) / block
	if chosen != avx512 {
		return 0
	}
	if rest := len(codes) - n*block; rest > 0 && cap(codes)-n*block >= block {
		n++
	}
	if n == 0 {
		return 0
	}
	unpack512(unsafe.Pointer(&codes[0]), &page[0], &spreadings[64/block-1][width], n)
	return min(n*block, len(codes))
}

// bounds returns the smallest and largest of at least one value.
func bounds[T uint8 | uint16 | uint32 | int32 | int64](values []T) (low, high T) {
	low, high = values[0], values[0]
	size := int(unsafe.Sizeof(low))
	if n := len(values) * size / 64; chosen == avx512 && n > 0 {
		var lows, highs [64]T
		bounds512(kindOf[T](), unsafe.Pointer(&lows), unsafe.Pointer(&highs), unsafe.Pointer(&values[0]), n)
		for i := range 64 / size {
			low, high = min(low, lows[i]), max(high, highs[i])
		}
		values = values[n*64/size:]
	}
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	return low, high
}

// shorten makes bytes of values that are below 256.
func shorten[T uint16 | int32](dst []uint8, values []T) {
	dst = dst[:len(values)]
	if short, is := any(values).([]uint16); is && chosen == avx512 && len(values) >= 64 {
		n := len(values) / 64
		shorten512(&dst[0], &short[0], n)
		dst, values = dst[64*n:], values[64*n:]
	}
	for i, v := range values {
		dst[i] = uint8(v)
	}
}
