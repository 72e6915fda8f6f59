package rule

import (
	"math/bits"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// decline is T2: a bill of T2BaseFen or more that fell by T2DropPct or more, in
// one of the four readings of the circular.
//
//	four_point    m-3 > m-2 > m-1 > m, and end to end
//	three_point   m-2 > m-1 > m, and end to end
//	sum_of_mom    m-3 > m-2 > m-1 > m, and the three monthly falls added up
//	non_monotone  m-3 against m, whatever lies between
//
// The base is its own month's bill, or with mean3 the mean of m-5..m-3: that
// decides only whether it is high enough, not what the fall is measured from.
type decline struct {
	months  int   // full months it needs, and bills it reads
	first   int   // the fall is measured from m-first
	needed  []int // the months whose bills must be known
	steady  bool  // every month below the one before it
	added   bool  // the monthly falls are added up
	mean3   bool
	base    int64
	percent int64
	scale   [4]int64 // the bill of m-k is multiplied by scale[k], for comparisons per day

	scaled   [4][]int64 // bills times scale, where that is not 1
	from, to []int64    // scratch
}

func newDecline(rules job.Rules, month int32) decline {
	d := decline{
		months: 4, first: 3, base: rules.T2BaseFen, percent: rules.T2DropPct,
		steady: rules.T2Mode != "non_monotone", added: rules.T2Mode == "sum_of_mom", mean3: rules.T2BaseMonths == "mean3",
		scale: dayFactors(month, rules.FeeNormaliseDays),
		from:  make([]int64, lane.Rows), to: make([]int64, lane.Rows),
	}
	if rules.T2Mode == "three_point" {
		d.months, d.first = 3, 2
	}
	if d.mean3 {
		d.months = schema.Months
	}
	for k := range d.months {
		if k == 0 || k == d.first || k < d.first && d.steady || k >= 3 && d.mean3 {
			d.needed = append(d.needed, k)
		}
	}
	for k, factor := range d.scale {
		if factor != 1 {
			d.scaled[k] = make([]int64, lane.Rows)
		}
	}
	return d
}

// judge writes where the bill fell and where every bill that says so is known.
// fee is the place of m's bill, the older months following.
func (d *decline) judge(fell, known *lane.Mask, c chunk, fee int) {
	var x lane.Mask
	known.Fill(true)
	for _, k := range d.needed {
		c.known(&x, fee+k)
		known.And(known, &x)
	}
	from, to := d.from[:c.n], d.to[:c.n]

	if d.mean3 {
		lane.Add(from, c.i64(fee+3), c.i64(fee+4))
		lane.Add(from, from, c.i64(fee+5))
		lane.Less(&x, from, 3*d.base)
	} else {
		lane.Less(&x, c.i64(fee+d.first), d.base)
	}
	fell.AndNot(known, &x)

	var bill [4][]int64
	for k := range d.first + 1 {
		bill[k] = c.i64(fee + k)
		if d.scale[k] != 1 {
			lane.Scale(d.scaled[k][:c.n], bill[k], d.scale[k])
			bill[k] = d.scaled[k][:c.n]
		}
	}
	if d.steady {
		for k := d.first; k > 0; k-- {
			lane.LessThan(&x, bill[k-1], bill[k])
			fell.And(fell, &x)
		}
	}
	if d.added {
		addUp(fell, &bill, d.percent)
		return
	}
	// 100·(b - c) ≥ percent·b where b is the first bill and c the last.
	lane.Scale(from, bill[d.first], 100-d.percent)
	lane.Scale(to, bill[0], 100)
	lane.LessThan(&x, from, to)
	fell.AndNot(fell, &x)
}

// addUp keeps the rows whose three monthly falls add up to percent or more. It
// goes row by row, as the sum is exact and exact is slow: but only over the rows
// that have passed every other test.
func addUp(fell *lane.Mask, bill *[4][]int64, percent int64) {
	n := len(bill[0])
	for w := range fell {
		for left := fell[w]; left != 0; left &= left - 1 {
			i := w<<6 + bits.TrailingZeros64(left)
			if i >= n {
				return
			}
			if !addsUp([4]int64{bill[3][i], bill[2][i], bill[1][i], bill[0][i]}, percent) {
				fell[w] &^= left & -left
			}
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
