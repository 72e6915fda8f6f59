package score

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// offer looks the retention offer up in the policy's matrix (domain C12): the
// first line whose condition holds. A condition about which something is unknown
// does not hold, so that nobody is offered what is fenced off for others.
//
//	record, decision, cause … ─► conditions the matrix asks for, a mask each
//	                             └─► lines, from the first ─► offer, offer_line
//
// Only the columns of conditions that the matrix asks for are read.
type offer struct {
	spec  kernel.Spec
	conds []condition // each once
	held  []lane.Mask // by condition
	lines []int       // of each line its condition, in conds
	code  [64]uint8   // and its offer, from 1 on: 0 is no line; fewer conditions exist, and a policy has each once

	known, x    lane.Mask
	match       codes
	voice, roam [lane.Rows]int64
}

// condition is one thing a line can ask for.
type condition struct {
	fields []kernel.Field
	at     []int           // where fields are among the kernel's inputs
	in     []kernel.Vector // the fields of the batch, scratch
	// holds writes where the condition holds, of rows lo to hi-1.
	holds func(o *offer, dst *lane.Mask, in []kernel.Vector, lo, hi int)
}

// NewOffer returns the kernel of offer and offer_line. The policy must be valid:
// an offer or a condition that does not exist is a bug.
func NewOffer(policy job.Policy, rules job.Rules, month int32) kernel.Kernel {
	o := &offer{}
	u8 := arrow.PrimitiveTypes.Uint8
	o.spec = kernel.Spec{Name: "score.offer", Out: []kernel.Field{{Name: "offer", Type: u8}, {Name: "offer_line", Type: u8}}}
	known := conditions(policy, rules, month)
	at := make(map[string]int)
	for _, l := range policy.Offers {
		code, ok := schema.FindOffer(l.Offer)
		c, also := known[l.When]
		if !ok || !also {
			panic(fmt.Sprintf("score: no offer %q when %q", l.Offer, l.When))
		}
		i, seen := at[l.When]
		if !seen {
			i = len(o.conds)
			at[l.When] = i
			o.conds = append(o.conds, o.read(c))
		}
		o.lines = append(o.lines, i)
		o.code[len(o.lines)] = code.Value
	}
	o.held = make([]lane.Mask, len(o.conds))
	o.match.bind(bits.Len(uint(len(o.lines))))
	return o
}

// read finds a place among the inputs for a condition's fields.
func (o *offer) read(c condition) condition {
	for _, f := range c.fields {
		i := slices.Index(o.spec.In, f)
		if i < 0 {
			i = len(o.spec.In)
			o.spec.In = append(o.spec.In, f)
		}
		c.at = append(c.at, i)
	}
	c.in = make([]kernel.Vector, len(c.fields))
	return c
}

func (o *offer) Spec() kernel.Spec { return o.spec }

func (o *offer) Eval(n int, in, out []kernel.Vector) {
	for _, c := range o.conds {
		for j, i := range c.at {
			c.in[j] = in[i]
		}
	}
	for lo := 0; lo < n; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		for i, c := range o.conds {
			c.holds(o, &o.held[i], c.in, lo, hi)
		}
		o.match.begin()
		for i, cond := range o.lines {
			o.x = o.held[cond]
			o.match.take(uint8(i+1), &o.x)
		}
		offer, match := out[0].U8[lo:hi], out[1].U8[lo:hi]
		o.match.write(match)
		lane.Look(offer, match, &o.code)
	}
}
