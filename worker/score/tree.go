package score

import (
	"fmt"
	"math"

	"rescore/worker/kernel"
	"rescore/worker/model"
)

// blockRows is how many rows go through the trees together: few enough that
// their features stay in the first-level cache (40 features take 20 to 40 KiB),
// and enough that a tree's nodes are fetched once for many rows.
const blockRows = 64

// lanes is how many rows of a block walk a tree side by side: a step waits for
// two loads, and the steps of other rows fill the wait.
const lanes = 4

// slotsMax bounds a forest's scratch, to 128 MiB: features by the ways their
// missing values are treated, and the category sets of one tree.
const slotsMax = 1 << 18

// forest is an ensemble compiled for blocks of rows. It gives the bits of
// model.Ensemble.Raw, for every block size, because each row is summed by
// itself, tree after tree.
//
// # One comparison for every node
//
// What a node asks is settled before the walk, when a block's features are laid
// out in slots, so that the walk knows only x <= threshold:
//
//	missing goes left    the slot holds -Inf where the value is missing
//	missing goes right   the slot holds +Inf there
//	NaN is read as 0     the slot holds 0 there
//	category in the set  the slot, one for each such node, holds 0 if it is, 1 if not
//
// A feature has one slot for each way its nodes treat missing values: one or
// two in practice. Infinite features are missing (C09), so that a threshold of
// +Inf, where every value goes left, is the same as the largest float64, and
// a value that stands at +Inf still goes right.
//
// A node's children stand side by side, and a leaf leads to itself, so a step
// has no branch and rows that arrive early wait for the others.
type forest struct {
	rows    int // of a block, a multiple of lanes
	slots   []slot
	sets    []set
	nodes   []node
	value   []float64 // of the leaf at each node
	trees   []grown
	answers int       // most sets of one tree
	scratch []float64 // rows of answer 0, rows of answer 1, …, rows of slot 0, rows of slot 1, …
}

// slot is a feature with its missing values settled.
type slot struct {
	feature  int32
	category bool    // holds the category, -1 where there is none
	zero     bool    // zeroes are missing too
	stand    float64 // what stands for a missing value
}

// set is a categorical node.
type set struct {
	from, to uint32 // places in scratch: the category, the answer
	tree     model.Tree
	number   int
}

type node struct {
	threshold float64
	at        uint32 // place of the slot's first row in scratch
	next      uint32 // left child; the right one follows it
}

// grown is a tree: where its nodes begin, and its sets.
type grown struct {
	root         uint32
	sets, setEnd int
}

// newForest compiles an ensemble of one class for blocks of at most batchRows
// rows. It is an error when the scratch would not be bounded.
func newForest(e *model.Ensemble, batchRows int) (*forest, error) {
	f := &forest{rows: min(blockRows, (max(batchRows, 1)+lanes-1)/lanes*lanes)}
	// A block meets the trees one by one, so the answers to the sets of each tree
	// share the room below the slots.
	for t := range e.Trees() {
		sets := 0
		for _, d := range e.Tree(t).Decision {
			if d.Categorical() {
				sets++
			}
		}
		f.answers = max(f.answers, sets)
	}
	index := make(map[slot]uint32)
	place := func(s slot) uint32 {
		at, ok := index[s]
		if !ok {
			at = uint32((f.answers + len(f.slots)) * f.rows)
			index[s] = at
			f.slots = append(f.slots, s)
		}
		return at
	}
	for t := range e.Trees() {
		f.grow(e.Tree(t), place)
	}
	columns := f.answers + len(f.slots)
	if columns > slotsMax {
		return nil, fmt.Errorf("the model needs %d columns and category sets at once, more than %d; train with fewer features or fewer leaves", columns, slotsMax)
	}
	f.scratch = make([]float64, max(columns, 1)*f.rows)
	return f, nil
}

// grow appends a tree's nodes, breadth first so that siblings stand side by side.
func (f *forest) grow(tree model.Tree, place func(slot) uint32) {
	g := grown{root: uint32(len(f.nodes)), sets: len(f.sets)}
	queue := []int32{0}
	if len(tree.Left) == 0 {
		queue[0] = ^0
	}
	for at := 0; at < len(queue); at++ {
		i := queue[at]
		if i < 0 {
			f.nodes = append(f.nodes, node{threshold: math.Inf(1), next: g.root + uint32(at)})
			f.value = append(f.value, tree.Leaf[^i])
			continue
		}
		n := node{threshold: min(tree.Threshold[i], math.MaxFloat64), next: g.root + uint32(len(queue))}
		if d := tree.Decision[i]; d.Categorical() {
			n.at = uint32((len(f.sets) - g.sets) * f.rows)
			from := place(slot{feature: tree.Feature[i], category: true, stand: -1})
			f.sets = append(f.sets, set{from: from, to: n.at, tree: tree, number: int(n.threshold)})
			n.threshold = 0
		} else {
			n.at = place(slot{feature: tree.Feature[i], zero: d.Missing() == model.MissingZero, stand: stand(d)})
		}
		f.nodes = append(f.nodes, n)
		f.value = append(f.value, 0)
		queue = append(queue, tree.Left[i], tree.Right[i])
	}
	g.setEnd = len(f.sets)
	f.trees = append(f.trees, g)
}

// stand returns what a missing value is compared as at a numerical node.
func stand(d model.Decision) float64 {
	switch {
	case d.Missing() == model.MissingNone:
		return 0
	case d.DefaultLeft():
		return math.Inf(-1)
	}
	return math.Inf(1)
}

// raw writes the raw scores of rows first to first+n-1 to dst[:n]; n is at most
// f.rows, and dst has room for n rounded up to lanes.
func (f *forest) raw(dst []float64, in []kernel.Vector, first, n int) {
	for i, s := range f.slots {
		lay(f.scratch[(f.answers+i)*f.rows:], in[s.feature].F64[first:first+n], s)
	}
	walked := (n + lanes - 1) / lanes * lanes // rows past n walk over what the last block left, unheard
	dst = dst[:walked]
	clear(dst)
	for _, t := range f.trees {
		for _, s := range f.sets[t.sets:t.setEnd] {
			f.answer(s, n)
		}
		for r := 0; r < walked; r += lanes {
			f.walk((*[lanes]float64)(dst[r:]), t, r)
		}
	}
}

// lay copies a feature into its slot and settles the missing values.
func lay(dst, x []float64, s slot) {
	dst = dst[:len(x)]
	switch {
	case s.category:
		for i, v := range x {
			if v > -1 && v < 1<<31 {
				dst[i] = v
			} else {
				dst[i] = s.stand
			}
		}
	case s.zero:
		for i, v := range x {
			if v-v != 0 || v >= -model.ZeroMax && v <= model.ZeroMax {
				v = s.stand
			}
			dst[i] = v
		}
	default:
		for i, v := range x {
			if v-v != 0 { // NaN, or infinite
				v = s.stand
			}
			dst[i] = v
		}
	}
}

// answer works out a categorical node for the rows of a block.
func (f *forest) answer(s set, n int) {
	from, to := f.scratch[s.from:][:n], f.scratch[s.to:][:n]
	for i, v := range from {
		to[i] = 1
		if s.tree.Member(s.number, v) {
			to[i] = 0
		}
	}
}

// walk adds one tree's leaves to the scores of the rows at r to r+lanes-1.
func (f *forest) walk(dst *[lanes]float64, t grown, r int) {
	nodes, x := f.nodes, f.scratch[r:]
	i0, i1, i2, i3 := t.root, t.root, t.root, t.root
	for {
		j0 := step(nodes, x, i0, 0)
		j1 := step(nodes, x, i1, 1)
		j2 := step(nodes, x, i2, 2)
		j3 := step(nodes, x, i3, 3)
		if (j0^i0)|(j1^i1)|(j2^i2)|(j3^i3) == 0 {
			break // all have arrived
		}
		i0, i1, i2, i3 = j0, j1, j2, j3
	}
	value := f.value
	dst[0] += value[i0]
	dst[1] += value[i1]
	dst[2] += value[i2]
	dst[3] += value[i3]
}

// step goes from node i to the child that a lane's row belongs to. The 1 is set
// from a flag and added: a jump would be guessed wrong half of the time.
func step(nodes []node, x []float64, i, lane uint32) uint32 {
	n := &nodes[i]
	right := uint32(0)
	if x[n.at+lane] > n.threshold {
		right = 1
	}
	return n.next + right
}
