package attribution

import (
	"fmt"

	"rescore/worker/model"
)

// tableMax bounds the tables of a Shap, in float64s: 1 GiB.
const tableMax = 1 << 27

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

	left    []bool    // whether the row goes left, by node
	known   []int     // o, by edge
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
	// table has four rows of a number a point: factor and credit where o is 0, factor
	// and credit where o is 1; all for o = 1 at again.
	table int
	// cold is the factor where o is 0 at again. The credit is then 0.
	cold  float64
	value float64 // of the leaf
	left  bool
	leaf  bool
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
		if tables += 4 * tree.points * len(tree.edges); tables > tableMax {
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
	s.left, s.known, s.product = make([]bool, nodes), make([]int, edges), make([]float64, products)
	return s, nil
}

// link makes the edges, and counts the points that the tree needs.
func (tree *shapTree) link(all []step, l *layout) {
	tree.edges = make([]edge, len(all))
	features := make([]int, len(all)) // different ones from the root on
	most := 0
	for i, s := range all {
		e := edge{parent: s.parent, node: s.node, left: s.left, leaf: s.child < 0}
		if e.leaf {
			e.value = tree.Leaf[^s.child]
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
	tree.points = (most + 1) / 2
}

// fill makes the tables.
func (tree *shapTree) fill(all []step, points, weights []float64) {
	n := tree.points
	tree.table = make([]float64, 4*n*len(all))
	share := make([]float64, len(all)) // z: of the rows that all edges of this feature let through
	share[0] = 1
	for i := 1; i < len(all); i++ {
		e := &tree.edges[i]
		e.table = 4 * n * i
		old := share[e.again]
		z := float64(old * all[i].share)
		share[i] = z
		if e.cold = all[i].share; old == 0 {
			e.cold = 0 // no row comes this far
		}
		row := func(k int) []float64 { return tree.table[e.table+k*n:][:n] }
		for j, t := range points {
			was := float64(old*(1-t)) + t
			hot := float64(z*(1-t)) + t
			row(0)[j] = float64(z*(1-t)) / was
			row(1)[j] = weights[j] * (-1/(1-t) - (1-old)/was)
			row(2)[j] = hot / was
			row(3)[j] = weights[j] * ((1-z)/hot - (1-old)/was)
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

// down makes the products of every edge.
func (s *Shap) down(tree *shapTree, columns []float64) {
	for node, feature := range tree.Feature {
		s.left[node] = tree.GoesLeft(int32(node), columns[feature])
	}
	n := tree.points
	s.known[0] = 1
	for j := range n {
		s.product[j] = 1
	}
	for i := 1; i < len(tree.edges); i++ {
		e := &tree.edges[i]
		from, to := s.product[int(e.parent)*n:][:n], s.product[i*n:][:n]
		if s.known[e.again] == 0 {
			s.known[i] = 0
			for j, p := range from {
				to[j] = float64(p * e.cold)
			}
			continue
		}
		o := 0
		if s.left[e.node] == e.left {
			o = 1
		}
		s.known[i] = o
		factor := tree.table[e.table+2*n*o:][:n]
		for j, p := range from {
			to[j] = float64(p * factor[j])
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
		if e.leaf {
			for j := range sum {
				sum[j] *= e.value
			}
		}
		if s.known[e.again] != 0 {
			credit := tree.table[e.table+n*(1+2*s.known[i]):][:n]
			total := 0.0
			for j, x := range sum {
				total += float64(x * credit[j])
			}
			out[e.feature] += total
		}
		if e.left {
			for j, x := range sum {
				parent[j] += x
			}
		} else {
			copy(parent, sum)
		}
	}
}
