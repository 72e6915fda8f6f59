package feature

import (
	"math"
	"testing"
	"time"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

func date(year, month, day int) int32 {
	return int32(time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

func TestHistoryBeginsAtActivation(t *testing.T) {
	row := func(joined, tenure any) kerneltest.Row {
		return kerneltest.Row{"activation_date": joined, "tenure_months": tenure}
	}
	out := func(history, compare, depth, tenure int) kerneltest.Row {
		return kerneltest.Row{"history": history, "history_compare": compare, "history_depth": depth, "history_tenure": tenure}
	}
	rows := []kerneltest.Row{
		row(nil, nil), row(nil, 30), row(date(2010, 11, 30), nil), row(date(2010, 11, 1), nil), row(date(2010, 10, 2), nil), row(date(2010, 10, 1), nil),
		row(date(2010, 9, 15), nil), row(date(2010, 6, 1), nil), row(date(2010, 5, 31), nil), row(date(2010, 12, 1), nil), row(date(2005, 1, 20), nil),
		row(date(2010, 10, 2), 40), row(date(2010, 10, 2), 0), row(nil, -4), row(nil, 32767), row(int32(math.MinInt32), nil), row(int32(math.MaxInt32), nil),
	}
	kerneltest.Run(t, NewHistory(rules, 201011), rows, []kerneltest.Row{
		out(63, 63, 255, -1), out(63, 63, 30, 30), out(1, 0, 0, 0), out(1, 1, 1, 1), out(3, 1, 1, 1), out(3, 3, 2, 2),
		out(7, 3, 2, 2), out(63, 63, 6, 6), out(63, 63, 6, 6), out(0, 0, 0, 0), out(63, 63, 70, 70),
		// a tenure that outlasts the activation date is believed, but not its months
		out(3, 1, 2, 40), out(3, 1, 0, 0), out(63, 63, 0, 0), out(63, 63, 254, 32767), out(63, 63, 254, 32767), out(0, 0, 0, 0),
	})
	with := rules
	with.ExcludePartialFirstMonth = false
	kerneltest.Run(t, NewHistory(with, 201011), rows[4:5], []kerneltest.Row{out(3, 3, 1, 1)})
}

func TestHistoryEqualsTheReferenceOnRandomRows(t *testing.T) {
	type monthOf struct{ first, last int64 }
	var window [40]monthOf // m, m-1, …
	for k := range window {
		window[k] = monthOf{int64(date(2011, 2-k, 1)), int64(date(2011, 3-k, 0))}
	}
	kerneltest.Random{
		New: func(n int) kernel.Kernel { return NewHistory(rules, 201102) },
		Reference: func(in *kerneltest.In, out *kerneltest.Out) {
			joined, given := in.Int("activation_date"), in.Int("tenure_months")
			history, compare, depth, tenure := int64(63), int64(63), int64(255), int64(-1)
			if joined != nil {
				history, compare, tenure = 0, 0, 0
				// Months the subscriber was there for in part and from first to last day.
				part := int64(0)
				at := time.Unix(*joined*86400, 0).UTC()
				if *joined < window[39].first { // too far back to count by hand
					part = int64(2011*12+2-1) - (int64(at.Year())*12 + int64(at.Month()) - 1) + 1
					tenure = part
					if at.Day() != 1 {
						tenure--
					}
					history, compare = 63, 63
				} else {
					for k, m := range window {
						if *joined <= m.last {
							part++
							if k < 6 {
								history |= 1 << k
							}
						}
						if *joined <= m.first {
							tenure++
							if k < 6 {
								compare |= 1 << k
							}
						}
					}
				}
				tenure = min(tenure, math.MaxInt16)
				depth = min(part, 254)
			}
			if given != nil {
				tenure = max(*given, 0)
			}
			if tenure >= 0 {
				depth = min(depth, tenure, 254)
			}
			out.Int("history", history)
			out.Int("history_compare", compare)
			out.Int("history_depth", depth)
			out.Int("history_tenure", tenure)
		},
		Edges: map[string][]int64{
			"activation_date": {
				window[0].first, window[0].last, window[1].first, window[1].last + 1, window[3].first, window[5].first, window[5].last, window[6].first,
				window[6].last, window[7].first, window[12].first, window[39].first,
			},
			"tenure_months": {-1, 0, 2, 3, 6, 254},
		},
	}.Run(t)
}

func TestSingleFeaturesByHand(t *testing.T) {
	asof := date(2010, 12, 31)
	kerneltest.Run(t, one(t, rules, 201012, "days_to_contract_end", "has_contract"),
		[]kerneltest.Row{{"contract_end": asof + 59}, {"contract_end": asof - 3}, {"contract_end": nil}},
		[]kerneltest.Row{{"days_to_contract_end": 59.0, "has_contract": 1.0}, {"days_to_contract_end": -3.0, "has_contract": 1.0}, {"days_to_contract_end": nil, "has_contract": 0.0}})

	var rows, want []kerneltest.Row
	for _, c := range []struct {
		months int
		band   any
	}{{-1, nil}, {0, 1.0}, {2, 1.0}, {3, 2.0}, {5, 2.0}, {6, 3.0}, {11, 3.0}, {12, 4.0}, {23, 4.0}, {24, 5.0}, {59, 5.0}, {60, 6.0}, {32767, 6.0}} {
		rows = append(rows, kerneltest.Row{"history_tenure": c.months})
		months := any(float64(c.months))
		if c.months < 0 {
			months = nil
		}
		want = append(want, kerneltest.Row{"tenure": months, "tenure_band": c.band})
	}
	kerneltest.Run(t, one(t, rules, 201012, "tenure", "tenure_band"), rows, want)

	kerneltest.Run(t, one(t, rules, 201012, "suspend_cnt6"),
		[]kerneltest.Row{
			{"history": 63, "suspend_cnt_m0": 1, "suspend_cnt_m1": 0, "suspend_cnt_m2": 2, "suspend_cnt_m3": 0, "suspend_cnt_m4": 0, "suspend_cnt_m5": 3},
			{"history": 63, "suspend_cnt_m5": 3}, {"history": 31, "suspend_cnt_m5": 3}, {"history": 63},
		},
		[]kerneltest.Row{{"suspend_cnt6": 6.0}, {"suspend_cnt6": 3.0}, {"suspend_cnt6": nil}, {"suspend_cnt6": nil}})

	bill := func(m3, m2, m1, m0 any) kerneltest.Row {
		return kerneltest.Row{"fee_m3": m3, "fee_m2": m2, "fee_m1": m1, "fee_m0": m0, "history_compare": 63}
	}
	fresh := bill(9, 9, 4000, 6000)
	fresh["history_compare"] = 3
	kerneltest.Run(t, one(t, rules, 201012, "bill_shock"),
		[]kerneltest.Row{
			bill(4000, 4000, 4000, 6000), bill(4000, 4000, 4000, 5999), bill(3998, 3998, 3998, 5997), bill(4000, nil, 4000, 6000), bill(nil, nil, 4000, 9000),
			bill(4000, 4000, 4000, nil), bill(0, 0, 0, 2000), bill(0, 0, 0, 1999), fresh,
		},
		[]kerneltest.Row{
			{"bill_shock": 1.0}, {"bill_shock": 0.0}, {"bill_shock": 0.0}, {"bill_shock": 1.0}, {"bill_shock": nil},
			{"bill_shock": nil}, {"bill_shock": 1.0}, {"bill_shock": 0.0}, {"bill_shock": nil},
		})

	kerneltest.Run(t, &share{},
		[]kerneltest.Row{
			{"out_sec_avg3": 30.0, "in_sec_avg3": 10.0}, {"out_sec_avg3": 0.0, "in_sec_avg3": 0.0}, {"out_sec_avg3": nil, "in_sec_avg3": 1.0}, {"out_sec_avg3": 0.0, "in_sec_avg3": 4.0},
		},
		[]kerneltest.Row{{"out_in_ratio": 0.75}, {"out_in_ratio": nil}, {"out_in_ratio": nil}, {"out_in_ratio": 0.0}})
}

func TestSingleFeaturesEqualTheReferenceOnRandomRows(t *testing.T) {
	run := func(name string, r job.Rules, month int32, edges map[string][]int64, full []string, reference func(in *kerneltest.In, out *kerneltest.Out), names ...string) {
		t.Run(name, func(t *testing.T) {
			kerneltest.Random{
				New: func(n int) kernel.Kernel {
					if name == "share" {
						return &share{}
					}
					kernels, err := Kernels(names, r, month)
					if err != nil || len(kernels) != 1 {
						t.Fatalf("%d kernels, %v", len(kernels), err)
					}
					return kernels[0]
				},
				Reference: reference, Edges: edges, NeverNull: full,
			}.Run(t)
		})
	}
	asof := int64(date(2011, 2, 28))
	run("contract", rules, 201102, map[string][]int64{"contract_end": {asof}}, nil, func(in *kerneltest.In, out *kerneltest.Out) {
		days, has := math.NaN(), 0.0
		if end := in.Int("contract_end"); end != nil {
			days, has = float64(*end-asof), 1
		}
		out.Float("days_to_contract_end", days)
		out.Float("has_contract", has)
	}, "days_to_contract_end", "has_contract")

	run("tenure", rules, 201102, map[string][]int64{"history_tenure": {-1, 3, 6, 12, 24, 60}}, []string{"history_tenure"}, func(in *kerneltest.In, out *kerneltest.Out) {
		months, band := math.NaN(), math.NaN()
		if v := *in.Int("history_tenure"); v >= 0 {
			months = float64(v)
			switch {
			case v < 3:
				band = 1
			case v < 6:
				band = 2
			case v < 12:
				band = 3
			case v < 24:
				band = 4
			case v < 60:
				band = 5
			default:
				band = 6
			}
		}
		out.Float("tenure", months)
		out.Float("tenure_band", band)
	}, "tenure", "tenure_band")

	for _, s := range sums {
		run(s.name, rules, 201102, map[string][]int64{"history": {0, 1, 3, 7, 15, 31}}, []string{"history"}, func(in *kerneltest.In, out *kerneltest.Out) {
			total := math.NaN()
			for k, name := range []string{"_m0", "_m1", "_m2", "_m3", "_m4", "_m5"}[:s.months] {
				if v := in.Int(s.column + name); v != nil && *in.Int("history")>>k&1 == 1 {
					if math.IsNaN(total) {
						total = 0
					}
					total += float64(*v)
				}
			}
			out.Float(s.name, total)
		}, s.name)
	}

	shock := func(days [4]int64) func(in *kerneltest.In, out *kerneltest.Out) {
		return func(in *kerneltest.In, out *kerneltest.Out) {
			mask, now := *in.Int("history_compare"), in.Int("fee_m0")
			var base, n int64
			for k, name := range []string{"fee_m0", "fee_m1", "fee_m2", "fee_m3"} {
				if v := in.Int(name); k > 0 && v != nil && mask>>k&1 == 1 {
					base, n = base+*v*days[k], n+1
				}
			}
			v := math.NaN()
			if now != nil && mask&1 == 1 && n >= 2 {
				v = 0
				fee := *now * days[0]
				if 2*n*fee >= 3*base && fee*n-base >= 2000*days[0]*n {
					v = 1
				}
			}
			out.Float("bill_shock", v)
		}
	}
	fees := map[string][]int64{"fee": {4000, 6000, 2000}, "history_compare": {1, 3, 7, 15, 31, 63}}
	run("bill_shock", rules, 201102, fees, []string{"history_compare"}, shock([4]int64{1, 1, 1, 1}), "bill_shock")
	perDay := rules
	perDay.FeeNormaliseDays = true
	// February 28, January 31, December 31, November 30; the window has 13020.
	run("bill_shock per day", perDay, 201102, fees, []string{"history_compare"}, shock([4]int64{465, 420, 420, 434}), "bill_shock")

	run("share", rules, 201102, nil, nil, func(in *kerneltest.In, out *kerneltest.Out) {
		o, i := in.Float("out_sec_avg3"), in.Float("in_sec_avg3")
		v := math.NaN()
		if o+i != 0 {
			v = o / (o + i)
		}
		out.Float("out_in_ratio", v)
	})
}

func TestPerDayFactorsAreThirtyOverDaysUpToACommonFactor(t *testing.T) {
	t.Parallel()
	for month := int32(199901); month <= 202012; month = kernel.MonthAdd(month, 1) {
		w := perDay(month)
		for k := range w {
			days := int64(kernel.DaysInMonth(kernel.MonthAdd(month, -k)))
			if w[k]*days != w[0]*int64(kernel.DaysInMonth(month)) || w[k] < 1 || w[k] > 1000 {
				t.Fatalf("%d: factors %v", month, w)
			}
		}
	}
}
