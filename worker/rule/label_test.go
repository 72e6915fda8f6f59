package rule

import (
	"fmt"
	"testing"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// labelled is one hand case of the label: the statuses of m, m-1 …, and what
// else the row has.
type labelled struct {
	status []any
	more   kerneltest.Row
	label  int
}

func expectLabel(t *testing.T, r job.Rules, month int32, cases ...labelled) {
	t.Helper()
	var rows, want []kerneltest.Row
	for _, c := range cases {
		row := kerneltest.Row{}
		for k, v := range c.status {
			row[fmt.Sprintf("status_m%d", k)] = v
		}
		rows = append(rows, and(row, c.more))
		want = append(want, kerneltest.Row{"churn_label": c.label})
	}
	kerneltest.Run(t, NewLabel(r, month), rows, want)
}

// made is a row's calls of m, m-1 …, all outgoing.
func made(newestFirst ...any) kerneltest.Row {
	row := kerneltest.Row{}
	for k, v := range newestFirst {
		row[fmt.Sprintf("out_cnt_m%d", k)], row[fmt.Sprintf("in_cnt_m%d", k)] = v, v
	}
	return row
}

func labelRules(rule string, months int) job.Rules {
	return with(func(r *job.Rules) { r.LabelRule, r.LabelMonths = rule, months })
}

func TestC07_ChurnedIsGoneByStatusOrSilentInEveryMonth(t *testing.T) {
	expectLabel(t, labelRules("status_or_silent", 1), 201011,
		labelled{[]any{1, 1}, made(5), Stayed},
		labelled{[]any{6, 1}, made(5), Churned},
		labelled{[]any{7, 1}, made(nil), Churned},
		labelled{[]any{1, 1}, made(0), Churned},
		labelled{[]any{2, 1}, made(0), Churned}, // on hold, and silent
		labelled{[]any{1, 1}, made(nil), LabelOpen},
		labelled{[]any{nil, 1}, made(0), Churned},
		labelled{[]any{nil, 1}, made(3), LabelOpen},
		labelled{[]any{9, 1}, made(3), LabelOpen},
		labelled{[]any{1, 1}, kerneltest.Row{"out_cnt_m0": 0, "in_cnt_m0": 1}, Stayed},
		labelled{[]any{1, 1}, kerneltest.Row{"out_cnt_m0": 0}, LabelOpen},
		labelled{[]any{1, 1}, kerneltest.Row{"in_cnt_m0": 1}, Stayed})
	expectLabel(t, labelRules("status_or_silent", 3), 201011,
		labelled{[]any{1, 1, 1, 1}, made(0, 0, 0), Churned},
		labelled{[]any{1, 1, 1, 1}, made(0, 0, 1), Stayed},
		labelled{[]any{1, 1, 1, 1}, made(nil, 0, 1), Stayed},
		labelled{[]any{1, 1, 1, 1}, made(0, nil, 0), LabelOpen},
		labelled{[]any{1, 6, 1, 1}, made(2, 0, 0), Stayed}, // came back: the status at m counts
		labelled{[]any{6, nil, nil, 1}, made(nil, nil, nil), Churned})
}

func TestC07_TheBaseIsWhoWasOnTheNetworkAtItsEnd(t *testing.T) {
	joined := func(month, day int) kerneltest.Row {
		return and(made(5), kerneltest.Row{"activation_date": date(2010, month, day)})
	}
	cases := []labelled{
		{[]any{1, nil}, made(5), NotInBase},
		{[]any{6, 6}, made(0), NotInBase},
		{[]any{1, 7}, made(5), NotInBase},
		{[]any{1, 8}, made(5), LabelOpen},
		{[]any{6, 0}, made(0), LabelOpen},
		{[]any{1, 1}, joined(11, 1), NotInBase}, // the number was somebody else's
		{[]any{6, 1}, joined(12, 31), NotInBase},
		{[]any{1, 0}, joined(11, 1), NotInBase},
		{[]any{1, 1}, joined(9, 30), Stayed},
		{[]any{1, 5}, joined(1, 1), Stayed},
	}
	fresh := []labelled{{[]any{1, 1}, joined(10, 1), Stayed}, {[]any{1, 1}, joined(10, 31), Stayed}}
	r := labelRules("status_or_silent", 1)
	expectLabel(t, r, 201011, append(cases, fresh...)...)
	r.LabelExcludeJoined = true
	for i := range fresh {
		fresh[i].label = NotInBase
	}
	expectLabel(t, r, 201011, append(cases, fresh...)...)
}

func TestC07_ArrearsLeaversAreInvoluntary(t *testing.T) {
	expectLabel(t, labelRules("status_or_silent", 1), 201011,
		labelled{[]any{6, 4}, made(0), Involuntary},
		labelled{[]any{6, 5}, made(0), Involuntary},
		labelled{[]any{7, 4}, made(0), Churned}, // ported out: chose to
		labelled{[]any{4, 1}, made(0), Involuntary},
		labelled{[]any{5, 4}, made(0), Involuntary},
		labelled{[]any{nil, 4}, made(0), Involuntary},
		labelled{[]any{3, 1}, made(0), Churned},
		labelled{[]any{1, 4}, made(0), Churned}, // paid, was on again, and fell silent
		labelled{[]any{4, 1}, made(2), Stayed},
		labelled{[]any{6, 2}, made(0), Churned})
	expectLabel(t, labelRules("status", 3), 201011,
		labelled{[]any{6, 6, 5, 1}, nil, Involuntary},
		labelled{[]any{6, nil, 4, 1}, nil, Involuntary},
		labelled{[]any{6, 6, 6, 1}, nil, Churned},
		labelled{[]any{6, 1, 4, 1}, nil, Churned},
		labelled{[]any{6, 7, 4, 1}, nil, Churned},
		labelled{[]any{4, 4, 4, 1}, nil, Stayed}, // suspended, not gone
		labelled{[]any{nil, 4, 4, 1}, nil, LabelOpen})
}

func TestC07_OtherRulesOfTheLiterature(t *testing.T) {
	used := func(calls, kb any) kerneltest.Row { return and(made(calls), kerneltest.Row{"data_kb_m0": kb}) }
	expectLabel(t, labelRules("no_usage", 1), 201011,
		labelled{[]any{1, 1}, used(0, 0), Churned},
		labelled{[]any{1, 1}, used(0, 1), Stayed},
		labelled{[]any{1, 1}, used(0, nil), LabelOpen},
		labelled{[]any{6, 1}, used(3, 0), Stayed},
		labelled{[]any{6, 1}, used(nil, nil), LabelOpen},
		labelled{[]any{4, 1}, used(0, 0), Involuntary})
	paid := func(mode, m0, m1 any) kerneltest.Row {
		return kerneltest.Row{"pay_mode": mode, "recharge_cnt_m0": m0, "recharge_cnt_m1": m1}
	}
	expectLabel(t, labelRules("no_recharge", 2), 201011,
		labelled{[]any{1, 1, 1}, paid(1, 0, 0), Churned},
		labelled{[]any{1, 1, 1}, paid(1, 0, 1), Stayed},
		labelled{[]any{1, 1, 1}, paid(1, nil, 1), Stayed},
		labelled{[]any{1, 1, 1}, paid(1, nil, 0), LabelOpen},
		labelled{[]any{6, 1, 1}, paid(1, 1, 1), Stayed},
		labelled{[]any{1, 1, 1}, paid(2, 0, 0), Stayed},
		labelled{[]any{6, 1, 1}, paid(2, nil, nil), Churned},
		labelled{[]any{6, 4, 1}, paid(2, nil, nil), Involuntary},
		labelled{[]any{6, 1, 1}, paid(nil, 0, 0), LabelOpen},
		labelled{[]any{6, 1, 1}, paid(0, 0, 0), LabelOpen})
}

func TestC07_ThirtyThousandOfAMillionAreThreePercent(t *testing.T) {
	const base, churners, batch = 1_000_000, 30_000, 50_000
	k := NewLabel(labelRules("status", 1), 201102)
	spec := k.Spec()
	in := make([]kernel.Vector, len(spec.In))
	for j, f := range spec.In {
		in[j] = kerneltest.NewVector(f.Type, batch)
	}
	out := []kernel.Vector{kerneltest.NewVector(spec.Out[0].Type, batch)}
	var count [5]int
	for lo := 0; lo < base; lo += batch {
		for i := range batch {
			in[0].U8[i], in[1].U8[i] = normal, normal
			if (lo+i)*7%base < churners { // 7 and a million have no common factor
				in[0].U8[i] = cancelled
			}
		}
		k.Eval(batch, in, out)
		for _, l := range out[0].U8 {
			count[l]++
		}
	}
	if count != [5]int{Stayed: base - churners, Churned: churners} {
		t.Errorf("labels %v, want %d of %d churned", count, churners, base)
	}
}

func TestLabelEqualsTheReferenceOnRandomRows(t *testing.T) {
	for _, c := range []struct {
		rule   string
		months int
		rows   int // 0: a million
		joined bool
	}{
		{"status_or_silent", 1, 0, false}, {"status_or_silent", 3, 200_000, true},
		{"status", 5, 200_000, true}, {"no_usage", 2, 200_000, false}, {"no_recharge", 4, 200_000, false},
	} {
		t.Run(fmt.Sprintf("%s %d", c.rule, c.months), func(t *testing.T) {
			r := labelRules(c.rule, c.months)
			r.LabelExcludeJoined = c.joined
			const year, m = 2011, 2
			first, last := int64(date(year, m-c.months, 1)), int64(date(year, m-c.months+1, 0))
			edges := map[string][]int64{"status": {1, 1, 4, 4, 5, 6, 6, 7}, "activation_date": {first, last}}
			switch c.rule {
			case "status_or_silent", "no_usage":
				edges["out_cnt"], edges["in_cnt"] = []int64{0, 0, 0, 0}, []int64{0, 0, 0, 0}
			case "no_recharge":
				edges["recharge_cnt"], edges["pay_mode"] = []int64{0, 0, 0, 0}, []int64{1, 2}
			}
			kerneltest.Random{
				New: func(int) kernel.Kernel { return NewLabel(r, year*100+m) },
				Reference: func(in *kerneltest.In, out *kerneltest.Out) {
					out.Int("churn_label", labelOf(in, r, first, last))
				},
				Edges: edges, Rows: c.rows, Seed: uint64(c.months),
			}.Run(t)
		})
	}
}

// labelOf labels one subscriber; the base month is that of the days first to last.
func labelOf(in *kerneltest.In, r job.Rules, first, last int64) int64 {
	status := func(k int) *int64 { return in.Int(fmt.Sprintf("status_m%d", k)) }
	onNetwork := func(s int64) bool { return 1 <= s && s <= 5 }
	gone := func(s int64) bool { return s == 6 || s == 7 }

	if day := in.Int("activation_date"); day != nil && (*day > last || r.LabelExcludeJoined && *day >= first) {
		return 3
	}
	then := status(r.LabelMonths)
	switch {
	case then == nil || gone(*then):
		return 3
	case !onNetwork(*then):
		return 2
	}
	byStatus := int64(unknown)
	if s := status(0); s != nil && gone(*s) {
		byStatus = yes
	} else if s != nil && onNetwork(*s) {
		byStatus = no
	}
	// nothing says whether all of the columns were zero in all of the months.
	nothing := func(columns ...string) int64 {
		answer := int64(yes)
		for k := range r.LabelMonths {
			for _, c := range columns {
				if p := in.Int(fmt.Sprintf("%s_m%d", c, k)); p == nil && answer == yes {
					answer = unknown
				} else if p != nil && *p != 0 {
					answer = no
				}
			}
		}
		return answer
	}
	left := byStatus
	switch r.LabelRule {
	case "status_or_silent":
		silent := nothing("out_cnt", "in_cnt")
		switch {
		case byStatus == yes || silent == yes:
			left = yes
		case byStatus == unknown || silent == unknown:
			left = unknown
		}
	case "no_usage":
		left = nothing("out_cnt", "in_cnt", "data_kb")
	case "no_recharge":
		switch code(in.Int("pay_mode")) {
		case 1:
			left = nothing("recharge_cnt")
		case 2:
		default:
			left = unknown
		}
	}
	if left != yes {
		return left
	}
	for k := range r.LabelMonths + 1 {
		if s := status(k); s != nil && *s != 6 && (onNetwork(*s) || gone(*s)) {
			if *s == 4 || *s == 5 {
				return 4
			}
			break
		}
	}
	return 1
}
