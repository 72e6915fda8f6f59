package coordinator

import (
	"errors"
	"fmt"
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

func TestMonthsWithoutFilesAreWarnedOfOnceTheInputIsSurveyed(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		layout string
		alone  bool
		back   []int // of files beside the scoring month's
		want   string
	}{
		"two gaps":                   {"months", false, []int{1, 3, 5}, "months=\"[202608 202606]\""},
		"every month":                {"months", false, []int{1, 2, 3, 4, 5}, ""},
		"columns":                    {"wide", false, nil, ""},
		"a run, which has said so":   {"months", true, []int{1, 3, 5}, ""},
		"tables, which are no month": {"months", false, []int{1, 2, 3, 4, 6, 7}, "months=[202605]"},
	} {
		d := newDesk(t)
		d.cfg.Alone = c.alone
		s := spec()
		s.Input.Layout, s.Input.MissingMonths = c.layout, "null"
		d.propose(ledger.Submit{
			Job: theJob, Name: s.Name, Spec: s.Canonical(), SpecDigest: s.Digest(), Epoch: 1, MaxAttempts: 2,
			Stages: []job.StageKind{job.StageSurvey, job.StageScore},
		})
		d.steps()
		if strings.Contains(d.log.String(), "months") {
			t.Errorf("%s: before the survey the log says %s", what, d.log.String())
		}
		found := survey()
		for _, k := range c.back {
			found.Files = append(found.Files, job.InputFile{Path: fmt.Sprintf("back-%d.parquet", k), Month: k, SHA256: "in"})
		}
		d.survey(theJob, found)
		if !d.st.Job(theJob).Score().Planned {
			t.Fatalf("%s: the job is not planned: %s", what, d.log.String())
		}
		d.steps()
		lines := 0
		for line := range strings.Lines(d.log.String()) {
			if strings.Contains(line, "level=WARN") && strings.Contains(line, "job="+string(theJob)) && c.want != "" && strings.Contains(line, c.want) {
				lines++
			}
		}
		if said := strings.Count(d.log.String(), "months without files"); said != lines || (lines == 1) != (c.want != "") {
			t.Errorf("%s: the log says %q", what, d.log.String())
		}
	}
}
