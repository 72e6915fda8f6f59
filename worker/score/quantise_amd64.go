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

//go:noescape
func chart512(bins *[blockRows]uint8, absent *plane, x *[blockRows]float64, c *chart, threshold *[512]float64)

//go:noescape
func mark512(absent *plane, x *[blockRows]float64, least uint64)

//go:noescape
func stand512(bins *[blockRows]uint8, order *[64]uint8, absent *plane, low *plane, lows int, left, right *plane, highs int)

func quantiseAVX512(planes []plane, x *[blockRows]float64, s *scale, d *desk) {
	order := &packedOctet
	if s.chart != nil {
		chart512(&d.bins, &d.absent, x, s.chart, &s.threshold)
	} else {
		search256(&d.bins, x, s)
		order = &rowOctet
	}
	if s.chart == nil || s.zero {
		mark512(&d.absent, x, present(s.zero))
	}
	low, left, right := s.stands(planes)
	stand512(&d.bins, order, &d.absent, low, min(s.thresholds, 15), left, right, s.thresholds>>4+2)
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
	// Chart512 packs dwords and interleaves words: of 64 rows, row
	// 32h+16i+4l+p is byte 16l+8i+2p+h. packedRow says which byte each row is,
	// rowPacked which row each byte is.
	packedRow, rowPacked [64]uint8
	// Rows by eights, the last of each first, where they are packed and where they
	// are in order: a product with a matrix begins at its last row.
	packedOctet, rowOctet [64]uint8
	// octets swaps rows and columns of an eight by eight matrix of bytes.
	octets [64]uint8
)

func init() {
	for i := range highWords {
		highWords[i] = uint32(2*i + 1)
	}
	for r := range packedRow {
		h, i, l, p := r/32, r/16%2, r/4%4, r%4
		at := 16*l + 8*i + 2*p + h
		packedRow[r], rowPacked[at] = uint8(at), uint8(r)
		packedOctet[r^7], rowOctet[r^7] = uint8(at), uint8(r)
		octets[r] = uint8(r%8*8 + r/8)
	}
}
