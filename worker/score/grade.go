package score

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// diamond is the highest vip_grade; a code above it is no grade.
const diamond = 3

// vip computes the VIP grade (domain C08): the record's where it has one, and
// elsewhere the cut points that the mean bill of the window reaches. A month
// that is missing, or before activation, does not count, and without any month
// there is no grade.
type vip struct {
	spec            kernel.Spec
	cut             [3]int64
	there           []*lane.Mask // months, newest first
	known, any, x   lane.Mask
	months          [lane.Rows]uint8
	sum, count, all [lane.Rows]float64
}

// NewGrade returns the kernel of grade.
func NewGrade(policy job.Policy) kernel.Kernel {
	g := &vip{cut: policy.VIPGradeFen, there: masks(schema.Months)}
	g.spec = kernel.Spec{
		Name: "score.grade",
		In:   append(append(kernel.Columns("vip_grade", 0, 0), kernel.Columns("fee", 0, schema.Months-1)...), kernel.History),
		Out:  []kernel.Field{{Name: "grade", Type: arrow.PrimitiveTypes.Uint8}},
	}
	return g
}

func (g *vip) Spec() kernel.Spec { return g.spec }

func (g *vip) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		rows := hi - lo
		months, sum := g.months[:rows], g.sum[:rows]
		clear(months)
		clear(sum)
		g.any.Fill(false)
		lane.Unpack(g.there, in[1+schema.Months].U8[lo:hi])
		for k, there := range g.there {
			bill := &in[1+k]
			g.known.Valid(bill.Valid, lo, rows)
			g.known.And(&g.known, there)
			g.any.Or(&g.any, &g.known)
			lane.Count(months, &g.known)
			lane.AddFloat(sum, bill.I64[lo:hi], &g.known) // exact
		}

		// A mean of at least c is a sum of at least c for each month.
		dst, count, least := out[0].U8[lo:hi], g.count[:rows], g.all[:rows]
		lane.Float(count, months, &g.any, 0)
		clear(dst)
		for _, c := range g.cut {
			lane.Scale(least, count, float64(c))
			lane.LessThan(&g.x, sum, least)
			g.x.AndNot(&g.any, &g.x)
			lane.Count(dst, &g.x)
		}

		recorded := in[0].U8[lo:hi]
		g.known.Valid(in[0].Valid, lo, rows)
		lane.Equal(&g.x, recorded, 0)
		g.known.AndNot(&g.known, &g.x)
		lane.AtMost(&g.x, recorded, diamond)
		g.known.And(&g.known, &g.x)
		lane.Select(dst, &g.known, recorded, dst)
	}
}
