package rule

import (
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// Triggers is how many early-warning triggers there are.
const Triggers = 14

// BitName is the feature that says whether trigger t (1 to 14) fired.
func BitName(t int) string { return fmt.Sprintf("trg_%d", t) }

// Bit makes one trigger a model feature: 1 fired, 0 not, NaN unknown.
type Bit struct {
	trigger int
}

// NewBit returns the kernel for trigger t, 1 to 14.
func NewBit(t int) *Bit { return &Bit{trigger: t} }

// Spec implements kernel.Kernel.
func (b *Bit) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "rule.bit",
		In: []kernel.Field{
			{Name: "trg_fired", Type: arrow.PrimitiveTypes.Uint16},
			{Name: "trg_unknown", Type: arrow.PrimitiveTypes.Uint16},
		},
		Out: []kernel.Field{{Name: BitName(b.trigger), Type: arrow.PrimitiveTypes.Float64}},
	}
}

// Eval implements kernel.Kernel.
func (b *Bit) Eval(n int, in, out []kernel.Vector) {
	bit := uint(b.trigger - 1)
	for lo := 0; lo < n; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		var fired, unknown lane.Mask
		lane.Bit(&fired, in[0].U16[lo:hi], bit)
		lane.Bit(&unknown, in[1].U16[lo:hi], bit)
		dst := out[0].F64[lo:hi]
		lane.Flag(dst, &fired)
		lane.Put(dst, &unknown, math.NaN())
	}
}
