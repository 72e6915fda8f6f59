package score

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/kernel"
)

// NoBill is the arpu3_fen and expected_loss_fen of a subscriber without a bill
// in three months, NoTier the value_tier.
const (
	NoBill = -1
	NoTier = 255
)

// value computes arpu3_fen and value_tier (domain C08).
type value struct {
	cut   [5]int64
	chunk int
	there []uint8
}

// NewValue returns the kernel of arpu3_fen and value_tier. The mean is over the
// months of m-2..m that are there and not before activation, rounded half to
// even. Credits can make it negative; it is then published as 0, because -1
// says that there is no bill.
func NewValue(policy job.Policy, batchRows int) kernel.Kernel {
	chunk := min(batchRows, kernel.ChunkRows)
	return &value{cut: policy.ValueCutFen, chunk: chunk, there: make([]uint8, chunk)}
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
	for lo := 0; lo < n; lo += v.chunk {
		hi := min(lo+v.chunk, n)
		clear(v.there)
		for k := range 3 {
			in[k].Valid.From(lo).Mask(v.there, hi-lo, uint(k))
		}
		arpu, tier := out[0].I64[lo:hi], out[1].U8[lo:hi]
		mean(arpu, in[0].I64[lo:hi], in[1].I64[lo:hi], in[2].I64[lo:hi], v.there, in[3].U8[lo:hi])
		rank(tier, arpu, &v.cut)
	}
}

func mean(arpu, fee0, fee1, fee2 []int64, there, history []uint8) {
	n := len(arpu)
	fee0, fee1, fee2, there, history = fee0[:n], fee1[:n], fee2[:n], there[:n], history[:n]
	for i := range n {
		mask := there[i] & history[i]
		k0, k1, k2 := int64(mask&1), int64(mask>>1&1), int64(mask>>2&1)
		sum := max(fee0[i]&-k0+fee1[i]&-k1+fee2[i]&-k2, 0)
		half := sum >> 1
		// All four quotients, so that the number of bills only picks one.
		quotient := [4]int64{NoBill, sum, half + sum&half&1, (sum + 1) / 3}
		arpu[i] = quotient[k0+k1+k2]
	}
}

// rank writes how many cut points are reached.
func rank(tier []uint8, arpu []int64, cut *[5]int64) {
	arpu = arpu[:len(tier)]
	for i := range tier {
		a := arpu[i]
		t := uint8(0)
		for _, c := range cut {
			// 1 when a ≥ c, from the sign of the difference.
			t += uint8(uint64(c-a-1) >> 63)
		}
		if a < 0 {
			t = NoTier
		}
		tier[i] = t
	}
}
