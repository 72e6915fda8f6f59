package score

import (
	"math/rand/v2"
	"slices"
	"testing"

	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/worker/kernel"
)

// listed is the budget from its text, with the base sorted: a row is within it when
// at most so many percent of the base have its amount or more.
func listed(base []subscriber, asked job.Explanation) (list []uint8) {
	var sorted []int64
	for _, s := range base {
		if s.loss >= 0 && (s.decision == 1 || s.decision == 9) {
			sorted = append(sorted, s.loss)
		}
	}
	slices.Sort(sorted)
	for _, s := range base {
		below, _ := slices.BinarySearch(sorted, s.loss)
		in := 100*float64(len(sorted)-below) <= asked.ExactPct*float64(len(sorted))
		in = in && s.loss >= 0 && (s.decision == 1 || s.decision == 9 && asked.Exact == "top") && asked.Exact != "none"
		list = append(list, 0)
		if in {
			list[len(list)-1] = 1
		}
	}
	return list
}

func shortlistOf(t *testing.T, h *ecdf.Histogram, p job.Policy, asked job.Explanation) kernel.Kernel {
	t.Helper()
	k, err := NewShortlist(h, p, asked)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTheShortlistIsTheTopOfTheSortedBase(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(10, 11))
	for range 300 {
		base := make([]subscriber, rng.IntN(3000))
		spread := 1 + rng.Int64N(4000) // few values and many ties, or many
		for i := range base {
			base[i] = subscriber{rng.Int64N(spread+1) - 1, []uint8{1, 1, 1, 9, 2, 3, 8, 10, 11}[rng.IntN(9)]}
			if rng.IntN(50) == 0 && base[i].loss > 0 {
				base[i].loss <<= 30 // apart by their bins
			}
		}
		loss, decision, got := make([]int64, len(base)), make([]uint8, len(base)), make([]uint8, len(base))
		for i, s := range base {
			loss[i], decision[i] = s.loss, s.decision
		}
		for _, asked := range []job.Explanation{{Exact: "top", ExactPct: 1}, {Exact: "contact", ExactPct: 5}, {Exact: "contact", ExactPct: 0.1}, {Exact: "top", ExactPct: 100}, {Exact: "top"}, {Exact: "none", ExactPct: 100}} {
			shortlistOf(t, counted(base), cuts(), asked).Eval(len(base), []kernel.Vector{{I64: loss}, {U8: decision}}, []kernel.Vector{{U8: got}})
			if want := listed(base, asked); !slices.Equal(got, want) {
				t.Fatalf("%d rows, %+v: not the ones of the sorted base", len(base), asked)
			}
		}
	}
}

func TestTheShortlistOfWeighedRanksKeepsTheBudget(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(10, 12))
	p := by("weighted")
	for range 50 {
		n := 1 + rng.IntN(2000)
		scores, bills, decision := make([]uint16, n), make([]int64, n), make([]uint8, n)
		h := ecdf.New(ecdf.Pairs)
		for i := range n {
			scores[i], bills[i], decision[i] = uint16(rng.IntN(1001)), rng.Int64N(64), Retain
			h.Add(ecdf.Cell(scores[i], bills[i]))
		}
		in := []kernel.Vector{{I64: bills}, {U8: decision}, {U16: scores}}
		place, class, list := make([]uint16, n), make([]uint8, n), make([]uint8, n)
		prioritised(h, p).Eval(n, in, []kernel.Vector{{U16: place}, {U8: class}})
		for _, pct := range []float64{0, 1, 20, 100} {
			shortlistOf(t, h, p, job.Explanation{Exact: "top", ExactPct: pct}).Eval(n, in, []kernel.Vector{{U8: list}})
			count, lowest, highest := 0, uint16(1001), uint16(0)
			for i, in := range list {
				if in == 1 {
					count, lowest = count+1, min(lowest, place[i])
				} else {
					highest = max(highest, place[i])
				}
			}
			if float64(100*count) > pct*float64(n) || lowest < highest || pct == 100 && count < n {
				t.Fatalf("%v %% of %d: %d listed, from priority %d on; others up to %d", pct, n, count, lowest, highest)
			}
		}
	}
}
