package rule

import (
	"math"
	"testing"

	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

func TestABitIsOneTriggersAnswer(t *testing.T) {
	for trigger := 1; trigger <= Triggers; trigger++ {
		kerneltest.Random{
			New:  func(int) kernel.Kernel { return NewBit(trigger) },
			Rows: 1_000_000 / Triggers, Seed: uint64(trigger),
			NeverNull: []string{"trg_fired", "trg_unknown"},
			Edges:     map[string][]int64{"trg_fired": {1 << (trigger - 1)}, "trg_unknown": {1 << (trigger - 1)}},
			Reference: func(in *kerneltest.In, out *kerneltest.Out) {
				answer := 0.0
				if *in.Int("trg_fired")/(1<<(trigger-1))%2 == 1 {
					answer = 1
				}
				if *in.Int("trg_unknown")/(1<<(trigger-1))%2 == 1 {
					answer = math.NaN()
				}
				out.Float(BitName(trigger), answer)
			},
		}.Run(t)
	}
}

func TestBitsByHand(t *testing.T) {
	kerneltest.Run(t, NewBit(14),
		[]kerneltest.Row{{"trg_fired": 1 << 13, "trg_unknown": 0}, {"trg_fired": 1<<13 - 1, "trg_unknown": 1}, {"trg_fired": 0, "trg_unknown": 1 << 13}},
		[]kerneltest.Row{{"trg_14": 1.0}, {"trg_14": 0.0}, {"trg_14": math.NaN()}})
}

func BenchmarkBit(b *testing.B) { kerneltest.Benchmark(b, NewBit(3), nil) }
