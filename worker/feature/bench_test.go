package feature

import (
	"testing"

	"rescore/worker/kernel/kerneltest"
)

// typical is a base in which nearly everybody has all months.
var typical = map[string][]int64{
	"history": {63, 63, 63, 63, 63, 63, 63, 63, 63, 7}, "history_compare": {63, 63, 63, 63, 63, 63, 63, 63, 63, 3}, "history_tenure": {1, 8, 30, 70},
	"activation_date": {12000, 13000, 14000, 14900}, "recharge_cnt": {0, 0, 1, 2}, "elogin_cnt": {0, 0, 0, 3}, "suspend_cnt": {0, 0, 1},
	"complaint_cnt": {0, 0, 1}, "fault_cnt": {0, 1},
}

func BenchmarkHistory(b *testing.B) {
	kerneltest.Benchmark(b, NewHistory(rules, 201011), typical)
}

// BenchmarkMetric is all ten statistics of one metric.
func BenchmarkMetric(b *testing.B) {
	for _, column := range []string{"fee", "out_sec", "recharge_cnt", "elogin_cnt"} {
		b.Run(column, func(b *testing.B) { kerneltest.Benchmark(b, one(b, rules, 201011, all(column)...), typical) })
	}
}

// BenchmarkStat is one statistic, with the reading of its months.
func BenchmarkStat(b *testing.B) {
	for _, s := range stats6 {
		b.Run(s.suffix, func(b *testing.B) {
			kerneltest.Benchmark(b, one(b, rules, 201011, "out_sec_"+s.suffix), typical)
		})
	}
}

func BenchmarkSingle(b *testing.B) {
	for _, names := range [][]string{{"suspend_cnt6"}, {"complaint_cnt3"}, {"days_to_contract_end", "has_contract"}, {"tenure", "tenure_band"}, {"bill_shock"}} {
		b.Run(names[0], func(b *testing.B) { kerneltest.Benchmark(b, one(b, rules, 201011, names...), typical) })
	}
	b.Run("out_in_ratio", func(b *testing.B) { kerneltest.Benchmark(b, &share{}, typical) })
}
