package score

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// by is the default policy with another priority.
func by(priority string) job.Policy {
	p := job.Default().Policy
	p.Priority = priority
	return p
}

func TestAmbiguity17_TheLifetimeValueIsOfTheMonthsASubscriberWouldStay(t *testing.T) {
	p := by("clv")
	row := func(tenure int) kerneltest.Row {
		return kerneltest.Row{"propensity": 0.5, "arpu3_fen": 20_000, "tenure_class": tenure}
	}
	// Half of 200 yuan, half of it margin, for 12 months: every class stays longer.
	kerneltest.Run(t, NewAmount(p), []kerneltest.Row{row(1), row(6), row(0)}, []kerneltest.Row{{"priority_fen": 60_000}, {"priority_fen": 60_000}, {"priority_fen": 60_000}})
	// Within 60 months: 1/0.055, 1/0.028, 1/0.04, 1/0.026, 1/0.018, and 60; 1/0.03.
	p.HorizonMonths = 60
	kerneltest.Run(t, NewAmount(p), []kerneltest.Row{
		row(1), row(2), row(3), row(4), row(5), row(6), row(0), {"propensity": 0.5, "arpu3_fen": -1, "tenure_class": 3}, {"propensity": 0.5, "arpu3_fen": 0, "tenure_class": 3},
	}, []kerneltest.Row{
		{"priority_fen": 90_909}, {"priority_fen": 178_571}, {"priority_fen": 125_000}, {"priority_fen": 192_308}, {"priority_fen": 277_778}, {"priority_fen": 300_000}, {"priority_fen": 166_667}, {"priority_fen": -1}, {"priority_fen": 0},
	})
}

func TestAmbiguity17_TheUpliftIsWhatRetainingBringsBeyondItsCost(t *testing.T) {
	row := func(p float64, bill, risk int) kerneltest.Row {
		return kerneltest.Row{"propensity": p, "arpu3_fen": bill, "risk_band": risk}
	}
	// The dossier's figures of C11: +2.20 yuan at 20 yuan, nothing at 10; and the
	// highest risk is not the best target.
	kerneltest.Run(t, NewAmount(by("uplift")), []kerneltest.Row{
		row(.30, 2000, 4), row(.30, 1000, 4), row(.10, 20_000, 3), row(.50, 20_000, 5), row(.50, 20_000, 4), row(.5, -1, 4),
	}, []kerneltest.Row{
		{"priority_fen": 220}, {"priority_fen": 0}, {"priority_fen": 2500}, {"priority_fen": 5500}, {"priority_fen": 11_500}, {"priority_fen": -1},
	})
}

func TestAmountsEqualTheirReference(t *testing.T) {
	for _, priority := range []string{"clv", "uplift"} {
		p := by(priority)
		p.HorizonMonths, p.Margin = 36, 0.35
		class := map[string]string{"clv": "tenure_class", "uplift": "risk_band"}[priority]
		t.Run(priority, func(t *testing.T) {
			kerneltest.Random{
				New: func(int) kernel.Kernel { return NewAmount(p) },
				Reference: func(in *kerneltest.In, out *kerneltest.Out) {
					bill := *in.Int("arpu3_fen")
					if bill < 0 {
						out.Int("priority_fen", -1)
						return
					}
					x := in.Float("propensity") * float64(bill)
					if priority == "clv" {
						hazard := []float64{.03, .055, .028, .040, .026, .018, .010}[*in.Int(class)]
						out.Int("priority_fen", int64(math.RoundToEven(x*(0.35*math.Min(36, 1/hazard)))))
						return
					}
					s := []float64{0, .20, .25, .25, .20, .10}[*in.Int(class)]
					gain := x * (s * 0.35 * 36)
					out.Int("priority_fen", int64(math.Max(math.RoundToEven(gain-500), 0)))
				},
				Edges:     map[string][]int64{"arpu3_fen": {-1, 0, 1, 1000, 20_000, 1 << 30}},
				Range:     map[string][2]float64{"propensity": {0, 1}},
				Max:       map[string]int64{"arpu3_fen": 1 << 20, "tenure_class": 6, "risk_band": 5},
				NeverNull: []string{"propensity", "arpu3_fen", class},
				Seed:      17,
			}.Run(t)
		})
	}
}

// middles are the middle ranks of a list, as shares of it.
func middles(list []int64) []float64 {
	sorted := slices.Sorted(slices.Values(list))
	of := make([]float64, len(list))
	for i, v := range list {
		lower, _ := slices.BinarySearch(sorted, v)
		past, _ := slices.BinarySearch(sorted, v+1)
		of[i] = float64(lower+past) / 2
	}
	return of
}

// weighed evaluates the kernel over a base whose first rows are eligible.
func weighed(scores []uint16, bills []int64, eligible int, p job.Policy) (score []uint16, class []uint8) {
	h := ecdf.New(ecdf.Pairs)
	decision := slices.Repeat([]uint8{GiveUpLowValue}, len(scores))
	for i := range eligible {
		decision[i] = Retain
		if bills[i] >= 0 {
			h.Add(ecdf.Cell(scores[i], bills[i]))
		}
	}
	score, class = make([]uint16, len(scores)), make([]uint8, len(scores))
	prioritised(h, p).Eval(len(scores), []kernel.Vector{{I64: bills}, {U8: decision}, {U16: scores}}, []kernel.Vector{{U16: score}, {U8: class}})
	return score, class
}

func TestAmbiguity17_TwoRanksAreWeighed(t *testing.T) {
	scores, bills := []uint16{300, 800, 100}, []int64{20_000, 3000, 50_000} // AT-21's A, B, C
	p := by("weighted")
	for w, want := range map[float64][]uint16{
		0.5: {500, 500, 500}, // what B has in risk, C has in value
		0.8: {500, 700, 300}, // 0.8·(1/2, 5/6, 1/6) + 0.2·(1/2, 1/6, 5/6)
		0:   {500, 167, 833},
		1:   {500, 833, 167},
	} {
		p.PriorityWeight = w
		if got, _ := weighed(scores, bills, 3, p); !slices.Equal(got, want) {
			t.Errorf("w = %v: %v, want %v", w, got, want)
		}
	}
	if job.Default().Policy.Priority != "expected_loss" {
		t.Error("the default is not the expected loss")
	}
}

func TestAmbiguity17_WeighedRanksAreThoseOfTheSortedBase(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 17))
	for k := range 200 {
		n, rest := rng.IntN(1200), 20
		scores, bills := make([]uint16, n+rest), make([]int64, n+rest)
		for i := range scores {
			scores[i], bills[i] = uint16(rng.IntN(1+rng.IntN(1001))), rng.Int64N(64)
			if rng.IntN(4) == 0 {
				bills[i] <<= 8 // apart by their bins: of six leading bits
			}
			if i >= n && n > 0 {
				scores[i], bills[i] = scores[i-n%(i+1)], bills[i-n%(i+1)]
			}
		}
		p := by("weighted")
		p.PriorityWeight = []float64{0.5, 0.3, 0, 1}[k%4]
		score, class := weighed(scores, bills, n, p)
		var of []int64
		for _, s := range scores[:n] {
			of = append(of, int64(s))
		}
		byScore, byBill := middles(of), middles(bills[:n])
		mean := make([]float64, n)
		for i := range mean {
			if bills[i] > 0 {
				mean[i] = float64(p.PriorityWeight*(2*byScore[i])) + float64((1-p.PriorityWeight)*(2*byBill[i]))
			}
		}
		sorted := slices.Sorted(slices.Values(mean))
		for i, m := range mean {
			lower, _ := slices.BinarySearch(sorted, m)
			past, _ := slices.BinarySearch(sorted, math.Nextafter(m, math.Inf(1)))
			want := uint16(math.Floor(1000*m/float64(2*n) + 0.5))
			first, wantClass := 100*(float64(2*n)-float64(lower+past)), uint8(4)
			for c, cut := range []float64{20, 5, 1} {
				if first <= cut*float64(2*n) {
					wantClass = uint8(3 - c)
				}
			}
			if score[i] != want || class[i] != wantClass {
				t.Fatalf("base %d of %d, w %v, row %d (%d, %d): score %d class %d, want %d and %d", k, n, p.PriorityWeight, i, scores[i], bills[i], score[i], class[i], want, wantClass)
			}
		}
		for i := n; i < n+rest; i++ {
			if class[i] != Excluded || score[i] > 1000 {
				t.Fatalf("row %d is not eligible, and has class %d and score %d", i, class[i], score[i])
			}
		}
	}
	score, class := weighed([]uint16{5, 900}, []int64{-1, 3}, 2, by("weighted"))
	if score[0] != NoScore || class[0] != Unvalued || class[1] == Unvalued {
		t.Errorf("without a bill: %v %v", score, class)
	}
}

func TestARankingTakesNoOtherHistogram(t *testing.T) {
	for priority, kind := range map[string]ecdf.Kind{"weighted": ecdf.Amounts, "clv": ecdf.Pairs, "expected_loss": ecdf.Pairs} {
		if _, err := NewPriority(ecdf.New(kind), by(priority)); err == nil {
			t.Errorf("%s was ranked by a histogram of kind %d", priority, kind)
		}
	}
}

func BenchmarkAmount(b *testing.B) {
	for _, priority := range []string{"clv", "uplift"} {
		b.Run(priority, func(b *testing.B) {
			kerneltest.Benchmark(b, NewAmount(by(priority)), map[string][]int64{"arpu3_fen": {3000, 5000, 20_000}, "tenure_class": {1, 4, 6}, "risk_band": {1, 2, 5}})
		})
	}
}

// What a worker does of a task before its first row: a base of five million.
func BenchmarkWeighing(b *testing.B) {
	rng := rand.New(rand.NewPCG(13, 13))
	h := ecdf.New(ecdf.Pairs)
	for range 5_000_000 {
		h.Add(ecdf.Cell(uint16(1000*math.Pow(rng.Float64(), 8)), int64(math.Exp(rng.NormFloat64()*1.1+8.3))))
	}
	b.ReportMetric(float64(len(h.Encode())), "file-B")
	for b.Loop() {
		prioritised(h, by("weighted"))
	}
}
