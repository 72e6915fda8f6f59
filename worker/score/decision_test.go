package score

import (
	"math"
	"slices"
	"testing"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
	"rescore/worker/lane"
)

// policy is the default of domain C08, C10 and C11.
func policy() job.Policy {
	return job.Policy{
		ValueCutFen: [5]int64{3500, 12000, 30000, 70000, 170000},
		SaveRate:    0.20, Margin: 0.50, HorizonMonths: 12, ContactCostFen: 200, OfferCostFen: 1000, AcceptRate: 0.30,
		BadDebtFen: 10000, BadDebtSuspends: 2, HoldoutPct: 5, GroupHandled: true,
	}
}

// unheld is the default without a holdout, so that RETAIN is RETAIN.
func unheld() job.Policy {
	p := policy()
	p.HoldoutPct = 0
	return p
}

func TestC08ValueIsTheMeanOfTheBillsThereAre(t *testing.T) {
	row := func(fee2, fee1, fee0 any) kerneltest.Row {
		return kerneltest.Row{"fee_m2": fee2, "fee_m1": fee1, "fee_m0": fee0, "history": 63}
	}
	cut := row(170000, 170000, 4000)
	cut["history"] = 1
	kerneltest.Run(t, NewValue(policy()),
		[]kerneltest.Row{
			row(6000, 5000, 4000), row(nil, 3500, 3499), row(nil, 3500, 3501), row(nil, 3501, 3502), row(1, 1, 2), row(1, 2, 2),
			row(nil, nil, nil), row(nil, nil, 3499), row(12000, 12000, 12000), row(nil, 30000, nil), row(nil, nil, 69999), row(70000, nil, nil),
			row(nil, nil, 170000), row(0, 0, 0), row(-500, 0, nil), cut,
		},
		[]kerneltest.Row{
			{"arpu3_fen": 5000, "value_tier": 1}, {"arpu3_fen": 3500, "value_tier": 1}, {"arpu3_fen": 3500}, {"arpu3_fen": 3502}, {"arpu3_fen": 1}, {"arpu3_fen": 2},
			{"arpu3_fen": -1, "value_tier": 255}, {"arpu3_fen": 3499, "value_tier": 0}, {"value_tier": 2}, {"value_tier": 3}, {"value_tier": 3}, {"value_tier": 4},
			{"value_tier": 5}, {"arpu3_fen": 0, "value_tier": 0}, {"arpu3_fen": 0, "value_tier": 0}, {"arpu3_fen": 4000},
		})
}

// C10's three subscribers: propensity and ARPU in fen.
var c10 = []kerneltest.Row{
	{"propensity": 0.30, "arpu3_fen": 20000}, // A
	{"propensity": 0.80, "arpu3_fen": 3000},  // B
	{"propensity": 0.10, "arpu3_fen": 50000}, // C
}

func TestC10ExpectedLoss(t *testing.T) {
	kerneltest.Run(t, NewLoss(),
		append(slices.Clone(c10), kerneltest.Row{"propensity": 0.9, "arpu3_fen": -1}, kerneltest.Row{"propensity": 0.9, "arpu3_fen": 0}),
		[]kerneltest.Row{{"expected_loss_fen": 6000}, {"expected_loss_fen": 2400}, {"expected_loss_fen": 5000}, {"expected_loss_fen": -1}, {"expected_loss_fen": 0}})
}

func TestAT21_PriorityOrderIsACB(t *testing.T) {
	p, arpu, got := []float32{.30, .80, .10}, []int64{20000, 3000, 50000}, make([]int64, 3)
	NewLoss().Eval(3, []kernel.Vector{{F32: p}, {I64: arpu}}, []kernel.Vector{{I64: got}})
	order := []string{"A", "B", "C"}
	slices.SortFunc(order, func(a, b string) int { return int(got[b[0]-'A'] - got[a[0]-'A']) })
	if !slices.Equal(order, []string{"A", "C", "B"}) {
		t.Errorf("order %v of losses %v", order, got)
	}
}

// somebody is a subscriber worth retaining, changed by more.
func somebody(more kerneltest.Row) kerneltest.Row {
	row := kerneltest.Row{"msisdn": uint64(13800138000), "history": 63, "arpu3_fen": 20000, "propensity": 0.3, "status_m0": 1}
	for k, v := range more {
		row[k] = v
	}
	return row
}

func TestAT21_NetDecidesLowValue(t *testing.T) {
	// p = .30: ARPU 20 yuan nets +2.20, 10 yuan −1.40; break-even is 13.89.
	d := NewDecision(unheld()).(*decision)
	for _, c := range []struct{ arpu, net float64 }{{2000, 220}, {1000, -140}} {
		if net := 0.30*c.arpu*d.gain - d.cost; math.Abs(net-c.net) > 1e-9 {
			t.Errorf("ARPU %v fen nets %v fen, want %v", c.arpu, net, c.net)
		}
	}
	if even := d.cost / (0.30 * d.gain); math.Abs(even-1389) > 0.5 {
		t.Errorf("break-even at %v fen, want 1389", even)
	}
	kerneltest.Run(t, d,
		[]kerneltest.Row{
			somebody(kerneltest.Row{"arpu3_fen": 2000}), somebody(kerneltest.Row{"arpu3_fen": 1000}),
			somebody(kerneltest.Row{"arpu3_fen": 1389}), somebody(kerneltest.Row{"arpu3_fen": 1388}),
		},
		[]kerneltest.Row{{"retain_decision": Retain}, {"retain_decision": GiveUpLowValue}, {"retain_decision": Retain}, {"retain_decision": GiveUpLowValue}})
}

// worst has every reason at once; taking the reasons away one by one in the
// order of precedence shows the order.
func TestC11DecisionsByPrecedence(t *testing.T) {
	p := policy()
	p.HoldoutPct = 100
	worst := kerneltest.Row{
		"status_m0": 6, "event_flags": 0xf0, "group_id": 7, "city_code": 10, "cell_city_code_m0": 21, "cell_city_code_m1": 20, "arpu3_fen": -1,
	}
	steps := []struct {
		change kerneltest.Row
		want   Decision
	}{
		{kerneltest.Row{}, Gone},
		{kerneltest.Row{"status_m0": 7}, Gone},
		{kerneltest.Row{"status_m0": 4}, DoNotContact},
		{kerneltest.Row{"event_flags": 0x70}, GiveUpBadDebt},
		{kerneltest.Row{"event_flags": 0x30}, Involuntary},
		{kerneltest.Row{"status_m0": 1}, GroupHandled},
		{kerneltest.Row{"event_flags": 0x20}, Migrant},
		{kerneltest.Row{"cell_city_code_m1": nil}, NoContactData},
		{kerneltest.Row{"event_flags": nil}, NoValue},
		{kerneltest.Row{"arpu3_fen": 10}, GiveUpLowValue},
		{kerneltest.Row{"arpu3_fen": 20000}, Holdout},
		{kerneltest.Row{"vip_class": 4}, Retain},
	}
	var rows, want []kerneltest.Row
	for _, s := range steps {
		for k, v := range s.change {
			worst[k] = v
		}
		rows, want = append(rows, somebody(worst)), append(want, kerneltest.Row{"retain_decision": s.want})
	}
	kerneltest.Run(t, NewDecision(p), rows, want)
}

func TestC11BadDebtNeedsArrearsSuspensionAndHabit(t *testing.T) {
	row := func(status, arrears int, more kerneltest.Row) kerneltest.Row {
		r := somebody(kerneltest.Row{"status_m0": status, "arrears_fen": arrears, "suspend_cnt_m1": 1, "suspend_cnt_m5": 1})
		for k, v := range more {
			r[k] = v
		}
		return r
	}
	kerneltest.Run(t, NewDecision(unheld()),
		[]kerneltest.Row{
			row(4, 10000, nil), row(5, 10000, nil), row(3, 10000, nil), row(4, 9999, nil), row(4, 10000, kerneltest.Row{"suspend_cnt_m5": nil}),
			row(4, 10000, kerneltest.Row{"history": 31}), row(4, 10000, kerneltest.Row{"arrears_fen": nil}), row(5, 9999, nil),
		},
		[]kerneltest.Row{
			{"retain_decision": GiveUpBadDebt}, {"retain_decision": GiveUpBadDebt}, {"retain_decision": Retain}, {"retain_decision": Involuntary},
			{"retain_decision": Involuntary}, {"retain_decision": Involuntary}, {"retain_decision": Involuntary}, {"retain_decision": Retain},
		})
}

func TestC11OptionsOfThePolicy(t *testing.T) {
	member := somebody(kerneltest.Row{"group_id": 9, "event_flags": 16})
	kerneltest.Run(t, NewDecision(unheld()), []kerneltest.Row{member, somebody(kerneltest.Row{"group_id": 9}), somebody(kerneltest.Row{"event_flags": 16})},
		[]kerneltest.Row{{"retain_decision": GroupHandled}, {"retain_decision": Retain}, {"retain_decision": Retain}})
	open := unheld()
	open.GroupHandled = false
	kerneltest.Run(t, NewDecision(open), []kerneltest.Row{member}, []kerneltest.Row{{"retain_decision": Retain}})

	everybody := policy()
	everybody.HoldoutPct = 100
	vips := []kerneltest.Row{somebody(kerneltest.Row{"vip_class": 1}), somebody(kerneltest.Row{"vip_grade": 3}), somebody(nil)}
	kerneltest.Run(t, NewDecision(everybody), vips, []kerneltest.Row{{"retain_decision": Retain}, {"retain_decision": Retain}, {"retain_decision": Holdout}})
	everybody.HoldoutVIP = true
	kerneltest.Run(t, NewDecision(everybody), vips, []kerneltest.Row{{"retain_decision": Holdout}, {"retain_decision": Holdout}, {"retain_decision": Holdout}})
}

func TestHoldoutIsAFairFixedDraw(t *testing.T) {
	t.Parallel()
	const n = 200_000
	drawn := func(seed uint64, percent uint64) []bool {
		p := policy()
		p.HoldoutSeed = seed
		held, number := make([]bool, n), make([]uint64, lane.Rows)
		for lo := 0; lo < n; lo += lane.Rows {
			for i := range number {
				number[i] = 13_800_000_000 + uint64(lo+i)
			}
			var m lane.Mask
			m.Fill(true)
			draw(&m, number, NewDecision(p).(*decision).key, percent)
			for i := range min(lane.Rows, n-lo) {
				held[lo+i] = m.Get(i)
			}
		}
		return held
	}
	count := func(held []bool) (c int) {
		for _, h := range held {
			if h {
				c++
			}
		}
		return c
	}
	five, again, other := drawn(0, 5), drawn(0, 5), drawn(1, 5)
	if c := count(five); c < n*48/1000 || c > n*52/1000 {
		t.Errorf("%d of %d drawn, want about 5 %%", c, n)
	}
	if !slices.Equal(five, again) {
		t.Error("the same seed draws other numbers")
	}
	both := 0
	for i := range five {
		if five[i] && other[i] {
			both++
		}
	}
	if both > n*4/1000 {
		t.Errorf("%d drawn under both seeds, want about %d", both, n/400)
	}
	for i, held := range drawn(0, 10) { // a larger holdout contains the smaller
		if five[i] && !held {
			t.Fatalf("row %d is held out at 5 %% and not at 10 %%", i)
		}
	}
	// The draw is part of what a version means: it may not change.
	first := make([]int, 0, 6)
	for i := range five {
		if five[i] && len(first) < 6 {
			first = append(first, i)
		}
	}
	if want := goldenHoldout; !slices.Equal(first, want) {
		t.Errorf("the first lines held out are %v, were %v", first, want)
	}
}

// goldenHoldout are the first lines of segment 1380000 held out at 5 % with seed 0.
var goldenHoldout = []int{30, 35, 90, 100, 102, 145}
