package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"rescore/partition/synth"
)

// narrowName is the narrow record's model, beside its job file.
const narrowName = "model.txt"

// The narrow model: as large as a usual model of churn, grown over real rows so that
// each split parts them, with leaves that mean nothing. It is made, not trained,
// because only its size and its shape cost time, and made anew it is the same.
const (
	narrowTrees   = 100
	narrowLeaves  = 31
	narrowSample  = 4096 // rows that it is grown over
	narrowLeafMin = 20   // rows of the sample that a leaf keeps
)

// narrowModel writes the model as LightGBM would.
func narrowModel() ([]byte, error) {
	names := narrowColumns()
	x, err := sample(names)
	if err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(seed, narrowTrees))
	var trees bytes.Buffer
	var sizes []string
	for t := range narrowTrees {
		text := grow(r, x).write(t)
		sizes = append(sizes, fmt.Sprint(len(text)))
		trees.Write(text)
	}
	infos := make([]string, len(names))
	for f := range names {
		low, high := math.Inf(1), math.Inf(-1)
		for _, v := range x[f] {
			if !math.IsNaN(v) {
				low, high = min(low, v), max(high, v)
			}
		}
		infos[f] = fmt.Sprintf("[%v:%v]", low, high)
	}
	return fmt.Appendf(nil, "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=%d\nobjective=binary sigmoid:1\nfeature_names=%s\nfeature_infos=%s\ntree_sizes=%s\n\n%send of trees\n\nfeature_importances:\n\nparameters:\n[boosting: gbdt]\n\nend of parameters\n\npandas_categorical:null\n",
		len(names)-1, strings.Join(names, " "), strings.Join(infos, " "), strings.Join(sizes, " "), trees.Bytes()), nil
}

// NarrowDigest is the digest of the narrow record's model: SHA-256 of its file.
func NarrowDigest() (string, error) {
	text, err := narrowModel()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// sample is a column of values for each name, of the base's first subscribers.
func sample(names []string) ([][]float64, error) {
	base, err := synth.New(synth.Default(seed, narrowSample, month))
	if err != nil {
		return nil, fmt.Errorf("make rows for the narrow model: %w", err)
	}
	batch := synth.NewBatch()
	n := base.Fill(batch, 0, narrowSample)
	x := make([][]float64, len(names))
	for _, c := range batch.Columns {
		f := slices.Index(names, c.Name)
		if f < 0 {
			continue
		}
		switch v := c.Vector.(type) {
		case *synth.Vector[uint8]:
			x[f] = values(v, n)
		case *synth.Vector[int16]:
			x[f] = values(v, n)
		case *synth.Vector[int32]:
			x[f] = values(v, n)
		case *synth.Vector[int64]:
			x[f] = values(v, n)
		}
	}
	if f := slices.IndexFunc(x, func(v []float64) bool { return v == nil }); f >= 0 {
		return nil, fmt.Errorf("make rows for the narrow model: the synthetic base has no numbers %s", names[f])
	}
	return x, nil
}

func values[T synth.Integer](v *synth.Vector[T], n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		if out[i] = math.NaN(); !v.Null(i) {
			out[i] = float64(v.Values[i])
		}
	}
	return out
}

// tree is one tree in LightGBM's order: node i splits a leaf into itself and leaf
// i+1. A child below 0 is the leaf with its bits turned over.
type tree struct {
	feature       []int
	threshold     []float64
	missing       []bool // goes left where the value is missing
	left, right   []int
	rows          []int // of the leaves
	value         []float64
	nodeRows      []int
	nodeValue     []float64
	parent        []int // of the leaves; -1 for the first
	parentIsRight []bool
}

// grow splits the largest leaf again and again, by a column drawn at random, at a
// value between its quarters.
func grow(r *rand.Rand, x [][]float64) *tree {
	all := make([]int, len(x[0]))
	for i := range all {
		all[i] = i
	}
	leaves := [][]int{all}
	t := &tree{parent: []int{-1}, parentIsRight: []bool{false}, value: []float64{0}}
	for len(leaves) < narrowLeaves {
		leaf := 0
		for i, rows := range leaves {
			if len(rows) > len(leaves[leaf]) {
				leaf = i
			}
		}
		f, missing := r.IntN(len(x)), r.IntN(2) == 0
		var known []float64
		for _, i := range leaves[leaf] {
			if v := x[f][i]; !math.IsNaN(v) {
				known = append(known, v)
			}
		}
		if len(known) == 0 {
			continue
		}
		slices.Sort(known)
		at := known[len(known)/4+r.IntN(len(known)/2+1)]
		var left, right []int
		for _, i := range leaves[leaf] {
			if v := x[f][i]; v <= at || math.IsNaN(v) && missing {
				left = append(left, i)
			} else {
				right = append(right, i)
			}
		}
		if min(len(left), len(right)) < narrowLeafMin {
			continue // another column
		}
		t.split(leaf, f, at+0.5, missing, len(leaves[leaf]))
		leaves[leaf] = left
		leaves = append(leaves, right)
	}
	for leaf, rows := range leaves {
		t.rows = append(t.rows, len(rows))
		t.value[leaf] = 0.05 * r.NormFloat64()
	}
	t.average()
	return t
}

// split makes a node of a leaf.
func (t *tree) split(leaf, f int, at float64, missing bool, rows int) {
	node, fresh := len(t.feature), len(t.parent)
	if p := t.parent[leaf]; p >= 0 {
		if t.parentIsRight[leaf] {
			t.right[p] = node
		} else {
			t.left[p] = node
		}
	}
	t.feature, t.threshold, t.missing = append(t.feature, f), append(t.threshold, at), append(t.missing, missing)
	t.left, t.right = append(t.left, ^leaf), append(t.right, ^fresh)
	t.nodeRows, t.nodeValue = append(t.nodeRows, rows), append(t.nodeValue, 0)
	t.parent[leaf], t.parentIsRight[leaf] = node, false
	t.parent, t.parentIsRight, t.value = append(t.parent, node), append(t.parentIsRight, true), append(t.value, 0)
}

// average gives the nodes what their rows have on average: children come after
// their parents.
func (t *tree) average() {
	of := func(child int) (rows int, value float64) {
		if child < 0 {
			return t.rows[^child], t.value[^child]
		}
		return t.nodeRows[child], t.nodeValue[child]
	}
	for i := len(t.feature) - 1; i >= 0; i-- {
		l, a := of(t.left[i])
		r, b := of(t.right[i])
		t.nodeValue[i] = (float64(l)*a + float64(r)*b) / float64(l+r)
	}
}

// write writes the tree as LightGBM's text has it.
func (t *tree) write(number int) []byte {
	const numeric, nanIsMissing, leftWhenMissing = 0, 8, 2
	var b bytes.Buffer
	fmt.Fprintf(&b, "Tree=%d\nnum_leaves=%d\nnum_cat=0\n", number, len(t.value))
	line := func(key string, n int, item func(i int) any) {
		b.WriteString(key)
		for i := range n {
			fmt.Fprintf(&b, "%c%v", " ="[btoi(i == 0)], item(i))
		}
		b.WriteByte('\n')
	}
	nodes, leaves := len(t.feature), len(t.value)
	line("split_feature", nodes, func(i int) any { return t.feature[i] })
	line("split_gain", nodes, func(int) any { return 1 })
	line("threshold", nodes, func(i int) any { return t.threshold[i] })
	line("decision_type", nodes, func(i int) any { return numeric + nanIsMissing + leftWhenMissing*btoi(t.missing[i]) })
	line("left_child", nodes, func(i int) any { return t.left[i] })
	line("right_child", nodes, func(i int) any { return t.right[i] })
	line("leaf_value", leaves, func(i int) any { return t.value[i] })
	line("leaf_weight", leaves, func(i int) any { return t.rows[i] })
	line("leaf_count", leaves, func(i int) any { return t.rows[i] })
	line("internal_value", nodes, func(i int) any { return t.nodeValue[i] })
	line("internal_weight", nodes, func(i int) any { return t.nodeRows[i] })
	line("internal_count", nodes, func(i int) any { return t.nodeRows[i] })
	b.WriteString("is_linear=0\nshrinkage=1\n\n\n")
	return b.Bytes()
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
