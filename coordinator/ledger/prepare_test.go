package ledger

import (
	"testing"

	"rescore/partition"
	"rescore/partition/job"
)

// preparation is a job that was submitted, and surveyed: a file of 100 rows, of which
// two slices are to be read.
func preparation(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	s := submitOf(theJob)
	s.Stages = []job.StageKind{job.StageSurvey, job.StageExchange, job.StageMerge}
	f.ok(s)
	f.ok(Plan{Job: theJob, StageKind: job.StageSurvey, Tasks: []job.Task{{Range: partition.Whole}}, Last: true})
	f.end(0, 0, job.Result{Files: []job.File{{Kind: job.FileSurvey}}})
	return f
}

// end grants a task and completes it.
func (f *fixture) end(stage, task int, r job.Result) {
	f.t.Helper()
	f.ok(f.complete(stage, task, r))
}

// complete grants a task and returns the command that completes it.
func (f *fixture) complete(stage, task int, r job.Result) Complete {
	f.t.Helper()
	ref := TaskRef{Job: theJob, Stage: stage, Task: task}
	leases := f.ok(Grant{Worker: "w", Tasks: []TaskRef{ref}}).(GrantReply).Leases
	if len(leases) != 1 {
		f.t.Fatalf("%s was not granted", ref)
	}
	return Complete{Lease: leases[0], Result: r}
}

var (
	cutFile   = job.File{Kind: job.FileCut, Path: "cut"}
	middle    = partition.Segment(1600000).First()
	low, high = partition.Range{First: partition.FirstNumber, Past: middle}, partition.Range{First: middle, Past: partition.PastNumber}
	readKeys  = partition.Sum{Hi: 7, Lo: 9} // of each slice
	wroteKeys = partition.Sum{Hi: 3, Lo: 5} // of each run
)

func exchangePlan() Plan {
	slice := func(first, rows int64) job.Task {
		return job.Task{
			Range: partition.Whole, Rows: rows, Keys: readKeys, Slices: []job.Slice{{First: first, Rows: rows}}, Staged: []job.File{cutFile},
		}
	}
	return Plan{
		Job: theJob, Stage: 1, StageKind: job.StageExchange, Last: true,
		Tasks: []job.Task{slice(0, 60), slice(60, 40)}, Files: []job.InputFile{{Path: "a", Rows: 100}},
	}
}

func exchanged(in, kept int64) job.Result {
	return job.Result{
		Counts: job.Counts{In: in, Scored: kept, Rejected: in - kept}, Keys: readKeys, Rows: wroteKeys,
		Files: []job.File{{Kind: job.FileRun, Path: "run"}, {Kind: job.FilePieces, Path: "pieces"}},
	}
}

func mergePlan() Plan {
	part := func(r partition.Range, rows int64) job.Task {
		return job.Task{Range: r, Rows: rows, Keys: wroteKeys, Staged: []job.File{{Kind: job.FilePieces, Path: "gather"}}}
	}
	return Plan{Job: theJob, Stage: 2, StageKind: job.StageMerge, Last: true, Tasks: []job.Task{part(low, 50), part(high, 45)}}
}

func merged(in, kept int64) job.Result {
	return job.Result{
		Counts: job.Counts{In: in, Scored: kept, Duplicate: in - kept}, Keys: wroteKeys, Rows: partition.Sum{Hi: 1},
		Files: []job.File{{Kind: job.FileBase, Path: "part"}},
	}
}

func TestAPreparationIsSealedWhenEveryRowIsAccountedFor(t *testing.T) {
	t.Parallel()
	f := preparation(t)
	f.ok(exchangePlan())
	f.end(1, 0, exchanged(60, 58))
	f.refuse(mergePlan(), ErrNotDone)
	f.end(1, 1, exchanged(40, 37))
	f.ok(mergePlan())
	f.end(2, 0, merged(50, 41))
	f.end(2, 1, merged(45, 45))
	want := job.Counts{In: 100, Scored: 86, Rejected: 5, Duplicate: 9}
	v := f.ok(Seal{Job: theJob}).(SealReply).Version
	if v.Counts != want || v.Tasks != 2 || v.Keys != readKeys.Add(readKeys) || v.Digest != (partition.Sum{Hi: 2}) {
		t.Errorf("sealed %+v, want %+v of 2 tasks", v, want)
	}
}

func TestAPreparationsPlanThatLosesRowsIsRefused(t *testing.T) {
	t.Parallel()
	f := preparation(t)
	for what, change := range map[string]func(*Plan){
		"a row of the files":     func(p *Plan) { p.Tasks[1].Rows, p.Tasks[1].Slices[0].Rows = 39, 39 },
		"a row of its slice":     func(p *Plan) { p.Tasks[1].Slices[0].Rows = 39 },
		"the ranges":             func(p *Plan) { p.Tasks[1].Staged = nil },
		"the others' ranges":     func(p *Plan) { p.Tasks[1].Staged = []job.File{{Kind: job.FileCut, Path: "other"}} },
		"what is to be read":     func(p *Plan) { p.Tasks[1].Slices = nil },
		"which stage it goes to": func(p *Plan) { p.StageKind = job.StageMerge },
	} {
		p := exchangePlan()
		change(&p)
		if _, _, err := Apply(f.st.Clone(), f.index+1, p); err == nil {
			t.Errorf("an exchange without %s is planned", what)
		}
	}
	f.ok(exchangePlan())
	bad := exchanged(60, 58)
	bad.Files = bad.Files[:1]
	c := f.complete(1, 0, bad)
	f.refuse(c, ErrCommand)
	c.Result = exchanged(59, 58)
	f.refuse(c, ErrCounts)
	c.Result = exchanged(60, 58)
	c.Result.Keys.Lo++
	f.refuse(c, ErrCounts)
	c.Result = exchanged(60, 58)
	f.ok(c)
	f.end(1, 1, exchanged(40, 37))
	for what, change := range map[string]func(*Plan){
		"a row":        func(p *Plan) { p.Tasks[0].Rows-- },
		"a number":     func(p *Plan) { p.Tasks[0].Keys.Lo-- },
		"a range":      func(p *Plan) { p.Tasks = p.Tasks[:1] },
		"its pieces":   func(p *Plan) { p.Tasks[0].Staged = nil },
		"the exchange": func(p *Plan) { p.Tasks[0].Slices = []job.Slice{{Rows: 50}} },
	} {
		p := mergePlan()
		change(&p)
		if _, _, err := Apply(f.st.Clone(), f.index+1, p); err == nil {
			t.Errorf("a merge without %s is planned", what)
		}
	}
}

func TestStagesOfAPreparationComeInTheirOrder(t *testing.T) {
	t.Parallel()
	const survey, score, sel, exchange, merge = job.StageSurvey, job.StageScore, job.StageSelect, job.StageExchange, job.StageMerge
	for _, kinds := range [][]job.StageKind{{exchange, merge}, {survey, exchange, merge}} {
		if err := checkStages(kinds); err != nil {
			t.Errorf("%v: %v", kinds, err)
		}
	}
	for _, kinds := range [][]job.StageKind{
		{exchange}, {merge}, {merge, exchange}, {exchange, merge, merge}, {exchange, exchange, merge}, {exchange, survey, merge},
		{score, exchange, merge}, {exchange, merge, score}, {exchange, score, merge}, {exchange, merge, sel}, {6},
	} {
		if err := checkStages(kinds); err == nil {
			t.Errorf("%v are taken", kinds)
		}
	}
}
