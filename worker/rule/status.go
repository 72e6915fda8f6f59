package rule

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// status works out silence and the account's state (domain C05). A month's
// calls are those in and out; a month before activation is unknown.
type status struct {
	columns columns
	at      statusInputs
	month   [schema.Months]int32 // yyyymm of m-k

	mine  months
	quiet [schema.Months]lane.Truth // no call in m-k
}

type statusInputs struct{ out, in, sms, data, state, pay, arrears, history int }

// NewStatus returns the kernel of silent, silent_any, recent_silent,
// silent_run, last_active_month and account_state.
func NewStatus(month int32) kernel.Kernel {
	s := &status{}
	for k := range s.month {
		s.month[k] = kernel.MonthAdd(month, -k)
	}
	read := s.columns.read
	s.at = statusInputs{
		out: read("out_cnt", schema.Months), in: read("in_cnt", schema.Months), sms: read("sms_cnt", 1), data: read("data_kb", 1),
		state: read("status", 1), pay: read("pay_mode", 1), arrears: read("arrears_fen", 1), history: s.columns.add(kernel.History),
	}
	s.mine.bind()
	return s
}

func (s *status) Spec() kernel.Spec {
	u8 := arrow.PrimitiveTypes.Uint8
	return kernel.Spec{
		Name: "rule.status",
		In:   s.columns,
		Out: []kernel.Field{
			{Name: "silent", Type: u8}, {Name: "silent_any", Type: u8}, {Name: "recent_silent", Type: u8},
			{Name: "silent_run", Type: arrow.PrimitiveTypes.Int8}, {Name: "last_active_month", Type: arrow.PrimitiveTypes.Int32},
			{Name: "account_state", Type: u8},
		},
	}
}

func (s *status) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += lane.Rows {
		c := chunk{in, lo, min(lane.Rows, n-lo)}
		hi := lo + c.n
		s.mine.read(c.u8(s.at.history))
		s.silence(c, out[0].U8[lo:hi], out[1].U8[lo:hi], out[2].U8[lo:hi])
		s.run(out[3].I8[lo:hi], out[4].I32[lo:hi])
		s.account(c, out[5].U8[lo:hi])
	}
}

// silence writes whether a row made no call in m; none, nor sent a message or
// used data; and none after having called in m-1.
func (s *status) silence(c chunk, silent, silentAny, recent []uint8) {
	for k := range s.quiet {
		var calls traffic
		calls.none()
		calls.i32(c, s.at.out+k)
		calls.i32(c, s.at.in+k)
		calls.quiet(&s.quiet[k])
		s.only(&s.quiet[k], k)
	}
	answer(silent, &s.quiet[0])

	var other traffic
	other.none()
	other.i32(c, s.at.sms)
	other.i64(c, s.at.data)
	var t lane.Truth
	other.quiet(&t)
	s.only(&t, 0)
	t.And(&t, &s.quiet[0])
	answer(silentAny, &t)

	t.Negate(&s.quiet[1])
	t.And(&t, &s.quiet[0])
	answer(recent, &t)
}

// only makes t unknown of those whose number was somebody else's in m-k.
func (s *status) only(t *lane.Truth, k int) {
	t.Is.And(&t.Is, &s.mine.mask[k])
	t.Not.And(&t.Not, &s.mine.mask[k])
}

// run writes the run of quiet months up to m and the month before it. The run
// ends at a month with calls, or at one about which nothing is known: then so is
// the run.
func (s *status) run(run []int8, last []int32) {
	var on, ends, lost lane.Mask // in the run so far; it ends in this month; nothing known
	on.Fill(true)
	clear(last)
	for k := range s.quiet {
		quiet := &s.quiet[k]
		for w := range on {
			lost[w] |= on[w] &^ (quiet.Is[w] | quiet.Not[w])
			ends[w] = on[w] & quiet.Not[w]
			on[w] &= quiet.Is[w]
		}
		lane.Put(run, &ends, int8(k))
		lane.Put(last, &ends, s.month[k])
	}
	lane.Put(run, &on, schema.Months)
	lane.Put(run, &lost, -1)
}

// account writes the status at m, 8 for a normal one in arrears that is not
// known to be prepaid, 0 for an unknown one.
func (s *status) account(c chunk, dst []uint8) {
	var state, pay codes
	var owes, x lane.Mask
	state.read(c, s.at.state)
	lane.AtMost(&x, state.value, portedOut)
	x.And(&x, &state.known)
	lane.Code(dst, state.value, &x)

	lane.AtMost(&x, c.i64(s.at.arrears), 0)
	c.known(&owes, s.at.arrears)
	owes.AndNot(&owes, &x)
	state.is(&x, normal)
	owes.And(&owes, &x)
	pay.read(c, s.at.pay)
	pay.is(&x, prepaid)
	owes.AndNot(&owes, &x)
	lane.Put(dst, &owes, inArrears)
}

// Answers of silent, silent_any, recent_silent and new_sub.
const (
	no      = 0
	yes     = 1
	unknown = 2
)

// silence is the column that says who is silent (domain §11, 12).
func silence(rules job.Rules) kernel.Field {
	name := "silent"
	if rules.SilentActivity == "any" {
		name = "silent_any"
	}
	return kernel.Field{Name: name, Type: arrow.PrimitiveTypes.Uint8}
}

// answer writes a truth as a column of answers.
func answer(dst []uint8, t *lane.Truth) {
	var open lane.Mask
	t.Unknown(&open)
	lane.Pack(dst, []*lane.Mask{&t.Is, &open})
}
