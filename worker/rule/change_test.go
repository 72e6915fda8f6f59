package rule

import (
	"math/big"
	"slices"
	"testing"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// talked writes the outgoing seconds of m-1 and m.
func talked(before, now any) kerneltest.Row {
	return kerneltest.Row{"history_compare": 63, "out_sec_m1": before, "in_sec_m1": 0, "out_sec_m0": now, "in_sec_m0": 0}
}

func TestSection34_310MinutesInJanuaryAnd280InFebruaryAreNoChange(t *testing.T) {
	kerneltest.Run(t, NewChange(job.Default().Rules, 201002), []kerneltest.Row{talked(310*60, 280*60)}, []kerneltest.Row{{"traffic_class": 3, "traffic_steps": 0}})
	// Not even for a percentage that the raw seconds would reach.
	rules := job.Default().Rules
	rules.TrafficChangePct = []int64{1}
	kerneltest.Run(t, NewChange(rules, 201002), []kerneltest.Row{talked(310*60, 280*60), talked(310*60, 280*60-1), talked(310*60, 277*60)},
		[]kerneltest.Row{{"traffic_class": 3, "traffic_steps": 0}, {"traffic_class": 3}, {"traffic_class": 2, "traffic_steps": 1}})
}

func TestC19ChangeIsClassedByTheLeastPercentage(t *testing.T) {
	// August and July have as many days.
	kerneltest.Run(t, NewChange(job.Default().Rules, 201008), []kerneltest.Row{
		talked(100, 130), talked(100, 129), talked(100, 70), talked(100, 71), talked(0, 5), talked(5, 0), talked(0, 0),
		talked(nil, 5), talked(5, nil), talked(-1, 5), talked(5, -1),
		{"history_compare": 61, "out_sec_m1": 100, "in_sec_m1": 0, "out_sec_m0": 100, "in_sec_m0": 0},
		{"history_compare": 63, "out_sec_m1": 60, "in_sec_m1": 40, "out_sec_m0": 0, "in_sec_m0": 130},
	}, []kerneltest.Row{
		{"traffic_class": 1, "traffic_steps": 1}, {"traffic_class": 3, "traffic_steps": 0}, {"traffic_class": 2, "traffic_steps": 1}, {"traffic_class": 3},
		{"traffic_class": 4, "traffic_steps": 0}, {"traffic_class": 5, "traffic_steps": 1}, {"traffic_class": 3, "traffic_steps": 0},
		{"traffic_class": 0, "traffic_steps": 0}, {"traffic_class": 0}, {"traffic_class": 0}, {"traffic_class": 0, "traffic_steps": 0},
		{"traffic_class": 0, "traffic_steps": 0}, {"traffic_class": 1},
	})
}

func TestC19StepsCountThePercentagesReached(t *testing.T) {
	rules := job.Default().Rules
	rules.TrafficChangePct = []int64{10, 30, 100, 150}
	kerneltest.Run(t, NewChange(rules, 201008),
		[]kerneltest.Row{talked(100, 109), talked(100, 110), talked(100, 130), talked(100, 200), talked(100, 250), talked(100, 90), talked(100, 1), talked(100, 0), talked(0, 100)},
		[]kerneltest.Row{
			{"traffic_class": 3, "traffic_steps": 0}, {"traffic_class": 1, "traffic_steps": 1}, {"traffic_class": 1, "traffic_steps": 2}, {"traffic_class": 1, "traffic_steps": 3},
			{"traffic_class": 1, "traffic_steps": 4}, {"traffic_class": 2, "traffic_steps": 1}, {"traffic_class": 2, "traffic_steps": 2}, {"traffic_class": 5, "traffic_steps": 3}, {"traffic_class": 4, "traffic_steps": 0},
		})
}

func TestChangeEqualsItsReference(t *testing.T) {
	for name, c := range map[string]struct {
		month   int32
		percent []int64
		rows    int
	}{
		"default":            {201011, []int64{30}, 0},
		"March and February": {202003, []int64{10, 30, 100, 10_000}, 200_000},
		"beyond a hundred":   {202101, []int64{150, 200}, 100_000},
	} {
		t.Run(name, func(t *testing.T) {
			rules := job.Default().Rules
			rules.TrafficChangePct = c.percent
			year, m := int(c.month/100), int(c.month%100)
			days := [2]int64{int64(date(year, m+1, 1) - date(year, m, 1)), int64(date(year, m, 1) - date(year, m-1, 1))}
			reference := func(in *kerneltest.In, out *kerneltest.Out) {
				class, steps := int64(0), int64(0)
				defer func() { out.Int("traffic_class", class); out.Int("traffic_steps", steps) }()
				if *in.Int("history_compare")&3 != 3 {
					return
				}
				var rate [2]*big.Rat // seconds a day
				for k, month := range []string{"m0", "m1"} {
					o, i := in.Int("out_sec_"+month), in.Int("in_sec_"+month)
					if o == nil || i == nil || *o < 0 || *i < 0 {
						return
					}
					rate[k] = big.NewRat(*o+*i, days[k])
				}
				now, before := rate[0], rate[1]
				if before.Sign() == 0 {
					class = 3
					if now.Sign() > 0 {
						class = 4
					}
					return
				}
				change := new(big.Rat).Sub(now, before)
				change.Quo(change, before)
				size := new(big.Rat).Abs(change)
				for _, n := range c.percent {
					if size.Cmp(big.NewRat(n, 100)) >= 0 {
						steps++
					}
				}
				switch {
				case now.Sign() == 0:
					class = 5
				case size.Cmp(big.NewRat(slices.Min(c.percent), 100)) < 0:
					class = 3
				case change.Sign() > 0:
					class = 1
				default:
					class = 2
				}
			}
			kerneltest.Random{
				New:       func(int) kernel.Kernel { return NewChange(rules, c.month) },
				Reference: reference,
				Rows:      c.rows,
				Edges:     map[string][]int64{"out_sec": {0, 0, 70, 100, 130, 31_000, 30_000, 28_000}, "in_sec": {0, 0}, "history_compare": {63, 63, 63, 3, 1}},
				Max:       map[string]int64{"history_compare": 63},
				NeverNull: []string{"history_compare"},
			}.Run(t)
		})
	}
}

func BenchmarkChange(b *testing.B) {
	kerneltest.Benchmark(b, NewChange(job.Default().Rules, 201011), map[string][]int64{"history_compare": {63}})
}
