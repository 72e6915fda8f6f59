package local

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rescore/cmd/internal/province"
	"rescore/partition/job"
	"rescore/partition/psi"
	"rescore/worker/bundle"
)

// churn is a model of two features, as bare files know them.
func churn(fee float64) []byte {
	return lightGBM(stump{"fee", fee, -1.5, -3}, stump{"months", 24, 0.75, -0.25})
}

// pack writes a package of churn beside a province: trained in yuan, with a policy, a
// calibration, bins, and two golden rows.
func pack(t testing.TB, dir string, change func(*bundle.Card)) {
	t.Helper()
	low, slope, shift := 0.0, -6.0, 2.0
	card := bundle.Default()
	card.ID, card.Version = "churn", "1"
	card.Features = []bundle.Feature{
		{Name: "fee", Column: "fee_last", Unit: "yuan", Invalid: &bundle.Invalid{Min: &low, Then: "clip"}},
		{Name: "months", Column: "tenure_months"},
	}
	card.Calibration = &bundle.Calibration{Method: "platt", A: &slope, B: &shift}
	card.PSI = &bundle.PSI{Score: &psi.Bins{Edges: []float64{0.15, 0.25}, Shares: []float64{0.4, 0.3, 0.3}}, Features: []psi.Bins{{Name: "fee", Edges: []float64{50}, Shares: []float64{0.5, 0.4}, Missing: 0.1}}}
	card.Golden = &bundle.Golden{Raw: &bundle.Known{Column: "raw"}}
	if change != nil {
		change(&card)
	}
	files, err := bundle.Make(card, "model.txt", churn(50), &bundle.Rows{N: 2, Features: [][]float64{{20, 80}, {3, math.NaN()}}, Raw: []float64{-0.75, -3.25}}, []string{"fee", "months"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.MkdirAll(filepath.Join(dir, "churn"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "churn", f.Name), f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func byPackage(s *job.Spec) {
	few(s)
	s.Model.Path = "churn"
}

// TestAJobWithAPackageScoresAsItsCardSaysAndTellsHowFarTheBaseMoved holds it to the
// bare model in the base's own unit.
func TestAJobWithAPackageScoresAsItsCardSaysAndTellsHowFarTheBaseMoved(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(4000)})
	pack(t, dir, nil)
	if err := os.WriteFile(filepath.Join(dir, "bare.txt"), churn(5000), 0o644); err != nil {
		t.Fatal(err)
	}
	packed := run(t, options(t, dir, byPackage))
	bare := run(t, options(t, dir, few, func(s *job.Spec) {
		s.Model.Path, s.Model.Features = "bare.txt", map[string]string{"fee": "fee_last", "months": "tenure_months"}
	}))
	ours, theirs := floats(t, packed, "propensity"), floats(t, bare, "propensity")
	if len(ours) != len(theirs) || len(ours) == 0 {
		t.Fatalf("%d rows and %d", len(ours), len(theirs))
	}
	bins := psi.Bins{Edges: []float64{0.15, 0.25}, Shares: []float64{0.4, 0.3, 0.3}}
	counts := make([]int64, bins.Len())
	seen := map[float32]bool{}
	for i, p := range ours {
		if want := 1 / (1 + math.Exp(-6*float64(theirs[i])+2)); math.Abs(float64(p)-want) > 1e-6 {
			t.Fatalf("row %d: %v, calibrated from %v it would be %v", i, p, theirs[i], want)
		}
		counts[bins.Find(float64(p))]++
		seen[p] = true
	}
	if len(seen) != 4 {
		t.Errorf("two stumps score %d values", len(seen))
	}
	if len(packed.Stability) != 2 {
		t.Fatalf("%+v", packed.Stability)
	}
	index, _ := bins.Index(counts)
	score, fee := packed.Stability[0], packed.Stability[1]
	if score.Column != "propensity" || !slices.Equal(score.Rows, counts) || score.PSI != index || score.Reading != psi.Reading(index) {
		t.Errorf("%+v, counted %v and %v", score, counts, index)
	}
	if fee.Column != "fee" || len(fee.Rows) != 3 || fee.Rows[0]+fee.Rows[1]+fee.Rows[2] != packed.Rows.Scored || fee.Rows[0] == 0 || fee.Rows[1] == 0 {
		t.Errorf("%+v", fee)
	}
	if bare.Stability != nil {
		t.Errorf("a bare file watches %+v", bare.Stability)
	}
	if m := read(t, packed).manifest; len(m.Stability) != 2 || m.Stability[0].PSI != score.PSI {
		t.Errorf("the manifest says %+v", m.Stability)
	}
}

func TestAGateHoldsAVersionThatMovedTooFar(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(600)})
	pack(t, dir, func(c *bundle.Card) { c.PSI.Score.Shares = []float64{0.998, 0.001, 0.001} })
	gate := func(s *job.Spec) { s.Gates.PSIMax = 0.25 }
	_, err := Run(t.Context(), options(t, dir, byPackage, gate))
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "gates.psi_max: the propensity's PSI against the model's reference is ") {
		t.Error(err)
	}
	_, err = Run(t.Context(), options(t, dir, gate)) // the built-in model watches nothing
	if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "gates.psi_max needs bins of the score") {
		t.Error(err)
	}
}

func TestAGateHoldsAVersionWhoseColumnsAreEmptyOrWhoseRowsAreFew(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(600)})
	for _, c := range []struct {
		gates job.Gates
		want  error
		says  string
	}{
		{job.Gates{NullShareMax: map[string]float64{"fee_m5": 0}}, ErrHeld, "gates.null_share_max.fee_m5: "}, // who joined since has no bill of then
		{job.Gates{NullShareMax: map[string]float64{"fee_m5": 1, "fee_m0": 1}, ScoredShareMin: 1}, nil, ""},
		{job.Gates{NullShareMax: map[string]float64{"sex": 0}}, ErrInput, "the job does not read that column"},
	} {
		_, err := Run(t.Context(), options(t, dir, func(s *job.Spec) { s.Gates, s.Run.PartitionRows = c.gates, 300 }))
		if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c.gates, err)
		}
	}
}

// TestNothingIsBegunWithAModelThatMissesItsGoldenRows: no ledger is opened, so nothing
// can have been leased.
func TestNothingIsBegunWithAModelThatMissesItsGoldenRows(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(600)})
	pack(t, dir, nil)
	golden := filepath.Join(dir, "churn", bundle.GoldenFile)
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(golden, []byte(strings.Replace(string(text), "-3.25", "-3.5", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	o := options(t, dir, byPackage)
	_, err = Run(t.Context(), o)
	if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "1 of 2 golden rows do not score what they should: row 1: raw is off by 0.25") {
		t.Error(err)
	}
	missing(t, filepath.Join(o.Spec.Run.Work, "raft"))
	missing(t, o.Spec.Output.Path)
}

func TestEveryFileOfAPackageIsPinned(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(600)})
	pack(t, dir, nil)
	o := options(t, dir, byPackage)
	first := run(t, o)
	v, err := OpenVersion(t.Context(), o.Spec.Output.Path, "", dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Model(t.Context()); err != nil {
		t.Error(err)
	}
	card := filepath.Join(dir, "churn", bundle.CardFile)
	text, err := os.ReadFile(card)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(card, append(text, "# a remark\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Model(t.Context()); !errors.Is(err, ErrChanged) {
		t.Errorf("a remark in the card: %v", err)
	}
	second := run(t, o)
	if second.Job == first.Job || second.Already {
		t.Error("with another package the job is the same")
	}
}

func TestThePlanTellsOfThePackage(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(600)})
	pack(t, dir, nil)
	r, err := Plan(t.Context(), options(t, dir, byPackage, func(s *job.Spec) { s.Model.Features = map[string]string{"fee": "fee_avg3"} }))
	if err != nil {
		t.Fatal(err)
	}
	if r.Package != "churn 1" || r.GoldenRows != 2 || r.Watched != 2 || !slices.Equal(r.Overruled, []string{"fee"}) {
		t.Errorf("%+v", r)
	}
}
