package attribution

import (
	"slices"

	"rescore/worker/model"
)

// Path attributes by the path a row takes (Saabas). It is made once for a model;
// any number of goroutines may use it.
//
// What a leaf credits is known beforehand: the changes along its path, added up for
// each feature from the root on. A row's contributions are those of its leaves, added
// up in the order of the model's trees. Whoever adds the same numbers in the
// same order gets the same bits.
type Path struct {
	layout
	trees   []walked
	credits []Credit // of all leaves
}

// Credit is what a leaf gives a feature of its class.
type Credit struct {
	Feature int32   // or their number: the bias
	Change  float64 // of the expected value
}

type walked struct {
	model.Tree
	class int
	leaf  []span // of each leaf's credits
}

type span struct{ from, past int32 }

// NewPath prepares a model. The error wraps ErrUnsupported.
func NewPath(e *model.Ensemble) (*Path, error) {
	l, err := newLayout(e)
	if err != nil {
		return nil, err
	}
	p := &Path{layout: l, trees: make([]walked, e.Trees())}
	var way []int32 // steps from the root to a leaf
	for t := range p.trees {
		all, err := steps(e, t)
		if err != nil {
			return nil, err
		}
		w := walked{Tree: e.Tree(t), class: e.Class(t)}
		w.leaf = make([]span, len(w.Leaf))
		for i, s := range all {
			if s.child >= 0 {
				continue
			}
			way = way[:0]
			for at := int32(i); at > 0; at = all[at].parent {
				way = append(way, at)
			}
			from := int32(len(p.credits))
			for k := len(way) - 1; k >= 0; k-- {
				at := &all[way[k]]
				p.credit(int(from), int32(p.place(int(w.Feature[at.node]))), at.mean-all[at.parent].mean)
			}
			w.leaf[^s.child] = span{from, int32(len(p.credits))}
		}
		p.bias[w.class] += all[0].mean
		p.trees[t] = w
	}
	return p, nil
}

// credit adds a change to a feature's credit among those of a leaf, which begin at
// from.
func (p *Path) credit(from int, feature int32, change float64) {
	for i := from; i < len(p.credits); i++ {
		if p.credits[i].Feature == feature {
			p.credits[i].Change += change
			return
		}
	}
	if n := len(p.credits); n == cap(p.credits) {
		p.credits = slices.Grow(p.credits, n+1024) // twice as many: append would copy them all five times
	}
	p.credits = append(p.credits, Credit{feature, change})
}

// Credits returns how many credits all leaves have.
func (p *Path) Credits() int { return len(p.credits) }

// Leaf returns what a leaf credits, each feature once.
func (p *Path) Leaf(tree, leaf int) []Credit {
	s := p.trees[tree].leaf[leaf]
	return p.credits[s.from:s.past:s.past]
}

// Into writes a row's contributions to dst[:Len()].
func (p *Path) Into(dst, row []float64) { p.Walk(dst, p.columns(row)) }

// Walk is Into for a row of all columns, those that the model makes of its features
// too. It allocates nothing.
func (p *Path) Walk(dst, columns []float64) {
	dst = p.begin(dst, columns)
	for t := range p.trees {
		w := &p.trees[t]
		out := p.class(dst, w.class)
		for _, c := range p.Leaf(t, w.Find(columns)) {
			out[c.Feature] += c.Change
		}
	}
}
