package job

import (
	"strings"
	"testing"

	"rescore/partition"
)

func TestARerunIsNamedByWhatItAsksOfWhichVersion(t *testing.T) {
	t.Parallel()
	a := partition.Range{First: partition.Segment(1380000).First(), Past: partition.Segment(1380010).First()}
	b := partition.Range{First: a.Past, Past: partition.Segment(1380020).First()}
	both := partition.Range{First: a.First, Past: b.Past}
	id := RerunID("202610-0123456789ab", "v1", []partition.Range{a, b})
	if again := RerunID("202610-0123456789ab", "v1", []partition.Range{b, both, a}); again != id || !strings.HasPrefix(string(id), "202610-") || len(id) != 19 {
		t.Errorf("the same numbers are job %s and %s", id, again)
	}
	seen := map[ID]string{id: "as it was", "202610-0123456789ab": "the job without a base"}
	for what, other := range map[string]ID{
		"another question": RerunID("202610-0123456789ac", "v1", []partition.Range{both}),
		"another version":  RerunID("202610-0123456789ab", "v2", []partition.Range{both}),
		"fewer numbers":    RerunID("202610-0123456789ab", "v1", []partition.Range{a}),
		"all of it":        RerunID("202610-0123456789ab", "v1", nil),
	} {
		if taken, ok := seen[other]; ok {
			t.Errorf("%s is named as %s", what, taken)
		}
		seen[other] = what
	}
}

func TestWhatRowsCanStandInOneVersion(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		edit  func(*Spec)
		says  string // "" = they can
		alike bool   // they are judged alike, too
	}{
		"nothing":            {func(*Spec) {}, "", true},
		"where things lie":   {func(s *Spec) { s.Input.Path, s.Output.Path, s.Model.Path = "x", "y", "z" }, "", true},
		"gates":              {func(s *Spec) { s.Gates.RejectShareMax = 0.5 }, "", true},
		"rules":              {func(s *Spec) { s.Rules.T2DropPct++ }, "", false},
		"the model's inputs": {func(s *Spec) { s.Model.Features = map[string]string{"a": "fee_last"} }, "", false},
		"another dataset":    {func(s *Spec) { s.Name = "other" }, "name:", true},
		"another month":      {func(s *Spec) { s.Month++ }, "month:", false},
		"how rows are read":  {func(s *Spec) { s.Input.Exclude.ServiceTypes = []uint32{4} }, "input:", false},
		"who is called":      {func(s *Spec) { s.Policy.Margin /= 2 }, "policy:", false},
		"a challenger":       {func(s *Spec) { s.Model.Challengers = []Challenger{{Name: "b", Path: "p", UndersamplingBeta: 1}} }, "model.challengers:", false},
		"counted otherwise":  {func(s *Spec) { s.Gates.NullShareMax = map[string]float64{"fee_m0": 1} }, "gates.null_share_max:", true},
	} {
		was := decoded(t, small)
		is := decoded(t, small)
		c.edit(&is)
		if got := is.Beside(was); (got == "") != (c.says == "") || !strings.HasPrefix(got, c.says) {
			t.Errorf("%s: %q, want %q", what, got, c.says)
		}
		if got := is.Judgement([]string{"m"}) == was.Judgement([]string{"m"}); got != c.alike {
			t.Errorf("%s: judged alike %v", what, got)
		}
		if is.Judgement([]string{"m"}) == is.Judgement([]string{"n"}) {
			t.Errorf("%s: another model judges alike", what)
		}
	}
}

func TestNullGatesNameColumnsOfTheRecord(t *testing.T) {
	t.Parallel()
	for gate, word := range map[string]string{
		"{fee_m0: 0.05, tenure_months: 0}": "", "{fee: 0.1}": "no column", "{msisdn: 0}": "no column", "{fee_m6: 0}": "no column", "{fee_m0: 1.5}": "out of bounds", "{fee_m0: -1}": "out of bounds",
	} {
		d, err := Decode("job.yaml", []byte(small+"gates: {null_share_max: "+gate+"}\n"))
		if (err == nil) != (word == "") || err != nil && !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", gate, err)
		}
		if back, err := ParseCanonical(d.Spec.Canonical()); word == "" && (err != nil || len(back.Gates.NullShareMax) != 2) {
			t.Errorf("%s reads back as %v, %v", gate, back.Gates, err)
		}
	}
}
