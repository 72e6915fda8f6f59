package score

import (
	"math"
	"math/bits"
	"slices"

	"rescore/worker/model"
)

// thresholdsMax is how many thresholds a scale holds, so that a bin is a byte. A
// feature with more gets more scales, each for a range of its thresholds.
const thresholdsMax = 255

// buckets is how many equal parts of its range a scale tells apart at a glance,
// a power of two. A table of 2 KiB, with 2 KiB of thresholds, stays in the
// first-level cache while the rows of a block are looked up.
const buckets = 2048

// axis is what a scale measures.
type axis struct {
	feature int32
	zero    bool // zeroes are missing too
}

// scale finds the bin of a value: how many of its thresholds lie below it.
//
// The range is cut into equal buckets. The bucket of a value says how many
// thresholds lie in lower buckets, and a binary search over those of its own
// says the rest:
//
//	bucket  = clamp(x·slope + offset)      rounded, and so monotone
//	bin     = base[bucket]
//	bin    += step  if threshold[bin+step-1] < x    for step = …, 4, 2, 1
//
// It is exact whatever slope and offset are: a threshold in a lower bucket is
// smaller, because the bucket never falls as x grows; one in a higher bucket is
// larger, and the search may meet it without harm; the search compares the
// float64s themselves. Slope and offset only decide how many thresholds share a
// bucket, and are chosen so that none do, if that can be: then the search is one
// step. At worst all do, and it takes eight.
type scale struct {
	axis
	slope, offset float64
	step          int // the first, a power of two
	thresholds    int
	threshold     [512]float64       // sorted, and +Inf after the last
	base          [buckets + 8]uint8 // a vector reads four bytes for one
	chart         *chart             // for paths that want one, where one serves

	left, right bool   // whether nodes send missing values left, right
	low         uint32 // plane: low digit >= 0; 1 and further follow
	high        [2]uint32
}

// question collects the thresholds asked of an axis.
type question struct {
	thresholds  []float64
	left, right bool
}

func (q *question) ask(threshold float64, left bool) {
	q.thresholds = append(q.thresholds, threshold)
	if left {
		q.left = true
	} else {
		q.right = true
	}
	// Many nodes ask the same: keep the list within twice what is distinct.
	if n := len(q.thresholds); n == cap(q.thresholds) {
		q.thresholds = slices.Grow(q.sorted(), n/2+16)
	}
}

func (q *question) sorted() []float64 {
	slices.Sort(q.thresholds)
	q.thresholds = slices.Compact(q.thresholds)
	return q.thresholds
}

// newScale makes a scale of 1 to thresholdsMax sorted, distinct thresholds, none
// of them +Inf.
func newScale(a axis, thresholds []float64, left, right bool) scale {
	s := scale{axis: a, thresholds: len(thresholds), left: left, right: right}
	for i := range s.threshold {
		s.threshold[i] = math.Inf(1)
	}
	copy(s.threshold[:], thresholds)
	crowd := s.choose()
	s.fill()
	s.step = 1 << bits.Len(uint(crowd)) >> 1
	return s
}

// trims are how many thresholds at an end may be left out of a scale's range: a
// few far from the rest would leave all others in one bucket, and share the first
// or the last with what lies beyond instead.
var trims = [...]int{0, 1, 2, 4, 8, 16, 32}

// shifts is how many times a range is widened a little, so that its buckets fall
// elsewhere.
const shifts = 64

// choose looks for the slope and the offset with the fewest thresholds in a
// bucket, and returns how many the fullest has.
func (s *scale) choose() int {
	n := s.thresholds
	crowd, slope, offset := n, 0.0, 0.0 // one bucket for all
	try := func(from, to float64) bool {
		if !s.span(from, to) {
			return false
		}
		c := s.crowd()
		if c < crowd {
			crowd, slope, offset = c, s.slope, s.offset
			return true
		}
		return false
	}
	from, to := s.threshold[0], s.threshold[n-1]
	for _, low := range trims {
		for _, high := range trims {
			if low+high < n && try(s.threshold[low], s.threshold[n-1-high]) {
				from, to = s.threshold[low], s.threshold[n-1-high]
			}
		}
	}
	wide := (to - from) / 4
	for i := 1; i <= shifts && crowd > 1; i++ {
		// The fractions of multiples of these never repeat.
		_, a := math.Modf(float64(i) * math.Phi)
		_, b := math.Modf(float64(i) * math.Sqrt2)
		try(from-float64(wide*a), to+float64(wide*b))
	}
	s.slope, s.offset = slope, offset
	return crowd
}

// span lays the buckets over [from, to], or reports that floats cannot. The first
// bucket is left to what lies below.
func (s *scale) span(from, to float64) bool {
	s.slope = (buckets - 2) / (to - from)
	s.offset = 1 - float64(from*s.slope)
	return s.slope > 0 && s.slope-s.slope == 0 && s.offset-s.offset == 0
}

// crowd returns how many thresholds the fullest bucket has.
func (s *scale) crowd() int {
	run, fullest, last := 0, 0, uint(buckets)
	for _, t := range s.threshold[:s.thresholds] {
		if b := s.bucketOf(t); b != last {
			run, last = 0, b
		}
		run++
		fullest = max(fullest, run)
	}
	return fullest
}

// fill works out the bases.
func (s *scale) fill() {
	below := 0
	for b := range uint(buckets) {
		s.base[b] = uint8(below)
		for below < s.thresholds && s.bucketOf(s.threshold[below]) == b {
			below++
		}
	}
}

// bucketOf returns the bucket of a threshold.
func (s *scale) bucketOf(threshold float64) uint { return s.bucket(finite(threshold)) }

// finite returns a threshold for working its place out: -Inf has none on some
// slopes, and may share that of the lowest number.
func finite(threshold float64) float64 { return max(threshold, -math.MaxFloat64) }

// bucket returns the bucket of x, which is finite. For a missing value it
// returns any bucket.
func (s *scale) bucket(x float64) uint { return clamp(float64(x*s.slope) + s.offset) }

// clamp returns y without its fraction, and within the buckets; any bucket when y
// is NaN.
func clamp(y float64) uint { return uint(int64(min(max(y, 0), buckets-1))) % buckets }

// desk is what a block is quantised on.
type desk struct {
	short  [blockRows]float64 // a short block's values, and what was there before
	bins   [blockRows]uint8   // of missing values: anything
	bits   [8]plane           // of the bins, lowest first
	absent plane
}

// block returns x, at most 512 values, as a whole block.
func (d *desk) block(x []float64) *[blockRows]float64 {
	if len(x) < blockRows {
		copy(d.short[:], x)
		return &d.short
	}
	return (*[blockRows]float64)(x)
}

// quantise lays the values of a block out in the planes of their scale.
func quantise(planes []plane, x *[blockRows]float64, s *scale, d *desk) {
	s.bin(&d.bins, x)
	for w := range d.absent {
		d.absent[w] = missing(x[w*64:w*64+64], s.zero)
	}
	stand(planes, &d.bins, &d.absent, &d.bits, s)
}

// bin writes the bins of x.
func (s *scale) bin(dst *[blockRows]uint8, x *[blockRows]float64) {
	slope, offset := s.slope, s.offset
	switch s.step {
	case 1:
		for i, v := range x {
			b := s.base[clamp(float64(v*slope)+offset)]
			dst[i] = b + above(v, s.threshold[b])
		}
	case 2:
		for i, v := range x {
			b := s.base[clamp(float64(v*slope)+offset)]
			b += above(v, s.threshold[int(b)+1]) << 1
			dst[i] = b + above(v, s.threshold[b])
		}
	default:
		for i, v := range x {
			b := uint(s.base[s.bucket(v)])
			for step := uint(s.step); step > 0; step >>= 1 {
				b += uint(above(v, s.threshold[(b+step-1)%512])) * step
			}
			dst[i] = uint8(b)
		}
	}
}

// above returns 1 when v > t. It is set from a flag: a jump would be guessed
// wrong half of the time.
func above(v, t float64) uint8 {
	if v > t {
		return 1
	}
	return 0
}

// missing marks the missing ones of at most 64 values.
func missing(x []float64, zero bool) uint64 {
	least := present(zero)
	var m uint64
	for i := len(x) - 1; i >= 0; i-- {
		bit := uint64(0)
		if math.Float64bits(x[i])<<1-least >= infinity-least {
			bit = 1
		}
		m = m<<1 | bit
	}
	return m
}

// infinity is the bits of an infinite value without its sign, as are those of
// present. NaN is above it.
const infinity = 0x7ff << 53

// present returns the least that is not missing.
func present(zero bool) uint64 {
	if zero {
		return math.Float64bits(model.ZeroMax)<<1 + 1
	}
	return 0
}
