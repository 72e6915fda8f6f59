package score

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/worker/kernel"
)

// amount computes what a subscriber is ranked by where it is neither the expected
// loss nor two ranks (domain §11, 17): an amount of the select stage alone.
type amount struct {
	by   *ecdf.Ranking
	spec kernel.Spec
}

// NewAmount returns the kernel of priority_fen, the clv or the uplift of a
// subscriber as ecdf.Ranking has them, or -1 without a bill. A program of another
// priority leaves it out.
func NewAmount(policy job.Policy) kernel.Kernel {
	class := "tenure_class"
	if policy.Priority == "uplift" {
		class = "risk_band"
	}
	return &amount{by: ecdf.NewRanking(policy), spec: kernel.Spec{
		Name: "score.amount",
		In:   []kernel.Field{{Name: "propensity", Type: arrow.PrimitiveTypes.Float32}, {Name: "arpu3_fen", Type: arrow.PrimitiveTypes.Int64}, {Name: class, Type: arrow.PrimitiveTypes.Uint8}},
		Out:  []kernel.Field{{Name: "priority_fen", Type: arrow.PrimitiveTypes.Int64}},
	}}
}

func (a *amount) Spec() kernel.Spec { return a.spec }

func (a *amount) Eval(n int, in, out []kernel.Vector) {
	propensity, bill, class, dst := in[0].F32[:n], in[1].I64[:n], in[2].U8[:n], out[0].I64[:n]
	for i := range dst {
		dst[i] = a.by.Amount(&ecdf.Row{Propensity: propensity[i], BillFen: bill[i], RiskBand: class[i], TenureClass: class[i]})
	}
}
