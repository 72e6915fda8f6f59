package score

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/attribution"
	"rescore/worker/kernel"
	"rescore/worker/model"
)

// written is a model as text and as the test's own numbers, so that a reference
// can walk it without the loader.
type written struct {
	text     string
	features int
	sigmoid  float64
	average  bool
	trees    []writtenTree
	asked    [][]float64 // by feature: thresholds and categories
}

type writtenTree struct {
	split, left, right []int
	threshold          []float64
	decision           []int
	leaf               []float64
	sets               [][]uint32
	rows               []int // of training in each leaf, when there are reasons
}

// write makes a model up: trees grown leaf by leaf as LightGBM grows them, from
// a seed. A feature has one missing type, as LightGBM's have, unless mixed.
func write(seed uint64, trees, leaves, features int, categorical, mixed, average bool) written {
	r := rand.New(rand.NewPCG(seed, 99))
	w := written{features: features, sigmoid: 1, average: average, asked: make([][]float64, features)}
	if r.IntN(2) == 0 {
		w.sigmoid = 0.7
	}
	missing, isCategory := make([]int, features), make([]bool, features)
	for f := range features {
		missing[f] = r.IntN(3)
		isCategory[f] = categorical && r.IntN(3) == 0
	}
	for t := range trees {
		tree := writtenTree{leaf: []float64{0}}
		n := leaves
		if t%17 == 16 {
			n = 1 + r.IntN(2)
		}
		parent := []int{-1} // child slot that holds leaf l: node*2, +1 if right
		for len(tree.leaf) < n {
			node, cut := len(tree.split), r.IntN(len(tree.leaf))
			f := r.IntN(features)
			tree.split = append(tree.split, f)
			m := missing[f]
			if mixed {
				m = r.IntN(3)
			}
			decision := m<<2 | r.IntN(2)<<1
			threshold := math.Round(r.NormFloat64()*1000) / 100
			switch r.IntN(12) {
			case 3:
				threshold = math.Inf(1 - 2*r.IntN(2)) // parts missing values from all others
			case 0:
				threshold = 0
			case 1:
				threshold = model.ZeroMax
			case 2:
				threshold = r.NormFloat64() * 1e6
			}
			if isCategory[f] {
				decision = 1 | m<<2
				threshold = float64(len(tree.sets))
				set := make([]uint32, 1+r.IntN(3))
				if r.IntN(4) == 0 {
					set = make([]uint32, 10)
				}
				for i := range set {
					set[i] = r.Uint32()
				}
				tree.sets = append(tree.sets, set)
				for c := range 32*len(set) + 4 {
					w.asked[f] = append(w.asked[f], float64(c))
				}
			} else {
				w.asked[f] = append(w.asked[f], threshold)
			}
			tree.threshold, tree.decision = append(tree.threshold, threshold), append(tree.decision, decision)
			tree.left, tree.right = append(tree.left, ^cut), append(tree.right, ^len(tree.leaf))
			if p := parent[cut]; p >= 0 {
				if p%2 == 0 {
					tree.left[p/2] = node
				} else {
					tree.right[p/2] = node
				}
			}
			parent[cut] = node * 2
			parent = append(parent, node*2+1)
			tree.leaf = append(tree.leaf, 0)
		}
		for l := range tree.leaf {
			tree.leaf[l] = r.NormFloat64() / 10
		}
		w.trees = append(w.trees, tree)
	}
	w.render()
	return w
}

// chained makes up trees whose every node cuts one leaf off: the other child of one is
// the next, to the left in every other tree.
func chained(seed uint64, trees, leaves, features int) written {
	w := write(seed, trees, leaves, features, false, true, false)
	for t := range w.trees {
		tree := &w.trees[t]
		for i := range tree.split {
			next := i + 1
			if next == len(tree.split) {
				next = ^next
			}
			tree.left[i], tree.right[i] = ^i, next
			if t%2 == 1 {
				tree.left[i], tree.right[i] = next, ^i
			}
		}
	}
	w.render()
	return w
}

// render writes the text.
func (w *written) render() {
	var body strings.Builder
	for t, tree := range w.trees {
		ints := func(list []int) string { return strings.Trim(fmt.Sprint(list), "[]") }
		floats := func(list []float64) string {
			var s []string
			for _, x := range list {
				s = append(s, number(x))
			}
			return strings.Join(s, " ")
		}
		fmt.Fprintf(&body, "Tree=%d\nnum_leaves=%d\nnum_cat=%d\nsplit_feature=%s\nthreshold=%s\ndecision_type=%s\nleft_child=%s\nright_child=%s\nleaf_value=%s\n",
			t, len(tree.leaf), len(tree.sets), ints(tree.split), floats(tree.threshold), ints(tree.decision), ints(tree.left), ints(tree.right), floats(tree.leaf))
		if len(tree.sets) > 0 {
			bounds, words, at := "0", "", 0
			for _, set := range tree.sets {
				at += len(set)
				bounds += " " + strconv.Itoa(at)
				for _, word := range set {
					words += " " + strconv.FormatUint(uint64(word), 10)
				}
			}
			fmt.Fprintf(&body, "cat_boundaries=%s\ncat_threshold=%s\n", bounds, words[1:])
		}
		body.WriteString("\n\n")
	}
	names, infos := w.names(), make([]string, w.features)
	for f := range names {
		infos[f] = "none"
	}
	head := fmt.Sprintf("tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=%d\nobjective=binary sigmoid:%v\n", w.features-1, w.sigmoid)
	if w.average {
		head += "average_output\n"
	}
	w.text = head + "feature_names=" + strings.Join(names, " ") + "\nfeature_infos=" + strings.Join(infos, " ") + "\n\n" + body.String() + "end of trees\n"
}

// renumbered gives nodes and leaves numbers in an order of chance, so that no
// node stands where the order of the splits has it.
func (w written) renumbered(seed uint64) written {
	r := rand.New(rand.NewPCG(seed, 98))
	trees := w.trees
	w.trees = nil
	for _, old := range trees {
		n := len(old.split)
		node, leaf := []int{0}, r.Perm(n+1) // new numbers; the root stays
		if n > 1 {
			for _, i := range r.Perm(n - 1) {
				node = append(node, i+1)
			}
		}
		tree := writtenTree{
			split: make([]int, n), left: make([]int, n), right: make([]int, n),
			threshold: make([]float64, n), decision: make([]int, n), leaf: make([]float64, n+1), sets: old.sets,
		}
		child := func(c int) int {
			if c < 0 {
				return ^leaf[^c]
			}
			return node[c]
		}
		for i := range n {
			to := node[i]
			tree.split[to], tree.threshold[to], tree.decision[to] = old.split[i], old.threshold[i], old.decision[i]
			tree.left[to], tree.right[to] = child(old.left[i]), child(old.right[i])
		}
		for i, v := range old.leaf {
			tree.leaf[leaf[i]] = v
		}
		w.trees = append(w.trees, tree)
	}
	w.render()
	return w
}

// number writes x as LightGBM does: an infinity is inf.
func number(x float64) string {
	return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(x, 'g', 17, 64), "+"))
}

// leafText is the first leaf of the first tree, as it stands in the text.
func leafText(w written) string { return number(w.trees[0].leaf[0]) }

func (w written) load(t testing.TB) *model.Ensemble {
	t.Helper()
	e, err := model.LightGBM([]byte(w.text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// propensityOf is NewPropensity of a model that is not compiled yet.
func propensityOf(e *model.Ensemble, features []kernel.Field, odds Correction, policy job.Policy, why *attribution.Path) (kernel.Kernel, error) {
	c, err := Compile(e, why)
	if err != nil {
		return nil, err
	}
	return NewPropensity(c, features, odds, policy)
}

func compiled(t testing.TB, e *model.Ensemble) *Compiled {
	t.Helper()
	c, err := Compile(e, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// float64s are columns of that type.
func float64s(names []string) []kernel.Field {
	fields := make([]kernel.Field, len(names))
	for i, name := range names {
		fields[i] = kernel.Field{Name: name, Type: arrow.PrimitiveTypes.Float64}
	}
	return fields
}

func (w written) names() []string {
	names := make([]string, w.features)
	for f := range names {
		names[f] = fmt.Sprintf("f%d", f)
	}
	return names
}

// raw is the reference: LightGBM's text, read a row at a time, sharing no code
// with the loader or the kernel. C09: an infinite value is missing.
func (w written) raw(value func(feature int) float64) float64 {
	sum := 0.0
	for _, tree := range w.trees {
		sum += tree.leaf[tree.find(value)]
	}
	return sum
}

func (tree writtenTree) find(value func(feature int) float64) int {
	child := 0
	if len(tree.split) == 0 {
		child = ^0
	}
	for child >= 0 {
		x := value(tree.split[child])
		absent := math.IsNaN(x) || math.IsInf(x, 0)
		var left bool
		switch d := tree.decision[child]; {
		case d&1 == 1:
			left = false
			if !absent && math.Trunc(x) >= 0 && math.Trunc(x) < 1<<20 {
				c, set := int(math.Trunc(x)), tree.sets[int(tree.threshold[child])]
				left = c/32 < len(set) && set[c/32]&(1<<(c%32)) != 0
			}
		case d>>2 == 0:
			if absent {
				x = 0
			}
			left = x <= tree.threshold[child]
		case absent, d>>2 == 1 && math.Abs(x) <= float64(float32(1e-35)):
			left = d&2 != 0
		default:
			left = x <= tree.threshold[child]
		}
		if left {
			child = tree.left[child]
		} else {
			child = tree.right[child]
		}
	}
	return ^child
}

// draw returns a value worth asking a feature.
func (w written) draw(r *rand.Rand, feature int) float64 {
	asked := w.asked[feature]
	switch pick := r.IntN(16); {
	case pick < 7 && len(asked) > 0:
		x := asked[r.IntN(len(asked))]
		switch r.IntN(4) {
		case 0:
			return math.Nextafter(x, math.Inf(1))
		case 1:
			return math.Nextafter(x, math.Inf(-1))
		}
		return x
	case pick == 7:
		return math.NaN()
	case pick == 8:
		return math.Inf(1 - 2*r.IntN(2))
	case pick == 9:
		special := []float64{0, math.Copysign(0, -1), model.ZeroMax, -model.ZeroMax, math.Nextafter(model.ZeroMax, 1),
			math.Nextafter(-model.ZeroMax, -1), 1e-35, -0.5, -1, 95.5, 96, 1 << 31, 1 << 32, 1e300, -1e300}
		return special[r.IntN(len(special))]
	case pick < 12:
		return float64(r.IntN(120) - 10)
	case pick < 13:
		return r.Float64() * 100
	}
	return r.NormFloat64() * 10
}
