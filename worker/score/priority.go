package score

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/worker/kernel"
)

// Priority is how soon to act, the value of action_priority. The numbers are
// written to disk.
type Priority = uint8

// Priorities.
const (
	Unvalued Priority = 0 // no bill in three months: nothing to rank
	P1       Priority = 1 // top 1 % of the eligible base, by default
	P2       Priority = 2 // next 4 %
	P3       Priority = 3 // next 15 %
	P4       Priority = 4 // the rest
	Excluded Priority = 5 // X: the decision is neither RETAIN nor HOLDOUT
)

// NoScore is the action_priority_score of a subscriber without a bill in three
// months.
const NoScore = 65535

// priority computes action_priority_score and action_priority (domain C10). It
// is the one kernel that knows the whole base, and knows it by a table alone:
// row i of the output still depends on row i of the input.
type priority struct {
	place [ecdf.Bins]uint32 // by bin of the loss: score, and class from bit 16 on
}

// NewPriority returns the kernel of action_priority_score and action_priority.
// base counts the expected losses of the eligible subscribers of the whole base.
//
// The score is 1000 times the mid-rank of the loss, rounded half up: the share of
// the base whose loss is lower, and half of the share whose loss is equal. A loss
// of nothing scores 0. The class goes by the mid-rank from above: P1 where at most
// priority_cut_pct[0] percent of the base come first. An excluded subscriber has
// the score its loss would have in the base, and class X.
func NewPriority(base *ecdf.Histogram, policy job.Policy) kernel.Kernel {
	p := new(priority)
	total := base.Total()
	base.Each(func(bin int, below, equal int64) {
		// In halves of a row, so that the middle of equal ones is a whole number.
		under, all := 2*below+equal, 2*total
		score, class := int64(0), P4
		if bin > 0 && total > 0 {
			score = (1000*under + total) / all
		}
		for k := len(policy.PriorityCutPct) - 1; k >= 0; k-- {
			if total > 0 && 100*float64(all-under) <= float64(policy.PriorityCutPct[k]*float64(all)) {
				class = P1 + Priority(k)
			}
		}
		p.place[bin] = uint32(score) | uint32(class)<<16
	})
	return p
}

func (*priority) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "score.priority",
		In:   []kernel.Field{{Name: "expected_loss_fen", Type: arrow.PrimitiveTypes.Int64}, {Name: "retain_decision", Type: arrow.PrimitiveTypes.Uint8}},
		Out:  []kernel.Field{{Name: "action_priority_score", Type: arrow.PrimitiveTypes.Uint16}, {Name: "action_priority", Type: arrow.PrimitiveTypes.Uint8}},
	}
}

func (p *priority) Eval(n int, in, out []kernel.Vector) {
	prioritize(out[0].U16[:n], out[1].U8[:n], in[0].I64, in[1].U8, &p.place)
}

func prioritize(score []uint16, class []uint8, loss []int64, decision []uint8, place *[ecdf.Bins]uint32) {
	n := len(score)
	class, loss, decision = class[:n], loss[:n], decision[:n]
	for i := range score {
		at := place[ecdf.Bin(loss[i])]
		s, c := uint16(at), uint8(at>>16)
		if !ecdf.Eligible(decision[i]) {
			c = Excluded
		}
		if loss[i] < 0 {
			s, c = NoScore, Unvalued
		}
		score[i], class[i] = s, c
	}
}
