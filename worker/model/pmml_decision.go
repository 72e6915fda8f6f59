package model

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"rescore/worker/transform"
)

// A node of PMML's tree tries its children one after the other, and takes the first
// whose predicate is true. A predicate is true, false or, where a value is missing,
// unknown. What such a node does with a row is written here as a small tree of tests
// with three ends each, whose leaves are its targets: children, or no child.
//
// Such tests become the binary nodes of the frozen tree: where a missing value goes
// the way of one of the two others, as it nearly always does, a test is a node.

// Targets of a decision that are no child.
const (
	targetLast = -1 // the node's own score counts
	targetNull = -2 // there is no score
)

// testsMax is how many tests the decision of one node may take, beside four for each
// of its children. What takes more is computed as a column beforehand, and the tree
// asks for that.
const testsMax = 64

// verdict is a test, or a target.
type verdict struct {
	question *question
	yes, no  *verdict
	absent   *verdict // nil where the value cannot be missing
	target   int      // when question is nil
}

// question asks x <= limit of a field of numbers, or for membership of a set of
// codes. With a limit of +Inf all that is asked is whether there is a value.
type question struct {
	field *pmmlField
	limit float64
	set   []uint32 // words of 32 codes; nil for numbers
}

// knowledge is what the tests above say of a column.
type knowledge struct {
	low, high float64 // low < x <= high
	present   bool    // it may be there
	absent    bool    // it may be missing
	allowed   []uint32
	other     bool // a code outside of allowed's is possible
}

// pruneMax is how many codes a column may have for what is known of them to be kept.
const pruneMax = 2048

// decision works verdicts out. It is used again for every node of a model.
type decision struct {
	of    *pmml
	known map[int]knowledge // by column
	tests int               // that may still be made
}

// about returns what is known of a field.
func (d *decision) about(f *pmmlField) knowledge {
	if k, ok := d.known[f.operand.Column()]; ok {
		return k
	}
	k := knowledge{low: math.Inf(-1), high: math.Inf(1), present: true, absent: !f.present}
	if f.space != nil && f.closed && len(f.space.list) <= pruneMax {
		k.allowed = make([]uint32, (len(f.space.list)+31)/32)
		for code := range f.space.list {
			k.allowed[code/32] |= 1 << (code % 32)
		}
	}
	k.other = k.allowed == nil
	return k
}

// outcomes returns which answers a question can have.
func (d *decision) outcomes(q *question) (yes, no, absent bool) {
	k := d.about(q.field)
	switch {
	case !k.present:
	case q.set == nil:
		yes, no = k.low < q.limit, q.limit < k.high
	case k.allowed == nil:
		yes, no = true, true
	default:
		no = k.other
		for i, word := range k.allowed {
			in := uint32(0)
			if i < len(q.set) {
				in = q.set[i]
			}
			yes, no = yes || word&in != 0, no || word&^in != 0
		}
	}
	return yes, no, k.absent
}

// assume notes that a question had one of some answers, and returns what was known of
// the column before.
func (d *decision) assume(q *question, yes, no, absent bool) (before knowledge) {
	before = d.about(q.field)
	k := before
	k.absent = k.absent && absent
	k.present = k.present && (yes || no)
	if yes != no {
		switch {
		case q.set == nil && yes:
			k.high = min(k.high, q.limit)
		case q.set == nil:
			k.low = max(k.low, q.limit)
		case k.allowed != nil:
			allowed := slices.Clone(k.allowed)
			for i := range allowed {
				in := uint32(0)
				if i < len(q.set) {
					in = q.set[i]
				}
				if no {
					in = ^in
				}
				allowed[i] &= in
			}
			k.allowed, k.other = allowed, k.other && no
		}
	}
	d.known[q.field.operand.Column()] = k
	return before
}

// forget takes back what was assumed.
func (d *decision) forget(q *question, before knowledge) { d.known[q.field.operand.Column()] = before }

// rest is what follows an answer. Two answers that the same rest follows are one.
type rest struct{ decide func() (*verdict, error) }

func to(target int) *rest {
	if at := target - targetNull; at < len(targets) {
		return targets[at]
	}
	v := &verdict{target: target}
	return &rest{func() (*verdict, error) { return v, nil }}
}

// targets are the rests that nearly all nodes have: no child, and one of a few.
var targets = func() []*rest {
	list := make([]*rest, 8)
	for i := range list {
		v := &verdict{target: targetNull + i}
		list[i] = &rest{func() (*verdict, error) { return v, nil }}
	}
	return list
}()

// ask makes the test of a question.
func (d *decision) ask(at element, q *question, yes, no, absent *rest) (*verdict, error) {
	canYes, canNo, canAbsent := d.outcomes(q)
	var v verdict
	follow := func(r *rest, y, n, a bool) (*verdict, error) {
		defer d.forget(q, d.assume(q, y, n, a))
		return r.decide()
	}
	if d.tests--; d.tests < 0 {
		return nil, errTests
	}
	v.question = q
	var err error
	if canYes {
		if v.yes, err = follow(yes, true, false, absent == yes); err != nil {
			return nil, err
		}
	}
	if canNo {
		if v.no, err = follow(no, false, true, absent == no); err != nil {
			return nil, err
		}
	}
	if canAbsent {
		switch {
		case absent == yes && v.yes != nil:
			v.absent = v.yes
		case absent == no && v.no != nil:
			v.absent = v.no
		default:
			if v.absent, err = follow(absent, false, false, true); err != nil {
				return nil, err
			}
		}
	}
	return v.simple(at, d.of)
}

// errTests is returned where a decision takes too many tests.
var errTests = refused("a decision takes too many tests")

// simple joins ends that are the same.
func (v *verdict) simple(at element, p *pmml) (*verdict, error) {
	switch {
	case v.yes == nil && v.no == nil && v.absent == nil:
		return nil, p.bad(at, "no value can reach it")
	case v.yes == nil && v.no == nil:
		return v.absent, nil
	case v.yes == nil:
		v.yes = v.no
	case v.no == nil:
		v.no = v.yes
	}
	if v.absent != nil && v.absent != v.yes && v.absent != v.no {
		switch {
		case alike(v.absent, v.yes) || v.yes.sink(v.question.field, v.absent):
			v.absent = v.yes
		case alike(v.absent, v.no) || v.no.sink(v.question.field, v.absent):
			v.absent = v.no
		}
	}
	if alike(v.yes, v.no) && (v.absent == nil || alike(v.absent, v.yes)) {
		return v.yes, nil
	}
	return v, nil
}

// alike reports whether two verdicts give all rows the same targets.
func alike(a, b *verdict) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil || a.question == nil != (b.question == nil) {
		return false
	}
	if a.question == nil {
		return a.target == b.target
	}
	return a.question.field.operand == b.question.field.operand && a.question.limit == b.question.limit && slices.Equal(a.question.set, b.question.set) &&
		alike(a.yes, b.yes) && alike(a.no, b.no) && alike(a.absent, b.absent)
}

// sink leads rows without a value of a field, which do not come here yet, to a
// target that v has too; false when it cannot.
func (v *verdict) sink(f *pmmlField, target *verdict) bool {
	if target.question != nil {
		return false
	}
	if v.question == nil {
		return v.target == target.target
	}
	if v.question.field.operand != f.operand || v.absent != nil {
		return false
	}
	for _, end := range []*verdict{v.yes, v.no} {
		if end.sink(f, target) {
			v.absent = end
			return true
		}
	}
	return false
}

// children makes the verdict of a list of predicates, the first of which that is
// true gives the target of its place. unknown follows the predicate of a place that
// is unknown: nil for what follows one that is false. end follows the last.
func (d *decision) children(s *scope, predicates []element, unknown func(place int) *rest, end *rest) (*verdict, error) {
	d.tests = testsMax + 4*len(predicates)
	next := end
	for i := len(predicates) - 1; i >= 0; i-- {
		otherwise, absent := next, next
		if u := unknown(i); u != nil {
			absent = u
		}
		predicate, yes := predicates[i], to(i)
		next = &rest{func() (*verdict, error) { return d.predicate(s, predicate, yes, otherwise, absent) }}
	}
	return next.decide()
}

// isPredicate reports whether an element is one.
func isPredicate(at element) bool {
	return at.is("SimplePredicate") || at.is("True") || at.is("SimpleSetPredicate") || at.is("CompoundPredicate") || at.is("False")
}

// predicate makes the verdict of a predicate and what follows its answers.
func (d *decision) predicate(s *scope, at element, yes, no, absent *rest) (*verdict, error) {
	switch {
	case at.is("True"):
		return yes.decide()
	case at.is("False"):
		return no.decide()
	case at.is("SimplePredicate"):
		return d.comparison(s, at, yes, no, absent)
	case at.is("SimpleSetPredicate"):
		return d.membership(s, at, yes, no, absent)
	case at.is("CompoundPredicate"):
		return d.compound(s, at, yes, no, absent)
	}
	return nil, d.of.bad(at, "this is no predicate")
}

func (d *decision) comparison(s *scope, at element, yes, no, absent *rest) (*verdict, error) {
	p := d.of
	f, err := p.column(s, at, at.attribute("field"))
	if err != nil {
		return nil, err
	}
	operator := at.attribute("operator")
	switch operator {
	case "isMissing":
		return d.ask(at, &question{field: f, limit: math.Inf(1)}, no, no, yes)
	case "isNotMissing":
		return d.ask(at, &question{field: f, limit: math.Inf(1)}, yes, yes, no)
	}
	text, ok := at.lookup("value")
	if !ok {
		return nil, p.bad(at, "the value is missing")
	}
	if f.space != nil {
		q, err := p.codes(at, f, []string{text})
		switch {
		case err != nil:
			return nil, err
		case operator == "equal":
			return d.ask(at, q, yes, no, absent)
		case operator == "notEqual":
			return d.ask(at, q, no, yes, absent)
		}
		return nil, p.refuse(at, "texts are compared by other than equal and notEqual")
	}
	below, upTo, err := p.limits(at, f, text)
	if err != nil {
		return nil, err
	}
	smaller, notLarger := &question{field: f, limit: below}, &question{field: f, limit: upTo}
	switch operator {
	case "lessThan":
		return d.ask(at, smaller, yes, no, absent)
	case "lessOrEqual":
		return d.ask(at, notLarger, yes, no, absent)
	case "greaterThan":
		return d.ask(at, notLarger, no, yes, absent)
	case "greaterOrEqual":
		return d.ask(at, smaller, no, yes, absent)
	case "notEqual":
		yes, no = no, yes
	case "equal":
	default:
		return nil, p.bad(at, "the operator is none that is known")
	}
	above := &rest{func() (*verdict, error) { return d.ask(at, notLarger, yes, no, absent) }}
	return d.ask(at, smaller, no, above, absent)
}

// limits returns the largest numbers that are smaller than, and not larger than, a
// value of a field, as it compares them.
func (p *pmml) limits(at element, f *pmmlField, text string) (smaller, notLarger float64, err error) {
	x, ok := pmmlLimit(text)
	if !ok {
		return 0, 0, p.bad(at, "the value is not a number, as the field's are")
	}
	if !f.single || math.IsInf(x, 0) {
		return math.Nextafter(x, math.Inf(-1)), x, nil
	}
	single, err := strconv.ParseFloat(strings.TrimSpace(text), 32)
	if err != nil { // a truth value
		single = x
	}
	t := float32(single)
	if math.IsInf(float64(t), 0) {
		return 0, 0, p.bad(at, "the value is too large for a float")
	}
	return below(t), below(math.Nextafter32(t, float32(math.Inf(1)))), nil
}

// pmmlLimit reads a number that values are compared with, which may be infinite.
func pmmlLimit(text string) (float64, bool) {
	switch text := strings.TrimSpace(text); text {
	case "INF", "Infinity":
		return math.Inf(1), true
	case "-INF", "-Infinity":
		return math.Inf(-1), true
	}
	return pmmlNumber(text)
}

// codes returns the question for membership of a set of texts.
func (p *pmml) codes(at element, f *pmmlField, texts []string) (*question, error) {
	words := 0
	for _, text := range texts {
		code := f.space.code(text)
		if code >= categoriesEnd {
			return nil, p.refuse(at, "there are more than %d categories", categoriesEnd)
		}
		words = max(words, (code+32)/32)
	}
	if p.wordsLeft -= words; p.wordsLeft < 0 {
		return nil, p.refuse(at, "the model's sets of categories take too much room")
	}
	q := &question{field: f, set: make([]uint32, words)}
	for _, text := range texts {
		if code := f.space.code(text); code >= 0 {
			q.set[code/32] |= 1 << (code % 32)
		}
	}
	return q, nil
}

// array reads the Array of a SimpleSetPredicate.
func (p *pmml) array(at element) ([]string, error) {
	list := at.child("Array")
	if !list.exists() {
		return nil, p.bad(at, "the Array is missing")
	}
	words, ok := arrayWords(list.content())
	switch {
	case !ok:
		return nil, p.bad(list, "the quotes are not closed")
	case len(words) > categoriesMax:
		return nil, p.refuse(list, "there are more than %d values", categoriesMax)
	}
	if n := list.attribute("n"); n != "" && n != strconv.Itoa(len(words)) {
		return nil, p.bad(list, "%d values where n says otherwise", len(words))
	}
	return words, nil
}

// arrayWords parts an Array's text by blanks, as far as it is not too long. A word may
// be quoted, with quotes inside behind backslashes.
func arrayWords(text string) ([]string, bool) {
	var words []string
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" || len(words) > categoriesMax {
			return words, true
		}
		if text[0] != '"' {
			end := strings.IndexAny(text, " \t\r\n")
			if end < 0 {
				end = len(text)
			}
			words, text = append(words, text[:end]), text[end:]
			continue
		}
		var word strings.Builder
		at := 1
		for ; at < len(text) && text[at] != '"'; at++ {
			if text[at] == '\\' && at+1 < len(text) && (text[at+1] == '"' || text[at+1] == '\\') {
				at++
			}
			word.WriteByte(text[at])
		}
		if at == len(text) {
			return nil, false
		}
		words, text = append(words, word.String()), text[at+1:]
	}
}

func (d *decision) membership(s *scope, at element, yes, no, absent *rest) (*verdict, error) {
	p := d.of
	f, err := p.column(s, at, at.attribute("field"))
	if err != nil {
		return nil, err
	}
	texts, err := p.array(at)
	if err != nil {
		return nil, err
	}
	switch at.attribute("booleanOperator") {
	case "isIn":
	case "isNotIn":
		yes, no = no, yes
	default:
		return nil, p.bad(at, "the booleanOperator is neither isIn nor isNotIn")
	}
	if f.space != nil {
		q, err := p.codes(at, f, texts)
		if err != nil {
			return nil, err
		}
		return d.ask(at, q, yes, no, absent)
	}
	if len(texts) > testsMax {
		return nil, errTests
	}
	// Numbers: one comparison after the other.
	next := no
	for _, text := range texts {
		below, upTo, err := p.limits(at, f, text)
		if err != nil {
			return nil, err
		}
		otherwise := next
		above := &rest{func() (*verdict, error) {
			return d.ask(at, &question{field: f, limit: upTo}, yes, otherwise, absent)
		}}
		next = &rest{func() (*verdict, error) {
			return d.ask(at, &question{field: f, limit: below}, otherwise, above, absent)
		}}
	}
	if len(texts) == 0 { // nothing is in the empty set, and a missing value is unknown
		return d.ask(at, &question{field: f, limit: math.Inf(1)}, no, no, absent)
	}
	return next.decide()
}

func (d *decision) compound(s *scope, at element, yes, no, absent *rest) (*verdict, error) {
	p := d.of
	var parts []element
	if err := p.each(at, func(c element) error {
		parts = append(parts, c)
		return nil
	}); err != nil {
		return nil, err
	}
	if len(parts) < 2 {
		return nil, p.bad(at, "it joins fewer than two predicates")
	}
	if len(parts) > testsMax {
		return nil, errTests
	}
	switch operator := at.attribute("booleanOperator"); operator {
	case "and":
		return d.join(s, parts, no, yes, absent, false).decide()
	case "or":
		return d.join(s, parts, yes, no, absent, true).decide()
	case "xor":
		return d.differ(s, parts, yes, no, absent).decide()
	case "surrogate":
		next := absent
		for i := len(parts) - 1; i >= 0; i-- {
			part, unknown := parts[i], next
			next = &rest{func() (*verdict, error) { return d.predicate(s, part, yes, no, unknown) }}
		}
		return next.decide()
	}
	return nil, p.bad(at, "the booleanOperator is none of and, or, xor and surrogate")
}

// join makes and, which one false part decides, or or. decided follows that; end
// follows when no part decides, and absent when moreover one was unknown.
func (d *decision) join(s *scope, parts []element, decided, end, absent *rest, or bool) *rest {
	if len(parts) == 0 {
		return end
	}
	var next, unknown *rest
	next = d.join(s, parts[1:], decided, end, absent, or)
	switch {
	case absent == decided || absent == end && len(parts) == 1:
		unknown = absent
	case absent == end:
		unknown = next
	default:
		unknown = d.join(s, parts[1:], decided, absent, absent, or)
	}
	return &rest{func() (*verdict, error) {
		if or {
			return d.predicate(s, parts[0], decided, next, unknown)
		}
		return d.predicate(s, parts[0], next, decided, unknown)
	}}
}

// differ makes xor: true when an odd number of parts is.
func (d *decision) differ(s *scope, parts []element, odd, even, absent *rest) *rest {
	for i := len(parts) - 1; i >= 0; i-- {
		part, wasOdd, wasEven := parts[i], odd, even
		even = &rest{func() (*verdict, error) { return d.predicate(s, part, wasOdd, wasEven, absent) }}
		odd = &rest{func() (*verdict, error) { return d.predicate(s, part, wasEven, wasOdd, absent) }}
	}
	return even
}

// Predicates as columns: 1, 0, or missing where they are unknown.

func (p *pmml) call(name string, in ...transform.Operand) transform.Operand {
	f, ok := transform.Call(name, len(in))
	if !ok {
		panic("model: no function " + name)
	}
	return p.steps.Add(f, in...)
}

// predicateColumn computes a predicate.
func (p *pmml) predicateColumn(s *scope, at element) (transform.Operand, error) {
	if err := p.bounded(at); err != nil {
		return transform.Operand{}, err
	}
	switch {
	case at.is("True"):
		return transform.Constant(1), nil
	case at.is("False"):
		return transform.Constant(0), nil
	case at.is("SimplePredicate"):
		operator := at.attribute("operator")
		v, err := p.reference(s, at, "field")
		if err != nil {
			return transform.Operand{}, err
		}
		if operator == "isMissing" || operator == "isNotMissing" {
			return p.call(operator, v.operand), nil
		}
		if v.space != nil && operator != "equal" && operator != "notEqual" {
			return transform.Operand{}, p.refuse(at, "texts are compared by other than equal and notEqual")
		}
		x, err := p.compared(at, v, at.attribute("value"))
		if err != nil {
			return transform.Operand{}, err
		}
		if f, ok := transform.Call(operator, 2); ok && strings.Contains(" equal notEqual lessThan lessOrEqual greaterThan greaterOrEqual ", " "+operator+" ") {
			return p.steps.Add(f, v.operand, x), nil
		}
		return transform.Operand{}, p.bad(at, "the operator is none that is known")
	case at.is("SimpleSetPredicate"):
		return p.membershipColumn(s, at)
	case at.is("CompoundPredicate"):
		return p.compoundColumn(s, at)
	}
	return transform.Operand{}, p.bad(at, "this is no predicate")
}

// compared returns a value that a field is compared with.
func (p *pmml) compared(at element, v pmmlValue, text string) (transform.Operand, error) {
	if x, ok := pmmlLimit(text); ok && math.IsInf(x, 0) && v.space == nil {
		return transform.Constant(math.Copysign(math.MaxFloat64, x)), nil // every value is finite
	}
	x, err := p.within(at, literal(text), v.space)
	if err == nil && v.rounded {
		x = transform.Constant(float64(float32(x.Constant())))
	}
	return x, err
}

func (p *pmml) membershipColumn(s *scope, at element) (transform.Operand, error) {
	v, err := p.reference(s, at, "field")
	if err != nil {
		return transform.Operand{}, err
	}
	texts, err := p.array(at)
	if err != nil {
		return transform.Operand{}, err
	}
	in, out := 1.0, 0.0
	switch at.attribute("booleanOperator") {
	case "isIn":
	case "isNotIn":
		in, out = 0, 1
	default:
		return transform.Operand{}, p.bad(at, "the booleanOperator is neither isIn nor isNotIn")
	}
	keys, values := make([][]float64, len(texts)), make([]float64, len(texts))
	for i, text := range texts {
		x, err := p.compared(at, v, text)
		if err != nil {
			return transform.Operand{}, err
		}
		keys[i], values[i] = []float64{x.Constant()}, in
	}
	return p.steps.Add(transform.NewTable(keys, values, out, math.NaN()), v.operand), nil
}

func (p *pmml) compoundColumn(s *scope, at element) (transform.Operand, error) {
	if p.depth++; p.depth > derivedDepthMax {
		return transform.Operand{}, p.refuse(at, "predicates lie more than %d deep in one another", derivedDepthMax)
	}
	defer func() { p.depth-- }()
	var parts []transform.Operand
	err := p.each(at, func(c element) error {
		o, err := p.predicateColumn(s, c)
		parts = append(parts, o)
		return err
	})
	if err != nil {
		return transform.Operand{}, err
	}
	if len(parts) < 2 {
		return transform.Operand{}, p.bad(at, "it joins fewer than two predicates")
	}
	all := parts[0]
	switch operator := at.attribute("booleanOperator"); operator {
	case "and", "or":
		return p.call(operator, parts...), nil
	case "xor":
		for _, part := range parts[1:] {
			all = p.call("notEqual", all, part)
		}
	case "surrogate":
		for _, part := range parts[1:] {
			all = p.steps.Add(transform.Fill(math.NaN()), all, part)
		}
	default:
		return all, p.bad(at, "the booleanOperator is none of and, or, xor and surrogate")
	}
	return all, nil
}

// choiceColumn computes the target of a list of predicates as a number: the place of
// the first that is true, and past the last place for none.
func (p *pmml) choiceColumn(s *scope, predicates []element, unknown func(place int) (target int, ok bool), end int) (transform.Operand, error) {
	all := transform.Constant(float64(end))
	for i := len(predicates) - 1; i >= 0; i-- {
		is, err := p.predicateColumn(s, predicates[i])
		if err != nil {
			return all, err
		}
		if target, ok := unknown(i); ok {
			all = p.steps.Add(transform.Fill(float64(target)), p.call("if", is, transform.Constant(float64(i)), all))
		} else {
			all = p.call("if", p.steps.Add(transform.Fill(0), is), transform.Constant(float64(i)), all)
		}
	}
	return all, nil
}
