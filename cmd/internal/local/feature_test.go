package local

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/parquet-go/parquet-go"

	"rescore/cmd/internal/province"
	"rescore/deploy"
	"rescore/partition/job"
	"rescore/worker/model"
)

func TestPlanIsWhatRunDoes(t *testing.T) {
	t.Parallel()
	dir, sum := write(t, province.Options{Province: clean(25_000), Files: 2})
	o := options(t, dir)
	p, err := Plan(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	missing(t, o.Spec.Run.Work)
	missing(t, o.Spec.Output.Path)
	if p.Already || p.Rows != sum.Rows || len(p.Files) != 2 || len(p.Absent) != 0 || len(p.Unknown) != 0 || p.Features != 40 || p.Program == "" {
		t.Errorf("plan %+v", p)
	}
	out := run(t, o)
	v := read(t, out)
	if out.Job != p.Job || v.manifest.Model != p.Model || len(v.manifest.Partitions) != len(p.Tasks) || len(p.Tasks) < 3 {
		t.Fatalf("job %s with %d partitions, planned was %s with %d", out.Job, len(v.manifest.Partitions), p.Job, len(p.Tasks))
	}
	for i, part := range v.manifest.Partitions {
		if part.Range != p.Tasks[i].Range || part.Rows.In != p.Tasks[i].Rows {
			t.Errorf("partition %d is %s of %d rows, planned was %+v", i, part.Range, part.Rows.In, p.Tasks[i])
		}
	}
	if p, err = Plan(t.Context(), o); err != nil || !p.Already || p.Version != out.Version {
		t.Errorf("plan of a published job: %+v, %v", p, err)
	}
}

// TestThePublishedPropensityIsTheModelsOfTheExportedFeatures works every
// propensity out again, a tree at a time, from what a model would be trained on.
func TestThePublishedPropensityIsTheModelsOfTheExportedFeatures(t *testing.T) {
	t.Parallel()
	p := clean(6000)
	p.DuplicateRate, p.NullKeyRate = 0.003, 0.003
	dir, sum := write(t, province.Options{Province: p})
	o := options(t, dir)
	v := read(t, run(t, o))
	data, err := deploy.Model("baseline")
	if err != nil {
		t.Fatal(err)
	}
	e, err := model.LightGBM(data)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "features.parquet")
	rows, err := ExportFeatures(t.Context(), o, name, e.Features)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Planted.Duplicates == 0 || rows != p.Subscribers {
		t.Fatalf("%d rows exported of %d subscribers", rows, p.Subscribers)
	}
	columns := features(t, name)
	missingValues := 0
	row := make([]float64, len(e.Features))
	for i, published := range v.propensity {
		if uint64(columns["msisdn"][i].Int64()) != v.numbers[i] {
			t.Fatalf("row %d is another subscriber's", i)
		}
		for j, f := range e.Features {
			row[j] = columns[f][i].Double()
			if math.IsNaN(row[j]) {
				missingValues++
			}
		}
		if want := float32(min(max(e.Transform(e.Raw(row)), 1e-6), 1-1e-6)); published != want {
			t.Fatalf("row %d: propensity %v published, %v of the features", i, published, want)
		}
	}
	if missingValues == 0 {
		t.Error("no feature is ever missing: the rows prove little")
	}
}

// features reads an export by column.
func features(t *testing.T, name string) map[string][]parquet.Value {
	t.Helper()
	data, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	r := parquet.NewReader(data)
	defer r.Close()
	names := r.Schema().Columns()
	columns := map[string][]parquet.Value{}
	buffer := make([]parquet.Row, 512)
	for {
		n, err := r.ReadRows(buffer)
		for _, row := range buffer[:n] {
			for _, value := range row {
				c := names[value.Column()][0]
				columns[c] = append(columns[c], value)
			}
		}
		if err != nil {
			return columns
		}
	}
}

func TestAnExportIsWholeOrNotThere(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(300)})
	o := options(t, dir, func(s *job.Spec) { s.Input.Extra = []job.Extra{{Name: "own", Column: "tenure_months"}} })
	name := filepath.Join(t.TempDir(), "features.parquet")
	if _, err := ExportFeatures(t.Context(), o, name, []string{"fee_last", "nonsense"}); !errors.Is(err, ErrInput) {
		t.Errorf("an unknown feature: %v", err)
	}
	missing(t, name)
	rows, err := ExportFeatures(t.Context(), o, name, nil)
	if err != nil || rows != 300 {
		t.Fatalf("%d rows, %v", rows, err)
	}
	columns := features(t, name)
	if len(columns["own"]) != 300 || len(columns["fee_last"]) != 300 || len(columns) < 90 {
		t.Errorf("%d columns", len(columns))
	}
	for i, v := range columns["own"] {
		if tenure := columns["tenure"][i].Double(); v.Double() != tenure {
			t.Errorf("row %d: the extra column is %v, tenure %v", i, v.Double(), tenure)
		}
	}
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ExportFeatures(t.Context(), o, name, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file that is there: %v", err)
	}
	if after, err := os.ReadFile(name); err != nil || string(after) != string(before) {
		t.Errorf("the file that was there is not what it was: %v", err)
	}
}
