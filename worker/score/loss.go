package score

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
)

// loss computes expected_loss_fen (domain C10): what leaving would cost a month.
type loss struct{}

// NewLoss returns the kernel of expected_loss_fen, propensity times arpu3_fen
// rounded half to even, or -1 without a bill.
func NewLoss() kernel.Kernel { return loss{} }

func (loss) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "score.loss",
		In:   []kernel.Field{{Name: "propensity", Type: arrow.PrimitiveTypes.Float32}, {Name: "arpu3_fen", Type: arrow.PrimitiveTypes.Int64}},
		Out:  []kernel.Field{{Name: "expected_loss_fen", Type: arrow.PrimitiveTypes.Int64}},
	}
}

func (loss) Eval(n int, in, out []kernel.Vector) { expect(out[0].I64[:n], in[0].F32, in[1].I64) }

// expect works from the published propensity, so that a reader of the file can
// work it out again.
func expect(dst []int64, p []float32, arpu []int64) {
	p, arpu = p[:len(dst)], arpu[:len(dst)]
	for i := range dst {
		l := int64(math.RoundToEven(float64(p[i]) * float64(arpu[i])))
		if arpu[i] < 0 {
			l = NoBill
		}
		dst[i] = l
	}
}
