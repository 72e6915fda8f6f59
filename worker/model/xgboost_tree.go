package model

import (
	"math"
	"slices"
)

// Bounds of a tree. They keep what is held while one is read to about 40 MiB, and
// are far above any tree worth having.
const (
	nodesMax      = 1 << 20
	categoriesEnd = 1 << 24 // XGBoost's own: categories are float32s
)

// deleted is the feature of a node that was pruned away.
const deleted = math.MaxInt32

// plan is a tree as the file has it: arrays by node, of inner nodes and leaves
// alike, of which some may have been pruned away. The arrays are used again for
// the next tree.
type plan struct {
	left, right, feature []int32
	condition            []float32 // threshold, or a leaf's value
	defaultLeft          []bool
	kind                 []int32   // 1 where the split is of categories; empty when none is
	cover                []float32 // sum of hessians
	// Categories of node node[i]: list[segment[i]:][:length[i]]
	node, segment, length, list []int32

	seen  []bool
	queue []split
}

// split is a node of the file and the leaf that it splits.
type split struct{ node, leaf int32 }

var planFields = []string{
	"left_children", "right_children", "split_indices", "split_conditions", "default_left", "split_type", "sum_hessian",
	"categories_nodes", "categories_segments", "categories_sizes", "categories",
	"base_weights", "loss_changes", "parents", "tree_param",
}

// readPlan takes a tree and proves its lengths, its shape and its sets.
func (x *xgboost) readPlan() error {
	p := &x.plan
	for _, list := range []*[]int32{&p.left, &p.right, &p.feature, &p.kind, &p.node, &p.segment, &p.length, &p.list} {
		*list = (*list)[:0]
	}
	p.condition, p.cover, p.defaultLeft = p.condition[:0], p.cover[:0], p.defaultLeft[:0]
	nodes := -1
	idle := map[string]int{} // lengths of what is not used
	err := x.object(planFields, func(name string) (err error) {
		whole := func(dst *[]int32) (err error) {
			*dst, err = array(x, *dst, nodesMax, index(x))
			return err
		}
		switch name {
		case "left_children":
			return whole(&p.left)
		case "right_children":
			return whole(&p.right)
		case "split_indices":
			return whole(&p.feature)
		case "split_conditions":
			p.condition, err = array(x, p.condition, nodesMax, x.single)
		case "default_left":
			p.defaultLeft, err = array(x, p.defaultLeft, nodesMax, choice(x))
		case "split_type":
			return whole(&p.kind)
		case "sum_hessian":
			p.cover, err = array(x, p.cover, nodesMax, finiteSingle(x))
		case "categories_nodes":
			return whole(&p.node)
		case "categories_segments":
			return whole(&p.segment)
		case "categories_sizes":
			return whole(&p.length)
		case "categories":
			return whole(&p.list)
		case "tree_param":
			return x.object([]string{"num_nodes", "size_leaf_vector"}, func(name string) (err error) {
				if name == "num_nodes" {
					nodes, err = x.parameter(1, math.MaxInt32)
					return err
				}
				return x.scalarLeaves()
			})
		default:
			idle[name], err = count(x)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(p.left) == 0 {
		return x.absent("left_children")
	}
	if nodes >= 0 && nodes != len(p.left) {
		return x.blame("num_nodes", "%d nodes where left_children has %d", nodes, len(p.left))
	}
	for _, f := range []struct {
		name     string
		n        int
		required bool
	}{
		{"right_children", len(p.right), true},
		{"split_indices", len(p.feature), true},
		{"split_conditions", len(p.condition), true},
		{"default_left", len(p.defaultLeft), true},
		{"split_type", len(p.kind), false},
		{"sum_hessian", len(p.cover), false},
		{"base_weights", idle["base_weights"], false},
		{"loss_changes", idle["loss_changes"], false},
		{"parents", idle["parents"], false},
	} {
		if f.n != len(p.left) && (f.required || f.n > 0) {
			return x.blame(f.name, "%d values for the %d nodes of left_children", f.n, len(p.left))
		}
	}
	if err := x.proveSets(); err != nil {
		return err
	}
	return x.prove()
}

// proveSets proves that the nodes' categories lie one after the other.
func (x *xgboost) proveSets() error {
	p := &x.plan
	if len(p.segment) != len(p.node) {
		return x.blame("categories_segments", "%d values for the %d nodes of categories_nodes", len(p.segment), len(p.node))
	}
	if len(p.length) != len(p.node) {
		return x.blame("categories_sizes", "%d values for the %d nodes of categories_nodes", len(p.length), len(p.node))
	}
	end := int32(0)
	for i, n := range p.node {
		if n < 0 || int(n) >= len(p.left) || i > 0 && n <= p.node[i-1] {
			return x.blame("categories_nodes", "value %d is no node, or not above the one before", i)
		}
		if p.segment[i] != end {
			return x.blame("categories_segments", "value %d is not where the categories before it end", i)
		}
		if p.length[i] < 0 || int(p.length[i]) > len(p.list)-int(end) {
			return x.blame("categories_sizes", "value %d goes past the %d categories", i, len(p.list))
		}
		end += p.length[i]
	}
	if int(end) != len(p.list) {
		return x.blame("categories", "%d categories where categories_sizes asks for %d", len(p.list), end)
	}
	for i, c := range p.list {
		if c < 0 || c >= categoriesEnd {
			return x.blame("categories", "value %d is no category from 0 to %d", i, categoriesEnd-1)
		}
	}
	return nil
}

// leaf reports whether a node of the file is a leaf.
func (p *plan) leaf(node int32) bool { return p.left[node] == -1 }

// categorical reports whether a node asks for a category.
func (p *plan) categorical(node int32) bool { return len(p.kind) > 0 && p.kind[node] == 1 }

// set returns the categories that a node sends right.
func (p *plan) set(node int32) ([]int32, bool) {
	i, ok := slices.BinarySearch(p.node, node)
	if !ok {
		return nil, false
	}
	return p.list[p.segment[i]:][:p.length[i]], true
}

// children returns the children of a node as they are frozen. What is in the set
// of a categorical node goes right in the file and left here.
func (p *plan) children(node int32) (left, right int32) {
	if p.categorical(node) {
		return p.right[node], p.left[node]
	}
	return p.left[node], p.right[node]
}

// never reports whether a node's condition is one that no value meets.
func (p *plan) never(node int32) bool {
	return !p.categorical(node) && math.IsInf(float64(p.condition[node]), -1)
}

// prove proves that the nodes make a tree, and that all others are marked as
// deleted: old releases count them wrongly. It
// leaves the inner nodes in queue, breadth first, with the leaves they split: node
// i of the frozen tree leaves its left part the leaf's number, and its right part
// becomes leaf i+1.
func (x *xgboost) prove() error {
	p := &x.plan
	n := len(p.left)
	if cap(p.seen) < n {
		p.seen, p.queue = make([]bool, cap(p.left)), make([]split, 0, cap(p.left)/2+1)
	}
	p.seen, p.queue = p.seen[:n], p.queue[:0]
	clear(p.seen)
	reached := 1
	p.seen[0] = true
	reach := func(from, child, leaf int32) error {
		field := "left_children"
		if child != p.left[from] {
			field = "right_children"
		}
		if child < 0 || int(child) >= n {
			return x.blame(field, "value %d names node %d of %d", from, child, n)
		}
		if p.seen[child] {
			return x.blame(field, "value %d names node %d, which another node has: not a tree", from, child)
		}
		p.seen[child] = true
		reached++
		return x.admit(child, leaf)
	}
	if err := x.admit(0, 0); err != nil {
		return err
	}
	for at := 0; at < len(p.queue); at++ {
		s := p.queue[at]
		left, right := p.children(s.node)
		if err := reach(s.node, left, s.leaf); err != nil {
			return err
		}
		if err := reach(s.node, right, int32(at)+1); err != nil {
			return err
		}
	}
	if reached == n {
		return nil
	}
	for i, seen := range p.seen {
		if !seen && p.feature[i] != deleted {
			return x.blame("left_children", "the root does not reach node %d, which is not deleted: not a tree", i)
		}
	}
	return nil
}

// admit checks a node that the root reaches, and queues an inner one.
func (x *xgboost) admit(node, leaf int32) error {
	p := &x.plan
	c := p.condition[node]
	if p.leaf(node) {
		switch {
		case p.right[node] != -1:
			return x.blame("right_children", "value %d is a child where left_children has none", node)
		case c-c != 0:
			return x.blame("split_conditions", "value %d, of a leaf, is not a finite number", node)
		}
		return nil
	}
	if len(p.kind) > 0 && p.kind[node] != 0 && p.kind[node] != 1 {
		return x.blame("split_type", "value %d is neither 0 nor 1", node)
	}
	if p.feature[node] < 0 {
		return x.blame("split_indices", "value %d is negative", node)
	}
	if _, ok := p.set(node); p.categorical(node) && !ok {
		return x.blame("categories_nodes", "node %d asks for a category, and has none", node)
	}
	if !p.categorical(node) && c != c {
		return x.blame("split_conditions", "value %d, a threshold, is not a number", node)
	}
	p.queue = append(p.queue, split{node, leaf})
	return nil
}

// words returns how many words the set of a node takes.
func words(set []int32) int {
	n := int32(0)
	for _, c := range set {
		n = max(n, c/32+1)
	}
	return int(n)
}

// each walks the trees.
func (x *xgboost) each(visit func() error) error {
	if err := x.enter(kindArray); err != nil {
		return err
	}
	for x.tree = 0; ; x.tree++ {
		more, err := x.next()
		if err != nil {
			return err
		}
		if !more {
			x.tree = Header
			return nil
		}
		if err := x.readPlan(); err != nil {
			return err
		}
		if err := visit(); err != nil {
			return err
		}
	}
}

// measure walks the trees for the first time, and adds up their sizes.
func (x *xgboost) measure() error {
	s, p := &x.whole, &x.plan
	err := x.each(func() error {
		s.trees++
		s.leaves += len(p.queue) + 1
		s.counts = s.counts && len(p.cover) > 0
		sets := 0
		for _, n := range p.queue {
			if p.categorical(n.node) {
				set, _ := p.set(n.node)
				s.words += words(set)
				sets++
			} else if p.never(n.node) {
				sets++
			}
		}
		if sets > 0 {
			s.bounds += sets + 1
		}
		if s.words > x.wordsMax {
			x.field = "categories"
			return refused("the sets of categories take more than %d words of 32: train with smaller codes", x.wordsMax)
		}
		return nil
	})
	x.trees = s.trees
	return err
}

// fill walks the trees again, and freezes them.
func (x *xgboost) fill(e *Ensemble) error {
	e.make(x.whole)
	if x.whole.counts {
		e.nodeCover, e.leafCover = make([]float32, len(e.feature)), make([]float32, len(e.leaf))
	}
	total := make([]float64, e.Classes)
	for k, base := range e.Base {
		total[k] = math.Abs(base)
	}
	x.cursor = x.forest
	x.field = "trees"
	return x.each(func() error {
		t := x.tree
		at := e.spans[t]
		tree := x.freeze(e, &at)
		e.spans = append(e.spans, at)
		for i, f := range tree.Feature {
			if int(f) >= x.features {
				return x.blame("split_indices", "value %d names no feature of the %d", x.plan.queue[i].node, x.features)
			}
		}
		top := 0.0
		for i, v := range tree.Leaf {
			if x.weight != nil {
				v = float64(float32(v) * x.weight[t])
				tree.Leaf[i] = v
			}
			top = max(top, math.Abs(v))
		}
		k := x.class[t]
		if total[k] += top; total[k] > math.MaxFloat32/2 {
			return x.blame("split_conditions", "the values of the leaves are so large that a score can overflow")
		}
		return nil
	})
}

// freeze writes the tree that was read at the end of the arrays, moves at past it,
// and returns it.
func (x *xgboost) freeze(e *Ensemble, at *span) Tree {
	p := &x.plan
	leaf, node := int(at.leaf), int(at.leaf)-x.tree
	tree := Tree{
		Feature:   e.feature[node:][:len(p.queue)],
		Threshold: e.threshold[node:][:len(p.queue)],
		Decision:  e.decision[node:][:len(p.queue)],
		Left:      e.left[node:][:len(p.queue)],
		Right:     e.right[node:][:len(p.queue)],
		Leaf:      e.leaf[leaf:][:len(p.queue)+1],
	}
	if e.nodeCover != nil {
		tree.NodeCover, tree.LeafCover = e.nodeCover[node:][:len(p.queue)], e.leafCover[leaf:][:len(p.queue)+1]
	}
	queued := int32(0)
	child := func(node, leaf int32) int32 {
		if !p.leaf(node) {
			queued++
			return queued
		}
		tree.Leaf[leaf] = float64(p.condition[node])
		if tree.LeafCover != nil {
			tree.LeafCover[leaf] = p.cover[node]
		}
		return ^leaf
	}
	if len(p.queue) == 0 {
		child(0, 0)
	}
	sets := int32(0)
	enlist := func(set []int32) float64 {
		word := e.word[at.word:][:words(set)]
		for _, c := range set {
			word[c/32] |= 1 << (c % 32)
		}
		at.word += int32(len(word))
		sets++
		e.bound[at.bound+sets] = e.bound[at.bound+sets-1] + int32(len(word))
		return float64(sets - 1)
	}
	for i, s := range p.queue {
		tree.Feature[i] = p.feature[s.node]
		if tree.NodeCover != nil {
			tree.NodeCover[i] = p.cover[s.node]
		}
		left, right := p.children(s.node)
		left, right = child(left, s.leaf), child(right, int32(i)+1)
		missing := p.defaultLeft[s.node]
		decision := Decision(MissingNaN << 2)
		switch {
		case p.categorical(s.node):
			set, _ := p.set(s.node)
			tree.Threshold[i] = enlist(set)
			decision |= 1
			missing = !missing
		case p.never(s.node): // nothing is in the empty set
			tree.Threshold[i] = enlist(nil)
			decision |= 1
		default:
			tree.Threshold[i] = below(p.condition[s.node])
		}
		if missing {
			decision |= 2
		}
		tree.Decision[i], tree.Left[i], tree.Right[i] = decision, left, right
	}
	at.leaf += int32(len(tree.Leaf))
	if sets > 0 {
		at.bound += sets + 1
	}
	return tree
}
