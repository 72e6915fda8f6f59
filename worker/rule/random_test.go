package rule

import (
	"math/big"
	"slices"
	"testing"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// The reference below is written from the dossier's table, one subscriber at a
// time, with a pointer for every value that can be null.

// truth is a three-valued answer; unknown ones say why.
type truth struct {
	is  bool
	why int // 0: known
}

var (
	yesItIs = truth{is: true}
	noItIs  = truth{}
	tooNew  = truth{why: ShortHistory}
	lacking = truth{why: MissingValue}
)

func known(b bool) truth { return truth{is: b} }

// code returns a code whose null means zero.
func code(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}

// scalar judges one subscriber under one set of rules.
type scalar struct {
	rules job.Rules
	month int32
	days  [6]int64 // of m-k
	asof  int32
	due   int32 // T11
	first int32
}

func newScalar(r job.Rules, month int32) scalar {
	s := scalar{rules: r, month: month}
	year, m := int(month/100), int(month%100)
	for k := range s.days {
		s.days[k] = int64(date(year, m-k+1, 1) - date(year, m-k, 1))
	}
	s.asof = date(year, m+1, 0)
	// The as-of date plus two months, clamped to that month's end.
	s.first, s.due = s.asof+1, date(year, m+r.T11Months+1, 0)
	if day := s.asof - date(year, m, 1); date(year, m+r.T11Months, 1)+day < s.due {
		s.due = date(year, m+r.T11Months, 1) + day
	}
	if r.T11Mode == "exact_month" {
		s.first, s.due = date(year, m+r.T11Months, 1), date(year, m+r.T11Months+1, 0)
	}
	return s
}

func (s scalar) t1(in *kerneltest.In, depth int64) truth {
	class := code(in.Int("vip_class"))
	if class < 1 || class > 4 {
		return noItIs
	}
	if depth < 2 {
		return tooNew
	}
	fee0, fee1 := in.Int("fee_m0"), in.Int("fee_m1")
	if fee0 == nil || fee1 == nil {
		return lacking
	}
	t := s.rules.T1ThresholdFen[class-1]
	return known(*fee0 < t && *fee1 < t)
}

func (s scalar) t2(in *kerneltest.In, depth int64, held bool) truth {
	if held {
		return noItIs
	}
	r := s.rules
	need, from := int64(4), 3
	if r.T2Mode == "three_point" {
		need, from = 3, 2
	}
	if r.T2BaseMonths == "mean3" {
		need = 6
	}
	if depth < need {
		return tooNew
	}
	names := []string{"fee_m0", "fee_m1", "fee_m2", "fee_m3", "fee_m4", "fee_m5"}
	used := map[int]bool{0: true, from: true}
	if r.T2Mode != "non_monotone" {
		for k := range from {
			used[k] = true
		}
	}
	if r.T2BaseMonths == "mean3" {
		used[3], used[4], used[5] = true, true, true
	}
	var fee [6]int64
	for k := range used {
		p := in.Int(names[k])
		if p == nil {
			return lacking
		}
		fee[k] = *p
	}
	if r.T2BaseMonths == "mean3" {
		if fee[3]+fee[4]+fee[5] < 3*r.T2BaseFen {
			return noItIs
		}
	} else if fee[from] < r.T2BaseFen {
		return noItIs
	}
	// Per day, a bill of x in a month of d days is x/d: compare x·(all other days).
	rate := func(k int) *big.Int {
		x := big.NewInt(fee[k])
		if r.FeeNormaliseDays {
			for j := range 4 {
				if j != k {
					x.Mul(x, big.NewInt(s.days[j]))
				}
			}
		}
		return x
	}
	if r.T2Mode != "non_monotone" {
		for k := from; k > 0; k-- {
			if rate(k).Cmp(rate(k-1)) <= 0 {
				return noItIs
			}
		}
	}
	if r.T2Mode == "sum_of_mom" {
		sum := new(big.Rat)
		for k := from; k > 0; k-- {
			b := rate(k)
			if b.Sign() <= 0 {
				break
			}
			sum.Add(sum, new(big.Rat).SetFrac(new(big.Int).Sub(b, rate(k-1)), b))
		}
		return known(sum.Mul(sum, big.NewRat(100, 1)).Cmp(big.NewRat(r.T2DropPct, 1)) >= 0)
	}
	drop := new(big.Int).Sub(rate(from), rate(0))
	drop.Mul(drop, big.NewInt(100))
	return known(drop.Cmp(new(big.Int).Mul(big.NewInt(r.T2DropPct), rate(from))) >= 0)
}

// idle says whether months 0 to months-1 had no traffic at all.
func idle(in *kerneltest.In, names [][]string, months int) truth {
	all := true
	for k := range months {
		for _, n := range names[k] {
			p := in.Int(n)
			if p == nil {
				all = false
			} else if *p != 0 {
				return noItIs
			}
		}
	}
	if !all {
		return lacking
	}
	return yesItIs
}

var (
	voiceNames = [][]string{{"out_sec_m0", "in_sec_m0"}, {"out_sec_m1", "in_sec_m1"}, {"out_sec_m2", "in_sec_m2"}}
	usageNames = [][]string{
		{"out_sec_m0", "in_sec_m0", "sms_cnt_m0", "data_kb_m0"}, {"out_sec_m1", "in_sec_m1", "sms_cnt_m1", "data_kb_m1"},
		{"out_sec_m2", "in_sec_m2", "sms_cnt_m2", "data_kb_m2"},
	}
)

// t3 returns both arms; the trigger is their OR.
func (s scalar) t3(in *kerneltest.In, depth int64, held bool) (low, quiet truth) {
	pay := code(in.Int("pay_mode"))
	all := s.rules.T3PayModes == "all"
	switch pay {
	case 1:
		if b := in.Int("balance_fen"); b == nil {
			low = lacking
		} else {
			low = known(*b < s.rules.T3BalanceFen)
		}
	case 2:
	default:
		low = lacking
	}
	if (pay == 1 || all) && !held {
		if depth < 3 {
			return low, tooNew
		}
		names := voiceNames
		if s.rules.T3Activity == "any" {
			names = usageNames
		}
		quiet = idle(in, names, 3)
	}
	return low, quiet
}

func (s scalar) t6(in *kerneltest.In, depth int64) truth {
	service := in.Int("service_type")
	if code(service) != 0 && *service != 4 {
		return noItIs
	}
	doubt := code(service) == 0
	if s.rules.T6RequireStopped {
		stopped := in.Int("bb_status")
		if stopped == nil {
			doubt = true
		} else if *stopped != 1 {
			return noItIs
		}
	}
	if depth < 2 {
		return tooNew
	}
	f0, f1 := in.Int("bb_flow_kb_m0"), in.Int("bb_flow_kb_m1")
	if f0 == nil || f1 == nil {
		return lacking
	}
	if *f0 != 0 || *f1 != 0 {
		return noItIs
	}
	if doubt {
		return lacking
	}
	return yesItIs
}

func (s scalar) row(in *kerneltest.In, out *kerneltest.Out) {
	r := s.rules
	depth := *in.Int(kernel.HistoryDepth.Name)
	status := code(in.Int("status_m0"))
	held := status == 2 && r.HoldSuppresses

	var fired, unknown, reason int64
	if status == 6 || status == 7 {
		reason = Gone
	} else {
		say := func(t int, arms ...truth) {
			any, why := false, 0
			for _, a := range arms {
				any = any || a.is
				why |= a.why
			}
			if any {
				fired |= 1 << (t - 1)
			} else if why != 0 {
				unknown |= 1 << (t - 1)
				reason |= int64(why)
			}
		}
		say(1, s.t1(in, depth))
		say(2, s.t2(in, depth, held))
		low, quiet := s.t3(in, depth, held)
		say(3, low, quiet)

		pay, arrears := code(in.Int("pay_mode")), in.Int("arrears_fen")
		switch {
		case pay == 1:
		case pay != 2 || arrears == nil:
			say(4, lacking)
		default:
			say(4, known(*arrears > r.T4ArrearsFen))
		}

		service := code(in.Int("service_type"))
		if slices.Contains(r.T5ServiceTypes, uint32(service)) || service == 0 && len(r.T5ServiceTypes) > 0 {
			t5 := idle(in, voiceNames, 1)
			if t5.is && service == 0 {
				t5 = lacking
			}
			if depth < 1 {
				t5 = tooNew
			}
			say(5, t5)
		}
		say(6, s.t6(in, depth))
		if other := in.Int("other_ld_sec_m0"); depth < 1 {
			say(7, tooNew)
		} else if other == nil {
			say(7, lacking)
		} else {
			say(7, known(*other > r.T7Seconds))
		}
		window := map[string]string{"calendar_month": "fault_cnt_m0", "rolling_30d": "fault_cnt_30d"}
		if faults := in.Int(window[r.T8Window]); faults == nil {
			say(8, lacking)
		} else {
			say(8, known(*faults >= r.T8Faults))
		}
		if result := code(in.Int("complaint_result")); result == 2 || result == 3 {
			closed := in.Int("complaint_date")
			say(9, known(closed == nil || *closed <= int64(s.asof) && *closed >= int64(s.asof)-r.T9Days))
		}
		flags := code(in.Int("event_flags"))
		say(10, known(flags&1 != 0 && service != 1))
		if end := in.Int("contract_end"); end != nil {
			say(11, known(*end >= int64(s.first) && *end <= int64(s.due)))
		}
		say(12, known(flags&2 != 0 && service != 1))
		say(13, known(flags&4 != 0 && service != 1))
		say(14, known(flags&8 != 0 && (code(in.Int("vip_class")) > 0 || code(in.Int("group_id")) != 0)))
		if held {
			reason |= Hold
		}
	}
	count, first := int64(0), int64(0)
	for t := int64(14); t >= 1; t-- {
		if fired>>(t-1)&1 == 1 {
			count, first = count+1, t
		}
	}
	out.Int("trg_fired", fired)
	out.Int("trg_unknown", unknown)
	out.Int("trg_count", count)
	out.Int("trg_first", first)
	out.Int("trg_reason", reason)
	out.Int("warn", min(count, 1))
	out.Int("dunning", fired>>3&1)
}

func TestTriggersEqualTheReferenceOnRandomRows(t *testing.T) {
	for _, c := range []struct {
		name  string
		rows  int // 0: a million
		month int32
		rules job.Rules
	}{
		{"defaults", 0, 201012, defaults()},
		{"three_point all modes", 200_000, 201102, with(func(r *job.Rules) {
			r.T2Mode, r.T3PayModes, r.T11Mode, r.T6RequireStopped = "three_point", "all", "exact_month", false
		})},
		{"sum_of_mom any usage", 200_000, 201203, with(func(r *job.Rules) {
			r.T2Mode, r.T3Activity, r.HoldSuppresses, r.FeeNormaliseDays = "sum_of_mom", "any", false, true
		})},
		{"non_monotone mean3", 200_000, 200002, with(func(r *job.Rules) {
			r.T2Mode, r.T2BaseMonths, r.T11Months, r.T4ArrearsFen, r.FeeNormaliseDays = "non_monotone", "mean3", 3, 100, true
			r.T5ServiceTypes, r.T8Window = []uint32{3, 2}, "rolling_30d"
		})},
		{"four_point mean3 per day", 200_000, 201102, with(func(r *job.Rules) {
			r.T2BaseMonths, r.FeeNormaliseDays, r.T3PayModes, r.T3Activity = "mean3", true, "all", "any"
			r.T5ServiceTypes, r.T2DropPct = nil, 1000
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScalar(c.rules, c.month)
			edges := map[string][]int64{
				"status": {2, 6, 7}, "vip_class": {1, 2, 3, 4}, "pay_mode": {1, 2}, "service_type": {1, 3, 4},
				"fee":         {10000, 8500, 7200, 6000, 3500, 2100, 30000, 70000, 170000},
				"balance_fen": {500}, "arrears_fen": {100}, "bb_flow_kb": {0}, "other_ld_sec": {2400}, "fault_cnt": {2},
				"complaint_result": {2, 3}, "complaint_date": {int64(s.asof), int64(s.asof) - 90}, "event_flags": {1, 2, 4, 8, 15},
				"contract_end": {int64(s.asof), int64(s.first), int64(s.due)}, "history_depth": {1, 2, 3, 4, 6, 254},
				"out_sec": {0, 0, 0}, "in_sec": {0, 0, 0},
			}
			if c.rules.T8Window == "rolling_30d" {
				edges["fault_cnt_30d"] = edges["fault_cnt"]
				delete(edges, "fault_cnt")
			}
			kerneltest.Random{
				New:       func(int) kernel.Kernel { return NewTriggers(c.rules, c.month) },
				Reference: s.row, Rows: c.rows, Edges: edges, Seed: uint64(c.month), NeverNull: []string{"history_depth"},
			}.Run(t)
		})
	}
}

func TestStatusEqualsTheReferenceOnRandomRows(t *testing.T) {
	months := []int64{201102, 201101, 201012, 201011, 201010, 201009}
	outNames := []string{"out_cnt_m0", "out_cnt_m1", "out_cnt_m2", "out_cnt_m3", "out_cnt_m4", "out_cnt_m5"}
	inNames := []string{"in_cnt_m0", "in_cnt_m1", "in_cnt_m2", "in_cnt_m3", "in_cnt_m4", "in_cnt_m5"}
	kerneltest.Random{
		New: func(int) kernel.Kernel { return NewStatus(201102) },
		Reference: func(in *kerneltest.In, out *kerneltest.Out) {
			history := *in.Int("history")
			// none says whether there was none of it in month k: yes, no, unknown.
			none := func(k int, names ...string) int64 {
				if history>>k&1 == 0 {
					return unknown
				}
				answer := int64(yes)
				for _, n := range names {
					p := in.Int(n)
					if p == nil {
						answer = unknown
					}
				}
				for _, n := range names {
					if p := in.Int(n); p != nil && *p != 0 {
						return no
					}
				}
				return answer
			}
			silent := none(0, outNames[0], inNames[0])
			before := none(1, outNames[1], inNames[1])
			recent := int64(unknown)
			switch {
			case silent == no || before == yes:
				recent = no
			case silent == yes && before == no:
				recent = yes
			}
			run, last := int64(-1), int64(0)
			for k := range 6 {
				if a := none(k, outNames[k], inNames[k]); a == no {
					run, last = int64(k), months[k]
					break
				} else if a == unknown {
					break
				} else if k == 5 {
					run = 6
				}
			}
			state := code(in.Int("status_m0"))
			if state > 7 {
				state = 0
			}
			if a := in.Int("arrears_fen"); state == 1 && a != nil && *a > 0 && code(in.Int("pay_mode")) != 1 {
				state = 8
			}
			out.Int("silent", silent)
			out.Int("silent_any", none(0, outNames[0], inNames[0], "sms_cnt_m0", "data_kb_m0"))
			out.Int("recent_silent", recent)
			out.Int("silent_run", run)
			out.Int("last_active_month", last)
			out.Int("account_state", state)
		},
		Edges:     map[string][]int64{"out_cnt": {0, 0, 0}, "in_cnt": {0, 0, 0}, "status": {1, 1, 7}, "pay_mode": {1, 2}, "history": {1, 3, 7, 15, 31, 63}},
		NeverNull: []string{"history"}, Seed: 5,
	}.Run(t)
}

func TestNewSubscriberEqualsTheReferenceOnRandomRows(t *testing.T) {
	kerneltest.Random{
		New: func(int) kernel.Kernel { return NewSubscriber(defaults()) },
		Reference: func(in *kerneltest.In, out *kerneltest.Out) {
			t := *in.Int("history_tenure")
			class := int64(0)
			switch {
			case t >= 60:
				class = 6
			case t >= 24:
				class = 5
			case t >= 12:
				class = 4
			case t >= 6:
				class = 3
			case t >= 3:
				class = 2
			case t >= 0:
				class = 1
			}
			out.Int("tenure_class", class)
			switch {
			case t < 0:
				out.Int("new_sub", 2)
			case t < 3:
				out.Int("new_sub", 1)
			default:
				out.Int("new_sub", 0)
			}
		},
		Edges: map[string][]int64{"history_tenure": {-1, 3, 6, 12, 24, 60}}, NeverNull: []string{"history_tenure"},
	}.Run(t)
}
