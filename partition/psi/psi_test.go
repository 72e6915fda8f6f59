package psi

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestAT20_PSI is the dossier's figure: shares against uniform deciles.
func TestAT20_PSI(t *testing.T) {
	t.Parallel()
	shares := []float64{.05, .08, .1, .1, .1, .1, .1, .12, .12, .13}
	uniform := slices.Repeat([]float64{0.1}, 10)
	if got := Between(uniform, shares); got != 0.054284 {
		t.Errorf("PSI is %v, the dossier has 0.054284", got)
	}
	// The same from counts: 100 rows over deciles of a value.
	b := Bins{Edges: []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}, Shares: uniform}
	counts := make([]int64, b.Len())
	for bin, s := range shares {
		for range int(math.Round(100 * s)) {
			counts[b.Find(float64(bin)+0.5)]++
		}
	}
	if got, ok := b.Index(counts); !ok || got != 0.054284 {
		t.Errorf("PSI of counts is %v, the dossier has 0.054284", got)
	}
}

func TestReadingIsTheOneOfTheDossier(t *testing.T) {
	t.Parallel()
	for index, want := range map[float64]string{0: "stable", 0.099999: "stable", 0.1: "noticeable", 0.25: "noticeable", 0.250001: "major"} {
		if got := Reading(index); got != want {
			t.Errorf("%v is %s, want %s", index, got, want)
		}
	}
}

// find is what the comment of Edges says, one bin after the other.
func find(b Bins, x float64) int {
	if math.IsNaN(x) {
		return len(b.Edges) + 1
	}
	for i, e := range b.Edges {
		if x <= e {
			return i
		}
	}
	return len(b.Edges)
}

func TestFindIsTheFirstBinWhoseEdgeIsNotBelow(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		b := Bins{}
		for range r.IntN(12) {
			b.Edges = append(b.Edges, float64(r.IntN(40))-20)
		}
		slices.Sort(b.Edges)
		b.Edges = slices.Compact(b.Edges)
		for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), float64(r.IntN(50)) - 25, r.NormFloat64() * 20} {
			if got, want := b.Find(x), find(b, x); got != want {
				t.Fatalf("%v in %v: bin %d, want %d", x, b.Edges, got, want)
			}
		}
	}
}

func TestFitCutsEvenlyAndTheReferenceItselfHasNotMoved(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	draws := map[string]func() float64{
		"normal":   r.NormFloat64,
		"zeroes":   func() float64 { return float64(max(0, r.IntN(10)-7)) },
		"constant": func() float64 { return 4 },
		"missing":  math.NaN,
		"mixed": func() float64 {
			if r.IntN(3) == 0 {
				return math.NaN()
			}
			return math.Exp(r.NormFloat64())
		},
		"infinite": func() float64 { return []float64{math.Inf(-1), 1, math.Inf(1)}[r.IntN(3)] },
	}
	for name, draw := range draws {
		for _, rows := range []int{0, 1, 2, 9, 10, 11, 5000} {
			values := make([]float64, rows)
			for i := range values {
				values[i] = draw()
			}
			b := Fit(values, 10)
			if err := b.Check(); err != nil {
				t.Errorf("%s, %d rows: %v in %+v", name, rows, err, b)
				continue
			}
			if len(b.Shares) > 10 {
				t.Errorf("%s, %d rows: %d bins", name, rows, len(b.Shares))
			}
			counts := make([]int64, b.Len())
			for _, x := range values {
				counts[find(b, x)]++
			}
			index, ok := b.Index(counts)
			if ok != (rows > 0) || index != 0 {
				t.Errorf("%s, %d rows: the reference has moved by %v from itself: %+v %v", name, rows, index, b, counts)
			}
			if name == "normal" && rows == 5000 {
				for i, s := range b.Shares {
					if math.Abs(s-0.1) > 1e-3 {
						t.Errorf("decile %d has %v of the rows", i, s)
					}
				}
			}
		}
	}
}

func TestAFeedThatStopsIsMajor(t *testing.T) {
	t.Parallel()
	b := Bins{Edges: []float64{0}, Shares: []float64{0.5, 0.5}}
	index, ok := b.Index([]int64{0, 0, 1000})
	if !ok || Reading(index) != "major" {
		t.Errorf("a column that is missing in every row has moved by %v", index)
	}
}

func TestBinsThatCannotBeAreNamed(t *testing.T) {
	t.Parallel()
	for says, b := range map[string]Bins{
		"1 shares for 1 edges": {Edges: []float64{1}, Shares: []float64{1}},
		"edge 1 is 1":          {Edges: []float64{1, 1}, Shares: []float64{0.2, 0.3, 0.5}},
		"edge 0 is NaN":        {Edges: []float64{math.NaN()}, Shares: []float64{0.5, 0.5}},
		"edge 0 is +Inf":       {Edges: []float64{math.Inf(1)}, Shares: []float64{0.5, 0.5}},
		"share -0.5":           {Edges: []float64{1}, Shares: []float64{-0.5, 1.5}},
		"sum to 0.9":           {Edges: []float64{1}, Shares: []float64{0.4, 0.5}},
		"sum to 1.1":           {Edges: []float64{1}, Shares: []float64{0.5, 0.5}, Missing: 0.1},
		"1000 at most":         {Edges: make([]float64, BinsMax), Shares: make([]float64, BinsMax+1)},
	} {
		if err := b.Check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}
