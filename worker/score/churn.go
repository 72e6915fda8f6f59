package score

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// Stages of churn, as published. The risk bands of the first three are theirs:
// 2, 3, and 4 with 5.
const (
	early    = 1
	middle   = 2
	late     = 3
	complete = 4
)

// churning computes churn_stage (domain C18): how far leaving has come, which
// decides how a subscriber is treated (C12).
type churning struct {
	spec     kernel.Spec
	known, x lane.Mask
	stage    codes
}

// NewChurnStage returns the kernel of churn_stage.
func NewChurnStage() kernel.Kernel {
	c := &churning{}
	u8 := arrow.PrimitiveTypes.Uint8
	c.spec = kernel.Spec{
		Name: "score.churn_stage",
		In:   append(kernel.Columns("status", 0, 0), kernel.Field{Name: "risk_band", Type: u8}),
		Out:  []kernel.Field{{Name: "churn_stage", Type: u8}},
	}
	c.stage.bind(3)
	return c
}

func (c *churning) Spec() kernel.Spec { return c.spec }

func (c *churning) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		status, band := in[0].U8[lo:hi], in[1].U8[lo:hi]
		c.stage.begin()
		c.known.Valid(in[0].Valid, lo, hi-lo)
		for _, gone := range [2]uint8{cancelled, portedOut} {
			lane.Equal(&c.x, status, gone)
			c.x.And(&c.x, &c.known)
			c.stage.take(complete, &c.x)
		}
		lane.Equal(&c.x, band, 2)
		c.stage.take(early, &c.x)
		lane.Equal(&c.x, band, 3)
		c.stage.take(middle, &c.x)
		lane.Less(&c.x, band, 4)
		c.x.Not(&c.x)
		c.stage.take(late, &c.x)
		c.stage.write(out[0].U8[lo:hi])
	}
}
