package score

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// subscriber is a row as C10 sees it.
type subscriber struct {
	loss     int64
	decision uint8
}

// ranked is C10 from its text, with the base sorted: no bins, no tables. Amounts
// must be distinguished by their bins, or small.
func ranked(base []subscriber, cut [3]float64) (score []uint16, class []uint8) {
	var sorted []int64
	for _, s := range base {
		if s.loss >= 0 && (s.decision == 1 || s.decision == 9) {
			sorted = append(sorted, s.loss)
		}
	}
	slices.Sort(sorted)
	for _, s := range base {
		if s.loss < 0 {
			score, class = append(score, 65535), append(class, 0)
			continue
		}
		below, _ := slices.BinarySearch(sorted, s.loss)
		upTo, _ := slices.BinarySearch(sorted, s.loss+1)
		middle := 0.0
		if len(sorted) > 0 {
			middle = (float64(below) + float64(upTo)) / 2 / float64(len(sorted))
		}
		r := uint16(math.Floor(1000*middle + 0.5))
		if s.loss == 0 {
			r = 0
		}
		c := uint8(4)
		above := float64(len(sorted)) - (float64(below)+float64(upTo))/2
		switch percent, all := 100*above, float64(len(sorted)); {
		case s.decision != 1 && s.decision != 9:
			c = 5
		case percent <= cut[0]*all:
			c = 1
		case percent <= cut[1]*all:
			c = 2
		case percent <= cut[2]*all:
			c = 3
		}
		score, class = append(score, r), append(class, c)
	}
	return score, class
}

func cuts() job.Policy { return job.Policy{PriorityCutPct: [3]float64{1, 5, 20}} }

// counted is the histogram of the base's eligible rows.
func counted(base []subscriber) *ecdf.Histogram {
	h := ecdf.New(ecdf.Amounts)
	for _, s := range base {
		if s.loss >= 0 && ecdf.Eligible(s.decision) {
			h.Add(ecdf.Bin(s.loss))
		}
	}
	return h
}

// prioritised is the kernel of a base counted as the policy says.
func prioritised(base *ecdf.Histogram, p job.Policy) kernel.Kernel {
	k, err := NewPriority(base, p)
	if err != nil {
		panic(err)
	}
	return k
}

// placed evaluates the kernel.
func placed(base []subscriber, p job.Policy) (score []uint16, class []uint8) {
	loss, decision := make([]int64, len(base)), make([]uint8, len(base))
	for i, s := range base {
		loss[i], decision[i] = s.loss, s.decision
	}
	score, class = make([]uint16, len(base)), make([]uint8, len(base))
	prioritised(counted(base), p).Eval(len(base), []kernel.Vector{{I64: loss}, {U8: decision}}, []kernel.Vector{{U16: score}, {U8: class}})
	return score, class
}

func TestAT21_TheKernelPutsACBInOrder(t *testing.T) {
	p, arpu, loss := []float32{.30, .80, .10}, []int64{20000, 3000, 50000}, make([]int64, 3)
	NewLoss().Eval(3, []kernel.Vector{{F32: p}, {I64: arpu}}, []kernel.Vector{{I64: loss}})
	score, _ := placed([]subscriber{{loss[0], Retain}, {loss[1], Retain}, {loss[2], Retain}}, cuts())
	if want := []uint16{833, 167, 500}; !slices.Equal(score, want) { // A before C before B
		t.Errorf("scores %v, want %v", score, want)
	}
}

func TestC10ScoresAndClassesAreThoseOfTheSortedBase(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 10))
	bases := map[string][]subscriber{
		"nobody":             nil,
		"one":                {{700, Retain}},
		"one held out":       {{700, Holdout}},
		"nobody eligible":    {{700, GiveUpLowValue}, {0, GiveUpBadDebt}, {-1, NoValue}},
		"nothing to lose":    {{0, Retain}, {0, Retain}, {0, Holdout}},
		"all equal":          slices.Repeat([]subscriber{{900, Retain}}, 1000),
		"no bill, yet first": {{-1, Gone}, {-1, Retain}, {5, Retain}},
	}
	for k := range 300 {
		base := make([]subscriber, rng.IntN(3000))
		spread := 1 + rng.Int64N(4000) // few values and many ties, or many
		for i := range base {
			base[i] = subscriber{rng.Int64N(spread+1) - 1, []uint8{1, 1, 1, 9, 2, 3, 8, 10, 11}[rng.IntN(9)]}
			if rng.IntN(50) == 0 && base[i].loss > 0 {
				base[i].loss = base[i].loss << 30 // apart by their bins
			}
		}
		bases[fmt.Sprint("random ", k)] = base
	}
	hundred := make([]subscriber, 100)
	for i := range hundred {
		hundred[i] = subscriber{int64(i), Retain}
	}
	bases["a hundred"] = hundred
	for name, base := range bases {
		for _, cut := range [][3]float64{{1, 5, 20}, {0, 0, 0}, {100, 100, 100}, {0.1, 33.3, 50}} {
			score, class := placed(base, job.Policy{PriorityCutPct: cut})
			wantScore, wantClass := ranked(base, cut)
			for i := range base {
				if score[i] != wantScore[i] || class[i] != wantClass[i] {
					t.Fatalf("%s of %d rows, cut at %v: row %d %+v has score %d class %d, want %d and %d",
						name, len(base), cut, i, base[i], score[i], class[i], wantScore[i], wantClass[i])
				}
			}
		}
	}
	_, class := placed(hundred, cuts())
	of := [6]int{}
	for _, c := range class {
		of[c]++
	}
	if of != [6]int{0, 1, 4, 15, 80, 0} {
		t.Errorf("of a hundred, by class: %v", of)
	}
}

// Two losses of one bin count as equal, so a score is off by no more than what
// lies in its bin.
func TestC10ABinCostsAScoreNoMoreThanItsOwnRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 11))
	base := make([]subscriber, 50_000)
	for i := range base {
		base[i] = subscriber{int64(math.Exp(rng.NormFloat64()*1.2 + 8)), Retain} // amounts as bills are
	}
	score, _ := placed(base, cuts())
	want, _ := ranked(base, cuts().PriorityCutPct)
	for i := range base {
		if d := int(score[i]) - int(want[i]); d < -1 || d > 1 {
			t.Fatalf("loss %d scores %d, sorted %d", base[i].loss, score[i], want[i])
		}
	}
}

func TestC10PriorityOnRandomRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 12))
	base := make([]subscriber, 5000)
	for i := range base {
		base[i] = subscriber{rng.Int64N(4096), []uint8{1, 9, 2}[rng.IntN(3)]}
	}
	// By every loss there is, worked out beside the sorted base.
	var known []subscriber
	for loss := range int64(4096) {
		known = append(known, subscriber{loss, Retain})
	}
	sorted := []int64{}
	for _, s := range base {
		if s.decision == 1 || s.decision == 9 {
			sorted = append(sorted, s.loss)
		}
	}
	slices.Sort(sorted)
	scoreOf, classOf := make([]uint16, len(known)), make([]uint8, len(known))
	for i, s := range known {
		lower, _ := slices.BinarySearch(sorted, s.loss)
		past, _ := slices.BinarySearch(sorted, s.loss+1)
		twice := lower + past // of the mid-rank
		scoreOf[i] = uint16((1000*twice + len(sorted)) / (2 * len(sorted)))
		if s.loss == 0 {
			scoreOf[i] = 0
		}
		switch first := 100 * (2*len(sorted) - twice); {
		case first <= 1*2*len(sorted):
			classOf[i] = 1
		case first <= 5*2*len(sorted):
			classOf[i] = 2
		case first <= 20*2*len(sorted):
			classOf[i] = 3
		default:
			classOf[i] = 4
		}
	}
	kerneltest.Random{
		New: func(int) kernel.Kernel { return prioritised(counted(base), cuts()) },
		Reference: func(in *kerneltest.In, out *kerneltest.Out) {
			loss, decision := *in.Int("expected_loss_fen"), *in.Int("retain_decision")
			if loss < 0 {
				out.Int("action_priority_score", 65535)
				out.Int("action_priority", 0)
				return
			}
			score, class := int64(1000), int64(1) // above every loss of the base
			if loss < 4096 {
				score, class = int64(scoreOf[loss]), int64(classOf[loss])
			}
			if decision != 1 && decision != 9 {
				class = 5
			}
			out.Int("action_priority_score", score)
			out.Int("action_priority", class)
		},
		Edges:     map[string][]int64{"expected_loss_fen": {-1, 0, 1, 2047, 2048, 4094, 4095, 4096, 1 << 42}, "retain_decision": {1, 2, 8, 9, 10}},
		Max:       map[string]int64{"expected_loss_fen": 4200},
		NeverNull: []string{"expected_loss_fen", "retain_decision"},
		Seed:      21,
	}.Run(t)
}

func BenchmarkPriority(b *testing.B) {
	rng := rand.New(rand.NewPCG(13, 13))
	base := make([]subscriber, 1<<16)
	losses := make([]int64, 4096)
	for i := range base {
		base[i] = subscriber{int64(math.Exp(rng.NormFloat64()*1.2 + 7)), Retain}
		losses[i%len(losses)] = base[i].loss
	}
	kerneltest.Benchmark(b, prioritised(counted(base), cuts()), map[string][]int64{"expected_loss_fen": losses, "retain_decision": {1, 2, 2, 2, 8, 9, 11}})
}
