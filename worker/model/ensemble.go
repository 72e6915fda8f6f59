// Package model reads a trained model and freezes it.
//
// A loader takes the bytes of a model file and gives an Ensemble that never
// changes again, or an *Error that names the tree, the field and the remedy.
// It trusts nothing it reads: a file that is not a model, is cut short, counts
// wrongly, or whose trees are not trees is refused, in memory bounded by twice
// the file's size and 64 MiB, and never with a panic.
//
// # The frozen form
//
// Trees stand in the order of the file, and a tree's nodes stand in the order
// of the file too, because LightGBM's numbering tells how the tree was grown:
//
//	split i cuts one leaf in two: the left part keeps the leaf's number,
//	the right part becomes leaf i+1
//
//	node 0  x2 <= 4.05          leaves after split 0: 0 | 1
//	├── node 2  x1 <= 3.5       leaves after split 2: 0 | 3
//	└── node 1  x0 <= 7.75      leaves after split 1: 1 | 2
//
// A child is written as LightGBM writes it: a node by its number, a leaf by the
// complement of its number (^leaf, a negative number).
//
// A node of XGBoost's asks whether float32(x) < t. Rounding to float32 never
// falls as x grows, so that there is a largest float64 for which it holds: that is
// the threshold here, and the question is x <= threshold again, exactly. XGBoost
// sends what is in a set right; here the children have changed sides. Its nodes
// are numbered anew, breadth first, as if they had been split in that order, and
// the weights of dart are multiplied into the leaves.
//
// A node of PMML's asks its children one after the other; here it is as many nodes
// as that takes (pmml_decision.go). What is derived from the features before the
// trees ask is a program of its own (Prepare).
//
// # Whose numbers these are
//
// Raw is the plain walk: the specification that every faster path must equal
// bit for bit. It sums in the order of the file, from Base on: in float64, as
// LightGBM does, or in float32 (Single), as XGBoost does.
package model

import (
	"fmt"
	"math"

	"rescore/worker/transform"
)

// Ensemble is a frozen tree ensemble, or a linear model. It is immutable: nothing
// it returns or holds may be written to. Any number of goroutines may use it.
type Ensemble struct {
	Library   string   // that trained it: LightGBM or XGBoost; or PMML, which any can write
	Version   string   // of the format: v2, v3 or v4; of XGBoost: 1.7.4
	Objective string   // as the file names it, without parameters; "" when trained with one of the user's own
	Link      Link     // what turns a raw score into a prediction
	Sigmoid   float64  // slope of Link Logistic; 1 for every other link
	Average   bool     // predictions use the mean over iterations, not the sum (random forest)
	Single    bool     // sums and predictions are float32s, as are the values of sets asked of
	Classes   int      // raw scores a row: 1, or the number of classes
	Features  []string // names, by column
	Ranges    []string // what training saw of each column: [min:max], 1:2:3 (categories) or none; nil for XGBoost
	Types     []string // of each column, in XGBoost's words: float, int, i, q, c; nil when the file has none
	// Pandas lists the categories of each column that was a pandas category, in
	// column order: category i has code i. Nil when the file has none.
	Pandas [][]Category
	Base   []float64 // raw score of each class before the first tree; nil for zeroes
	// Best is the iteration that early stopping found, -1 when the file does not say.
	// Nothing here heeds it; Between(0, Best+1) does.
	Best int
	// Weight is the weight of column c for class k at c·Classes+k, in a linear
	// model. Nil in all others. A column is a feature, or one that Prepare made. Only
	// PMML has models of trees and weights; their trees are added first.
	Weight []float64
	// Prepare computes the columns that trees and weights ask for: the features, some
	// of them replaced, and behind them those that it makes. Nil when they ask for the
	// features as they are.
	Prepare *transform.Program
	// Labels are the values of the target that the classes stand for, where the file
	// names them: with one class, that whose probability the prediction is. Nil when
	// it does not, and when no class is predicted.
	Labels []string

	spans []span // one more than trees
	first int    // number of the first tree in the shared arrays
	round int    // trees an iteration
	class []int32

	feature   []int32
	threshold []float64
	decision  []Decision
	left      []int32
	right     []int32
	leaf      []float64
	bound     []int32
	word      []uint32
	nodeCount []int32
	leafCount []int32
	nodeCover []float32
	leafCover []float32

	constant    []float64
	termBound   []int32
	termFeature []int32
	termCoef    []float64
}

// Category is a value of a pandas category column, as text.
type Category struct {
	Text   string
	Number bool // a JSON number or truth value, not a text
}

// span is where a tree begins in the shared arrays. Its first node is its first
// leaf less its number, for every tree has one leaf more than it has nodes.
type span struct{ leaf, bound, word int32 }

// Decision says how a node decides, in LightGBM's bits.
type Decision uint8

// Categorical reports whether the node asks for membership of a set.
func (d Decision) Categorical() bool { return d&1 != 0 }

// DefaultLeft reports whether a missing value goes left. At a categorical node, NaN
// is missing and nothing else.
func (d Decision) DefaultLeft() bool { return d&2 != 0 }

// Missing returns what a numerical node takes for missing.
func (d Decision) Missing() Missing { return Missing(d >> 2 & 3) }

// Missing is what counts as missing at a numerical node.
type Missing uint8

// What counts as missing.
const (
	MissingNone Missing = 0 // nothing: NaN is read as 0
	MissingZero Missing = 1 // NaN, and x with |x| <= ZeroMax
	MissingNaN  Missing = 2 // NaN
)

// ZeroMax is the largest magnitude that MissingZero takes for zero. It is
// float32(1e-35), which is not 1e-35.
const ZeroMax = 1.0000000180025095e-35

// Tree is a view of one tree. With n leaves the node arrays hold n-1 values;
// a tree of a single leaf has no nodes.
type Tree struct {
	Feature   []int32    // column
	Threshold []float64  // numerical: x <= Threshold goes left, may be infinite; categorical: number of the set
	Decision  []Decision // how the node decides
	Left      []int32    // child: node, or ^leaf
	Right     []int32    // child: node, or ^leaf
	Leaf      []float64  // value of each leaf

	// Single is Ensemble.Single.
	Single bool

	// Set s is the categories whose bit is set in Word[Bound[s]:Bound[s+1]], 32 a word.
	Bound []int32
	Word  []uint32

	// Training rows that passed each node and reached each leaf; nil when the
	// file does not say so for every tree.
	NodeCount []int32
	LeafCount []int32
	// The same, in sums of hessians; nil when the file does not say so for every tree.
	NodeCover []float32
	LeafCover []float32

	// In linear trees a leaf's value is Const + TermCoef·feature + …, over terms
	// TermBound[leaf] to TermBound[leaf+1]; it is Leaf where one of those features is
	// NaN. Const is nil when the ensemble has no linear tree.
	Const       []float64
	TermBound   []int32
	TermFeature []int32
	TermCoef    []float64
}

// Trees returns the number of trees.
func (e *Ensemble) Trees() int { return max(0, len(e.spans)-1) } // a linear model may have no spans

// Iterations returns how often every class was given trees.
func (e *Ensemble) Iterations() int { return e.Trees() / e.round }

// Class returns the class whose raw score tree t adds to.
func (e *Ensemble) Class(t int) int {
	if e.class != nil {
		return int(e.class[e.first+t])
	}
	return t % e.Classes
}

// Linear reports whether a score depends on more than which leaves a row reaches.
func (e *Ensemble) Linear() bool { return e.Weight != nil || e.constant != nil }

// Between returns the model of iterations from up to, but not including, past. It
// shares e's memory. Iterations after the last, and past 0, mean the last, as they
// do in LightGBM and XGBoost.
func (e *Ensemble) Between(from, past int) (*Ensemble, error) {
	all := e.Iterations()
	if past <= 0 || past > all {
		past = all
	}
	switch {
	case e.Weight != nil:
		return nil, fmt.Errorf("take iterations %d to %d: a linear model has no iterations; take all", from, past)
	case from < 0 || from >= past:
		return nil, fmt.Errorf("take iterations %d to %d: the model has iterations 0 to %d", from, past, all)
	}
	part := *e
	part.first += from * e.round
	part.spans = e.spans[from*e.round : past*e.round+1]
	return &part, nil
}

// make makes the arrays of a model of known size.
func (e *Ensemble) make(s shape) {
	nodes := s.leaves - s.trees
	e.spans = make([]span, 1, s.trees+1)
	e.feature, e.threshold, e.decision = make([]int32, nodes), make([]float64, nodes), make([]Decision, nodes)
	e.left, e.right, e.leaf = make([]int32, nodes), make([]int32, nodes), make([]float64, s.leaves)
	e.bound, e.word = make([]int32, s.bounds), make([]uint32, s.words)
	if s.linear {
		e.constant, e.termBound = make([]float64, s.leaves), make([]int32, s.leaves+1)
		e.termFeature, e.termCoef = make([]int32, s.terms), make([]float64, s.terms)
	}
}

// Tree returns tree t.
func (e *Ensemble) Tree(t int) Tree {
	at, past := e.spans[t], e.spans[t+1]
	t += e.first
	node, pastNode := int(at.leaf)-t, int(past.leaf)-t-1
	tree := Tree{
		Feature:   e.feature[node:pastNode:pastNode],
		Threshold: e.threshold[node:pastNode:pastNode],
		Decision:  e.decision[node:pastNode:pastNode],
		Left:      e.left[node:pastNode:pastNode],
		Right:     e.right[node:pastNode:pastNode],
		Leaf:      e.leaf[at.leaf:past.leaf:past.leaf],
		Single:    e.Single,
		Bound:     e.bound[at.bound:past.bound:past.bound],
		Word:      e.word[at.word:past.word:past.word],
	}
	if e.nodeCount != nil {
		tree.NodeCount = e.nodeCount[node:pastNode:pastNode]
		tree.LeafCount = e.leafCount[at.leaf:past.leaf:past.leaf]
	}
	if e.nodeCover != nil {
		tree.NodeCover = e.nodeCover[node:pastNode:pastNode]
		tree.LeafCover = e.leafCover[at.leaf:past.leaf:past.leaf]
	}
	if e.constant != nil {
		tree.Const = e.constant[at.leaf:past.leaf:past.leaf]
		tree.TermBound = e.termBound[at.leaf : past.leaf+1 : past.leaf+1]
		tree.TermFeature, tree.TermCoef = e.termFeature, e.termCoef
	}
	return tree
}

// Raw returns the raw score of a row that holds a value for every feature, NaN
// where it is missing. It panics when the model has more than one class.
//
// It decides as the library's trees do. LightGBM's readers moreover turn x with
// |x| <= ZeroMax into 0 before a tree sees it; that differs only where x and the
// threshold both lie that close to zero, and it is not copied. XGBoost's readers
// refuse infinite values, and so see none.
//
// The score is finite, unless the model is linear and the row's values are so
// large that products overflow.
func (e *Ensemble) Raw(row []float64) float64 {
	if e.Classes != 1 {
		panic("model: Raw of a model with several classes; use RawInto")
	}
	var dst [1]float64
	e.RawInto(dst[:], row)
	return dst[0]
}

// RawInto writes the raw score of each class to dst[:Classes].
func (e *Ensemble) RawInto(dst, row []float64) {
	if e.Prepare != nil {
		row = e.Prepare.Row(row)
	}
	e.WalkInto(dst, row)
}

// WalkInto is RawInto for a row of all columns, those that Prepare makes too. It
// allocates nothing. Every class of a row that the model refuses gets NaN.
func (e *Ensemble) WalkInto(dst, columns []float64) {
	dst = dst[:e.Classes]
	clear(dst)
	copy(dst, e.Base)
	for t := range e.Trees() {
		k := e.Class(t)
		dst[k] = e.add(dst[k], e.Tree(t).Value(columns))
	}
	for i, w := range e.Weight {
		k := i % e.Classes
		dst[k] = e.weigh(dst[k], columns[i/e.Classes], w)
	}
	if e.Prepare != nil {
		if at := e.Prepare.Refusal(); at >= 0 && columns[at] > 0 {
			for k := range dst {
				dst[k] = math.NaN()
			}
		}
	}
}

// weigh adds a column's weighted value to a sum. XGBoost passes a missing value
// over; in PMML's regressions there is no score without it, unless its weight is 0.
func (e *Ensemble) weigh(sum, x, w float64) float64 {
	switch {
	case e.Single && x == x:
		return e.add(sum, float64(float32(x)*float32(w)))
	case e.Single || w == 0:
		return sum
	}
	return sum + float64(x*w)
}

// Columns returns how many columns trees and weights may ask for: the features, and
// those that Prepare makes.
func (e *Ensemble) Columns() int {
	if e.Prepare == nil {
		return len(e.Features)
	}
	return e.Prepare.Columns()
}

// Source returns the feature that a column derives from: a feature from itself,
// what Prepare makes from its first operand; -1 when it is a constant.
func (e *Ensemble) Source(column int) int {
	if e.Prepare == nil {
		return column
	}
	return e.Prepare.Source(column)
}

// add adds a value to a sum.
func (e *Ensemble) add(sum, value float64) float64 {
	if e.Single {
		return float64(float32(sum) + float32(value))
	}
	return sum + value
}

// Value returns the value of the leaf that a row reaches.
func (tree Tree) Value(row []float64) float64 {
	leaf := tree.Find(row)
	if tree.Const == nil {
		return tree.Leaf[leaf]
	}
	value := tree.Const[leaf]
	for i := tree.TermBound[leaf]; i < tree.TermBound[leaf+1]; i++ {
		x := row[tree.TermFeature[i]]
		if x != x {
			return tree.Leaf[leaf]
		}
		value += float64(tree.TermCoef[i] * x)
	}
	return value
}

// Find returns the number of the leaf that a row reaches.
func (tree Tree) Find(row []float64) int {
	if len(tree.Left) == 0 {
		return 0
	}
	node := int32(0)
	for node >= 0 {
		if tree.GoesLeft(node, row[tree.Feature[node]]) {
			node = tree.Left[node]
		} else {
			node = tree.Right[node]
		}
	}
	return int(^node)
}

// GoesLeft reports whether value x of a node's feature sends a row to its left child.
func (tree *Tree) GoesLeft(node int32, x float64) bool {
	d := tree.Decision[node]
	if d.Categorical() {
		if x != x {
			return d.DefaultLeft()
		}
		return tree.Member(int(tree.Threshold[node]), x)
	}
	missing := d.Missing()
	if x != x && missing != MissingNaN {
		x = 0
	}
	if x != x || missing == MissingZero && x >= -ZeroMax && x <= ZeroMax {
		return d.DefaultLeft()
	}
	return x <= tree.Threshold[node]
}

// Member reports whether category x is in set s. A fraction is cut off towards
// zero; NaN, negative numbers and numbers no set reaches are in none. Of a Single
// tree's sets, x is rounded to float32 first, and a negative fraction is in none.
func (tree Tree) Member(s int, x float64) bool {
	c, ok := tree.Category(x)
	if !ok {
		return false
	}
	words := tree.Word[tree.Bound[s]:tree.Bound[s+1]]
	i := c / 32
	return int(i) < len(words) && words[i]>>(c%32)&1 != 0
}

// Category returns the category that a value names, if it names one.
func (tree Tree) Category(x float64) (uint32, bool) {
	if tree.Single {
		x = float64(float32(x))
		return uint32(x), x >= 0 && x < categoriesEnd
	}
	return uint32(x), x > -1 && x < 1<<31
}
