// Package attribution says how much every feature moved a row's raw score.
//
// A contribution is in the units of model.Ensemble.Raw. Contributions are written
// class by class, each class one number a feature and then the bias, the score
// expected before anything is known of a row:
//
//	class 0: feature 0 … feature F-1, bias | class 1: feature 0 …
//
// A class's numbers add up to its raw score, to rounding. A forest's raw score
// is the sum of its trees, not the mean (model.Ensemble.Average), and so are these.
//
// A column that a model makes of its features (model.Ensemble.Prepare) counts as the
// feature that it derives from. In a linear model a feature contributes its weight
// times its value, whichever way it is asked for.
//
// What is expected where a feature is not known is read off the training rows: at
// a node that asks for it, a row goes to each child in the share of the node's
// training rows, or sum of hessians, that went there: its cover.
//
// [Path] follows a row to its leaf, and credits every step's change of the expected
// value to the feature asked for. It is cheap, but what it credits depends on the
// order of the questions, and favours the later ones.
//
// [Shap] gives Shapley values, which do not: each feature's mean effect over all
// orders in which the features could become known. It is what LightGBM calls
// pred_contrib and XGBoost pred_contribs.
package attribution

import (
	"errors"
	"fmt"
	"math"

	"rescore/worker/model"
)

// ErrUnsupported is returned when nothing can be said about a model's scores.
var ErrUnsupported = errors.New("model without attribution")

// layout is where contributions go, and what both ways of attribution share.
type layout struct {
	features int
	bias     []float64 // of each class
	model    *model.Ensemble
}

// Len returns the number of values written for a row: one a feature and the bias,
// for every class.
func (l *layout) Len() int { return len(l.bias) * (l.features + 1) }

// columns returns what trees and weights ask for.
func (l *layout) columns(row []float64) []float64 {
	if l.model.Prepare != nil {
		return l.model.Prepare.Row(row)
	}
	return row
}

// begin writes the contributions of no tree at all.
func (l *layout) begin(dst, columns []float64) []float64 {
	dst = dst[:l.Len()]
	clear(dst)
	for k, bias := range l.bias {
		dst[k*(l.features+1)+l.features] = bias
	}
	for i, weight := range l.model.Weight {
		column, k := i/l.model.Classes, i%l.model.Classes
		x := columns[column]
		if x-x != 0 {
			continue // missing: it contributes nothing
		}
		change := float64(x * weight)
		if l.model.Single {
			change = float64(float32(x) * float32(weight))
		}
		dst[k*(l.features+1)+l.place(column)] += change
	}
	return dst
}

// place returns where a column's contributions go: to the feature that it derives
// from, or to the bias when it is a constant.
func (l *layout) place(column int) int {
	if feature := l.model.Source(column); feature >= 0 {
		return feature
	}
	return l.features
}

// class returns the part of dst that is a class's, the bias last.
func (l *layout) class(dst []float64, k int) []float64 {
	return dst[k*(l.features+1):][:l.features+1]
}

// newLayout returns the layout for a model, with the bias of its base only.
func newLayout(e *model.Ensemble) (layout, error) {
	if e.Weight == nil && e.Linear() {
		return layout{}, fmt.Errorf("explain %s's linear trees: %w: a leaf's value depends on the row; train with linear_tree=false", e.Library, ErrUnsupported)
	}
	bias := make([]float64, e.Classes)
	copy(bias, e.Base)
	return layout{features: len(e.Features), bias: bias, model: e}, nil
}

// step is a child of a node, or the root. The steps of a tree stand depth first, the
// left child first, so that a step comes after its parent.
type step struct {
	parent int32   // step, -1 at the root
	node   int32   // that asked, -1 at the root
	child  int32   // node, or ^leaf
	left   bool    // whether child is the left one
	share  float64 // of the cover of node
	mean   float64 // value expected here
}

// steps returns the steps of tree t with their shares and means.
func steps(e *model.Ensemble, t int) ([]step, error) {
	tree := e.Tree(t)
	if tree.NodeCover == nil && tree.NodeCount == nil {
		return nil, fmt.Errorf("explain %s's model: %w: the file does not say how many training rows passed every node; save it with its counts (leaf_count and internal_count, or sum_hessian)", e.Library, ErrUnsupported)
	}
	cover := func(child int32) float64 {
		switch {
		case child >= 0 && tree.NodeCover != nil:
			return float64(tree.NodeCover[child])
		case child >= 0:
			return float64(tree.NodeCount[child])
		case tree.LeafCover != nil:
			return float64(tree.LeafCover[^child])
		default:
			return float64(tree.LeafCount[^child])
		}
	}
	all := make([]step, 0, 2*len(tree.Leaf)-1)
	root := step{parent: -1, node: -1, share: 1}
	if len(tree.Left) == 0 {
		root.child = ^0
	}
	for todo := []step{root}; len(todo) > 0; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		at := int32(len(all))
		all = append(all, s)
		if s.child < 0 {
			continue
		}
		of := cover(s.child)
		l, r := cover(tree.Left[s.child])/of, cover(tree.Right[s.child])/of
		if !(of > 0) || !(l >= 0) || !(r >= 0) || math.IsInf(l+r, 1) {
			return nil, fmt.Errorf("explain %s's model: tree %d, node %d: %w: no training rows passed it, or their shares are not numbers; train with min_child_weight above 0", e.Library, t, s.child, ErrUnsupported)
		}
		todo = append(todo,
			step{parent: at, node: s.child, child: tree.Right[s.child], share: r},
			step{parent: at, node: s.child, child: tree.Left[s.child], left: true, share: l})
	}
	for i := len(all) - 1; i >= 0; i-- {
		s := &all[i]
		if s.child < 0 {
			s.mean = tree.Leaf[^s.child]
		}
		if i > 0 {
			all[s.parent].mean += float64(s.share * s.mean)
		}
	}
	return all, nil
}
