package score

import (
	"math"
	"math/bits"
)

// A chart finds bins in vectors of bytes, 64 values at a time, where a scale would
// look each value's bucket and threshold up in memory. All its tables are registers.
//
//	place    float64 → 16 bits: where x stands between the thresholds, linear or
//	         bent like a logarithm
//	stretch  16 bits → a bucket of 7 bits, and 8 bits of place in it: each 32nd part
//	         of the places gets as many buckets as its thresholds need
//	count    bin = base[bucket] + how many of its thresholds stand lower
//
// The three never fall as x grows, and thresholds go the same way as values: one
// that stands lower than x is smaller, one that stands higher is not. Where both
// stand in one place the float64s are compared: charts are drawn so that this is
// rare.
//
// # Place
//
// x + offset has a power of two for its unit: bits 32 to 63 of a float64 from there
// on, taken as a number, grow evenly for the first octave, and then half as fast
// with each: bent like log(1+x). What is below the unit gets the first place, what is
// beyond the last octave the last one. The sum is rounded up, and the offset
// of a chart that begins at 0 is a hair's breadth below its unit, so that 0 and
// what is just above 0, such as model.ZeroMax, never share a place.
type chart struct {
	offset float64 // of 2^-scaling·x
	first  int32   // high word of the sum that has place 0
	shift  uint32  // of the high word
	crowd  int     // thresholds in the fullest bucket
	alike  int     // thresholds in the fullest place

	// The buckets of a part begin at the high byte of start, and are the high byte of
	// width.
	start, width [parts]uint16
	base         [chartBuckets]uint8
	at           [crowdMax][chartBuckets]uint8 // places of a bucket's thresholds, nowhere past the last
}

const (
	parts        = 32
	chartBuckets = 128
	crowdMax     = 6
	nowhere      = 255 // no value's place in a bucket

	// scaling keeps sums of finite numbers below 2^1017: there a high word taken for a
	// float32 is neither infinite nor NaN.
	scaling = 10
)

// place returns where x stands.
func (c *chart) place(x float64) uint16 {
	// Scaled last: x may be too small to scale without loss.
	sum := math.Ldexp(roundUp(x, math.Ldexp(c.offset, scaling)), -scaling)
	high := max(int32(math.Float64bits(sum)>>32), c.first)
	return uint16(min((high-c.first)>>c.shift, math.MaxUint16))
}

// roundUp returns a + b rounded up.
func roundUp(a, b float64) float64 {
	sum := a + b
	t := sum - a
	if (a-(sum-t))+(b-t) > 0 { // what is lost of the sum
		sum = math.Nextafter(sum, math.Inf(1))
	}
	return sum
}

// stretch returns the bucket of a place, and the place in it.
func (c *chart) stretch(place uint16) (bucket, at uint8) {
	part := place >> 11
	p := c.start[part] + uint16(uint32(bits.RotateLeft16(place, 5))*uint32(c.width[part])>>16)
	return uint8(p >> 8), uint8(min(p&255, nowhere-1))
}

// newChart returns the chart of a scale, nil when there is none that serves.
func newChart(thresholds []float64) *chart {
	// Every number is above -Inf, and none above the largest.
	below := 0
	for below < len(thresholds) && thresholds[below] < -math.MaxFloat64 {
		below++
	}
	asked := thresholds[below:]
	if n := len(asked); n > 0 && asked[n-1] == math.MaxFloat64 {
		asked = asked[:n-1]
	}
	var best *chart
	if len(asked) == 0 {
		best = &chart{offset: 1, first: math.MaxInt32, crowd: 1}
		best.fill(nil, nil, below)
		return best
	}
	least := math.Inf(1)
	places, counts := make([]uint16, len(asked)), make([]int, parts)
	for trim := range min(2, len(asked)) {
		from, to := asked[0], asked[len(asked)-1-trim]
		for shift := uint32(4); shift <= 9; shift++ {
			for origin := range 3 {
				c := chart{shift: shift}
				if !c.span(from, to, origin) {
					continue
				}
				c.stand(places, counts, asked)
				if !c.share(places, counts) {
					continue
				}
				c.fill(asked, places, below)
				if cost := c.cost(asked, places); cost < least {
					least, best = cost, new(chart)
					*best = c
				}
			}
		}
		if best != nil {
			break
		}
	}
	return best
}

// span lays the places over [from, to], or reports that floats cannot.
func (c *chart) span(from, to float64, origin int) bool {
	octaves := int(1) << (c.shift - 4)
	if origin == 0 { // 0 stands alone in the first place
		if from < 0 {
			return false
		}
		from = 0
	}
	from, to = math.Ldexp(from, -scaling), math.Ldexp(to, -scaling)
	wide := to - from
	if wide == 0 {
		wide = math.Abs(to)
	}
	_, unit := math.Frexp(wide * 1.01)
	unit -= octaves - 1
	if unit < -900 || unit > 900 {
		return false
	}
	one := math.Ldexp(1, unit)
	cell := math.Ldexp(one, int(c.shift)-20)
	c.first = int32(math.Float64bits(one) >> 32)
	if origin == 0 {
		c.offset = math.Nextafter(one, 0)
		c.first -= 1 << c.shift
	} else {
		low := (math.Floor(from/cell) - 1) * cell
		c.offset = one - low
		if origin == 2 {
			c.offset = math.Nextafter(c.offset, 0)
		}
	}
	return math.Abs(c.offset) < 0x1p900 && c.first > 0
}

// stand finds the places of the thresholds and counts them by part.
func (c *chart) stand(places []uint16, counts []int, thresholds []float64) {
	clear(counts)
	for i, t := range thresholds {
		places[i] = c.place(t)
		counts[places[i]>>11]++
	}
}

// share gives each part its buckets, with as few thresholds in the fullest bucket as
// can be, or reports that there are too few.
func (c *chart) share(places []uint16, counts []int) bool {
	var need [parts]int
	for c.crowd = 1; c.crowd <= crowdMax; c.crowd++ {
		left := chartBuckets
		from := 0
		for part, n := range counts {
			need[part] = 0
			if n > 0 {
				for k := 1; ; k++ {
					if k > left {
						left = -1
						break
					}
					if fits(places[from:from+n], k, c.crowd) {
						need[part] = k
						left -= k
						break
					}
				}
			}
			from += n
			if left < 0 {
				break
			}
		}
		if left < 0 {
			continue
		}
		// What is left goes round.
		for spent := true; spent && left > 0; {
			spent = false
			from := 0
			for part, n := range counts {
				for k := 1; n > 0 && k <= min(left, need[part]); k++ {
					if fits(places[from:from+n], need[part]+k, c.crowd) {
						need[part] += k
						left -= k
						spent = true
						break
					}
				}
				from += n
			}
		}
		start := 0
		for part, n := range need {
			c.start[part] = uint16(min(start<<8, chartBuckets<<8-1))
			c.width[part] = uint16(n << 8)
			start += n
		}
		return true
	}
	return false
}

// fits reports whether at most crowd of a part's thresholds share a bucket when it
// has n.
func fits(places []uint16, n, crowd int) bool {
	for i := crowd; i < len(places); i++ {
		if bucketOf(places[i], n) == bucketOf(places[i-crowd], n) {
			return false
		}
	}
	return true
}

// bucketOf returns which of the n buckets of its part a place is in.
func bucketOf(place uint16, n int) int { return int(bits.RotateLeft16(place, 5)) * n >> 16 }

// fill makes the tables.
func (c *chart) fill(thresholds []float64, places []uint16, below int) {
	for i := range c.at {
		for b := range c.at[i] {
			c.at[i][b] = nowhere
		}
	}
	next, alike := 0, 0
	for b := range c.base {
		c.base[b] = uint8(below + next)
		for i := 0; next < len(thresholds); i++ {
			bucket, at := c.stretch(places[next])
			if int(bucket) != b {
				break
			}
			c.at[i][b] = at
			if i > 0 && at == c.at[i-1][b] {
				alike++
			} else {
				alike = 1
			}
			c.alike = max(c.alike, alike)
			next++
		}
	}
}

// cost guesses the cycles that 64 values take.
func (c *chart) cost(thresholds []float64, places []uint16) float64 {
	tied := 0.0
	n := len(thresholds)
	at := func(i int) (int, int) {
		b, at := c.stretch(places[i])
		return int(places[i]), int(b)<<8 | int(at)
	}
	same := func(v float64, i int) bool {
		vb, va := c.stretch(c.place(v))
		b, at := c.stretch(places[i])
		return vb == b && va == at
	}
	for i, t := range thresholds {
		// Between two thresholds as many values as between any other two, evenly.
		from, to := max(i-1, 0), min(i+1, n-1)
		gap := 1.0
		if from < to {
			p0, s0 := at(from)
			p1, s1 := at(to)
			gap = float64(min(p1-p0, s1-s0)) / float64(to-from)
		}
		tied += 1 / max(gap, 1) / float64(n)
		// Whole numbers are many, and 0 more than any.
		for _, v := range [...]float64{math.Floor(t), math.Ceil(t)} {
			if v != 0 && math.Abs(v) < 1<<20 && same(v, i) {
				tied += 0.5 / float64(n)
			}
		}
		if same(0, i) {
			tied += 0.3
		}
	}
	return 3*float64(c.crowd) + 64*min(35*tied, 2)
}
