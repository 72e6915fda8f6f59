package formula

import (
	"testing"

	"rescore/worker/kernel/kerneltest"
)

var typical = map[string][]int64{
	"fee": {0, 2800, 3500, 5800, 12000}, "roam_sec": {0, 0, 600, 15000}, "brand": {1, 2, 3}, "balance_fen": {-100, 400, 3000}, "history": {63}, "history_compare": {63},
	"trg_fired": {0, 1, 2}, "trg_unknown": {0},
}

// The promise is 5 ns a row.
func BenchmarkFiveComparisons(b *testing.B) {
	kerneltest.Benchmark(b, oneRule(b, `fee[0] > 3500 and fee[1] >= 3500 and roam_sec[0] > 12000 and brand == "gotone" and balance_fen < 500`), typical)
}

func BenchmarkRuleWithAMean(b *testing.B) {
	kerneltest.Benchmark(b, oneRule(b, "1 - fee[0] / mean(fee[1:3]) > 0.4"), typical)
}

func BenchmarkFeature(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"Drop", "1 - fee[0] / mean(fee[1:3])"}, {"Slope", "slope(fee[0:5])"}, {"Deviation", "sd(fee[0:5])"},
	} {
		b.Run(c.name, func(b *testing.B) { kerneltest.Benchmark(b, oneFeature(b, c.text), typical) })
	}
}

func BenchmarkNoRules(b *testing.B) {
	k, err := NewRules(spec(nil, nil))
	if err != nil {
		b.Fatal(err)
	}
	kerneltest.Benchmark(b, k, nil)
}

// Sixty-four rules share what they have in common.
func BenchmarkSixtyFourRules(b *testing.B) {
	var rules []string
	for i := range 64 {
		name := string(rune('a'+i/8)) + string(rune('a'+i%8))
		rules = append(rules, name, "fee[0] > "+[]string{"3500", "12000", "800", "30000"}[i%4]+" and mean(fee[1:3]) > fee[0] and roam_sec["+string(rune('0'+i%6))+"] > 600")
	}
	k, err := NewRules(spec(nil, rules))
	if err != nil {
		b.Fatal(err)
	}
	kerneltest.Benchmark(b, k, typical)
}
