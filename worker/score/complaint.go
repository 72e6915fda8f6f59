package score

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// topics is how many topics a complaint can have, the bits of complaint_tags.
const topics = 6

// complaint reduces the tags of complaints to one topic, and says whether they
// were justified (domain C23). The topics stand in the order of their bits: of
// several, the lowest is published.
type complaint struct {
	spec      kernel.Spec
	known, x  lane.Mask
	topic     codes
	justified codes
}

// NewComplaint returns the kernel of complaint_topic and justified.
func NewComplaint() kernel.Kernel {
	c := &complaint{}
	u8 := arrow.PrimitiveTypes.Uint8
	c.spec = kernel.Spec{
		Name: "score.complaint",
		In:   append(kernel.Columns("complaint_tags", 0, 0), kernel.Columns("complaint_justified", 0, 0)...),
		Out:  []kernel.Field{{Name: "complaint_topic", Type: u8}, {Name: "justified", Type: u8}},
	}
	c.topic.bind(3)
	c.justified.bind(2)
	return c
}

func (c *complaint) Spec() kernel.Spec { return c.spec }

func (c *complaint) Eval(n int, in, out []kernel.Vector) {
	const yes, unknown = 1, 2
	for lo := 0; lo < n; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		c.topic.begin()
		c.known.Valid(in[0].Valid, lo, hi-lo)
		c.topic.left.And(&c.topic.left, &c.known)
		for k := range topics {
			lane.Bit(&c.x, in[0].U8[lo:hi], uint(k))
			c.topic.take(uint8(k+1), &c.x)
		}
		c.topic.write(out[0].U8[lo:hi])

		verdict := in[1].U8[lo:hi]
		c.justified.begin()
		c.known.Valid(in[1].Valid, lo, hi-lo)
		lane.Equal(&c.x, verdict, yes)
		c.x.And(&c.x, &c.known)
		c.justified.take(yes, &c.x)
		lane.AtMost(&c.x, verdict, yes)
		c.x.And(&c.x, &c.known)
		c.x.Not(&c.x)
		c.justified.take(unknown, &c.x)
		c.justified.write(out[1].U8[lo:hi])
	}
}
