package rule

import (
	"maps"
	"testing"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// monthly writes a metric's months, newest first, into a row that owns all six.
func monthly(name string, newestFirst ...any) kerneltest.Row {
	row := kerneltest.Row{"history": 63, "history_compare": 63, "silent": 2}
	for k, v := range newestFirst {
		row[name+"_m"+string(rune('0'+k))] = v
	}
	return row
}

func but(row kerneltest.Row, name string, v any) kerneltest.Row {
	row[name] = v
	return row
}

func newKinds() kernel.Kernel { return NewKinds(job.Default().Rules) }

func TestC04ASwitchIsConfirmedByAWillingExit(t *testing.T) {
	kerneltest.Run(t, newKinds(), []kerneltest.Row{
		monthly("status", 7, 1),
		monthly("status", 6, 1),
		monthly("status", 6, 2),
		monthly("status", 6, 5, 4),    // the operator's way out of arrears
		monthly("status", 6, 6, 4, 1), // cancelled the month before already
		monthly("status", 6, 1, 4),    // paid, then left
		monthly("status", 7, 4),       // a number with arrears that is taken along is taken willingly
		monthly("status", 6),          // nobody knows
		monthly("status", 6, nil, nil, 4),
		but(monthly("status", 6, 4), "history", 1), // somebody else's arrears
		but(monthly("status", 1, 1), "silent", 0),
		but(monthly("status", nil, 1), "silent", 0), // not on the network is no cancellation
	}, []kerneltest.Row{
		{"churn_kind": 1, "churn_primary": 1, "switch_state": 2},
		{"churn_kind": 1, "churn_primary": 1, "switch_state": 2},
		{"churn_kind": 1, "churn_primary": 1, "switch_state": 2},
		{"churn_kind": 0, "churn_primary": 0, "switch_state": 0},
		{"churn_kind": 0, "churn_primary": 0, "switch_state": 0},
		{"churn_kind": 1, "churn_primary": 1, "switch_state": 2},
		{"churn_kind": 1, "churn_primary": 1, "switch_state": 2},
		{"churn_kind": 0, "churn_kind_unknown": 7, "churn_primary": 0, "switch_state": 3},
		{"churn_kind": 0, "switch_state": 0},
		{"churn_kind": 0, "churn_kind_unknown": 7, "switch_state": 3},
		{"churn_kind": 0, "churn_kind_unknown": 6, "switch_state": 0},
		{"churn_kind": 0, "churn_kind_unknown": 6, "switch_state": 0},
	})
}

func TestC04ASilenceWithoutExplanationIsASuspectedSwitch(t *testing.T) {
	row := func(silent int, class, status any) kerneltest.Row {
		return kerneltest.Row{"history": 63, "history_compare": 63, "status_m0": status, "status_m1": 5, "silent": silent, "silent_class": class}
	}
	kerneltest.Run(t, newKinds(), []kerneltest.Row{
		row(1, 6, 1), row(1, 6, nil), row(0, 6, 1), row(0, nil, 1), row(1, nil, 1), row(2, nil, 1), row(2, 6, 1),
		row(2, 1, 1), row(1, 1, 1), row(1, 2, 1), row(1, 4, 1), row(1, 7, 1), row(1, 8, 1), row(1, 6, 6), row(1, nil, 6),
	}, []kerneltest.Row{
		{"switch_state": 1, "churn_kind": 1, "churn_kind_unknown": 6, "churn_primary": 1}, {"switch_state": 1}, {"switch_state": 0}, {"switch_state": 0}, {"switch_state": 3, "churn_kind_unknown": 7}, {"switch_state": 3}, {"switch_state": 3},
		{"switch_state": 0}, {"switch_state": 0}, {"switch_state": 0}, {"switch_state": 0}, {"switch_state": 3}, {"switch_state": 3}, {"switch_state": 0}, {"switch_state": 0},
	})
}

func TestAmbiguity12_ASwitchIsSuspectedOfWhoMadeNoCallOrOfWhoUsedNothing(t *testing.T) {
	row := func(calls, use any) kerneltest.Row {
		return kerneltest.Row{"history": 63, "history_compare": 63, "status_m0": 1, "silent": calls, "silent_any": use, "silent_class": 6}
	}
	rows := []kerneltest.Row{row(1, 0), row(1, 1), row(0, 0), row(1, 2)}
	for activity, states := range map[string][4]int{"calls": {1, 1, 0, 1}, "any": {0, 1, 0, 3}} {
		rules := job.Default().Rules
		rules.SilentActivity = activity
		var given, want []kerneltest.Row
		for i, r := range rows {
			k, unread := maps.Clone(r), map[string]string{"calls": "silent_any", "any": "silent"}[activity]
			delete(k, unread)
			given, want = append(given, k), append(want, kerneltest.Row{"switch_state": states[i]})
		}
		kerneltest.Run(t, NewKinds(rules), given, want)
	}
	if job.Default().Rules.SilentActivity != "calls" {
		t.Error("the default is not calls")
	}
}

func TestC04ABrandIsComparedWithTheLastOneKnown(t *testing.T) {
	kerneltest.Run(t, newKinds(), []kerneltest.Row{
		monthly("brand", 1, 3),                    // the seed's 全球通→神州行
		monthly("brand", 2, 3),                    // GoTone > M-Zone
		monthly("brand", 1, 2),                    // M-Zone > Easyown
		monthly("brand", 3, 1),                    // upgraded
		monthly("brand", 1, 1, 3),                 // downgraded a month ago
		monthly("brand", 1, nil, nil, 3),          // the last non-null earlier month
		monthly("brand", 0, 3),                    // other has no rank
		monthly("brand", 1, 0, 3),                 // nor has it before
		monthly("brand", nil, 3),                  // unknown
		monthly("brand", 1),                       // unknown
		monthly("brand", 0),                       // other, whatever it was
		monthly("brand", nil, 0),                  // was other, whatever it is
		but(monthly("brand", 1, 3), "history", 1), // somebody else's brand
		monthly("brand", 4, 3),
		monthly("brand", 1, 4),
	}, []kerneltest.Row{
		{"churn_kind": 2, "churn_kind_unknown": 5, "churn_primary": 2}, {"churn_kind": 2}, {"churn_kind": 2}, {"churn_kind": 0, "churn_kind_unknown": 5}, {"churn_kind": 0}, {"churn_kind": 2},
		{"churn_kind": 0, "churn_kind_unknown": 5}, {"churn_kind": 0, "churn_kind_unknown": 5}, {"churn_kind_unknown": 7}, {"churn_kind_unknown": 7},
		{"churn_kind_unknown": 5}, {"churn_kind_unknown": 5}, {"churn_kind_unknown": 7, "churn_kind": 0}, {"churn_kind": 0, "churn_kind_unknown": 5}, {"churn_kind": 0, "churn_kind_unknown": 5},
	})
}

func TestC04AnArpuDownCrossesATierAndFallsFarEnough(t *testing.T) {
	three := func(a, b int) kerneltest.Row { return monthly("fee", b, b, b, a, a, a) }
	kerneltest.Run(t, newKinds(), []kerneltest.Row{
		three(15000, 11900), // 20.67 %, high to middle
		three(12100, 11900), // 1.65 %
		three(11000, 6000),  // 45 %, both middle
		three(0, 0),         // no division
		three(0, -100),
		three(12000, 9600), // exactly high, exactly 20 %
		three(12000, 9601), // 19.99 %
		three(11999, 3500), // middle is from 3500 on
		three(11999, 3499),
		three(15000, 100), // two tiers
		monthly("fee", 9600, 9600, 9601, 12000, 12000, 12000),
		monthly("fee", 0, 0, 0, nil, 12000, 12000), // all six are needed
		but(three(15000, 1000), "history_compare", 31),
		but(three(15000, 1000), "history", 31),
	}, []kerneltest.Row{
		{"churn_kind": 4, "churn_kind_unknown": 3, "churn_primary": 3}, {"churn_kind": 0, "churn_kind_unknown": 3}, {"churn_kind": 0}, {"churn_kind": 0, "churn_kind_unknown": 3}, {"churn_kind": 0},
		{"churn_kind": 4}, {"churn_kind": 0}, {"churn_kind": 0}, {"churn_kind": 4}, {"churn_kind": 4}, {"churn_kind": 0}, {"churn_kind": 0, "churn_kind_unknown": 7}, {"churn_kind_unknown": 7}, {"churn_kind": 4},
	})
}

func TestC04TheFirstKindIsPrimary(t *testing.T) {
	row := func(status, brand, fee int) kerneltest.Row {
		r := monthly("fee", fee, fee, fee, 15000, 15000, 15000)
		r["brand_m0"], r["brand_m1"] = brand, 3
		r["status_m0"], r["status_m1"], r["silent"] = status, 1, 0
		return r
	}
	kerneltest.Run(t, newKinds(),
		[]kerneltest.Row{row(7, 1, 100), row(1, 1, 100), row(1, 3, 100), row(1, 3, 15000), row(7, 3, 100)},
		[]kerneltest.Row{
			{"churn_kind": 7, "churn_primary": 1, "churn_kind_unknown": 0}, {"churn_kind": 6, "churn_primary": 2}, {"churn_kind": 4, "churn_primary": 3},
			{"churn_kind": 0, "churn_primary": 0, "churn_kind_unknown": 0}, {"churn_kind": 5, "churn_primary": 1},
		})
}

// scalarKinds is C04 a subscriber at a time.
func scalarKinds(rules job.Rules) func(*kerneltest.In, *kerneltest.Out) {
	// value returns a month's value, unless it is before the history says.
	value := func(in *kerneltest.In, history, name string, k int) *int64 {
		if *in.Int(history)>>k&1 == 0 {
			return nil
		}
		return in.Int(name + "_m" + string(rune('0'+k)))
	}
	// last returns the newest earlier value that counts.
	last := func(in *kerneltest.In, name string, counts func(int64) bool) *int64 {
		for k := 1; k < 6; k++ {
			if p := value(in, "history", name, k); p != nil && counts(*p) {
				v := *p
				return &v
			}
		}
		return nil
	}
	return func(in *kerneltest.In, out *kerneltest.Out) {
		const isNot, is, maybe = 0, 1, 2
		var answer [3]int
		state := 0

		status := in.Int("status_m0")
		switch {
		case status != nil && *status == 7:
			state = 2
		case status != nil && *status == 6:
			before := last(in, "status", func(s int64) bool { return s != 6 })
			switch {
			case before == nil:
				state = 3
			case *before != 4 && *before != 5:
				state = 2
			}
		default:
			silent, class := *in.Int(map[string]string{"calls": "silent", "any": "silent_any"}[rules.SilentActivity]), in.Int("silent_class")
			switch {
			case silent == 0 || class != nil && *class < 6:
			case silent == 1 && class != nil && *class == 6:
				state = 1
			default:
				state = 3
			}
		}
		answer[0] = []int{isNot, is, is, maybe}[state]

		brand, before := value(in, "history", "brand", 0), last(in, "brand", func(int64) bool { return true })
		ranked := func(p *int64) bool { return *p >= 1 && *p <= 3 }
		switch {
		case brand != nil && !ranked(brand), before != nil && !ranked(before):
		case brand == nil || before == nil:
			answer[1] = maybe
		case *brand < *before:
			answer[1] = is
		}

		tier := func(sum int64) int {
			switch {
			case sum >= 3*rules.ChurnTierFen[1]:
				return 2
			case sum >= 3*rules.ChurnTierFen[0]:
				return 1
			}
			return 0
		}
		var sum [2]int64
		for k := range 6 {
			p := value(in, "history_compare", "fee", k)
			if p == nil {
				answer[2] = maybe
				break
			}
			sum[k/3] += *p
		}
		if b, a := sum[0], sum[1]; answer[2] != maybe && tier(b) < tier(a) && 100*(a-b) >= rules.ArpuDropPct*a {
			answer[2] = is
		}

		kind, unknown, primary := int64(0), int64(0), int64(0)
		for i := 2; i >= 0; i-- {
			switch answer[i] {
			case is:
				kind |= 1 << i
				primary = int64(i + 1)
			case maybe:
				unknown |= 1 << i
			}
		}
		out.Int("churn_kind", kind)
		out.Int("churn_kind_unknown", unknown)
		out.Int("churn_primary", primary)
		out.Int("switch_state", int64(state))
	}
}

func TestKindsEqualTheirReference(t *testing.T) {
	rules := job.Default().Rules
	kerneltest.Random{
		New:       func(int) kernel.Kernel { return NewKinds(rules) },
		Reference: scalarKinds(rules),
		Edges: map[string][]int64{
			"fee": {0, 3500, 9600, 11_900, 12_000, 15_000}, "history": {1, 31, 63}, "history_compare": {1, 31, 63, 63, 63},
		},
		Max:       map[string]int64{"brand": 4, "status": 8, "silent_class": 9, "silent": 2, "history": 63, "history_compare": 63},
		NeverNull: []string{"silent", "history", "history_compare"},
	}.Run(t)
}

func TestKindsFollowTheirRules(t *testing.T) {
	rules := job.Default().Rules
	rules.ChurnTierFen, rules.ArpuDropPct, rules.SilentActivity = [2]int64{1000, 2000}, 0, "any"
	kerneltest.Random{
		New:       func(int) kernel.Kernel { return NewKinds(rules) },
		Reference: scalarKinds(rules),
		Rows:      100_000,
		Edges:     map[string][]int64{"fee": {999, 1000, 2000}, "history_compare": {63}},
		Max:       map[string]int64{"brand": 4, "status": 8, "silent_class": 9, "silent_any": 2, "history": 63, "history_compare": 63, "fee": 4000},
		NeverNull: []string{"silent_any", "history", "history_compare"},
	}.Run(t)
}

func TestAmbiguity16_AnArpuDownIsAFallOf20Or40Percent(t *testing.T) {
	rows := []kerneltest.Row{monthly("fee", 11900, 11900, 11900, 15000, 15000, 15000), monthly("fee", 7200, 7200, 7200, 12000, 12000, 12000)}
	for pct, kinds := range map[int64][2]int{20: {4, 4}, 40: {0, 4}, 41: {0, 0}} {
		rules := job.Default().Rules
		rules.ArpuDropPct = pct
		kerneltest.Run(t, NewKinds(rules), rows, []kerneltest.Row{{"churn_kind": kinds[0]}, {"churn_kind": kinds[1]}})
	}
}

func BenchmarkKinds(b *testing.B) {
	kerneltest.Benchmark(b, newKinds(), map[string][]int64{
		"status": {1, 1, 1, 1, 1, 1, 2, 4, 6, 7}, "brand": {1, 1, 1, 2, 3}, "silent_class": {0, 0, 0, 1, 6}, "silent": {0, 0, 0, 1, 2},
		"history": {63}, "history_compare": {63},
	})
}
