package ledger

import (
	"errors"
	"testing"

	"rescore/partition"
	"rescore/partition/job"
)

// fixture is a ledger under test. Every refusal is checked to change nothing.
type fixture struct {
	t     testing.TB
	st    *State
	index uint64
}

func newFixture(t testing.TB) *fixture { return &fixture{t: t, st: New()} }

func (f *fixture) ok(cmd Command) Reply {
	f.t.Helper()
	f.index++
	reply, _, err := Apply(f.st, f.index, cmd)
	if err != nil {
		f.t.Fatalf("index %d: %v", f.index, err)
	}
	return reply
}

func (f *fixture) refuse(cmd Command, want error) {
	f.t.Helper()
	f.index++
	f.st.index = f.index // all that a refused command may change
	before := mustHash(f.t, f.st)
	f.st.index--
	reply, events, err := Apply(f.st, f.index, cmd)
	if !errors.Is(err, want) || reply != nil || events != nil {
		f.t.Errorf("%s %+v: got %v, want %v", cmd.Kind(), cmd, err, want)
	}
	if mustHash(f.t, f.st) != before {
		f.t.Errorf("%s %+v: refused, and the ledger changed", cmd.Kind(), cmd)
	}
}

// unchanged applies a command that is OK and changes nothing.
func (f *fixture) unchanged(cmd Command) Reply {
	f.t.Helper()
	f.st.index++
	before := mustHash(f.t, f.st)
	f.st.index--
	reply := f.ok(cmd)
	if mustHash(f.t, f.st) != before {
		f.t.Errorf("%s %+v: the ledger changed", cmd.Kind(), cmd)
	}
	return reply
}

// fataler is what testing and rapid have in common.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func mustHash(t fataler, s *State) [32]byte {
	t.Helper()
	h, err := s.Hash()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

const theJob job.ID = "202405-0123456789ab"

func submitOf(id job.ID) Submit {
	return Submit{
		Job: id, Name: "base", Spec: []byte(`{"name":"base"}`), SpecDigest: "aa", SpecBase: "jobs", Epoch: 1,
		Stages: []job.StageKind{job.StageSurvey, job.StageScore}, MaxAttempts: 3,
	}
}

func surveyPlan(id job.ID) Plan {
	return Plan{Job: id, StageKind: job.StageSurvey, Tasks: []job.Task{{Range: partition.Whole}}, Last: true}
}

// cut returns n tasks of a hundred rows more each, covering the space, and the
// facts they fit.
func cut(n int) ([]job.Task, Facts) {
	tasks := make([]job.Task, n)
	first, row := partition.FirstNumber, int64(0)
	for i := range tasks {
		past := partition.FirstNumber + partition.Number(i+1)*partition.LinesPerSegment
		if i == n-1 {
			past = partition.PastNumber
		}
		rows := int64(100 * (i + 1))
		tasks[i] = job.Task{
			Range: partition.Range{First: first, Past: past}, Rows: rows, Keys: partition.Sum{}.AddHash(uint64(i)),
			Slices: []job.Slice{{First: row, Rows: rows}},
		}
		first, row = past, row+rows
	}
	return tasks, Facts{
		Files: []job.InputFile{{Path: "m0.parquet", Rows: row, SHA256: "f0"}, {Path: "m1.parquet", Month: 1, Rows: 7, SHA256: "f1"}},
		Model: "model", Rules: "rules",
	}
}

func scorePlan(id job.ID, n int) Plan {
	tasks, facts := cut(n)
	return Plan{Job: id, Stage: 1, StageKind: job.StageScore, Tasks: tasks, Files: facts.Files, Model: facts.Model, Rules: facts.Rules, Last: true}
}

// resultOf is what an honest worker reports of a score task.
func resultOf(t job.Task) job.Result {
	return job.Result{
		Counts: job.Counts{In: t.Rows, Scored: t.Rows - 6, Excluded: 3, Rejected: 2, Duplicate: 1},
		Keys:   t.Keys, Rows: partition.Sum{}.AddHash(uint64(t.Rows)),
		Files:  []job.File{{Kind: job.FileScores, Path: "p", Rows: t.Rows - 6, Bytes: 9, SHA256: "s", Content: "c"}},
		Tally:  job.Tally{Warn: t.Rows / 2},
		Timing: job.Timing{Read: 1, Score: 2},
	}
}

// selectSubmit is a job whose partitions are placed in the whole base.
func selectSubmit(id job.ID) Submit {
	c := submitOf(id)
	c.Stages = append(c.Stages, job.StageSelect)
	return c
}

// selectPlanOf is what follows from the results of the score stage.
func selectPlanOf(id job.ID, results []job.Result) Plan {
	p := Plan{Job: id, Stage: 2, StageKind: job.StageSelect, Last: true}
	tasks, _ := cut(len(results))
	ranks := job.File{Kind: job.FileRanks, Path: "ranks", Rows: 5, Bytes: 3, SHA256: "r", Content: "r"}
	for i, r := range results {
		t := job.Task{Range: tasks[i].Range, Rows: r.Counts.Scored, Staged: []job.File{{}, ranks}}
		if len(r.Files) > 0 {
			t.Staged[0] = r.Files[0]
		}
		p.Tasks = append(p.Tasks, t)
	}
	return p
}

// selectResultOf is what an honest worker reports of a select task.
func selectResultOf(rows int64) job.Result {
	return job.Result{
		Counts: job.Counts{In: rows, Scored: rows}, Rows: partition.Sum{}.AddHash(uint64(rows) + 1e6),
		Files: []job.File{{Kind: job.FileScores, Path: "final", Rows: rows, Bytes: 11, SHA256: "t", Content: "d"}},
		Tally: job.Tally{Priority: [6]int64{1, 0, 0, 0, rows - 1, 0}},
	}
}

// halves divides a task in two: at a segment, half of the rows each, and of the numbers
// one and the rest.
func halves(t job.Task) []job.Task {
	a, b := t, t
	middle := (t.Range.First.Segment() + (t.Range.Past.Segment()-t.Range.First.Segment())/2).First()
	a.Range.Past, b.Range.First = middle, middle
	a.Rows = t.Rows / 2
	b.Rows = t.Rows - a.Rows
	a.Keys = partition.Sum{}.AddHash(uint64(t.Rows))
	b.Keys = t.Keys.Sub(a.Keys)
	a.Slices, b.Slices = nil, nil
	for _, s := range t.Slices {
		x, y := s, s
		x.Rows, x.Bytes = s.Rows/2, s.Bytes/2
		y.First, y.Offset, y.Rows, y.Bytes = s.First+x.Rows, s.Offset+x.Bytes, s.Rows-x.Rows, s.Bytes-x.Bytes
		a.Slices, b.Slices = append(a.Slices, x), append(b.Slices, y)
	}
	return []job.Task{a, b}
}

func score(task int) TaskRef { return TaskRef{Job: theJob, Stage: 1, Task: task} }

// surveyed brings the job past its survey.
func (f *fixture) surveyed(id job.ID) {
	f.t.Helper()
	f.ok(submitOf(id))
	f.ok(surveyPlan(id))
	f.ok(Complete{Lease: f.grant(TaskRef{Job: id})})
}

// planned brings the job to n waiting score tasks.
func (f *fixture) planned(id job.ID, n int) {
	f.t.Helper()
	f.surveyed(id)
	f.ok(scorePlan(id, n))
}

func (f *fixture) grant(ref TaskRef) Lease {
	f.t.Helper()
	leases := f.ok(Grant{Worker: "w1", Tasks: []TaskRef{ref}}).(GrantReply).Leases
	if len(leases) != 1 || leases[0] != (Lease{TaskRef: ref, Token: f.st.token(f.index)}) {
		f.t.Fatalf("grant of %s at %d: %v", ref, f.index, leases)
	}
	return leases[0]
}

func (f *fixture) task(ref TaskRef) *Task {
	_, _, t, err := f.st.task(ref)
	if err != nil {
		f.t.Fatal(err)
	}
	return t
}

func (f *fixture) finish(ref TaskRef) {
	f.t.Helper()
	f.ok(Complete{Lease: f.grant(ref), Result: resultOf(f.task(ref).Plan())})
}

// scored brings a job with a select stage to n done score tasks and returns what
// they reported.
func (f *fixture) scored(id job.ID, n int) []job.Result {
	f.t.Helper()
	f.ok(selectSubmit(id))
	f.ok(surveyPlan(id))
	f.ok(Complete{Lease: f.grant(TaskRef{Job: id})})
	f.ok(scorePlan(id, n))
	var results []job.Result
	for i := range n {
		f.finish(TaskRef{Job: id, Stage: 1, Task: i})
		results = append(results, *f.task(TaskRef{Job: id, Stage: 1, Task: i}).Result())
	}
	return results
}

// finished brings the job to n done score tasks.
func (f *fixture) finished(id job.ID, n int) {
	f.t.Helper()
	f.planned(id, n)
	for i := range n {
		f.finish(TaskRef{Job: id, Stage: 1, Task: i})
	}
}
