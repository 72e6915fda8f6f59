package attribution

import (
	"fmt"

	"rescore/worker/model"
)

// tableMax bounds the tables of a Shap, in float64s: 1 GiB.
const tableMax = 1 << 27

// lanes is how many points are worked on together. A tree has a multiple of it: more
// points than are needed give the same integral.
const lanes = 4

// Shap gives Shapley values. It is made once for a model, and is for one goroutine
// at a time: it holds the scratch memory of a row.
//
// # How
//
// Let every feature become known at a moment drawn from [0, 1]. The order is then
// any order with equal chance, and when feature f does at t, each other one is
// known with chance t. A leaf's part of the score before and after is a product over
// the features on its path: a feature not yet known lets a row through in the share z
// of the training rows, one that is known in the share o, 1 where the row would
// take that way, else 0. So the leaf gives f
//
//	value · (o[f]-z[f]) · ∫ ∏ (z[j]·(1-t) + o[j]·t) dt,  j ≠ f
//
// a polynomial's integral, which Gauss's rule gives exactly at half as many points as
// there are features on the longest path. All terms of the product are positive: no
// digits are lost, as they are in the recurrence that the libraries use.
//
// At each point the products are made on the way down, factor by factor, and
// summed on the way up, so that a node's sum stands for all leaves below it. Where a
// path asks for a feature again, its factor is replaced: multiplied by new over old,
// and on the way up the old factor's part is taken back. Whether o is 0 or 1 at
// the new and the old, all these ratios are known beforehand: they are the tables.
type Shap struct {
	layout
	trees []shapTree

	left    []int     // 1 where the row goes left, by node
	state   []int     // by edge: 0 to 2, o being 1 in state 2
	product []float64 // by edge and point: of factors, then of factors and values
}

type shapTree struct {
	model.Tree
	class  int
	points int
	edges  []edge
	table  []float64
}

// edge is a step with its tables. Edge 0 is the root, which also stands for the edge
// before a feature is first asked for: its share is 1 and o is 1.
type edge struct {
	parent  int32
	again   int32 // the last edge above that is of this feature, or 0
	node    int32
	feature int32
	// table has six rows of a number a point, by state: factor and credit where o is 0
	// at again, and, where it is 1 there, where o is 0 here and where it is 1.
	table int
	value float64 // of the leaf; 1 for an edge to a node
	keep  float64 // 1 for a left child, which adds to its sibling's sum; 0 for a right one
	side  int     // 1 for a left child, 0 for a right one
}

// NewShap prepares a model. The error wraps ErrUnsupported.
func NewShap(e *model.Ensemble) (*Shap, error) {
	l, err := newLayout(e)
	if err != nil {
		return nil, err
	}
	s := &Shap{layout: l, trees: make([]shapTree, e.Trees())}
	rules := map[int][2][]float64{}
	var nodes, edges, products, tables int
	for t := range s.trees {
		all, err := steps(e, t)
		if err != nil {
			return nil, err
		}
		tree := shapTree{Tree: e.Tree(t), class: e.Class(t)}
		tree.link(all, &l)
		if tables += 6 * tree.points * len(tree.edges); tables > tableMax {
			return nil, fmt.Errorf("explain %s's model: tree %d: %w: its Shapley tables need over 1 GiB; use path attribution, or train with a maximal depth", e.Library, t, ErrUnsupported)
		}
		if _, ok := rules[tree.points]; !ok {
			points, weights := gauss(tree.points)
			rules[tree.points] = [2][]float64{points, weights}
		}
		rule := rules[tree.points]
		tree.fill(all, rule[0], rule[1])
		s.bias[tree.class] += all[0].mean
		s.trees[t] = tree
		nodes, edges = max(nodes, len(tree.Left)), max(edges, len(tree.edges))
		products = max(products, len(tree.edges)*tree.points)
	}
	s.left, s.state, s.product = make([]int, nodes), make([]int, edges), make([]float64, products)
	return s, nil
}

// link makes the edges, and counts the points that the tree needs.
func (tree *shapTree) link(all []step, l *layout) {
	tree.edges = make([]edge, len(all))
	features := make([]int, len(all)) // different ones from the root on
	most := 0
	for i, s := range all {
		e := edge{parent: s.parent, node: s.node, value: 1}
		if s.child < 0 {
			e.value = tree.Leaf[^s.child]
		}
		if s.left {
			e.side, e.keep = 1, 1
		}
		if i > 0 {
			e.feature = int32(l.place(int(tree.Feature[s.node])))
			for a := s.parent; a > 0; a = all[a].parent {
				if tree.edges[a].feature == e.feature {
					e.again = a
					break
				}
			}
			features[i] = features[s.parent]
			if e.again == 0 {
				features[i]++
			}
			most = max(most, features[i])
		}
		tree.edges[i] = e
	}
	tree.points = (max(most, 1) + 2*lanes - 1) / (2 * lanes) * lanes
}

// fill makes the tables.
func (tree *shapTree) fill(all []step, points, weights []float64) {
	n := tree.points
	tree.table = make([]float64, 6*n*len(all))
	share := make([]float64, len(all)) // z: of the rows that all edges of this feature let through
	share[0] = 1
	for i := 1; i < len(all); i++ {
		e := &tree.edges[i]
		e.table = 6 * n * i
		old := share[e.again]
		z := float64(old * all[i].share)
		share[i] = z
		cold := all[i].share
		if old == 0 {
			cold = 0 // no row comes this far
		}
		row := func(k int) []float64 { return tree.table[e.table+k*n:][:n] }
		for j, t := range points {
			was := float64(old*(1-t)) + t
			hot := float64(z*(1-t)) + t
			row(0)[j] = cold // and row 1 is 0: no credit
			row(2)[j] = float64(z*(1-t)) / was
			row(3)[j] = weights[j] * (-1/(1-t) - (1-old)/was)
			row(4)[j] = hot / was
			row(5)[j] = weights[j] * ((1-z)/hot - (1-old)/was)
		}
	}
}

// Into writes a row's contributions to dst[:Len()].
func (s *Shap) Into(dst, row []float64) {
	columns := s.columns(row)
	dst = s.begin(dst, columns)
	for t := range s.trees {
		tree := &s.trees[t]
		s.down(tree, columns)
		s.up(tree, s.class(dst, tree.class))
	}
}

// down makes the products of every edge. What the row is like decides no branch
// here and in up, only which of the tables' rows is read: a branch would be guessed
// wrong half of the time.
func (s *Shap) down(tree *shapTree, columns []float64) {
	for node, feature := range tree.Feature {
		left := 0
		if tree.GoesLeft(int32(node), columns[feature]) {
			left = 1
		}
		s.left[node] = left
	}
	n := tree.points
	s.state[0] = 2
	for j := range n {
		s.product[j] = 1
	}
	for i := 1; i < len(tree.edges); i++ {
		e := &tree.edges[i]
		o := 1 ^ s.left[e.node] ^ e.side
		state := (1 + o) * (s.state[e.again] >> 1)
		s.state[i] = state
		from, to := s.product[int(e.parent)*n:][:n], s.product[i*n:][:n]
		factor := tree.table[e.table+2*n*state:][:n]
		for j := 0; j+lanes <= n; j += lanes {
			p, f, t := (*[lanes]float64)(from[j:]), (*[lanes]float64)(factor[j:]), (*[lanes]float64)(to[j:])
			t[0], t[1], t[2], t[3] = float64(p[0]*f[0]), float64(p[1]*f[1]), float64(p[2]*f[2]), float64(p[3]*f[3])
		}
	}
}

// up sums the leaves' parts, and credits them. A right child comes before its
// sibling, and so begins their parent's sum.
func (s *Shap) up(tree *shapTree, out []float64) {
	n := tree.points
	for i := len(tree.edges) - 1; i > 0; i-- {
		e := &tree.edges[i]
		sum, parent := s.product[i*n:][:n], s.product[int(e.parent)*n:][:n]
		credit := tree.table[e.table+n*(1+2*s.state[i]):][:n]
		var a, b, c, d float64
		for j := 0; j+lanes <= n; j += lanes {
			x, k, p := (*[lanes]float64)(sum[j:]), (*[lanes]float64)(credit[j:]), (*[lanes]float64)(parent[j:])
			x0, x1, x2, x3 := float64(x[0]*e.value), float64(x[1]*e.value), float64(x[2]*e.value), float64(x[3]*e.value)
			a, b, c, d = a+float64(x0*k[0]), b+float64(x1*k[1]), c+float64(x2*k[2]), d+float64(x3*k[3])
			p[0], p[1], p[2], p[3] = float64(p[0]*e.keep)+x0, float64(p[1]*e.keep)+x1, float64(p[2]*e.keep)+x2, float64(p[3]*e.keep)+x3
		}
		out[e.feature] += (a + b) + (c + d)
	}
}
