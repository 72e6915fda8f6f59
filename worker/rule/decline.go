package rule

import (
	"math/bits"

	"rescore/partition/schema"
	"rescore/worker/kernel"
)

// t2 is a bill of T2BaseFen or more that fell by T2DropPct or more, in one of
// the four readings of the circular. Hold suppresses it.
//
//	four_point    m-3 > m-2 > m-1 > m, and end to end
//	three_point   m-2 > m-1 > m, and end to end
//	sum_of_mom    m-3 > m-2 > m-1 > m, and the three monthly falls added up
//	non_monotone  m-3 against m, whatever lies between
//
// The base is its own month's bill, or with mean3 the mean of m-5..m-3: that
// decides only whether it is high enough, not what the fall is measured from.
func (g *triggers) t2(acc []verdict, fee *[schema.Months]bill, depth []uint8) {
	n := len(acc)
	first := 3 // the month the fall is measured from
	if g.rules.T2Mode == "three_point" {
		first = 2
	}
	known, fell, scale := g.work[0][:n], g.work[1][:n], &g.scale
	fee[0].valid.Bytes(known, n)
	fee[first].valid.And(known, n)
	least(fell, fee[first].fen, g.rules.T2BaseFen)
	if g.rules.T2BaseMonths == "mean3" {
		least3(fell, fee[3].fen, fee[4].fen, fee[5].fen, 3*g.rules.T2BaseFen)
		for k := 3; k < schema.Months; k++ {
			fee[k].valid.And(known, n)
		}
	}
	if g.rules.T2Mode != "non_monotone" {
		for k := first; k > 0; k-- {
			falls(fell, fee[k].fen, fee[k-1].fen, scale[k], scale[k-1])
			fee[k].valid.And(known, n)
		}
	}
	if g.rules.T2Mode == "sum_of_mom" {
		added(fell, fee, scale, g.rules.T2DropPct)
	} else {
		ends(fell, fee[first].fen, fee[0].fen, scale[first], scale[0], g.rules.T2DropPct)
	}
	decline(acc, fell, known, depth, g.hold, g.depthT2)
}

// bill is one month's bills of a chunk.
type bill struct {
	fen   []int64
	valid kernel.Bitmap
}

// decline turns what t2 found into verdicts.
func decline(acc []verdict, fell, known, depth, hold []uint8, months uint8) {
	n := len(acc)
	fell, known, depth, hold = fell[:n], known[:n], depth[:n], hold[:n]
	for i := range n {
		active := flag(hold[i] ^ 1)
		short := when(depth[i] < months) & active
		missing := flag(known[i]^1) & active &^ short
		acc[i] |= judge(2, flag(fell[i])&active, short, missing)
	}
}

// least writes whether a bill is at least limit.
func least(dst []uint8, fee []int64, limit int64) {
	fee = fee[:len(dst)]
	for i := range dst {
		dst[i] = uint8(when(fee[i] >= limit))
	}
}

// least3 writes whether three bills together are at least limit.
func least3(dst []uint8, a, b, c []int64, limit int64) {
	a, b, c = a[:len(dst)], b[:len(dst)], c[:len(dst)]
	for i := range dst {
		dst[i] = uint8(when(a[i]+b[i]+c[i] >= limit))
	}
}

// falls keeps the rows whose bill fell from one month to the next.
func falls(dst []uint8, from, to []int64, scaleFrom, scaleTo int64) {
	from, to = from[:len(dst)], to[:len(dst)]
	for i := range dst {
		dst[i] &= uint8(when(scaleFrom*from[i] > scaleTo*to[i]))
	}
}

// ends keeps the rows whose bill fell by percent or more from end to end.
func ends(dst []uint8, from, to []int64, scaleFrom, scaleTo, percent int64) {
	from, to = from[:len(dst)], to[:len(dst)]
	for i := range dst {
		b := scaleFrom * from[i]
		dst[i] &= uint8(when(100*(b-scaleTo*to[i]) >= percent*b))
	}
}

// added keeps the rows whose three monthly falls add up to percent or more. Only
// rows that have passed every other test are worked out: the sum is exact, and
// exact is slow.
func added(dst []uint8, fee *[schema.Months]bill, scale *[4]int64, percent int64) {
	for i := range dst {
		if dst[i] != 0 {
			x := [4]int64{scale[3] * fee[3].fen[i], scale[2] * fee[2].fen[i], scale[1] * fee[1].fen[i], scale[0] * fee[0].fen[i]}
			dst[i] = uint8(when(addsUp(x, percent)))
		}
	}
}

// addsUp reports whether the falls of a strictly falling run of bills, each in
// percent of the bill before it, add up to percent or more. A bill of zero or
// less has no percentage and adds nothing: it took a fall of a hundred to get
// there.
//
// Each fall is a whole number of percent and a remainder r/x. The whole numbers
// settle all but the cases where the remainders must make up one or two; then
// r0/x0 + r1/x1 + r2/x2 ≥ rest is compared over the common denominator, in 192
// bits.
func addsUp(bill [4]int64, percent int64) bool {
	rest := percent
	r, x := [3]uint64{}, [3]uint64{1, 1, 1}
	for k := range r {
		if bill[k] <= 0 {
			break
		}
		x[k] = uint64(bill[k])
		whole := 100 * uint64(bill[k]-bill[k+1])
		rest -= int64(whole / x[k])
		r[k] = whole % x[k]
	}
	switch {
	case rest <= 0:
		return true
	case rest > 2:
		return false
	}
	left := product(r[0], x[1], x[2]).plus(product(x[0], r[1], x[2])).plus(product(x[0], x[1], r[2]))
	right := product(x[0], x[1], x[2])
	if rest == 2 {
		right = right.plus(right)
	}
	return !left.less(right)
}

// wide is an unsigned 192-bit integer, lowest word first.
type wide [3]uint64

// product returns a·b·c.
func product(a, b, c uint64) wide {
	hi, lo := bits.Mul64(a, b)
	h0, w0 := bits.Mul64(lo, c)
	h1, l1 := bits.Mul64(hi, c)
	w1, carry := bits.Add64(h0, l1, 0)
	return wide{w0, w1, h1 + carry}
}

func (w wide) plus(o wide) (sum wide) {
	var carry uint64
	for i := range w {
		sum[i], carry = bits.Add64(w[i], o[i], carry)
	}
	return sum
}

func (w wide) less(o wide) bool {
	for i := 2; i >= 0; i-- {
		if w[i] != o[i] {
			return w[i] < o[i]
		}
	}
	return false
}

// dayFactors returns what the bill of m-k is multiplied by before T2 compares
// it: 1, or to compare per day L/days, L the least common multiple of the month
// lengths. Factors stay below a thousand.
func dayFactors(month int32, perDay bool) (f [4]int64) {
	lcm := int64(1)
	for k := range f {
		f[k] = 1
		days := int64(kernel.DaysInMonth(kernel.MonthAdd(month, -k)))
		a, b := lcm, days
		for b != 0 {
			a, b = b, a%b
		}
		lcm = lcm / a * days
	}
	if perDay {
		for k := range f {
			f[k] = lcm / int64(kernel.DaysInMonth(kernel.MonthAdd(month, -k)))
		}
	}
	return f
}
