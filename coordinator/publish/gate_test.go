package publish

import (
	"slices"
	"testing"

	"rescore/partition/job"
)

func TestAGateRefusesWhatIsOverItsLimitAndNothingElse(t *testing.T) {
	t.Parallel()
	counts := func(in, rejected, duplicate int64) job.Counts {
		return job.Counts{In: in, Scored: in - rejected - duplicate, Rejected: rejected, Duplicate: duplicate}
	}
	gates := job.Gates{RejectShareMax: 0.25, DuplicateShareMax: 0.125}
	const reject, duplicate = "gates.reject_share_max", "gates.duplicate_share_max"
	for name, c := range map[string]struct {
		rows  job.Counts
		gates job.Gates
		want  []string
	}{
		"nothing wrong":                     {counts(1000, 0, 0), gates, nil},
		"both at their limit":               {counts(1000, 250, 125), gates, nil},
		"one row over":                      {counts(1000, 251, 125), gates, []string{reject}},
		"one duplicate over":                {counts(1000, 250, 126), gates, []string{duplicate}},
		"both over":                         {counts(1000, 251, 126), gates, []string{reject, duplicate}},
		"no rows":                           {counts(0, 0, 0), gates, nil},
		"no rows, nothing allowed":          {counts(0, 0, 0), job.Gates{}, nil},
		"one bad row where none is allowed": {counts(1_000_000_000, 1, 0), job.Gates{DuplicateShareMax: 1}, []string{reject}},
		"all bad where all are allowed":     {counts(9, 9, 0), job.Gates{RejectShareMax: 1}, nil},
		"excluded rows pass every gate":     {job.Counts{In: 9, Excluded: 9}, job.Gates{}, nil},
	} {
		var got []string
		for _, r := range Gate(c.rows, nil, nil, nil, c.gates) {
			got = append(got, r.Gate)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: refused by %v, want %v", name, got, c.want)
		}
	}
}

func TestARefusalShowsItsFigures(t *testing.T) {
	t.Parallel()
	refused := Gate(job.Counts{In: 1000, Scored: 700, Rejected: 300}, nil, nil, nil, job.Gates{RejectShareMax: 0.25, DuplicateShareMax: 1})
	if len(refused) != 1 || refused[0] != (Refusal{Gate: "gates.reject_share_max", Rows: 300, In: 1000, Value: 0.3, Limit: 0.25}) {
		t.Fatalf("got %+v", refused)
	}
	if got, want := refused[0].String(), "gates.reject_share_max: 300 of 1000 rows are 30.0000 %, the limit is 25 %"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestATableWhoseEventsCannotBeReadHoldsAVersion(t *testing.T) {
	t.Parallel()
	tables := []Table{
		{Name: "payment", TableCounts: job.TableCounts{In: 100, Within: 99, Rejected: 1}}, // the limit is inclusive
		{Name: "complaint", TableCounts: job.TableCounts{In: 100, Within: 98, Rejected: 2}},
		{Name: "contact"},
	}
	refused := Gate(job.Counts{In: 1000, Scored: 1000}, nil, nil, tables, job.Gates{RejectShareMax: 0.01})
	if len(refused) != 1 || refused[0].String() != "gates.reject_share_max of table complaint: 2 of 100 rows are 2.0000 %, the limit is 1 %" {
		t.Errorf("%v", refused)
	}
}

// TestCoverageAndMissingValuesHoldAVersion: of 1000 rows 100 are excluded, and of the
// 900 that are left 855 are scored, 95 %.
func TestCoverageAndMissingValuesHoldAVersion(t *testing.T) {
	t.Parallel()
	rows := job.Counts{In: 1000, Scored: 855, Excluded: 100, Rejected: 45}
	nulls := map[string]int64{"fee_m0": 171, "tenure_months": 0} // a fifth, none
	for name, c := range map[string]struct {
		gates job.Gates
		want  []string
	}{
		"nothing asked for":       {job.Gates{}, nil},
		"coverage at its limit":   {job.Gates{ScoredShareMin: 0.95}, nil},
		"coverage below it":       {job.Gates{ScoredShareMin: 0.951}, []string{"gates.scored_share_min: 855 of 900 rows are 95.0000 %, the limit is 95.1 %"}},
		"missing at their limit":  {job.Gates{NullShareMax: map[string]float64{"fee_m0": 0.2, "tenure_months": 0}}, nil},
		"missing above it":        {job.Gates{NullShareMax: map[string]float64{"fee_m0": 0.19}}, []string{"gates.null_share_max.fee_m0: 171 of 855 rows are 20.0000 %, the limit is 19 %"}},
		"a column nobody counted": {job.Gates{NullShareMax: map[string]float64{"imei_m0": 0}}, nil},
		"both, by name": {job.Gates{ScoredShareMin: 1, NullShareMax: map[string]float64{"tenure_months": 0, "fee_m0": 0}}, []string{
			"gates.scored_share_min: 855 of 900 rows are 95.0000 %, the limit is 100 %", "gates.null_share_max.fee_m0: 171 of 855 rows are 20.0000 %, the limit is 0 %",
		}},
	} {
		c.gates.RejectShareMax, c.gates.DuplicateShareMax = 1, 1
		var got []string
		for _, r := range Gate(rows, nil, nulls, nil, c.gates) {
			got = append(got, r.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: refused by %q, want %q", name, got, c.want)
		}
	}
	if got := Gate(job.Counts{In: 9, Excluded: 9}, nil, nil, nil, job.Gates{ScoredShareMin: 0.5}); len(got) != 1 {
		t.Errorf("a base of which nothing is left covers %v", got)
	}
}
