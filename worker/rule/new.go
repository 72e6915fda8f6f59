package rule

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/kernel"
)

// newSub marks new subscribers: 1 below so many full months, 2 tenure unknown.
type newSub struct{ months int16 }

// NewSubscriber returns the kernel of new_sub.
func NewSubscriber(rules job.Rules) kernel.Kernel { return newSub{int16(rules.NewSubMonths)} }

func (newSub) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "rule.new_sub",
		In:   []kernel.Field{kernel.HistoryTenure},
		Out:  []kernel.Field{{Name: "new_sub", Type: arrow.PrimitiveTypes.Uint8}},
	}
}

func (k newSub) Eval(n int, in, out []kernel.Vector) { fresh(out[0].U8[:n], in[0].I16, k.months) }

func fresh(dst []uint8, tenure []int16, months int16) {
	tenure = tenure[:len(dst)]
	for i := range dst {
		// Unknown is -1, below any number of months: 1 + 1.
		dst[i] = uint8(when(tenure[i] < months) + when(tenure[i] < 0))
	}
}
