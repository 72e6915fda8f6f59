package formula

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
)

// formula is one feature or rule of a job.
type formula struct {
	job.Formula
	rule     bool
	tree     *node // nil when it cannot be read
	term     term  // what it is; invalid when something is wrong with it
	mistakes []mistake
}

func (f *formula) wrong(at int, message, remedy string) {
	f.mistakes = append(f.mistakes, mistake{at, message, remedy})
}

// book is every formula of a job: the features in the order of their file, the
// same after what they are made of, and the rules.
type book struct {
	features, ordered, rules []*formula
	early, late              names // what features and rules can name
	month                    int32
}

// read reads and checks a spec's formulas.
func read(spec job.Spec) *book {
	b := &book{early: vocabulary(spec, false), late: vocabulary(spec, true), month: spec.Month}
	for _, f := range spec.Features {
		b.features = append(b.features, parsed(f, false))
	}
	for _, f := range spec.Custom {
		b.rules = append(b.rules, parsed(f, true))
	}
	for _, f := range b.features {
		_, mine := functions[f.Name]
		switch c, taken := b.early[f.Name]; {
		case taken:
			f.wrong(0, fmt.Sprintf("the name %s is taken: there is a column of the %s called so", f.Name, c.origin), "choose another name")
		case mine || f.Name == "asof" || units[f.Name] != measure{}:
			f.wrong(0, fmt.Sprintf("the name %s is a word of the language", f.Name), "choose another name")
		}
	}
	b.order()
	g := newGraph()
	b.lower(g, b.ordered)
	rules := newGraph()
	b.lowerRules(rules)
	return b
}

func parsed(f job.Formula, rule bool) *formula {
	out := &formula{Formula: f, rule: rule}
	out.tree, out.mistakes = parse(f.Text)
	if out.tree == nil || len(out.mistakes) > 0 {
		out.tree = nil
		return out
	}
	reads := false
	out.tree.each(func(n *node) {
		reads = reads || (n.form == name || n.form == month || n.form == window) && n.text != "asof"
	})
	if !reads {
		out.wrong(0, "the formula reads no column", "it would say the same of everybody; name a column, as in fee[0]")
	}
	return out
}

// order sorts the features so that each comes after those it is made of, and
// refuses those that are made of themselves.
func (b *book) order() {
	byName := map[string]*formula{}
	for _, f := range b.features {
		byName[f.Name] = f
	}
	const open, done = 1, 2
	state := map[*formula]int{}
	var path []*formula
	var visit func(f *formula)
	visit = func(f *formula) {
		switch state[f] {
		case done:
			return
		case open:
			var names []string
			for _, g := range path[slices.Index(path, f):] {
				names = append(names, g.Name)
			}
			f.wrong(0, fmt.Sprintf("%s is made of itself: %s", f.Name, strings.Join(append(names, f.Name), " → ")), "write one of them without the others")
			return
		}
		state[f] = open
		path = append(path, f)
		if f.tree != nil {
			f.tree.each(func(n *node) {
				if g, ok := byName[n.text]; ok && n.form == name {
					visit(g)
				}
			})
		}
		path = path[:len(path)-1]
		state[f] = done
		b.ordered = append(b.ordered, f)
	}
	for _, f := range b.features {
		visit(f)
	}
}

// lower gives features their values in g. A feature made of others shares their
// values.
func (b *book) lower(g *graph, features []*formula) {
	terms := map[string]term{}
	for _, f := range b.features {
		terms[f.Name] = term{} // of those in a circle, and those that cannot be read
	}
	for _, f := range features {
		if f.tree == nil || len(f.mistakes) > 0 {
			continue
		}
		c := checker{names: b.early, features: terms, graph: g, month: b.month, history: believed}
		f.term = c.feature(f)
		f.mistakes = append(f.mistakes, c.mistakes...)
		if len(f.mistakes) > 0 {
			f.term = term{}
		}
		terms[f.Name] = f.term
	}
}

// feature returns what a feature is, as others see it.
func (c *checker) feature(f *formula) term {
	t := c.one(f.tree)
	switch {
	case t.kind == invalid:
		return term{}
	case t.kind == boolean:
		if f.Unit != schema.None {
			return c.wrong(f.tree, fmt.Sprintf("a condition has no unit, and %s is declared", f.Unit), "remove unit")
		}
		return t
	}
	t, ok := c.number(f.tree, t)
	if !ok {
		return term{}
	}
	t = scalar(numeric, t.unit, c.graph.make(value{op: opOut, args: []*value{c.graph.float(t.values[0])}}))
	switch declared := unitOf(f.Unit); {
	case f.Unit == schema.None || string(f.Unit) == t.unit.String():
	case t.unit.bare && (declared != ratio || f.Unit == schema.Ratio):
		t.unit = declared
	default:
		return c.wrong(f.tree, fmt.Sprintf("the formula is in %s, and %s is declared", t.unit, f.Unit), fmt.Sprintf("write unit: %s, or remove it", t.unit))
	}
	return t
}

// lowerRules gives the rules their values in g, where the features are columns of
// the program.
func (b *book) lowerRules(g *graph) {
	all, broken := maps.Clone(b.late), map[string]term{}
	for _, f := range b.features {
		if f.term.kind == invalid {
			broken[f.Name] = term{} // what is wrong with it is said where it stands
			continue
		}
		all[f.Name] = &column{name: f.Name, origin: ofFeatures, typ: arrow.PrimitiveTypes.Float64, kind: f.term.kind, unit: f.term.unit, says: "the feature is null"}
	}
	for _, f := range b.rules {
		f.term = term{}
		if f.tree == nil || len(f.mistakes) > 0 {
			continue
		}
		c := checker{names: all, features: broken, graph: g, month: b.month, history: believed}
		if v, ok := c.condition(f.tree); ok {
			f.term = scalar(boolean, unit{}, v)
		}
		f.mistakes = append(f.mistakes, c.mistakes...)
	}
}

// problems returns the mistakes, where they stand.
func (b *book) problems() job.Problems {
	var list job.Problems
	for _, f := range slices.Concat(b.features, b.rules) {
		section := "features."
		if f.rule {
			section = "custom_rules."
		}
		for _, m := range f.mistakes {
			at := f.At.At(m.at)
			p := job.Problem{File: at.Source, Line: at.Line, Column: at.Column, Path: section + f.Name, Message: m.message, Remedy: m.remedy}
			if at.Line == 0 {
				p.Message += fmt.Sprintf(", at character %d", m.at+1)
			}
			list = append(list, p)
		}
	}
	return list
}
