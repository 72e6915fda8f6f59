package score

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rescore/worker/attribution"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
	"rescore/worker/model"
	"rescore/worker/transform"
)

// counted gives the trees training rows: so many in every leaf, from a seed.
func (w written) counted(seed uint64) written {
	r := rand.New(rand.NewPCG(seed, 97))
	trees := slices.Clone(w.trees)
	parts := strings.Split(w.text, "\n\n\n")
	for t := range trees {
		tree := &trees[t]
		tree.rows = make([]int, len(tree.leaf))
		for l := range tree.rows {
			tree.rows[l] = 1 + r.IntN(2000)
		}
		node := make([]int, len(tree.split))
		for i := range node {
			node[i] = tree.count(i)
		}
		parts[t] += fmt.Sprintf("\nleaf_count=%s\ninternal_count=%s", strings.Trim(fmt.Sprint(tree.rows), "[]"), strings.Trim(fmt.Sprint(node), "[]"))
	}
	w.text, w.trees = strings.Join(parts, "\n\n\n"), trees
	return w
}

// count is how many training rows reached a child.
func (tree writtenTree) count(child int) int {
	if child < 0 {
		return tree.rows[^child]
	}
	return tree.count(tree.left[child]) + tree.count(tree.right[child])
}

// mean is the value expected at a child: what its training rows got.
func (tree writtenTree) mean(child int) float64 {
	if child < 0 {
		return tree.leaf[^child]
	}
	l, r, all := tree.left[child], tree.right[child], float64(tree.count(child))
	return float64(float64(tree.count(l))/all*tree.mean(l)) + float64(float64(tree.count(r))/all*tree.mean(r))
}

// shares are what each leaf of a tree credits to each feature: the changes of the
// mean along its path, from the root on.
func (w written) shares(tree writtenTree) [][]float64 {
	all := make([][]float64, len(tree.leaf))
	var down func(child int, so []float64)
	down = func(child int, so []float64) {
		if child < 0 {
			all[^child] = so
			return
		}
		for _, next := range []int{tree.left[child], tree.right[child]} {
			with := slices.Clone(so)
			with[tree.split[child]] += tree.mean(next) - tree.mean(child)
			down(next, with)
		}
	}
	root := 0
	if len(tree.split) == 0 {
		root = ^0
	}
	down(root, make([]float64, w.features))
	return all
}

// why is the reference of path attribution in whole units: C09, reason1 to reason3
// are the largest positive contributions.
func (w written) why() func(value func(feature int) float64) [Reasons]int64 {
	shares, most := make([][][]float64, len(w.trees)), 0.0
	for t, tree := range w.trees {
		shares[t] = w.shares(tree)
		largest := 0.0
		for _, leaf := range shares[t] {
			for _, x := range leaf {
				largest = math.Max(largest, math.Abs(x))
			}
		}
		most += largest
	}
	return func(value func(feature int) float64) (code [Reasons]int64) {
		sum := make([]int64, w.features)
		for t, tree := range w.trees {
			for f, x := range shares[t][tree.find(value)] {
				sum[f] += int64(math.RoundToEven(x / (most / (1 << 30))))
			}
		}
		order := make([]int, w.features)
		for f := range order {
			order[f] = f
		}
		slices.SortStableFunc(order, func(a, b int) int { return int(sum[b] - sum[a]) })
		for k, f := range order[:min(Reasons, len(order))] {
			if sum[f] > 0 {
				code[k] = int64(f) + 1
			}
		}
		return code
	}
}

func pathOf(t testing.TB, e *model.Ensemble) *attribution.Path {
	t.Helper()
	by, err := attribution.NewPath(e)
	if err != nil {
		t.Fatal(err)
	}
	return by
}

// Not parallel: the harness counts allocations.
func TestReasonsEqualTheReferenceInEveryShape(t *testing.T) {
	for name, w := range map[string]written{
		"numerical":   write(21, 5, 15, 6, false, false, false),
		"categorical": write(22, 6, 15, 20, true, false, false),
		"forest":      write(23, 4, 7, 3, true, true, true),
		"large":       write(24, 3, 300, 9, true, true, false), // leaves that are no bytes
	} {
		w = w.counted(5)
		edges := map[string][]int64{}
		for i, f := range w.names() {
			for _, x := range w.asked[i] {
				edges[f] = append(edges[f], int64(x))
			}
		}
		e, rows := w.load(t), 90_000
		if name == "large" {
			rows = 10_000 // batches of one row cost as much as blocks
		}
		kerneltest.Random{
			New: func(int) kernel.Kernel {
				k, err := propensityOf(e, float64s(w.names()), Correction{Beta: 1}, bands, pathOf(t, e))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				return k
			},
			Reference: w.reference(1, w.why()),
			Rows:      rows,
			Edges:     edges,
			Seed:      uint64(len(name)),
		}.Run(t)
	}
}

// The harness tries every shape of a batch; here are the many rows.
func TestAMillionRowsHaveTheReferencesReasons(t *testing.T) {
	t.Parallel()
	total := 1_000_000
	if os.Getenv("RESCORE_LONG") != "" {
		total *= 10
	}
	for seed, categorical := range []bool{false, true} {
		w := write(uint64(seed)+80, 4, 31, 24, categorical, categorical, false).counted(6)
		e, why := w.load(t), w.why()
		k, err := propensityOf(e, float64s(w.names()), Correction{Beta: 1}, bands, pathOf(t, e))
		if err != nil {
			t.Fatal(err)
		}
		const n = 10_000
		r := rand.New(rand.NewPCG(uint64(seed), 8))
		in, out := columns(w.features, n), outputs(n)
		for range total / 2 / n {
			for f := range in {
				for i := range n {
					in[f].F64[i] = w.draw(r, f)
				}
			}
			k.Eval(n, in, out)
			for i := range n {
				want := why(func(f int) float64 { return in[f].F64[i] })
				if got := [Reasons]int64{int64(out[3].U16[i]), int64(out[4].U16[i]), int64(out[5].U16[i])}; got != want || out[6].U8[i] != ByPath {
					t.Fatalf("row %d: reasons %v, want %v", i, got, want)
				}
			}
		}
	}
}

// checkReasons holds the codes of rows, on every path of the processor, to the
// contributions of path attribution: no other feature contributes more, but for
// what rounding to units may hide.
func checkReasons(t *testing.T, e *model.Ensemble, rows [][]float64) {
	t.Helper()
	by := pathOf(t, e)
	in := columns(len(e.Features), len(rows))
	for i, row := range rows {
		for f, x := range row {
			in[f].F64[i] = x
		}
	}
	unit, err := unitOf(e, by)
	if err != nil {
		t.Fatal(err)
	}
	doubt := unit * float64(e.Trees()+1)
	var plain [][Reasons]uint16
	for _, f := range every(t, e) {
		c, err := newCredits(f, e, by)
		if err != nil {
			t.Fatal(err)
		}
		c = c.fresh(f)
		small := !slices.ContainsFunc(f.trees, func(g grown) bool { return g.leaves() > bunchLeaves })
		if (c.bunches != nil) != (f.path.bunch != nil && small) || (c.table != nil) != (f.path.credit != nil && c.bunches == nil) {
			t.Fatalf("path %s: bunches are %v, tables %v", f.path.name, c.bunches != nil, c.table != nil)
		}
		var all [][Reasons]uint16
		for first := 0; first < len(rows); first += blockRows {
			n := min(blockRows, len(rows)-first)
			f.raw(in, first, n)
			code := [Reasons][]uint16{make([]uint16, n), make([]uint16, n), make([]uint16, n)}
			c.explain(&code)
			for i := range n {
				all = append(all, [Reasons]uint16{code[0][i], code[1][i], code[2][i]})
			}
		}
		if plain == nil {
			plain = all
		}
		if !slices.Equal(all, plain) {
			t.Fatalf("path %s gives other reasons than %s", f.path.name, every(t, e)[0].path.name)
		}
	}
	shares := make([]float64, by.Len())
	for i, row := range rows {
		by.Into(shares, row)
		left, before := shares[:len(e.Features)], math.Inf(1)
		for k, code := range plain[i] {
			best := 0.0
			for _, x := range left {
				best = max(best, x)
			}
			if code == 0 {
				if best > doubt {
					t.Fatalf("row %d has no reason %d, and a feature contributes %v", i, k+1, best)
				}
				continue
			}
			got := left[code-1]
			if got <= -doubt || got < best-doubt || got > before+doubt {
				t.Fatalf("row %d: reason %d contributes %v, the largest left %v", i, k+1, got, best)
			}
			before, left[code-1] = got, math.Inf(-1)
		}
	}
}

func TestReasonsOfTrainedModelsAreTheirLargestContributions(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(oracles); err != nil {
		t.Skip("the oracle models (shared/data/oracles beside the repository) are absent: nothing to explain")
	}
	for _, library := range []string{"lightgbm", "xgboost"} {
		data, err := os.ReadFile(filepath.Join(oracles, "generated", library, "CASES.json"))
		if err != nil {
			t.Fatal(err)
		}
		var cases []struct{ Model, Input string }
		if err := json.Unmarshal(data, &cases); err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			t.Run(c.Model, func(t *testing.T) {
				t.Parallel()
				text, err := os.ReadFile(filepath.Join(oracles, "generated", c.Model))
				if err != nil {
					t.Fatal(err)
				}
				e, err := model.Load(text)
				if err != nil {
					t.Fatal(err)
				}
				rows := append(drawn(e, 3000), read(t, filepath.Join(oracles, "generated", c.Input), len(e.Features))...)
				for _, row := range rows {
					for f := range row {
						row[f] = known(row[f])
					}
				}
				checkReasons(t, e, rows)
			})
		}
	}
}

func TestReasonsOfManyShapesAreTheSameOnEveryPath(t *testing.T) {
	t.Parallel()
	for seed, shape := range [][3]int{{1, 1, 1}, {3, 2, 2}, {5, 31, 17}, {7, 256, 40}, {4, 257, 5}, {9, 64, 100}, {21, 31, 33}} {
		w := write(uint64(seed)+60, shape[0], shape[1], shape[2], seed%2 == 1, seed%3 == 1, false).counted(uint64(seed))
		e := w.load(t)
		rows := drawn(e, 4000)
		for _, row := range rows {
			for f := range row {
				row[f] = known(row[f])
			}
		}
		checkReasons(t, e, rows)
	}
}

func TestReasonsNameTheFeaturesThatColumnsDeriveFrom(t *testing.T) {
	t.Parallel()
	w := write(71, 30, 15, 8, false, false, false).counted(1)
	plain := w.load(t)
	e := *plain
	e.Features = plain.Features[:4]
	b := transform.New(4)
	for f := range 4 { // columns 4 to 7
		double, _ := transform.Call("*", 2)
		b.Add(double, transform.Column(f), transform.Constant(2))
	}
	refused := b.Add(transform.Outside{{Intervals: []transform.Interval{{Low: math.Inf(-1), High: 15}}}}, transform.Column(0))
	b.Refuse(refused)
	var err error
	if e.Prepare, err = b.Program(); err != nil {
		t.Fatal(err)
	}
	by := pathOf(t, &e)
	k, err := propensityOf(&e, float64s(e.Features), Correction{Beta: 1}, bands, by)
	if err != nil {
		t.Fatal(err)
	}
	const n = 3000
	in, out := columns(4, n), outputs(n)
	r := rand.New(rand.NewPCG(7, 1))
	for f := range in {
		for i := range n {
			in[f].F64[i] = r.NormFloat64() * 10
		}
	}
	k.Eval(n, in, out)
	row, shares, none := make([]float64, 4), make([]float64, by.Len()), 0
	for i := range n {
		for f := range row {
			row[f] = in[f].F64[i]
		}
		by.Into(shares, row)
		want, method := Largest(shares[:4]), ByPath
		if row[0] > 15 {
			want, method = [Reasons]uint16{}, Unexplained
			none++
		}
		if got := [Reasons]uint16{out[3].U16[i], out[4].U16[i], out[5].U16[i]}; got != want || out[6].U8[i] != method {
			t.Fatalf("row %d: reasons %v by method %d, want %v by %d", i, got, out[6].U8[i], want, method)
		}
	}
	if none == 0 || none == n {
		t.Errorf("%d of %d rows were refused", none, n)
	}
}

func TestReasonsOfLinearModelsAreWeightTimesValue(t *testing.T) {
	t.Parallel()
	e := prepared(t, weighted(5)) // weights 0, 1/3, 2/3, 1 and 4/3
	k, err := propensityOf(e, float64s(e.Features), Correction{Beta: 1}, bands, pathOf(t, e))
	if err != nil {
		t.Fatal(err)
	}
	rows := [][]float64{
		{9, 3, 1, 1, 1},    // 0, 1, 2/3, 1 and 4/3: b and d tie
		{9, -3, 0, 2, -1},  // d alone
		{9, -3, -1, 0, -1}, // none
		{9, 1, 1, 1, 3},    // refused
	}
	want := [][Reasons]uint16{{5, 2, 4}, {4, 0, 0}, {}, {}}
	in, out := columns(5, len(rows)), outputs(len(rows))
	for i, row := range rows {
		for f, x := range row {
			in[f].F64[i] = x
		}
	}
	k.Eval(len(rows), in, out)
	for i := range rows {
		if got := [Reasons]uint16{out[3].U16[i], out[4].U16[i], out[5].U16[i]}; got != want[i] {
			t.Errorf("row %d: reasons %v, want %v", i, got, want[i])
		}
	}
	if out[6].U8[2] != ByPath || out[6].U8[3] != Unexplained {
		t.Errorf("methods %v", out[6].U8)
	}
}

func TestOfEqualContributionsTheFirstComesFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sums []int32
		want [Reasons]uint16
	}{
		{[]int32{1, 1, 1, 1}, [Reasons]uint16{1, 2, 3}},
		{[]int32{-1, 0, 5, 7, 5}, [Reasons]uint16{4, 3, 5}},
		{[]int32{-1, 0, -5, 0}, [Reasons]uint16{}},
		{[]int32{math.MinInt32, math.MaxInt32, 1}, [Reasons]uint16{2, 3, 0}},
		{[]int32{3}, [Reasons]uint16{1, 0, 0}},
	} {
		r := &credits{feature: []uint16{1, 2, 3, 4, 5}}
		x, y, z := largest(c.sums)
		floats := make([]float64, len(c.sums))
		for i, s := range c.sums {
			floats[i] = float64(s)
		}
		if got := [Reasons]uint16{r.code(x), r.code(y), r.code(z)}; got != c.want || Largest(floats) != c.want {
			t.Errorf("%v: %v and %v, want %v", c.sums, got, Largest(floats), c.want)
		}
	}
}
