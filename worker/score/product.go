package score

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// product computes product_band (domain C08): which services were used in m, a
// bit each. What is not known counts as not used.
type product struct {
	spec          kernel.Spec
	x, own, known lane.Mask
	used          [7]lane.Mask
	bits          []*lane.Mask
}

// NewProduct returns the kernel of product_band.
func NewProduct() kernel.Kernel {
	p := &product{}
	p.spec = kernel.Spec{
		Name: "score.product",
		In: append(slices.Concat(kernel.Columns("out_sec", 0, 0), kernel.Columns("in_sec", 0, 0), kernel.Columns("sms_cnt", 0, 0), kernel.Columns("data_kb", 0, 0),
			kernel.Columns("bb_flow_kb", 0, 0), kernel.Columns("roam_sec", 0, 0), kernel.Columns("elogin_cnt", 0, 0), kernel.Columns("group_id", 0, 0)), kernel.History),
		Out: []kernel.Field{{Name: "product_band", Type: arrow.PrimitiveTypes.Uint8}},
	}
	for i := range p.used {
		p.bits = append(p.bits, &p.used[i])
	}
	return p
}

func (p *product) Spec() kernel.Spec { return p.spec }

func (p *product) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		lane.Bit(&p.own, in[8].U8[lo:hi], 0)
		voice := &p.used[0]
		some(p, voice, in[0].I64[lo:hi], &in[0], lo)
		some(p, &p.used[1], in[1].I64[lo:hi], &in[1], lo)
		voice.Or(voice, &p.used[1])
		some(p, &p.used[1], in[2].I32[lo:hi], &in[2], lo)
		for i := 2; i < 5; i++ { // data, broadband, roaming
			some(p, &p.used[i], in[i+1].I64[lo:hi], &in[i+1], lo)
		}
		some(p, &p.used[5], in[6].I16[lo:hi], &in[6], lo)
		p.own.Fill(true) // membership is no month's
		some(p, &p.used[6], in[7].U64[lo:hi], &in[7], lo)
		lane.Pack(out[0].U8[lo:hi], p.bits)
	}
}

// some sets dst where x, the chunk of v from lo on, is above 0 and the
// subscriber's own.
func some[T lane.Integer](p *product, dst *lane.Mask, x []T, v *kernel.Vector, lo int) {
	p.known.Valid(v.Valid, lo, len(x))
	p.known.And(&p.known, &p.own)
	lane.AtMost(&p.x, x, 0)
	dst.AndNot(&p.known, &p.x)
}
