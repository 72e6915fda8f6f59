package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"rescore/cmd/internal/local"
)

func TestPlanListsChallengersWithTheFeaturesOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := good()
	w.plan = func(context.Context, local.Options) (local.PlanReport, error) {
		return local.PlanReport{Job: "202610-0123456789ab", Model: "aa", Features: 40, Challengers: []local.PlanChallenger{
			{Name: "half", Model: "aa", Features: 40, Alone: []string{}},
			{Name: "xgb", Model: "bb", Features: 31, Alone: []string{"fee_slope", "region"}},
		}}, nil
	}
	file := filepath.Join(folder(t), "job.yaml")
	text := call(t, w, nil, "plan", file).out
	for _, want := range []string{"  challenger  half: aa, 40 features\n", "  challenger  xgb: bb, 31 features; not the champion's: fee_slope, region\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	want := `"challengers":[{"name":"half","model":"aa","model_features":40,"features_alone":[]},{"name":"xgb","model":"bb","model_features":31,"features_alone":["fee_slope","region"]}]`
	if text := call(t, w, nil, "plan", file, "--output", "json").out; !strings.Contains(text, want) {
		t.Errorf("no %s in\n%s", want, text)
	}
	if text := call(t, good(), nil, "plan", file, "--output", "json").out; strings.Contains(text, "challengers") {
		t.Errorf("challengers of a job without: %s", text)
	}
}

func TestPlanSaysHowRowsAreExplained(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]local.PlanReasons{
		"  reasons     of every row by path attribution\n":                                                      {Method: "path", Exact: "none"},
		"  reasons     of every row by path attribution; of the contact list exactly, 125000 rows at most\n":    {Method: "path", Exact: "contact", ExactRows: 125_000},
		"  reasons     of no row by path attribution\n              explain the model: no counts; save it so\n": {Method: "none", Exact: "none", Unexplained: "explain the model: no counts; save it so"},
	} {
		w := good()
		w.plan = func(context.Context, local.Options) (local.PlanReport, error) {
			return local.PlanReport{Job: "202610-0123456789ab", Reasons: r}, nil
		}
		file := filepath.Join(folder(t), "job.yaml")
		if text := call(t, w, nil, "plan", file).out; !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
		if text := call(t, w, nil, "plan", file, "--output", "json").out; !strings.Contains(text, `"reasons":{"method":"`+r.Method+`","exact":"`+r.Exact+`","exact_rows_max":`) {
			t.Errorf("%+v is not in %s", r, text)
		}
	}
}
