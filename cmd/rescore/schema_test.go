package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"rescore/partition/job"
)

// compiled is the schema of a kind of file that the program prints.
func compiled(t *testing.T, kind string) *validator.Schema {
	t.Helper()
	text := call(t, good(), nil, "config", "schema", kind).out
	doc, err := validator.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource("job.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("job.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// check validates YAML text as an editor would.
func check(t *testing.T, s *validator.Schema, text []byte) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	j, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := validator.UnmarshalJSON(bytes.NewReader(j))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

func TestGoldenSchemaIsCurrent(t *testing.T) {
	t.Parallel()
	for kind := range schemas {
		file := filepath.Join("../../deploy", kind+".schema.json")
		want := call(t, good(), nil, "config", "schema", kind).out
		if os.Getenv("RESCORE_GOLDEN") == "write" {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what the program prints; run make golden and read the difference", file)
		}
	}
}

func TestSchemaTakesEveryExampleJobFile(t *testing.T) {
	t.Parallel()
	s := compiled(t, "job")
	examples := map[string][]byte{
		"smallest": []byte(jobText),
		"synth":    provinceJob(202610, "csv", "months"),
	}
	full, err := job.Decode("full", []byte(jobText), job.Overlay{Path: "input.columns", Text: `{fee: {column: "f{k}", unit: yuan}, sex: {column: s, values: {男: 1}}, data_kb: {months: [a, "", b], unit: mb}, vip_class: {constant: 0}, contract_end: {column: e, format: "2006-01-02"}}`},
		job.Overlay{Path: "input.extra", Text: "[{name: plan, column: PLAN, values: [a, b]}]"}, job.Overlay{Path: "input.exclude", Text: "{segments: [1380000], service_types: [4]}"}, job.Overlay{Path: "input.format", Text: "csv"})
	if err != nil {
		t.Fatal(err)
	}
	examples["full"] = full.Spec.YAML(true)
	committed, err := filepath.Glob("../../deploy/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../deploy/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(committed, more...) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("\nmodel:")) { // a job file, and not what a deployment tool reads
			examples[name] = text
		}
	}
	for name, text := range examples {
		if err := check(t, s, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := job.Decode(name, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The editor and the program must refuse the same things, as far as a schema
// can say them.
func TestSchemaRefusesWhatTheProgramRefuses(t *testing.T) {
	t.Parallel()
	s := compiled(t, "job")
	for _, wrong := range []string{
		"rule: {}", "version: 2", "run: {workers: -1}", "run: {batch_rows: 70000}", "rules: {t2_mode: other}", "rules: {t1_threshold_fen: [1, 2, 3]}",
		"rules: {t2_drop: 3}", "gates: {reject_share_max: 1.5}", "policy: {holdout_pct: 101}", "policy: {risk_band_cut: [0.1, 0.2, 0.3, 2]}", "run: {work: 5}", "run: fast",
	} {
		text := jobText + wrong + "\n"
		if err := check(t, s, []byte(text)); err == nil {
			t.Errorf("the schema takes %s", wrong)
		}
		if wrong == "run: {work: 5}" {
			continue // plain numbers are text to the program, where a text is wanted
		}
		if _, err := job.Decode("x", []byte(text)); err == nil {
			t.Errorf("the program takes %s", wrong)
		}
	}
	for _, wrong := range []string{
		"layout: tall", "make_numbers: -1", "columns: {tenur: {column: a}}", "columns: {fee: {column: \"f{k}\", unit: minute}}", "columns: {sex: {column: s, unit: count}}",
		"columns: {sex: {months: [a]}}", "columns: {fee: {months: [a, b, c, d, e, f, g]}}", "extra: [{column: a}]", "exclude: {segments: [1]}", "exclude: {service_types: [9]}", "csv: {delimiter: abcdefghi}",
	} {
		text := strings.Replace(jobText, "{path: a.csv}", "{path: a.csv, "+wrong+"}", 1)
		if err := check(t, s, []byte(text)); err == nil {
			t.Errorf("the schema takes %s", wrong)
		}
		if _, err := job.Decode("x", []byte(text)); err == nil {
			t.Errorf("the program takes %s", wrong)
		}
	}
	for _, missing := range []string{"name: base\n", "month: 202610\n", "input: {path: a.csv}\n", "model: {path: builtin:baseline}\n", "output: {path: out}\n"} {
		if err := check(t, s, []byte(strings.Replace(jobText, missing, "", 1))); err == nil {
			t.Errorf("the schema takes a file without %s", missing)
		}
	}
}

func TestSchemaDescribesEveryKeyAndGivesEveryDefault(t *testing.T) {
	t.Parallel()
	var root map[string]any
	if err := json.Unmarshal([]byte(call(t, good(), nil, "config", "schema").out), &root); err != nil {
		t.Fatal(err)
	}
	keys, defaults := 0, 0
	var walk func(path string, node map[string]any)
	walk = func(path string, node map[string]any) {
		properties, _ := node["properties"].(map[string]any)
		for name, p := range properties {
			child, ok := p.(map[string]any)
			if !ok {
				t.Errorf("%s.%s is no schema", path, name)
				continue
			}
			keys++
			if child["properties"] == nil && child["description"] == nil {
				t.Errorf("%s.%s has no description", path, name)
			}
			if child["default"] != nil {
				defaults++
			}
			walk(path+"."+name, child)
		}
	}
	walk("", root)
	if keys < 200 || defaults < 55 {
		t.Errorf("%d keys, %d defaults", keys, defaults)
	}
	if text := call(t, good(), nil, "config", "schema").out; strings.Contains(text, "base64") {
		t.Error("a list of numbers is described as base64")
	}
}
