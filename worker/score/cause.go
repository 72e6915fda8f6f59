package score

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// Causes of churn (domain C24), as published. What is evidence of cause c sets
// bit c-1 of cause_evidence.
const (
	competitor       = 1
	service          = 2
	natural          = 3
	integrity        = 4
	price            = 5
	network          = 6
	multiSIM         = 8
	internalTransfer = 9
	arrears          = 10
	contractEnd      = 11
	unknownCause     = 12
)

// byDirectness orders the causes: of those with evidence, the first is taken.
// What was seen to happen comes before what the customer said, that before what
// may have driven them, and a date or a debt, which many have who stay, last.
// Product lag has no evidence: only a person finds it.
var byDirectness = [...]uint8{
	internalTransfer, multiSIM, // the handset is seen at work with another number
	natural,            // the house comes down, or the line cannot follow
	integrity, service, // a complaint that ended badly: their own words
	network,     // faults, or complaints of them
	competitor,  // where they turn to, rather than why
	price,       // a bill that jumped, or complaints of the tariff
	contractEnd, // an opportunity
	arrears,     // as often a consequence
}

// Bits of complaint_tags, and of trg_fired, that are evidence.
const (
	tariffTag  = 0
	networkTag = 1
	billingTag = 3
	serviceTag = 4 // value-added services, SP

	t4, t7, t8, t9, t10, t11, t12, t13 = 3, 6, 7, 8, 9, 10, 11, 12
)

// cause attributes churn to a cause (domain C24). A cause that a person
// confirmed stands, unless that person found none. Where there is no evidence,
// whoever is warned or at risk has the cause UNKNOWN, and nobody has asked about
// the others: 0.
type cause struct {
	spec        kernel.Spec
	evidence    [11]lane.Mask
	bits        []*lane.Mask
	known, x, y lane.Mask
	found       codes
}

// NewCause returns the kernel of cause and cause_evidence.
func NewCause() kernel.Kernel {
	c := &cause{}
	u8, u16 := arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16
	c.spec = kernel.Spec{
		Name: "score.cause",
		In: append(slices.Concat(kernel.Columns("complaint_tags", 0, 0), kernel.Columns("silent_class", 0, 0), kernel.Columns("cause_confirmed", 0, 0)),
			kernel.Field{Name: "trg_fired", Type: u16}, kernel.Field{Name: "bill_shock", Type: arrow.PrimitiveTypes.Float64}, kernel.Field{Name: "churn_stage", Type: u8}),
		Out: []kernel.Field{{Name: "cause", Type: u8}, {Name: "cause_evidence", Type: u16}},
	}
	for i := range c.evidence {
		c.bits = append(c.bits, &c.evidence[i])
	}
	c.found.bind(4)
	return c
}

func (c *cause) Spec() kernel.Spec { return c.spec }

func (c *cause) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		fired := in[3].U16[lo:hi]
		c.gather(in, fired, lo, hi)
		lane.Pack(out[1].U16[lo:hi], c.bits)

		c.found.begin()
		for _, code := range byDirectness {
			c.x = c.evidence[code-1]
			c.found.take(code, &c.x)
		}
		lane.Equal(&c.x, fired, 0)
		lane.Equal(&c.y, in[5].U8[lo:hi], 0)
		c.x.And(&c.x, &c.y)
		c.x.Not(&c.x)
		c.found.take(unknownCause, &c.x)
		dst := out[0].U8[lo:hi]
		c.found.write(dst)

		confirmed := in[2].U8[lo:hi]
		c.known.Valid(in[2].Valid, lo, hi-lo)
		lane.Equal(&c.x, confirmed, 0)
		c.known.AndNot(&c.known, &c.x)
		lane.Less(&c.x, confirmed, unknownCause)
		c.known.And(&c.known, &c.x)
		lane.Select(dst, &c.known, confirmed, dst)
	}
}

// gather collects the evidence.
func (c *cause) gather(in []kernel.Vector, fired []uint16, lo, hi int) {
	of := func(code int) *lane.Mask { return &c.evidence[code-1] }
	trigger := func(code int, bits ...uint) {
		lane.Bit(of(code), fired, bits[0])
		for _, b := range bits[1:] {
			lane.Bit(&c.x, fired, b)
			of(code).Or(of(code), &c.x)
		}
	}
	trigger(competitor, t7, t12)
	trigger(natural, t10, t13)
	trigger(network, t8)
	trigger(arrears, t4)
	trigger(contractEnd, t11)
	trigger(service, t9)

	tags := in[0].U8[lo:hi]
	c.known.Valid(in[0].Valid, lo, hi-lo)
	tagged := func(dst *lane.Mask, tag uint) {
		lane.Bit(dst, tags, tag)
		dst.And(dst, &c.known)
	}
	tagged(&c.x, networkTag)
	of(network).Or(of(network), &c.x)
	// A complaint that ended badly is about money where it was about the bill or
	// what was charged for unasked, and about the service otherwise.
	tagged(&c.x, billingTag)
	tagged(&c.y, serviceTag)
	c.x.Or(&c.x, &c.y)
	of(integrity).And(of(service), &c.x)
	of(service).AndNot(of(service), &c.x)
	lane.Equal(of(price), in[4].F64[lo:hi], 1)
	tagged(&c.x, tariffTag)
	of(price).Or(of(price), &c.x)

	class := in[1].U8[lo:hi]
	c.known.Valid(in[1].Valid, lo, hi-lo)
	for silent, code := range [...]int{1: multiSIM, 2: internalTransfer} {
		if code != 0 {
			lane.Equal(of(code), class, uint8(silent))
			of(code).And(of(code), &c.known)
		}
	}
}
