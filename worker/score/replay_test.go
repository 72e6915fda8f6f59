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
		"chains of 32":       chained(18, 7, 32, 5),
		"chains of 64":       chained(19, 5, 64, 5),
		"chains of 200":      chained(20, 2, 200, 5),
	}
}

// newForest compiles an ensemble, and gives it scratch.
func newForest(e *model.Ensemble, p path) (*forest, error) {
	f, err := compile(e, p)
	if err != nil {
		return nil, err
	}
	return f.fresh(), nil
}

// every compiles a model for every path.
func every(t testing.TB, e *model.Ensemble) []*forest {
	t.Helper()
	var forests []*forest
	for _, p := range paths() {
		f, err := newForest(e, p)
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
	againstReference(t, func(r *rand.Rand, w written, in []kernel.Vector, values [][]float64) {
		for k := range in {
			for i := range values[k] {
				values[k][i] = w.draw(r, k)
			}
			in[k].F64 = values[k]
		}
	})
}

// againstReference holds every path to the reference on models of all shapes, a million
// rows in all. Draw gives each feature its values, and the vector that says the same.
func againstReference(t *testing.T, draw func(r *rand.Rand, w written, in []kernel.Vector, values [][]float64)) {
	t.Helper()
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
			in, values := make([]kernel.Vector, w.features), make([][]float64, w.features)
			for k := range values {
				values[k] = make([]float64, pool)
			}
			want, row := make([]float64, pool), make([]float64, w.features)
			for done := 0; done < rows/len(shapes); done += pool {
				draw(r, w, in, values)
				for i := range pool {
					for k := range row {
						row[k] = known(values[k][i])
					}
					want[i] = w.raw(func(feature int) float64 { return values[feature][i] })
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
			if math.Float64bits(f.scores[0][i]) != math.Float64bits(want[first+i]) {
				t.Fatalf("%s, row %d of %d: %v, want %v", f.path.name, i, n, f.scores[0][i], want[first+i])
			}
		}
		first += n
	}
}

// Trees of every size a tree can have beside ones of other sizes: the vectors take runs
// of a size.
func TestTreesOfEverySizeInOneModel(t *testing.T) {
	t.Parallel()
	w := write(21, 0, 1, 6, true, true, false)
	r := rand.New(rand.NewPCG(22, 22))
	for seed := range uint64(60) {
		size := []int{1, 2, 31, 32, 33, 63, 64, 65, 128, 256, 257, 300}[r.IntN(12)]
		count := 1 + r.IntN(3)
		if seed == 30 {
			size, count = 3, 1200 // more than are taken at a time
		}
		part := write(100+seed, count, size, 6, false, true, false)
		w.trees = append(w.trees, part.trees...)
		for f, asked := range part.asked {
			w.asked[f] = append(w.asked[f], asked...)
		}
	}
	w.render()
	e := w.load(t)
	in, want, row := columns(w.features, 4000), make([]float64, 4000), make([]float64, w.features)
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
		checkBlocks(t, r, f, in, want)
	}
}

// Each class has its own trees and its own start.
func TestClassesEqualRawBitForBit(t *testing.T) {
	t.Parallel()
	w := write(23, 21, 31, 6, true, true, false)
	text := strings.Replace(w.text, "num_class=1\nnum_tree_per_iteration=1", "num_class=3\nnum_tree_per_iteration=3", 1)
	text, _, _ = strings.Cut(text, "objective=")
	_, rest, _ := strings.Cut(w.text, "objective=")
	_, rest, _ = strings.Cut(rest, "\n")
	lightgbm, err := model.LightGBM([]byte(text + "objective=multiclass num_class:3\n" + rest))
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]*model.Ensemble{"LightGBM": lightgbm, "XGBoost": writeClasses(t, 24, 24, 40, 4)} {
		rows := drawn(e, 5000)
		in := columns(len(e.Features), len(rows))
		for i, row := range rows {
			for k, x := range row {
				in[k].F64[i] = x
			}
		}
		want := make([]float64, e.Classes)
		for _, f := range every(t, e) {
			for first := 0; first < len(rows); first += blockRows {
				n := min(blockRows, len(rows)-first)
				f.raw(in, first, n)
				for i := range n {
					e.RawInto(want, rows[first+i])
					for k := range want {
						if got := f.scores[k][i]; math.Float64bits(got) != math.Float64bits(want[k]) {
							t.Fatalf("%s, %s, row %d, class %d: %v, want %v", name, f.path.name, first+i, k, got, want[k])
						}
					}
				}
			}
		}
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
				if f.scores[0][i] != want[blockRows-n+i] {
					t.Fatalf("%s: row %d of %d: %v, want %v", f.path.name, i, n, f.scores[0][i], want[blockRows-n+i])
				}
			}
		}
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
		if _, err := compile(e, plain); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one saying %q", err, says)
		}
	}
}
