package feature

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// Names of the single features.
const (
	outInRatio        = "out_in_ratio"
	daysToContractEnd = "days_to_contract_end"
	hasContract       = "has_contract"
	tenure            = "tenure"
	tenureBand        = "tenure_band"
	billShock         = "bill_shock"
)

// share computes out_in_ratio from two features.
type share struct {
	sum  [chunk]float64
	none lane.Mask
}

func (*share) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "feature.out_in_ratio",
		In:   []kernel.Field{field("out_sec_avg3"), field("in_sec_avg3")},
		Out:  []kernel.Field{field(outInRatio)},
	}
}

func (s *share) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += chunk {
		hi := min(lo+chunk, n)
		a, sum, dst := in[0].F64[lo:hi], s.sum[:hi-lo], out[0].F64[lo:hi]
		lane.Add(sum, a, in[1].F64[lo:hi])
		lane.Div(dst, a, sum)
		lane.Equal(&s.none, sum, 0)
		lane.Put(dst, &s.none, nan)
	}
}

// sumOf is a count over the newest months of a column.
type sumOf struct {
	name, column string
	months       int
}

var sums = []sumOf{
	{"suspend_cnt6", "suspend_cnt", 6}, {"complaint_cnt3", "complaint_cnt", 3}, {"fault_cnt3", "fault_cnt", 3},
}

// sum adds up the months that are there.
type sum struct {
	spec  kernel.Spec
	there presence
	none  lane.Mask
}

func newSum(of sumOf) *sum {
	s := &sum{there: newPresence(of.months)}
	s.spec = kernel.Spec{Name: "feature." + of.name, Out: []kernel.Field{field(of.name)}}
	s.spec.In = append(kernel.Columns(of.column, 0, of.months-1), kernel.History)
	return s
}

func (s *sum) Spec() kernel.Spec { return s.spec }

func (s *sum) Eval(n int, in, out []kernel.Vector) {
	history := in[len(s.there)].U8
	for lo := 0; lo < n; lo += chunk {
		hi := min(lo+chunk, n)
		s.there.read(history[lo:hi], in, lo, &s.none)
		total(out[0].F64[lo:hi], in, lo, s.there)
		s.none.Fill(true)
		for _, there := range s.there {
			s.none.AndNot(&s.none, there)
		}
		lane.Put(out[0].F64[lo:hi], &s.none, nan)
	}
}

// contract computes the two features of an agreement.
type contract struct {
	asof  int32
	known lane.Mask
}

func newContract(month int32) *contract { return &contract{asof: kernel.MonthEnd(month)} }

func (c *contract) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "feature.contract",
		In:   []kernel.Field{{Name: "contract_end", Type: arrow.FixedWidthTypes.Date32}},
		Out:  []kernel.Field{field(daysToContractEnd), field(hasContract)},
	}
}

func (c *contract) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += chunk {
		hi := min(lo+chunk, n)
		days := out[0].F64[lo:hi]
		c.known.Valid(in[0].Valid, lo, hi-lo)
		lane.Floats(days, &in[0], lo, &c.known, nan)
		lane.AddTo(days, days, -float64(c.asof))
		lane.Flag(out[1].F64[lo:hi], &c.known)
	}
}

// tenureKernel computes the two features of time on network.
type tenureKernel struct {
	bytes    [chunk]uint8
	known, m lane.Mask
}

func (*tenureKernel) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "feature.tenure",
		In:   []kernel.Field{kernel.HistoryTenure},
		Out:  []kernel.Field{field(tenure), field(tenureBand)},
	}
}

// bandTo are the full months with which bands 1 to 5 end.
var bandTo = [5]int16{2, 5, 11, 23, 59}

func (t *tenureKernel) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += chunk {
		hi := min(lo+chunk, n)
		full, band := in[0].I16[lo:hi], t.bytes[:hi-lo]
		lane.Less(&t.m, full, 0)
		t.known.Not(&t.m)
		lane.Float(out[0].F64[lo:hi], full, &t.known, nan)
		lane.Flag(band, &t.known)
		for _, last := range bandTo {
			lane.AtMost(&t.m, full, last)
			t.m.Not(&t.m)
			lane.Count(band, &t.m)
		}
		lane.Float(out[1].F64[lo:hi], band, &t.known, nan)
	}
}
