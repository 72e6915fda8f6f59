package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rescore/cmd/internal/boot"
	"rescore/worker/formula"
)

const example = "../../deploy/example"

// exampleJob is a job file with the example's files beside it, and one of its
// own that is wrong.
func exampleJob(t *testing.T) string {
	t.Helper()
	dir := folder(t)
	for name, text := range map[string]string{
		"own.yaml":   jobText + "files: {rules: rules.yaml, features: features.yaml}\n",
		"wrong.yaml": "roam: roam_sec[0] > 12000 and brand == \"gotnoe\"\n全球: fe[0] > 1\nthresholds: {t2_drop: 3}\n",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	for _, name := range []string{"rules.yaml", "features.yaml"} {
		text, err := os.ReadFile(filepath.Join(example, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), string(text))
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRulesCheckHasItsExitCodes(t *testing.T) {
	t.Parallel()
	dir := exampleJob(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, c := range []struct {
		want int
		args []string
	}{
		{boot.OK, []string{"rules", "check", at("features.yaml")}},
		{boot.OK, []string{"rules", "check", at("rules.yaml"), "--job", at("own.yaml")}},
		{boot.OK, []string{"rules", "check", at("features.yaml"), "--kind", "features", "--output", "json"}},
		{boot.Usage, []string{"rules", "check", at("rules.yaml")}}, // drop is a feature of the job
		{boot.Usage, []string{"rules", "check", at("wrong.yaml")}},
		{boot.Usage, []string{"rules", "check", at("features.yaml"), "--kind", "rules"}},
		{boot.Usage, []string{"rules", "check", at("features.yaml"), "--kind", "other"}},
		{boot.Usage, []string{"rules", "check", at("rules.yaml"), "--job", at("bad.yaml")}},
		{boot.NotFound, []string{"rules", "check", at("gone.yaml")}},
		{boot.NotFound, []string{"rules", "check", at("rules.yaml"), "--job", at("gone.yaml")}},
		{boot.Failure, []string{"rules", "check", dir}},
		{boot.Usage, []string{"rules", "check"}}, {boot.Usage, []string{"rules"}}, {boot.Usage, []string{"rules", "chekc"}},
		{boot.OK, []string{"features", "list", "--job", at("own.yaml")}}, {boot.NotFound, []string{"features", "list", "--job", at("gone.yaml")}},
		{boot.OK, []string{"config", "schema", "rules"}}, {boot.Usage, []string{"config", "schema", "rule"}},
	} {
		if got := call(t, good(), nil, c.args...); got.code != c.want {
			t.Errorf("%v: exit code %d, want %d\n%s", c.args, got.code, c.want, got.errors)
		}
	}
}

func TestRulesCheckExplainsEveryFormula(t *testing.T) {
	t.Parallel()
	dir := exampleJob(t)
	out := call(t, good(), nil, "rules", "check", filepath.Join(dir, "features.yaml")).out
	for _, want := range []string{"drop  (number, ratio)", "reads  fee[0] = m; fee[1:3] = m-1, m-2, m-3", "fewer than 2 of the 3 months of fee[1:3] are known, or mean(fee[1:3]) is 0", "falling_fast  (boolean)", "4 features, no problem found"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	var list []formula.Info
	if err := json.Unmarshal([]byte(call(t, good(), nil, "rules", "check", filepath.Join(dir, "rules.yaml"), "--job", filepath.Join(dir, "own.yaml"), "--output", "json").out), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 4 || list[0].Name != "warn_roam" || !list[0].Rule || !slices.Contains(list[1].Columns, "fee_m3") {
		t.Errorf("%+v", list)
	}
}

func TestRulesCheckPointsAtTheTokenThatIsWrong(t *testing.T) {
	t.Parallel()
	file := filepath.Join(exampleJob(t), "wrong.yaml")
	got := call(t, good(), nil, "rules", "check", file)
	for _, want := range []string{
		file + " has 3 problems\n",
		"  " + file + ":1:40: custom_rules.roam: brand has no code \"gotnoe\"; did you mean \"gotone\"?\n      roam: roam_sec[0] > 12000 and brand == \"gotnoe\"\n                                             ^\n",
		"  " + file + ":2:5: custom_rules.全球: there is no column fe; did you mean fee?\n      全球: fe[0] > 1\n            ^\n",
		"  " + file + ":3:14: rules.t2_drop: this key is not known; did you mean t2_drop_pct?\n",
	} {
		if !strings.Contains(got.errors, want) {
			t.Errorf("no %q in\n%s", want, got.errors)
		}
	}
	var report struct {
		Problems []struct {
			Line, Column int
			Excerpt      string
		}
	}
	if err := json.Unmarshal([]byte(call(t, good(), nil, "rules", "check", file, "--output", "json").errors), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Problems) != 3 || report.Problems[1].Column != 40 && report.Problems[0].Column != 40 {
		t.Errorf("%+v", report)
	}
}

func TestAJobsOwnFormulasAreSeenByEveryCommand(t *testing.T) {
	t.Parallel()
	dir := exampleJob(t)
	file := filepath.Join(dir, "own.yaml")
	view := call(t, good(), nil, "config", "view", file, "--origin").out
	for _, want := range []string{"features.drop ", "features.yaml:13:7\n", "rules.t2_drop_pct ", "rules.yaml:9:16\n", "custom_rules.全球通降幅"} {
		if !strings.Contains(view, want) {
			t.Errorf("no %q in\n%s", want, view)
		}
	}
	list := call(t, good(), nil, "features", "list", "--job", file)
	if !strings.Contains(list.out, "falling_fast ") || !strings.Contains(list.out, "features.yaml:13:7") || !strings.Contains(list.out, "dictionary") {
		t.Error(list.out)
	}
	write(t, filepath.Join(dir, "features.yaml"), "drop: fee[9]\n")
	for _, command := range []string{"run", "plan"} {
		if got := call(t, good(), nil, command, file); got.code != boot.Usage || !strings.Contains(got.errors, "features.yaml:1:11: features.drop: there is no month 9") {
			t.Errorf("%s: %d\n%s", command, got.code, got.errors)
		}
	}
}

func TestSchemasTakeTheExamplesAndRefuseWhatTheProgramRefuses(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"rules", "features"} {
		s := compiled(t, kind)
		text, err := os.ReadFile(filepath.Join(example, kind+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if err := check(t, s, text); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		for _, wrong := range []string{"x: [1]", "1x: fee", "a b: fee", "x: {}", "x: {doc: a}", "x: {formul: fee}", "x: ''"} {
			if check(t, s, []byte(wrong)) == nil {
				t.Errorf("the schema of %s takes %s", kind, wrong)
			}
		}
	}
	for _, wrong := range []string{"thresholds: {t2_drop: 3}", "thresholds: 3", "x: {when: fee, unit: fen}"} {
		if check(t, compiled(t, "rules"), []byte(wrong)) == nil {
			t.Errorf("the schema of rules takes %s", wrong)
		}
	}
	if check(t, compiled(t, "policy"), []byte("save_rate: 2")) == nil || check(t, compiled(t, "policy"), []byte("save_rate: 0.5")) != nil {
		t.Error("the schema of policy does not bound save_rate")
	}
}
