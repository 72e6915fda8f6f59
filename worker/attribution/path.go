package attribution

import "rescore/worker/model"

// Path attributes by the path a row takes (Saabas). It is made once for a model;
// any number of goroutines may use it.
type Path struct {
	layout
	trees []walked
	moves []move // of all trees
}

type walked struct {
	model.Tree
	class int
	leaf  []int32 // move that ends in each leaf
}

// move is a step on the way to a leaf, told from its end.
type move struct {
	before  int32 // move, -1 at the root
	feature int32
	change  float64 // of the expected value
}

// NewPath prepares a model. The error wraps ErrUnsupported.
func NewPath(e *model.Ensemble) (*Path, error) {
	l, err := newLayout(e)
	if err != nil {
		return nil, err
	}
	p := &Path{layout: l, trees: make([]walked, e.Trees())}
	for t := range p.trees {
		all, err := steps(e, t)
		if err != nil {
			return nil, err
		}
		w := walked{Tree: e.Tree(t), class: e.Class(t)}
		w.leaf = make([]int32, len(w.Leaf))
		first := int32(len(p.moves))
		for i, s := range all {
			m := move{before: -1}
			if i > 0 {
				m = move{first + s.parent, w.Feature[s.node], s.mean - all[s.parent].mean}
			}
			if s.child < 0 {
				w.leaf[^s.child] = first + int32(i)
			}
			p.moves = append(p.moves, m)
		}
		p.bias[w.class] += all[0].mean
		p.trees[t] = w
	}
	return p, nil
}

// Into writes a row's contributions to dst[:Len()].
func (p *Path) Into(dst, row []float64) {
	dst = p.begin(dst)
	for t := range p.trees {
		w := &p.trees[t]
		out := p.class(dst, w.class)
		m := &p.moves[w.leaf[w.Find(row)]]
		for m.before >= 0 {
			out[m.feature] += m.change
			m = &p.moves[m.before]
		}
	}
}
