package model

import (
	"math"
	"strings"

	"rescore/worker/transform"
)

// derivedDepthMax is how many derived fields may be derived from one another in a
// row, and expressions lie in one another.
const derivedDepthMax = 500

// pmmlValue is the result of an expression. A constant has a text, and is a number
// only when that is one.
type pmmlValue struct {
	operand  transform.Operand
	space    *space
	text     string
	constant bool
	number   bool // of a constant
	rounded  bool // values are float32s
	present  bool
	closed   bool
}

// declare enters the derived fields of a TransformationDictionary, or of a model's
// LocalTransformations, to be computed when they are used.
func (p *pmml) declare(at element, s *scope) error {
	if !at.exists() {
		return nil
	}
	return p.each(at, func(c element) error {
		if !c.is("DerivedField") {
			return p.skippable(c, "DefineFunction")
		}
		name := c.attribute("name")
		if name == "" {
			return p.bad(c, "its name is missing")
		}
		if f := s.fields[name]; f != nil && f.derived.exists() {
			return p.bad(c, "its name stands twice")
		}
		s.fields[name] = &pmmlField{derived: c, scope: s}
		return nil
	})
}

// derive computes a derived field.
func (p *pmml) derive(f *pmmlField) error {
	at := f.derived
	expression := none
	if err := p.each(at, func(c element) error {
		if c.is("Value") || c.is("Interval") {
			return nil
		}
		if expression.exists() {
			return p.bad(c, "a derived field has a second expression")
		}
		expression = c
		return nil
	}); err != nil {
		return err
	}
	if !expression.exists() {
		return p.bad(at, "a derived field has no expression")
	}
	if p.depth++; p.depth > derivedDepthMax {
		return p.refuse(at, "more than %d fields are derived from one another in a row", derivedDepthMax)
	}
	f.busy = true
	kind := at.attribute("dataType")
	v, err := p.expression(f.scope, expression, kind)
	f.busy = false
	p.depth--
	if err != nil {
		return err
	}
	numeric := kind == "double" || kind == "float" || kind == "integer"
	switch {
	case v.constant && (v.number && kind != "string"):
	case v.constant:
		v.space = &p.derivedTexts
		v.operand = transform.Constant(float64(v.space.code(v.text)))
	case numeric && v.space != nil:
		if p.work -= len(v.space.list); p.work < 0 {
			return p.refuse(at, "texts are turned into others too often")
		}
		v = p.parsed(v)
	}
	single := kind == "float" && v.space == nil
	if single && !v.rounded {
		round, _ := transform.Call("float", 1)
		v.operand = p.steps.Add(round, v.operand)
	}
	if v.operand.Column() < 0 { // trees ask columns
		v.operand = p.steps.Add(transform.Fill(math.NaN()), v.operand)
	}
	f.operand, f.space, f.present, f.closed = v.operand, v.space, v.present, v.closed
	f.single, f.rounded, f.made = single, single, true
	return p.bounded(at)
}

// bounded refuses a document whose expressions make too many columns.
func (p *pmml) bounded(at element) error {
	if p.steps.Columns() > transform.ColumnsMax {
		return p.refuse(at, "what is derived takes more than %d columns", transform.ColumnsMax)
	}
	return nil
}

// parsed turns texts into the numbers they are.
func (p *pmml) parsed(v pmmlValue) pmmlValue {
	var keys [][]float64
	var values []float64
	for code, text := range v.space.list {
		if x, ok := pmmlNumber(text); ok {
			keys, values = append(keys, []float64{float64(code)}), append(values, x)
		}
	}
	return pmmlValue{operand: p.steps.Add(transform.NewTable(keys, values, math.NaN(), math.NaN()), v.operand)}
}

// expression computes an expression, whose result should be of a dataType, "" when
// nothing is known of it.
func (p *pmml) expression(s *scope, at element, kind string) (pmmlValue, error) {
	if p.depth++; p.depth > derivedDepthMax {
		return pmmlValue{}, p.refuse(at, "expressions lie more than %d deep in one another", derivedDepthMax)
	}
	defer func() { p.depth-- }()
	if err := p.bounded(at); err != nil {
		return pmmlValue{}, err
	}
	switch {
	case at.is("Constant"):
		return p.constant(at)
	case at.is("FieldRef"):
		return p.fieldRef(s, at)
	case at.is("NormContinuous"):
		return p.normContinuous(s, at)
	case at.is("NormDiscrete"):
		return p.normDiscrete(s, at)
	case at.is("Discretize"):
		return p.discretize(s, at, kind)
	case at.is("MapValues"):
		return p.mapValues(s, at, kind)
	case at.is("Apply"):
		return p.apply(s, at, kind)
	}
	return pmmlValue{}, p.refuse(at, "this expression is none of Constant, FieldRef, NormContinuous, NormDiscrete, Discretize, MapValues and Apply")
}

func (p *pmml) constant(at element) (pmmlValue, error) {
	if at.attribute("missing") == "true" {
		return pmmlValue{constant: true, number: true, operand: transform.Constant(math.NaN())}, nil
	}
	v := literal(at.content())
	switch at.attribute("dataType") {
	case "":
	case "string":
		v.number = false
	case "boolean", "integer", "float", "double":
		if !v.number {
			return v, p.bad(at, "the constant is none of its dataType")
		}
	default:
		return v, p.refuse(at, "the dataType is none of string, boolean, integer, float and double")
	}
	return v, nil
}

// literal returns a constant given as text.
func literal(text string) pmmlValue {
	v := pmmlValue{constant: true, text: text, present: true, operand: transform.Constant(math.NaN())}
	if x, ok := pmmlNumber(text); ok {
		v.number, v.operand = true, transform.Constant(x)
	}
	return v
}

// within returns a constant, or a column, as an operand of a space: a code, or for
// no space a number.
func (p *pmml) within(at element, v pmmlValue, in *space) (transform.Operand, error) {
	switch {
	case v.constant && v.operand.Constant() != v.operand.Constant() && v.number: // missing
		return v.operand, nil
	case v.constant && in != nil:
		return transform.Constant(float64(in.code(v.text))), nil
	case v.constant && !v.number:
		return v.operand, p.bad(at, "a text stands where a number should")
	case v.space == in, in == nil && v.space.truth:
		return v.operand, nil
	case in == nil:
		return v.operand, p.bad(at, "a field of texts stands where one of numbers should")
	case v.space == nil:
		return v.operand, p.refuse(at, "a number and a text meet")
	}
	if p.work -= len(v.space.list); p.work < 0 {
		return v.operand, p.refuse(at, "texts are turned into others too often")
	}
	var keys [][]float64
	var values []float64
	for code, text := range v.space.list {
		keys, values = append(keys, []float64{float64(code)}), append(values, float64(in.code(text)))
	}
	return p.steps.Add(transform.NewTable(keys, values, -1, math.NaN()), v.operand), nil
}

// reference returns the column of the field that an attribute names.
func (p *pmml) reference(s *scope, at element, attribute string) (pmmlValue, error) {
	f, err := p.column(s, at, at.attribute(attribute))
	if err != nil {
		return pmmlValue{}, err
	}
	v := pmmlValue{operand: f.operand, space: f.space, rounded: f.single, present: f.present, closed: f.closed}
	if f.single && !f.rounded {
		round, _ := transform.Call("float", 1)
		v.operand = p.steps.Add(round, v.operand)
	}
	return v, nil
}

func (p *pmml) fieldRef(s *scope, at element) (pmmlValue, error) {
	v, err := p.reference(s, at, "field")
	if err != nil {
		return v, err
	}
	text, ok := at.lookup("mapMissingTo")
	if !ok {
		return v, nil
	}
	x, err := p.within(at, literal(text), v.space)
	if err != nil {
		return v, err
	}
	v.operand, v.present, v.closed = p.steps.Add(transform.Fill(x.Constant()), v.operand), true, v.closed && x.Constant() >= 0
	return v, nil
}

// numbers returns the column of the field that an expression names, which must hold
// numbers, and what mapMissingTo gives for a missing one.
func (p *pmml) numbers(s *scope, at element) (in transform.Operand, missing float64, err error) {
	v, err := p.reference(s, at, "field")
	if err == nil && v.space != nil {
		err = p.bad(at, "the field holds texts, and numbers are asked for")
	}
	return v.operand, math.NaN(), err
}

func (p *pmml) normContinuous(s *scope, at element) (pmmlValue, error) {
	in, missing, err := p.numbers(s, at)
	if err != nil {
		return pmmlValue{}, err
	}
	n := transform.Norm{Missing: missing}
	if err := p.optional(at, "mapMissingTo", &n.Missing); err != nil {
		return pmmlValue{}, err
	}
	switch at.attribute("outliers") {
	case "", "asIs":
	case "asMissingValues":
		n.Outliers = transform.OutliersMissing
	case "asExtremeValues":
		n.Outliers = transform.OutliersExtremes
	default:
		return pmmlValue{}, p.bad(at, "outliers is none of asIs, asMissingValues and asExtremeValues")
	}
	err = p.each(at, func(c element) error {
		from, err := p.number(c, "orig")
		if err != nil {
			return err
		}
		to, err := p.number(c, "norm")
		if err != nil {
			return err
		}
		if len(n.From) > 0 && from <= n.From[len(n.From)-1] {
			return p.bad(c, "orig does not ascend")
		}
		n.From, n.To = append(n.From, from), append(n.To, to)
		return nil
	})
	if err != nil {
		return pmmlValue{}, err
	}
	if len(n.From) < 2 {
		return pmmlValue{}, p.bad(at, "there are fewer than two points")
	}
	return pmmlValue{operand: p.steps.Add(n, in)}, nil
}

func (p *pmml) normDiscrete(s *scope, at element) (pmmlValue, error) {
	v, err := p.reference(s, at, "field")
	if err != nil {
		return v, err
	}
	x, err := p.within(at, literal(at.attribute("value")), v.space)
	if err != nil {
		return v, err
	}
	equal, _ := transform.Call("equal", 2)
	if missing, ok := at.lookup("mapMissingTo"); ok {
		fill, ok := pmmlNumber(missing)
		if !ok {
			return v, p.bad(at, "mapMissingTo is not a number")
		}
		return pmmlValue{operand: p.steps.Add(transform.Fill(fill), p.steps.Add(equal, v.operand, x)), present: true}, nil
	}
	return pmmlValue{operand: p.steps.Add(equal, v.operand, x), present: v.present}, nil
}

// outcome is what a table, or bins, give: numbers when the dataType says so, or when
// it says nothing and all of them are.
type outcome struct {
	space *space
	of    *pmml
}

func (p *pmml) outcome(at element, kind string, texts []string) outcome {
	if own := at.attribute("dataType"); own != "" {
		kind = own
	}
	numeric := kind != "string"
	for _, text := range texts {
		if _, ok := pmmlNumber(text); !ok && kind == "" {
			numeric = false
		}
	}
	if numeric {
		return outcome{nil, p}
	}
	return outcome{&p.derivedTexts, p}
}

// value returns a result; NaN for one that is not given.
func (o outcome) value(at element, text string, given bool) (float64, error) {
	if !given {
		return math.NaN(), nil
	}
	x, err := o.of.within(at, literal(text), o.space)
	return x.Constant(), err
}

func (p *pmml) discretize(s *scope, at element, kind string) (pmmlValue, error) {
	in, _, err := p.numbers(s, at)
	if err != nil {
		return pmmlValue{}, err
	}
	var bins transform.Bins
	var texts []string
	err = p.each(at, func(c element) error {
		inner := c.child("Interval")
		text, ok := c.lookup("binValue")
		if !c.is("DiscretizeBin") || !inner.exists() || !ok {
			return p.bad(c, "this is no bin with an interval and a value")
		}
		v, err := p.interval(inner)
		bins.Intervals, texts = append(bins.Intervals, v), append(texts, text)
		return err
	})
	if err != nil {
		return pmmlValue{}, err
	}
	missing, hasMissing := at.lookup("mapMissingTo")
	otherwise, hasOtherwise := at.lookup("defaultValue")
	if hasMissing {
		texts = append(texts, missing)
	}
	if hasOtherwise {
		texts = append(texts, otherwise)
	}
	o := p.outcome(at, kind, texts)
	for i := range bins.Intervals {
		x, err := o.value(at, texts[i], true)
		if err != nil {
			return pmmlValue{}, err
		}
		bins.Values = append(bins.Values, x)
	}
	if bins.Missing, err = o.value(at, missing, hasMissing); err != nil {
		return pmmlValue{}, err
	}
	if bins.Otherwise, err = o.value(at, otherwise, hasOtherwise); err != nil {
		return pmmlValue{}, err
	}
	return pmmlValue{operand: p.steps.Add(bins, in), space: o.space}, nil
}

// local returns a column's name without its prefix.
func local(name string) string { return name[strings.IndexByte(name, ':')+1:] }

func (p *pmml) mapValues(s *scope, at element, kind string) (pmmlValue, error) {
	var columns []string
	var in []pmmlValue
	table := none
	err := p.each(at, func(c element) error {
		switch {
		case c.is("FieldColumnPair"):
			v, err := p.reference(s, c, "field")
			columns, in = append(columns, local(c.attribute("column"))), append(in, v)
			return err
		case c.is("InlineTable"):
			table = c
			return nil
		}
		return p.refuse(c, "a table that is not in the document")
	})
	if err != nil {
		return pmmlValue{}, err
	}
	if len(in) == 0 || !table.exists() {
		return pmmlValue{}, p.bad(at, "it has no field, or no table")
	}
	if len(in) > attributesMax {
		return pmmlValue{}, p.refuse(at, "it has more than %d fields", attributesMax)
	}
	output := local(at.attribute("outputColumn"))
	var keys [][]float64
	var texts []string
	var places []element
	err = p.each(table, func(row element) error {
		key, found := make([]float64, len(in)), 0
		text, ok := "", false
		err := p.each(row, func(cell element) error {
			name := cell.name()
			if name == output {
				text, ok = cell.content(), true
			}
			for i, column := range columns {
				if column != name {
					continue
				}
				x, err := p.within(cell, literal(cell.content()), in[i].space)
				if err != nil {
					return err
				}
				key[i] = x.Constant()
				found++
			}
			return nil
		})
		if err != nil {
			return err
		}
		if found != len(in) || !ok {
			return p.bad(row, "the row lacks a cell, or has one twice")
		}
		keys, texts, places = append(keys, key), append(texts, text), append(places, row)
		return nil
	})
	if err != nil {
		return pmmlValue{}, err
	}
	missing, hasMissing := at.lookup("mapMissingTo")
	otherwise, hasOtherwise := at.lookup("defaultValue")
	all := texts
	if hasMissing {
		all = append(all, missing)
	}
	if hasOtherwise {
		all = append(all, otherwise)
	}
	o := p.outcome(at, kind, all)
	values := make([]float64, len(keys))
	for i := range values {
		if values[i], err = o.value(places[i], texts[i], true); err != nil {
			return pmmlValue{}, err
		}
	}
	whenMissing, err := o.value(at, missing, hasMissing)
	if err != nil {
		return pmmlValue{}, err
	}
	whenNot, err := o.value(at, otherwise, hasOtherwise)
	if err != nil {
		return pmmlValue{}, err
	}
	operands := make([]transform.Operand, len(in))
	for i, v := range in {
		operands[i] = v.operand
	}
	return pmmlValue{operand: p.steps.Add(transform.NewTable(keys, values, whenNot, whenMissing), operands...), space: o.space}, nil
}

// apply computes a function of expressions.
func (p *pmml) apply(s *scope, at element, kind string) (pmmlValue, error) {
	name := at.attribute("function")
	var in []pmmlValue
	err := p.each(at, func(c element) error {
		of := ""
		if name == "if" && len(in) > 0 {
			of = kind
		}
		v, err := p.expression(s, c, of)
		in = append(in, v)
		return err
	})
	if err != nil {
		return pmmlValue{}, err
	}
	f, ok := transform.Call(name, len(in))
	if !ok || name == "float" {
		return pmmlValue{}, p.refuse(at, "a function of %d operands that is none of %s", len(in), strings.Join(transform.Calls(), " "))
	}
	operands, space, err := p.operands(at, name, kind, in)
	if err != nil {
		return pmmlValue{}, err
	}
	v := pmmlValue{operand: p.steps.Add(f, operands...), space: space}
	if text, ok := at.lookup("mapMissingTo"); ok {
		x, err := p.within(at, literal(text), space)
		if err != nil {
			return v, err
		}
		absent, _ := transform.Call("isMissing", 1)
		missing, known := transform.Operand{}, false
		for _, o := range operands {
			if o.Column() < 0 {
				continue
			}
			flag := p.steps.Add(absent, o)
			if known {
				or, _ := transform.Call("or", 2)
				flag = p.steps.Add(or, missing, flag)
			}
			missing, known = flag, true
		}
		if known {
			choose, _ := transform.Call("if", 3)
			v.operand = p.steps.Add(choose, missing, x, v.operand)
		}
	}
	if text, ok := at.lookup("defaultValue"); ok {
		x, err := p.within(at, literal(text), space)
		if err != nil {
			return v, err
		}
		v.operand, v.present = p.steps.Add(transform.Fill(x.Constant()), v.operand), true
	}
	return v, nil
}

// operands turns the operands of a function into columns and numbers. Texts can be
// compared with texts, chosen by if, and asked whether they are missing.
func (p *pmml) operands(at element, name, kind string, in []pmmlValue) ([]transform.Operand, *space, error) {
	operands := make([]transform.Operand, len(in))
	convert := func(from int, to *space) error {
		for i := from; i < len(in); i++ {
			var err error
			if operands[i], err = p.within(at, in[i], to); err != nil {
				return err
			}
		}
		return nil
	}
	of := func(from int) *space { // the texts that meet
		var common *space
		texts := false
		for _, v := range in[from:] {
			switch {
			case v.constant:
				texts = texts || !v.number
			case v.space != nil && common == nil:
				common = v.space
			case v.space != common:
				common = &p.derivedTexts
			}
		}
		if common == nil && texts {
			common = &p.derivedTexts
		}
		return common
	}
	switch name {
	case "equal", "notEqual", "isIn", "isNotIn":
		return operands, nil, convert(0, of(0))
	case "isMissing", "isNotMissing":
		operands[0] = in[0].operand
		return operands, nil, nil
	case "if":
		to := of(1)
		if kind == "string" || to != nil {
			to = &p.derivedTexts
		}
		if err := convert(1, to); err != nil {
			return nil, nil, err
		}
		var err error
		operands[0], err = p.within(at, in[0], nil)
		return operands, to, err
	}
	return operands, nil, convert(0, nil)
}
