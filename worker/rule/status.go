package rule

import (
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/schema"
	"rescore/worker/kernel"
)

// status works out silence and the account's state (domain C05). A month's
// calls are those in and out; a month before activation is unknown.
type status struct {
	spec    kernel.Spec
	chunk   int
	month   [8]int32 // yyyymm of m-k; 0 from index 6
	calls   traffic
	quiet   []uint8 // bit k: no call in m-k
	active  []uint8 // bit k: a call in m-k
	other   traffic // messages and data of m
	known   []uint8
	state   []uint8
	pay     []uint8
	arrears []uint8 // 1: known to be above 0
}

// NewStatus returns the kernel of silent, silent_any, recent_silent,
// silent_run, last_active_month and account_state.
func NewStatus(month int32, batchRows int) kernel.Kernel {
	s := &status{chunk: min(batchRows, kernel.ChunkRows)}
	for k := range schema.Months {
		s.month[k] = kernel.MonthAdd(month, -k)
	}
	s.calls, s.other = newTraffic(s.chunk), newTraffic(s.chunk)
	for _, b := range []*[]uint8{&s.quiet, &s.active, &s.known, &s.state, &s.pay, &s.arrears} {
		*b = make([]uint8, s.chunk)
	}
	s.spec.Name = "rule.status"
	for _, column := range []struct {
		name   string
		months int
	}{{"out_cnt", 6}, {"in_cnt", 6}, {"sms_cnt", 1}, {"data_kb", 1}, {"status", 1}, {"pay_mode", 1}, {"arrears_fen", 1}} {
		c, ok := schema.Find(schema.Subscriber, column.name)
		if !ok {
			panic("rule: no canonical column " + column.name)
		}
		for _, flat := range c.Names()[:column.months] {
			s.spec.In = append(s.spec.In, kernel.Field{Name: flat, Type: c.Type})
		}
	}
	s.spec.In = append(s.spec.In, kernel.History)
	u8 := arrow.PrimitiveTypes.Uint8
	s.spec.Out = []kernel.Field{
		{Name: "silent", Type: u8}, {Name: "silent_any", Type: u8}, {Name: "recent_silent", Type: u8},
		{Name: "silent_run", Type: arrow.PrimitiveTypes.Int8}, {Name: "last_active_month", Type: arrow.PrimitiveTypes.Int32},
		{Name: "account_state", Type: u8},
	}
	return s
}

func (s *status) Spec() kernel.Spec { return s.spec }

func (s *status) Eval(n int, in, out []kernel.Vector) {
	const (
		sms      = 2 * schema.Months
		data     = sms + 1
		state    = sms + 2
		pay      = sms + 3
		arrears  = sms + 4
		history  = sms + 5
		incoming = schema.Months
	)
	for lo := 0; lo < n; lo += s.chunk {
		hi := min(lo+s.chunk, n)
		rows := hi - lo
		known := func(column int) []uint8 {
			in[column].Valid.From(lo).Bytes(s.known, rows)
			return s.known[:rows]
		}
		clear(s.quiet)
		clear(s.active)
		for k := range schema.Months {
			o, i := &in[k], &in[incoming+k]
			two(&s.calls, o.I32, i.I32, o.Valid, i.Valid, lo, rows)
			gather(s.quiet[:rows], s.active, &s.calls, uint(k))
		}
		two(&s.other, in[sms].I32, in[data].I64, in[sms].Valid, in[data].Valid, lo, rows)
		silence(s.quiet[:rows], s.active, in[history].U8[lo:hi], &s.other, &s.month,
			out[0].U8[lo:hi], out[1].U8[lo:hi], out[2].U8[lo:hi], out[3].I8[lo:hi], out[4].I32[lo:hi])
		kernel.OrZero(s.state[:rows], in[state].U8[lo:hi], known(state))
		kernel.OrZero(s.pay[:rows], in[pay].U8[lo:hi], known(pay))
		account(out[5].U8[lo:hi], s.state, s.pay, in[arrears].I64[lo:hi], known(arrears))
	}
}

// gather moves month k's verdict into the bits of a row.
func gather(quiet, active []uint8, month *traffic, k uint) {
	n := len(quiet)
	active, some, all := active[:n], month.some[:n], month.all[:n]
	for i := range n {
		quiet[i] |= all[i] &^ some[i] << k
		active[i] |= some[i] << k
	}
}

// Answers of silent, silent_any and recent_silent.
const (
	no      = 0
	yes     = 1
	unknown = 2
)

// answer turns two flags, known to be and known not to be, into an answer.
func answer(is, isNot uint8) uint8 { return is | ((is|isNot)^1)<<1 }

func silence(quiet, active, history []uint8, other *traffic, month *[8]int32, silent, silentAny, recent []uint8, run []int8, last []int32) {
	n := len(quiet)
	active, history, some, all := active[:n], history[:n], other.some[:n], other.all[:n]
	silent, silentAny, recent, run, last = silent[:n], silentAny[:n], recent[:n], run[:n], last[:n]
	for i := range n {
		q, a := quiet[i]&history[i]&0x3f, active[i]&history[i]&0x3f
		silent[i] = answer(q&1, a&1)
		used, unused := some[i]&history[i]&1, all[i]&^some[i]&history[i]&1
		silentAny[i] = answer(q&unused&1, (a|used)&1)
		recent[i] = answer(q&1&(a>>1), (a|q>>1)&1)
		// The run of quiet months up to m ends at a month with calls, or at one
		// about which nothing is known: then so is the run.
		k := bits.TrailingZeros8(^q)
		r, m := int8(-1), int32(0)
		if k == schema.Months || a>>k&1 != 0 {
			r, m = int8(k), month[k&7]
		}
		run[i], last[i] = r, m
	}
}

// account writes the status at m, 8 for a normal one in arrears that is not
// known to be prepaid, 0 for an unknown one.
func account(dst, state, pay []uint8, arrears []int64, known []uint8) {
	n := len(dst)
	state, pay, arrears, known = state[:n], pay[:n], arrears[:n], known[:n]
	for i := range dst {
		s := state[i]
		if s > portedOut {
			s = 0
		}
		owes := when(arrears[i] > 0) & flag(known[i]) & when(pay[i] != prepaid) & when(s == normal)
		dst[i] = s + uint8(owes)*7
	}
}
