package rule

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// change compares the voice traffic of m with that of m-1, per day (domain C19):
// seconds times the days of the other month, in integers.
//
//	traffic_class  1 UP  2 DOWN  3 FLAT  4 APPEARED  5 VANISHED  0 unknown
//	traffic_steps  how many of traffic_change_pct the change reaches
//
// The class is for the least of the percentages. Traffic that vanished fell by
// 100 %; traffic that appeared rose by no percentage, and reaches none. Unknown
// is a change of which a component is missing or negative, or for which a month
// does not count.
type change struct {
	spec    kernel.Spec
	percent []int64
	days    [2]int64 // of m and m-1

	own                              months
	known, none, base, x             lane.Mask
	up, down, flat, appear, vanished lane.Mask
	class                            [3]lane.Mask // its bits
	bits                             []*lane.Mask
	now, before, scaled              [lane.Rows]int64
}

// NewChange returns the kernel of traffic_class and traffic_steps.
func NewChange(rules job.Rules, month int32) kernel.Kernel {
	c := &change{percent: slices.Clone(rules.TrafficChangePct)}
	for k := range c.days {
		c.days[k] = int64(kernel.DaysInMonth(kernel.MonthAdd(month, -k)))
	}
	u8 := arrow.PrimitiveTypes.Uint8
	c.spec = kernel.Spec{
		Name: "rule.change",
		In:   append(append(kernel.Columns("out_sec", 0, 1), kernel.Columns("in_sec", 0, 1)...), kernel.HistoryCompare),
		Out:  []kernel.Field{{Name: "traffic_class", Type: u8}, {Name: "traffic_steps", Type: u8}},
	}
	c.own.bind()
	c.bits = []*lane.Mask{&c.class[0], &c.class[1], &c.class[2]}
	return c
}

func (c *change) Spec() kernel.Spec { return c.spec }

func (c *change) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		c.own.read(in[4].U8[lo:hi])
		c.known.Fill(true)
		now, before := c.now[:hi-lo], c.before[:hi-lo]
		c.total(now, 0, &in[0], &in[2], lo, hi)
		c.total(before, 1, &in[1], &in[3], lo, hi)
		lane.Scale(now, now, 100*c.days[1])
		lane.Scale(before, before, c.days[0])
		c.compare(now, before, out[1].U8[lo:hi])
		lane.Pack(out[0].U8[lo:hi], c.bits)
	}
}

// total adds up month k's two directions and takes from known the rows in which
// one is not known or less than nothing.
func (c *change) total(dst []int64, k int, outgoing, incoming *kernel.Vector, lo, hi int) {
	for _, v := range [2]*kernel.Vector{outgoing, incoming} {
		c.own.known(&c.x, k, v, lo, hi)
		c.known.And(&c.known, &c.x)
		lane.Less(&c.x, v.I64[lo:hi], 0)
		c.known.AndNot(&c.known, &c.x)
	}
	lane.Add(dst, outgoing.I64[lo:hi], incoming.I64[lo:hi])
}

// compare classifies. now is a hundredfold, so that before raised by N percent
// is (100+N)·before, and lowered (100−N)·before.
func (c *change) compare(now, before []int64, steps []uint8) {
	lane.Equal(&c.none, now, 0)
	lane.Equal(&c.x, before, 0)
	c.base.AndNot(&c.known, &c.x)
	c.appear.AndNot(&c.known, &c.base)
	c.appear.AndNot(&c.appear, &c.none)
	c.vanished.And(&c.base, &c.none)

	clear(steps)
	scaled := c.scaled[:len(now)]
	// From the greatest percentage to the least, whose classes stay.
	for i := len(c.percent) - 1; i >= 0; i-- {
		lane.Scale(scaled, before, 100+c.percent[i])
		lane.LessThan(&c.x, now, scaled)
		c.up.AndNot(&c.base, &c.x)
		lane.Scale(scaled, before, 100-c.percent[i])
		lane.LessThan(&c.x, scaled, now)
		c.down.AndNot(&c.base, &c.x)
		c.x.Or(&c.up, &c.down)
		lane.Count(steps, &c.x)
	}
	c.down.AndNot(&c.down, &c.vanished)
	c.x.Or(&c.x, &c.appear)
	c.x.Or(&c.x, &c.vanished)
	c.flat.AndNot(&c.known, &c.x)

	// UP 001, DOWN 010, FLAT 011, APPEARED 100, VANISHED 101.
	c.class[0].Or(&c.up, &c.flat)
	c.class[0].Or(&c.class[0], &c.vanished)
	c.class[1].Or(&c.down, &c.flat)
	c.class[2].Or(&c.appear, &c.vanished)
}
