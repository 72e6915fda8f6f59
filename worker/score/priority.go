package score

import (
	"cmp"
	"fmt"
	"math"
	"slices"

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
// row i of the output still depends on row i of the input. It has no scratch and
// never writes the table again, so programs of several goroutines share it.
type priority struct {
	place []uint32 // by key: score, and class from bit 16 on
	pairs bool
	spec  kernel.Spec
}

// NewPriority returns the kernel of action_priority_score and action_priority.
// base counts the eligible subscribers of the whole base by what the policy ranks.
//
// The score is 1000 times the mid-rank of the amount, rounded half up: the share of
// the base whose amount is lower, and half of the share whose amount is equal. An
// amount of nothing scores 0. The class goes by the mid-rank from above: P1 where
// at most priority_cut_pct[0] percent of the base come first. An excluded subscriber
// has the score its amount would have in the base, and class X.
//
// Where two ranks are weighed, the score is 1000 times their weighed mean, 0 without
// anything to lose, and the class goes by the mid-rank of that mean.
func NewPriority(base *ecdf.Histogram, policy job.Policy) (kernel.Kernel, error) {
	in, pairs, err := rankedBy(base, policy)
	if err != nil {
		return nil, err
	}
	p := &priority{place: make([]uint32, base.Kind().Keys()), pairs: pairs}
	p.spec = kernel.Spec{
		Name: "score.priority", In: in,
		Out: []kernel.Field{{Name: "action_priority_score", Type: arrow.PrimitiveTypes.Uint16}, {Name: "action_priority", Type: arrow.PrimitiveTypes.Uint8}},
	}
	if pairs {
		p.weigh(base, policy)
		return p, nil
	}
	total := base.Total()
	before := int64(-1) // most bins are empty, and stand where the one before does
	base.Each(func(bin int, below, equal int64) {
		// In halves of a row, so that the middle of equal ones is a whole number.
		under, all := 2*below+equal, 2*total
		if bin > 1 && under == before {
			p.place[bin] = p.place[bin-1]
			return
		}
		before = under
		score := int64(0)
		if bin > 0 && total > 0 {
			score = (1000*under + total) / all
		}
		p.place[bin] = uint32(score) | uint32(classOf(under, all, policy))<<16
	})
	return p, nil
}

// rankedBy returns what a policy ranks a base by, and whether that is a pair of ranks.
func rankedBy(base *ecdf.Histogram, policy job.Policy) (in []kernel.Field, pairs bool, err error) {
	by := ecdf.NewRanking(policy)
	if by.Kind() != base.Kind() {
		return nil, false, fmt.Errorf("rank by %s: %w of that kind", policy.Priority, ecdf.ErrHistogram)
	}
	amount, pairs := "expected_loss_fen", by.Kind() == ecdf.Pairs
	switch {
	case pairs:
		amount = "arpu3_fen"
	case policy.Priority == "clv", policy.Priority == "uplift":
		amount = "priority_fen"
	}
	in = []kernel.Field{{Name: amount, Type: arrow.PrimitiveTypes.Int64}, {Name: "retain_decision", Type: arrow.PrimitiveTypes.Uint8}}
	if pairs {
		in = append(in, kernel.Field{Name: "propensity_score", Type: arrow.PrimitiveTypes.Uint16})
	}
	return in, pairs, nil
}

// classOf returns the class of who has under of all below.
func classOf(under, all int64, policy job.Policy) Priority {
	class := P4
	for k := len(policy.PriorityCutPct) - 1; k >= 0; k-- {
		if all > 0 && 100*float64(all-under) <= float64(policy.PriorityCutPct[k]*float64(all)) {
			class = P1 + Priority(k)
		}
	}
	return class
}

// weigh places the cells of a base of pairs. Cells nobody eligible is in have a
// score, and the last class: who is looked up there is excluded.
func (p *priority) weigh(base *ecdf.Histogram, policy job.Policy) {
	total := base.Total()
	eachCell(base, policy, func(c cell) {
		score := uint32(0)
		if total > 0 {
			score = uint32(math.Floor(1000*c.weighed/float64(2*total) + 0.5))
		}
		p.place[c.at] = score | uint32(P4)<<16
	})
	byWeight(base, policy, func(cells []cell, below, equal int64) {
		class := classOf(2*below+equal, 2*total, policy)
		for _, c := range cells {
			p.place[c.at] = p.place[c.at]&0xffff | uint32(class)<<16
		}
	})
}

// cell is one of a base of pairs.
type cell struct {
	weighed float64 // mean of the two ranks, in halves of a row
	at      int
	rows    int64
}

// eachCell visits all cells.
func eachCell(base *ecdf.Histogram, policy job.Policy, visit func(cell)) {
	base.Cells(func(at int, rows, byScore, byBill int64) {
		c := cell{at: at, rows: rows}
		if at%ecdf.BillBins > 0 {
			c.weighed = float64(policy.PriorityWeight*float64(byScore)) + float64((1-policy.PriorityWeight)*float64(byBill))
		}
		visit(c)
	})
}

// byWeight visits the cells that somebody is in, equal ones together and the
// lowest first, with the rows below them and in them.
func byWeight(base *ecdf.Histogram, policy job.Policy, visit func(cells []cell, below, equal int64)) {
	var there []cell
	eachCell(base, policy, func(c cell) {
		if c.rows > 0 {
			there = append(there, c)
		}
	})
	slices.SortFunc(there, func(a, b cell) int { return cmp.Compare(a.weighed, b.weighed) })
	var below int64
	for from := 0; from < len(there); {
		to, equal := from, int64(0)
		for to < len(there) && there[to].weighed == there[from].weighed {
			equal += there[to].rows
			to++
		}
		visit(there[from:to], below, equal)
		from, below = to, below+equal
	}
}

func (p *priority) Spec() kernel.Spec { return p.spec }

func (p *priority) Eval(n int, in, out []kernel.Vector) {
	score, class, amount, decision := out[0].U16[:n], out[1].U8[:n], in[0].I64, in[1].U8
	if !p.pairs {
		prioritize(score, class, amount, decision, (*[ecdf.Bins]uint32)(p.place))
		return
	}
	propensity := in[2].U16[:n]
	for i := range score {
		set(&score[i], &class[i], p.place[ecdf.Cell(propensity[i], amount[i])], amount[i], decision[i])
	}
}

func prioritize(score []uint16, class []uint8, amount []int64, decision []uint8, place *[ecdf.Bins]uint32) {
	n := len(score)
	class, amount, decision = class[:n], amount[:n], decision[:n]
	for i := range score {
		set(&score[i], &class[i], place[ecdf.Bin(amount[i])], amount[i], decision[i])
	}
}

// set writes a row's place, unless there is nothing to rank. Score and class stay in one
// word until the end, which is chosen without a jump: nobody foresees decisions.
func set(score *uint16, class *uint8, at uint32, amount int64, decision uint8) {
	if excluded := at&0xffff | uint32(Excluded)<<16; !ecdf.Eligible(decision) {
		at = excluded
	}
	if amount < 0 {
		at = NoScore | uint32(Unvalued)<<16
	}
	*score, *class = uint16(at), uint8(at>>16)
}
