package score

import (
	"math"
	"math/bits"
)

// A chart finds bins in vectors of bytes, 64 values at a time, where a scale would
// look each value's bucket and threshold up in memory. All its tables are registers.
//
//	place    float64 → 16 bits: where x stands on a ruler; sums are rounded up
//	stretch  16 bits → a bucket of 7 bits, and 8 bits of place in it: each 32nd part
//	         of the places gets as many buckets as its thresholds need
//	count    bin = base[bucket] + how many of its thresholds stand lower
//
// The three never fall as x grows, and thresholds go the same way as values: one
// that stands lower than x is smaller, one that stands higher is not. Where both
// stand in one place the float64s are compared: charts are drawn so that this is
// rare.
type chart struct {
	ruler
	scaled ruler // for x·2^-scaling
	crowd  int   // thresholds in the fullest bucket
	alike  int   // thresholds in the fullest place

	// Zeroes are many. Where they share a place with thresholds, such as both of
	// ±model.ZeroMax, they are settled together: below says how many of these are
	// below 0.
	zeroes int // 1 when they do
	below  uint8

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

// stand returns the place of x.
func (c *chart) stand(x float64) uint16 {
	first, shift := c.long()
	return uint16(place(roundUp(x, c.offset), first, shift, math.MaxUint16))
}

// stretch returns the bucket of a place, in the high byte, and the place in it.
func (c *chart) stretch(place uint16) uint16 {
	part := place >> 11
	p := c.start[part] + uint16(uint32(bits.RotateLeft16(place, 5))*uint32(c.width[part])>>16)
	return p&^255 | min(p&255, nowhere-1)
}

// spot returns the bucket of x and the place in it.
func (c *chart) spot(x float64) uint16 { return c.stretch(c.stand(x)) }

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
	if len(asked) == 0 {
		c := &chart{ruler: stub, scaled: stub, crowd: 1}
		c.fill(nil, below)
		return c
	}
	// One threshold may be far above all others.
	best := chartTo(asked, asked[len(asked)-1], below)
	if best == nil && len(asked) > 1 {
		best = chartTo(asked, asked[len(asked)-2], below)
	}
	return best
}

// chartTo returns the best chart with a ruler that ends at to.
func chartTo(thresholds []float64, to float64, below int) (best *chart) {
	var c chart
	least := math.Inf(1)
	places, spots := make([]uint16, len(thresholds)), make([]uint16, len(thresholds))
	for shift := uint32(even); shift <= bent; shift++ {
		for o := range origins {
			var ok bool
			if c.ruler, ok = lay(thresholds[0], to, shift, o); !ok {
				continue
			}
			for i, t := range thresholds {
				places[i] = c.stand(t)
			}
			if !c.share(places, least) {
				continue
			}
			for i, place := range places {
				spots[i] = c.stretch(place)
			}
			if cost := c.cost(thresholds, places, spots); cost < least {
				c.fill(spots, below)
				found := c
				least, best = cost, &found
			}
		}
	}
	if best != nil {
		for _, t := range thresholds {
			if best.spot(t) == best.spot(0) {
				best.zeroes = 1
				if t < 0 {
					best.below++
				}
			}
		}
		best.scaled = best.ruler
		best.scaled.offset = math.Ldexp(best.offset, -scaling)
		best.scaled.first -= scaling << 20
	}
	return best
}

// share gives each part its buckets, with as few thresholds in the fullest bucket as
// can be, or reports that there are too few, or that counting alone takes as long as
// least.
func (c *chart) share(places []uint16, least float64) bool {
	var counts, need [parts]int
	for _, place := range places {
		counts[place>>11]++
	}
	for c.crowd = 1; c.crowd <= crowdMax && c.counting() < least; c.crowd++ {
		left := chartBuckets
		for part, n := range counts {
			need[part] = (n + c.crowd - 1) / c.crowd // fewer have no room
			left -= need[part]
		}
		from := 0
		for part, n := range counts {
			for left >= 0 && !fits(places[from:from+n], need[part], c.crowd) {
				need[part]++
				left--
			}
			from += n
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
func (c *chart) fill(spots []uint16, below int) {
	for i := range c.at {
		for b := range c.at[i] {
			c.at[i][b] = nowhere
		}
	}
	next, alike := 0, 0
	c.alike = 0
	for b := range c.base {
		c.base[b] = uint8(below + next)
		for i := 0; next < len(spots) && int(spots[next]>>8) == b; i++ {
			c.at[i][b] = uint8(spots[next])
			if alike++; i == 0 || spots[next] != spots[next-1] {
				alike = 1
			}
			c.alike = max(c.alike, alike)
			next++
		}
	}
}

// counting guesses the cycles that 64 values take to be counted.
func (c *chart) counting() float64 { return 3 * float64(c.crowd) }

// cost guesses the cycles that 64 values take in all.
func (c *chart) cost(thresholds []float64, places, spots []uint16) float64 {
	counting := c.counting()
	tied, n := 0.0, len(thresholds)
	zero := c.spot(0)
	for i, t := range thresholds {
		// Between two thresholds as many values as between any other two, evenly.
		from, to := max(i-1, 0), min(i+1, n-1)
		gap := 1.0
		if from < to {
			gap = float64(min(places[to]-places[from], spots[to]-spots[from])) / float64(to-from)
		}
		tied += 1 / max(gap, 1) / float64(n)
		// Whole numbers are many, and 0 more than any, though zeroes are settled together.
		if whole := math.Round(t); whole != 0 && math.Abs(t) < 1<<20 && c.spot(whole) == spots[i] {
			tied += 0.5 / float64(n)
		}
		if zero == spots[i] {
			counting = c.counting() + 40
		}
	}
	return counting + min(64*35*tied, 128)
}
