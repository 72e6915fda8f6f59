package score

// The quantiser's kernels take blocks of 512 values.

//go:noescape
func search256(bins *[blockRows]uint8, x *[blockRows]float64, s *scale)

//go:noescape
func mark256(absent *plane, x *[blockRows]float64, least uint64)

//go:noescape
func bits256(bits *[8]plane, bins *[blockRows]uint8)

//go:noescape
func stand256(bits *[8]plane, absent *plane, low *plane, lows int, left, right *plane, highs int)

func quantiseAVX2(planes []plane, x *[blockRows]float64, s *scale, d *desk) {
	search256(&d.bins, x, s)
	mark256(&d.absent, x, present(s.zero))
	bits256(&d.bits, &d.bins)
	low, left, right := s.stands(planes)
	stand256(&d.bits, &d.absent, low, min(s.thresholds, 15), left, right, s.thresholds>>4+2)
}

func translateAVX2(planes []plane, codes *[blockRows]uint16, s *scale, d *desk) {
	s.glossary.look(&d.bins, codes)
	bits256(&d.bits, &d.bins)
	b := &d.bits
	for w := range d.absent {
		d.absent[w] = b[0][w] & b[1][w] & b[2][w] & b[3][w] & b[4][w] & b[5][w] & b[6][w] & b[7][w] // gone
	}
	low, left, right := s.stands(planes)
	stand256(&d.bits, &d.absent, low, min(s.thresholds, 15), left, right, s.thresholds>>4+2)
}

//go:noescape
func above512(low, absent *plane, x *[blockRows]float64, threshold *[512]float64, thresholds int)

//go:noescape
func chart512(bins *[blockRows]uint8, absent *plane, x *[blockRows]float64, c *chart, threshold *[512]float64)

//go:noescape
func mark512(absent *plane, x *[blockRows]float64, least uint64)

//go:noescape
func stand512(bins *[blockRows]uint8, order *[64]uint8, absent *plane, low *plane, lows int, left, right *plane, highs int)

func quantiseAVX512(planes []plane, x *[blockRows]float64, s *scale, d *desk) {
	low, left, right := s.stands(planes)
	few := s.thresholds <= 2 // no bins: what is above a threshold is a plane
	order := &packedOctet
	switch {
	case few:
		above512(low, &d.absent, x, &s.threshold, s.thresholds)
	case s.chart != nil:
		chart512(&d.bins, &d.absent, x, s.chart, &s.threshold)
	default:
		search256(&d.bins, x, s)
		order = &rowOctet
	}
	if s.zero || s.chart == nil {
		mark512(&d.absent, x, present(s.zero))
	}
	if few {
		s.missing(planes, &d.absent)
	} else {
		stand512(&d.bins, order, &d.absent, low, min(s.thresholds, 15), left, right, s.thresholds>>4+2)
	}
}

//go:noescape
func look512(bins *[blockRows]uint8, codes *[blockRows]uint16, bin *uint8)

func translateAVX512(planes []plane, codes *[blockRows]uint16, s *scale, d *desk) {
	g := &s.glossary
	order := &wordOctet
	if len(g.bin) <= shortMax {
		look512(&d.bins, codes, &g.bin[0])
	} else {
		g.look(&d.bins, codes)
		order = &rowOctet
	}
	low, left, right := s.stands(planes)
	stand512(&d.bins, order, nil, low, min(s.thresholds, 15), left, right, s.thresholds>>4+2)
}

// missing sends missing values where they go, on a scale without high digits.
func (s *scale) missing(planes []plane, absent *plane) {
	if s.left {
		for w, a := range absent {
			planes[s.high[0]][w] = ^a
		}
		planes[s.high[0]+1] = plane{}
	}
	if s.right {
		planes[s.high[1]], planes[s.high[1]+1] = full, *absent
	}
}

// stands returns where a scale's planes begin; left and right are nil when no node
// asks for them.
func (s *scale) stands(planes []plane) (low, left, right *plane) {
	low = &planes[s.low+1]
	if s.left {
		left = &planes[s.high[0]]
	}
	if s.right {
		right = &planes[s.high[1]]
	}
	return low, left, right
}

// Where assembly finds what it permutes.
var (
	// highWords are the high halves of 16 float64s in two vectors.
	highWords [16]uint32
	// chart512 packs dwords and interleaves words: of 64 rows, row 32h+16i+4l+p is
	// byte 16l+8i+2p+h. rowPacked says which row each byte is.
	rowPacked [64]uint8
	// Rows by eights, the last of each first, where they are packed, where they are in
	// order, and where look512 packs their words: a product with a matrix begins at its
	// last row.
	packedOctet, rowOctet, wordOctet [64]uint8
	// octets swaps rows and columns of an eight by eight matrix of bytes.
	octets [64]uint8
)

func init() {
	for i := range highWords {
		highWords[i] = uint32(2*i + 1)
	}
	for r := range rowPacked {
		h, i, l, p := r/32, r/16%2, r/4%4, r%4
		at := 16*l + 8*i + 2*p + h
		rowPacked[at] = uint8(r)
		packedOctet[r^7], rowOctet[r^7] = uint8(at), uint8(r)
		wordOctet[r^7] = uint8(r>>3&3<<4 | r>>5<<3 | r&7)
		octets[r] = uint8(r%8*8 + r/8)
	}
}
