package score

import (
	"testing"

	"rescore/worker/kernel/kerneltest"
)

var typical = map[string][]int64{
	"history": {63, 63, 63, 63, 7}, "status": {1, 1, 1, 1, 1, 4, 2}, "vip_class": {0, 0, 0, 0, 1, 4}, "vip_grade": {0, 0, 0, 1},
	"event_flags": {0, 0, 0, 0, 16, 32, 128}, "group_id": {0, 0, 7}, "suspend_cnt": {0, 0, 1}, "city_code": {10, 10, 20}, "cell_city_code": {10, 10, 10, 21},
}

func BenchmarkValue(b *testing.B) {
	kerneltest.Benchmark(b, NewValue(policy()), typical)
}

func BenchmarkLoss(b *testing.B) { kerneltest.Benchmark(b, NewLoss(), typical) }

func BenchmarkDecision(b *testing.B) {
	kerneltest.Benchmark(b, NewDecision(policy()), typical)
}

func BenchmarkGrading(b *testing.B) {
	const n = kerneltest.BatchRows
	g, p, out := newGrading(bands), make([]float32, n), outputs(n)
	for i := range p {
		p[i] = float32(i*7919%n) / n
	}
	b.ReportAllocs()
	for b.Loop() {
		g.grade(out[1].U16, out[2].U8, p)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
}
