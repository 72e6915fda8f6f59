package rule

import (
	"math/big"
	"testing"
	"time"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// Defaults of domain C03.
func defaults() job.Rules {
	return job.Rules{
		T1ThresholdFen: [4]int64{170000, 70000, 30000, 10000},
		T2Mode:         "four_point", T2BaseFen: 3500, T2DropPct: 40, T2BaseMonths: "base_month",
		T3BalanceFen: 500, T3Activity: "voice", T3PayModes: "prepaid",
		T6RequireStopped: true, T7Seconds: 2400, T8Faults: 2, T9Days: 90,
		T11Mode: "within", T11Months: 2, HoldSuppresses: true,
		ExcludePartialFirstMonth: true, NewSubMonths: 3,
		T5ServiceTypes: []uint32{3}, T8Window: "calendar_month", LabelRule: "status_or_silent", LabelMonths: 1,
	}
}

// with returns the defaults after a change.
func with(change func(*job.Rules)) job.Rules {
	r := defaults()
	change(&r)
	return r
}

func date(year, month, day int) int32 {
	return int32(time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// Verdicts of one trigger in a hand case.
const (
	isFalse   = "FALSE"
	fires     = "TRUE"
	isUnknown = "UNKNOWN"
)

// judged is one hand case of one trigger.
type judged struct {
	row  kerneltest.Row
	says string
}

// expect runs the hand cases of trigger t. The other triggers' columns are
// absent, so only t's bit is compared: as its own kernel output of one bit.
func expect(t *testing.T, r job.Rules, month int32, trigger int, cases ...judged) {
	t.Helper()
	var rows, want []kerneltest.Row
	for _, c := range cases {
		row := kerneltest.Row{kernel.HistoryDepth.Name: kernel.NoLimit}
		for k, v := range c.row {
			row[k] = v
		}
		rows = append(rows, row)
		bit := kerneltest.Row{"fired": 0, "unknown": 0}
		switch c.says {
		case fires:
			bit["fired"] = 1
		case isUnknown:
			bit["unknown"] = 1
		}
		want = append(want, bit)
	}
	kerneltest.Run(t, onlyBit{NewTriggers(r, month), trigger}, rows, want)
}

// onlyBit shows one trigger of a triggers kernel.
type onlyBit struct {
	kernel.Kernel
	trigger int
}

var bitOutputs = []kernel.Vector{
	{U16: make([]uint16, kerneltest.PoolRows)}, {U16: make([]uint16, kerneltest.PoolRows)}, {U8: make([]uint8, kerneltest.PoolRows)},
	{U8: make([]uint8, kerneltest.PoolRows)}, {U8: make([]uint8, kerneltest.PoolRows)}, {U8: make([]uint8, kerneltest.PoolRows)}, {U8: make([]uint8, kerneltest.PoolRows)},
}

func (o onlyBit) Spec() kernel.Spec {
	spec := o.Kernel.Spec()
	spec.Out = []kernel.Field{{Name: "fired", Type: spec.Out[2].Type}, {Name: "unknown", Type: spec.Out[2].Type}}
	return spec
}

func (o onlyBit) Eval(n int, in, out []kernel.Vector) {
	o.Kernel.Eval(n, in, bitOutputs)
	for i := range n {
		out[0].U8[i] = uint8(bitOutputs[0].U16[i] >> (o.trigger - 1) & 1)
		out[1].U8[i] = uint8(bitOutputs[1].U16[i] >> (o.trigger - 1) & 1)
	}
}

// fees writes bills as the dossier does, oldest first, ending with m.
func fees(oldestFirst ...any) kerneltest.Row {
	row := kerneltest.Row{}
	for i, v := range oldestFirst {
		row["fee_m"+string(rune('0'+len(oldestFirst)-1-i))] = v
	}
	return row
}

// seconds writes outgoing and incoming seconds of m-2, m-1 and m.
func seconds(row kerneltest.Row, oldestFirst ...any) kerneltest.Row {
	for i, v := range oldestFirst {
		k := string(rune('0' + len(oldestFirst) - 1 - i))
		row["out_sec_m"+k], row["in_sec_m"+k] = v, v
	}
	return row
}

func TestAT17_T2a(t *testing.T) {
	expect(t, defaults(), 201011, 2, judged{fees(10000, 8500, 7200, 6000), fires})
}

func TestAT17_T2b(t *testing.T) {
	expect(t, defaults(), 201011, 2, judged{fees(10000, 8500, 7200, 6001), isFalse})
}

func TestAT17_T2c(t *testing.T) {
	c := fees(10000, 8500, 7200, 6200)
	expect(t, defaults(), 201011, 2, judged{c, isFalse})
	expect(t, with(func(r *job.Rules) { r.T2Mode = "sum_of_mom" }), 201011, 2, judged{c, fires})
	// 15.00 + 15.29 + 13.89 = 44.18 %
	expect(t, with(func(r *job.Rules) { r.T2Mode, r.T2DropPct = "sum_of_mom", 44 }), 201011, 2, judged{c, fires})
	expect(t, with(func(r *job.Rules) { r.T2Mode, r.T2DropPct = "sum_of_mom", 45 }), 201011, 2, judged{c, isFalse})
}

func TestAT17_T2d(t *testing.T) {
	expect(t, defaults(), 201011, 2, judged{fees(3500, 3000, 2500, 2100), fires})
}

func TestAT17_T2e(t *testing.T) {
	expect(t, defaults(), 201011, 2, judged{fees(3499, 3000, 2500, 2000), isFalse})
}

func TestAT17_T2f(t *testing.T) {
	c := fees(10000, 5000, 5000, 4000)
	expect(t, defaults(), 201011, 2, judged{c, isFalse})
	expect(t, with(func(r *job.Rules) { r.T2Mode = "non_monotone" }), 201011, 2, judged{c, fires}, judged{fees(10000, nil, nil, 4000), fires})
}

func TestAT17_T2g(t *testing.T) {
	for _, mode := range []string{"four_point", "three_point", "sum_of_mom", "non_monotone"} {
		c := fees(0, 0, 0, 0)
		if mode == "three_point" {
			c = fees(0, 0, 0)
		}
		expect(t, with(func(r *job.Rules) { r.T2Mode = mode }), 201011, 2, judged{c, isFalse})
	}
}

func TestAT17_T2h(t *testing.T) {
	expect(t, defaults(), 201011, 2, judged{fees(10000, nil, 7200, 6000), isUnknown})
}

func TestT2ReadsHistoryHoldAndTheOtherBase(t *testing.T) {
	base := fees(10000, 8500, 7200, 6000)
	depth := func(d int, more kerneltest.Row) kerneltest.Row {
		row := kerneltest.Row{kernel.HistoryDepth.Name: d}
		for k, v := range base {
			row[k] = v
		}
		for k, v := range more {
			row[k] = v
		}
		return row
	}
	expect(t, defaults(), 201011, 2,
		judged{depth(4, nil), fires}, judged{depth(3, nil), isUnknown}, judged{depth(0, nil), isUnknown},
		judged{depth(255, kerneltest.Row{"status_m0": 2}), isFalse}, judged{depth(3, kerneltest.Row{"status_m0": 2}), isFalse},
		judged{depth(255, kerneltest.Row{"status_m0": 4}), fires}, judged{depth(255, kerneltest.Row{"status_m0": 6}), isFalse})
	expect(t, with(func(r *job.Rules) { r.HoldSuppresses = false }), 201011, 2, judged{depth(255, kerneltest.Row{"status_m0": 2}), fires})
	short := func(d int, bills ...any) kerneltest.Row {
		row := fees(bills...)
		row[kernel.HistoryDepth.Name] = d
		return row
	}
	three := with(func(r *job.Rules) { r.T2Mode = "three_point" })
	expect(t, three, 201011, 2,
		judged{fees(7500, 6000, 4500), fires}, judged{fees(7500, 6000, 4501), isFalse}, judged{fees(7500, 7500, 4500), isFalse},
		judged{short(3, 7500, 6000, 4500), fires}, judged{short(2, 7500, 6000, 4500), isUnknown})
	mean := with(func(r *job.Rules) { r.T2BaseMonths = "mean3" })
	expect(t, mean, 201011, 2,
		judged{fees(3000, 3000, 4500, 4000, 3000, 2000), fires}, judged{fees(3000, 2999, 4500, 4000, 3000, 2000), isFalse},
		judged{fees(nil, 3000, 4500, 4000, 3000, 2000), isUnknown})
	// Per day: 31 yuan in January and 28 in February are the same.
	perDay := with(func(r *job.Rules) { r.T2Mode, r.FeeNormaliseDays, r.T2DropPct = "three_point", true, 0 })
	expect(t, perDay, 201102, 2, judged{fees(9400, 3100, 2800), isFalse}, judged{fees(9400, 3100, 2799), fires})
}

func TestAT17_T3a(t *testing.T) {
	row := func(balance any) kerneltest.Row {
		return seconds(kerneltest.Row{"pay_mode": 1, "balance_fen": balance}, 5, 5, 5)
	}
	expect(t, defaults(), 201011, 3, judged{row(499), fires}, judged{row(500), isFalse}, judged{row(-120), fires}, judged{row(nil), isUnknown})
}

func TestAT17_T3b(t *testing.T) {
	expect(t, defaults(), 201011, 3, judged{seconds(kerneltest.Row{"pay_mode": 1}, 0, 0, 0), fires})
}

func TestAT17_T3c(t *testing.T) {
	expect(t, defaults(), 201011, 3, judged{seconds(kerneltest.Row{"pay_mode": 1, "balance_fen": 900}, 0, nil, 0), isUnknown})
}

func TestT3IsForPrepaidAndKnowsItsOptions(t *testing.T) {
	row := func(pay, depth int, balance any, more kerneltest.Row) kerneltest.Row {
		r := seconds(kerneltest.Row{"pay_mode": pay, "balance_fen": balance, kernel.HistoryDepth.Name: depth}, 0, 0, 0)
		for k, v := range more {
			r[k] = v
		}
		return r
	}
	expect(t, defaults(), 201011, 3,
		judged{row(2, 255, 0, nil), isFalse}, judged{row(0, 255, 0, nil), isUnknown}, judged{row(1, 3, 900, nil), fires},
		judged{row(1, 2, 900, nil), isUnknown}, judged{row(1, 2, 499, nil), fires},
		judged{row(1, 255, 900, kerneltest.Row{"status_m0": 2}), isFalse}, judged{row(1, 255, 499, kerneltest.Row{"status_m0": 2}), fires},
		judged{row(1, 255, 900, kerneltest.Row{"out_sec_m1": 1, "in_sec_m2": nil}), isFalse},
		judged{row(1, 255, 900, kerneltest.Row{"in_sec_m2": nil}), isUnknown})
	all := with(func(r *job.Rules) { r.T3PayModes = "all" })
	expect(t, all, 201011, 3,
		judged{row(2, 255, 0, nil), fires}, judged{row(2, 255, 0, kerneltest.Row{"out_sec_m0": 3}), isFalse},
		judged{row(0, 255, 0, nil), fires}, judged{row(0, 255, 0, kerneltest.Row{"out_sec_m0": 3}), isUnknown})
	data := func(kb any) kerneltest.Row {
		return kerneltest.Row{
			"sms_cnt_m0": 0, "sms_cnt_m1": 0, "sms_cnt_m2": 0, "data_kb_m0": 0, "data_kb_m1": kb, "data_kb_m2": 0,
		}
	}
	usage := with(func(r *job.Rules) { r.T3Activity = "any" })
	expect(t, usage, 201011, 3,
		judged{row(1, 255, 900, data(0)), fires}, judged{row(1, 255, 900, data(1)), isFalse}, judged{row(1, 255, 900, data(nil)), isUnknown})
}

func TestT4IsForPostpaidInArrears(t *testing.T) {
	row := func(pay, arrears any) kerneltest.Row {
		return kerneltest.Row{"pay_mode": pay, "arrears_fen": arrears}
	}
	expect(t, defaults(), 201011, 4,
		judged{row(2, 1), fires}, judged{row(2, 0), isFalse}, judged{row(2, -5), isFalse}, judged{row(2, nil), isUnknown},
		judged{row(1, 1), isFalse}, judged{row(1, nil), isFalse}, judged{row(0, 0), isUnknown}, judged{row(nil, 1), isUnknown})
}

func TestT5AndT6AreForTheirServices(t *testing.T) {
	call := func(service, out, in any, depth int) kerneltest.Row {
		return kerneltest.Row{"service_type": service, "out_sec_m0": out, "in_sec_m0": in, kernel.HistoryDepth.Name: depth}
	}
	expect(t, defaults(), 201011, 5,
		judged{call(3, 0, 0, 255), fires}, judged{call(3, 0, 1, 255), isFalse}, judged{call(3, nil, 1, 255), isFalse},
		judged{call(3, nil, 0, 255), isUnknown}, judged{call(1, 0, 0, 255), isFalse}, judged{call(1, nil, nil, 0), isFalse},
		judged{call(3, 0, 0, 0), isUnknown}, judged{call(nil, 0, 0, 255), isUnknown}, judged{call(nil, 2, 0, 255), isFalse})
	flow := func(service, stopped, f0, f1 any, depth int) kerneltest.Row {
		return kerneltest.Row{"service_type": service, "bb_status": stopped, "bb_flow_kb_m0": f0, "bb_flow_kb_m1": f1, kernel.HistoryDepth.Name: depth}
	}
	cases := []judged{
		{flow(4, 1, 0, 0, 255), fires}, {flow(4, 1, 0, 0, 1), isUnknown}, {flow(4, 1, 3, 0, 255), isFalse}, {flow(4, 1, 0, 9, 255), isFalse},
		{flow(4, 1, nil, 0, 255), isUnknown}, {flow(4, 1, 5, nil, 255), isUnknown}, {flow(1, 1, 0, 0, 255), isFalse}, {flow(nil, 1, 0, 0, 255), isUnknown},
	}
	expect(t, defaults(), 201011, 6, append(cases, judged{flow(4, 0, 0, 0, 255), isFalse}, judged{flow(4, nil, 0, 0, 255), isUnknown})...)
	var rows []judged
	for _, c := range cases {
		delete(c.row, "bb_status")
		rows = append(rows, c)
	}
	expect(t, with(func(r *job.Rules) { r.T6RequireStopped = false }), 201011, 6, rows...)
}

func TestAT17_T7(t *testing.T) {
	row := func(sec any, depth int) kerneltest.Row {
		return kerneltest.Row{"other_ld_sec_m0": sec, kernel.HistoryDepth.Name: depth}
	}
	expect(t, defaults(), 201011, 7, judged{row(2400, 255), isFalse}, judged{row(2401, 255), fires}, judged{row(nil, 255), isUnknown}, judged{row(9999, 0), isUnknown})
}

func TestT8CountsTheMonthsFaults(t *testing.T) {
	row := func(n any) kerneltest.Row { return kerneltest.Row{"fault_cnt_m0": n, kernel.HistoryDepth.Name: 0} }
	expect(t, defaults(), 201011, 8, judged{row(1), isFalse}, judged{row(2), fires}, judged{row(nil), isUnknown})
}

// The options of domain §11 that no test above selects.

func TestAmbiguity03_T1ThresholdsAreTheJobs(t *testing.T) {
	row := func(class, fee any) kerneltest.Row {
		return kerneltest.Row{"vip_class": class, "fee_m1": fee, "fee_m0": fee}
	}
	own := with(func(r *job.Rules) { r.T1ThresholdFen = [4]int64{50000, 40000, 0, 20000} })
	expect(t, own, 201011, 1,
		judged{row(1, 49999), fires}, judged{row(1, 50000), isFalse}, judged{row(2, 39999), fires}, judged{row(3, 1), isFalse},
		judged{row(4, 19999), fires}, judged{row(4, 20000), isFalse})
}

func TestAmbiguity06_T5IsForAListOfServiceTypes(t *testing.T) {
	call := func(service, out any, depth int) kerneltest.Row {
		return kerneltest.Row{"service_type": service, "out_sec_m0": out, "in_sec_m0": 0, kernel.HistoryDepth.Name: depth}
	}
	both := with(func(r *job.Rules) { r.T5ServiceTypes = []uint32{2, 3} })
	expect(t, both, 201011, 5,
		judged{call(2, 0, 255), fires}, judged{call(3, 0, 255), fires}, judged{call(4, 0, 255), isFalse}, judged{call(2, 1, 255), isFalse},
		judged{call(2, nil, 255), isUnknown}, judged{call(2, 0, 0), isUnknown}, judged{call(nil, 0, 255), isUnknown}, judged{call(nil, 1, 255), isFalse})
	expect(t, with(func(r *job.Rules) { r.T5ServiceTypes = []uint32{2} }), 201011, 5, judged{call(3, 0, 255), isFalse}, judged{call(2, 0, 255), fires})
	// Where no service type is a campus phone, no unknown one is.
	expect(t, with(func(r *job.Rules) { r.T5ServiceTypes = nil }), 201011, 5, judged{call(3, 0, 255), isFalse}, judged{call(nil, 0, 255), isFalse}, judged{call(nil, nil, 0), isFalse})
}

func TestAmbiguity07_T8CountsARollingThirtyDays(t *testing.T) {
	rolling := with(func(r *job.Rules) { r.T8Window = "rolling_30d" })
	row := func(n any) kerneltest.Row {
		return kerneltest.Row{"fault_cnt_30d": n, kernel.HistoryDepth.Name: 0}
	}
	expect(t, rolling, 201011, 8, judged{row(1), isFalse}, judged{row(2), fires}, judged{row(nil), isUnknown})
	for _, f := range NewTriggers(rolling, 201011).Spec().In {
		if f.Name == "fault_cnt_m0" {
			t.Error("the calendar month is read although nobody asks for it")
		}
	}
}

func TestT9IsARecentBadEnding(t *testing.T) {
	row := func(result, closed any) kerneltest.Row {
		return kerneltest.Row{"complaint_result": result, "complaint_date": closed}
	}
	asof := date(2010, 12, 31)
	expect(t, defaults(), 201012, 9,
		judged{row(2, asof), fires}, judged{row(3, nil), fires}, judged{row(2, asof-90), fires}, judged{row(2, asof-91), isFalse},
		judged{row(2, asof+1), isFalse}, judged{row(1, asof), isFalse}, judged{row(4, asof), isFalse}, judged{row(nil, asof), isFalse})
}

func TestSignsOfAFixedLineAreNotForMobiles(t *testing.T) {
	for trigger, bit := range map[int]int{10: 0, 12: 1, 13: 2} {
		row := func(service, flags any) kerneltest.Row {
			return kerneltest.Row{"service_type": service, "event_flags": flags}
		}
		expect(t, defaults(), 201012, trigger,
			judged{row(2, 1<<bit), fires}, judged{row(nil, 1<<bit), fires}, judged{row(1, 1<<bit), isFalse}, judged{row(2, ^uint32(0)&^(1<<bit)), isFalse}, judged{row(2, nil), isFalse})
	}
	row := func(class, group, flags any) kerneltest.Row {
		return kerneltest.Row{"vip_class": class, "group_id": group, "event_flags": flags, "service_type": 1}
	}
	expect(t, defaults(), 201012, 14,
		judged{row(1, nil, 8), fires}, judged{row(0, uint64(1<<63), 8), fires}, judged{row(nil, nil, 8), isFalse}, judged{row(nil, 0, 8), isFalse}, judged{row(4, 7, 7), isFalse})
}

func TestAT17_T11(t *testing.T) {
	row := func(end any) kerneltest.Row { return kerneltest.Row{"contract_end": end} }
	expect(t, defaults(), 201012, 11,
		judged{row(date(2011, 2, 28)), fires}, judged{row(date(2011, 3, 1)), isFalse}, judged{row(date(2010, 12, 31)), isFalse},
		judged{row(date(2011, 1, 1)), fires}, judged{row(nil), isFalse})
	exact := with(func(r *job.Rules) { r.T11Mode = "exact_month" })
	expect(t, exact, 201012, 11,
		judged{row(date(2011, 2, 1)), fires}, judged{row(date(2011, 2, 28)), fires}, judged{row(date(2011, 1, 31)), isFalse}, judged{row(date(2011, 3, 1)), isFalse})
}

func TestAT17_T1(t *testing.T) {
	row := func(class, fee1, fee0 any, depth int) kerneltest.Row {
		return kerneltest.Row{"vip_class": class, "fee_m1": fee1, "fee_m0": fee0, kernel.HistoryDepth.Name: depth}
	}
	expect(t, defaults(), 201011, 1,
		judged{row(2, 69999, 70000, 255), isFalse}, judged{row(2, 69999, 69999, 255), fires}, judged{row(2, 70000, 69999, 255), isFalse},
		judged{row(1, 169999, 169999, 255), fires}, judged{row(3, 29999, 30000, 255), isFalse}, judged{row(4, 9999, 9999, 2), fires},
		judged{row(4, 9999, 9999, 1), isUnknown}, judged{row(4, nil, 9999, 255), isUnknown}, judged{row(4, 99999, nil, 255), isUnknown},
		judged{row(0, nil, nil, 0), isFalse}, judged{row(nil, 1, 1, 255), isFalse}, judged{row(5, 1, 1, 255), isFalse})
}

func TestSummaryOfTheTriggers(t *testing.T) {
	k := NewTriggers(defaults(), 201012)
	// Everything a mobile subscriber can do wrong at once.
	bad := kerneltest.Row{
		"vip_class": 4, "fee_m3": 5000, "fee_m2": 4000, "fee_m1": 3000, "fee_m0": 2000, "pay_mode": 2, "arrears_fen": 1,
		"service_type": 1, "other_ld_sec_m0": 2401, "fault_cnt_m0": 2, "complaint_result": 3, "event_flags": 15,
		"contract_end": date(2011, 1, 1), kernel.HistoryDepth.Name: 255,
	}
	change := func(more kerneltest.Row) kerneltest.Row {
		row := kerneltest.Row{}
		for k, v := range bad {
			row[k] = v
		}
		for k, v := range more {
			row[k] = v
		}
		return row
	}
	// T1, T2, T4, T7, T8, T9, T11, T14
	const all = 1<<0 | 1<<1 | 1<<3 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<13
	kerneltest.Run(t, k,
		[]kerneltest.Row{
			bad,
			change(kerneltest.Row{"status_m0": 6}),
			change(kerneltest.Row{"status_m0": 7, kernel.HistoryDepth.Name: 0}),
			change(kerneltest.Row{"status_m0": 2}),
			change(kerneltest.Row{kernel.HistoryDepth.Name: 1}),
			change(kerneltest.Row{"fee_m3": nil, "arrears_fen": nil}),
			{kernel.HistoryDepth.Name: 255, "service_type": 1, "pay_mode": 2, "arrears_fen": 0, "other_ld_sec_m0": 0, "fault_cnt_m0": 0, "fee_m0": 1, "fee_m1": 1, "fee_m2": 1, "fee_m3": 1},
		},
		[]kerneltest.Row{
			{"trg_fired": all, "trg_unknown": 0, "trg_count": 8, "trg_first": 1, "trg_reason": 0, "warn": 1, "dunning": 1},
			{"trg_fired": 0, "trg_unknown": 0, "trg_count": 0, "trg_first": 0, "trg_reason": Gone, "warn": 0, "dunning": 0},
			{"trg_fired": 0, "trg_unknown": 0, "trg_count": 0, "trg_first": 0, "trg_reason": Gone, "warn": 0, "dunning": 0},
			{"trg_fired": all &^ 2, "trg_unknown": 0, "trg_count": 7, "trg_first": 1, "trg_reason": Hold},
			{"trg_fired": all &^ 3, "trg_unknown": 3, "trg_count": 6, "trg_first": 4, "trg_reason": ShortHistory},
			{"trg_fired": all &^ 10, "trg_unknown": 10, "trg_reason": MissingValue, "dunning": 0},
			{"trg_fired": 0, "trg_unknown": 0, "trg_first": 0, "trg_reason": 0, "warn": 0, "dunning": 0},
		})
}

func TestAddedFallsAreExact(t *testing.T) {
	t.Parallel()
	naive := func(bill [4]int64, percent int64) bool {
		sum := new(big.Rat)
		for k := range 3 {
			if bill[k] <= 0 {
				break
			}
			sum.Add(sum, big.NewRat(100*(bill[k]-bill[k+1]), bill[k]))
		}
		return sum.Cmp(new(big.Rat).SetInt64(percent)) >= 0
	}
	state := uint64(7)
	next := func(n int64) int64 {
		state = state*6364136223846793005 + 1442695040888963407
		return int64(state>>11) % n
	}
	for range 100_000 {
		top := []int64{20, 400, 20_000, 960 * kernel.MoneyMax}[next(4)]
		bill := [4]int64{1 + next(top)}
		for k := 1; k < 4; k++ {
			bill[k] = bill[k-1] - 1 - next(max(bill[k-1], 1))/2
		}
		sum := 0.0
		for k := range 3 {
			if bill[k] <= 0 {
				break
			}
			sum += 100 * float64(bill[k]-bill[k+1]) / float64(bill[k])
		}
		for d := int64(-2); d <= 2; d++ {
			percent := int64(sum) + d
			if got, want := addsUp(bill, percent), naive(bill, percent); got != want {
				t.Fatalf("bills %v, %d percent: %v, want %v", bill, percent, got, want)
			}
		}
	}
	// Exactly the threshold: 50 + 50 + 50.
	if !addsUp([4]int64{8, 4, 2, 1}, 150) || addsUp([4]int64{8, 4, 2, 1}, 151) {
		t.Error("8, 4, 2, 1 does not add up to 150")
	}
	// A third, a half and a whole: 33.33 + 50 + 100 is above 183, below 184.
	if !addsUp([4]int64{3, 2, 1, 0}, 183) || addsUp([4]int64{3, 2, 1, 0}, 184) {
		t.Error("3, 2, 1, 0 does not add up to 183.33")
	}
}

func TestWideArithmeticAgreesWithBigIntegers(t *testing.T) {
	t.Parallel()
	toBig := func(w wide) *big.Int {
		x := new(big.Int)
		for i := 2; i >= 0; i-- {
			x.Lsh(x, 64).Or(x, new(big.Int).SetUint64(w[i]))
		}
		return x
	}
	state := uint64(3)
	next := func() uint64 { // below 2^63, as products of three must fit 192 bits twice over
		state = state*6364136223846793005 + 1442695040888963407
		x := state >> 1
		switch state >> 60 {
		case 0:
			return 1<<63 - 1
		case 1:
			return x >> 40
		}
		return x
	}
	for range 50_000 {
		a, b, c := next(), next(), next()
		p, q := product(a, b, c), product(c, a, next())
		want := new(big.Int).Mul(new(big.Int).SetUint64(a), new(big.Int).SetUint64(b))
		want.Mul(want, new(big.Int).SetUint64(c))
		if toBig(p).Cmp(want) != 0 {
			t.Fatalf("%d·%d·%d is %v", a, b, c, toBig(p))
		}
		if sum := new(big.Int).Add(toBig(p), toBig(q)); toBig(p.plus(q)).Cmp(sum) != 0 || p.less(q) != (toBig(p).Cmp(toBig(q)) < 0) || p.less(p) {
			t.Fatalf("%v and %v: sum %v, less %v", toBig(p), toBig(q), toBig(p.plus(q)), p.less(q))
		}
	}
}
