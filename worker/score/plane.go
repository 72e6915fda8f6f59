package score

import "encoding/binary"

// settle gives a scale its planes, from next on, and returns the next free one:
// the low digits, then the high digits for missing left, for missing right.
func (s *scale) settle(next int) int {
	s.low = uint32(next)
	next += min(s.thresholds, 15) + 1
	for i, used := range [2]bool{s.left, s.right} {
		if used {
			s.high[i] = uint32(next)
			next += s.thresholds>>4 + 2
		}
	}
	return next
}

// node returns what asks whether a bin is at least k.
func (s *scale) node(k int, missingLeft bool) node {
	side := 1
	if missingLeft {
		side = 0
	}
	return node{at: (s.high[side] + uint32(k>>4) + 1) * planeSize, low: (s.low + uint32(k&15)) * planeSize}
}

// stand lays a block's bins, as dealt puts them, out in the planes of their scale. Where
// absent is nil, missing is whose bin is gone.
func stand(planes []plane, bins *[blockRows]uint8, absent *plane, s *scale) {
	low := planes[s.low+1:][:min(s.thresholds, 15)]
	n := s.thresholds>>4 + 2
	var left, right []plane
	if s.left {
		left = planes[s.high[0]:][:n]
	}
	if s.right {
		right = planes[s.high[1]:][:n]
	}
	for w := range len(plane{}) {
		rows := (*[64]uint8)(bins[w*64:])
		var x [8]uint64
		for i := range x {
			x[i] = binary.LittleEndian.Uint64(rows[8*i:])
		}
		swapBits(&x)
		a := x[0] & x[1] & x[2] & x[3] & x[4] & x[5] & x[6] & x[7]
		if absent != nil {
			a = absent[w]
		}
		var ge [17]uint64
		digits(&ge, x[0], x[1], x[2], x[3])
		for i := range low {
			low[i][w] = ge[i+1]
		}
		digits(&ge, x[4], x[5], x[6], x[7])
		for i := range left {
			left[i][w] = ge[i] &^ a
		}
		for i := range right {
			right[i][w] = ge[i] | a
		}
	}
}

// digits tells, of 64 numbers below 16 given by their bits, lowest first, which are
// at least 0, 1, … 16.
func digits(ge *[17]uint64, x0, x1, x2, x3 uint64) {
	or, and := x1|x0, x1&x0
	g1, g2, g3 := x2|or, x2|x1, x2|and
	g5, g6, g7 := x2&or, x2&x1, x2&and
	ge[0] = 1<<64 - 1
	ge[1], ge[2], ge[3], ge[4], ge[5], ge[6], ge[7] = x3|g1, x3|g2, x3|g3, x3|x2, x3|g5, x3|g6, x3|g7
	ge[8] = x3
	ge[9], ge[10], ge[11], ge[12], ge[13], ge[14], ge[15] = x3&g1, x3&g2, x3&g3, x3&x2, x3&g5, x3&g6, x3&g7
	ge[16] = 0
}

// swapBits swaps, of each byte of eight words, rows and columns of an eight by eight
// matrix of bits, a row a word.
func swapBits(x *[8]uint64) {
	x0, x1, x2, x3, x4, x5, x6, x7 := x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
	x0, x4 = swap(x0, x4, 4, 0x0f0f0f0f0f0f0f0f)
	x1, x5 = swap(x1, x5, 4, 0x0f0f0f0f0f0f0f0f)
	x2, x6 = swap(x2, x6, 4, 0x0f0f0f0f0f0f0f0f)
	x3, x7 = swap(x3, x7, 4, 0x0f0f0f0f0f0f0f0f)
	x0, x2 = swap(x0, x2, 2, 0x3333333333333333)
	x1, x3 = swap(x1, x3, 2, 0x3333333333333333)
	x4, x6 = swap(x4, x6, 2, 0x3333333333333333)
	x5, x7 = swap(x5, x7, 2, 0x3333333333333333)
	x0, x1 = swap(x0, x1, 1, 0x5555555555555555)
	x2, x3 = swap(x2, x3, 1, 0x5555555555555555)
	x4, x5 = swap(x4, x5, 1, 0x5555555555555555)
	x6, x7 = swap(x6, x7, 1, 0x5555555555555555)
	*x = [8]uint64{x0, x1, x2, x3, x4, x5, x6, x7}
}

// swapBytes swaps rows and columns of an eight by eight matrix of bytes, a row a
// word. After transpose of each word it makes, of 64 bytes, their eight planes;
// before, of eight planes, 64 bytes.
func swapBytes(x *[8]uint64) {
	x0, x1, x2, x3, x4, x5, x6, x7 := x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
	x0, x4 = swap(x0, x4, 32, 0x00000000ffffffff)
	x1, x5 = swap(x1, x5, 32, 0x00000000ffffffff)
	x2, x6 = swap(x2, x6, 32, 0x00000000ffffffff)
	x3, x7 = swap(x3, x7, 32, 0x00000000ffffffff)
	x0, x2 = swap(x0, x2, 16, 0x0000ffff0000ffff)
	x1, x3 = swap(x1, x3, 16, 0x0000ffff0000ffff)
	x4, x6 = swap(x4, x6, 16, 0x0000ffff0000ffff)
	x5, x7 = swap(x5, x7, 16, 0x0000ffff0000ffff)
	x0, x1 = swap(x0, x1, 8, 0x00ff00ff00ff00ff)
	x2, x3 = swap(x2, x3, 8, 0x00ff00ff00ff00ff)
	x4, x5 = swap(x4, x5, 8, 0x00ff00ff00ff00ff)
	x6, x7 = swap(x6, x7, 8, 0x00ff00ff00ff00ff)
	*x = [8]uint64{x0, x1, x2, x3, x4, x5, x6, x7}
}

// swap exchanges the bits of a above the mask with those of b in it.
func swap(a, b uint64, shift uint, mask uint64) (uint64, uint64) {
	t := (a>>shift ^ b) & mask
	return a ^ t<<shift, b ^ t
}
