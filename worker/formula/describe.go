package formula

import (
	"fmt"
	"slices"
	"strings"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/feature"
)

// Info is what can be said of a feature or rule without reading a row.
type Info struct {
	Name    string   `json:"name"`
	Rule    bool     `json:"rule"`
	Type    string   `json:"type"` // number or boolean
	Unit    string   `json:"unit"` // of a number; number where it has none
	Formula string   `json:"formula"`
	Doc     string   `json:"doc"`
	Reads   []string `json:"reads"`   // what it names: fee[1:3] = m-1, m-2, m-3
	Columns []string `json:"columns"` // canonical flat columns it is worked out from
	Null    string   `json:"null"`    // when it is null, or unknown; "" = never
}

// Describe returns what a spec's formulas are, features first, in the order of
// their files. Formulas with problems are left out; Check reports them.
func Describe(spec job.Spec) []Info {
	b := read(spec)
	columns := map[string][]string{}
	var list []Info
	for _, f := range b.ordered {
		if f.term.kind != invalid {
			columns[f.Name] = b.columns(f, nil)
		}
	}
	for _, f := range slices.Concat(b.features, b.rules) {
		if f.term.kind == invalid || len(f.mistakes) > 0 {
			continue
		}
		i := Info{Name: f.Name, Rule: f.rule, Type: f.term.kind.String(), Formula: f.tree.String(), Doc: f.Doc, Reads: reads(f.tree), Columns: b.columns(f, columns), Null: b.null(f)}
		if f.term.kind == numeric {
			i.Unit = f.term.unit.String()
		}
		list = append(list, i)
	}
	return list
}

// columns lists the canonical columns that f is worked out from; known are those
// of the features.
func (b *book) columns(f *formula, known map[string][]string) []string {
	var list []string
	add := func(names ...string) {
		for _, n := range names {
			if !slices.Contains(list, n) {
				list = append(list, n)
			}
		}
	}
	seen := map[*value]bool{}
	var walk func(v *value)
	walk = func(v *value) {
		if seen[v] {
			return
		}
		seen[v] = true
		for _, a := range v.args {
			walk(a)
		}
		if v.op != opField {
			return
		}
		switch v.column.origin {
		case ofRecord:
			add(v.column.field(v.n).Name)
		case ofDictionary:
			e, _ := feature.Find(v.column.name)
			add(e.Sources...)
		case ofFeatures:
			add(known[v.column.name]...)
		default: // no column of the record stands behind it
		}
	}
	for _, v := range f.term.values {
		walk(v)
	}
	return list
}

// reads lists what a formula names, each once, with the months.
func reads(tree *node) []string {
	var list []string
	tree.each(func(n *node) {
		text := ""
		switch n.form {
		case name:
			text = n.text
			if c, ok := schema.Find(schema.Subscriber, n.text); ok && c.Monthly {
				text += " = m"
			}
		case month, window:
			var months []string
			for k := n.from; k <= n.to; k++ {
				if k == 0 {
					months = append(months, "m")
				} else {
					months = append(months, fmt.Sprintf("m-%d", k))
				}
			}
			text = fmt.Sprintf("%s = %s", n, strings.Join(months, ", "))
		default: // it names nothing itself
		}
		if text != "" && !slices.Contains(list, text) {
			list = append(list, text)
		}
	})
	return list
}

// null says when a formula has no value.
func (b *book) null(f *formula) string {
	var reasons []string
	b.reasons(f.tree, func(text string) {
		if !slices.Contains(reasons, text) {
			reasons = append(reasons, text)
		}
	})
	if len(reasons) == 0 {
		return ""
	}
	text := strings.Join(reasons, ", or ")
	if f.term.kind == boolean {
		return "unknown unless the rest decides: " + text
	}
	return text
}

// reasons calls add with everything that can leave n without a value.
func (b *book) reasons(n *node, add func(string)) {
	switch n.form {
	case name, month:
		if c, ok := b.late[n.text]; ok && (c.zero || c.says == "" && c.origin != ofTriggers && !c.monthly) || n.text == "asof" {
			return
		}
		add(n.String() + " is null")
		return
	case window:
		add("a month of " + n.String() + " is null")
		return
	case call:
		switch n.text {
		case "is_null", "count":
			return
		case "mean", "min", "max", "sd", "slope":
			if len(n.args) == 1 {
				b.few(n, add)
				return
			}
		case "coalesce":
			b.all(n, add)
			return
		}
	case binary:
		if n.text == "??" {
			b.all(n, add)
			return
		}
	default: // what is in it says it
	}
	for _, a := range n.args {
		b.reasons(a, add)
	}
	if n.form == binary && n.text == "/" && n.args[1].form != number {
		add(n.args[1].String() + " is 0")
	}
}

// few is the reason of a statistic over a window.
func (b *book) few(n *node, add func(string)) {
	months := 0
	n.each(func(a *node) {
		if a.form == window {
			months = a.to - a.from + 1
		}
	})
	least := int(half(months))
	if n.text == "slope" {
		least = max(least, 2)
	}
	add(fmt.Sprintf("fewer than %d of the %d months of %s are known", least, months, n.args[0]))
}

// all is the reason of a choice among values: none of them is there.
func (b *book) all(n *node, add func(string)) {
	texts := make([]string, len(n.args))
	for i, a := range n.args {
		maybe := false
		b.reasons(a, func(string) { maybe = true })
		if !maybe {
			return // this one always is
		}
		texts[i] = a.String()
	}
	add(strings.Join(texts, " and ") + " are null")
}
