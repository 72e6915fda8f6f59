package sink

import (
	"encoding/binary"
	"unsafe"
)

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

// packing is how codes of less than 8 bits become packed ones, 64 at a time. Its layout is
// known to the assembly.
type packing struct {
	pair  [64]uint8  // factors of two codes: the second one's is 1<<width
	four  [32]uint16 // and of two pairs
	bytes [64]uint8  // that have bits, of each eight
	shift uint64     // of the second four
	size  int        // bytes of 64 codes
}

// packings are by width.
var packings = func() (all [8]packing) {
	for width := range all {
		p := &all[width]
		p.shift, p.size = uint64(4*width), 8*width
		for i := range p.pair {
			p.pair[i] = 1 << (i % 2 * width)
		}
		for i := range p.four {
			p.four[i] = 1 << (i % 2 * 2 * width)
		}
		for i := range p.size {
			p.bytes[i] = uint8(i/width*8 + i%width)
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
	if n := len(values) / 64; chosen == avx512 && n > 0 {
		s.note64(values[:64*n])
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

// note64 marks the values that occur, sixteen at a time: most are few, from 0 or -1 on.
func (s *seen) note64(values []uint8) {
	low, high := bounds(unsafe.Slice((*int8)(unsafe.Pointer(&values[0])), len(values)))
	for base := int(low) &^ 15; base <= int(high); base += 16 {
		var found [2][64]uint8
		note512(&found, &values[0], len(values)/64, uint8(base))
		for half := range found {
			var all uint64
			for bits := found[half][:]; len(bits) > 0; bits = bits[8:] {
				all |= binary.LittleEndian.Uint64(bits)
			}
			all |= all >> 32
			all |= all >> 16
			all |= all >> 8
			for i := range 8 {
				s[uint8(base+8*half+i)] |= uint8(all) >> i & 1
			}
		}
	}
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
func bounds[T uint8 | int8 | uint16 | uint32 | int32 | int64](values []T) (low, high T) {
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

// countBits adds to rows how many of the values have each bit.
func countBits(rows *[16]int64, values []uint16) {
	if n := len(values) / 32; chosen == avx512 && n > 0 {
		bits16x512(rows, &values[0], n)
		values = values[32*n:]
	}
	// Four values are a word; each of its fours of bits counts one bit up to 15 times.
	for len(values) >= 4 {
		turns := min(len(values)/4, 15)
		var by [4]uint64
		for i := range turns {
			v := values[4*i : 4*i+4]
			x := uint64(v[0]) | uint64(v[1])<<16 | uint64(v[2])<<32 | uint64(v[3])<<48
			for k := range by {
				by[k] += x >> k & 0x1111111111111111
			}
		}
		for k, x := range by {
			for i := range 16 {
				rows[i%4*4+k] += int64(x >> (4 * i) & 15)
			}
		}
		values = values[4*turns:]
	}
	for _, v := range values {
		for i := range rows {
			rows[i] += int64(v >> i & 1)
		}
	}
}
