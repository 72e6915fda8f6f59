package job

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"rescore/partition/schema"
)

func decoded(t *testing.T, text string) Spec {
	t.Helper()
	d, err := Decode("job.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d.Spec
}

// The digest names jobs on disk and in the ledger: if this changes, every job
// that was ever run changes its name. Change it with a decision record only.
func TestDigestOfTheSmallestJobNeverChanges(t *testing.T) {
	t.Parallel()
	s := decoded(t, small)
	if got, want := s.Digest(), "730b5e44d715a74d6b4a68845f2d597876e64d9cd5b40c1723313cb9f14c6f86"; got != want {
		t.Errorf("digest %s, want %s of\n%s", got, want, s.Canonical())
	}
	if got, want := s.RulesDigest(), "9f62af6c6dfcf400e2ffb580c06552b1924b2190fdd17acad570aaea89c3ba02"; got != want {
		t.Errorf("rules digest %s, want %s", got, want)
	}
	if got, want := NewID(s, []string{"m"}, "i"), ID("202610-5961a3fe1678"); got != want {
		t.Errorf("job %s, want %s", got, want)
	}
}

func TestHowAJobRunsIsNotWhatItAsks(t *testing.T) {
	t.Parallel()
	a, b := decoded(t, small), decoded(t, small+"run: {workers: 7, partition_rows: 10, batch_rows: 1, work: w, max_attempts: 9}\n")
	if a.Digest() != b.Digest() {
		t.Error("run changed the digest")
	}
}

func TestOrderAndSpellingDoNotChangeTheQuestion(t *testing.T) {
	t.Parallel()
	a := decoded(t, small+"rules: {t2_base_fen: 3500}\n")
	b := decoded(t, "output: {path: out}\nmodel:\n  path: 'builtin:baseline'\ninput: {path: base.parquet, exclude: {segments: []}, extra: [], columns: {}}\nmonth: 202_610\nname: \"base\"\n")
	if a.Digest() != b.Digest() {
		t.Errorf("\n%s\n%s", a.Canonical(), b.Canonical())
	}
	c, d := a, a
	c.Input.Exclude.Segments, d.Input.Exclude.Segments = []uint32{1380001, 1380000, 1380001}, []uint32{1380000, 1380001}
	c.Input.Exclude.ServiceTypes, d.Input.Exclude.ServiceTypes = []uint32{4, 2}, []uint32{2, 4}
	c.Rules.T5ServiceTypes, d.Rules.T5ServiceTypes = []uint32{3, 2}, []uint32{2, 3, 2}
	if c.Digest() != d.Digest() || c.RulesDigest() != d.RulesDigest() {
		t.Error("a set in another order is another question")
	}
	if c.Input.Exclude.Segments[0] != 1380001 {
		t.Error("Canonical sorted the caller's list")
	}
}

// Every field outside run must change the digest, whatever is added later.
func TestEveryKeyChangesTheDigest(t *testing.T) {
	t.Parallel()
	base := decoded(t, small)
	want := base.Digest()
	rng := rand.New(rand.NewPCG(1, 2))
	var walk func(get func(*Spec) reflect.Value, path string)
	changed := 0
	walk = func(get func(*Spec) reflect.Value, path string) {
		s := base
		v := get(&s)
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).Tag.Get("yaml") == "-" {
					continue
				}
				walk(func(s *Spec) reflect.Value { return get(s).Field(i) }, join(path, v.Type().Field(i).Tag.Get("yaml")))
			}
			return
		case reflect.String:
			v.SetString(v.String() + "x")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Float64:
			v.SetFloat(v.Float() + 1 + rng.Float64())
		case reflect.Uint64:
			v.SetUint(v.Uint() + 1)
		case reflect.Int, reflect.Int32, reflect.Int64:
			v.SetInt(v.Int() + 1)
		case reflect.Array:
			last := v.Index(v.Len() - 1)
			if last.Kind() == reflect.Float64 {
				last.SetFloat(last.Float() / 2)
			} else {
				last.SetInt(last.Int() + 1)
			}
		case reflect.Slice:
			v.Set(reflect.Append(v, reflect.New(v.Type().Elem()).Elem()))
		case reflect.Map:
			m := reflect.MakeMap(v.Type())
			m.SetMapIndex(reflect.ValueOf("fee"), reflect.New(v.Type().Elem()).Elem())
			v.Set(m)
		default:
			t.Fatalf("%s is a %s: teach this test about it", path, v.Kind())
		}
		changed++
		if same := s.Digest() == want; same != (strings.HasPrefix(path, "run.") || strings.HasPrefix(path, "files.")) {
			t.Errorf("%s: digest stays the same: %v", path, same)
		}
		section, _, _ := strings.Cut(path, ".")
		if same := s.RulesDigest() == base.RulesDigest(); same == slices.Contains([]string{"rules", "policy", "features", "custom_rules"}, section) {
			t.Errorf("%s: rules digest stays the same: %v", path, same)
		}
	}
	walk(func(s *Spec) reflect.Value { return reflect.ValueOf(s).Elem() }, "")
	if changed < 50 {
		t.Errorf("only %d keys were tried", changed)
	}
}

func TestCanonicalFormIsReadBackAsTheSameQuestion(t *testing.T) {
	t.Parallel()
	s := decoded(t, strings.Replace(small, "  path: base.parquet\n", `  path: b
  columns: {fee: {column: "f{k}", unit: yuan}, sex: {column: s, values: {男: 1}}, vip_class: {constant: 0}, in_sec: {months: [a, ""]}}
  extra: [{name: x, values: [a]}]
  exclude: {segments: [1380000], service_types: [2, 4]}
`, 1))
	back, err := ParseCanonical(s.Canonical())
	if err != nil {
		t.Fatal(err)
	}
	if back.Digest() != s.Digest() || back.Run != (Run{}) || back.Input.Exclude.ServiceTypes[1] != 4 || *back.Input.Columns["vip_class"].Constant != 0 {
		t.Errorf("got\n%s\nof\n%s", back.Canonical(), s.Canonical())
	}
	if back.Input.CSV.Encoding != EncodingUTF8 || back.Input.CSV.Quote != "double" || back.Input.CSV.Escape != "none" {
		t.Errorf("what was left out came back as %+v", back.Input.CSV)
	}
	if _, err := ParseCanonical([]byte(`{"nam":"x"}`)); err == nil {
		t.Error("an unknown key was read")
	}
}

func TestEveryCanonicalColumnHasASpan(t *testing.T) {
	t.Parallel()
	for _, col := range schema.Subscriber {
		if low, high := span(col); low > 0 || high < 100 {
			t.Errorf("%s: %d to %d", col.Name, low, high)
		}
	}
}

func TestIDTellsItsPartsApart(t *testing.T) {
	t.Parallel()
	s := decoded(t, small)
	ids := map[ID]bool{NewID(s, []string{"ab"}, "c"): true, NewID(s, []string{"a"}, "bc"): true, NewID(s, []string{""}, "abc"): true, NewID(s, []string{"abc"}, ""): true}
	if len(ids) != 4 {
		t.Errorf("got %v", ids)
	}
	for id := range ids {
		if !strings.HasPrefix(string(id), "202610-") || len(id) != len("202610-")+12 {
			t.Errorf("bad form: %s", id)
		}
	}
}

func TestEveryKeyIsDocumentedAndEveryBoundIsUnderstood(t *testing.T) {
	t.Parallel()
	understood := map[string]bool{"required": true, "enum": true, "minimum": true, "exclusiveMinimum": true, "maximum": true,
		// said again, in words of their own, by Validate
		"pattern": true, "minLength": true, "maxLength": true, "minItems": true, "maxItems": true}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Map || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Tag.Get("yaml") == "-" {
				continue
			}
			if f.Tag.Get("yaml") == "" {
				t.Errorf("%s.%s has no key", typ.Name(), f.Name)
			}
			inner := f.Type
			for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct && Doc(inner.Name(), "") == "" {
				t.Errorf("type %s has no comment", inner.Name())
			}
			if inner.Kind() != reflect.Struct && Doc(typ.Name(), f.Name) == "" {
				t.Errorf("%s.%s has no comment", typ.Name(), f.Name)
			}
			for part := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
				if word, _, _ := strings.Cut(part, "="); word != "" && !understood[word] {
					t.Errorf("%s.%s: bound %q is for editors only", typ.Name(), f.Name, part)
				}
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Spec]())
	if len(seen) != 21 {
		t.Errorf("walked %d types", len(seen))
	}
}

func TestDefaultsPassTheirOwnBounds(t *testing.T) {
	t.Parallel()
	s := decoded(t, small)
	if p := Validate(s); p != nil {
		t.Errorf("%v", Problems(p))
	}
	if s.Run.Work != ".rescore/base" {
		t.Errorf("work folder %s", s.Run.Work)
	}
	// the empty job lacks what has no default and nothing else
	if p := Validate(Default()); len(p) != 5 {
		t.Errorf("%v", Problems(p))
	}
}

func TestValuesListEveryKey(t *testing.T) {
	t.Parallel()
	s := decoded(t, strings.Replace(small, "  path: base.parquet\n", "  path: b\n  columns: {sex: {column: s}}\n", 1))
	got := map[string]string{}
	for _, v := range s.Values() {
		got[v.Path] = v.Text
	}
	for path, want := range map[string]string{
		"name": "base", "month": "202610", "input.columns.sex.column": "s", "input.csv.null": `["", \N, "NULL"]`,
		"rules.t1_threshold_fen": "[170000, 70000, 30000, 10000]", "policy.save_rate": "0.2", "run.partition_rows": "524288",
	} {
		if got[path] != want {
			t.Errorf("%s = %q, want %q", path, got[path], want)
		}
	}
}

func TestClosestPrefersTheNearerAndKnowsSwaps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, want string }{
		{"yaun", "yuan"}, {"fne", "fen"}, {"YUAN", "yuan"}, {"minutes", "minute"}, {"hectare", ""}, {"", ""}, {strings.Repeat("x", 1000), ""},
	} {
		got, ok := Closest(c.name, []string{"fen", "yuan", "second", "minute"})
		if got != c.want || ok != (c.want != "") {
			t.Errorf("Closest(%q) = %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTheNameOfAJobDoesNotDependOnWhereItsFilesLie(t *testing.T) {
	spec := Default()
	spec.Month = 202610
	want := NewID(spec, []string{"model"}, "input")
	spec.Input.Path, spec.Model.Path, spec.Output.Path = "a", "b", "c"
	if got := NewID(spec, []string{"model"}, "input"); got != want {
		t.Errorf("with other paths the job is %s, not %s", got, want)
	}
	spec.Rules.T2DropPct++
	if NewID(spec, []string{"model"}, "input") == want {
		t.Error("with another threshold the job has the same name")
	}
}
