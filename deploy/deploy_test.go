package deploy

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rescore/partition/job"
	"rescore/worker/attribution"
	"rescore/worker/model"
	"rescore/worker/program"
	"rescore/worker/rule"
)

// files of every model that is committed, by name, whether it is built in or not.
func files(t *testing.T) map[string]string {
	t.Helper()
	all, err := filepath.Glob("model/*/model.*")
	if err != nil || len(all) < 2 {
		t.Fatalf("models %v are committed: %v", all, err)
	}
	named := make(map[string]string)
	for _, f := range all {
		named[filepath.Base(filepath.Dir(f))] = f
	}
	if len(named) != len(all) {
		t.Errorf("of %v, two have one name", all)
	}
	return named
}

func TestEveryCommittedModelIsBuiltInAsItIs(t *testing.T) {
	t.Parallel()
	for name, file := range files(t) {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Model(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("builtin:%s is %d bytes of %d, %v", name, len(got), len(want), err)
		}
	}
}

func TestAnUnknownModelIsAnsweredWithTheNamesThereAre(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", ".", "..", "baselin", "Baseline", "baseline/model.txt", "../deploy.go", "../../go.mod", "/etc/passwd", "a\x00b", "\\baseline"} {
		data, err := Model(name)
		if err == nil || data != nil {
			t.Errorf("%q is a model", name)
			continue
		}
		for known := range files(t) {
			if !strings.Contains(err.Error(), "builtin:"+known) {
				t.Errorf("%q: %q does not name builtin:%s", name, err, known)
			}
		}
	}
}

// scores tries rows in which every feature is null, zero, or large.
func scores(t *testing.T, name string, data []byte) {
	t.Helper()
	e, err := model.Load(data)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if !e.Probability() || e.Trees() == 0 || len(e.Features) == 0 {
		t.Errorf("%s gives no probability: %d trees, %d features", name, e.Trees(), len(e.Features))
	}
	seen := map[float64]bool{}
	for _, fill := range []float64{math.NaN(), 0, -1e9, 1e9} {
		row := make([]float64, len(e.Features))
		for i := range row {
			row[i] = fill
		}
		p := e.Transform(e.Raw(row))
		if !(p > 0 && p < 1) {
			t.Errorf("%s: rows of %v score %v", name, fill, p)
		}
		seen[p] = true
	}
	if len(seen) < 2 {
		t.Errorf("%s scores every row alike", name)
	}
}

func TestBuiltInModelsScoreAndNeedNothingButTheCanonicalRecord(t *testing.T) {
	t.Parallel()
	for name := range files(t) {
		data, err := Model(name)
		if err != nil {
			t.Fatal(err)
		}
		scores(t, name, data)
		if _, err := program.LoadModel(job.Default(), data); err != nil { // no extra columns, no mapping
			t.Errorf("builtin:%s in a plain job: %v", name, err)
		}
	}
}

// Odds of 0.02 to 1, doubled for every 10 points.
func TestTheTriggersOddsAreTheProductOfThoseThatFired(t *testing.T) {
	t.Parallel()
	data, err := Model("triggers")
	if err != nil {
		t.Fatal(err)
	}
	e, err := model.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Features) != rule.Triggers {
		t.Fatalf("features %v", e.Features)
	}
	row := make([]float64, rule.Triggers)
	odds := func(fired ...int) float64 {
		for i := range row {
			row[i] = 0
			if e.Features[i] != rule.BitName(i+1) {
				t.Errorf("feature %d is %s", i, e.Features[i])
			}
		}
		for _, trigger := range fired {
			row[trigger-1] = 1
		}
		p := e.Transform(e.Raw(row))
		return p / (1 - p)
	}
	for _, c := range []struct {
		fired []int
		want  float64
	}{{nil, 0.02}, {[]int{2}, 0.08}, {[]int{2, 6}, 0.64}, {[]int{1, 7, 8}, 0.16}} {
		if got := odds(c.fired...); math.Abs(got/c.want-1) > 1e-12 {
			t.Errorf("odds of %v are %v, want %v", c.fired, got, c.want)
		}
	}
	for trigger := 1; trigger <= rule.Triggers; trigger++ {
		if odds(trigger) < 0.039 {
			t.Errorf("trigger %d hardly counts", trigger)
		}
		odds()
		none := e.Raw(row)
		if row[trigger-1] = math.NaN(); e.Raw(row) != none {
			t.Errorf("trigger %d counts when it cannot be told", trigger)
		}
	}
	if _, err := attribution.NewPath(e); err != nil {
		t.Error(err)
	}
}

func TestExamplesNameModelsThatFitTheirJobs(t *testing.T) {
	t.Parallel()
	jobs, err := fs.Glob(os.DirFS("example"), "*/job.yaml")
	if err != nil || len(jobs) == 0 {
		t.Fatalf("no example is committed: %v", err)
	}
	for _, file := range jobs {
		file = filepath.Join("example", filepath.FromSlash(file))
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := job.Decode(file, text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		name, builtin := strings.CutPrefix(d.Spec.Model.Path, "builtin:")
		var data []byte
		if builtin {
			data, err = Model(name)
		} else {
			data, err = os.ReadFile(filepath.Join(filepath.Dir(file), d.Spec.Model.Path))
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		scores(t, file, data)
		if _, err := program.LoadModel(d.Spec, data); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
