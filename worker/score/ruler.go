package score

import "math"

// ruler says where a float64 stands, in a number that never falls as x grows.
//
// The sum x + offset has a power of two for its unit. The high word of a float64, as
// a number, grows evenly from the unit to its double, half as fast to the next
// double, and so on: bent like log(1+x), by as many octaves as there are. Of that,
// shift says how fine the places are; what is below the unit stands in the first
// place, and what is beyond the octaves in the last.
type ruler struct {
	offset float64
	first  int32  // high word of the sums in place 0, and of all below
	shift  uint32 // of the high word; at most 31
}

// A ruler of 16-bit places has a shift from even, one octave, to bent, 32 octaves.
const (
	even = 4
	bent = 9
)

// stub has one place for all.
var stub = ruler{first: math.MaxInt32}

// origin is where a ruler begins.
type origin int

const (
	// fromZero begins at 0, for what is not below. The offset is a hair's breadth
	// below the unit, so that 0 has the first place to itself when sums are
	// rounded up: what is just above, such as model.ZeroMax, stands in the next.
	fromZero origin = iota
	// fromPlace begins where whole numbers, and halves and quarters, begin a place of
	// their own: what is just below stands in the place before.
	fromPlace
	// fromHair begins where they end one: what is just above stands in the next,
	// rounded up.
	fromHair
	origins
)

// lay lays 2^16 places over [from, to], or reports that floats cannot.
func lay(from, to float64, shift uint32, o origin) (r ruler, ok bool) {
	if o == fromZero {
		if from < 0 {
			return r, false
		}
		from = 0
	}
	wide := to - from
	if wide == 0 {
		wide = math.Abs(to)
	}
	octaves := 1 << (shift - even)
	_, unit := math.Frexp(wide * 1.01)
	unit -= octaves - 1
	if unit < -800 || unit > 800 || math.IsInf(wide, 0) {
		return r, false
	}
	one := math.Ldexp(1, unit)
	r = ruler{first: int32(math.Float64bits(one) >> 32), shift: shift}
	switch place := math.Ldexp(one, int(shift)-20); o {
	case fromZero:
		r.offset = math.Nextafter(one, 0)
		r.first -= 1 << shift
	default:
		r.offset = one - float64((math.Floor(from/place)-1)*place)
		if o == fromHair {
			r.offset = math.Nextafter(r.offset, 0)
		}
	}
	return r, math.Abs(r.offset) < 0x1p800
}

// place returns where a sum stands, at most at last. First and shift are of all 64
// bits.
func place(sum float64, first int64, shift uint32, last uint64) uint64 {
	b := int64(math.Float64bits(sum))
	p := b - first
	p &^= (b | p) >> 63 // no jump: it would be guessed wrong where many values are below
	return min(uint64(p)>>(shift%64), last)
}

// long returns first and shift of all 64 bits.
func (r *ruler) long() (first int64, shift uint32) { return int64(r.first) << 32, r.shift + 32 }

// roundUp returns a + b rounded up.
func roundUp(a, b float64) float64 {
	sum := a + b
	t := sum - a
	if (a-(sum-t))+(b-t) > 0 { // what is lost of the sum
		sum = math.Nextafter(sum, math.Inf(1))
	}
	return sum
}
