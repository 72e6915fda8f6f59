package model

import (
	"errors"
	"math"

	"rescore/worker/transform"
)

// Bounds of what a PMML model is lowered to.
const (
	pmmlNodesMax    = 1 << 19 // and one for 32 bytes of the file
	pmmlWordsMax    = 1 << 22 // of sets of categories; and one for 32 bytes of the file
	predicatesMax   = 1 << 12 // of one node
	missingChoices  = "none, lastPrediction, nullPrediction and defaultChild"
	weightTablesMax = 1 << 22
)

// sapling is a tree being grown: its nodes as they were met.
type sapling struct {
	nodes  []sprout
	leaves []leaf
}

// sprout is a binary node; a child is a node's number, or the complement of a leaf's.
type sprout struct {
	field       int32
	limit       float64
	set         []uint32
	absentLeft  bool
	left, right int32
}

// leaf is where a row's way ends: at an element that scores it, or without a score.
type leaf struct {
	at element
}

// grower turns PMML's trees into binary ones.
type grower struct {
	decision
	scope *scope
	sapling
	missing string // missingValueStrategy
	end     int    // target where no child's predicate is true
}

// grow begins a tree. The memory of the tree before is used again.
func (p *pmml) grow(s *scope) *grower {
	g := &p.grower
	if g.known == nil {
		g.of, g.known = p, make(map[int]knowledge)
	}
	clear(g.known)
	g.scope, g.missing, g.end, g.nodes, g.leaves = s, "none", targetNull, g.nodes[:0], g.leaves[:0]
	return g
}

// newGrower reads how a model's trees decide.
func (p *pmml) newGrower(at element, s *scope) (*grower, error) {
	g := p.grow(s)
	switch strategy := at.attribute("missingValueStrategy"); strategy {
	case "":
	case "none", "lastPrediction", "nullPrediction", "defaultChild":
		g.missing = strategy
	case "aggregateNodes", "weightedConfidence":
		return nil, p.refuse(at, "the missingValueStrategy %s is none of %s", strategy, missingChoices)
	default:
		return nil, p.bad(at, "the missingValueStrategy is none of %s", missingChoices)
	}
	switch at.attribute("noTrueChildStrategy") {
	case "", "returnNullPrediction":
	case "returnLastPrediction":
		g.end = targetLast
	default:
		return nil, p.bad(at, "the noTrueChildStrategy is neither returnNullPrediction nor returnLastPrediction")
	}
	return g, nil
}

// tree grows the tree of a TreeModel.
func (g *grower) tree(at element) error {
	root := at.child("Node")
	if !root.exists() {
		return g.of.bad(at, "it has no Node")
	}
	predicate, _, err := g.parts(root)
	if err != nil {
		return err
	}
	_, err = g.choose(none, []element{predicate}, []element{root}, func(int) int { return targetNull }, targetNull)
	return err
}

// parts returns a node's predicate and its children.
func (g *grower) parts(at element) (predicate element, children []element, err error) {
	p := g.of
	err = p.each(at, func(c element) error {
		switch {
		case isPredicate(c):
			if predicate.exists() {
				return p.bad(c, "the node has a second predicate")
			}
			predicate = c
		case c.is("Node"):
			if len(children) == predicatesMax {
				return p.refuse(c, "a node has more than %d children", predicatesMax)
			}
			children = append(children, c)
		case c.is("ScoreDistribution"), c.is("Partition"):
		default:
			return p.refuse(c, "a node has another model in it")
		}
		return nil
	})
	if err == nil && !predicate.exists() {
		err = p.bad(at, "the node has no predicate")
	}
	return predicate, children, err
}

// node grows a node, and returns its number, or the complement of its leaf's.
func (g *grower) node(at element) (int32, error) {
	p := g.of
	_, children, err := g.parts(at)
	if err != nil {
		return 0, err
	}
	if len(children) == 0 {
		return g.leaf(at)
	}
	predicates := make([]element, len(children))
	byDefault := -1
	for i, c := range children {
		if predicates[i], _, err = g.parts(c); err != nil {
			return 0, err
		}
		if id, ok := c.lookup("id"); ok && g.missing == "defaultChild" && id == at.attribute("defaultChild") {
			byDefault = i
		}
	}
	if g.missing == "defaultChild" && byDefault < 0 {
		return 0, p.bad(at, "the defaultChild is none of the node's children")
	}
	unknown := func(int) int {
		switch g.missing {
		case "lastPrediction":
			return targetLast
		case "nullPrediction":
			return targetNull
		case "defaultChild":
			return byDefault
		}
		return targetNext
	}
	return g.choose(at, predicates, children, unknown, g.end)
}

// targetNext stands for what follows a predicate that is false.
const targetNext = -3

// choose grows the choice of the first child whose predicate is true. It asks in the
// tree where that makes no child grow twice, and else for a column that says which.
func (g *grower) choose(at element, predicates, children []element, unknown func(int) int, end int) (int32, error) {
	v, err := g.children(g.scope, predicates, func(i int) *rest {
		if target := unknown(i); target != targetNext {
			return to(target)
		}
		return nil
	}, to(end))
	if err != nil && !errors.Is(err, errTests) {
		return 0, err
	}
	if err != nil || g.again(v, children, make([]bool, len(children))) {
		if v, err = g.computed(predicates, unknown, end); err != nil {
			return 0, err
		}
	}
	return g.emit(at, v, children)
}

// again reports whether a child that has children of its own is a target twice.
func (g *grower) again(v *verdict, children []element, seen []bool) bool {
	if v == nil {
		return false
	}
	if v.question == nil {
		if v.target < 0 || !children[v.target].child("Node").exists() {
			return false
		}
		twice := seen[v.target]
		seen[v.target] = true
		return twice
	}
	return g.again(v.yes, children, seen) || v.no != v.yes && g.again(v.no, children, seen) ||
		v.absent != v.yes && v.absent != v.no && g.again(v.absent, children, seen)
}

// computed makes the verdict of a column that says which predicate is true.
func (g *grower) computed(predicates []element, unknown func(int) int, end int) (*verdict, error) {
	n := len(predicates)
	code := func(target int) int { // the two that are no child stand behind them
		if target < 0 {
			return n - 1 - target
		}
		return target
	}
	column, err := g.of.choiceColumn(g.scope, predicates, func(i int) (int, bool) { return code(unknown(i)), unknown(i) != targetNext }, code(end))
	if err != nil {
		return nil, err
	}
	if column.Column() < 0 {
		column = g.of.steps.Add(transform.Fill(0), column)
	}
	f := &pmmlField{operand: column, present: true}
	v := &verdict{target: targetNull}
	for c := n; c >= 0; c-- {
		target := c
		if c == n {
			target = targetLast
		}
		v = &verdict{question: &question{field: f, limit: float64(c) + 0.5}, yes: &verdict{target: target}, no: v}
	}
	return v, nil
}

// leaf grows a leaf that is scored by an element, none for one without a score.
func (g *grower) leaf(at element) (int32, error) {
	p := g.of
	if len(g.leaves) >= p.nodesLeft {
		return 0, p.refuse(p.doc.root(), "its trees take more than %d leaves", pmmlNodesMax+len(p.doc.text)/32)
	}
	g.leaves = append(g.leaves, leaf{at})
	return ^int32(len(g.leaves) - 1), nil
}

// emit grows the nodes of a verdict, and those of its targets.
func (g *grower) emit(at element, v *verdict, children []element) (int32, error) {
	q := v.question
	if q == nil {
		switch v.target {
		case targetNull:
			return g.leaf(none)
		case targetLast:
			return g.leaf(at)
		}
		return g.node(children[v.target])
	}
	if v.absent != nil && v.absent != v.yes && v.absent != v.no {
		there := &question{field: q.field, limit: math.Inf(1)}
		present := &verdict{question: q, yes: v.yes, no: v.no}
		if alike(v.yes, v.no) {
			present = v.yes
		}
		return g.split(at, there, children, present, v.absent, [3]bool{true, true, false}, [3]bool{false, false, true})
	}
	left, right := v.absent != nil && v.absent == v.yes, v.absent != nil && v.absent == v.no
	return g.split(at, q, children, v.yes, v.no, [3]bool{true, false, left}, [3]bool{false, true, right})
}

// split grows a node and both its sides, each of which knows the answers that
// lead there: yes, no, and missing.
func (g *grower) split(at element, q *question, children []element, left, right *verdict, toLeft, toRight [3]bool) (int32, error) {
	n := int32(len(g.nodes))
	g.nodes = append(g.nodes, sprout{field: int32(q.field.operand.Column()), limit: q.limit, set: q.set, absentLeft: toLeft[2]})
	for i, side := range [2]*verdict{left, right} {
		answers := [2][3]bool{toLeft, toRight}[i]
		before := g.assume(q, answers[0], answers[1], answers[2])
		child, err := g.emit(at, side, children)
		g.forget(q, before)
		if err != nil {
			return 0, err
		}
		if i == 0 {
			g.nodes[n].left = child
		} else {
			g.nodes[n].right = child
		}
	}
	return n, nil
}

// plant appends the tree to the ensemble, once for each class that has values, a
// value for each leaf.
func (p *pmml) plant(at element, t *sapling, class int, values []float64, cover []float32) error {
	e := p.e
	if p.nodesLeft -= len(t.leaves); p.nodesLeft < 0 {
		return p.refuse(at, "the model's trees take more than %d leaves", pmmlNodesMax+len(p.doc.text)/32)
	}
	last := e.spans[len(e.spans)-1]
	first := int(last.leaf) - len(e.class) // node
	e.leaf = append(e.leaf, make([]float64, len(values))...)
	e.leafCover = append(e.leafCover, make([]float32, len(values))...)
	leaves, leafCover := e.leaf[last.leaf:], e.leafCover[last.leaf:]
	top := 0.0
	put := func(from, to int32) {
		leaves[to], leafCover[to] = values[from], cover[from]
		if v := math.Abs(values[from]); v > top {
			top = v
		}
	}
	if len(t.nodes) == 0 {
		put(0, 0)
	}
	sets := int32(0)
	queue := []split{{0, 0}}
	if len(t.nodes) == 0 {
		queue = nil
	}
	e.nodeCover = append(e.nodeCover, make([]float32, len(t.nodes))...)
	for i := 0; i < len(queue); i++ {
		s := t.nodes[queue[i].node]
		decision := Decision(MissingNaN << 2)
		threshold := s.limit
		if s.set != nil {
			if sets == 0 {
				e.bound = append(e.bound, 0)
			}
			if p.wordsLeft -= len(s.set); p.wordsLeft < 0 {
				return p.refuse(at, "the model's sets of categories take too much room")
			}
			e.word = append(e.word, s.set...)
			e.bound = append(e.bound, int32(len(e.word))-last.word)
			decision |= 1
			threshold = float64(sets)
			sets++
		}
		if s.absentLeft {
			decision |= 2
		}
		child := func(c, number int32) int32 {
			if c < 0 {
				put(^c, number)
				return ^number
			}
			queue = append(queue, split{c, number})
			return int32(len(queue) - 1)
		}
		left := child(s.left, queue[i].leaf)
		right := child(s.right, int32(i)+1)
		e.feature = append(e.feature, s.field)
		e.threshold = append(e.threshold, threshold)
		e.decision = append(e.decision, decision)
		e.left, e.right = append(e.left, left), append(e.right, right)
	}
	for i := len(queue) - 1; i >= 0; i-- { // children come after their parents
		for _, c := range []int32{e.left[first+i], e.right[first+i]} {
			if c >= 0 {
				e.nodeCover[first+i] += e.nodeCover[first+int(c)]
			} else {
				e.nodeCover[first+i] += leafCover[^c]
			}
		}
	}
	at2 := last
	at2.leaf += int32(len(values))
	if sets > 0 {
		at2.bound += sets + 1
		at2.word = int32(len(e.word))
	}
	e.spans = append(e.spans, at2)
	e.class = append(e.class, int32(class))
	return p.add(at, class, top)
}

// add notes how much more a class's raw score may be, and refuses what can overflow.
func (p *pmml) add(at element, class int, top float64) error {
	for class >= len(p.total) {
		p.total = append(p.total, 0)
	}
	if p.total[class] += top; !(p.total[class] < math.MaxFloat32/2) {
		return p.bad(at, "the values are so large that a score can overflow")
	}
	return nil
}

// cover returns the training rows that reached each leaf, where the file says so of
// all leaves. A node that ends the way of several leaves counts once.
func (p *pmml) cover(t *sapling) []float32 {
	cover := make([]float32, len(t.leaves))
	counted := make(map[uint32]bool)
	for i, l := range t.leaves {
		if !l.at.exists() || counted[l.at.at] {
			continue
		}
		counted[l.at.at] = true
		x, ok := pmmlNumber(l.at.attribute("recordCount"))
		if !ok || x < 0 || x > math.MaxFloat32/1e9 {
			p.uncovered = true
			continue
		}
		cover[i] = float32(x)
		if l.at.child("Node").exists() { // those that stopped here, not those that went on
			l.at.children(func(c element) bool {
				if y, ok := pmmlNumber(c.attribute("recordCount")); ok && c.is("Node") {
					cover[i] -= float32(y)
				}
				return true
			})
			cover[i] = max(cover[i], 0)
		}
	}
	return cover
}

// treeScores grows a tree of numbers for a class: its scores, times a scale.
func (p *pmml) treeScores(at element, s *scope, class int, scale float64) error {
	g, err := p.newGrower(at, s)
	if err != nil {
		return err
	}
	if err := g.tree(at); err != nil {
		return err
	}
	return p.plantScores(at, g, "score", class, scale)
}

// plantScores plants a tree whose leaves' values are an attribute of what scores them.
func (p *pmml) plantScores(at element, g *grower, attribute string, class int, scale float64) error {
	values := make([]float64, len(g.leaves))
	for i, l := range g.leaves {
		values[i] = math.NaN()
		if !l.at.exists() {
			continue
		}
		text, ok := l.at.lookup(attribute)
		if !ok {
			continue
		}
		x, ok := pmmlNumber(text)
		if !ok {
			return p.bad(l.at, "the %s is not a finite number", attribute)
		}
		if p.float {
			x = float64(float32(x))
		}
		values[i] = float64(x * scale)
	}
	return p.plant(at, &g.sapling, class, values, p.cover(&g.sapling))
}

// treeShares grows a tree of classes: the share of each of p.labels at its leaves,
// or whether it is the one chosen, times a scale. With one class, the share is that
// of the label that counts.
func (p *pmml) treeShares(at element, s *scope, scale float64, chosen bool) error {
	g, err := p.newGrower(at, s)
	if err != nil {
		return err
	}
	if err := g.tree(at); err != nil {
		return err
	}
	shares := make([][]float64, p.e.Classes)
	for k := range shares {
		shares[k] = make([]float64, len(g.leaves))
	}
	for i, l := range g.leaves {
		share, err := p.shares(l.at, chosen)
		if err != nil {
			return err
		}
		for k := range shares {
			shares[k][i] = float64(share[k] * scale)
		}
	}
	cover := p.cover(&g.sapling)
	for k := range shares {
		if err := p.plant(at, &g.sapling, k, shares[k], cover); err != nil {
			return err
		}
	}
	return nil
}

// shares returns the probability of each class at a node, NaN when it has none.
func (p *pmml) shares(at element, chosen bool) ([]float64, error) {
	share := make([]float64, p.e.Classes)
	none := func() ([]float64, error) {
		for k := range share {
			share[k] = math.NaN()
		}
		return share, nil
	}
	if !at.exists() {
		return none()
	}
	var labels []string
	var weight []float64
	total, given := 0.0, false
	err := p.each(at, func(c element) error {
		if !c.is("ScoreDistribution") {
			return nil
		}
		count := math.NaN()
		if _, ok := c.lookup("probability"); ok {
			given = true
			if err := p.optional(c, "probability", &count); err != nil || count < 0 || count > 1 {
				return p.bad(c, "the probability is not a number from 0 to 1")
			}
		} else if err := p.optional(c, "recordCount", &count); err != nil || given || !(count >= 0) {
			return p.bad(c, "it has neither a probability, as the others, nor a recordCount from 0 on")
		}
		total += count
		labels, weight = append(labels, c.attribute("value")), append(weight, count)
		return nil
	})
	if err != nil {
		return nil, err
	}
	score, scored := at.lookup("score")
	if len(labels) == 0 {
		if !scored {
			return none()
		}
		labels, weight, given = []string{score}, []float64{1}, true
	}
	if !given && total == 0 {
		return none()
	}
	if chosen && !scored { // the largest, the first of equals
		best := 0
		for i, w := range weight {
			if w > weight[best] {
				best = i
			}
		}
		score = labels[best]
	}
	if chosen {
		if k, ok := p.class[score]; ok {
			share[k] = 1
		}
		return share, nil
	}
	for i, label := range labels {
		if k, ok := p.class[label]; ok {
			if share[k] = weight[i]; !given {
				share[k] /= total
			}
		}
	}
	return share, nil
}
