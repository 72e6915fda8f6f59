package rule

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// newSub marks new subscribers, those below so many full months on network, and
// classes all by their months.
type newSub struct{ months int16 }

// NewSubscriber returns the kernel of new_sub and tenure_class.
func NewSubscriber(rules job.Rules) kernel.Kernel { return newSub{int16(rules.NewSubMonths)} }

// classFrom are the full months from which a subscriber is of tenure_class 1 to 6.
var classFrom = [...]int16{0, 3, 6, 12, 24, 60}

func (newSub) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "rule.new_sub",
		In:   []kernel.Field{kernel.HistoryTenure},
		Out:  []kernel.Field{{Name: "new_sub", Type: arrow.PrimitiveTypes.Uint8}, {Name: "tenure_class", Type: arrow.PrimitiveTypes.Uint8}},
	}
}

func (k newSub) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		tenure := in[0].I16[lo:hi]
		var fewer, known lane.Mask
		lane.Less(&fewer, tenure, k.months)
		lane.Less(&known, tenure, 0) // -1
		known.Not(&known)
		var fresh lane.Truth
		fresh.Know(&fewer, &known)
		answer(out[0].U8[lo:hi], &fresh)
		class := out[1].U8[lo:hi]
		clear(class)
		for _, from := range classFrom {
			lane.Less(&fewer, tenure, from)
			fewer.Not(&fewer)
			lane.Count(class, &fewer)
		}
	}
}
