package score

//go:noescape
func quantise256(bins *uint8, absent *plane, x *float64, eights int, s *scale)

func quantiseAVX2(bins *[blockRows]uint8, absent *plane, x []float64, s *scale) {
	n := len(x) &^ 7
	if n > 0 {
		quantise256(&bins[0], absent, &x[0], n/8, s)
	}
	s.finish(bins, absent, x, n)
}

//go:noescape
func quantise512(bins *uint8, absent *plane, x *float64, eights int, s *scale)

func quantiseAVX512(bins *[blockRows]uint8, absent *plane, x []float64, s *scale) {
	n := len(x) &^ 7
	if n > 0 {
		quantise512(&bins[0], absent, &x[0], n/8, s)
	}
	s.finish(bins, absent, x, n)
}

// finish quantises the values from n on, a multiple of 8, and marks what vectors
// do not.
func (s *scale) finish(bins *[blockRows]uint8, absent *plane, x []float64, n int) {
	s.bin(bins[n:], x[n:])
	switch {
	case s.zero:
		s.mark(absent, x)
	case n < len(x):
		absent[n/64] |= missing(x[n:], false) << (n % 64)
	}
}
