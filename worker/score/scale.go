package score

import (
	"math"
	"math/bits"
	"slices"

	"rescore/worker/lane"
	"rescore/worker/model"
)

// thresholdsMax is how many thresholds a scale holds, so that a bin is a byte, and one
// is left over (gone). A feature with more gets more scales, each for a range of its
// thresholds.
const thresholdsMax = 254

// buckets is how many parts of its range a scale tells apart at a glance, a power of
// two. A table of 8 KiB, with 2 KiB of thresholds, stays in the first-level cache
// while the rows of a block are looked up.
const (
	bucketBits = 13
	buckets    = 1 << bucketBits
)

// axis is what a scale measures.
type axis struct {
	feature int32
	zero    bool // zeroes are missing too
}

// scale finds the bin of a value: how many of its thresholds lie below it.
//
// The place of a value on a ruler is its bucket. It says how many thresholds lie in
// lower buckets, and a binary search over those of its own says the rest:
//
//	bin   = base[bucket]
//	bin  += step  if threshold[bin+step-1] < x    for step = …, 4, 2, 1
//
// It is exact whatever the ruler: a threshold in a lower bucket is smaller, because
// the bucket never falls as x grows; one in a higher bucket is larger, and the
// search may meet it without harm; the search compares the float64s themselves.
// The ruler only decides how many thresholds share a bucket, and is chosen so that
// none do, if that can be: then the search is one step. At worst all do, and it
// takes eight.
type scale struct {
	axis
	ruler
	step       int // the first, a power of two; 0 until it is needed (ready)
	thresholds int
	threshold  [512]float64 // sorted, and +Inf after the last
	base       [buckets]uint8
	chart      *chart // for paths that want one, where one serves: then dictionaries alone need ruler, step and base
	glossary   glossary

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
// of them +Inf, for a path.
func newScale(a axis, thresholds []float64, left, right bool, p path) scale {
	s := scale{axis: a, thresholds: len(thresholds), left: left, right: right}
	for i := range s.threshold {
		s.threshold[i] = math.Inf(1)
	}
	copy(s.threshold[:], thresholds)
	if p.tables {
		s.chart = newChart(thresholds)
	}
	if s.chart == nil {
		s.ready()
	}
	return s
}

// ready makes the table of buckets, if there is none.
func (s *scale) ready() {
	if s.step == 0 {
		crowd := s.choose()
		s.fill()
		s.step = 1 << bits.Len(uint(crowd)) >> 1
	}
}

// trims are how many thresholds at an end may be left out of a scale's range: a
// few far from the rest would leave all others in one bucket, and share the first
// or the last with what lies beyond instead.
var trims = [...]int{0, 1, 2, 4, 8, 16, 32}

// tries is how many times a range is widened a little, so that its buckets fall
// elsewhere.
const tries = 64

// choose looks for the ruler with the fewest thresholds in a bucket, and returns how
// many the fullest has.
func (s *scale) choose() int {
	n := s.thresholds
	s.ruler = stub
	crowd, best := n, stub
	try := func(from, to float64, shift uint32, o origin) bool {
		if n <= 32 {
			// Many values are above the last of few thresholds, and to see that one is
			// beyond the end takes a jump: they get half of the buckets.
			to += to - from
		}
		r, ok := lay(from, to, shift, o)
		if !ok {
			return false
		}
		r.shift += 16 - bucketBits
		s.ruler = r
		c := s.crowd()
		if c < crowd {
			crowd, best = c, r
			return true
		}
		return false
	}
	from, to, bend := s.threshold[0], s.threshold[n-1], uint32(even)
	for _, low := range trims {
		for _, high := range trims {
			for shift := uint32(even); shift <= bent && low+high < n && crowd > 1; shift++ {
				for o := fromZero; o <= fromPlace; o++ {
					if try(s.threshold[low], s.threshold[n-1-high], shift, o) {
						from, to, bend = s.threshold[low], s.threshold[n-1-high], shift
					}
				}
			}
		}
	}
	wide := (to - from) / 4
	for i := 1; i <= tries && crowd > 1; i++ {
		// The fractions of multiples of these never repeat.
		_, a := math.Modf(float64(i) * math.Phi)
		_, b := math.Modf(float64(i) * math.Sqrt2)
		try(from-float64(wide*a), to+float64(wide*b), bend, fromPlace)
	}
	s.ruler = best
	return crowd
}

// crowd returns how many thresholds the fullest bucket has.
func (s *scale) crowd() int {
	run, fullest, last := 0, 0, uint64(buckets)
	for _, t := range s.threshold[:s.thresholds] {
		if b := s.bucket(t); b != last {
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
	for b := range uint64(buckets) {
		s.base[b] = uint8(below)
		for below < s.thresholds && s.bucket(s.threshold[below]) == b {
			below++
		}
	}
}

// bucket returns the bucket of x, any for a missing value.
func (s *scale) bucket(x float64) uint64 {
	first, shift := s.long()
	return place(x+s.offset, first, shift, buckets-1)
}

// desk is what a block is quantised on.
type desk struct {
	short  [blockRows]float64 // values that did not come as a whole block of float64s, and what was there before
	known  lane.Mask          // of integers
	bins   [blockRows]uint8   // of missing values: anything
	bits   [8]plane           // of the bins, lowest first
	absent plane
	codes  [blockRows]uint16 // a short block's
}

// block returns x, at most 512 values, as a whole block.
func (d *desk) block(x []float64) *[blockRows]float64 {
	if len(x) < blockRows {
		copy(d.short[:], x)
		return &d.short
	}
	return (*[blockRows]float64)(x)
}

// coded returns codes, at most 512, as a whole block. Those past the last are in any
// dictionary.
func (d *desk) coded(codes []uint16) *[blockRows]uint16 {
	if len(codes) < blockRows {
		clear(d.codes[copy(d.codes[:], codes):])
		return &d.codes
	}
	return (*[blockRows]uint16)(codes)
}

// quantise lays the values of a block out in the planes of their scale.
func quantise(planes []plane, x *[blockRows]float64, s *scale, d *desk) {
	s.bin(&d.bins, x)
	for w := range d.absent {
		d.absent[w] = missing(x[w*64:w*64+64], s.zero)
	}
	stand(planes, &d.bins, &d.absent, s)
}

// bin writes the bins of x, dealt: of 64 rows, those of the first eight stand in the
// first bytes of eight words, those of the next in the second bytes, and so on. Words
// whose bits are swapped are planes then (stand).
func (s *scale) bin(dst *[blockRows]uint8, x *[blockRows]float64) {
	offset := s.offset
	first, shift := s.long()
	for row := 0; row < blockRows; row += 8 {
		rows := (*[8]float64)(x[row:])
		dealt := dst[row&^63+row>>3&7:][:57]
		if s.step == 1 {
			for i, v := range rows {
				b := s.base[place(v+offset, first, shift, buckets-1)&(buckets-1)]
				dealt[8*i] = b + above(v, s.threshold[b])
			}
			continue
		}
		for i, v := range rows {
			b := uint(s.base[place(v+offset, first, shift, buckets-1)&(buckets-1)])
			for step := uint(s.step); step > 0; step >>= 1 {
				b += uint(above(v, s.threshold[(b+step-1)%512])) * step
			}
			dealt[8*i] = uint8(b)
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
	i := len(x)
	for ; i >= 4; i -= 4 {
		x := (*[4]float64)(x[i-4:])
		m = m<<4 | absent(x[0], least, 1) | absent(x[1], least, 2) | absent(x[2], least, 4) | absent(x[3], least, 8)
	}
	for i--; i >= 0; i-- {
		m = m<<1 | absent(x[i], least, 1)
	}
	return m
}

// absent returns bit when x is missing.
func absent(x float64, least, bit uint64) uint64 {
	if math.Float64bits(x)<<1-least >= infinity-least {
		return bit
	}
	return 0
}

// infinity is twice the bits of an infinite value, without its sign. NaN has more.
const infinity = 0x7ff << 53

// present returns twice the bits of the least that is not missing.
func present(zero bool) uint64 {
	if zero {
		return math.Float64bits(model.ZeroMax)<<1 + 1
	}
	return 0
}
