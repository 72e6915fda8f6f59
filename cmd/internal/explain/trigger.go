package explain

import (
	"fmt"
	"slices"
	"strings"

	"rescore/partition/schema"
	"rescore/worker/formula"
	"rescore/worker/kernel"
	"rescore/worker/rule"
)

// Trigger is what one of the fourteen says, and why.
type Trigger struct {
	Trigger    string      `json:"trigger"` // T1 … T14
	Title      string      `json:"title"`
	Verdict    string      `json:"verdict"` // TRUE, FALSE, UNKNOWN
	Rule       string      `json:"rule"`
	Thresholds []Threshold `json:"thresholds"`
	Compared   []Compared  `json:"compared"`
	Reason     string      `json:"reason"` // SHORT_HISTORY, MISSING_VALUE, GONE, HOLD; "" when there is nothing to say
	Why        string      `json:"why"`    // the same in words
}

// Verdicts.
const (
	isTrue    = "TRUE"
	isFalse   = "FALSE"
	isUnknown = "UNKNOWN"
)

// look is what a trigger looks at under the job's rules.
type look struct {
	rule    string // of the table of words
	args    []any
	keys    []string // of rules
	columns []string
	months  int // full months on network that it needs
}

func flat(column string, from, to int) []string {
	return schema.Must(schema.Subscriber, column).Between(from, to)
}

// looks says what each trigger looks at. Whether it fired, the kernel says.
func (r *row) looks(w words) [rule.Triggers]look {
	rules := r.spec.Rules
	fen := func(v int64) string { return yuan(float64(v)) }
	t1 := rules.T1ThresholdFen
	t2 := look{rule: "t2." + rules.T2Mode, args: []any{fen(rules.T2BaseFen), rules.T2DropPct}, keys: []string{"t2_mode", "t2_base_fen", "t2_drop_pct", "t2_base_months", "hold_suppresses", "fee_normalise_days"}, columns: flat("fee", 0, 3), months: 4}
	if rules.T2Mode == "three_point" {
		t2.columns, t2.months = flat("fee", 0, 2), 3
	}
	if rules.T2BaseMonths == "mean3" {
		t2.columns, t2.months = flat("fee", 0, 5), 6
	}
	traffic := slices.Concat(flat("out_sec", 0, 2), flat("in_sec", 0, 2))
	if rules.T3Activity == "any" {
		traffic = slices.Concat(traffic, flat("sms_cnt", 0, 2), flat("data_kb", 0, 2))
	}
	t6 := look{rule: "t6", keys: []string{"t6_require_stopped"}, columns: append([]string{"service_type"}, flat("bb_flow_kb", 0, 1)...), months: 2}
	if rules.T6RequireStopped {
		t6.rule, t6.columns = "t6.stopped", append(t6.columns, "bb_status")
	}
	t8 := look{rule: "t8", args: []any{rules.T8Faults}, keys: []string{"t8_faults", "t8_window"}, columns: flat("fault_cnt", 0, 0)}
	if rules.T8Window == "rolling_30d" {
		t8.rule, t8.columns = "t8.rolling", []string{"fault_cnt_30d"}
	}
	return [...]look{
		{rule: "t1", args: []any{fen(t1[0]), fen(t1[1]), fen(t1[2]), fen(t1[3])}, keys: []string{"t1_threshold_fen"}, columns: append([]string{"vip_class"}, flat("fee", 0, 1)...), months: 2},
		t2,
		{rule: "t3." + rules.T3PayModes, args: []any{fen(rules.T3BalanceFen), w.say("activity." + rules.T3Activity)}, keys: []string{"t3_balance_fen", "t3_activity", "t3_pay_modes", "hold_suppresses"}, columns: append([]string{"pay_mode", "balance_fen"}, traffic...), months: 3},
		{rule: "t4", args: []any{fen(rules.T4ArrearsFen)}, keys: []string{"t4_arrears_fen"}, columns: []string{"pay_mode", "arrears_fen"}},
		{rule: "t5", keys: []string{"t5_service_types"}, columns: slices.Concat([]string{"service_type"}, flat("out_sec", 0, 0), flat("in_sec", 0, 0)), months: 1},
		t6,
		{rule: "t7", args: []any{rules.T7Seconds}, keys: []string{"t7_seconds"}, columns: flat("other_ld_sec", 0, 0), months: 1},
		t8,
		{rule: "t9", args: []any{rules.T9Days}, keys: []string{"t9_days"}, columns: []string{"complaint_result", "complaint_date"}},
		{rule: "t10", columns: []string{"event_flags", "service_type"}},
		{rule: "t11." + rules.T11Mode, args: []any{rules.T11Months}, keys: []string{"t11_mode", "t11_months"}, columns: []string{"contract_end"}},
		{rule: "t12", columns: []string{"event_flags", "service_type"}},
		{rule: "t13", columns: []string{"event_flags", "service_type"}},
		{rule: "t14", columns: []string{"event_flags", "vip_class", "group_id"}},
	}
}

func (r *row) triggers(w words) []Trigger {
	var list []Trigger
	fired, unknown, reasons := r.made["trg_fired"].whole, r.made["trg_unknown"].whole, r.made["trg_reason"].whole
	for i, l := range r.looks(w) {
		t := Trigger{Trigger: fmt.Sprintf("T%d", i+1), Title: w.say(fmt.Sprintf("T%d", i+1)), Verdict: isFalse, Rule: w.say(l.rule, l.args...), Compared: []Compared{}}
		var keys []string
		for _, k := range l.keys {
			keys = append(keys, "rules."+k)
		}
		t.Thresholds = r.thresholds(keys...)
		for _, name := range l.columns {
			t.Compared = append(t.Compared, r.compared(w, name))
		}
		t.Compared = append(t.Compared, r.derived(w, i+1)...)
		switch {
		case fired>>i&1 == 1:
			t.Verdict = isTrue
		case unknown>>i&1 == 1:
			t.Verdict = isUnknown
			t.Reason, t.Why = r.want(w, l)
		}
		switch {
		case reasons&rule.Gone != 0:
			t.Reason, t.Why = "GONE", w.say("gone")
		case reasons&rule.Hold != 0 && t.Verdict == isFalse && (i == 1 || i == 2):
			t.Reason, t.Why = "HOLD", w.say(fmt.Sprintf("hold.t%d", i+1))
		}
		list = append(list, t)
	}
	return list
}

// want says what an UNKNOWN trigger lacks: full months on network, or values.
func (r *row) want(w words, l look) (reason, why string) {
	if depth := r.made["history_depth"].whole; depth != kernel.NoLimit && depth < int64(l.months) {
		return "SHORT_HISTORY", w.say("short", depth, l.months)
	}
	var missing []string
	for _, name := range l.columns {
		if !r.record[name].known {
			missing = append(missing, name)
		}
	}
	return "MISSING_VALUE", w.say("missing", strings.Join(missing, ", "))
}

// derived are figures for the eye that no column holds: how far a bill fell, how
// many days are between two dates. The verdict does not depend on them.
func (r *row) derived(w words, trigger int) []Compared {
	asof := int64(kernel.MonthEnd(r.spec.Month))
	days := func(name, column string, sign int64) []Compared {
		if c := r.record[column]; c.known {
			return []Compared{{name, sign * (c.whole - asof), w.say("days", sign*(c.whole-asof))}}
		}
		return nil
	}
	switch trigger {
	case 2:
		first := "fee_m3"
		if r.spec.Rules.T2Mode == "three_point" {
			first = "fee_m2"
		}
		from, to := r.record[first], r.record["fee_m0"]
		if from.known && to.known && from.whole > 0 {
			pct := 100 * float64(from.whole-to.whole) / float64(from.whole)
			return []Compared{{"fall_pct", pct, fmt.Sprintf("%.2f %%", pct)}}
		}
	case 9:
		return days("days_since_complaint", "complaint_date", -1)
	case 11:
		return days("days_to_contract_end", "contract_end", 1)
	}
	return nil
}

// userRules lists the rules the users wrote, with what the kernels say of them.
func (r *row) userRules() []UserRule {
	fired, unknown := uint64(r.made[formula.Fired].whole), uint64(r.made[formula.Unknown].whole)
	list := []UserRule{}
	for i, f := range r.spec.Custom {
		u := UserRule{Rule: f.Name, Text: f.Text, Doc: f.Doc, Verdict: isFalse}
		switch {
		case fired>>i&1 == 1:
			u.Verdict = isTrue
		case unknown>>i&1 == 1:
			u.Verdict = isUnknown
		}
		list = append(list, u)
	}
	return list
}
