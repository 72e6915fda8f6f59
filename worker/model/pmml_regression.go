package model

import (
	"math"
	"slices"

	"rescore/worker/transform"
)

// links are the links of the normalizationMethods with one result.
var links = map[string]Link{
	"": Identity, "none": Identity, "logit": Logistic, "softmax": Logistic, "exp": Exponential,
	"probit": Probit, "cloglog": CLogLog, "loglog": LogLog, "cauchit": Cauchit,
}

const linkNames = "none, simplemax, softmax, logit, probit, cloglog, exp, cauchit and loglog"

// regression reads the outermost model when its result is a number.
func (p *pmml) regression(at element, s *scope) error {
	last := at
	if at.is("MiningModel") {
		var err error
		if last, s, err = p.chain(at, s); err != nil {
			return err
		}
	}
	p.outputs = []element{at.child("Output"), last.child("Output")}
	if last.is("RegressionModel") {
		link, ok := links[last.attribute("normalizationMethod")]
		if !ok {
			return p.refuse(last, "the normalizationMethod of a number is none of %s", linkNames)
		}
		p.e.Link = link
		tables, err := p.tables(last, 1)
		if err != nil {
			return err
		}
		if link != Identity {
			if last.child("Targets").exists() || at.child("Targets").exists() {
				return p.refuse(last, "Targets change a result that was normalized")
			}
			return p.table(tables[0], s, 0, 1)
		}
	}
	if last != at { // what the chain's last model gives is what the chain gives
		scale, err := p.rescale(at, 0, 1)
		if err != nil {
			return err
		}
		return p.result(last, s, 0, scale)
	}
	return p.result(last, s, 0, 1)
}

// tables returns the RegressionTables of a model, as many as there should be; any
// number, from two on, for 0.
func (p *pmml) tables(at element, want int) ([]element, error) {
	var tables []element
	at.children(func(c element) bool {
		if c.is("RegressionTable") {
			tables = append(tables, c)
		}
		return true
	})
	if want > 0 && len(tables) != want || want == 0 && len(tables) < 2 {
		return nil, p.bad(at, "it has %d RegressionTables", len(tables))
	}
	return tables, nil
}

// table adds a RegressionTable's sum, times a scale, to a class.
func (p *pmml) table(at element, s *scope, class int, scale float64) error {
	intercept := 0.0
	if err := p.optional(at, "intercept", &intercept); err != nil {
		return err
	}
	if err := p.begin(at, class, float64(intercept*scale)); err != nil {
		return err
	}
	categories := newCategories()
	err := p.each(at, func(c element) error {
		switch {
		case c.is("NumericPredictor"):
			return p.numeric(c, s, class, scale)
		case c.is("CategoricalPredictor"):
			return p.categorical(c, s, categories)
		case c.is("PredictorTerm"):
			return p.term(c, s, class, scale)
		}
		return p.bad(c, "it is no predictor")
	})
	if err != nil {
		return err
	}
	for _, name := range categories.names {
		t := categories.of[name]
		for i := range t.values {
			t.values[i] = float64(t.values[i] * scale)
		}
		column := p.steps.Add(transform.NewTable(t.keys, t.values, 0, 0), t.in)
		if err := p.weigh(at, column, class, 1); err != nil {
			return err
		}
	}
	return nil
}

// begin adds to what a class's sum begins with.
func (p *pmml) begin(at element, class int, x float64) error {
	p.e.Base[class] += x
	return p.add(at, class, math.Abs(x))
}

// weigh adds a column's weight to a class.
func (p *pmml) weigh(at element, column transform.Operand, class int, weight float64) error {
	if column.Column() < 0 {
		return p.begin(at, class, float64(column.Constant()*weight))
	}
	p.weights = append(p.weights, pmmlWeight{column.Column(), class, weight})
	return p.bounded(at)
}

func (p *pmml) numeric(at element, s *scope, class int, scale float64) error {
	weight, err := p.number(at, "coefficient")
	if err != nil {
		return err
	}
	exponent := 1.0
	if err := p.optional(at, "exponent", &exponent); err != nil {
		return err
	}
	f, err := p.find(s, at, at.attribute("name"))
	if err != nil {
		return err
	}
	if f.segment.exists() {
		if exponent != 1 {
			return p.refuse(at, "a segment's result is raised to a power")
		}
		if err := p.begin(at, class, float64(f.constant*float64(weight*scale))); err != nil {
			return err
		}
		return p.result(f.segment, f.from, class, float64(float64(weight*scale)*f.factor))
	}
	v, err := p.reference(s, at, "name")
	if err != nil {
		return err
	}
	if v.space != nil {
		return p.bad(at, "the field holds texts, and numbers are asked for")
	}
	if exponent != 1 {
		v.operand = p.call("pow", v.operand, transform.Constant(exponent))
	}
	return p.weigh(at, v.operand, class, float64(weight*scale))
}

// categories gathers what the values of a field weigh, field by field.
type categories struct {
	names []string
	of    map[string]*weighed
}

type weighed struct {
	in     transform.Operand
	space  *space
	keys   [][]float64
	values []float64
}

func newCategories() *categories { return &categories{of: make(map[string]*weighed)} }

func (p *pmml) categorical(at element, s *scope, c *categories) error {
	weight, err := p.number(at, "coefficient")
	if err != nil {
		return err
	}
	name := at.attribute("name")
	t := c.of[name]
	if t == nil {
		v, err := p.reference(s, at, "name")
		if err != nil {
			return err
		}
		t = &weighed{in: v.operand, space: v.space}
		c.of[name] = t
		c.names = append(c.names, name)
	}
	x, err := p.within(at, literal(at.attribute("value")), t.space)
	if err != nil {
		return err
	}
	t.keys, t.values = append(t.keys, []float64{x.Constant()}), append(t.values, weight)
	return nil
}

// term is a product of fields.
func (p *pmml) term(at element, s *scope, class int, scale float64) error {
	weight, err := p.number(at, "coefficient")
	if err != nil {
		return err
	}
	product, known := transform.Operand{}, false
	err = p.each(at, func(c element) error {
		v, err := p.reference(s, c, "field")
		switch {
		case err != nil:
			return err
		case v.space != nil:
			return p.refuse(c, "a field of texts stands in a product")
		case known:
			product = p.call("*", product, v.operand)
		default:
			product, known = v.operand, true
		}
		return p.bounded(c)
	})
	if err != nil {
		return err
	}
	if !known {
		return p.bad(at, "it is a product of nothing")
	}
	return p.weigh(at, product, class, float64(weight*scale))
}

// rescale reads what Targets do to a model's result: they multiply it, and add. It
// adds that to a class, and returns the new scale.
func (p *pmml) rescale(at element, class int, scale float64) (float64, error) {
	targets := at.child("Targets")
	if !targets.exists() {
		return scale, nil
	}
	seen := false
	err := p.each(targets, func(c element) error {
		if !c.is("Target") || seen {
			return p.refuse(c, "it is no Target, or a second one")
		}
		seen = true
		for _, name := range []string{"castInteger", "min", "max"} {
			if c.attribute(name) != "" {
				return p.refuse(c, "%s changes the result", name)
			}
		}
		if err := p.each(c, func(v element) error {
			if v.attribute("defaultValue") != "" || v.attribute("priorProbability") != "" {
				return p.refuse(v, "it gives a result where there is none")
			}
			return nil
		}); err != nil {
			return err
		}
		factor, constant := 1.0, 0.0
		if err := p.optional(c, "rescaleFactor", &factor); err != nil {
			return err
		}
		if err := p.optional(c, "rescaleConstant", &constant); err != nil {
			return err
		}
		if err := p.begin(c, class, float64(constant*scale)); err != nil {
			return err
		}
		scale = float64(scale * factor)
		return nil
	})
	return scale, err
}

// classification reads the outermost model when its result is a class.
func (p *pmml) classification(at element, s *scope) error {
	if at.child("Targets").exists() {
		if _, err := p.onlyNames(at.child("Targets")); err != nil {
			return err
		}
	}
	p.outputs = []element{at.child("Output")}
	last := at
	if at.is("MiningModel") {
		method := at.child("Segmentation").orRoot(p).attribute("multipleModelMethod")
		switch method {
		case "modelChain":
			var err error
			if last, s, err = p.chain(at, s); err != nil {
				return err
			}
			p.outputs = append(p.outputs, last.child("Output"))
		case "average", "weightedAverage", "majorityVote", "weightedMajorityVote":
			return p.ballot(at, s)
		default:
			return p.refuse(at, "the multipleModelMethod of classes is none of modelChain, average, weightedAverage, majorityVote and weightedMajorityVote")
		}
	}
	switch {
	case last.is("TreeModel"):
		if err := p.precise(last); err != nil {
			return err
		}
		if err := p.labelled(last, p.named(last)); err != nil {
			return err
		}
		return p.treeShares(last, s, 1, false)
	case last.is("RegressionModel"):
		return p.classes(last, s)
	}
	return p.refuse(last, "this model does not give classes here")
}

// onlyNames refuses Targets that do more than name values.
func (p *pmml) onlyNames(targets element) (bool, error) {
	return true, p.each(targets, func(c element) error {
		return p.each(c, func(v element) error {
			if v.attribute("priorProbability") != "" || v.attribute("defaultValue") != "" {
				return p.refuse(v, "it gives a result where there is none")
			}
			return nil
		})
	})
}

// named lists the classes that a model's elements name.
func (p *pmml) named(at element) []string {
	var names []string
	seen := make(map[string]bool)
	for i := at.at; i < p.doc.next[at.at] && len(names) <= classesMax; i++ {
		e := element{p.doc, i}
		name, ok := "", false
		switch {
		case e.is("ScoreDistribution"):
			name, ok = e.lookup("value")
		case e.is("Node"):
			name, ok = e.lookup("score")
		case e.is("RegressionTable"):
			name, ok = e.lookup("targetCategory")
		}
		if ok && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// complement are the links g with g(-x) = 1 - f(x).
var complement = map[Link]Link{Logistic: Logistic, Probit: Probit, Cauchit: Cauchit, CLogLog: LogLog, LogLog: CLogLog, Limited: Limited}

// classes reads a RegressionModel whose result is a class.
func (p *pmml) classes(at element, s *scope) error {
	tables, err := p.tables(at, 0)
	if err != nil {
		return err
	}
	names := make([]string, len(tables))
	for i, t := range tables {
		name, ok := t.lookup("targetCategory")
		if !ok || slices.Contains(names[:i], name) {
			return p.bad(t, "the targetCategory is missing, or stands twice")
		}
		names[i] = name
		if i > classesMax {
			return p.refuse(at, "the target has more than %d values", classesMax)
		}
	}
	if err := p.labelled(at, names); err != nil {
		return err
	}
	if len(p.values) != len(tables) {
		return p.bad(at, "there are %d RegressionTables for %d values of the target", len(tables), len(p.values))
	}
	method := at.attribute("normalizationMethod")
	if method == "simplemax" || len(tables) > 2 {
		switch method {
		case "simplemax":
			p.e.Link = SimpleMax
		case "softmax":
			p.e.Link = Softmax
		default:
			return p.refuse(at, "the normalizationMethod of more than two classes is neither softmax nor simplemax")
		}
		p.e.Classes, p.e.Labels, p.e.Base = len(tables), p.values, make([]float64, len(tables))
		for i, t := range tables {
			if err := p.table(t, s, slices.Index(p.values, names[i]), 1); err != nil {
				return err
			}
		}
		return nil
	}
	link, ok := links[method]
	if !ok {
		return p.refuse(at, "the normalizationMethod is none of %s", linkNames)
	}
	sign := 1.0
	if names[0] != p.e.Labels[0] {
		sign = -1
	}
	if method == "softmax" {
		p.e.Link = Logistic
		if err := p.table(tables[0], s, 0, sign); err != nil {
			return err
		}
		return p.table(tables[1], s, 0, -sign)
	}
	intercept := 0.0
	if err := p.optional(tables[1], "intercept", &intercept); err != nil {
		return err
	}
	empty := true
	tables[1].children(func(element) bool { empty = false; return false })
	if !empty || intercept != 0 && intercept != 1 {
		return p.refuse(tables[1], "the second of two classes has a sum of its own, and the normalizationMethod is not softmax")
	}
	if link == Identity { // a probability all the same
		link = Limited
	}
	if p.e.Link = link; sign < 0 {
		other, ok := complement[link]
		if !ok {
			return p.refuse(at, "the normalizationMethod gives the probability of the value that does not count")
		}
		if p.e.Link = other; link == Limited {
			if err := p.begin(at, 0, 1); err != nil {
				return err
			}
		}
	}
	return p.table(tables[0], s, 0, sign)
}
