package score

import (
	"slices"
	"testing"

	"rescore/worker/kernel/kerneltest"
)

func TestEveryDecisionThatAppliesHasItsBit(t *testing.T) {
	p := policy()
	p.HoldoutPct = 100
	ranks := Ranks()
	if ranks[0] != Gone || ranks[len(ranks)-1] != Retain || len(ranks) != 11 {
		t.Fatalf("ranks %v", ranks)
	}
	of := func(decisions ...Decision) (bits int) {
		for _, d := range append(decisions, Retain) {
			bits |= 1 << slices.Index(ranks, d)
		}
		return bits
	}
	worst := kerneltest.Row{
		"status_m0": 6, "event_flags": 0xf0, "group_id": 7, "city_code": 10, "cell_city_code_m0": 21, "cell_city_code_m1": 20, "arpu3_fen": -1,
	}
	var rows, want []kerneltest.Row
	for _, c := range []struct {
		change kerneltest.Row
		want   int
	}{
		// No bill costs the contact alone: it does not pay either.
		{kerneltest.Row{}, of(Gone, DoNotContact, GiveUpBadDebt, GroupHandled, Migrant, NoContactData, NoValue, GiveUpLowValue)},
		{kerneltest.Row{"status_m0": 4}, of(DoNotContact, GiveUpBadDebt, Involuntary, GroupHandled, Migrant, NoContactData, NoValue, GiveUpLowValue)},
		{kerneltest.Row{"event_flags": 0x20, "status_m0": 1}, of(Migrant, NoContactData, NoValue, GiveUpLowValue)},
		{kerneltest.Row{"event_flags": nil, "cell_city_code_m0": nil, "arpu3_fen": 20000}, of(Holdout)},
		{kerneltest.Row{"vip_class": 4}, of()},
	} {
		for k, v := range c.change {
			worst[k] = v
		}
		rows, want = append(rows, somebody(worst)), append(want, kerneltest.Row{"decision_ranks": c.want})
	}
	kerneltest.Run(t, NewRanks(p), rows, want)
}
