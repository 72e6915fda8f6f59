package job

import (
	"bytes"
	_ "embed" // the comments of spec.go are the documentation of the job file
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed spec.go
var source string

// Doc returns what spec.go says of a type of the job file (field "") or of one
// of its fields, by their Go names; "" when it says nothing. A comment that
// begins with the field's name begins with the key instead, as users know it.
func Doc(typ, field string) string { return docs(typ, field) }

var docs = Comments(source)

// Comments returns what Doc is for spec.go, for the source of another file that
// users write. The source is read when it is first asked.
func Comments(source string) func(typ, field string) string {
	found := sync.OnceValue(func() map[string]string { return comments(source) })
	return func(typ, field string) string { return found()[typ+"."+field] }
}

func comments(source string) map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.ParseComments)
	if err != nil {
		panic(fmt.Sprintf("job: read the comments of the source this was built from: %v", err))
	}
	found := map[string]string{}
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range gen.Specs {
			typ, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			found[typ.Name.Name+"."] = strings.TrimSpace(gen.Doc.Text())
			fields, ok := typ.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range fields.Fields.List {
				text := f.Doc.Text()
				if text == "" {
					text = f.Comment.Text()
				}
				var key string
				if f.Tag != nil {
					key = reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("yaml")
				}
				for _, n := range f.Names {
					if rest, ok := strings.CutPrefix(text, n.Name+" "); ok {
						text = key + " " + rest
					}
					found[typ.Name.Name+"."+n.Name] = strings.TrimSpace(text)
				}
			}
		}
	}
	return found
}

// Value is one key of a spec and its value as YAML would write it on one line.
type Value struct {
	Path string
	Text string
}

// Values lists every key of s that has a value of its own, in the order of the
// job file, tables sorted by key.
func (s Spec) Values() []Value {
	var list []Value
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				f := v.Type().Field(i)
				if omitted(f, v.Field(i)) {
					continue
				}
				walk(v.Field(i), join(path, f.Tag.Get("yaml")))
			}
		case reflect.Map:
			for _, key := range sortedKeys(v) {
				walk(v.MapIndex(key), join(path, key.String()))
			}
		default:
			if formulas, ok := v.Interface().([]Formula); ok {
				for _, f := range formulas {
					n := f.node(path)
					if strings.Contains(f.Text, "\n") && n.Kind == yaml.ScalarNode {
						n.Style = yaml.DoubleQuotedStyle // on one line
					}
					list = append(list, Value{join(path, f.Name), strings.TrimSpace(string(encode(n)))})
				}
				return
			}
			n := node(v, false)
			n.Style |= yaml.FlowStyle
			list = append(list, Value{path, strings.TrimSpace(string(encode(n)))})
		}
	}
	walk(reflect.ValueOf(s), "")
	return list
}

// YAML writes s as a job file: every key, defaults included, and above each key
// what it means when comments is true. Decode reads it back as it was.
func (s Spec) YAML(comments bool) []byte { return encode(node(reflect.ValueOf(s), comments)) }

// EncodeFile writes a struct with yaml tags as DecodeFile reads it back, without
// the keys that say nothing.
func EncodeFile(v any) []byte { return encode(node(reflect.ValueOf(v), false)) }

func encode(n *yaml.Node) []byte {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(n); err != nil {
		panic(fmt.Sprintf("job: write a spec as YAML: %v", err))
	}
	return b.Bytes()
}

// formulaNodes turns formulas into a table by name, in their order.
func formulaNodes(list []Formula, section string) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, f := range list {
		m.Content = append(m.Content, scalar("!!str", f.Name), f.node(section))
	}
	return m
}

// node is a formula's text, or a table where more is known of it.
func (f Formula) node(section string) *yaml.Node {
	text := scalar("!!str", f.Text)
	if f.Unit == "" && f.Doc == "" {
		return text
	}
	m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle, Content: []*yaml.Node{scalar("!!str", textKey(section)), text}}
	if f.Unit != "" {
		m.Content = append(m.Content, scalar("!!str", "unit"), scalar("!!str", string(f.Unit)))
	}
	if f.Doc != "" {
		m.Content = append(m.Content, scalar("!!str", "doc"), scalar("!!str", f.Doc))
	}
	return m
}

func scalar(tag, text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
}

// node turns a value into YAML.
func node(v reflect.Value, comments bool) *yaml.Node {
	switch v.Kind() {
	case reflect.Struct:
		m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if omitted(f, v.Field(i)) {
				continue
			}
			key := scalar("!!str", f.Tag.Get("yaml"))
			if comments {
				key.HeadComment = Doc(v.Type().Name(), f.Name)
			}
			if formulas, ok := v.Field(i).Interface().([]Formula); ok {
				m.Content = append(m.Content, key, formulaNodes(formulas, key.Value))
				continue
			}
			m.Content = append(m.Content, key, node(v.Field(i), comments))
		}
		return m
	case reflect.Map:
		m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, key := range sortedKeys(v) {
			m.Content = append(m.Content, scalar("!!str", key.String()), node(v.MapIndex(key), false))
		}
		if v.Len() == 0 {
			m.Style = yaml.FlowStyle
		}
		return m
	case reflect.Slice, reflect.Array:
		l := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i := range v.Len() {
			l.Content = append(l.Content, node(v.Index(i), false))
		}
		if v.Len() == 0 || v.Type().Elem().Kind() != reflect.Struct {
			l.Style = yaml.FlowStyle
		}
		return l
	case reflect.Pointer:
		return node(v.Elem(), comments)
	case reflect.String:
		return scalar("!!str", v.String())
	case reflect.Bool:
		return scalar("!!bool", strconv.FormatBool(v.Bool()))
	case reflect.Float64:
		text := strconv.FormatFloat(v.Float(), 'g', -1, 64)
		if strings.ContainsAny(text, ".e") {
			return scalar("!!float", text)
		}
		return scalar("!!int", text)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return scalar("!!int", strconv.FormatUint(v.Uint(), 10))
	}
	return scalar("!!int", strconv.FormatInt(v.Int(), 10))
}

// omitted reports whether a field says nothing: the keys of mappings and extra
// columns exclude one another, and an empty one would not be read back.
func omitted(f reflect.StructField, v reflect.Value) bool {
	if !strings.HasSuffix(f.Tag.Get("json"), ",omitempty") {
		return false
	}
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return v.Len() == 0
	}
	return v.IsZero()
}

func sortedKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}
