package score

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// NoBill is the arpu3_fen and expected_loss_fen of a subscriber without a bill
// in three months, NoTier the value_tier.
const (
	NoBill = -1
	NoTier = 255
)

// value computes arpu3_fen and value_tier (domain C08).
type value struct {
	cut    [5]int64
	months []*lane.Mask // that have a bill, newest first
	bills  [3][]int64
	none   lane.Mask // has
	m      lane.Mask
	x      [lane.Rows]float64
}

// NewValue returns the kernel of arpu3_fen and value_tier. The mean is over the
// months of m-2..m that are there and not before activation, rounded half to
// even. Credits can make it negative; it is then published as 0, because -1
// says that there is no bill.
func NewValue(policy job.Policy) kernel.Kernel {
	return &value{cut: policy.ValueCutFen, months: masks(3)}
}

func (v *value) Spec() kernel.Spec {
	fen := arrow.PrimitiveTypes.Int64
	return kernel.Spec{
		Name: "score.value",
		In:   []kernel.Field{{Name: "fee_m0", Type: fen}, {Name: "fee_m1", Type: fen}, {Name: "fee_m2", Type: fen}, kernel.History},
		Out:  []kernel.Field{{Name: "arpu3_fen", Type: fen}, {Name: "value_tier", Type: arrow.PrimitiveTypes.Uint8}},
	}
}

func (v *value) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		lane.Unpack(v.months, in[3].U8[lo:hi])
		arpu := out[0].I64[lo:hi]
		v.mean(arpu, in, lo)
		v.rank(out[1].U8[lo:hi], arpu)
	}
}

// mean rounds the mean of the bills. Their sum is exact as float64, its quotient off by less
// than its distance from the next half, so that it rounds as the exact one does.
func (v *value) mean(arpu []int64, in []kernel.Vector, lo int) {
	n := len(arpu)
	x := v.x[:n]
	for k, there := range v.months {
		v.bills[k] = in[k].I64[lo : lo+n]
		v.m.Valid(in[k].Valid, lo, n)
		there.And(there, &v.m)
	}
	lane.Mean(x, v.bills[:], v.months, 1)
	lane.Known(&v.none, x)
	v.none.Not(&v.none)
	lane.Less(&v.m, x, 0)
	lane.Put(x, &v.m, 0)
	lane.Put(x, &v.none, NoBill)
	lane.Round(arpu, x)
}

// rank writes how many cut points are reached.
func (v *value) rank(tier []uint8, arpu []int64) {
	clear(tier)
	for _, c := range v.cut {
		lane.Less(&v.m, arpu, c)
		v.m.Not(&v.m)
		lane.Count(tier, &v.m)
	}
	lane.Put(tier, &v.none, NoTier)
}

func masks(n int) []*lane.Mask {
	list := make([]*lane.Mask, n)
	for k := range list {
		list[k] = new(lane.Mask)
	}
	return list
}
