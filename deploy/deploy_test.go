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
	"rescore/worker/model"
	"rescore/worker/program"
)

// names of every model that is committed, whether it is built in or not.
func names(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("model/*/model.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no model is committed: %v", err)
	}
	var list []string
	for _, f := range files {
		list = append(list, filepath.Base(filepath.Dir(f)))
	}
	return list
}

func TestEveryCommittedModelIsBuiltInAsItIs(t *testing.T) {
	t.Parallel()
	for _, name := range names(t) {
		want, err := os.ReadFile(filepath.Join("model", name, "model.txt"))
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
		for _, known := range names(t) {
			if !strings.Contains(err.Error(), "builtin:"+known) {
				t.Errorf("%q: %q does not name builtin:%s", name, err, known)
			}
		}
	}
}

// scores tries rows in which every feature is null, zero, or large.
func scores(t *testing.T, name string, data []byte) {
	t.Helper()
	e, err := model.LightGBM(data)
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
	for _, name := range names(t) {
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

func TestExamplesNameModelsThatFitTheirJobs(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(os.DirFS("example"), "*/job.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no example is committed: %v", err)
	}
	for _, file := range files {
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
