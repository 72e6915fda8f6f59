package rule

import (
	"math"
	"testing"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

func TestC18ALifecycleHasFourStages(t *testing.T) {
	row := func(tenure int, slope float64, fired, silent int, prev any) kerneltest.Row {
		return kerneltest.Row{"history_tenure": tenure, "fee_slope": slope, "trg_count": fired, "silent": silent, "lifecycle_prev": prev}
	}
	null := math.NaN()
	for _, c := range []struct {
		claim string
		row   kerneltest.Row
		stage int
	}{
		{"below three months a trial", row(2, 0, 0, 0, nil), 1},
		{"a trial whatever else", row(0, null, 9, 2, 4), 1},
		{"from three months on forming", row(3, 0, 0, 0, 1), 2},
		{"forming until twelve", row(11, 0, 0, 0, nil), 2},
		{"forming although the fee falls a little", row(11, -0.07, 0, 0, 2), 2},
		{"from twelve months on stable", row(12, 0, 0, 0, 2), 3},
		{"stable at -5 %", row(40, -0.05, 0, 0, 2), 3},
		{"a fee that rises is stable", row(40, 2, 0, 0, 4), 3},
		{"between the slopes as before: stable", row(40, -0.0501, 0, 0, 3), 3},
		{"between the slopes as before: decline", row(40, -0.07, 0, 0, 4), 4},
		{"between the slopes as before: forming", row(12, -0.07, 0, 0, 2), 2},
		{"-10 % is not yet decline", row(40, -0.10, 0, 0, 3), 3},
		{"nothing to keep on a first run", row(40, -0.07, 0, 0, nil), 0},
		{"nothing to keep of an unknown stage", row(40, -0.07, 0, 0, 0), 0},
		{"a trial is not kept", row(40, -0.07, 0, 0, 1), 0},
		{"below -10 % is decline", row(40, -0.1001, 0, 0, 3), 4},
		{"and at three months of tenure", row(3, -0.13811, 0, 0, 2), 4},
		{"two triggers are decline", row(40, 0, 2, 0, 3), 4},
		{"one is not", row(40, 0, 1, 0, 3), 3},
		{"a silent month is decline", row(40, 0, 0, 1, 3), 4},
		{"decline without a slope", row(40, null, 0, 1, 3), 4},
		{"unknown without a slope", row(40, null, 0, 0, 3), 0},
		{"forming needs the slope too", row(5, null, 0, 0, 2), 0},
		{"unknown without the calls", row(40, 0, 0, 2, 3), 0},
		{"unknown without a tenure", row(-1, -0.5, 9, 1, 3), 0},
	} {
		t.Run(c.claim, func(t *testing.T) {
			kerneltest.Run(t, NewLifecycle(job.Default().Rules), []kerneltest.Row{c.row}, []kerneltest.Row{{"lifecycle_stage": c.stage}})
		})
	}
}

func TestAmbiguity12_DeclineIsAMonthWithoutCallsOrWithoutAnyUse(t *testing.T) {
	rules := job.Default().Rules
	rules.SilentActivity = "any"
	row := func(column string, silent int) kerneltest.Row {
		return kerneltest.Row{"history_tenure": 40, "fee_slope": 0.0, "trg_count": 0, column: silent, "lifecycle_prev": 3}
	}
	for silent, stage := range []int{3, 4, 0} {
		want := []kerneltest.Row{{"lifecycle_stage": stage}}
		kerneltest.Run(t, NewLifecycle(job.Default().Rules), []kerneltest.Row{row("silent", silent)}, want)
		kerneltest.Run(t, NewLifecycle(rules), []kerneltest.Row{row("silent_any", silent)}, want)
	}
}

// scalarLifecycle is C18 a subscriber at a time.
func scalarLifecycle(r job.Rules) func(*kerneltest.In, *kerneltest.Out) {
	return func(in *kerneltest.In, out *kerneltest.Out) {
		tenure, slope, fired := *in.Int("history_tenure"), in.Float("fee_slope")*100, *in.Int("trg_count")
		stage := int64(0)
		defer func() { out.Int("lifecycle_stage", stage) }()
		if tenure < 0 {
			return
		}
		if tenure < int64(r.TrialMonths) {
			stage = 1
			return
		}
		arms := []string{"no", "no", "no"}
		switch {
		case math.IsNaN(slope):
			arms[0] = "unknown"
		case slope < -r.DeclineSlopePct:
			arms[0] = "yes"
		}
		if fired >= int64(r.DeclineTriggers) {
			arms[1] = "yes"
		}
		switch n := int64(r.DeclineSilentMonths); {
		case n == 7:
		case n == 1:
			arms[2] = []string{"no", "yes", "unknown"}[*in.Int(map[string]string{"calls": "silent", "any": "silent_any"}[r.SilentActivity])]
		default:
			if run := *in.Int("silent_run"); run < 0 {
				arms[2] = "unknown"
			} else if run >= n {
				arms[2] = "yes"
			}
		}
		doubt := false
		for _, a := range arms {
			if a == "yes" {
				stage = 4
				return
			}
			doubt = doubt || a == "unknown"
		}
		switch prev := in.Int("lifecycle_prev"); {
		case doubt:
		case tenure < int64(r.StableMonths):
			stage = 2
		case slope >= -r.StableSlopePct:
			stage = 3
		case prev != nil && *prev >= 2 && *prev <= 4:
			stage = *prev
		}
	}
}

func TestLifecycleEqualsItsReference(t *testing.T) {
	for name, c := range map[string]struct {
		rows   int
		silent string
		change func(*job.Rules)
	}{
		"default":             {0, "silent", func(*job.Rules) {}},
		"three silent months": {200_000, "silent_run", func(r *job.Rules) { r.DeclineSilentMonths = 3 }},
		"never for silence":   {100_000, "silent_run", func(r *job.Rules) { r.DeclineSilentMonths = 7 }},
		"other months":        {100_000, "silent", func(r *job.Rules) { r.TrialMonths, r.StableMonths, r.DeclineTriggers = 6, 24, 4 }},
		"any use":             {200_000, "silent_any", func(r *job.Rules) { r.SilentActivity = "any" }},
		"slopes of zero":      {100_000, "silent", func(r *job.Rules) { r.StableSlopePct, r.DeclineSlopePct = 0, 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			rules := job.Default().Rules
			c.change(&rules)
			kerneltest.Random{
				New:       func(int) kernel.Kernel { return NewLifecycle(rules) },
				Reference: scalarLifecycle(rules),
				Rows:      c.rows,
				Edges:     map[string][]int64{"history_tenure": {0, 3, 6, 12, 24}, "trg_count": {0, 0, 2, 4}, "lifecycle_prev": {1, 2, 3, 4}},
				Max:       map[string]int64{"history_tenure": 40, "trg_count": 14, "silent": 2, "silent_any": 2, "silent_run": 6, "lifecycle_prev": 5},
				NeverNull: []string{"history_tenure", "trg_count", c.silent},
			}.Run(t)
		})
	}
}

func TestLifecycleEqualsItsReferenceNearItsSlopes(t *testing.T) {
	rules := job.Default().Rules
	kerneltest.Random{
		New:       func(int) kernel.Kernel { return NewLifecycle(rules) },
		Reference: scalarLifecycle(rules),
		Rows:      200_000,
		Edges:     map[string][]int64{"trg_count": {0}, "lifecycle_prev": {2, 3, 4}},
		Range:     map[string][2]float64{"fee_slope": {-0.10, -0.05}},
		Max:       map[string]int64{"history_tenure": 40, "trg_count": 2, "silent": 2, "lifecycle_prev": 5},
		NeverNull: []string{"history_tenure", "trg_count", "silent"},
	}.Run(t)
}

func BenchmarkLifecycle(b *testing.B) {
	kerneltest.Benchmark(b, NewLifecycle(job.Default().Rules), map[string][]int64{
		"history_tenure": {1, 5, 14, 40, 60}, "trg_count": {0, 0, 1, 2}, "silent": {0, 0, 0, 1}, "lifecycle_prev": {1, 2, 3, 4},
	})
}
