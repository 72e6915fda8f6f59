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
	spec          kernel.Spec
	cut           [3]int64
	there         []*lane.Mask // months that have a bill, newest first
	bills         [schema.Months][]int64
	known, any, x lane.Mask
	mean          [lane.Rows]float64
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
		lane.Unpack(g.there, in[1+schema.Months].U8[lo:hi])
		for k, there := range g.there {
			bill := &in[1+k]
			g.bills[k] = bill.I64[lo:hi]
			g.known.Valid(bill.Valid, lo, rows)
			there.And(there, &g.known)
		}
		// A sum is exact, and a quotient below a whole number of so few digits never rounds
		// up to it: a mean reaches a cut point where the exact one does.
		mean := g.mean[:rows]
		lane.Mean(mean, g.bills[:], g.there, 1)
		lane.Known(&g.any, mean)
		dst := out[0].U8[lo:hi]
		clear(dst)
		for _, c := range g.cut {
			lane.Less(&g.x, mean, float64(c))
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
