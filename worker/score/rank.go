package score

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// Ranks lists the decisions in the order in which they are asked about: of all
// that apply the first is taken, and Retain, the last, when none does.
func Ranks() []Decision { return append(slices.Clone(byRank[:]), Retain) }

// ranks says which decisions apply to a row, not only which is taken. No job
// needs it; whoever explains a decision does.
type ranks struct {
	decision
	masks []*lane.Mask
}

// NewRanks returns the kernel of decision_ranks: bit r is set where Ranks()[r]
// applies. It is the decision's own kernel with another output.
func NewRanks(policy job.Policy) kernel.Kernel {
	r := &ranks{decision: *NewDecision(policy).(*decision)}
	r.spec.Name = "score.decision_ranks"
	r.spec.Out = []kernel.Field{{Name: "decision_ranks", Type: arrow.PrimitiveTypes.Uint16}}
	for i := range r.applies {
		r.masks = append(r.masks, &r.applies[i])
	}
	r.masks = append(r.masks, &r.all) // retaining always applies
	return r
}

func (r *ranks) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		r.find(in, lo, hi)
		lane.Pack(out[0].U16[lo:hi], r.masks)
	}
}
