package bundle

import (
	"cmp"
	"math"
	"slices"

	"rescore/partition/psi"
)

// Agreement is how far two models say the same of the same rows.
type Agreement struct {
	Rows            int      `json:"rows"`
	Same            int      `json:"same"` // rows with the same score, to the bit
	MeanDifference  float64  `json:"mean_absolute_difference"`
	LargestRow      int      `json:"largest_difference_row"` // from 0
	Largest         float64  `json:"largest_absolute_difference"`
	RankCorrelation *float64 `json:"rank_correlation"` // Spearman's; nil where one scores all rows alike
	TopTenth        float64  `json:"top_tenth"`        // share of the first's highest tenth that is in the second's too
	PSI             float64  `json:"psi"`              // of the second's scores against the first's tenths
}

// Agree compares the scores of two models, of as many rows, none of them NaN.
func Agree(a, b []float64) Agreement {
	g := Agreement{Rows: len(a)}
	if len(a) == 0 {
		return g
	}
	sum := 0.0
	for i := range a {
		d := apart(a[i], b[i])
		if a[i] == b[i] {
			g.Same++
		}
		if d > g.Largest {
			g.Largest, g.LargestRow = d, i
		}
		sum += d
	}
	g.MeanDifference = sum / float64(len(a))
	ra, rb := ranks(a), ranks(b)
	if r, ok := correlation(ra, rb); ok {
		g.RankCorrelation = &r
	}
	g.TopTenth = overlap(ra, rb)
	bins := psi.Fit(slices.Clone(a), 10)
	counts := make([]int64, bins.Len())
	for _, x := range b {
		counts[bins.Find(x)]++
	}
	g.PSI, _ = bins.Index(counts)
	return g
}

// ranks gives each value its rank, from 1; equal ones share the middle of theirs.
func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, k int) int { return cmp.Compare(x[i], x[k]) })
	rank := make([]float64, len(x))
	for first := 0; first < len(order); {
		past := first + 1
		for past < len(order) && x[order[past]] == x[order[first]] {
			past++
		}
		for _, i := range order[first:past] {
			rank[i] = float64(first+1+past) / 2
		}
		first = past
	}
	return rank
}

// correlation is Pearson's, of ranks, whose mean is known.
func correlation(a, b []float64) (float64, bool) {
	mean := float64(len(a)+1) / 2
	var ab, aa, bb float64
	for i := range a {
		x, y := a[i]-mean, b[i]-mean
		ab, aa, bb = ab+float64(x*y), aa+float64(x*x), bb+float64(y*y)
	}
	if aa == 0 || bb == 0 {
		return 0, false
	}
	return ab / math.Sqrt(float64(aa*bb)), true
}

// overlap is the share of a's top tenth, its ties included, that b's has too.
func overlap(a, b []float64) float64 {
	top := func(rank []float64) float64 {
		sorted := slices.Sorted(slices.Values(rank))
		return sorted[len(sorted)-(len(sorted)+9)/10]
	}
	leastA, leastB := top(a), top(b)
	mine, both := 0, 0
	for i := range a {
		if a[i] >= leastA {
			mine++
			if b[i] >= leastB {
				both++
			}
		}
	}
	return float64(both) / float64(mine)
}
