package program

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"rescore/partition/job"
)

// own returns a job with features and rules of its own.
func own() job.Spec {
	spec := job.Default()
	spec.Name, spec.Month = "base", 202610
	spec.Features = []job.Formula{{Name: "drop", Text: "1 - fee[0] / mean(fee[1:3])"}, {Name: "fast", Text: "drop > 0.3 and t2"}, {Name: "idle", Text: "roam_sec[0] / 2"}}
	spec.Custom = []job.Formula{{Name: "warn", Text: `fast and propensity > 0.1 and fee_cv > 0`}}
	return spec
}

func TestOwnFeaturesAreExportedAndReadTheirColumnsAlone(t *testing.T) {
	t.Parallel()
	p, names, err := ForFeatures(own(), []string{"drop", "fast"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names, []string{"msisdn", "drop", "fast"}) || !slices.Contains(p.Columns(), "fee_m3") || slices.Contains(p.Columns(), "roam_sec_m0") {
		t.Errorf("%v reads %v", names, p.Columns())
	}
}

func TestRulesBringTheFeaturesTheyReadAndNoMore(t *testing.T) {
	t.Parallel()
	spec := own()
	m, err := LoadModel(spec, lightGBM(1, 3, []string{"drop", "fee_last"}))
	if err != nil {
		t.Fatal(err)
	}
	if m.Bound[0] != "formula(drop)" {
		t.Fatalf("the model reads %v", m.Bound)
	}
	p, err := ForJob(spec, m)
	if err != nil {
		t.Fatal(err)
	}
	text := p.String()
	if !strings.Contains(text, "formula.features") || !strings.Contains(text, "formula.rules") || strings.Contains(text, "formula(idle)") {
		t.Error(text)
	}
	if strings.Count(text, "formula(drop)") == 0 {
		t.Error("the model does not read the feature")
	}
	unknown, err := Unknowns(spec, m, []string{"fee_m2"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(unknown, func(u Unknown) bool { return u.Output == "rule warn" && slices.Contains(u.Missing, "fee_m2") }) {
		t.Errorf("%+v", unknown)
	}
	if unknown, err = Unknowns(spec, m, []string{"fee_m0"}); err != nil || !slices.ContainsFunc(unknown, func(u Unknown) bool { return u.Output == "model feature drop" }) {
		t.Errorf("%+v, %v", unknown, err)
	}
}

func TestTheModelIsAskedForWhereARuleReadsWhatItMakes(t *testing.T) {
	t.Parallel()
	spec := own()
	m, err := LoadModel(spec, lightGBM(1, 3, []string{"drop", "fee_last"}))
	if err != nil {
		t.Fatal(err)
	}
	p, err := ForRules(spec, func() (Model, error) { return m, nil })
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(p.String(), "score.propensity") || len(p.Wanted()) != 4 {
		t.Errorf("the plan of a rule that reads the propensity:\n%s", p)
	}
	gone := errors.New("the model is gone")
	if _, err := ForRules(spec, func() (Model, error) { return Model{}, gone }); !errors.Is(err, gone) {
		t.Errorf("without the model: %v", err)
	}
	spec.Custom[0].Text = "fast and fee_cv > 0"
	if p, err = ForRules(spec, func() (Model, error) { return Model{}, gone }); err != nil {
		t.Error(err)
	} else if strings.Contains(p.String(), "score.propensity") {
		t.Error("a rule that does not read it has the propensity made")
	}
}
