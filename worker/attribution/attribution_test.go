package attribution

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"rescore/worker/model"
	"rescore/worker/transform"
)

// shape says what write makes up.
type shape struct {
	trees, leaves, features, classes int
	categories                       bool // every third feature
	empty                            bool // some leaves got no training row
}

// write makes a model up in LightGBM's format, its trees grown leaf by leaf. None
// asks for the last feature.
func write(r *rand.Rand, s shape) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "tree\nversion=v4\nnum_class=%d\nnum_tree_per_iteration=%d\nlabel_index=0\nmax_feature_idx=%d\n", s.classes, s.classes, s.features-1)
	if s.classes > 1 {
		fmt.Fprintf(&b, "objective=multiclass num_class:%d\n", s.classes)
	} else {
		b.WriteString("objective=binary sigmoid:1\n")
	}
	b.WriteString("feature_names=")
	for f := range s.features {
		fmt.Fprintf(&b, "f%d ", f)
	}
	fmt.Fprintf(&b, "\nfeature_infos=%s\n\n", strings.TrimSpace(strings.Repeat("none ", s.features)))
	for t := range s.trees * s.classes {
		leaves := 1 + r.IntN(s.leaves)
		if t%4 != 0 {
			leaves = s.leaves
		}
		var feature, threshold, decision, left, right, nodeCount, word []any
		bound := []any{0}
		parent, count, value := []int{-1}, []int{0}, []any{r.NormFloat64()}
		for len(count) < leaves {
			cut, node := r.IntN(len(count)), len(feature)
			f := r.IntN(s.features - 1)
			feature = append(feature, f)
			if s.categories && f%3 == 0 {
				threshold, decision = append(threshold, len(word)), append(decision, 1+4*r.IntN(3))
				word = append(word, r.Uint32())
				bound = append(bound, len(word))
			} else {
				threshold, decision = append(threshold, math.Round(10*r.NormFloat64())/10), append(decision, 2*r.IntN(2)+4*r.IntN(3))
			}
			left, right, nodeCount = append(left, ^cut), append(right, ^len(count)), append(nodeCount, 0)
			if p := parent[cut]; p >= 0 {
				if p%2 == 0 {
					left[p/2] = node
				} else {
					right[p/2] = node
				}
			}
			parent[cut] = 2 * node
			parent, count, value = append(parent, 2*node+1), append(count, 0), append(value, r.NormFloat64())
		}
		for l := range count {
			if count[l] = 1 + r.IntN(200); s.empty && l > 0 && r.IntN(4) == 0 {
				count[l] = 0
			}
		}
		var sum func(child int) int
		sum = func(child int) int {
			if child < 0 {
				return count[^child]
			}
			n := max(1, sum(left[child].(int))+sum(right[child].(int)))
			nodeCount[child] = n
			return n
		}
		if len(feature) > 0 {
			sum(0)
		}
		list := func(key string, values []any) {
			fmt.Fprintf(&b, "%s=%s\n", key, strings.Trim(fmt.Sprint(values), "[]"))
		}
		fmt.Fprintf(&b, "Tree=%d\nnum_leaves=%d\nnum_cat=%d\n", t, leaves, len(word))
		list("split_feature", feature)
		list("threshold", threshold)
		list("decision_type", decision)
		list("left_child", left)
		list("right_child", right)
		list("leaf_value", value)
		fmt.Fprintf(&b, "leaf_count=%s\n", strings.Trim(fmt.Sprint(count), "[]"))
		list("internal_count", nodeCount)
		if len(word) > 0 {
			list("cat_boundaries", bound)
			list("cat_threshold", word)
		}
		b.WriteString("\n\n")
	}
	b.WriteString("end of trees\n")
	return []byte(b.String())
}

func draw(r *rand.Rand, row []float64) {
	for f := range row {
		switch r.IntN(8) {
		case 0:
			row[f] = math.NaN()
		case 1:
			row[f] = 0
		case 2, 3:
			row[f] = float64(r.IntN(40))
		default:
			row[f] = 2 * r.NormFloat64()
		}
	}
}

func cover(tree *model.Tree, child int32) float64 {
	if tree.NodeCover != nil {
		if child < 0 {
			return float64(tree.LeafCover[^child])
		}
		return float64(tree.NodeCover[child])
	}
	if child < 0 {
		return float64(tree.LeafCount[^child])
	}
	return float64(tree.NodeCount[child])
}

// expected is the value of a child where only the features in the set are known.
func expected(tree *model.Tree, child int32, row []float64, set uint) float64 {
	if child < 0 {
		return tree.Leaf[^child]
	}
	l, r := tree.Left[child], tree.Right[child]
	f := tree.Feature[child]
	if set>>f&1 == 0 {
		return (cover(tree, l)*expected(tree, l, row, set) + cover(tree, r)*expected(tree, r, row, set)) / cover(tree, child)
	}
	if tree.GoesLeft(child, row[f]) {
		return expected(tree, l, row, set)
	}
	return expected(tree, r, row, set)
}

func top(tree *model.Tree) int32 {
	if len(tree.Left) == 0 {
		return ^0
	}
	return 0
}

// brute is Shapley's definition: over all sets of features.
func brute(e *model.Ensemble, row []float64) []float64 {
	n := len(e.Features)
	out := make([]float64, e.Classes*(n+1))
	weight := make([]float64, n) // of a set: |S|!(n-|S|-1)!/n!
	for size := range weight {
		weight[size] = 1 / float64(n)
		for k := 1; k <= size; k++ {
			weight[size] *= float64(k) / float64(n-k)
		}
	}
	value := make([]float64, 1<<n)
	for k := range e.Classes {
		clear(value)
		if e.Base != nil {
			for set := range value {
				value[set] = e.Base[k]
			}
		}
		for t := range e.Trees() {
			if e.Class(t) != k {
				continue
			}
			tree := e.Tree(t)
			for set := range value {
				value[set] += expected(&tree, top(&tree), row, uint(set))
			}
		}
		for f := range n {
			for set := range value {
				if set>>f&1 == 0 {
					out[k*(n+1)+f] += weight[bits.OnesCount(uint(set))] * (value[set|1<<f] - value[set])
				}
			}
		}
		out[k*(n+1)+n] = value[0]
	}
	return out
}

// walk is Saabas's definition.
func walk(e *model.Ensemble, row []float64) []float64 {
	n := len(e.Features)
	out := make([]float64, e.Classes*(n+1))
	for k := range e.Base {
		out[k*(n+1)+n] = e.Base[k]
	}
	for t := range e.Trees() {
		tree := e.Tree(t)
		k, at := e.Class(t)*(n+1), top(&tree)
		out[k+n] += expected(&tree, at, row, 0)
		for at >= 0 {
			next := tree.Right[at]
			if tree.GoesLeft(at, row[tree.Feature[at]]) {
				next = tree.Left[at]
			}
			out[k+int(tree.Feature[at])] += expected(&tree, next, row, 0) - expected(&tree, at, row, 0)
			at = next
		}
	}
	return out
}

func checkAdds(t *testing.T, e *model.Ensemble, row, got []float64, tolerance float64) {
	t.Helper()
	raw := make([]float64, e.Classes)
	e.RawInto(raw, row)
	n := len(e.Features) + 1
	for k, want := range raw {
		sum := 0.0
		for _, x := range got[k*n:][:n] {
			sum += x
		}
		if !(math.Abs(sum-want) <= tolerance*max(1, math.Abs(want))) {
			t.Fatalf("class %d: contributions add up to %v, the raw score is %v", k, sum, want)
		}
	}
}

// Sets of up to 8 features; deep trees of few features ask for each again and again.
func TestBothEqualTheirDefinitionsOnRandomTrees(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 1))
	shapes := []shape{
		{trees: 3, leaves: 8, features: 6, classes: 1},
		{trees: 3, leaves: 16, features: 8, classes: 1, categories: true},
		{trees: 2, leaves: 12, features: 5, classes: 3, categories: true},
		{trees: 2, leaves: 40, features: 3, classes: 1},
		{trees: 2, leaves: 30, features: 2, classes: 1},
		{trees: 3, leaves: 12, features: 6, classes: 1, empty: true},
		{trees: 4, leaves: 2, features: 4, classes: 2},
		{trees: 3, leaves: 1, features: 3, classes: 1},
	}
	for i := range 40 * len(shapes) {
		sh := shapes[i%len(shapes)]
		e := load(t, write(r, sh))
		s, p := newShap(t, e), newPath(t, e)
		row, got := make([]float64, sh.features), make([]float64, s.Len())
		for range 4 {
			draw(r, row)
			s.Into(got, row)
			if want := brute(e, row); apart(t, got, want) > 1e-12 {
				t.Fatalf("%+v, row %v: Shapley values %v, want %v", sh, row, got, want)
			}
			checkAdds(t, e, row, got, 1e-12)
			p.Into(got, row)
			if want := walk(e, row); apart(t, got, want) > 1e-12 {
				t.Fatalf("%+v, row %v: path %v, want %v", sh, row, got, want)
			}
			checkAdds(t, e, row, got, 1e-12)
		}
	}
}

// Models of XGBoost, whose covers are sums of hessians, and with a base.
func TestBothEqualTheirDefinitionsOnXGBoostModels(t *testing.T) {
	t.Parallel()
	const text = `{"learner":{"learner_model_param":{"base_score":"3E-1","num_class":"0","num_feature":"4"},"objective":{"name":"binary:logistic"},
"gradient_booster":{"name":"gbtree","model":{"tree_info":[0],"trees":[{
"left_children":[1,3,5,-1,-1,7,-1,-1,-1],"right_children":[2,4,6,-1,-1,8,-1,-1,-1],"split_indices":[0,1,0,0,0,2,0,0,0],
"split_conditions":[0.5,-0.25,1.5,0.3,-0.7,0,0.9,1.25,-2],"default_left":[1,0,0,0,0,1,0,0,0],"sum_hessian":[20.5,8.25,12.25,3,5.25,7.75,4.5,6.5,1.25],
"split_type":[0,0,0,0,0,1,0,0,0],"categories_nodes":[5],"categories_segments":[0],"categories_sizes":[2],"categories":[1,3]}]}}}}`
	e := load(t, []byte(text))
	s, p := newShap(t, e), newPath(t, e)
	r := rand.New(rand.NewPCG(4, 2))
	row, got := make([]float64, 4), make([]float64, s.Len())
	for range 500 {
		draw(r, row)
		s.Into(got, row)
		if want := brute(e, row); apart(t, got, want) > 1e-14 {
			t.Fatalf("row %v: Shapley values %v, want %v", row, got, want)
		}
		checkAdds(t, e, row, got, 1e-6) // Raw sums in float32
		p.Into(got, row)
		if want := walk(e, row); apart(t, got, want) > 1e-14 {
			t.Fatalf("row %v: path %v, want %v", row, got, want)
		}
	}
}

// A chain asks for a hundred features on one path, where the libraries' recurrence
// loses all its digits.
func TestContributionsAddUpInDeepTrees(t *testing.T) {
	t.Parallel()
	const n = 100
	var list [7]strings.Builder
	for i := range n {
		right := i + 1
		if i == n-1 {
			right = ^n
		}
		for k, x := range []any{i, 0.5, 2, ^i, right, float64(i%7) - 3, 1} {
			fmt.Fprint(&list[k], x, " ")
		}
	}
	var counts strings.Builder
	for i := range n {
		fmt.Fprint(&counts, n+1-i, " ")
	}
	text := fmt.Sprintf("tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=%d\nobjective=regression\nfeature_names=%s\nfeature_infos=%s\n\n"+
		"Tree=0\nnum_leaves=%d\nnum_cat=0\nsplit_feature=%s\nthreshold=%s\ndecision_type=%s\nleft_child=%s\nright_child=%s\nleaf_value=%s5\nleaf_count=%s1\ninternal_count=%s\n\n\nend of trees\n",
		n-1, "f"+strings.ReplaceAll(strings.TrimSpace(list[0].String()), " ", " f"), strings.TrimSpace(strings.Repeat("none ", n)),
		n+1, &list[0], &list[1], &list[2], &list[3], &list[4], &list[5], &list[6], &counts)
	e := load(t, []byte(text))
	s := newShap(t, e)
	r := rand.New(rand.NewPCG(4, 3))
	row, got := make([]float64, n), make([]float64, s.Len())
	for last := range n + 1 {
		for f := range row {
			if row[f] = 1; f >= last && r.IntN(2) == 0 {
				row[f] = 0
			}
		}
		s.Into(got, row)
		checkAdds(t, e, row, got, 1e-12)
	}
}

func TestAFeatureNoTreeAsksForGetsExactlyNothing(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 4))
	sh := shape{trees: 20, leaves: 31, features: 12, classes: 2, categories: true}
	e := load(t, write(r, sh))
	s, p := newShap(t, e), newPath(t, e)
	row, got := make([]float64, sh.features), make([]float64, s.Len())
	for i := range 200 {
		draw(r, row)
		into := s.Into
		if i%2 == 1 {
			into = p.Into
		}
		for k := range got {
			got[k] = 7 // what dst held does not count
		}
		into(got, row)
		checkAdds(t, e, row, got, 1e-12)
		for k := range sh.classes {
			if x := got[k*(sh.features+1)+sh.features-1]; math.Float64bits(x) != 0 {
				t.Fatalf("class %d: %v", k, x)
			}
		}
	}
}

// Both features or neither make the score: Shapley shares alike, and the path
// favours the one asked for last.
const conjunction = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\nobjective=regression\nfeature_names=a b\nfeature_infos=none none\n\n" +
	"Tree=0\nnum_leaves=3\nnum_cat=0\nsplit_feature=0 1\nthreshold=0.5 0.5\ndecision_type=2 2\nleft_child=-1 -2\nright_child=1 -3\nleaf_value=0 0 8\nleaf_count=50 25 25\ninternal_count=100 50\n\n\nend of trees\n"

func TestShapleyIsSymmetricAndThePathIsNot(t *testing.T) {
	t.Parallel()
	e := load(t, []byte(conjunction))
	got := make([]float64, 3)
	newShap(t, e).Into(got, []float64{1, 1})
	if got[0] != got[1] || apart(t, got, []float64{3, 3, 2}) > 1e-15 {
		t.Errorf("Shapley values %v, want [3 3 2]", got)
	}
	newPath(t, e).Into(got, []float64{1, 1})
	if got[0] != 2 || got[1] != 4 || got[2] != 2 {
		t.Errorf("path %v, want [2 4 2]", got)
	}
}

func TestTheSameRowGetsTheSameBits(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 5))
	sh := shape{trees: 10, leaves: 31, features: 10, classes: 1, categories: true}
	e := load(t, write(r, sh))
	s, again := newShap(t, e), newShap(t, e)
	row, other := make([]float64, sh.features), make([]float64, sh.features)
	a, b := make([]float64, s.Len()), make([]float64, s.Len())
	for range 200 {
		draw(r, row)
		draw(r, other)
		s.Into(a, row)
		again.Into(b, other) // leaves its scratch behind
		again.Into(b, row)
		for k := range a {
			if math.Float64bits(a[k]) != math.Float64bits(b[k]) {
				t.Fatalf("contribution %d: %v, then %v", k, a[k], b[k])
			}
		}
	}
}

func TestNothingIsAllocatedForARow(t *testing.T) {
	e := load(t, write(rand.New(rand.NewPCG(4, 6)), shape{trees: 5, leaves: 31, features: 10, classes: 3, categories: true}))
	s, p := newShap(t, e), newPath(t, e)
	row, dst := make([]float64, 10), make([]float64, s.Len())
	if n := testing.AllocsPerRun(100, func() { s.Into(dst, row); p.Into(dst, row) }); n != 0 {
		t.Errorf("%v allocations a row", n)
	}
}

func TestModelsThatSayTooLittleAreRefusedByName(t *testing.T) {
	t.Parallel()
	file := func(name string) []byte {
		data, err := os.ReadFile("../model/testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for says, data := range map[string][]byte{
		"LightGBM's model: model without attribution: the file does not say how many training rows": []byte(strings.Replace(conjunction, "internal_count=100 50\n", "", 1)),
		"tree 0, node 1: model without attribution: no training rows passed it":                     []byte(strings.Replace(conjunction, "internal_count=100 50\n", "internal_count=100 0\n", 1)),
		"LightGBM's linear trees":  file("linear_v4.txt"),
		"XGBoost's model: model w": []byte(`{"learner":{"learner_model_param":{"base_score":"3E-1","num_class":"0","num_feature":"1"},"objective":{"name":"binary:logistic"},"gradient_booster":{"name":"gbtree","model":{"tree_info":[0],"trees":[{"left_children":[-1],"right_children":[-1],"split_indices":[0],"split_conditions":[0.5],"default_left":[0]}]}}}}`),
	} {
		e := load(t, data)
		_, err := NewShap(e)
		_, also := NewPath(e)
		for _, err := range []error{err, also} {
			if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), says) {
				t.Errorf("error %v, want one saying %q", err, says)
			}
		}
	}
}

// The file's weights are taken as they are: the reference is its sum.
func TestALinearModelContributesWeightTimesValue(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../model/testdata/xgb_linear.json")
	if err != nil {
		t.Fatal(err)
	}
	e := load(t, data)
	s, p := newShap(t, e), newPath(t, e)
	r := rand.New(rand.NewPCG(4, 8))
	row, got, again := make([]float64, len(e.Features)), make([]float64, s.Len()), make([]float64, s.Len())
	for range 500 {
		draw(r, row)
		s.Into(got, row)
		checkAdds(t, e, row, got, 1e-6)
		for i, weight := range e.Weight {
			f, k := i/e.Classes, i%e.Classes
			want := float64(float32(weight) * float32(row[f]))
			if math.IsNaN(row[f]) {
				want = 0
			}
			if x := got[k*(len(e.Features)+1)+f]; x != want {
				t.Fatalf("feature %d of class %d contributes %v, want %v", f, k, x, want)
			}
		}
		if p.Into(again, row); apart(t, got, again) != 0 {
			t.Fatalf("by the path %v, by Shapley's rule %v", again, got)
		}
	}
}

// A column that derives from feature 0 and replaces nothing is feature 0 to whoever
// asks why.
func TestWhatAModelMakesOfAFeatureCountsAsTheFeature(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 9))
	for range 40 {
		plain := load(t, write(r, shape{trees: 3, leaves: 12, features: 6, classes: 2}))
		prepared := *plain
		prepared.Features = plain.Features[:3]
		b := transform.New(3)
		for f := range 3 { // columns 3 to 5: twice the features
			product, _ := transform.Call("*", 2)
			b.Add(product, transform.Column(f), transform.Constant(2))
		}
		var err error
		if prepared.Prepare, err = b.Program(); err != nil {
			t.Fatal(err)
		}
		p, s := newPath(t, &prepared), newShap(t, &prepared)
		row, got := make([]float64, 3), make([]float64, p.Len())
		for range 20 {
			draw(r, row)
			columns := append(row[:3:3], 2*row[0], 2*row[1], 2*row[2])
			whole := walk(plain, columns)
			want := make([]float64, len(got))
			for k := range 2 {
				for f := range 3 {
					want[4*k+f] = whole[7*k+f] + whole[7*k+3+f]
				}
				want[4*k+3] = whole[7*k+6]
			}
			if p.Into(got, row); apart(t, got, want) > 1e-12 {
				t.Fatalf("path %v, want %v", got, want)
			}
			checkAdds(t, &prepared, row, got, 1e-12)
			s.Into(got, row)
			checkAdds(t, &prepared, row, got, 1e-12)
			if want := bruteTogether(plain, columns, 3); apart(t, got, want) > 1e-12 {
				t.Fatalf("Shapley values %v, want %v", got, want)
			}
		}
	}
}

// bruteTogether is Shapley's definition where column f+n becomes known with column
// f: n players of two columns.
func bruteTogether(e *model.Ensemble, row []float64, n int) []float64 {
	out := make([]float64, e.Classes*(n+1))
	fact := []float64{1, 1, 2, 6, 24}
	for k := range e.Classes {
		value := func(set uint) float64 {
			sum := 0.0
			for t := range e.Trees() {
				if tree := e.Tree(t); e.Class(t) == k {
					sum += expected(&tree, top(&tree), row, set|set<<n)
				}
			}
			return sum
		}
		for set := range uint(1) << n {
			size := bits.OnesCount(set)
			for f := range n {
				if set>>f&1 == 0 {
					out[k*(n+1)+f] += fact[size] * fact[n-size-1] / fact[n] * (value(set|1<<f) - value(set))
				}
			}
		}
		out[k*(n+1)+n] = value(0)
	}
	return out
}

func TestGaussIntegratesPolynomialsExactly(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 64; n++ {
		points, weights := gauss(n)
		for degree := range 2 * n {
			sum := 0.0
			for j, x := range points {
				sum += weights[j] * math.Pow(x, float64(degree))
			}
			if want := 1 / float64(degree+1); math.Abs(sum-want) > 1e-14 {
				t.Fatalf("%d points: x^%d integrates to %v, want %v", n, degree, sum, want)
			}
		}
	}
}

func benchmark(b *testing.B, into func(*model.Ensemble) func(dst, row []float64)) {
	r := rand.New(rand.NewPCG(4, 7))
	e := load(b, write(r, shape{trees: 100, leaves: 31, features: 41, classes: 1}))
	f := into(e)
	rows, dst := make([][]float64, 512), make([]float64, len(e.Features)+1)
	for i := range rows {
		rows[i] = make([]float64, len(e.Features))
		draw(r, rows[i])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f(dst, rows[i%len(rows)])
	}
}

func BenchmarkPath100x31(b *testing.B) {
	benchmark(b, func(e *model.Ensemble) func(dst, row []float64) { return newPath(b, e).Into })
}

func BenchmarkShap100x31(b *testing.B) {
	benchmark(b, func(e *model.Ensemble) func(dst, row []float64) { return newShap(b, e).Into })
}
