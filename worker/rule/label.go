package rule

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// Values of churn_label.
const (
	Stayed      = 0
	Churned     = 1
	LabelOpen   = 2 // a value that would tell is missing
	NotInBase   = 3
	Involuntary = 4 // churned after the operator stopped the service for arrears
)

// label says what has become, by the scoring month m, of those who were in the
// base h = LabelMonths months before (domain C07). A model is trained on the
// features of the run at m-h and the label of the run at m.
//
// # The base
//
// In the base at m-h is who had a status then other than cancelled or ported
// out. A month without a status is one not on the network. A number activated
// after m-h belonged to somebody else then, whatever the record says of that
// month: not in the base; by an option so is one activated during m-h. An
// unknown activation date limits nothing. A status code the record does not have
// leaves the base, and with it the label, unknown.
//
// # Leaving
//
//	status_or_silent  status at m cancelled or ported out, or no call in any of m-h+1..m
//	status            status at m cancelled or ported out
//	no_usage          no call and no data in any of m-h+1..m, whatever the status
//	no_recharge       prepaid: no top-up in any of m-h+1..m; postpaid: by status
//
// One month with a call ends "no call in any", whatever the others were; without
// one, a month that is null leaves it unknown. So does a null status at m: the
// record tells a leaver by a status, not by its absence. Voluntary hold is no
// leaving, and a number on hold falls silent like any other. An unknown pay mode
// leaves no_recharge unknown.
//
// # Involuntary leavers
//
// Operators go from arrears to suspension (4), pre-cancellation (5) and
// cancellation (6), about a month each. A leaver whose last known status since
// m-h other than 6 is 4 or 5 is an involuntary one, also one who merely fell
// silent; whoever ported the number out (7) chose to.
type label struct {
	columns columns
	at      labelInputs
	rule    string
	months  int   // h
	joined  int32 // activated by then: theirs at m-h

	state  []state // of m-k
	planes []*lane.Mask
	plane  [3]lane.Mask // the bits of the label
}

// state is what the status of one month says: a number is on the network (1 to
// 5), of those stopped for arrears (4, 5), or off it (6, 7), of those cancelled.
type state struct{ known, on, stopped, off, cancelled lane.Mask }

type labelInputs struct{ status, date, out, in, data, recharge, pay int }

// NewLabel returns the kernel of churn_label.
func NewLabel(rules job.Rules, month int32) kernel.Kernel {
	l := &label{rule: rules.LabelRule, months: rules.LabelMonths}
	base := kernel.MonthAdd(month, -l.months)
	l.joined = kernel.MonthEnd(base)
	if rules.LabelExcludeJoined {
		l.joined = kernel.MonthStart(base) - 1
	}
	read := l.columns.read
	l.at.status, l.at.date = read("status", l.months+1), read("activation_date", 1)
	switch l.rule {
	case "status_or_silent":
		l.at.out, l.at.in = read("out_cnt", l.months), read("in_cnt", l.months)
	case "no_usage":
		l.at.out, l.at.in, l.at.data = read("out_cnt", l.months), read("in_cnt", l.months), read("data_kb", l.months)
	case "no_recharge":
		l.at.recharge, l.at.pay = read("recharge_cnt", l.months), read("pay_mode", 1)
	}
	l.state = make([]state, l.months+1)
	for i := range l.plane {
		l.planes = append(l.planes, &l.plane[i])
	}
	return l
}

func (l *label) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "rule.label",
		In:   l.columns,
		Out:  []kernel.Field{{Name: "churn_label", Type: arrow.PrimitiveTypes.Uint8}},
	}
}

func (l *label) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += lane.Rows {
		c := chunk{in, lo, min(lane.Rows, n-lo)}
		for k := range l.state {
			l.state[k].read(c, l.at.status+k)
		}
		var base, left lane.Truth
		var forced lane.Mask
		l.base(c, &base)
		l.left(c, &left)
		l.forced(&forced)
		for w := range forced {
			out, churned, stayed := base.Not[w], base.Is[w]&left.Is[w], base.Is[w]&left.Not[w]
			open := ^(out | churned | stayed)
			l.plane[0][w] = out | churned&^forced[w]
			l.plane[1][w] = out | open
			l.plane[2][w] = churned & forced[w]
		}
		lane.Pack(out[0].U8[lo:lo+c.n], l.planes)
	}
}

// base writes who was in the base.
func (l *label) base(c chunk, dst *lane.Truth) {
	var theirs, dated lane.Mask
	lane.AtMost(&theirs, c.i32(l.at.date), l.joined)
	c.known(&dated, l.at.date)
	then := &l.state[l.months]
	for w := range dated {
		others := dated[w] &^ theirs[w]
		dst.Is[w] = then.on[w] &^ others
		dst.Not[w] = ^then.known[w] | then.off[w] | others
	}
}

// left writes who has left by the job's rule.
func (l *label) left(c chunk, dst *lane.Truth) {
	by := lane.Truth{Is: l.state[0].off, Not: l.state[0].on}
	if l.rule == "status" {
		*dst = by
		return
	}
	var activity traffic
	activity.none()
	for k := range l.months {
		if l.rule == "no_recharge" {
			activity.i32(c, l.at.recharge+k)
			continue
		}
		activity.i32(c, l.at.out+k)
		activity.i32(c, l.at.in+k)
		if l.rule == "no_usage" {
			activity.i64(c, l.at.data+k)
		}
	}
	activity.quiet(dst)
	switch l.rule {
	case "status_or_silent":
		dst.Or(dst, &by)
	case "no_recharge":
		var pay codes
		var pre, post lane.Mask
		pay.read(c, l.at.pay)
		pay.is(&pre, prepaid)
		pay.is(&post, postpaid)
		for w := range pre {
			dst.Is[w] = pre[w]&dst.Is[w] | post[w]&by.Is[w]
			dst.Not[w] = pre[w]&dst.Not[w] | post[w]&by.Not[w]
		}
	}
}

// forced writes whose last known status since m-h that is not cancelled is
// arrears suspension or pre-cancellation.
func (l *label) forced(dst *lane.Mask) {
	var search lane.Mask // nothing but cancelled so far, from m backwards
	search.Fill(true)
	dst.Fill(false)
	for k := range l.state {
		s := &l.state[k]
		for w := range search {
			dst[w] |= search[w] & s.stopped[w]
			search[w] &^= s.on[w] | s.off[w]&^s.cancelled[w]
		}
	}
}

// read takes the status of one month.
func (s *state) read(c chunk, column int) {
	var status codes
	status.read(c, column)
	s.known = status.known
	lane.AtMost(&s.on, status.value, preCancelled)
	status.either(&s.stopped, arrearsSuspended, preCancelled)
	status.is(&s.cancelled, cancelled)
	status.either(&s.off, cancelled, portedOut)
	var given lane.Mask
	status.given(&given)
	s.on.And(&s.on, &given)
}
