package coordinator

import (
	"errors"
	"strings"
	"testing"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
	"rescore/partition/wire"
)

func TestTheNextStepIsWorkedOutFromTheLedgerAlone(t *testing.T) {
	t.Parallel()
	stages := func(planned ...bool) []ledger.Stage { // a planned stage without tasks is complete
		list := []ledger.Stage{{Kind: job.StageSurvey}, {Kind: job.StageScore}}
		for i, p := range planned {
			list[i].Planned = p
		}
		return list
	}
	busy := stages(true, true)
	busy[1].Tasks = make([]ledger.Task, 1)
	for what, c := range map[string]struct {
		state  job.State
		stages []ledger.Stage
		want   step
	}{
		"submitted":           {job.Submitted, stages(), stepPlan},
		"surveyed":            {job.Running, stages(true), stepPlan},
		"workers are at it":   {job.Running, busy, stepNone},
		"every task is done":  {job.Running, stages(true, true), stepSeal},
		"held":                {job.Held, stages(true, true), stepNone},
		"sealed":              {job.Sealed, stages(true, true), stepPublish},
		"published":           {job.Published, stages(true, true), stepNone},
		"failed":              {job.Failed, stages(true), stepNone},
		"failed when planned": {job.Failed, stages(true, true), stepNone},
	} {
		if got := next(&ledger.Job{State: c.state, Stages: c.stages}); got != c.want {
			t.Errorf("%s: step %d, want %d", what, got, c.want)
		}
	}
}

func TestAPlanWhoseTasksFitNoMessageIsRefusedWithARemedy(t *testing.T) {
	t.Parallel()
	j := &ledger.Job{ID: theJob, Spec: []byte("{}")}
	facts := ledger.Facts{Files: make([]job.InputFile, 1000), Model: "m", Rules: "r"}
	for i := range facts.Files {
		facts.Files[i] = job.InputFile{Path: strings.Repeat("p", 200), SHA256: strings.Repeat("a", 64), Rows: 1 << 40, Bytes: 1 << 40}
	}
	tasks := []job.Task{{}, {Slices: make([]job.Slice, 1000)}, {}}
	if err := deliverable(j, tasks, facts); err != nil {
		t.Errorf("a thousand files are refused: %v", err)
	}
	for range 3 {
		facts.Files = append(facts.Files, facts.Files...)
	}
	err := deliverable(j, tasks, facts)
	if !errors.Is(err, wire.ErrTooLarge) || !strings.Contains(err.Error(), "8000 input files") || !strings.Contains(err.Error(), "join small files") {
		t.Errorf("got %v", err)
	}
}
