package job

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"rescore/partition/lazy"
)

// Limits of a job file. Larger ones are refused before they are read, so that
// no file, however nested or aliased, costs more than a moment.
const (
	BytesMax = 1 << 20
	NodesMax = 200_000
	// ProblemsMax is how many problems are reported: past it a file is not one
	// that somebody is about to mend line by line.
	ProblemsMax = 1000
)

// Overlay is a value from outside the job file. Later overlays win over earlier
// ones, and all of them over the file.
type Overlay struct {
	Path string // run.workers, input.columns.fee.unit; a list or map is given whole
	// Text is the value: as it is for a text, and as YAML for anything else, so
	// that [a, b] is a list.
	Text   string
	Source string // named in problems and origins: "flag --workers"
}

// Decoded is a job file, and the files beside it, with every value resolved.
type Decoded struct {
	Spec Spec
	// Origins says where each key that was given was given last, by path. A key
	// that is not in it has its default.
	Origins map[string]Origin
}

// Origin returns where the value at path comes from: its own place, or that of
// the nearest key around it that was given whole.
func (d Decoded) Origin(path string) Origin {
	for path != "" {
		if o, ok := d.Origins[path]; ok {
			return o
		}
		path = parent(path)
		if isStruct(path) {
			break // the file naming "run" says nothing about run.workers
		}
	}
	return Origin{}
}

// Decode reads a job file that names no files beside it.
func Decode(file string, data []byte, overlays ...Overlay) (Decoded, error) {
	return DecodeBeside(Text{Name: file, Data: data}, Beside{}, overlays...)
}

// DecodeBeside reads the files beside a job file, puts the job file on top of
// them and the overlays on top of it, and validates the whole; nothing is read
// from disk. The error is Problems, all of them at once; the Decoded is then what
// could be made out, for display only, or to find the files that it names.
func DecodeBeside(file Text, beside Beside, overlays ...Overlay) (Decoded, error) {
	d := decoder{at: map[string]Origin{}, files: []string{file.Name}, what: jobFile}
	spec := Default()
	root := reflect.ValueOf(&spec).Elem()
	d.beside(beside, root)
	d.source = file.Name
	if n := d.parse(file.Data); n != nil {
		d.value(n, root, "")
	}
	for _, o := range overlays {
		d.source, d.flat = o.Source, true
		d.overlay(root, o.Path, "", o.Text)
	}
	spec.resolve()
	if _, given := d.at["gates.duplicate_share_max"]; spec.Prepares() && !given {
		spec.Gates.DuplicateShareMax = 1 // duplicates are what it is for
	}
	return d.finish(spec, append(beside.missing(spec.Files), Validate(spec)...))
}

// DecodeFile reads a file of another kind than a job file, as strictly, into what
// into points to: a struct with yaml tags, which holds the defaults. what names such
// a file, with its article. check says what is wrong beyond the keys' bounds, once
// the values are there. The error is Problems, all of them at once.
func DecodeFile(file Text, what string, into any, check func() []Problem) error {
	d := decoder{at: map[string]Origin{}, files: []string{file.Name}, source: file.Name, what: what}
	root := reflect.ValueOf(into).Elem()
	if n := d.parse(file.Data); n != nil {
		d.value(n, root, "")
	}
	return d.report(append(outOfBounds(root, "", bounds{}), check()...))
}

// finish adds the problems of the spec to those of its files.
func (d *decoder) finish(spec Spec, found []Problem) (Decoded, error) {
	return Decoded{Spec: spec, Origins: d.at}, d.report(found)
}

// report adds what was found in the values to what was found in the text, each
// where its key stands, and returns all of it as Problems; nil for none.
func (d *decoder) report(found []Problem) error {
	for _, p := range found {
		if len(d.problems) == ProblemsMax {
			break
		}
		if d.known(p.Path) {
			continue
		}
		where := Origin{Source: d.files[0], Line: 1, Column: 1}
		for path := p.Path; path != ""; path = parent(path) {
			if o, ok := d.at[path]; ok {
				where = o
				break
			}
		}
		p.File, p.Line, p.Column = where.Source, where.Line, where.Column
		d.problems = append(d.problems, p)
	}
	if len(d.problems) == 0 {
		return nil
	}
	rank := func(p Problem) int { // the job file, then those beside it, then what is no file
		if i := slices.Index(d.files, p.File); i >= 0 {
			return i
		}
		return len(d.files)
	}
	slices.SortStableFunc(d.problems, func(a, b Problem) int {
		return cmp.Or(rank(a)-rank(b), a.Line-b.Line, a.Column-b.Column)
	})
	return d.problems
}

// resolve fills in what the file says by leaving it out, so that what a spec
// means does not depend on who reads it.
func (s *Spec) resolve() {
	if s.Run.Work == "" && s.Name != "" {
		s.Run.Work = ".rescore/" + s.Name
	}
	for name, m := range s.Input.Columns {
		if m.Column == "" && m.Months == nil && m.Constant == nil {
			m.Column = defaultColumn(name, s.Input.Layout)
			s.Input.Columns[name] = m
		}
	}
	for i := range s.Input.Extra {
		if s.Input.Extra[i].Column == "" {
			s.Input.Extra[i].Column = s.Input.Extra[i].Name
		}
	}
}

// decoder walks a YAML tree and the Spec's type side by side. It is strict where
// the YAML library is lenient (unknown and repeated keys, yes for true, octal
// numbers) and never stops at the first problem.
type decoder struct {
	source   string
	what     string   // such a file, with its article
	files    []string // the job file, then those beside it
	page     page     // the file that is decoded
	flat     bool     // source is not a file: its values have no line
	nodes    int
	at       map[string]Origin
	problems Problems
	meant    []string // keys that a misspelt key stood for
}

const jobFile = "a job file"

// yamlLine finds the line in the messages of the YAML library, which has no
// typed syntax error.
var yamlLine = lazy.Regexp(`line (\d+)`)

// parse returns the root node, or nil when there is none to decode.
func (d *decoder) parse(data []byte) *yaml.Node {
	whole := yaml.Node{Line: 1, Column: 1}
	if len(data) > BytesMax {
		d.problem(&whole, "", fmt.Sprintf("the file is larger than %d bytes", BytesMax), d.what+" names data, it does not hold it")
		return nil
	}
	d.page = newPage(data)
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil // an empty file: the required keys are reported as missing
	} else if err != nil {
		d.syntax(err)
		return nil
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		d.problem(&second, "", "there is a second YAML document", "put it in a file of its own")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
	}
	if len(doc.Content) != 1 {
		return nil
	}
	return doc.Content[0]
}

func (d *decoder) syntax(err error) {
	where := yaml.Node{Line: 1, Column: 1}
	if m := yamlLine().FindStringSubmatch(err.Error()); m != nil {
		where.Line, _ = strconv.Atoi(m[1]) // digits by the pattern; too many of them leave the maximum
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	d.problem(&where, "", "this is not YAML: "+text, "check the indentation and quotes around this line")
}

func (d *decoder) problem(n *yaml.Node, path, message, remedy string) {
	if len(d.problems) == ProblemsMax {
		return
	}
	o := d.origin(n)
	d.problems = append(d.problems, Problem{File: o.Source, Line: o.Line, Column: o.Column, Path: path, Message: message, Remedy: remedy})
}

func (d *decoder) origin(n *yaml.Node) Origin {
	if d.flat {
		return Origin{Source: d.source}
	}
	return Origin{Source: d.source, Line: n.Line, Column: n.Column}
}

// known reports whether a problem with path, or with a key around it, has been
// reported already: a validation problem there would only be its echo.
func (d *decoder) known(path string) bool {
	under := func(of string) bool {
		return of == "" || path == of || strings.HasPrefix(path, of+".") || strings.HasPrefix(path, of+"[")
	}
	for _, p := range d.problems {
		if under(p.Path) {
			return true
		}
	}
	return slices.ContainsFunc(d.meant, func(key string) bool {
		_, given := d.at[key] // beside the misspelled key: what it holds is no echo
		return !given && under(key)
	})
}

// value decodes n into v. On a problem v keeps what it held.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	if d.nodes++; d.nodes > NodesMax {
		if d.nodes == NodesMax+1 {
			d.problem(n, "", fmt.Sprintf("the file has more than %d values", NodesMax), d.what+" names data, it does not hold it")
		}
		return
	}
	where := n
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" && (v.Kind() != reflect.String || n.Value == "") {
		return // a key without a value keeps what it has
	}
	if path != "" {
		d.at[path] = d.origin(where)
	}
	if v.Type() == reflect.TypeFor[[]Formula]() {
		d.formulas(n, where, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, where, v, path)
	case reflect.Map:
		d.table(n, where, v, path)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			d.kind(where, n, path, "a list", "write [a, b]")
			return
		}
		list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
		for i, c := range n.Content {
			list.Index(i).Set(element(list.Type().Elem()))
			d.value(c, list.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
		v.Set(list)
	case reflect.Array:
		if n.Kind != yaml.SequenceNode || len(n.Content) != v.Len() {
			d.kind(where, n, path, fmt.Sprintf("a list of %d values", v.Len()), fmt.Sprintf("give all %d", v.Len()))
			return
		}
		for i, c := range n.Content {
			d.value(c, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Pointer:
		inner := reflect.New(v.Type().Elem())
		before := len(d.problems)
		d.value(n, inner.Elem(), path)
		if len(d.problems) == before {
			v.Set(inner)
		}
	default:
		if n.Kind != yaml.ScalarNode {
			d.kind(where, n, path, "a single value", "write one value after the colon")
			return
		}
		d.scalar(n, where, v, path)
	}
}

// mapping decodes into a struct: the keys are known.
func (d *decoder) mapping(n, where *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.kind(where, n, path, "keys and values", "write its keys below it, indented")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if !d.key(key, path, seen) {
			continue
		}
		f, ok := field(v, key.Value)
		if !ok {
			d.unknown(key, v.Type(), path, key.Value)
			continue
		}
		d.value(n.Content[i+1], f, join(path, key.Value))
	}
}

// table decodes into a map: the keys are the user's.
func (d *decoder) table(n, where *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.kind(where, n, path, "keys and values", "write its keys below it, indented")
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if !d.key(key, path, seen) {
			continue
		}
		e := reflect.New(v.Type().Elem()).Elem()
		before := len(d.problems)
		d.value(n.Content[i+1], e, join(path, key.Value))
		if len(d.problems) == before || e.Kind() == reflect.Struct {
			m.SetMapIndex(reflect.ValueOf(key.Value), e)
		}
	}
	v.Set(m)
}

// key reports whether a key can be used, and says why when it cannot.
func (d *decoder) key(key *yaml.Node, path string, seen map[string]bool) bool {
	switch {
	case key.Kind != yaml.ScalarNode:
		d.problem(key, join(path, "?"), "a key is not a name", "write name: value")
		return false
	case key.ShortTag() == "!!merge":
		d.problem(key, join(path, "<<"), "merge keys (<<) are not read", "write the keys out")
		return false
	case seen[key.Value]:
		d.problem(key, join(path, key.Value), "the key stands here twice", "keep one of the two")
		return false
	}
	seen[key.Value] = true
	return true
}

func (d *decoder) unknown(n *yaml.Node, t reflect.Type, path, name string) {
	if len(d.problems) == ProblemsMax {
		return
	}
	names := fieldNames(t)
	remedy := "the keys here are " + strings.Join(names, ", ")
	if near, ok := Closest(name, names); ok {
		remedy = fmt.Sprintf("did you mean %s?", near)
		d.meant = append(d.meant, join(path, near))
	}
	d.problem(n, join(path, name), "this key is not known", remedy)
}

func (d *decoder) kind(where, n *yaml.Node, path, want, remedy string) {
	got := map[yaml.Kind]string{yaml.MappingNode: "keys and values", yaml.SequenceNode: fmt.Sprintf("a list of %d values", len(n.Content)), yaml.ScalarNode: strconv.Quote(clip(n.Value))}[n.Kind]
	if path == "" {
		want = d.what + ": " + want
	}
	d.problem(where, path, fmt.Sprintf("wants %s, not %s", want, got), remedy)
}

// decimal is a whole number as people mean it: 0123 is not 83.
var decimal = lazy.Regexp(`^[-+]?(0|[1-9][0-9_]*)$`)

func (d *decoder) scalar(n, where *yaml.Node, v reflect.Value, path string) {
	tag, text := n.ShortTag(), n.Value
	wrong := func(want, remedy string) {
		d.problem(where, path, fmt.Sprintf("wants %s, not %q", want, clip(text)), remedy)
	}
	plain := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	remedy := func(usual string) string {
		if plain {
			return usual
		}
		return "remove the quotes"
	}
	digits := strings.ReplaceAll(text, "_", "")
	switch v.Kind() {
	case reflect.String:
		switch {
		case tag == "!!null" && text == "null" && path == "input.missing_months":
			v.SetString(text) // the one word of ours that YAML thinks is its own
		case tag == "!!null":
			wrong("a text", "put it in quotes")
		case tag == "!!str" || tag == "!!int" || tag == "!!float" || tag == "!!bool" || tag == "!!timestamp":
			v.SetString(text)
		default:
			wrong("a text", "remove the tag "+tag)
		}
	case reflect.Bool:
		if tag != "!!bool" {
			wrong("true or false", remedy("write one of the two"))
			return
		}
		v.SetBool(strings.EqualFold(text, "true"))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(strings.TrimPrefix(digits, "+"), 10, v.Type().Bits())
		if tag != "!!int" || !decimal().MatchString(text) || err != nil {
			wrong("a whole number", remedy("write digits only, such as 40"))
			return
		}
		v.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		u, err := strconv.ParseUint(strings.TrimPrefix(digits, "+"), 10, v.Type().Bits())
		if tag != "!!int" || !decimal().MatchString(text) || err != nil {
			wrong(fmt.Sprintf("a whole number from 0 to %d", uint64(math.MaxUint64)>>(64-v.Type().Bits())), remedy("write digits only, such as 40"))
			return
		}
		v.SetUint(u)
	case reflect.Float64:
		f, err := strconv.ParseFloat(digits, 64)
		if (tag != "!!float" && tag != "!!int") || err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			wrong("a number", remedy("write it as 0.25"))
			return
		}
		v.SetFloat(f)
	default:
		panic(fmt.Sprintf("job: a %s cannot be decoded", v.Type()))
	}
}

// overlay sets the value at rest below v, whose own path is path.
func (d *decoder) overlay(v reflect.Value, rest, path, text string) {
	if rest == "" {
		d.text(v, path, text)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		name, rest, _ := strings.Cut(rest, ".")
		f, ok := field(v, name)
		if !ok {
			d.unknown(&yaml.Node{}, v.Type(), path, name)
			return
		}
		d.overlay(f, rest, join(path, name), text)
	case reflect.Map:
		name := rest // a feature's name may hold dots; only a table of structs goes deeper
		if v.Type().Elem().Kind() == reflect.Struct {
			name, rest, _ = strings.Cut(rest, ".")
		} else {
			rest = ""
		}
		e := reflect.New(v.Type().Elem()).Elem()
		if old := v.MapIndex(reflect.ValueOf(name)); old.IsValid() {
			e.Set(old)
		}
		before := len(d.problems)
		d.overlay(e, rest, join(path, name), text)
		if len(d.problems) > before {
			return
		}
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		v.SetMapIndex(reflect.ValueOf(name), e)
	default:
		d.problem(&yaml.Node{}, join(path, rest), "there is no key inside a single value or a list", fmt.Sprintf("give %s whole", path))
	}
}

// text decodes an overlay's text into v.
func (d *decoder) text(v reflect.Value, path, text string) {
	if path == "" {
		d.problem(&yaml.Node{}, "", "there is no key", "write key=value, as in run.workers=4")
		return
	}
	n := yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if v.Kind() != reflect.String {
		if len(text) > BytesMax {
			d.problem(&n, path, fmt.Sprintf("the value is larger than %d bytes", BytesMax), "shorten it")
			return
		}
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			d.problem(&n, path, "this is not YAML: "+strings.TrimPrefix(err.Error(), "yaml: "), "write a list as [a, b] and a table as {a: 1}")
			return
		}
		if len(doc.Content) == 1 {
			n = *doc.Content[0]
		} else {
			n.Tag = "!!null"
		}
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		d.problem(&n, path, "the value is empty", "give a value or remove it")
		return
	}
	d.value(&n, v, path)
}

// field returns the field of a struct by its key.
func field(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func fieldNames(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("yaml")
	}
	return names
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// parent returns the path around path: a.b[1] is in a.b is in a is in "".
func parent(path string) string {
	if i := strings.LastIndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return ""
}

// isStruct reports whether path names a section with known keys.
func isStruct(path string) bool {
	if path == "" {
		return true
	}
	t := reflect.TypeFor[Spec]()
	for name := range strings.SplitSeq(path, ".") {
		if t.Kind() != reflect.Struct {
			return false
		}
		f, ok := field(reflect.New(t).Elem(), name)
		if !ok {
			return false
		}
		t = f.Type()
	}
	return t.Kind() == reflect.Struct
}

// clip keeps a quoted value from filling the screen.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
