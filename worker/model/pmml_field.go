package model

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"rescore/worker/transform"
)

// space is what the codes of a column of texts stand for: code i for list[i].
type space struct {
	codes map[string]int
	list  []string
	fixed bool // a text that is not in it can be in no row
	truth bool // the texts are false and true, whose codes are what they count as numbers
}

// code returns a text's code. Of a fixed space, one that is not in the list gets
// a code that no row has.
func (s *space) code(text string) int {
	if c, ok := s.codes[text]; ok {
		return c
	}
	if s.fixed {
		return -2
	}
	if s.codes == nil {
		s.codes = make(map[string]int)
	}
	s.codes[text] = len(s.list)
	s.list = append(s.list, text)
	return len(s.list) - 1
}

// pmmlField is a name that predicates, predictors and expressions may use.
type pmmlField struct {
	operand transform.Operand
	space   *space // what its codes stand for; nil for numbers
	single  bool   // values are compared as float32s
	rounded bool   // and are float32s already
	present bool   // never missing
	closed  bool   // only codes of the space occur

	unusable string    // why it cannot be used; "" when it can
	data     *pmmlData // of a field of the DataDictionary
	derived  element   // a DerivedField that is computed when it is first used
	scope    *scope    // in which it is computed
	busy     bool      // it is being computed
	made     bool      // it was computed
	segment  element   // the model whose output it is
	from     *scope    // in which that model stands
	factor   float64   // of that result
	constant float64   // and what is added to it
}

// pmmlData is a DataField.
type pmmlData struct {
	at      element
	kind    string // dataType
	space   *space
	domain  *transform.Domain // nil when all values are valid
	missing []float64         // values that stand for a missing one
}

// scope is where names are looked up: those of a model, then those around it.
type scope struct {
	model  element // none for the results of segments
	around *scope
	fields map[string]*pmmlField
	// treated is set when the model treats fields otherwise than those around it do:
	// what is derived from them is then derived anew.
	treated bool
}

// find returns the field of a name, computing it when it is derived.
func (p *pmml) find(s *scope, at element, name string) (*pmmlField, error) {
	for ; s != nil; s = s.around {
		f := s.fields[name]
		if f == nil {
			continue
		}
		switch {
		case f.unusable != "":
			return nil, p.refuse(at, "the field it names %s", f.unusable)
		case f.busy:
			return nil, p.bad(at, "the field it names is derived from itself")
		case f.derived.exists() && !f.made:
			if err := p.derive(f); err != nil {
				return nil, err
			}
		}
		return f, nil
	}
	if _, ok := p.data[name]; ok {
		return nil, p.bad(at, "the field it names is not among the active ones of the model's MiningSchema")
	}
	return nil, p.bad(at, "there is no field of the name it gives")
}

// column returns the field of a name, which must hold values of a row.
func (p *pmml) column(s *scope, at element, name string) (*pmmlField, error) {
	f, err := p.find(s, at, name)
	if err == nil && f.segment.exists() {
		err = p.refuse(at, "a segment's result is used for other than a sum")
	}
	return f, err
}

// readDictionary reads the DataDictionary.
func (p *pmml) readDictionary(at element) error {
	p.data = make(map[string]*pmmlData)
	return p.each(at, func(c element) error {
		if !c.is("DataField") {
			return p.skippable(c, "Taxonomy")
		}
		name := c.attribute("name")
		if name == "" || p.data[name] != nil {
			return p.bad(c, "its name is missing, or stands twice")
		}
		if len(p.data) == featuresMax {
			return p.refuse(c, "there are more than %d fields", featuresMax)
		}
		d := &pmmlData{at: c, kind: c.attribute("dataType")}
		p.data[name] = d
		if d.text() {
			d.space = new(space)
		}
		return p.readValues(d)
	})
}

// text reports whether a field holds texts; truth values are read as if they were,
// with the codes 0 and 1.
func (d *pmmlData) text() bool { return d.kind == "string" || d.kind == "boolean" }

// readValues reads what values of a field are valid.
func (p *pmml) readValues(d *pmmlData) error {
	var valid, invalid []float64
	var intervals []transform.Interval
	if d.kind == "boolean" {
		d.space.code("false")
		d.space.code("true")
		d.space.fixed, d.space.truth = true, true
	}
	err := p.each(d.at, func(c element) error {
		switch {
		case c.is("Value"):
			if len(valid)+len(invalid)+len(d.missing) == categoriesMax {
				return p.refuse(c, "there are more than %d values", categoriesMax)
			}
			text, property := c.attribute("value"), c.attribute("property")
			x, ok := d.literal(text)
			if !ok && property == "missing" && strings.EqualFold(text, "nan") {
				return nil
			}
			if !ok {
				return p.bad(c, "the value is none of the field's dataType")
			}
			switch property {
			case "", "valid":
				valid = append(valid, x)
			case "missing":
				d.missing = append(d.missing, x)
			case "invalid":
				invalid = append(invalid, x)
			default:
				return p.bad(c, "the property is none of valid, invalid and missing")
			}
		case c.is("Interval"):
			v, err := p.interval(c)
			intervals = append(intervals, v)
			return err
		}
		return nil
	})
	if err != nil || d.kind == "boolean" {
		return err
	}
	if d.space != nil {
		d.space.fixed = len(valid) > 0
	}
	slices.Sort(valid)
	slices.Sort(invalid)
	switch {
	case len(valid) > 0 || len(intervals) > 0:
		d.domain = &transform.Domain{Intervals: intervals, Values: slices.Compact(valid)}
	case len(invalid) > 0:
		d.domain = &transform.Domain{Intervals: between(invalid)}
	}
	return nil
}

// between returns the intervals between ascending numbers.
func between(x []float64) []transform.Interval {
	var list []transform.Interval
	low := math.Inf(-1)
	for _, high := range append(slices.Clone(x), math.Inf(1)) {
		list = append(list, transform.Interval{Low: low, High: high})
		low = high
	}
	return list
}

// literal reads a value of the field from the document.
func (d *pmmlData) literal(text string) (float64, bool) {
	if d.space != nil {
		return float64(d.space.code(text)), true
	}
	return pmmlNumber(text)
}

// pmmlNumber reads a finite number, or a truth value as 1 or 0.
func pmmlNumber(text string) (float64, bool) {
	switch text = strings.TrimSpace(text); text {
	case "": // spares an error
		return 0, false
	case "true":
		return 1, true
	case "false":
		return 0, true
	}
	return parseFloat([]byte(text))
}

// interval reads an Interval.
func (p *pmml) interval(at element) (v transform.Interval, err error) {
	v.Low, v.High = math.Inf(-1), math.Inf(1)
	if err = p.optional(at, "leftMargin", &v.Low); err != nil {
		return v, err
	}
	if err = p.optional(at, "rightMargin", &v.High); err != nil {
		return v, err
	}
	switch at.attribute("closure") {
	case "openOpen":
	case "openClosed":
		v.HighClosed = true
	case "closedOpen":
		v.LowClosed = true
	case "closedClosed":
		v.LowClosed, v.HighClosed = true, true
	default:
		return v, p.bad(at, "the closure is none of openOpen, openClosed, closedOpen and closedClosed")
	}
	return v, nil
}

// optional reads an attribute that is a number, where it is given.
func (p *pmml) optional(at element, name string, x *float64) error {
	text, ok := at.lookup(name)
	if !ok {
		return nil
	}
	if *x, ok = pmmlNumber(text); !ok {
		return p.bad(at, "%s is not a finite number", name)
	}
	return nil
}

// number reads an attribute that must be a number.
func (p *pmml) number(at element, name string) (float64, error) {
	x := math.NaN()
	if err := p.optional(at, name, &x); err != nil {
		return 0, err
	}
	if x != x {
		return 0, p.bad(at, "%s is missing", name)
	}
	return x, nil
}

// readSchema makes the scope of a model from its MiningSchema. The outermost one's
// active fields are the features.
func (p *pmml) readSchema(at element, around *scope) (*scope, error) {
	s := &scope{model: at, around: around, fields: make(map[string]*pmmlField)}
	outermost := around == nil
	schema := at.child("MiningSchema")
	if !schema.exists() {
		return nil, p.bad(at, "it has no MiningSchema")
	}
	var active []element
	seen := make(map[string]bool)
	err := p.each(schema, func(c element) error {
		name := c.attribute("name")
		if name == "" || seen[name] {
			return p.bad(c, "its name is missing, or stands twice")
		}
		seen[name] = true
		switch use := c.attribute("usageType"); use {
		case "", "active":
			active = append(active, c)
		case "target", "predicted":
			if outermost && p.target == "" {
				p.target = name
			}
		case "supplementary", "group", "order", "frequencyWeight", "analysisWeight":
		default:
			return p.bad(c, "the usageType is none that is known")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if outermost {
		p.steps = transform.New(len(active))
		for _, c := range active {
			d := p.data[c.attribute("name")]
			if d == nil {
				return nil, p.bad(c, "the DataDictionary has no field of the name")
			}
			p.features = append(p.features, d)
		}
	}
	for i, c := range active {
		f := &pmmlField{}
		if outermost {
			f = p.feature(i)
		} else {
			outer, err := p.find(around, c, c.attribute("name"))
			if err != nil {
				return nil, err
			}
			*f = *outer
		}
		switch {
		case f.segment.exists():
			if c.attribute("missingValueReplacement") != "" || c.attribute("outliers") != "" && c.attribute("outliers") != "asIs" {
				return nil, p.refuse(c, "a segment's result is treated before it is used")
			}
		case f.unusable == "":
			given := f.operand
			if err := p.treat(c, f, outermost); err != nil {
				return nil, err
			}
			s.treated = s.treated || !outermost && f.operand != given
		}
		s.fields[c.attribute("name")] = f
	}
	return s, nil
}

// feature returns feature i as it is given.
func (p *pmml) feature(i int) *pmmlField {
	d := p.features[i]
	f := &pmmlField{operand: transform.Column(i), space: d.space, data: d, single: d.kind == "float", closed: d.kind == "boolean"}
	switch d.kind {
	case "string", "boolean", "integer", "float", "double":
	default:
		f.unusable = "has a dataType that is none of string, boolean, integer, float and double"
	}
	return f
}

// treat does to a field what its MiningField says: missing values, invalid ones,
// outliers, and missing ones again, which are replaced.
func (p *pmml) treat(at element, f *pmmlField, outermost bool) error {
	d := f.data
	if outermost && len(d.missing) > 0 {
		in := []transform.Operand{f.operand}
		for _, x := range d.missing {
			in = append(in, transform.Constant(x))
		}
		other, _ := transform.Call("isNotIn", len(in))
		f.operand = p.steps.Add(choice2, p.steps.Add(other, in...), f.operand)
	}
	if err := p.treatInvalid(at, f, outermost); err != nil {
		return err
	}
	if err := p.treatOutliers(at, f); err != nil {
		return err
	}
	switch at.attribute("missingValueTreatment") {
	case "returnInvalid":
		absent, _ := transform.Call("isMissing", 1)
		p.refused = append(p.refused, p.steps.Add(absent, f.operand))
		return nil
	case "", "asIs", "asMean", "asMode", "asMedian", "asValue":
	default:
		return p.bad(at, "the missingValueTreatment is none that is known")
	}
	if text, ok := at.lookup("missingValueReplacement"); ok {
		x, err := p.replacement(at, f, text)
		if err != nil {
			return err
		}
		f.operand = p.steps.Add(transform.Fill(x), f.operand)
		f.present = true
	}
	return nil
}

// choice2 is its second operand where its first is true, else missing.
var choice2, _ = transform.Call("if", 2)

// replacement reads the value that stands for others of a field.
func (p *pmml) replacement(at element, f *pmmlField, text string) (float64, error) {
	if f.space != nil {
		code := f.space.code(text)
		f.closed = f.closed && code >= 0
		return float64(code), nil
	}
	x, ok := pmmlNumber(text)
	if !ok {
		return 0, p.bad(at, "the value that replaces others is not a number")
	}
	return x, nil
}

// treatInvalid does to values that are not valid what the MiningField says. What the
// outermost model made valid, inner ones need not check again.
func (p *pmml) treatInvalid(at element, f *pmmlField, outermost bool) error {
	treatment := at.attribute("invalidValueTreatment")
	if f.data == nil || f.data.domain == nil || !outermost && treatment != "asMissing" && treatment != "asValue" {
		return nil
	}
	domain := *f.data.domain
	f.closed = f.space != nil && f.space.fixed
	switch treatment {
	case "", "returnInvalid":
		p.checked = append(p.checked, f.operand)
		p.domains = append(p.domains, domain)
	case "asIs":
		f.closed = false
		if f.space != nil && !f.space.truth { // the model may name values that the dictionary does not
			f.space.fixed = false
		}
	case "asMissing":
		f.operand = p.steps.Add(transform.Restrict{Domain: domain, Otherwise: math.NaN()}, f.operand)
	case "asValue":
		x, err := p.replacement(at, f, at.attribute("invalidValueReplacement"))
		if err != nil {
			return err
		}
		f.operand = p.steps.Add(transform.Restrict{Domain: domain, Otherwise: x}, f.operand)
	default:
		return p.bad(at, "the invalidValueTreatment is none of returnInvalid, asIs, asMissing and asValue")
	}
	return nil
}

func (p *pmml) treatOutliers(at element, f *pmmlField) error {
	treatment := at.attribute("outliers")
	if treatment == "" || treatment == "asIs" {
		return nil
	}
	if f.space != nil {
		return p.bad(at, "outliers are treated of a field that holds no numbers")
	}
	low, high := math.Inf(-1), math.Inf(1)
	if err := p.optional(at, "lowValue", &low); err != nil {
		return err
	}
	if err := p.optional(at, "highValue", &high); err != nil {
		return err
	}
	if low > high {
		return p.bad(at, "lowValue is above highValue")
	}
	switch treatment {
	case "asMissingValues":
		v := transform.Interval{Low: low, High: high, LowClosed: true, HighClosed: true}
		f.operand = p.steps.Add(transform.Restrict{Domain: transform.Domain{Intervals: []transform.Interval{v}}, Otherwise: math.NaN()}, f.operand)
		f.present = false
	case "asExtremeValues":
		f.operand = p.steps.Add(transform.Clip{Low: low, High: high}, f.operand)
	default:
		return p.bad(at, "outliers is none of asIs, asMissingValues and asExtremeValues")
	}
	return nil
}

// refuseRows makes the column that says which rows are not scored.
func (p *pmml) refuseRows() {
	if len(p.checked) > 0 {
		p.refused = append(p.refused, p.steps.Add(transform.Outside(p.domains), p.checked...))
	}
	switch len(p.refused) {
	case 0:
	case 1:
		p.steps.Refuse(p.refused[0])
	default:
		most, _ := transform.Call("max", len(p.refused))
		p.steps.Refuse(p.steps.Add(most, p.refused...))
	}
}

// describe writes what is known of the features into the ensemble.
func (p *pmml) describe() {
	e := p.e
	for _, d := range p.features {
		e.Features = append(e.Features, d.at.attribute("name"))
		switch {
		case d.space != nil:
			var codes strings.Builder
			categories := make([]Category, len(d.space.list))
			for i, text := range d.space.list {
				categories[i].Text = text
				if i > 0 {
					codes.WriteByte(':')
				}
				codes.WriteString(strconv.Itoa(i))
			}
			e.Pandas = append(e.Pandas, categories)
			e.Ranges = append(e.Ranges, codes.String())
		case d.domain != nil && len(d.domain.Intervals) == 1:
			e.Ranges = append(e.Ranges, fmt.Sprintf("[%v:%v]", d.domain.Intervals[0].Low, d.domain.Intervals[0].High))
		default:
			e.Ranges = append(e.Ranges, "none")
		}
	}
}
