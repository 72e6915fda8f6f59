package feature

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
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
type share struct{}

func (share) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "feature.out_in_ratio",
		In:   []kernel.Field{field("out_sec_avg3"), field("in_sec_avg3")},
		Out:  []kernel.Field{field(outInRatio)},
	}
}

func (share) Eval(n int, in, out []kernel.Vector) { divide(out[0].F64[:n], in[0].F64, in[1].F64) }

func divide(out, a, b []float64) {
	a, b = a[:len(out)], b[:len(out)]
	for i := range out {
		sum := a[i] + b[i]
		q := a[i] / sum
		if sum == 0 {
			q = nan
		}
		out[i] = q
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
	chunk int
	known []uint8
	there []uint8
	total []int32
}

func newSum(of sumOf, batchRows int) *sum {
	column, ok := schema.Find(schema.Subscriber, of.column)
	if !ok {
		panic("feature: no canonical column " + of.column)
	}
	s := &sum{chunk: min(batchRows, kernel.ChunkRows)}
	s.spec = kernel.Spec{Name: "feature." + of.name, Out: []kernel.Field{field(of.name)}}
	for k := range of.months {
		s.spec.In = append(s.spec.In, kernel.Field{Name: column.At(k), Type: column.Type})
	}
	s.spec.In = append(s.spec.In, kernel.History)
	s.known, s.there, s.total = make([]uint8, s.chunk), make([]uint8, s.chunk), make([]int32, s.chunk)
	return s
}

func (s *sum) Spec() kernel.Spec { return s.spec }

func (s *sum) Eval(n int, in, out []kernel.Vector) {
	months := len(in) - 1
	history := in[months].U8[:n]
	for lo := 0; lo < n; lo += s.chunk {
		hi := min(lo+s.chunk, n)
		clear(s.there)
		clear(s.total)
		for k := range months {
			in[k].Valid.From(lo).Bytes(s.known, hi-lo)
			add(s.total, s.there, in[k].I16[lo:hi], s.known, history[lo:hi], uint(k))
		}
		finish(out[0].F64[lo:hi], s.total, s.there)
	}
}

// add adds month k where it is known and not before activation.
func add(total []int32, there []uint8, x []int16, known, history []uint8, k uint) {
	n := len(x)
	total, there, known, history = total[:n], there[:n], known[:n], history[:n]
	for i := range n {
		use := known[i] & (history[i] >> k) & 1
		total[i] += int32(x[i] & -int16(use))
		there[i] |= use
	}
}

func finish(out []float64, total []int32, there []uint8) {
	total, there = total[:len(out)], there[:len(out)]
	for i := range out {
		out[i] = float64(total[i]) + newest[there[i]&63]
	}
}

// contract computes the two features of an agreement.
type contract struct {
	asof  int32
	chunk int
	known []uint8
}

func newContract(month int32, batchRows int) *contract {
	chunk := min(batchRows, kernel.ChunkRows)
	return &contract{asof: kernel.MonthEnd(month), chunk: chunk, known: make([]uint8, chunk)}
}

func (c *contract) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "feature.contract",
		In:   []kernel.Field{{Name: "contract_end", Type: arrow.FixedWidthTypes.Date32}},
		Out:  []kernel.Field{field(daysToContractEnd), field(hasContract)},
	}
}

func (c *contract) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += c.chunk {
		hi := min(lo+c.chunk, n)
		in[0].Valid.From(lo).Bytes(c.known, hi-lo)
		remaining(out[0].F64[lo:hi], out[1].F64[lo:hi], in[0].I32[lo:hi], c.known, c.asof)
	}
}

func remaining(days, has []float64, end []int32, known []uint8, asof int32) {
	n := len(days)
	has, end, known = has[:n], end[:n], known[:n]
	for i := range n {
		days[i] = float64(int64(end[i])-int64(asof)) + newest[known[i]&63]
		has[i] = float64(known[i])
	}
}

// tenureKernel computes the two features of time on network.
type tenureKernel struct{}

func (tenureKernel) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "feature.tenure",
		In:   []kernel.Field{kernel.HistoryTenure},
		Out:  []kernel.Field{field(tenure), field(tenureBand)},
	}
}

func (tenureKernel) Eval(n int, in, out []kernel.Vector) {
	banded(out[0].F64[:n], out[1].F64[:n], in[0].I16)
}

// bandFrom are the full months at which bands 2 to 6 begin.
var bandFrom = [5]int16{3, 6, 12, 24, 60}

func banded(months, band []float64, full []int16) {
	n := len(months)
	band, full = band[:n], full[:n]
	for i := range n {
		t := full[i]
		b := 1
		for _, from := range bandFrom {
			// 1 when t ≥ from, from the sign of the difference
			b += int(uint32(int32(from)-int32(t)-1) >> 31)
		}
		unknown := newest[^uint8(uint16(t)>>15)&1]
		months[i] = float64(t) + unknown
		band[i] = float64(b) + unknown
	}
}

// shock computes bill_shock, in integers.
type shock struct {
	percent int64
	fen     int64
	w       [schema.Months]int64
	chunk   int
	there   []uint8
}

func newShock(rules job.Rules, month int32, batchRows int) *shock {
	s := &shock{percent: rules.BillShockPct, fen: rules.BillShockFen, w: raw(), chunk: min(batchRows, kernel.ChunkRows)}
	if rules.FeeNormaliseDays {
		s.w = perDay(month)
	}
	s.there = make([]uint8, s.chunk)
	return s
}

func (s *shock) Spec() kernel.Spec {
	fee, _ := schema.Find(schema.Subscriber, "fee")
	spec := kernel.Spec{Name: "feature.bill_shock", Out: []kernel.Field{field(billShock)}}
	for k := range 4 {
		spec.In = append(spec.In, kernel.Field{Name: fee.At(k), Type: fee.Type})
	}
	spec.In = append(spec.In, kernel.HistoryCompare)
	return spec
}

func (s *shock) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += s.chunk {
		hi := min(lo+s.chunk, n)
		clear(s.there)
		for k := range 4 {
			in[k].Valid.From(lo).Mask(s.there, hi-lo, uint(k))
		}
		s.jump(out[0].F64[lo:hi], in[0].I64[lo:hi], in[1].I64[lo:hi], in[2].I64[lo:hi], in[3].I64[lo:hi], in[4].U8[lo:hi])
	}
}

// jump writes 1 where the bill is at least percent of the mean of the three
// before it and at least fen above it. With per-day factors both sides are in
// L-ths of a fen a day, and fen is that of the scoring month.
func (s *shock) jump(out []float64, now, b1, b2, b3 []int64, compare []uint8) {
	n := len(out)
	now, b1, b2, b3, compare = now[:n], b1[:n], b2[:n], b3[:n], compare[:n]
	there := s.there[:n]
	w0, w1, w2, w3, percent, fen := s.w[0], s.w[1], s.w[2], s.w[3], s.percent, s.fen*s.w[0]
	for i := range out {
		mask := there[i] & compare[i] & 15
		k1, k2, k3 := int64(mask>>1&1), int64(mask>>2&1), int64(mask>>3&1)
		months := k1 + k2 + k3
		base := w1*(b1[i]&-k1) + w2*(b2[i]&-k2) + w3*(b3[i]&-k3)
		fee := w0 * now[i] * months
		// Both differences are at least zero when their sign bits are clear.
		short := uint64(100*fee-percent*base) | uint64(fee-base-fen*months)
		out[i] = float64(1-short>>63) + mean3[mask>>1]*0 + newest[mask]
	}
}
