package feature

import (
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// shock computes bill_shock, in integers: 1 where the bill is at least percent
// of the mean of the three before it and at least fen above it. Both are asked
// of n times the bill and the sum of the n months of the mean that are there.
// With per-day factors both are in L-ths of a fen a day, and fen is that of the
// scoring month.
type shock struct {
	percent int64
	fen     int64
	w       [schema.Months]int64

	there           presence
	bill, base, x   [chunk]int64
	flags           [chunk]uint8
	known, all      lane.Mask // at least two months of the mean are there, all three
	low, close, far lane.Mask
}

func newShock(rules job.Rules, month int32) *shock {
	s := &shock{percent: rules.BillShockPct, w: raw(), there: newPresence(4)}
	if rules.FeeNormaliseDays {
		s.w = perDay(month)
	}
	s.fen = rules.BillShockFen * s.w[0]
	return s
}

func (s *shock) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "feature.bill_shock",
		In:   append(kernel.Columns("fee", 0, len(s.there)-1), kernel.HistoryCompare),
		Out:  []kernel.Field{field(billShock)},
	}
}

func (s *shock) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += chunk {
		hi := min(lo+chunk, n)
		s.there.read(in[4].U8[lo:hi], in, lo, &s.known)
		now, m1, m2, m3 := s.there[0], s.there[1], s.there[2], s.there[3]
		s.known.Or(m1, m2)
		s.known.And(&s.known, m3)
		s.all.And(m1, m2)
		s.known.Or(&s.known, &s.all)
		s.known.And(&s.known, now)
		s.all.And(&s.all, m3)

		rows := hi - lo
		bill, base, x := s.bill[:rows], s.base[:rows], s.x[:rows]
		s.month(base, in, 1, lo, m1)
		s.month(x, in, 2, lo, m2)
		lane.Add(base, base, x)
		s.month(x, in, 3, lo, m3)
		lane.Add(base, base, x)
		s.month(bill, in, 0, lo, now)
		s.month(x, in, 0, lo, &s.all)
		lane.Add(x, x, bill)
		lane.Add(bill, bill, x) // twice, or three times where all are there

		lane.Sub(x, bill, base)
		lane.Less(&s.close, x, 2*s.fen)
		s.close.AndNot(&s.close, &s.all)
		lane.Less(&s.far, x, 3*s.fen)
		s.far.And(&s.far, &s.all)
		lane.Scale(bill, bill, 100)
		lane.Scale(base, base, s.percent)
		lane.LessThan(&s.low, bill, base)
		s.low.Or(&s.low, &s.close)
		s.low.Or(&s.low, &s.far)
		s.low.Not(&s.low)
		lane.Flag(s.flags[:rows], &s.low)
		lane.Float(out[0].F64[lo:hi], s.flags[:rows], &s.known, nan)
	}
}

// month writes a bill as it is compared, 0 where it is not there.
func (s *shock) month(dst []int64, in []kernel.Vector, k, lo int, there *lane.Mask) {
	lane.Int(dst, in[k].I64[lo:lo+len(dst)], there, 0)
	if s.w[k] != 1 {
		lane.Scale(dst, dst, s.w[k])
	}
}
