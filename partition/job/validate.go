package job

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"rescore/partition"
	"rescore/partition/lazy"
	"rescore/partition/schema"
)

// Validate reports everything wrong with a spec, whatever it was made from.
// Problems carry a path and no position; nil means the spec can be run. What
// only the files can tell (columns that are not there, a model that is no
// model) is for plan to find out.
func Validate(s Spec) []Problem {
	c := checker{problems: outOfBounds(reflect.ValueOf(s), "", bounds{})}
	c.head(s)
	c.input(s)
	c.columns(s.Input)
	c.tagging(s.Input.Columns)
	c.extra(s.Input.Extra)
	c.tables(s)
	c.prepare(s)
	if !s.Prepares() {
		c.model(s.Model)
	}
	c.rules(s.Rules)
	c.policy(s.Policy)
	c.own(s)
	c.output(s)
	c.gates(s.Gates)
	return c.problems
}

type checker struct{ problems []Problem }

func (c *checker) add(path, message, remedy string) {
	c.problems = append(c.problems, Problem{Path: path, Message: message, Remedy: remedy})
}

// bad reports whether path has a problem already.
func (c *checker) bad(path string) bool {
	return slices.ContainsFunc(c.problems, func(p Problem) bool { return p.Path == path })
}

var nameShape = lazy.Regexp(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

func (c *checker) head(s Spec) {
	switch {
	case s.Name == "":
		c.add("name", "the dataset has no name", "write name: with letters, digits, - and _")
	case len(s.Name) > 64:
		c.add("name", fmt.Sprintf("the name has %d characters", len(s.Name)), "use 64 at most")
	case !nameShape().MatchString(s.Name):
		c.add("name", fmt.Sprintf("%q is not a dataset name", clip(s.Name)), "use letters, digits, - and _, starting with a letter or digit")
	}
	switch m := s.Month % 100; {
	case s.Month == 0:
		c.drop("month")
		c.add("month", "the scoring month is missing", "write it as yyyymm, such as 202610; there is no default, so that a rerun means the same month")
	case !c.bad("month") && (m < 1 || m > 12):
		c.add("month", fmt.Sprintf("%d has no month %02d", s.Month, m), "write it as yyyymm, such as 202610")
	}
}

// drop takes back what bounds said of path, for a better word.
func (c *checker) drop(path string) {
	c.problems = slices.DeleteFunc(c.problems, func(p Problem) bool { return p.Path == path })
}

var braces = lazy.Regexp(`\{[^{}]*\}`)

func (c *checker) input(s Spec) {
	in := s.Input
	for _, key := range []struct{ path, value, remedy string }{
		{"input.layout", in.Layout, "write wide or months, or leave the key out"},
		{"input.missing_months", in.MissingMonths, "write refuse or null, or leave the key out"},
		{"input.digest", in.Digest, "write full, sha256 or footer, or leave the key out"},
	} {
		if key.value == "" {
			c.add(key.path, "the value is empty", key.remedy)
		}
	}
	switch n := strings.Count(in.Path, "{month}"); {
	case in.Path == "":
		c.add("input.path", "the input is missing", "write the file, folder or glob of the subscriber base")
	case strings.ContainsRune(in.Path, 0):
		c.add("input.path", "the path holds a zero byte", "remove it")
	case in.Layout == "months" && n == 0:
		c.add("input.path", "layout months needs {month} in the path", "write it where yyyymm stands, as in usage/month={month}")
	case in.Layout == "wide" && n > 0:
		c.add("input.path", "{month} in the path needs layout: months", "write layout: months, or name the one file or folder")
	default:
		for _, b := range braces().FindAllString(in.Path, -1) {
			if b != "{month}" {
				c.add("input.path", b+" is not known", "the only template of a path is {month}")
				break
			}
		}
		if _, err := path.Match(in.Path, ""); err != nil {
			c.add("input.path", "the glob cannot be read", "close the bracket [, or write \\[ for the character itself")
		}
	}
	c.csv("input.csv", in.CSV)
	c.control("input.control", in.Control)
	if in.MakeNumbers != 0 && !c.bad("input.make_numbers") {
		if !partition.Number(in.MakeNumbers).Valid() {
			c.add("input.make_numbers", "the first number is outside 13000000000 to 19999999999", "write an 11-digit number starting 13 to 19, or 0 to read numbers from the input")
		}
		if _, ok := in.Columns[schema.Key]; ok {
			c.add("input.make_numbers", "numbers cannot be made and read at once", "remove make_numbers, or input.columns."+schema.Key)
		}
	}
}

// csv checks how delimited text is read.
func (c *checker) csv(at string, csv CSV) {
	c.delimiter(at+".delimiter", csv.Delimiter)
	for _, key := range []struct{ name, value, remedy string }{
		{"encoding", csv.Encoding, "write utf-8, gbk or gb18030, or leave the key out"},
		{"quote", csv.Quote, "write double or none, or leave the key out"},
		{"escape", csv.Escape, "write backslash or none, or leave the key out"},
	} {
		if key.value == "" {
			c.add(join(at, key.name), "the value is empty", key.remedy)
		}
	}
	if csv.Escape == "backslash" && strings.Contains(csv.Delimiter, `\`) {
		c.add(at+".escape", "a backslash cannot separate fields and escape them", "write escape: none, or another delimiter")
	}
	c.twice(at+".null", csv.Null, "keep one of the two")
}

func (c *checker) delimiter(at, d string) {
	remedy := `write one to eight ASCII characters, such as ",", "\t", "\x01" or "|@|"`
	switch {
	case d == "" || len(d) > 8 || strings.ContainsFunc(d, func(r rune) bool { return r >= utf8.RuneSelf }):
		c.add(at, fmt.Sprintf("the delimiter %q is not one to eight ASCII characters", clip(d)), remedy)
	case strings.ContainsAny(d, "\"\r\n\x00"):
		c.add(at, fmt.Sprintf("%q cannot separate fields", d), remedy)
	}
}

func (c *checker) control(at string, in Control) {
	if in.Suffix == "" {
		if len(in.Fields) > 0 || in.Delimiter != "" {
			c.add(at+".suffix", "the control file has no name", "write the end of its name, such as .chk")
		}
		return
	}
	if strings.ContainsAny(in.Suffix, "/\\*?[\x00") {
		c.add(at+".suffix", fmt.Sprintf("%q is not the end of a name", clip(in.Suffix)), "write the end of a name, such as .chk; the file is looked for beside each file of the input")
	}
	if in.Delimiter != "" {
		c.delimiter(at+".delimiter", in.Delimiter)
	}
	said := slices.DeleteFunc(slices.Clone(in.Fields), func(f string) bool { return f == "skip" || f == "file" })
	if len(said) == 0 {
		c.add(at+".fields", "nothing in the control file is held to", "list its fields in order: file, rows, bytes, md5, sha1, sha256, and skip for any other")
	}
	for i, f := range in.Fields {
		if f == "" {
			c.add(fmt.Sprintf("%s.fields[%d]", at, i), "the field is empty", "write what it is, or skip")
		} else if f != "skip" && slices.Contains(in.Fields[:i], f) {
			c.add(fmt.Sprintf("%s.fields[%d]", at, i), f+" stands here twice", "write skip for the one that is not to be held to")
		}
	}
}

// twice reports every text of a list that stood there before.
func (c *checker) twice(at string, list []string, remedy string) {
	seen := make(map[string]bool, len(list))
	for i, text := range list {
		if seen[text] {
			c.add(fmt.Sprintf("%s[%d]", at, i), fmt.Sprintf("%q stands here twice", clip(text)), remedy)
		}
		seen[text] = true
	}
}

func (c *checker) extra(extra []Extra) {
	canonical := map[string]bool{}
	for _, col := range schema.Subscriber {
		canonical[col.Name] = true
		for _, n := range col.Names() {
			canonical[n] = true
		}
	}
	seen := map[string]bool{}
	for i, e := range extra {
		at := fmt.Sprintf("input.extra[%d]", i)
		switch {
		case e.Name == "":
			c.add(at+".name", "the extra column has no name", "write the name the model's feature is bound to")
		case canonical[e.Name]:
			c.add(at+".name", fmt.Sprintf("%s is a canonical column", e.Name), "map it under input.columns, or give the extra column another name")
		case seen[e.Name]:
			c.add(at+".name", fmt.Sprintf("%q stands here twice", clip(e.Name)), "give every extra column a name of its own")
		}
		seen[e.Name] = true
		c.twice(at+".values", e.Values, "a category has one code: keep one of the two")
	}
}

func (c *checker) model(m Model) {
	c.artefact("model", m.Path, m.Features)
	c.challengers(m.Challengers)
}

// artefact checks where a model is and what its features are bound to.
func (c *checker) artefact(at, file string, features map[string]string) {
	if file == "" {
		c.add(join(at, "path"), "the model is missing", "write the path of a model file or package, or builtin:baseline or builtin:triggers")
	}
	for _, feature := range slices.Sorted(maps.Keys(features)) {
		if features[feature] == "" {
			c.add(join(join(at, "features"), feature), "the feature is bound to nothing", "write a feature, a canonical column or an extra column, or remove the line")
		}
	}
}

func (c *checker) output(s Spec) {
	switch {
	case s.Output.Path == "":
		c.add("output.path", "the output is missing", "write the folder the versions are published in")
	case strings.ContainsRune(s.Output.Path, 0):
		c.add("output.path", "the path holds a zero byte", "remove it")
	case path.Clean(s.Output.Path) == path.Clean(s.Input.Path):
		c.add("output.path", "the output is the input", "publish into a folder of its own")
	}
	if s.Output.Compression == "" {
		c.add("output.compression", "the value is empty", "write none, zstd or snappy, or leave the key out")
	}
	for _, key := range []struct{ path, value string }{
		{"rules.t2_mode", s.Rules.T2Mode},
		{"rules.t2_base_months", s.Rules.T2BaseMonths},
		{"rules.t3_activity", s.Rules.T3Activity},
		{"rules.t3_pay_modes", s.Rules.T3PayModes},
		{"rules.t8_window", s.Rules.T8Window},
		{"rules.t11_mode", s.Rules.T11Mode},
		{"rules.silent_activity", s.Rules.SilentActivity},
		{"rules.label_rule", s.Rules.LabelRule},
		{"policy.priority", s.Policy.Priority},
		{"model.reasons.method", s.Model.Reasons.Method},
		{"model.reasons.exact", s.Model.Reasons.Exact},
	} {
		if key.value == "" {
			c.add(key.path, "the value is empty", "leave the key out for its default")
		}
	}
}

// gates checks the table of columns; the other gates' bounds are in their tags.
func (c *checker) gates(g Gates) {
	for _, name := range g.Nulls() {
		path := join("gates.null_share_max", name)
		known := name != schema.Key && slices.ContainsFunc(schema.Subscriber, func(column schema.Column) bool { return slices.Contains(column.Names(), name) })
		if !known {
			c.add(path, fmt.Sprintf("%q is no column of the subscriber record", clip(name)), "name one as the record has it, with its month: fee_m0, or tenure_months")
		}
		if share := g.NullShareMax[name]; !(share >= 0 && share <= 1) {
			c.add(path, fmt.Sprintf("%v is out of bounds", share), "write a number from 0 to 1")
		}
	}
}
