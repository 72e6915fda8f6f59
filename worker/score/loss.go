package score

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// loss computes expected_loss_fen (domain C10): what leaving would cost a month.
type loss struct {
	all, m lane.Mask
	x, p   [lane.Rows]float64
}

// NewLoss returns the kernel of expected_loss_fen, propensity times arpu3_fen
// rounded half to even, or -1 without a bill. It works from the published
// propensity, so that a reader of the file can work it out again.
func NewLoss() kernel.Kernel {
	l := new(loss)
	l.all.Fill(true)
	return l
}

func (*loss) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "score.loss",
		In:   []kernel.Field{{Name: "propensity", Type: arrow.PrimitiveTypes.Float32}, {Name: "arpu3_fen", Type: arrow.PrimitiveTypes.Int64}},
		Out:  []kernel.Field{{Name: "expected_loss_fen", Type: arrow.PrimitiveTypes.Int64}},
	}
}

func (l *loss) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		arpu, dst := in[1].I64[lo:hi], out[0].I64[lo:hi]
		x, p := l.x[:hi-lo], l.p[:hi-lo]
		lane.Widen(p, in[0].F32[lo:hi])
		lane.Float(x, arpu, &l.all, 0)
		lane.Mul(x, x, p)
		lane.Round(dst, x)
		lane.Less(&l.m, arpu, 0)
		lane.Put(dst, &l.m, NoBill)
	}
}
