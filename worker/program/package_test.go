package program

import (
	"errors"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"rescore/partition/job"
	"rescore/worker/bundle"
)

// packaged is a model package, as a job reads it.
func packaged(t testing.TB, files []bundle.File) []byte {
	t.Helper()
	folder := fstest.MapFS{}
	for _, f := range files {
		folder[f.Name] = &fstest.MapFile{Data: f.Data, Mode: fs.ModePerm &^ 0o222}
	}
	data, err := bundle.Pack(folder)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// golden are the files of a package whose model reads features, with two golden rows.
func golden(t testing.TB, card bundle.Card, features []string) []bundle.File {
	t.Helper()
	text := lightGBM(3, 7, features)
	b, err := bundle.Read("m", text)
	if err != nil {
		t.Fatal(err)
	}
	card.ID = "test"
	columns := make([][]float64, len(features))
	for f := range columns {
		columns[f] = []float64{float64(f), math.NaN()}
	}
	rows, _, err := b.Score(columns, 2)
	if err != nil {
		t.Fatal(err)
	}
	card.Golden = &bundle.Golden{Raw: &bundle.Known{Column: "raw"}}
	files, err := bundle.Make(card, "m.txt", text, rows, features)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestAPackageBindsItsFeaturesAndTheJobFileOverrulesIt(t *testing.T) {
	t.Parallel()
	card := bundle.Default()
	card.Features = []bundle.Feature{{Name: "a", Column: "fee_last"}, {Name: "b", Column: "fee_avg3"}, {Name: "c"}, {Name: "tenure"}}
	data := packaged(t, golden(t, card, []string{"a", "b", "c", "tenure"}))
	spec := job.Default()
	spec.Model.Features = map[string]string{"b": "sms_cnt_last", "c": "data_kb_last"}
	m, err := LoadModel(spec, data)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"fee_last", "sms_cnt_last", "data_kb_last", "tenure"}; !slices.Equal(m.Bound, want) || !slices.Equal(m.Overruled, []string{"b"}) || m.Name != "test" || len(m.Digest) != 64 {
		t.Errorf("bound %v, overruled %v, %q", m.Bound, m.Overruled, m.Name)
	}
	if len(spec.Model.Features) != 2 {
		t.Errorf("the job's bindings changed: %v", spec.Model.Features)
	}
	if _, err := LoadModel(job.Default(), data); err == nil || !strings.Contains(err.Error(), `feature "c" has no column`) {
		t.Error(err)
	}
}

func TestAFeatureIsBoundInTheUnitOfTraining(t *testing.T) {
	t.Parallel()
	card := bundle.Default()
	card.Features = []bundle.Feature{{Name: "a", Column: "fee_last", Unit: "yuan"}, {Name: "b", Column: "fee_m1", Unit: "yuan"}, {Name: "c", Column: "out_sec_last", Unit: "second"}, {Name: "d", Column: "x", Unit: "minute"}, {Name: "e", Column: "half", Unit: "fen"}}
	spec := job.Default()
	spec.Month = month
	spec.Input.Extra = []job.Extra{{Name: "x"}}
	spec.Features = []job.Formula{{Name: "half", Text: "fee[0] / 2"}}
	names := []string{"a", "b", "c", "d", "e"}
	m, err := LoadModel(spec, packaged(t, golden(t, card, names)))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"yuan(fee_last)", "yuan(f64(fee_m1))", "out_sec_last", "extra(x)", "formula(half)"}; !slices.Equal(m.Bound, want) {
		t.Errorf("bound %v", m.Bound)
	}
	p, err := ForJob(spec, m)
	if err != nil {
		t.Fatal(err)
	}
	if text := p.String(); strings.Count(text, "feature.unit") != 2 || !slices.Contains(p.Columns(), "fee_m1") {
		t.Error(text)
	}
	unknown, err := Unknowns(spec, m, []string{"fee_m0", "fee_m1"})
	if err != nil || !slices.ContainsFunc(unknown, func(u Unknown) bool { return u.Output == "model feature b" }) {
		t.Errorf("%+v, %v", unknown, err)
	}
	card.Features[0].Unit, card.Features[2].Unit = "minute", "kb"
	if _, err := LoadModel(spec, packaged(t, golden(t, card, names))); err == nil || !strings.Contains(err.Error(), "feature a: fee_last is in fen, which cannot be turned into minute") || !strings.Contains(err.Error(), "feature c: out_sec_last is in second") {
		t.Error(err)
	}
}

func TestUndersamplingIsCorrectedOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ ofJob, ofPackage, want float64 }{{1, 1, 1}, {0.5, 1, 0.5}, {1, 0.25, 0.25}, {0.25, 0.25, 0.25}, {0.5, 0.25, 0}} {
		card := bundle.Default()
		card.UndersamplingBeta = c.ofPackage
		spec := job.Default()
		spec.Model.UndersamplingBeta = c.ofJob
		m, err := LoadModel(spec, packaged(t, golden(t, card, []string{"fee_last"})))
		if (err == nil) != (c.want != 0) || m.odds.Beta != c.want {
			t.Errorf("%+v: %v, %v", c, m.odds.Beta, err)
		}
		if err != nil && !strings.Contains(err.Error(), "model.undersampling_beta is 0.5 and the package's is 0.25; leave it out") {
			t.Error(err)
		}
	}
}

func TestAModelThatDoesNotScoreItsGoldenRowsIsNotLoaded(t *testing.T) {
	t.Parallel()
	files := golden(t, bundle.Default(), []string{"fee_last"})
	spec := job.Default()
	spec.Model.Path = "pkg"
	if _, err := LoadModel(spec, packaged(t, files)); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(files, func(f bundle.File) bool { return f.Name == bundle.GoldenFile })
	text := string(files[i].Data) // header, two rows, each ending in the raw score
	at := strings.LastIndex(text, ",")
	files[i].Data = []byte(text[:at+1] + "0.125\n")
	_, err := LoadModel(spec, packaged(t, files))
	var mismatch *bundle.MismatchError
	if !errors.As(err, &mismatch) || !strings.HasPrefix(err.Error(), "model pkg: test (SHA-256 ") || !strings.Contains(err.Error(), "1 of 2 golden rows do not score what they should: row 1: raw is off by ") {
		t.Error(err)
	}
	if strings.Contains(err.Error(), "0.125") {
		t.Error("the error shows a value of the row")
	}
}

func TestMistakesInACardAreProblemsOfTheCard(t *testing.T) {
	t.Parallel()
	files := golden(t, bundle.Default(), []string{"fee_last"})
	i := slices.IndexFunc(files, func(f bundle.File) bool { return f.Name == bundle.CardFile })
	files[i].Data = append(files[i].Data, "colour: red\n"...)
	spec := job.Default()
	spec.Model.Path = "pkg"
	_, err := LoadModel(spec, packaged(t, files))
	var p job.Problems
	if !errors.As(err, &p) || len(p) != 1 || p[0].File != "pkg/model.yaml" || p[0].Path != "colour" {
		t.Error(err)
	}
}
