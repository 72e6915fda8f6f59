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
	return node{at: s.high[side] + uint32(k>>4) + 1, low: s.low + uint32(k&15)}
}

// stand lays a block's bins out in the planes of their scale.
func stand(planes []plane, bins *[blockRows]uint8, absent *plane, bit *[8]plane, s *scale) {
	*bit = [8]plane{}
	for i := 0; i < blockRows; i += 8 {
		x := transpose(binary.LittleEndian.Uint64(bins[i:]))
		for b := range bit {
			bit[b][i/64] |= x >> (8 * b) & 0xff << (i % 64)
		}
	}
	low := planes[s.low+1:][:min(s.thresholds, 15)]
	for w := range absent {
		ge := digits(bit[0][w], bit[1][w], bit[2][w], bit[3][w])
		for i := range low {
			low[i][w] = ge[i+1]
		}
		ge = digits(bit[4][w], bit[5][w], bit[6][w], bit[7][w])
		a := absent[w]
		n := s.thresholds>>4 + 2
		if s.left {
			for i := range n {
				planes[s.high[0]+uint32(i)][w] = ge[i] &^ a
			}
		}
		if s.right {
			for i := range n {
				planes[s.high[1]+uint32(i)][w] = ge[i] | a
			}
		}
	}
}

// digits returns, for 64 numbers below 16 given by their bits, lowest first,
// which are at least 0, 1, … 16.
func digits(x0, x1, x2, x3 uint64) [17]uint64 {
	or, and := x1|x0, x1&x0
	g1, g2, g3 := x2|or, x2|x1, x2|and
	g5, g6, g7 := x2&or, x2&x1, x2&and
	return [17]uint64{
		1<<64 - 1, x3 | g1, x3 | g2, x3 | g3, x3 | x2, x3 | g5, x3 | g6, x3 | g7,
		x3, x3 & g1, x3 & g2, x3 & g3, x3 & x2, x3 & g5, x3 & g6, x3 & g7, 0,
	}
}

// transpose swaps rows and columns of an eight by eight matrix of bits, a row a
// byte.
func transpose(x uint64) uint64 {
	t := (x ^ x>>7) & 0x00aa00aa00aa00aa
	x ^= t ^ t<<7
	t = (x ^ x>>14) & 0x0000cccc0000cccc
	x ^= t ^ t<<14
	t = (x ^ x>>28) & 0x00000000f0f0f0f0
	return x ^ t ^ t<<28
}
