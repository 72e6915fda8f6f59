package model

import (
	"maps"
	"math"
	"slices"
	"strings"

	"rescore/worker/transform"
)

// verifyMax bounds the work of a ModelVerification: rows, times trees, weights and
// columns.
const verifyMax = 1 << 28

// expectation is what a cell of a ModelVerification says.
type expectation struct {
	feature   int  // that it is a value of, or -1
	class     int  // whose probability it is; -1 for the result itself
	other     bool // it is of the value that is not the class's
	precision float64
	zero      float64
}

// verify scores the rows of the ModelVerification, if there is one.
func (p *pmml) verify() error {
	at := p.model.child("ModelVerification")
	if !at.exists() {
		return nil
	}
	fields, table := at.child("VerificationFields"), at.child("InlineTable")
	if !fields.exists() || !table.exists() {
		return p.bad(at, "it has no VerificationFields, or no InlineTable")
	}
	expected, err := p.expectations(fields)
	if err != nil {
		return err
	}
	e := p.e
	var runner *transform.Runner
	if e.Prepare != nil {
		runner = e.Prepare.Runner(1)
	}
	columns := slices.Sorted(maps.Keys(expected))
	given, all, result := make([]float64, len(e.Features)), make([]float64, e.Columns()), make([]float64, e.Classes)
	work, n := verifyMax, 0
	return p.each(table, func(r element) error {
		n++
		if work -= e.Trees() + len(e.Weight) + len(all); work < 0 {
			return p.refuse(r, "verifying takes too long: keep fewer rows")
		}
		cells := make(map[string]string)
		if err := p.each(r, func(c element) error {
			cells[c.name()] = c.content()
			return nil
		}); err != nil {
			return err
		}
		for i := range given {
			given[i] = math.NaN()
		}
		for _, column := range columns {
			text, ok := cells[column]
			x := expected[column]
			if !ok || x.feature < 0 {
				continue
			}
			if given[x.feature], ok = p.features[x.feature].cell(text); !ok {
				return p.bad(r, "a value is none of its field's dataType")
			}
		}
		row := given
		if runner != nil {
			for i := range given {
				runner.Columns[i] = given[i : i+1]
			}
			runner.Run(1)
			for i, column := range runner.Columns {
				all[i] = column[0]
			}
			row = all
		}
		e.WalkInto(result, row)
		e.TransformInto(result, result)
		for _, column := range columns {
			text, ok := cells[column]
			if x := expected[column]; ok && x.feature < 0 {
				if err := p.compare(r, n, column, x, text, result); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// cell reads a value of a row.
func (d *pmmlData) cell(text string) (float64, bool) {
	if d.space == nil {
		if strings.EqualFold(strings.TrimSpace(text), "nan") {
			return math.NaN(), true
		}
		return pmmlNumber(text)
	}
	if code, ok := d.space.codes[text]; ok {
		return float64(code), true
	}
	return -1, true
}

// expectations reads what the columns of a ModelVerification stand for.
func (p *pmml) expectations(fields element) (map[string]expectation, error) {
	expected := make(map[string]expectation)
	features, outputs := make(map[string]int), make(map[string]element)
	for i, name := range p.e.Features {
		features[name] = i
	}
	for _, output := range p.outputs {
		if output.exists() {
			output.children(func(o element) bool {
				if _, known := outputs[o.attribute("name")]; !known {
					outputs[o.attribute("name")] = o
				}
				return true
			})
		}
	}
	err := p.each(fields, func(c element) error {
		name := c.attribute("field")
		column := name
		if text, ok := c.lookup("column"); ok {
			column = local(text)
		}
		x := expectation{feature: -1, class: -1, precision: 1e-6, zero: 1e-16}
		if err := p.optional(c, "precision", &x.precision); err != nil {
			return err
		}
		if err := p.optional(c, "zeroThreshold", &x.zero); err != nil {
			return err
		}
		feature, known := features[name]
		if x.feature = feature; !known {
			x.feature = -1
			known = name == p.target
		}
		if o, ok := outputs[name]; ok && !known {
			switch o.attribute("feature") {
			case "", "predictedValue":
				known = true
			case "probability":
				label := o.attribute("value")
				if x.class, known = p.class[label]; !known {
					x.class, x.other = 0, len(p.values) == 2 && slices.Contains(p.values, label)
					known = x.other
				}
			}
		}
		if known { // other results are not this package's to give
			expected[column] = x
		}
		return nil
	})
	return expected, err
}

// compare compares a result with a cell.
func (p *pmml) compare(at element, row int, column string, x expectation, text string, result []float64) error {
	if x.class < 0 && p.values != nil {
		if label, sure := p.winner(result); sure && !sameText(label, text) {
			return p.differs(at, row, "the class %d of the target's values was expected, and %d is predicted", slices.Index(p.values, text), slices.Index(p.values, label))
		}
		return nil
	}
	want, ok := pmmlNumber(text)
	if !ok {
		return p.bad(at, "a result is not a number")
	}
	got := result[max(x.class, 0)]
	if x.other {
		got = 1 - got
	}
	if math.Abs(want) <= x.zero && math.Abs(got) <= x.zero || math.Abs(got-want) <= x.precision*math.Abs(want) {
		return nil
	}
	return p.differs(at, row, "%v was expected, and %v is predicted", want, got)
}

// winner returns the value of the target that is most likely, and whether it is so
// alone.
func (p *pmml) winner(result []float64) (string, bool) {
	if p.e.Classes == 1 {
		event := slices.Index(p.values, p.e.Labels[0])
		if result[0] > 0.5 {
			return p.values[event], true
		}
		return p.values[1-event], result[0] < 0.5
	}
	best, sure := 0, true
	for k, x := range result {
		if k > 0 && x >= result[best] {
			sure = x > result[best]
			best = k
		}
		if x != x {
			return "", false
		}
	}
	return p.values[best], sure
}

// sameText reports whether two texts are the same, or the same number.
func sameText(a, b string) bool {
	x, isNumber := pmmlNumber(a)
	y, isOther := pmmlNumber(b)
	return a == b || isNumber && isOther && x == y
}

func (p *pmml) differs(at element, row int, format string, args ...any) error {
	e := malformed(Header, p.place(at), "row %d of the ModelVerification: "+format, append([]any{row}, args...)...)
	e.Format = pmmlFormat
	e.Remedy = "the model does not score here as where it was made; check how its evaluator treats missing and invalid values, or take the ModelVerification out"
	return e
}
