package score

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"rescore/worker/kernel"
	"rescore/worker/lane"
	"rescore/worker/model"
)

// blockRows is how many rows go through the trees together: a plane, one bit for
// each, fills a cache line.
const blockRows = 512

// A forest's memory is bounded: its planes to 32 MiB, the masks of one tree to as
// much, its scales to 200 MiB, and the categories of its sets to 64 MiB. What it knows of
// dictionaries is a byte for each value of one of each scale, and four of each topic.
const (
	planesMax     = 1 << 19
	scalesMax     = 1 << 14
	categoriesMax = 1 << 24
)

// forest is an ensemble compiled for blocks of 512 rows. It gives the bits of
// model.Ensemble.Raw, for every block size and on every path, because each row
// is summed by itself, tree after tree.
//
//	features ─► bins ─────► planes ──────► masks ──────► leaves ─────► scores
//	float64     a byte a    a bit a row    a bit a row   a byte a row  float64
//	            row         for each       for each      of each tree
//	                        bin >= k       leaf
//
// # Quantise once
//
// A node asks x <= t, and all nodes together ask few different t of a feature.
// With those sorted, a value's bin is the number of thresholds below it, and
// x > t is bin >= k, t being the k-th threshold: exact, and the only place that
// sees a float. A scale finds bins (scale.go).
//
// # Planes
//
// A bin is two digits of base 16. With a plane for each "high digit >= h" and
// each "low digit >= l", a node is high >= h+1, or high >= h and low >= l: three
// planes and two operations for 64 rows in a uint64, for 512 in a vector.
//
// Missing values need no bin. The planes of the high digit come twice, for
// nodes that send missing values left (they are cleared there) and right (set).
// A categorical node is one plane, set where the category is not in the set.
//
// # Replay
//
// A leaf's mask has a bit for each row in it. All rows begin in leaf 0, and the
// nodes are replayed as they could have been split, parents first: the rows that
// go right leave the mask of the leaf being split for a new one. Every row pays
// for every node, and no address depends on data: nothing is guessed wrong, and
// a node costs a 512th of it. The masks then give each row its leaf.
//
// Nodes are numbered anew, breadth first, so that neighbours seldom wait for
// one another, and leaves in the order in which the replay opens them: nothing is
// taken for granted of the order in the file.
//
// # Leaves
//
// The masks of a tree are folded to the bits of the rows' leaf numbers, matrices of
// eight bits by eight are transposed to bytes, and each byte looks its value up.
// AVX-512 takes a row from every dword at a time, and so has sums in an order of its
// own, in slots, until the block is done; while it looks one tree's values up it
// replays the next.
type forest struct {
	path   path
	scales []scale
	topics []topic
	nodes  []node
	trees  []grown
	value  []float64 // of the leaves, in the order of the replay, tree after tree
	narrow []float32 // value, where sums are float32s
	origin []int32   // which leaf of its tree each is
	class  []class
	single bool               // sums are float32s
	size   int                // planes
	most   int                // leaves of a tree
	slot   *[blockRows]uint16 // of each row

	// For vectors, of each tree of few leaves, padded to tableSize: its nodes; and its
	// leaves' values to look up, the low words and then the high ones, or float32s.
	drill []node
	table []uint32

	// Scratch.
	desk   *desk
	planes []plane
	masks  []plane // of the leaves of the largest tree, and to a multiple of 32
	leaves *[grouped][blockRows]uint8
	kept   [][blockRows]uint8 // of each tree what its rows' leaves were found to be; nil when nobody asks

	// Sums, of one kind, are in slots, a path's order of rows.
	doubles *[blockRows]float64
	singles *[blockRows]float32
	scores  [][blockRows]float64 // of each class
}

// plane is a bit for each row of a block, row 0 lowest in the first word.
type plane [blockRows / 64]uint64

// full has every row.
var full = plane{1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1}

// node splits leaf old: the rows of planes[at] | planes[at-1]&planes[low] go
// right. The new leaf's number is the node's, plus 1. All three are held times the
// size of a plane, as assembly wants them.
type node struct {
	at, low uint32
	old     uint32
}

const planeSize = blockRows / 8

// grown is a tree: where its nodes, its leaves' values, its drill and its table begin.
type grown struct {
	node, value, drill, table uint32
	nodes                     uint32
}

func (g grown) leaves() int { return int(g.nodes) + 1 }

// class is one output of the model: what its sums start with, and its trees.
type class struct {
	base  float64
	trees []grown
}

// compile makes a forest without scratch, which scores nothing and never changes. It is
// an error when a score is no sum of leaves, and when the scratch would not be bounded.
func compile(e *model.Ensemble, p path) (*forest, error) {
	if e.Linear() {
		return nil, errors.New("the model is linear, or has linear trees (linear_tree=true, gblinear); train trees with constant leaves")
	}
	f := &forest{path: p, single: e.Single, class: make([]class, e.Classes)}
	layout, err := f.lay(e)
	if err != nil {
		return nil, err
	}
	all := 0
	for t := range e.Trees() {
		all += len(e.Tree(t).Leaf)
	}
	f.value, f.origin = make([]float64, 0, all+leavesMax), make([]int32, 0, all)
	f.nodes, f.trees = make([]node, 0, all-e.Trees()), make([]grown, 0, e.Trees())
	// A class's trees stand together, in the model's order.
	leaves, past := 1, make([]int, e.Classes)
	for k := range f.class {
		for t := range e.Trees() {
			if e.Class(t) == k {
				f.grow(e.Tree(t), layout)
				leaves = max(leaves, len(e.Tree(t).Leaf))
			}
		}
		past[k] = len(f.trees)
	}
	if leaves > planesMax {
		return nil, fmt.Errorf("a tree of the model has %d leaves, more than %d; train with fewer", leaves, planesMax)
	}
	f.most = leaves
	if p.tables {
		f.tabulate()
	}
	first := 0
	for k := range f.class {
		f.class[k].trees, first = f.trees[first:past[k]], past[k]
		if e.Base != nil {
			f.class[k].base = e.Base[k]
		}
	}
	f.value = append(f.value, make([]float64, leavesMax)...) // any byte may follow a tree's first leaf
	if f.single {
		for _, v := range f.value {
			f.narrow = append(f.narrow, float32(v))
		}
	}
	f.slot = new([blockRows]uint16)
	for slot := range f.slot {
		f.slot[p.row(slot, f.single)] = uint16(slot)
	}
	return f, nil
}

// fresh returns a forest of the same tables with scratch of its own.
func (f *forest) fresh() *forest {
	g := *f
	g.scales, g.topics = slices.Clone(f.scales), slices.Clone(f.topics) // they learn dictionaries
	g.desk = new(desk)
	g.planes = make([]plane, f.size)
	for _, s := range g.scales {
		g.planes[s.low] = full
	}
	g.masks = make([]plane, max(2*drillStride, (f.most+31)/32*32))
	g.leaves, g.doubles, g.singles = new([grouped][blockRows]uint8), new([blockRows]float64), new([blockRows]float32)
	g.scores = make([][blockRows]float64, len(f.class))
	return &g
}

// layout says where the planes of what a node asks stand.
type layout struct {
	scales map[axis][]int // by range of thresholds
	sets   map[string]uint32
}

// never is a plane of zeroes, and so is the one before it.
const never = 1

// lay collects what the nodes ask and gives it scales and planes.
func (f *forest) lay(e *model.Ensemble) (layout, error) {
	asked := make(map[axis]*question)
	topics := make(map[int32]int)
	var axes []axis
	l := layout{scales: make(map[axis][]int), sets: make(map[string]uint32)}
	planes, categories := never+1, 0
	for t := range e.Trees() {
		tree := e.Tree(t)
		for i, d := range tree.Decision {
			if d.Categorical() {
				set := words(tree, i)
				key := setKey(tree.Feature[i], set, d.DefaultLeft())
				if _, known := l.sets[key]; known {
					continue
				}
				if categories += size(set); categories > categoriesMax {
					return l, fmt.Errorf("the sets of the model have more than %d categories; train with fewer categories", categoriesMax)
				}
				at, known := topics[tree.Feature[i]]
				if !known {
					at = len(f.topics)
					topics[tree.Feature[i]] = at
					f.topics = append(f.topics, topic{feature: tree.Feature[i], single: e.Single})
				}
				l.sets[key] = uint32(planes)
				f.topics[at].sets = append(f.topics[at].sets, answer{at: uint32(planes), missing: d.DefaultLeft(), members: members(set)})
				planes++
				continue
			}
			a := axisOf(tree, i)
			q := asked[a]
			if q == nil {
				q = new(question)
				asked[a] = q
				axes = append(axes, a)
			}
			q.ask(limit(tree.Threshold[i]), missingLeft(tree, i))
		}
	}
	scales := 0
	for _, a := range axes {
		scales += (len(asked[a].sorted()) + thresholdsMax - 1) / thresholdsMax
	}
	if scales > scalesMax {
		return l, fmt.Errorf("the model compares more than %d features, or more than %d thresholds; train with fewer features or a smaller max_bin", scalesMax, scalesMax*thresholdsMax)
	}
	f.scales = make([]scale, 0, scales) // large: not to be moved as they become more
	for _, a := range axes {
		for part := range slices.Chunk(asked[a].thresholds, thresholdsMax) {
			s := newScale(a, part, asked[a].left, asked[a].right, f.path)
			planes = s.settle(planes)
			l.scales[a] = append(l.scales[a], len(f.scales))
			f.scales = append(f.scales, s)
		}
	}
	for i := range f.topics {
		planes = f.topics[i].settle(planes)
	}
	if planes > planesMax {
		return l, fmt.Errorf("the model needs %d planes for its thresholds, categories and category sets, more than %d; train with fewer features or fewer leaves", planes, planesMax)
	}
	f.size = planes
	return l, nil
}

// limit returns a threshold as a scale holds it. Infinite values are missing
// (C09), so that a threshold of +Inf, where every value goes left, is the same as
// the largest float64, which has a place on a scale.
func limit(threshold float64) float64 { return min(threshold, math.MaxFloat64) }

// axisOf returns what numerical node i measures.
func axisOf(tree model.Tree, i int) axis {
	return axis{tree.Feature[i], tree.Decision[i].Missing() == model.MissingZero}
}

// missingLeft reports where numerical node i sends a missing value. One read as
// 0 goes where 0 goes.
func missingLeft(tree model.Tree, i int) bool {
	d := tree.Decision[i]
	if d.Missing() == model.MissingNone {
		return 0 <= tree.Threshold[i]
	}
	return d.DefaultLeft()
}

// grow appends a tree's nodes, breadth first, and its leaves' values.
func (f *forest) grow(tree model.Tree, l layout) {
	g := grown{node: uint32(len(f.nodes)), value: uint32(len(f.value)), nodes: uint32(len(tree.Left))}
	f.value = append(f.value, make([]float64, len(tree.Leaf))...)
	f.origin = append(f.origin, make([]int32, len(tree.Leaf))...)
	value, origin := f.value[g.value:], f.origin[g.value:]
	f.trees = append(f.trees, g)
	if g.nodes == 0 {
		value[0] = tree.Leaf[0]
		return
	}
	type part struct{ node, leaf int32 } // a node, and the leaf it splits
	queue := []part{{0, 0}}
	for at := 0; at < len(queue); at++ {
		p := queue[at]
		n := f.ask(tree, int(p.node), l)
		n.old = uint32(p.leaf) * planeSize
		f.nodes = append(f.nodes, n)
		for _, child := range []part{{tree.Left[p.node], p.leaf}, {tree.Right[p.node], int32(at) + 1}} {
			if child.node >= 0 {
				queue = append(queue, child)
			} else {
				value[child.leaf], origin[child.leaf] = tree.Leaf[^child.node], ^child.node
			}
		}
	}
}

// tabulate fills drill and table. A drill has a node for each leaf, and one for the
// leaf after the last: those that ask nothing clear the masks of leaves that the tree
// does not have. After the last drill there is one more, which is begun with and not
// summed.
func (f *forest) tabulate() {
	for i := range f.trees {
		g := &f.trees[i]
		g.table, g.drill = uint32(len(f.table)), uint32(len(f.drill))
		size := tableSize(g.leaves())
		if size > 0 {
			f.drill = append(f.drill, f.nodes[g.node:g.node+g.nodes]...)
			f.rest(int(g.nodes), size)
		}
		low, high := make([]uint32, size), make([]uint32, size)
		if size > 0 {
			for j, v := range f.value[g.value:][:g.leaves()] {
				low[j], high[j] = uint32(math.Float64bits(v)), uint32(math.Float64bits(v)>>32)
				if f.single {
					low[j] = math.Float32bits(float32(v))
				}
			}
		}
		f.table = append(f.table, low...)
		if !f.single {
			f.table = append(f.table, high...)
		}
	}
	f.rest(0, 64)
	f.table = append(f.table, 0)
}

// rest pads a drill from node i on. Each splits a mask of its own, past the leaves',
// lest they wait for one another.
func (f *forest) rest(i, size int) {
	for ; i < size; i++ {
		f.drill = append(f.drill, node{at: never * planeSize, low: never * planeSize, old: uint32(size+1+i) * planeSize})
	}
}

// ask returns the planes that answer node i.
func (f *forest) ask(tree model.Tree, i int, l layout) node {
	if d := tree.Decision[i]; d.Categorical() {
		return node{at: l.sets[setKey(tree.Feature[i], words(tree, i), d.DefaultLeft())] * planeSize, low: never * planeSize}
	}
	t := limit(tree.Threshold[i])
	for _, at := range l.scales[axisOf(tree, i)] {
		s := &f.scales[at]
		if k, ok := slices.BinarySearch(s.threshold[:s.thresholds], t); ok {
			return s.node(k+1, missingLeft(tree, i))
		}
	}
	panic(fmt.Sprintf("score: threshold %v is on no scale", t))
}

// raw writes the raw scores of rows first to first+n-1 to f.scores, those of class k to
// f.scores[k][:n]; n is at most blockRows.
func (f *forest) raw(in []kernel.Vector, first, n int) {
	f.quantise(in, first, n)
	f.sum()
}

// quantise lays a block out in planes. The rows past n, if any, keep what the
// last block left: they are scored too, and nobody looks.
func (f *forest) quantise(in []kernel.Vector, first, n int) {
	for i := range f.scales {
		s := &f.scales[i]
		in := &in[s.feature]
		if dictionary := shared(in, first, n); dictionary != nil {
			s.learn(f.desk, dictionary)
			f.path.translate(f.planes, f.desk.coded(in.Coded.Index[first:first+n]), s, f.desk)
		} else {
			f.path.quantise(f.planes, f.desk.block(f.desk.values(in, first, n)), s, f.desk)
		}
	}
	for i := range f.topics {
		t := &f.topics[i]
		in := &in[t.feature]
		if dictionary := shared(in, first, n); dictionary != nil {
			t.learn(dictionary)
			t.translate(f.planes, in.Coded.Index[first:first+n])
		} else {
			t.answer(f.planes, f.desk.values(in, first, n))
		}
	}
}

// shared returns the dictionary of a block's rows, nil when they have none in common.
func shared(v *kernel.Vector, first, n int) *kernel.Dictionary {
	if v.Coded == nil {
		return nil
	}
	return v.Coded.Shared(first, n)
}

// values returns a block's values. Integers, and the rare block that has two
// dictionaries, are written out: next to the core, where they are looked at at once.
func (d *desk) values(v *kernel.Vector, first, n int) []float64 {
	x := d.short[:n]
	switch {
	case v.F64 != nil:
		return v.F64[first : first+n]
	case v.Coded != nil:
		v.Coded.Values(x, first)
	default:
		d.known.Valid(v.Valid, first, n)
		lane.Floats(x, v, first, &d.known, math.NaN())
	}
	return x
}

// sum sums the trees over the planes.
func (f *forest) sum() {
	for k, c := range f.class {
		if f.single {
			fill(f.singles, float32(c.base))
		} else {
			fill(f.doubles, c.base)
		}
		f.path.sum(f, c.trees)
		f.path.order(f, &f.scores[k])
	}
}

// find writes each row's leaf in the first trees, at most grouped, to f.leaves. It
// returns how many trees they are: 0 when the first has more leaves than a byte
// tells apart.
func (f *forest) find(trees []grown) int {
	n := 0
	for n < min(grouped, len(trees)) && trees[n].leaves() <= leavesMax {
		f.replay(trees[n])
		f.path.encode(&f.leaves[n], f.masks[:trees[n].leaves()], &f.desk.bits)
		n++
	}
	return n
}

// replay splits the block by the nodes of a tree.
func (f *forest) replay(g grown) {
	f.masks[0] = full
	f.path.replay(f.masks, f.planes, f.nodes[g.node:g.node+g.nodes])
}
