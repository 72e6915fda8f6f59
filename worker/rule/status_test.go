package rule

import (
	"testing"

	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// calls writes the calls of the months, newest first, as outgoing ones.
func calls(newestFirst ...any) kerneltest.Row {
	row := kerneltest.Row{"history": 63}
	for k, v := range newestFirst {
		row["out_cnt_m"+string(rune('0'+k))] = v
		if v != nil {
			row["in_cnt_m"+string(rune('0'+k))] = 0
		}
	}
	return row
}

func and(row kerneltest.Row, more kerneltest.Row) kerneltest.Row {
	for k, v := range more {
		row[k] = v
	}
	return row
}

func TestC05SilenceIsAMonthWithoutCalls(t *testing.T) {
	kerneltest.Run(t, NewStatus(200712),
		[]kerneltest.Row{
			and(calls(0, 5), kerneltest.Row{"sms_cnt_m0": 0, "data_kb_m0": 0}),
			and(calls(0, 0, 3), kerneltest.Row{"sms_cnt_m0": 1}),
			calls(7, 0),
			calls(nil, 4),
			calls(0, nil, 4),
			calls(0, 0, 0, 0, 0, 0),
			and(calls(0, 0, 0, 9, 9, 9), kerneltest.Row{"history": 7}),
			and(calls(0, 9), kerneltest.Row{"history": 1}),
			and(calls(nil), kerneltest.Row{"in_cnt_m0": 2}),
		},
		[]kerneltest.Row{
			{"silent": 1, "silent_any": 1, "recent_silent": 1, "silent_run": 1, "last_active_month": 200711},
			{"silent": 1, "silent_any": 0, "recent_silent": 0, "silent_run": 2, "last_active_month": 200710},
			{"silent": 0, "silent_any": 0, "recent_silent": 0, "silent_run": 0, "last_active_month": 200712},
			{"silent": 2, "silent_any": 2, "recent_silent": 2, "silent_run": -1, "last_active_month": 0},
			{"silent": 1, "silent_any": 2, "recent_silent": 2, "silent_run": -1, "last_active_month": 0},
			{"silent": 1, "recent_silent": 0, "silent_run": 6, "last_active_month": 0},
			{"silent": 1, "recent_silent": 0, "silent_run": -1, "last_active_month": 0}, // calls of whoever had the number before
			{"silent": 1, "recent_silent": 2, "silent_run": -1},
			{"silent": 0, "silent_any": 0, "recent_silent": 0, "silent_run": 0},
		})
}

func TestC05AccountState(t *testing.T) {
	row := func(status, pay, arrears any) kerneltest.Row {
		return kerneltest.Row{"history": 63, "status_m0": status, "pay_mode": pay, "arrears_fen": arrears}
	}
	kerneltest.Run(t, NewStatus(200712),
		[]kerneltest.Row{row(1, 2, 0), row(1, 2, 1), row(1, nil, 1), row(1, 1, 1), row(1, 2, nil), row(4, 2, 99), row(6, 2, 99), row(7, 1, nil), row(nil, 2, 99), row(8, 2, 99), row(3, 2, 5)},
		[]kerneltest.Row{
			{"account_state": 1}, {"account_state": 8}, {"account_state": 8}, {"account_state": 1}, {"account_state": 1}, {"account_state": 4},
			{"account_state": 6}, {"account_state": 7}, {"account_state": 0}, {"account_state": 0}, {"account_state": 3},
		})
}

func TestAT04_RecentlySilentOf170000Is69Percent(t *testing.T) {
	// S0:166: of 170 000 silent numbers 69 % called in November and not in December.
	const base, recent = 170_000, 117_300
	k := NewStatus(200712)
	spec := k.Spec()
	in, out := make([]kernel.Vector, len(spec.In)), make([]kernel.Vector, len(spec.Out))
	for j, f := range spec.In {
		in[j] = kerneltest.NewVector(f.Type, base)
	}
	for j, f := range spec.Out {
		out[j] = kerneltest.NewVector(f.Type, base)
	}
	for i := range base {
		in[len(in)-1].U8[i] = 63
		if i*7%base < recent { // 7 and 170 000 have no common factor
			in[1].I32[i] = 1 + int32(i%30) // out_cnt_m1
		}
	}
	k.Eval(base, in, out)
	silent, recently := 0, 0
	for i := range base {
		silent += int(out[0].U8[i] & 1)
		recently += int(out[2].U8[i] & 1)
	}
	if silent != base || recently != recent || recently*100 != 69*silent {
		t.Errorf("%d silent, %d of them recently; want %d and %d", silent, recently, base, recent)
	}
}
