package contest

import (
	"bytes"
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var cuts = [4]float64{0.02, 0.05, 0.15, 0.40}

// pair is a row: two propensities, the champion's first.
type pair [2]float32

// bases are rows of several kinds of champion and challenger.
func bases(rows int) map[string][]pair {
	rng := rand.New(rand.NewPCG(7, 8))
	logistic := func(x float64) float32 { return float32(min(max(1/(1+math.Exp(-x)), 1e-6), 1-1e-6)) }
	draw := map[string]func() pair{
		"alike": func() pair {
			x := 1.5*rng.NormFloat64() - 3
			return pair{logistic(x), logistic(x + 0.3*rng.NormFloat64())}
		},
		"same":     func() pair { p := logistic(2*rng.NormFloat64() - 2); return pair{p, p} },
		"strange":  func() pair { return pair{logistic(rng.NormFloat64() - 3), logistic(rng.NormFloat64())} },
		"against":  func() pair { p := rng.Float32(); return pair{p, 1 - p} },
		"few":      func() pair { x := float32(rng.IntN(4)) / 4; return pair{x, float32(rng.IntN(3)) / 3} },
		"constant": func() pair { return pair{logistic(rng.NormFloat64()), 0.25} },
		"at cuts":  func() pair { return pair{float32(cuts[rng.IntN(4)]), float32(cuts[rng.IntN(4)])} },
	}
	list := map[string][]pair{}
	for name, draw := range draw {
		for range rows {
			list[name] = append(list[name], draw())
		}
	}
	list["one row"] = []pair{{0.5, 0.1}}
	return list
}

func counted(rows []pair) *Counts {
	c, s := New(), NewScale(cuts)
	var grades [2][]Grade
	for m := range grades {
		var column []float32
		for _, r := range rows {
			column = append(column, r[m])
		}
		grades[m] = make([]Grade, len(rows))
		s.Grade(grades[m], column)
	}
	c.Add(grades[0], grades[1])
	return c
}

// The reference below is written from what the figures are documented to be, over
// sorted rows.

// binOf finds a score's bin by counting the bins up to it: one wide below 64, then
// twice as wide each time the scores double.
func binOf(propensity float32) int {
	score, bin := int(math.RoundToEven(float64(propensity)*1000)), 0
	for low := 0; ; bin++ {
		width := 1
		for top := 64; low >= top; top *= 2 {
			width *= 2
		}
		if score < low+width {
			return bin
		}
		low += width
	}
}

func bandOf(propensity float32) int {
	band := 0
	for _, cut := range cuts {
		if propensity >= float32(cut) {
			band++
		}
	}
	return band
}

// reference works a challenger's figures out row by row.
func reference(rows []pair) Figures {
	n := len(rows)
	f := Figures{Rows: int64(n)}
	var bins [2][]int
	var sums [2]float64
	same := 0
	for _, r := range rows {
		for m := range r {
			bins[m] = append(bins[m], binOf(r[m]))
			sums[m] += math.RoundToEven(float64(r[m])*1e6) / 1e6
		}
		f.Bands[bandOf(r[0])][bandOf(r[1])]++
		if bandOf(r[0]) == bandOf(r[1]) {
			same++
		}
	}
	f.SameBand = float64(same) / float64(n)
	f.Mean, f.MeanDifference = sums[1]/float64(n), (sums[1]-sums[0])/float64(n)

	// The top tenth: the row that completes a tenth from above, and all of its bin.
	var least [2]int
	var sorted [2][]int
	for m := range bins {
		sorted[m] = slices.Clone(bins[m])
		slices.SortFunc(sorted[m], func(a, b int) int { return cmp.Compare(b, a) })
		least[m] = sorted[m][(n+9)/10-1]
	}
	first, second, both := 0, 0, 0
	for i := range rows {
		a, b := bins[0][i] >= least[0], bins[1][i] >= least[1]
		if a {
			first++
		}
		if b {
			second++
		}
		if a && b {
			both++
		}
	}
	f.TopDecile = float64(both) / float64(max(first, second))

	// Spearman: Pearson's correlation of middle ranks.
	var rank [2][]float64
	for m := range bins {
		slices.Sort(sorted[m])
		for _, b := range bins[m] {
			low, _ := slices.BinarySearch(sorted[m], b)
			past, _ := slices.BinarySearch(sorted[m], b+1)
			rank[m] = append(rank[m], float64(low+past-1)/2-float64(n-1)/2)
		}
	}
	var xy, xx, yy float64
	for i := range rows {
		xy, xx, yy = xy+rank[0][i]*rank[1][i], xx+rank[0][i]*rank[0][i], yy+rank[1][i]*rank[1][i]
	}
	if xx > 0 && yy > 0 {
		r := xy / math.Sqrt(xx*yy)
		f.RankCorrelation = &r
	}

	// Deciles: the bin of the row that completes the next tenth ends one.
	var ends []int
	for from := 0; from < n; {
		tenth := 10*from/n + 1
		end := sorted[0][(tenth*n+9)/10-1]
		from, _ = slices.BinarySearch(sorted[0], end+1)
		ends = append(ends, end)
	}
	ends[len(ends)-1] = math.MaxInt
	low := -1
	for _, end := range ends {
		var share [2]float64
		for m := range bins {
			for _, b := range bins[m] {
				if b > low && b <= end {
					share[m] += 1 / float64(n)
				}
			}
			share[m] = max(share[m], 1e-4)
		}
		f.PSI += (share[1] - share[0]) * math.Log(share[1]/share[0])
		low = end
	}
	return f
}

// compare holds figures to the reference's.
func compare(t *testing.T, name string, got, want Figures) {
	t.Helper()
	close := func(what string, a, b, within float64) {
		if math.Abs(a-b) > within {
			t.Errorf("%s: %s is %v, want %v", name, what, a, b)
		}
	}
	close("same band", got.SameBand, want.SameBand, 6e-7)
	close("top decile", got.TopDecile, want.TopDecile, 6e-7)
	close("PSI", got.PSI, want.PSI, 2e-6)
	close("mean", got.Mean, want.Mean, 1e-8)
	close("difference", got.MeanDifference, want.MeanDifference, 1e-8)
	if (got.RankCorrelation == nil) != (want.RankCorrelation == nil) {
		t.Fatalf("%s: rank correlation is %v, want %v", name, got.RankCorrelation, want.RankCorrelation)
	}
	if want.RankCorrelation != nil {
		close("rank correlation", *got.RankCorrelation, *want.RankCorrelation, 6e-7)
	}
	if got.Rows != want.Rows || got.Bands != want.Bands {
		t.Errorf("%s: %d rows in bands %v, want %d in %v", name, got.Rows, got.Bands, want.Rows, want.Bands)
	}
}

func TestFiguresAreThoseOfTheSortedRows(t *testing.T) {
	t.Parallel()
	for _, n := range []int{10, 11, 999, 20_000} {
		for name, rows := range bases(n) {
			compare(t, name, counted(rows).Figures(), reference(rows))
		}
	}
}

// TestTwelveRowsByHand has every figure worked out on paper.
func TestTwelveRowsByHand(t *testing.T) {
	t.Parallel()
	// Scores 0 to 11 and 11 to 0 but that the first two are 10 and 11.
	var rows []pair
	for i := range 12 {
		k := 11 - i
		if i < 2 {
			k = 10 + i
		}
		rows = append(rows, pair{float32(i) / 1000, float32(k) / 1000})
	}
	f := counted(rows).Figures()
	// Without the swap r is -1; it moves 2 ranks by 1: Σd² = 572 - 2, 1 - 6·570/1716.
	if f.RankCorrelation == nil || *f.RankCorrelation != -0.993007 {
		t.Errorf("rank correlation %v, want -0.993007", *f.RankCorrelation)
	}
	// Two rows are the least that hold a tenth of twelve; the tops have none in common.
	if f.TopDecile != 0 || f.SameBand != 1 || f.PSI != 0 || f.Mean != 0.0055 || f.MeanDifference != 0 || f.Bands[0][0] != 12 {
		t.Errorf("%+v", f)
	}
}

func TestChampionAgainstItselfAgreesInEverything(t *testing.T) {
	t.Parallel()
	f := counted(bases(5000)["same"]).Figures()
	if f.RankCorrelation == nil || *f.RankCorrelation != 1 || f.SameBand != 1 || f.TopDecile != 1 || f.PSI != 0 || f.MeanDifference != 0 {
		t.Errorf("%+v", f)
	}
}

func TestNoRowsHaveNoFigures(t *testing.T) {
	t.Parallel()
	if f := New().Figures(); f != (Figures{}) {
		t.Errorf("%+v", f)
	}
}

func TestCountsDependOnTheRowsAlone(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for name, rows := range bases(3000) {
		whole := Encode([]*Counts{counted(rows)})
		for range 3 {
			rng.Shuffle(len(rows), func(i, k int) { rows[i], rows[k] = rows[k], rows[i] })
			sum := New()
			for rest := rows; len(rest) > 0; {
				n := 1 + rng.IntN(len(rest))
				part, err := Decode(Encode([]*Counts{counted(rest[:n])}), 1)
				if err != nil {
					t.Fatal(err)
				}
				if err := sum.Merge(part[0]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if !bytes.Equal(Encode([]*Counts{sum}), whole) {
				t.Errorf("%s: the counts depend on how the rows were cut", name)
			}
		}
	}
}

func TestResetForgetsEverything(t *testing.T) {
	t.Parallel()
	c := counted(bases(100)["alike"])
	c.Reset()
	if !bytes.Equal(Encode([]*Counts{c}), Encode([]*Counts{New()})) {
		t.Error("something is left")
	}
}

// TestAPartitionsFileIsSmall: the worst there can be, 250 000 rows that fill every
// cell, stays below what Encode says.
func TestAPartitionsFileIsSmall(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	var worst []pair
	for range 250_000 {
		worst = append(worst, pair{rng.Float32(), rng.Float32()})
	}
	if n := len(Encode([]*Counts{counted(worst)})); n > 300_000 {
		t.Errorf("%d bytes", n)
	}
	if n := len(Encode([]*Counts{counted(bases(250_000)["alike"])})); n > 30_000 {
		t.Errorf("%d bytes where the models agree", n)
	}
}

func TestDecodeTakesNothingElse(t *testing.T) {
	t.Parallel()
	data := Encode([]*Counts{counted(bases(200)["alike"]), counted(bases(200)["strange"])})
	if _, err := Decode(data, 2); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, data []byte, n int) {
		t.Helper()
		if _, err := Decode(data, n); !errors.Is(err, ErrCounts) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("fewer challengers", data, 1)
	refused("more challengers", data, 3)
	refused("a byte left over", append(slices.Clone(data), 0), 2)
	for n := range len(data) {
		refused("cut short", data[:n], 2)
	}
	other := slices.Clone(data)
	other[1]++
	refused("another version", other, 2)
	moved := counted(bases(200)["alike"])
	moved.bands[0][0]++
	refused("a row in a band and in no score", Encode([]*Counts{moved}), 1)
	moved.bands[0][0]--
	moved.sums[1] = 200*1e6 + 1
	refused("propensities above 1", Encode([]*Counts{moved}), 1)
}

func FuzzDecode(f *testing.F) {
	for _, rows := range bases(50) {
		f.Add(Encode([]*Counts{counted(rows)}))
	}
	f.Add(Encode([]*Counts{New(), New()}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 3 || data[2] > 8 {
			return
		}
		list, err := Decode(data, int(data[2]))
		if err != nil {
			return
		}
		if !bytes.Equal(Encode(list), data) {
			t.Error("other bytes than were read")
		}
		for _, c := range list {
			c.Figures()
		}
	})
}

func BenchmarkContest(b *testing.B) {
	const n = 1 << 14
	var columns [2][]float32
	for _, r := range bases(n)["alike"] {
		columns[0], columns[1] = append(columns[0], r[0]), append(columns[1], r[1])
	}
	c, s := New(), NewScale(cuts)
	champion, challenger := make([]Grade, n), make([]Grade, n)
	s.Grade(champion, columns[0])
	for b.Loop() {
		s.Grade(challenger, columns[1])
		c.Add(champion, challenger)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
}
