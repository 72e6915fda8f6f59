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
// # Whose numbers these are
//
// Raw is the plain walk: the specification that every faster path must equal
// bit for bit. It sums in float64, in the order of the file, as LightGBM does.
package model

// Ensemble is a frozen tree ensemble. It is immutable: nothing it returns or
// holds may be written to. Any number of goroutines may use it.
type Ensemble struct {
	Version   string   // of the format: v2, v3 or v4
	Objective string   // as the file names it, without parameters; "" when trained with one of the user's own
	Link      Link     // what turns a raw score into a prediction
	Sigmoid   float64  // slope of Link Logistic; 1 for every other link
	Average   bool     // predictions use the mean over iterations, not the sum (random forest)
	Classes   int      // raw scores a row: 1, or the number of classes
	Features  []string // names, by column
	Ranges    []string // what training saw of each column: [min:max], 1:2:3 (categories) or none
	// Pandas lists the categories of each column that was a pandas category, in
	// column order: category i has code i. Nil when the file has none.
	Pandas [][]Category

	spans []span // one more than trees

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

// DefaultLeft reports whether a missing value goes left at a numerical node.
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

	// Set s is the categories whose bit is set in Word[Bound[s]:Bound[s+1]], 32 a word.
	Bound []int32
	Word  []uint32

	// Training rows that passed each node and reached each leaf; nil when the
	// file does not say so for every tree.
	NodeCount []int32
	LeafCount []int32
}

// Trees returns the number of trees.
func (e *Ensemble) Trees() int { return len(e.spans) - 1 }

// Iterations returns the number of trees each raw score sums.
func (e *Ensemble) Iterations() int { return e.Trees() / e.Classes }

// Tree returns tree t. It belongs to class t modulo Classes.
func (e *Ensemble) Tree(t int) Tree {
	at, past := e.spans[t], e.spans[t+1]
	node, pastNode := int(at.leaf)-t, int(past.leaf)-t-1
	tree := Tree{
		Feature:   e.feature[node:pastNode:pastNode],
		Threshold: e.threshold[node:pastNode:pastNode],
		Decision:  e.decision[node:pastNode:pastNode],
		Left:      e.left[node:pastNode:pastNode],
		Right:     e.right[node:pastNode:pastNode],
		Leaf:      e.leaf[at.leaf:past.leaf:past.leaf],
		Bound:     e.bound[at.bound:past.bound:past.bound],
		Word:      e.word[at.word:past.word:past.word],
	}
	if e.nodeCount != nil {
		tree.NodeCount = e.nodeCount[node:pastNode:pastNode]
		tree.LeafCount = e.leafCount[at.leaf:past.leaf:past.leaf]
	}
	return tree
}

// Raw returns the raw score of a row that holds a value for every feature, NaN
// where it is missing. It panics when the model has more than one class.
//
// It decides as LightGBM's trees do. LightGBM's readers moreover turn x with
// |x| <= ZeroMax into 0 before a tree sees it; that differs only where x and the
// threshold both lie that close to zero, and it is not copied.
func (e *Ensemble) Raw(row []float64) float64 {
	if e.Classes != 1 {
		panic("model: Raw of a model with several classes; use RawInto")
	}
	sum := 0.0
	for t := range e.Trees() {
		tree := e.Tree(t)
		sum += tree.Leaf[tree.Find(row)]
	}
	return sum
}

// RawInto writes the raw score of each class to dst[:Classes].
func (e *Ensemble) RawInto(dst, row []float64) {
	dst = dst[:e.Classes]
	clear(dst)
	for t := range e.Trees() {
		tree := e.Tree(t)
		dst[t%e.Classes] += tree.Leaf[tree.Find(row)]
	}
}

// Find returns the number of the leaf that a row reaches.
func (tree Tree) Find(row []float64) int {
	if len(tree.Left) == 0 {
		return 0
	}
	node := int32(0)
	for node >= 0 {
		if tree.goesLeft(node, row[tree.Feature[node]]) {
			node = tree.Left[node]
		} else {
			node = tree.Right[node]
		}
	}
	return int(^node)
}

func (tree Tree) goesLeft(node int32, x float64) bool {
	d := tree.Decision[node]
	if d.Categorical() {
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
// zero; NaN, negative numbers and numbers no set reaches are in none.
func (tree Tree) Member(s int, x float64) bool {
	if !(x > -1 && x < 1<<31) {
		return false
	}
	c := uint32(x)
	words := tree.Word[tree.Bound[s]:tree.Bound[s+1]]
	i := c / 32
	return int(i) < len(words) && words[i]>>(c%32)&1 != 0
}
