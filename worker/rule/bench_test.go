package rule

import (
	"testing"

	"rescore/partition/job"
	"rescore/worker/kernel/kerneltest"
)

var typical = map[string][]int64{
	"history": {63, 63, 63, 63, 7}, "history_depth": {255, 60, 30, 12, 8, 3}, "history_tenure": {1, 8, 30, 70}, "status": {1, 1, 1, 1, 1, 4, 2},
	"vip_class": {0, 0, 0, 0, 1, 4}, "pay_mode": {1, 1, 2}, "service_type": {1, 1, 1, 1, 4}, "out_cnt": {0, 5, 9}, "in_cnt": {0, 5, 9},
	"event_flags": {0, 0, 0, 0, 1, 8}, "bb_status": {0, 1}, "complaint_result": {0, 0, 1, 2}, "fault_cnt": {0, 0, 1, 2},
}

func BenchmarkTriggers(b *testing.B) {
	for _, mode := range []string{"four_point", "sum_of_mom"} {
		b.Run(mode, func(b *testing.B) {
			r := with(func(r *job.Rules) { r.T2Mode = mode })
			kerneltest.Benchmark(b, NewTriggers(r, 201011), typical)
		})
	}
}

func BenchmarkStatus(b *testing.B) {
	kerneltest.Benchmark(b, NewStatus(201011), typical)
}

func BenchmarkSubscriber(b *testing.B) {
	kerneltest.Benchmark(b, NewSubscriber(defaults()), typical)
}

func BenchmarkLabel(b *testing.B) {
	for _, rule := range []string{"status_or_silent", "status", "no_usage", "no_recharge"} {
		b.Run(rule, func(b *testing.B) {
			kerneltest.Benchmark(b, NewLabel(labelRules(rule, 1), 201011), typical)
		})
	}
}
