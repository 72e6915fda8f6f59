package whatif

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"rescore/cmd/internal/local"
	"rescore/cmd/internal/province"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/synth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const month = 202610

// base writes a province and returns its folder.
func base(t *testing.T, subscribers int64, format, layout string) string {
	t.Helper()
	dir := t.TempDir()
	st, err := store.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := synth.Default(11, subscribers, month)
	p.DuplicateRate, p.NullKeyRate, p.WrongNumberRate = 0.002, 0.001, 0.001
	if _, err := province.Write(t.Context(), st, province.Options{Province: p, Format: format, Layout: layout, Files: 2, Workers: 2}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run scores a folder's base under changed rules, publishing to out.
func run(t *testing.T, dir, layout, out string, change func(*job.Spec)) local.Outcome {
	t.Helper()
	spec := job.Default()
	spec.Name, spec.Month, spec.Input.Path, spec.Input.Layout = "province", month, "base", layout
	if layout == "months" {
		spec.Input.Path = "base/month={month}"
	}
	spec.Model.Path, spec.Output.Path, spec.Run.Work = "builtin:baseline", out, "work-"+out
	spec.Run.Workers, spec.Run.PartitionRows = 2, 4000
	spec.Gates.RejectShareMax, spec.Gates.DuplicateShareMax = 0.5, 0.5
	if change != nil {
		change(&spec)
	}
	o, err := local.Run(t.Context(), local.Options{Spec: spec, Base: dir})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func version(t *testing.T, dir string) *local.Version {
	t.Helper()
	v, err := local.OpenVersion(t.Context(), filepath.Join(dir, "out"), "", "")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func ask(t *testing.T, v *local.Version, share float64, sets ...string) *Answer {
	t.Helper()
	spec, err := Changed(v.Spec, nil, sets)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Ask(t.Context(), v, Options{Spec: spec, Share: share, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// changes are rules asked about, and the same as a job would have them.
var changes = []struct {
	sets   []string
	change func(*job.Spec)
}{
	{[]string{"t2.drop_pct=30"}, func(s *job.Spec) { s.Rules.T2DropPct = 30 }},
	{[]string{"t2_mode=non_monotone", "rules.t3_balance_fen=2000", "t8.faults=1", "t3.activity=any"}, func(s *job.Spec) {
		s.Rules.T2Mode, s.Rules.T3BalanceFen, s.Rules.T8Faults, s.Rules.T3Activity = "non_monotone", 2000, 1, "any"
	}},
	{[]string{"t2.drop_pct=60", "hold_suppresses=false", "exclude_partial_first_month=false", "t1.threshold_fen=[1, 2, 3, 4]"}, func(s *job.Spec) {
		s.Rules.T2DropPct, s.Rules.HoldSuppresses, s.Rules.ExcludePartialFirstMonth, s.Rules.T1ThresholdFen = 60, false, false, [4]int64{1, 2, 3, 4}
	}},
}

// TestTheExactAnswerIsWhatARerunCounts scores every base again under the changed
// rules and compares.
func TestTheExactAnswerIsWhatARerunCounts(t *testing.T) {
	t.Parallel()
	for i, form := range []struct{ format, layout string }{{"parquet", "wide"}, {"csv", "wide"}, {"parquet", "months"}, {"csv", "months"}} {
		t.Run(form.format+" "+form.layout, func(t *testing.T) {
			t.Parallel()
			dir := base(t, 9000, form.format, form.layout)
			was := run(t, dir, form.layout, "out", nil)
			v := version(t, dir)
			c := changes[i%len(changes)]
			is := run(t, dir, form.layout, "other", c.change)
			a := ask(t, v, 0, c.sets...)
			if a.Mode != "exact" || a.Sample != nil || a.Scored != was.Rows.Scored || len(a.Changed) != len(c.sets) || was.Rows.Duplicate == 0 || was.Rows.Rejected == 0 || was.Rows.Excluded == 0 {
				t.Errorf("%+v of %+v", a, was.Rows)
			}
			moved := int64(0)
			for k := range 14 {
				l := a.Rules[k]
				if l.Before != was.Tally.Fired[k] || l.After.Count != is.Tally.Fired[k] || l.UnknownBefore != was.Tally.Unknown[k] || l.UnknownAfter.Count != is.Tally.Unknown[k] {
					t.Errorf("%s: %+v, published %d then %d, unknown %d then %d", l.Rule, l, was.Tally.Fired[k], is.Tally.Fired[k], was.Tally.Unknown[k], is.Tally.Unknown[k])
				}
				if l.Before+l.Newly.Count-l.NoLonger.Count != l.After.Count || l.After.Low != l.After.High {
					t.Errorf("%s does not add up: %+v", l.Rule, l)
				}
				moved += l.Newly.Count + l.NoLonger.Count
			}
			if a.Warn.Before != was.Tally.Warn || a.Warn.After.Count != is.Tally.Warn || moved == 0 {
				t.Errorf("any: %+v, published %d then %d; %d moved", a.Warn, was.Tally.Warn, is.Tally.Warn, moved)
			}
			if text := a.Text(); !strings.Contains(text, "\nexact: ") || !strings.Contains(text, a.Changed[0].Key) {
				t.Error(text)
			}
		})
	}
}

// TestTheSampledIntervalHoldsTheTruth asks twice of one base, all of it and a
// sample. The seed is fixed: this base's intervals hold.
func TestTheSampledIntervalHoldsTheTruth(t *testing.T) {
	t.Parallel()
	dir := base(t, 20_000, "parquet", "wide")
	run(t, dir, "wide", "out", nil)
	v := version(t, dir)
	for _, c := range changes[:2] {
		truth, sample := ask(t, v, 0, c.sets...), ask(t, v, 0.2, c.sets...)
		if sample.Mode != "sampled" {
			t.Fatalf("mode %s", sample.Mode)
		}
		if s := sample.Sample; s.Rows >= truth.Scored*3/4 || s.Segments < segmentsMin || s.Segments >= s.Of || !strings.Contains(sample.Text(), "sampled ") {
			t.Errorf("sample %+v", s)
		}
		estimated := 0
		for k, l := range append(sample.Rules, sample.Warn) {
			want := append(truth.Rules, truth.Warn)[k]
			for what, pair := range map[string][2]Figure{"after": {l.After, want.After}, "newly": {l.Newly, want.Newly}, "no longer": {l.NoLonger, want.NoLonger}, "unknown": {l.UnknownAfter, want.UnknownAfter}} {
				f, truth := pair[0], pair[1].Count
				if truth < f.Low || truth > f.High || f.Low > f.Count || f.Count > f.High {
					t.Errorf("%s %s: %+v, the truth is %d", l.Rule, what, f, truth)
				}
				if f.High > f.Low {
					estimated++
				}
			}
			if l.Before != want.Before {
				t.Errorf("%s: before is %d, published %d", l.Rule, l.Before, want.Before)
			}
		}
		if estimated == 0 {
			t.Error("nothing is an estimate")
		}
		if again := ask(t, v, 0.2, c.sets...); fmt.Sprint(again.Rules) != fmt.Sprint(sample.Rules) {
			t.Error("the sample is another one the second time")
		}
	}
	if a := ask(t, v, 0.999, "t2.drop_pct=30"); a.Mode != "exact" {
		t.Errorf("nearly all rows are %s", a.Mode)
	}
}

// TestRowsWithAValueThatCannotBeReadStayOut has such values in columns that no
// trigger reads, and in first rows of duplicates.
func TestRowsWithAValueThatCannotBeReadStayOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var text strings.Builder
	text.WriteString("msisdn,brand_m0,fault_cnt_m0\n")
	for i := range 2000 {
		fmt.Fprintf(&text, "%d,1,%d\n", 13800130000+10*i, i%4)
	}
	text.WriteString("13800160000,one,3\n13800160001,one,3\n13800160001,1,2\n13800160002,1,many\n")
	if err := os.Mkdir(filepath.Join(dir, "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "base", "a.csv"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	was := run(t, dir, "wide", "out", nil)
	is := run(t, dir, "wide", "other", func(s *job.Spec) { s.Rules.T8Faults = 3 })
	if was.Tally.Reason[job.BadValue] != 3 {
		t.Fatalf("%d values are rejected", was.Tally.Reason[job.BadValue])
	}
	a := ask(t, version(t, dir), 0, "t8.faults=3")
	if l := a.Rules[7]; l.Before != was.Tally.Fired[7] || l.After.Count != is.Tally.Fired[7] || l.After.Count == l.Before {
		t.Errorf("%+v, counted %d then %d", l, was.Tally.Fired[7], is.Tally.Fired[7])
	}
}

func TestFiguresThatAreNotThePublishedOnesAreAnIncident(t *testing.T) {
	t.Parallel()
	dir := base(t, 2000, "parquet", "wide")
	run(t, dir, "wide", "out", nil)
	for what, change := range map[string]func(v *local.Version){
		"fired":   func(v *local.Version) { v.Manifest.Tally.Fired[1]++ },
		"unknown": func(v *local.Version) { v.Manifest.Tally.Unknown[3]-- },
		"warn":    func(v *local.Version) { v.Manifest.Tally.Warn++ },
		"rows":    func(v *local.Version) { v.Manifest.Partitions[0].Rows.Scored-- },
	} {
		v := version(t, dir)
		change(v)
		if _, err := Ask(t.Context(), v, Options{Spec: v.Spec, Workers: 2}); !errors.Is(err, ErrDiffers) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestUsersRulesAreTriedFromAFile(t *testing.T) {
	t.Parallel()
	dir := base(t, 3000, "parquet", "wide")
	run(t, dir, "wide", "out", nil)
	v := version(t, dir)
	spec, err := Changed(v.Spec, &job.Text{Name: "rules.yaml", Data: []byte("thresholds:\n  t8_faults: 1\nlow: fee[0] < 1000\n")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Ask(t.Context(), v, Options{Spec: spec, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	if l := a.Rules[len(a.Rules)-1]; len(a.Rules) != 15 || l.Rule != "low" || l.Before != 0 || l.After.Count == 0 || l.Newly != l.After {
		t.Errorf("%d rules, the last %+v", len(a.Rules), l)
	}
	if a.Rules[7].After.Count <= a.Rules[7].Before {
		t.Errorf("T8 with one fault: %+v", a.Rules[7])
	}
	is := run(t, dir, "wide", "other", func(s *job.Spec) { s.Rules, s.Custom = spec.Rules, spec.Custom })
	if is.Tally.Fired[7] != a.Rules[7].After.Count {
		t.Errorf("T8 warns %d, foreseen were %d", is.Tally.Fired[7], a.Rules[7].After.Count)
	}
	var problems job.Problems
	if _, err := Changed(v.Spec, &job.Text{Name: "rules.yaml", Data: []byte("low: fee[0] < nothing\n")}, nil); !errors.As(err, &problems) {
		t.Errorf("a rule that reads nothing there is: %v", err)
	}
}

// TestRulesMayReadWhatTheModelMakes asks about a version with a rule that reads
// the risk band: it must count as many as the version has in those bands.
func TestRulesMayReadWhatTheModelMakes(t *testing.T) {
	t.Parallel()
	dir := base(t, 3000, "parquet", "wide")
	was := run(t, dir, "wide", "out", func(s *job.Spec) { s.Custom = []job.Formula{{Name: "risky", Text: "risk_band >= 4"}} })
	a := ask(t, version(t, dir), 0, "t8.faults=1")
	risky := was.Tally.Risk[4] + was.Tally.Risk[5]
	if l := a.Rules[14]; len(a.Rules) != 15 || l.Rule != "risky" || l.Before != risky || l.After.Count != risky || risky == 0 {
		t.Errorf("%d rules, the last %+v; %d are of bands 4 and 5", len(a.Rules), a.Rules[14], risky)
	}
}

func TestAFileOfRulesStandsInPlaceOfTheVersions(t *testing.T) {
	t.Parallel()
	dir := base(t, 3000, "parquet", "wide")
	run(t, dir, "wide", "out", func(s *job.Spec) {
		s.Custom = []job.Formula{{Name: "old", Text: "fee[0] >= 0"}, {Name: "both", Text: "fee[0] < 2000"}}
	})
	v := version(t, dir)
	spec, err := Changed(v.Spec, &job.Text{Name: "rules.yaml", Data: []byte("both: fee[0] < 1000\nnew: fee[0] < 500\n")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Ask(t.Context(), v, Options{Spec: spec, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Rules) != 17 {
		t.Fatalf("%d rules: %+v", len(a.Rules), a.Rules[14:])
	}
	var many strings.Builder
	for k := range job.RulesMax {
		fmt.Fprintf(&many, "r%d: fee[0] >= 0\n", k)
	}
	if spec, err = Changed(v.Spec, &job.Text{Name: "rules.yaml", Data: []byte(many.String())}, nil); err != nil {
		t.Fatal(err)
	}
	full, err := Ask(t.Context(), v, Options{Spec: spec, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	if last := full.Rules[len(full.Rules)-1]; len(full.Rules) != 14+2+job.RulesMax || last.After.Count != a.Rules[14].Before {
		t.Errorf("%d rules, the last %+v", len(full.Rules), last)
	}
	for _, l := range a.Rules[14:] {
		want := map[string]bool{
			"old":  l.Before > 0 && l.After.Count == 0 && l.NoLonger.Count == l.Before && l.UnknownAfter.Count == 0,
			"both": l.Before > l.After.Count && l.After.Count > 0 && l.Newly.Count == 0,
			"new":  l.Before == 0 && l.After.Count > 0 && l.UnknownBefore == 0,
		}
		if !want[l.Rule] {
			t.Errorf("%+v", l)
		}
	}
}

func TestKeysAreTakenInEveryFormAndOthersRefusedWithTheNearest(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"t2.drop_pct", "t2_drop_pct", "rules.t2_drop_pct"} {
		if got, err := key(text); got != "rules.t2_drop_pct" || err != nil {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for text, says := range map[string]string{"t2.drop_pc": "t2_drop_pct", "t2.dorp_pct": "t2_drop_pct", "hold_suppress": "hold_suppresses", "bill_shock_pct": "t1 to t14", "policy.save_rate": "t1 to t14", "": "t1 to t14"} {
		if _, err := key(text); !errors.Is(err, ErrRules) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	spec := job.Default()
	spec.Name, spec.Month, spec.Input.Path, spec.Model.Path, spec.Output.Path = "a", month, "b", "c", "d"
	var problems job.Problems
	if _, err := Changed(spec, nil, []string{"t2.drop_pct=many"}); !errors.As(err, &problems) {
		t.Errorf("a value that is none: %v", err)
	}
	if _, err := Changed(spec, nil, []string{"t2.drop_pct"}); !errors.Is(err, ErrRules) {
		t.Errorf("no value: %v", err)
	}
}

// TestIntervalsCoverAsOftenAsTheySay draws samples of clusters of a population
// that is known.
func TestIntervalsCoverAsOftenAsTheySay(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 9))
	const clusters, drawn, times = 400, 40, 2000
	x, y := make([]float64, clusters), make([]float64, clusters)
	var all, truth float64
	for i := range x {
		x[i] = 100 + float64(r.IntN(400))
		rate := 0.02 + 0.06*r.Float64() // clusters differ
		for range int(x[i]) {
			if r.Float64() < rate {
				y[i]++
			}
		}
		all += x[i]
		truth += y[i]
	}
	covered := 0
	for range times {
		sx, sy := make([]float64, drawn), make([]float64, drawn)
		for i, k := range r.Perm(clusters)[:drawn] {
			sx[i], sy[i] = x[k], y[k]
		}
		if e := ratio(sx, sy, all); math.Abs(e.total-truth) <= e.half {
			covered++
		}
	}
	if share := float64(covered) / times; share < 0.93 || share > 0.97 {
		t.Errorf("%.1f %% of the intervals hold the truth", 100*share)
	}
	if e := ratio([]float64{50, 50}, []float64{0, 0}, 1000); e.total != 0 || e.half != 27 {
		t.Errorf("nothing seen in a tenth: %+v", e)
	}
	// Residuals −1, 0, 1, 0 over clusters of 10: s² = 2/3, and half of all is seen.
	x, y = []float64{10, 10, 10, 10}, []float64{1, 2, 3, 2}
	if e, want := ratio(x, y, 80), student(3)*math.Sqrt(80*80/(4*10*10.0)*(1-0.5)*2/3); e.total != 16 || math.Abs(e.half-want) > 1e-9 {
		t.Errorf("half of the base seen: %+v, want ± %f", e, want)
	}
	if e := ratio(x, y, 40); e.total != 8 || e.half != 0 {
		t.Errorf("all of the base seen: %+v", e)
	}
	if got := student(29); math.Abs(got-2.045) > 0.001 {
		t.Errorf("t of 29 degrees is %f", got)
	}
}
