package score

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/worker/kernel"
)

// Shortlisted is the column of NewShortlist. It is not published.
const Shortlisted = "shortlisted"

// shortlist computes who is worth an exact answer: 1 for the highest places of the
// base, 0 for all others. Like priority it knows the base by a table alone, has no
// scratch, and is shared.
type shortlist struct {
	spec   kernel.Spec
	within []bool // by key
	pairs  bool
	retain bool // of those within, only whom the decision is to retain
}

// NewShortlist returns the kernel of Shortlisted. base is that of NewPriority.
//
// A subscriber of the base is within the budget when at most exact_pct percent of
// the base have its key or a higher one. Equal ones are in or out together, so
// that the budget is kept whatever the partitions.
func NewShortlist(base *ecdf.Histogram, policy job.Policy, asked job.Explanation) (kernel.Kernel, error) {
	in, pairs, err := rankedBy(base, policy)
	if err != nil {
		return nil, err
	}
	s := &shortlist{within: make([]bool, base.Kind().Keys()), pairs: pairs, retain: asked.Exact == "contact"}
	s.spec = kernel.Spec{Name: "score.shortlist", In: in, Out: []kernel.Field{{Name: Shortlisted, Type: arrow.PrimitiveTypes.Uint8}}}
	if !asked.Exactly() {
		return s, nil // nobody is
	}
	total := base.Total()
	within := func(below int64) bool { return 100*float64(total-below) <= float64(asked.ExactPct*float64(total)) }
	if s.pairs {
		byWeight(base, policy, func(cells []cell, below, _ int64) {
			for _, c := range cells {
				s.within[c.at] = within(below)
			}
		})
	} else {
		base.Each(func(bin int, below, _ int64) { s.within[bin] = within(below) })
	}
	return s, nil
}

// Spec implements kernel.Kernel.
func (s *shortlist) Spec() kernel.Spec { return s.spec }

// Eval implements kernel.Kernel.
func (s *shortlist) Eval(n int, in, out []kernel.Vector) {
	list, amount, decision := out[0].U8[:n], in[0].I64[:n], in[1].U8[:n]
	for i := range list {
		list[i] = 0
		if amount[i] < 0 || !ecdf.Eligible(decision[i]) || s.retain && decision[i] != Retain {
			continue
		}
		key := 0
		if s.pairs {
			key = ecdf.Cell(in[2].U16[i], amount[i])
		} else {
			key = ecdf.Bin(amount[i])
		}
		if s.within[key] {
			list[i] = 1
		}
	}
}
