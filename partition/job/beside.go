package job

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"rescore/partition/lazy"
	"rescore/partition/schema"
)

// Limits of the users' own formulas.
const (
	FeaturesMax     = 256
	RulesMax        = 64 // one bit each of rule_fired and rule_unknown
	FormulaBytesMax = 4096
)

// Thresholds is the one name in a file of rules that is no rule: below it stand
// the keys of rules.
const Thresholds = "thresholds"

// Text is a file as it was read.
type Text struct {
	Name string // for problems and origins
	Data []byte
	Err  error // why it could not be read
}

// Beside holds the files that Spec.Files names. A nil one was not read.
type Beside struct{ Rules, Policy, Features *Text }

// missing reports the files that are named and were not read.
func (b Beside) missing(named Files) []Problem {
	var problems []Problem
	for _, f := range []struct {
		key, path string
		file      *Text
	}{{"rules", named.Rules, b.Rules}, {"policy", named.Policy, b.Policy}, {"features", named.Features, b.Features}} {
		switch {
		case f.path == "":
		case f.file == nil:
			problems = append(problems, Problem{Path: "files." + f.key, Message: "the file was not read", Remedy: "read this job file where its other files are"})
		case f.file.Err != nil:
			problems = append(problems, Problem{Path: "files." + f.key, Message: f.file.Err.Error(), Remedy: "check the path; it is relative to the job file's folder"})
		}
	}
	return problems
}

// DecodeAlone reads one of the files of b over a spec that is good already, and
// validates what such files hold.
func DecodeAlone(b Beside, spec Spec) (Decoded, error) {
	d := decoder{at: map[string]Origin{}, what: jobFile}
	d.beside(b, reflect.ValueOf(&spec).Elem())
	c := checker{problems: append(outOfBounds(reflect.ValueOf(spec.Rules), "rules", bounds{}), outOfBounds(reflect.ValueOf(spec.Policy), "policy", bounds{})...)}
	c.rules(spec.Rules)
	c.policy(spec.Policy)
	c.own(spec)
	return d.finish(spec, c.problems)
}

// beside decodes the files into v, a Spec, before the job file is.
func (d *decoder) beside(b Beside, v reflect.Value) {
	part := func(name string) reflect.Value {
		f, _ := field(v, name)
		return f
	}
	if n := d.open(b.Policy); n != nil {
		d.value(n, part("policy"), "policy")
	}
	if n := d.open(b.Features); n != nil {
		d.value(n, part("features"), "features")
	}
	if n := d.open(b.Rules); n != nil {
		d.value(d.thresholds(n, part("rules")), part("custom_rules"), "custom_rules")
	}
}

// open makes f the file that is decoded. It returns nil when there is nothing in
// it.
func (d *decoder) open(f *Text) *yaml.Node {
	if f == nil || f.Err != nil {
		return nil
	}
	d.files = append(d.files, f.Name)
	d.source = f.Name
	n := d.parse(f.Data)
	if n != nil && n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil
	}
	return n
}

// thresholds decodes the thresholds of a file of rules and returns the file
// without them.
func (d *decoder) thresholds(n *yaml.Node, rules reflect.Value) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return n
	}
	rest := *n
	rest.Content = nil
	found := false
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; !found && key.Kind == yaml.ScalarNode && key.Value == Thresholds {
			found = true
			d.value(n.Content[i+1], rules, "rules")
			continue
		}
		rest.Content = append(rest.Content, n.Content[i], n.Content[i+1])
	}
	return &rest
}

// textKey is the key of a formula's text when it is written as a table.
func textKey(section string) string {
	if section == "custom_rules" {
		return "when"
	}
	return "formula"
}

// formulas decodes a table of formulas. One of a name that is there already
// takes its place: what comes later wins.
func (d *decoder) formulas(n, where *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.kind(where, n, path, "names and formulas", "write name: formula, one a line")
		return
	}
	list := slices.Clone(v.Interface().([]Formula))
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if !d.key(key, path, seen) {
			continue
		}
		f := Formula{Name: key.Value}
		if !d.formula(n.Content[i+1], &f, path) {
			continue
		}
		if at := slices.IndexFunc(list, func(g Formula) bool { return g.Name == f.Name }); at >= 0 {
			list[at] = f
		} else {
			list = append(list, f)
		}
	}
	v.Set(reflect.ValueOf(list))
}

// formula decodes one formula: its text, or a table.
func (d *decoder) formula(n *yaml.Node, f *Formula, section string) bool {
	path := join(section, f.Name)
	if d.nodes++; d.nodes > NodesMax {
		return false // d.value has said so, or will
	}
	d.at[path] = d.origin(n)
	where := n
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return d.formulaText(n, where, f, path)
	}
	seen := map[string]bool{}
	keys := []string{textKey(section), "unit", "doc"}
	if section == "custom_rules" {
		keys = []string{textKey(section), "doc"} // a condition has no unit
	}
	found, sound := false, true
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !d.key(key, path, seen) {
			sound = false
			continue
		}
		target := value
		if target.Kind == yaml.AliasNode {
			target = target.Alias
		}
		switch at := join(path, key.Value); {
		case !slices.Contains(keys, key.Value):
			d.problem(key, at, "this key is not known", writeOneOf(key.Value, keys))
			sound = false
		case key.Value == textKey(section):
			found = true
			sound = d.formulaText(target, value, f, path) && sound
		case target.Kind != yaml.ScalarNode || target.ShortTag() == "!!null":
			d.kind(value, target, at, "a text", "write it after the colon")
			sound = false
		case key.Value == "unit":
			f.Unit = schema.Unit(target.Value)
		default:
			f.Doc = target.Value
		}
	}
	if !found && sound {
		d.problem(where, path, "the formula is missing", fmt.Sprintf("write it under %s:", textKey(section)))
	}
	return found && sound
}

// formulaText takes a scalar for a formula, whatever YAML holds it for: 1 and
// true are formulas too.
func (d *decoder) formulaText(n, where *yaml.Node, f *Formula, path string) bool {
	switch {
	case n.Kind != yaml.ScalarNode:
		remedy := "write one formula after the colon"
		if n.Kind == yaml.SequenceNode {
			remedy = "a formula that begins with [ needs quotes"
		}
		d.kind(where, n, path, "a formula", remedy)
		return false
	case n.Style&yaml.TaggedStyle != 0:
		d.problem(where, path, fmt.Sprintf("YAML takes %s for a tag", strconv.Quote(clip(n.Tag))), "put the formula in quotes, or write not instead of !")
		return false
	case n.Value == "":
		d.problem(where, path, "the formula is missing", "write it after the colon, or remove the name")
		return false
	}
	f.Text, f.At = n.Value, Place{source: d.source}
	if !d.flat {
		f.At = d.page.place(d.source, n)
	}
	return true
}

// formulaName is what a formula may be called: what its language takes for one
// name.
var formulaName = lazy.Regexp(`^[\p{L}_][\p{L}\p{Nd}_]*$`)

// reserved are words of the language.
var reserved = []string{"and", "or", "not", "in", "true", "false", "nil", "let", "if", "else", "matches", "contains", "startsWith", "endsWith", Thresholds}

// own checks the users' own features and rules.
func (c *checker) own(s Spec) {
	c.formulas("features", s.Features, FeaturesMax)
	c.formulas("custom_rules", s.Custom, RulesMax)
	for _, f := range s.Custom {
		trigger := triggerName().MatchString(f.Name)
		column := slices.ContainsFunc(schema.PublishedWith(s.Model.Names()), func(c schema.Column) bool { return strings.EqualFold(c.Name, f.Name) })
		if trigger || column || strings.EqualFold(f.Name, "any") {
			c.add(join("custom_rules", f.Name), "answers list rules beside triggers T1 to T14, any of them, and the published columns, of which this is one's name", "choose another name")
		}
	}
}

// triggerName is what a built-in trigger is called.
var triggerName = lazy.Regexp(`^[tT]([1-9]|1[0-4])$`)

// formulas checks what can be said of formulas without reading them; package
// formula reads them.
func (c *checker) formulas(section string, list []Formula, most int) {
	if len(list) > most {
		c.add(section, fmt.Sprintf("there are %d, and %d at most can be", len(list), most), "remove what nobody uses")
	}
	seen := map[string]bool{}
	for _, f := range list {
		at := join(section, f.Name)
		switch {
		case !formulaName().MatchString(f.Name) || utf8.RuneCountInString(f.Name) > 64:
			c.add(at, fmt.Sprintf("%q is not a name", clip(f.Name)), "use letters, digits and _, starting with a letter, 64 at most")
		case slices.Contains(reserved, f.Name):
			c.add(at, fmt.Sprintf("%s is a word of the language", f.Name), "choose another name")
		case seen[f.Name]:
			c.add(at, "the name stands here twice", "keep one of the two")
		case len(f.Text) > FormulaBytesMax:
			c.add(at, fmt.Sprintf("the formula has %d bytes", len(f.Text)), fmt.Sprintf("%d is the most; name its parts as features", FormulaBytesMax))
		case !utf8.ValidString(f.Text):
			c.add(at, "the formula is not UTF-8", "save the file as UTF-8")
		}
		seen[f.Name] = true
	}
}
