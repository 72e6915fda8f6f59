package model

import (
	"bytes"
	"math"
)

// treeField is a key of a tree.
type treeField int

const (
	numLeaves treeField = iota
	numCat
	splitFeature
	threshold
	decisionType
	leftChild
	rightChild
	leafValue
	catBoundaries
	catThreshold
	leafCount
	internalCount
	splitGain
	leafWeight
	internalValue
	internalWeight
	isLinear
	shrinkage
	leafConst
	numFeatures
	leafFeatures
	leafCoeff
	treeFields
)

var treeFieldNames = []string{
	"num_leaves", "num_cat", "split_feature", "threshold", "decision_type", "left_child", "right_child", "leaf_value",
	"cat_boundaries", "cat_threshold", "leaf_count", "internal_count", "split_gain", "leaf_weight", "internal_value",
	"internal_weight", "is_linear", "shrinkage", "leaf_const", "num_features", "leaf_features", "leaf_coeff",
}

// termsMax is how many terms the leaves of all linear trees may have: one takes 12
// bytes and is written in as few as 4.
const termsMax = 1 << 22

// treeText is one tree's fields as text; nil is absent.
type treeText struct {
	tree   int
	fields [treeFields][]byte
}

func readTree(tree int, block []byte) (treeText, error) {
	t := treeText{tree: tree}
	for {
		block = skipBlank(block)
		if len(block) == 0 {
			return t, nil
		}
		var line []byte
		line, block = cutLine(block)
		key, value, ok := bytes.Cut(line, []byte{'='})
		if !ok {
			return t, malformed(tree, "", "a line is not key=value")
		}
		field := treeField(0)
		for field < treeFields && treeFieldNames[field] != string(key) {
			field++
		}
		switch {
		case field == treeFields:
			return t, malformed(tree, printable(key), "no field of that name is known in a tree")
		case t.fields[field] != nil:
			return t, malformed(tree, treeFieldNames[field], "the field stands twice")
		}
		t.fields[field] = value
	}
}

// shape is how many values the trees hold.
type shape struct {
	trees, leaves, bounds, words int
	leavesMax                    int  // of one tree
	counts                       bool // every tree says how many training rows it saw
	linear                       bool // a tree's leaves are linear functions
	terms                        int  // of all of them
}

// linear reports whether a tree's leaves are linear functions.
func (t treeText) linear() bool { return string(t.fields[isLinear]) == "1" }

// measure proves every length of every tree and returns their sums, and the
// text after the trees.
func measure(h header, text []byte) (shape, []byte, error) {
	s := shape{counts: true}
	b := h.blocks(text)
	for {
		block, err := b.next()
		if err != nil {
			return s, nil, err
		}
		if block == nil {
			return s, b.text, nil
		}
		t, err := readTree(s.trees, block)
		if err != nil {
			return s, nil, err
		}
		if err := s.add(t); err != nil {
			return s, nil, err
		}
	}
}

func (s *shape) add(t treeText) error {
	leaves, err := t.number(numLeaves, 1)
	if err != nil {
		return err
	}
	sets, err := t.number(numCat, 0)
	if err != nil {
		return err
	}
	if value := string(t.fields[isLinear]); value != "" && value != "0" && value != "1" {
		return malformed(t.tree, "is_linear", "neither 0 nor 1")
	}
	nodes := leaves - 1
	for _, f := range []treeField{splitFeature, threshold, decisionType, leftChild, rightChild} {
		if err := t.length(f, nodes, nodes > 0); err != nil {
			return err
		}
	}
	if err := t.length(leafValue, leaves, true); err != nil {
		return err
	}
	for _, f := range []treeField{splitGain, internalValue, internalWeight, internalCount} {
		if err := t.length(f, nodes, false); err != nil {
			return err
		}
	}
	for _, f := range []treeField{leafWeight, leafCount} {
		if nodes == 0 && len(t.fields[f]) == 0 {
			continue // v2 leaves them empty when there is nothing to split
		}
		if err := t.length(f, leaves, false); err != nil {
			return err
		}
	}
	if sets > 0 {
		if err := t.length(catBoundaries, sets+1, true); err != nil {
			return err
		}
		if t.fields[catThreshold] == nil {
			return malformed(t.tree, "cat_threshold", "the field is missing")
		}
		s.bounds += sets + 1
		s.words += countTokens(t.fields[catThreshold])
	} else {
		for _, f := range []treeField{catBoundaries, catThreshold} {
			if err := t.length(f, 0, false); err != nil {
				return err
			}
		}
	}
	if err := s.addTerms(t, leaves); err != nil {
		return err
	}
	s.trees++
	s.leaves += leaves
	s.leavesMax = max(s.leavesMax, leaves)
	s.counts = s.counts && len(t.fields[leafCount]) > 0 && t.fields[internalCount] != nil
	return nil
}

// addTerms proves the lengths of a linear tree's leaves.
func (s *shape) addTerms(t treeText, leaves int) error {
	if !t.linear() {
		for _, f := range []treeField{leafConst, numFeatures, leafFeatures, leafCoeff} {
			if err := t.length(f, 0, false); err != nil {
				return err
			}
		}
		return nil
	}
	for _, f := range []treeField{leafConst, numFeatures} {
		if err := t.length(f, leaves, true); err != nil {
			return err
		}
	}
	terms, rest := 0, t.fields[numFeatures]
	for i := range leaves {
		var token []byte
		token, rest = cutToken(rest)
		n, ok := parseCount(token)
		if !ok {
			return malformed(t.tree, "num_features", "value %d is not a count", i)
		}
		if terms += int(n); terms > termsMax {
			return unsupported(t.tree, "num_features", "the leaves of linear trees have more than %d terms", termsMax)
		}
	}
	for _, f := range []treeField{leafFeatures, leafCoeff} {
		if t.fields[f] == nil {
			return malformed(t.tree, treeFieldNames[f], "the field is missing: the tree is cut short")
		}
		if n := countTokens(t.fields[f]); n != terms {
			return malformed(t.tree, treeFieldNames[f], "%d values where num_features asks for %d", n, terms)
		}
	}
	s.linear = true
	if s.terms += terms; s.terms > termsMax {
		return unsupported(t.tree, "num_features", "the leaves of linear trees have more than %d terms", termsMax)
	}
	return nil
}

// number reads a field that is one integer, at least low.
func (t treeText) number(f treeField, low int32) (int, error) {
	if t.fields[f] == nil {
		return 0, malformed(t.tree, treeFieldNames[f], "the field is missing: the tree is cut short")
	}
	n, ok := parseInt(t.fields[f])
	if !ok || n < low {
		return 0, malformed(t.tree, treeFieldNames[f], "not an integer of %d or more", low)
	}
	return int(n), nil
}

// length proves that a field, where it is present, lists want values.
func (t treeText) length(f treeField, want int, required bool) error {
	if t.fields[f] == nil {
		if required {
			return malformed(t.tree, treeFieldNames[f], "the field is missing: the tree is cut short")
		}
		return nil
	}
	if n := countTokens(t.fields[f]); n != want {
		return malformed(t.tree, treeFieldNames[f], "%d values where num_leaves and num_cat ask for %d", n, want)
	}
	return nil
}

// list reads the values of a field, whose number measure has proved.
func list[T any](t treeText, f treeField, dst []T, parse func([]byte) (T, bool), want string) error {
	rest := t.fields[f]
	for i := range dst {
		var token []byte
		token, rest = cutToken(rest)
		x, ok := parse(token)
		if !ok {
			return malformed(t.tree, treeFieldNames[f], "value %d is not %s", i, want)
		}
		dst[i] = x
	}
	return nil
}

// fill makes the arrays and reads the trees into them.
func (e *Ensemble) fill(h header, text []byte, s shape) error {
	e.make(s)
	if s.counts {
		e.nodeCount, e.leafCount = make([]int32, len(e.feature)), make([]int32, len(e.leaf))
	}
	check := topology{seen: make([]bool, 2*s.leavesMax), queue: make([]int32, 0, s.leavesMax)}
	total := 0.0 // the largest raw score the trees so far can give
	b := h.blocks(text)
	for i := range s.trees {
		block, err := b.next()
		if err != nil {
			return err
		}
		t, err := readTree(i, block)
		if err != nil {
			return err
		}
		at := e.spans[i]
		leaves, _ := t.number(numLeaves, 1)
		at.leaf += int32(leaves)
		if sets, _ := t.number(numCat, 0); sets > 0 {
			at.bound += int32(sets + 1)
			at.word += int32(countTokens(t.fields[catThreshold]))
		}
		e.spans = append(e.spans, at)
		tree := e.Tree(i)
		if err := tree.read(t, len(e.Features)); err != nil {
			return err
		}
		if s.linear {
			if err := tree.readTerms(t, len(e.Features)); err != nil {
				return err
			}
		}
		if err := check.prove(t.tree, tree.Left, tree.Right); err != nil {
			return err
		}
		top := 0.0
		for _, v := range tree.Leaf {
			top = max(top, math.Abs(v))
		}
		if total += top; total > math.MaxFloat64 {
			return malformed(t.tree, "leaf_value", "the values are so large that a score can overflow")
		}
	}
	return nil
}

// read fills a tree's arrays and checks every value by itself.
func (tree Tree) read(t treeText, features int) error {
	const integer, finite = "an integer in range", "a finite number"
	if err := list(t, splitFeature, tree.Feature, parseInt, integer); err != nil {
		return err
	}
	if err := list(t, threshold, tree.Threshold, parseThreshold, "a number"); err != nil {
		return err
	}
	if err := list(t, decisionType, tree.Decision, parseDecision, "a decision type from 0 to 11"); err != nil {
		return err
	}
	if err := list(t, leftChild, tree.Left, parseInt, integer); err != nil {
		return err
	}
	if err := list(t, rightChild, tree.Right, parseInt, integer); err != nil {
		return err
	}
	if err := list(t, leafValue, tree.Leaf, parseFloat, finite); err != nil {
		return err
	}
	if err := list(t, catBoundaries, tree.Bound, parseInt, integer); err != nil {
		return err
	}
	if err := list(t, catThreshold, tree.Word, parseWord, "a 32-bit word"); err != nil {
		return err
	}
	if tree.LeafCount != nil {
		if err := list(t, internalCount, tree.NodeCount, parseCount, "a count"); err != nil {
			return err
		}
		if err := list(t, leafCount, tree.LeafCount, parseCount, "a count"); err != nil {
			return err
		}
	}
	for i, b := range tree.Bound {
		if i == 0 && b != 0 || i > 0 && b < tree.Bound[i-1] || i == len(tree.Bound)-1 && int(b) != len(tree.Word) {
			return malformed(t.tree, "cat_boundaries", "value %d does not cut the %d words of cat_threshold into sets", i, len(tree.Word))
		}
	}
	sets := max(len(tree.Bound)-1, 0)
	for i, f := range tree.Feature {
		if f < 0 || int(f) >= features {
			return malformed(t.tree, "split_feature", "value %d names no feature of the %d", i, features)
		}
		x := tree.Threshold[i]
		if tree.Decision[i].Categorical() {
			tree.Decision[i] &^= 2 // LightGBM sends a missing category right
		}
		if tree.Decision[i].Categorical() && (x != math.Trunc(x) || x < 0 || x >= float64(sets)) {
			return malformed(t.tree, "threshold", "value %d names no category set of the %d", i, sets)
		}
	}
	return nil
}

// readTerms fills the linear functions of a tree's leaves. Those of a tree that is
// not linear are its leaves' values.
func (tree Tree) readTerms(t treeText, features int) error {
	first := tree.TermBound[0]
	if !t.linear() {
		copy(tree.Const, tree.Leaf)
		for i := range tree.Leaf {
			tree.TermBound[i+1] = first
		}
		return nil
	}
	const integer, finite = "an integer in range", "a finite number"
	if err := list(t, leafConst, tree.Const, parseFloat, finite); err != nil {
		return err
	}
	if err := list(t, numFeatures, tree.TermBound[1:], parseCount, "a count"); err != nil {
		return err
	}
	for i := range tree.Leaf {
		tree.TermBound[i+1] += tree.TermBound[i]
	}
	last := tree.TermBound[len(tree.Leaf)]
	feature := tree.TermFeature[first:last]
	if err := list(t, leafFeatures, feature, parseInt, integer); err != nil {
		return err
	}
	for i, f := range feature {
		if f < 0 || int(f) >= features {
			return malformed(t.tree, "leaf_features", "value %d names no feature of the %d", i, features)
		}
	}
	return list(t, leafCoeff, tree.TermCoef[first:last], parseFloat, finite)
}

func parseDecision(token []byte) (Decision, bool) {
	n, ok := parseInt(token)
	return Decision(n), ok && n >= 0 && n < 12
}

func parseCount(token []byte) (int32, bool) {
	n, ok := parseInt(token)
	return n, ok && n >= 0
}

// topology proves that children make a tree: every node but the root, and every
// leaf, is the child of exactly one node that the root reaches. Then every walk
// ends.
type topology struct {
	seen  []bool // nodes, then leaves
	queue []int32
}

func (p *topology) prove(tree int, left, right []int32) error {
	nodes := int32(len(left))
	if nodes == 0 {
		return nil
	}
	seenNode, seenLeaf := p.seen[:nodes], p.seen[nodes:2*nodes+1]
	clear(seenNode)
	clear(seenLeaf)
	queue := append(p.queue[:0], 0)
	seenNode[0] = true
	reach := func(field string, i, child int32) error {
		seen, n, what := seenNode, child, "node"
		if child < 0 {
			seen, n, what = seenLeaf, ^child, "leaf"
		}
		if int(n) >= len(seen) {
			return malformed(tree, field, "value %d names %s %d of %d", i, what, n, len(seen))
		}
		if seen[n] {
			return malformed(tree, field, "value %d names %s %d, which another node has: not a tree", i, what, n)
		}
		seen[n] = true
		if child >= 0 {
			queue = append(queue, child)
		}
		return nil
	}
	for at := 0; at < len(queue); at++ {
		i := queue[at]
		if err := reach("left_child", i, left[i]); err != nil {
			return err
		}
		if err := reach("right_child", i, right[i]); err != nil {
			return err
		}
	}
	if len(queue) != len(left) {
		return malformed(tree, "left_child", "the root reaches %d of %d nodes: not a tree", len(queue), len(left))
	}
	return nil
}
