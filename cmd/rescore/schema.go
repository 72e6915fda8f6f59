package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/bundle"
)

// jobSchema is the JSON Schema of the job file: keys and bounds from the tags of
// job.Spec, descriptions from its comments, defaults from job.Default, canonical
// columns from the dictionary.
func jobSchema() *jsonschema.Schema {
	s := reflected(job.Default(), "Rescore job file", job.Doc)
	annotate(s, reflect.ValueOf(job.Default()))
	columns(s)
	// A model is required, but of a preparation.
	kind := jsonschema.NewProperties()
	kind.Set("kind", &jsonschema.Schema{Const: job.KindPrepare})
	s.If = &jsonschema.Schema{Properties: kind, Required: []string{"kind"}}
	s.Else = &jsonschema.Schema{Required: []string{"model"}}
	for _, section := range []string{"features", "custom_rules"} {
		p, _ := s.Properties.Get(section)
		table := formulas(section)
		table.Description = p.Description
		s.Properties.Set(section, table)
	}
	return s
}

// schemas are the JSON Schemas of every file that users write, by what they hold.
var schemas = map[string]func() *jsonschema.Schema{
	"job": jobSchema,
	"policy": func() *jsonschema.Schema {
		s := reflected(job.Default().Policy, "Rescore policy file", job.Doc)
		annotate(s, reflect.ValueOf(job.Default().Policy))
		return s
	},
	"model": func() *jsonschema.Schema {
		s := reflected(bundle.Default(), "Rescore model card", bundle.Doc)
		for key, value := range map[string]any{"format": 1, "undersampling_beta": 1} {
			p, _ := s.Properties.Get(key)
			p.Default = value
		}
		return s
	},
	"features": func() *jsonschema.Schema {
		s := formulas("features")
		s.Version, s.Title, s.Description = jsonschema.Version, "Rescore features file", "The users' own features, by name."
		return s
	},
	"rules": func() *jsonschema.Schema {
		s := formulas("custom_rules")
		s.Version, s.Title, s.Description = jsonschema.Version, "Rescore rules file", "The users' own rules, by name; and under thresholds, the keys of rules."
		thresholds := reflected(job.Default().Rules, "", job.Doc)
		annotate(thresholds, reflect.ValueOf(job.Default().Rules))
		thresholds.Version, thresholds.Description = "", "Thresholds of the built-in rules."
		s.Properties = jsonschema.NewProperties()
		s.Properties.Set(job.Thresholds, thresholds)
		return s
	},
}

// reflected is the schema of a struct whose comments doc gives.
func reflected(v any, title string, doc func(typ, field string) string) *jsonschema.Schema {
	r := jsonschema.Reflector{
		Anonymous:                  true, // a file beside the binary, not an address on the web
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		ExpandedStruct:             true,
		DoNotReference:             true,
		LookupComment: func(t reflect.Type, field string) string {
			return strings.Join(strings.Fields(doc(t.Name(), field)), " ")
		},
	}
	s := r.Reflect(v)
	s.Title = title
	return s
}

// formulas is a table of formulas by name: each its text, or a table.
func formulas(section string) *jsonschema.Schema {
	least, most := uint64(1), uint64(job.FormulaBytesMax)
	text := &jsonschema.Schema{Type: "string", MinLength: &least, MaxLength: &most, Description: "a formula; rescore rules check explains it"}
	keys := jsonschema.NewProperties()
	key, count := "formula", uint64(job.FeaturesMax)
	if section == "custom_rules" {
		key, count = "when", job.RulesMax+1 // and the thresholds
	}
	keys.Set(key, text)
	if key == "formula" {
		keys.Set("unit", &jsonschema.Schema{Type: "string", Description: job.Doc("Formula", "Unit")})
	}
	keys.Set("doc", &jsonschema.Schema{Type: "string", Description: job.Doc("Formula", "Doc")})
	return &jsonschema.Schema{
		Type: "object",
		// No ASCII character but letters, digits and _, in every dialect of patterns.
		PropertyNames: &jsonschema.Schema{Pattern: `^[^0-9\s!-/:-@\[-\^\x60{-~][^\s!-/:-@\[-\^\x60{-~]*$`},
		MaxProperties: &count,
		AdditionalProperties: &jsonschema.Schema{OneOf: []*jsonschema.Schema{
			text,
			{Type: "object", Properties: keys, Required: []string{key}, AdditionalProperties: jsonschema.FalseSchema},
		}},
	}
}

// annotate adds defaults, and mends what the generator cannot know.
func annotate(s *jsonschema.Schema, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		p, ok := s.Properties.Get(f.Tag.Get("yaml"))
		if !ok {
			panic(fmt.Sprintf("rescore: the schema has no property for %s", f.Name))
		}
		switch value := v.Field(i); {
		case value.Kind() == reflect.Struct:
			annotate(p, value)
			continue
		case value.Kind() == reflect.Array:
			n := uint64(value.Len())
			p.MinItems, p.MaxItems = &n, &n
		case value.Type() == reflect.TypeFor[[]job.Offer]():
			restrict(p.Items, "when", schema.OfferConditions)
			restrict(p.Items, "offer", job.OfferNames())
		case value.Type() == reflect.TypeFor[[]job.Challenger]():
			beta, _ := p.Items.Properties.Get("undersampling_beta")
			beta.Default = 1
		case value.Type() == reflect.TypeFor[[]uint8]():
			// The generator takes bytes for base64; the job file lists numbers.
			p.Type, p.ContentEncoding = "array", ""
			p.Items = &jsonschema.Schema{Type: "integer", Minimum: json.Number("1"), Maximum: json.Number("5")}
		}
		switch value := v.Field(i); {
		case strings.Contains(f.Tag.Get("jsonschema"), "required"):
		case value.Kind() == reflect.Map:
			p.Default = map[string]any{}
		case value.Kind() == reflect.Slice && value.Len() == 0:
			p.Default = []any{}
		case value.Kind() == reflect.String && value.Len() == 0: // worked out, as the description says
		default:
			p.Default = value.Interface()
		}
	}
}

// restrict lists what a property of s may be.
func restrict(s *jsonschema.Schema, property string, list []string) {
	p, ok := s.Properties.Get(property)
	if !ok { // names stand in annotate; the golden test of the schema asks for all
		panic("rescore: the schema has no property for " + property)
	}
	for _, w := range list {
		p.Enum = append(p.Enum, w)
	}
}

// columns replaces the free-form table of mappings by one property a canonical
// column, with its units.
func columns(s *jsonschema.Schema) {
	input, _ := s.Properties.Get("input")
	table, _ := input.Properties.Get("columns")
	mapping := table.AdditionalProperties
	table.AdditionalProperties = jsonschema.FalseSchema
	table.Properties = jsonschema.NewProperties()
	for _, c := range schema.Subscriber {
		one := *mapping
		one.Properties = jsonschema.NewProperties()
		for p := mapping.Properties.Oldest(); p != nil; p = p.Next() {
			property := p.Value
			switch units := job.Units(c.Unit); {
			case p.Key == "unit" && len(units) == 0, p.Key == "months" && !c.Monthly:
				continue
			case p.Key == "unit":
				unit := *property
				for _, u := range units {
					unit.Enum = append(unit.Enum, string(u))
				}
				unit.Default = string(c.Unit)
				property = &unit
			}
			one.Properties.Set(p.Key, property)
		}
		one.Description = c.Doc
		if c.Null != "" {
			one.Description += ". Null: " + c.Null
		}
		table.Properties.Set(c.Name, &one)
	}
}
