package score

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"rescore/worker/kernel"
	"rescore/worker/model"
)

// shapes are the models tried.
func shapes() map[string]written {
	return map[string]written{
		"numerical":          write(1, 10, 31, 8, false, false, false),
		"categorical":        write(2, 10, 31, 6, true, false, false),
		"mixed missing":      write(3, 10, 16, 5, true, true, false),
		"forest":             write(4, 10, 7, 4, true, false, true),
		"stumps":             write(5, 20, 2, 3, false, true, false),
		"one leaf a tree":    write(6, 3, 1, 2, false, false, false),
		"many leaves":        write(7, 2, 255, 9, true, false, false),
		"64 leaves":          write(8, 9, 64, 7, false, true, false),
		"65 leaves":          write(9, 6, 65, 7, true, true, false),
		"33 leaves":          write(10, 13, 33, 7, false, false, false),
		"256 leaves":         write(11, 2, 256, 9, false, true, false),
		"257 leaves":         write(12, 3, 257, 9, true, true, false),
		"700 leaves":         write(13, 2, 700, 5, true, true, false),
		"thresholds a scale": write(14, 60, 40, 2, false, false, false), // over a thousand for each feature
		"out of order":       write(15, 10, 40, 6, true, true, false).renumbered(1),
	}
}

// every compiles a model for every path.
func every(t testing.TB, e *model.Ensemble) []*forest {
	t.Helper()
	var forests []*forest
	for _, p := range paths() {
		f, err := newForestOn(e, p)
		if err != nil {
			t.Fatal(err)
		}
		forests = append(forests, f)
	}
	return forests
}

// columns makes room for rows of a model.
func columns(features, rows int) []kernel.Vector {
	in := make([]kernel.Vector, features)
	for i := range in {
		in[i].F64 = make([]float64, rows)
	}
	return in
}

func TestEveryPathEqualsTheReferenceBitForBit(t *testing.T) {
	t.Parallel()
	rows := 1_000_000
	if os.Getenv("RESCORE_LONG") != "" {
		rows = 10_000_000
	}
	shapes := shapes()
	for name, w := range shapes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := w.load(t)
			forests := every(t, e)
			r := rand.New(rand.NewPCG(7, uint64(len(w.text))))
			const pool = 3000
			in, want, row := columns(w.features, pool), make([]float64, pool), make([]float64, w.features)
			for done := 0; done < rows/len(shapes); done += pool {
				for i := range pool {
					for k := range in {
						x := w.draw(r, k)
						in[k].F64[i] = x
						if row[k] = x; math.IsInf(x, 0) {
							row[k] = math.NaN()
						}
					}
					want[i] = w.raw(func(feature int) float64 { return in[feature].F64[i] })
					if raw := e.Raw(row); raw != want[i] {
						t.Fatalf("row %v: model.Raw %v, want %v", row, raw, want[i])
					}
				}
				for _, f := range forests {
					checkBlocks(t, r, f, in, want)
				}
			}
		})
	}
}

// checkBlocks cuts rows into blocks of every kind of size.
func checkBlocks(t *testing.T, r *rand.Rand, f *forest, in []kernel.Vector, want []float64) {
	t.Helper()
	for first := 0; first < len(want); {
		n := blockRows
		if r.IntN(4) == 0 {
			n = 1 + r.IntN(blockRows)
		}
		n = min(n, len(want)-first)
		f.raw(in, first, n)
		for i := range n {
			if math.Float64bits(f.scores[i]) != math.Float64bits(want[first+i]) {
				t.Fatalf("%s, row %d of %d: %v, want %v", f.path.name, i, n, f.scores[i], want[first+i])
			}
		}
		first += n
	}
}

// A block of few rows is scored amid what the block before it left.
func TestShortBlocksOfEverySize(t *testing.T) {
	t.Parallel()
	w := write(16, 6, 20, 4, true, true, false)
	e := w.load(t)
	r := rand.New(rand.NewPCG(8, 8))
	in, want, row := columns(w.features, blockRows), make([]float64, blockRows), make([]float64, w.features)
	for i := range want {
		for k := range in {
			row[k] = w.draw(r, k)
			if math.IsInf(row[k], 0) {
				row[k] = math.NaN()
			}
			in[k].F64[i] = row[k]
		}
		want[i] = e.Raw(row)
	}
	for _, f := range every(t, e) {
		for n := blockRows; n > 0; n-- {
			f.raw(in, blockRows-n, n)
			for i := range n {
				if f.scores[i] != want[blockRows-n+i] {
					t.Fatalf("%s: row %d of %d: %v, want %v", f.path.name, i, n, f.scores[i], want[blockRows-n+i])
				}
			}
		}
	}
}

// Thresholds placed to crowd buckets, overflow the scale's arithmetic, or lie a
// bit apart; values on and beside every one of them.
func TestScalesAreExactWhateverTheThresholds(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(9, 9))
	next := func(x float64, n int) float64 {
		for range n {
			x = math.Nextafter(x, math.Inf(1))
		}
		return x
	}
	sets := map[string]func(i int) float64{
		"even":             func(i int) float64 { return float64(i) + 0.5 },
		"a bit apart":      func(i int) float64 { return next(1, i) },
		"subnormal":        func(i int) float64 { return math.Float64frombits(uint64(i)) },
		"around zero":      func(i int) float64 { return float64(i-100) * 5e-324 },
		"powers of two":    func(i int) float64 { return math.Ldexp(1, 4*i-500) },
		"powers, negative": func(i int) float64 { return -math.Ldexp(1, 500-4*i) },
		"huge":             func(i int) float64 { return -1.7e308 + float64(i)*1.3e306 },
		"outliers":         func(i int) float64 { return r.NormFloat64() / math.Abs(r.NormFloat64()) },
		"far outlier":      func(i int) float64 { return math.Ldexp(float64(i), i/254*900) },
		"money":            func(i int) float64 { return math.Round(math.Exp(r.NormFloat64()*2+8)) + 0.5 },
		"infinite":         func(i int) float64 { return math.Ldexp(-1, 1023+i%2*1) },
		"just below zero":  func(i int) float64 { return float64(i)*5 - model.ZeroMax }, // lost in all but the first
		"just above zero":  func(i int) float64 { return max(float64(i)*5, model.ZeroMax) },
		"negative zero":    func(i int) float64 { return math.Copysign(float64(i), -1) },
		"all of the line":  func(i int) float64 { return math.Float64frombits(r.Uint64() &^ (1 << 62)) },
	}
	near := 0
	for name, at := range sets {
		for _, n := range []int{1, 2, 4, 5, 15, 16, 17, 40, 255} {
			var q question
			for i := range n {
				if x := at(i); x < math.Inf(1) {
					q.ask(x+0, i%2 == 0)
				}
			}
			thresholds := q.sorted()
			s := newScale(axis{}, thresholds, true, true)
			if s.step == 1 {
				s.approach()
				near++
			}
			var values []float64
			for _, x := range thresholds {
				for _, v := range []float64{math.Nextafter(x, math.Inf(-1)), x, math.Nextafter(x, math.Inf(1)), x * 1.01, x - 1, x + 1} {
					if v-v == 0 {
						values = append(values, v)
					}
				}
			}
			values = append(values, 0, math.Copysign(0, -1), math.MaxFloat64, -math.MaxFloat64, 5e-324, -5e-324, 1, -1)
			var bins [blockRows]uint8
			for _, p := range paths() {
				for first := 0; first < len(values); first += blockRows {
					block := values[first:min(first+blockRows, len(values))]
					var absent plane
					p.quantise(&bins, &absent, block, &s)
					if absent != (plane{}) {
						t.Fatalf("%s, %s of %d: missing %x", p.name, name, n, absent)
					}
					for i, v := range block {
						want := 0
						for want < len(thresholds) && thresholds[want] < v {
							want++
						}
						if int(bins[i]) != want {
							t.Fatalf("%s, %s of %d: bin of %v is %d, want %d", p.name, name, n, v, bins[i], want)
						}
					}
				}
			}
		}
	}
	if near < 30 {
		t.Errorf("%d scales of one step: too few to test the short cut", near)
	}
}

func TestThresholdsOnAScaleHaveAPlace(t *testing.T) {
	t.Parallel()
	w := write(17, 20, 31, 3, false, true, false)
	infinite := 0
	for _, tree := range w.trees {
		for _, x := range tree.threshold {
			if math.IsInf(x, 1) {
				infinite++
			}
		}
	}
	if infinite == 0 {
		t.Fatal("the model has no threshold of +Inf")
	}
	for _, f := range every(t, w.load(t)) {
		for _, s := range f.scales {
			if last := s.threshold[s.thresholds-1]; last > math.MaxFloat64 {
				t.Errorf("%s: feature %d has a threshold of %v", f.path.name, s.feature, last)
			}
		}
	}
}

func TestMissingValuesAreMarked(t *testing.T) {
	t.Parallel()
	values := []float64{math.NaN(), 0, 1, math.Inf(1), -2, math.Inf(-1), math.Copysign(0, -1), model.ZeroMax, -model.ZeroMax,
		math.Nextafter(model.ZeroMax, 1), math.Nextafter(-model.ZeroMax, -1), math.MaxFloat64, -math.MaxFloat64}
	for i := range 4 {
		zero := i%2 == 0
		s := newScale(axis{zero: zero}, []float64{-3, -2, -1, 1, 2, 3}[i/2*3:], true, true) // many, few
		s.approach()
		for _, p := range paths() {
			for n := 1; n <= blockRows; n++ {
				x := make([]float64, n)
				for i := range x {
					x[i] = values[(i+n)%len(values)]
				}
				var bins [blockRows]uint8
				var got, want plane
				p.quantise(&bins, &got, x, &s)
				for i, v := range x {
					if math.IsNaN(v) || math.IsInf(v, 0) || zero && math.Abs(v) <= model.ZeroMax {
						want[i/64] |= 1 << (i % 64)
					}
				}
				if got != want {
					t.Fatalf("%s, zeroes missing %v: %d values: missing %x, want %x", p.name, zero, n, got, want)
				}
			}
		}
	}
}

func TestTransposeSwapsRowsAndColumns(t *testing.T) {
	t.Parallel()
	for i := range 64 {
		if got, want := transpose(1<<i), uint64(1)<<(i%8*8+i/8); got != want {
			t.Errorf("bit %d: %x, want %x", i, got, want)
		}
	}
}

// The scratch is bounded: models that need more are refused.
func TestForestRefusesBoundlessScratch(t *testing.T) {
	t.Parallel()
	const head = "tree\nversion=v2\nnum_class=1\nobjective=binary sigmoid:1\n"
	list := func(n int, value func(i int) int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%d ", value(i))
		}
		return strings.TrimSuffix(b.String(), " ")
	}
	all := func(x int) func(int) int { return func(int) int { return x } }
	// chain is a tree whose every node cuts one leaf off.
	chain := func(nodes int, feature, threshold func(i int) int, decision int) string {
		return fmt.Sprintf("num_leaves=%d\nsplit_feature=%s\nthreshold=%s\ndecision_type=%s\nleaf_value=%s\nleft_child=%s\nright_child=%s\n",
			nodes+1, list(nodes, feature), list(nodes, threshold), list(nodes, all(decision)), list(nodes+1, all(0)),
			list(nodes, func(i int) int { return ^i }), list(nodes, func(i int) int {
				if i == nodes-1 {
					return ^nodes
				}
				return i + 1
			}))
	}
	names := func(n int) string {
		return fmt.Sprintf("max_feature_idx=%d\nfeature_names=f%s\nfeature_infos=none%s\n\n", n-1,
			strings.ReplaceAll(list(n, func(i int) int { return i }), " ", " f"), strings.Repeat(" none", n-1))
	}
	same := func(i int) int { return i }
	for says, text := range map[string]string{
		"leaves, more than":               names(1) + "Tree=0\nnum_cat=0\n" + chain(planesMax+1, all(0), all(0), 0),
		"compares more than":              names(scalesMax+1) + "Tree=0\nnum_cat=0\n" + chain(scalesMax+1, same, all(0), 0),
		"sets of the model have more":     names(1) + fmt.Sprintf("Tree=0\nnum_cat=1\ncat_boundaries=0 %d\ncat_threshold=%s\n", categoriesMax/32+1, strings.Repeat("4294967295 ", categoriesMax/32)+"1") + chain(1, all(0), all(0), 1),
		"categories and category sets, m": names(1) + fmt.Sprintf("Tree=0\nnum_cat=1\ncat_boundaries=0 %d\ncat_threshold=%s\n", planesMax/32+1, strings.Repeat("4294967295 ", planesMax/32)+"1") + chain(1, all(0), all(0), 1),
	} {
		e, err := model.LightGBM([]byte(head + text + "\n\nend of trees\n"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newForest(e); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one saying %q", err, says)
		}
	}
}
