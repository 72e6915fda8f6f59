package ledger

import (
	"slices"
	"testing"

	"rescore/partition"
	"rescore/partition/job"
)

func TestATaskDividedIsTheSameRowsInPartsThatKeepAndAppend(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 3)
	before := f.st.Job(theJob).Totals()
	whole := f.task(score(2)).Plan()
	f.ok(Fail{Lease: f.grant(score(2)), Reason: "disk full"})
	parts := halves(whole)
	parts = append(parts[:1], halves(parts[1])...)
	d := Divide{TaskRef: score(2), Parts: parts}
	if reply := f.ok(d); reply != (DivideReply{Tasks: 5}) {
		t.Errorf("%+v", reply)
	}
	if reply := f.unchanged(d); reply != (DivideReply{Tasks: 5}) { // its answer was lost
		t.Errorf("%+v", reply)
	}
	if after := f.st.Job(theJob).Totals(); after.PlannedRows != before.PlannedRows || after.PlannedKeys != before.PlannedKeys || after.Tasks != 5 || after.Waiting != 5 {
		t.Errorf("%+v, was %+v", after, before)
	}
	for i, at := range []int{2, 3, 4} {
		if task := f.task(score(at)); !task.is(parts[i]) || task.Range != parts[i].Range || task.Rows != parts[i].Rows || task.Failures != 1 || task.Reason != "disk full" {
			t.Errorf("part %d: %+v", i, task)
		}
	}
	// A leader that sends the plan once more, its answer lost, is told that it is there.
	if reply := f.unchanged(scorePlan(theJob, 3)); reply != (PlanReply{Tasks: 5, Files: 2, Planned: true}) {
		t.Errorf("%+v", reply)
	}
	f.ok(Divide{TaskRef: score(4), Parts: halves(parts[2])}) // a part is divided like any other
	order := f.st.Job(theJob).Score().ByRange()
	if !slices.Equal(order, []int{0, 1, 2, 3, 4, 5}) {
		t.Error(order)
	}
	f.ok(Divide{TaskRef: score(2), Parts: halves(parts[0])})
	if order = f.st.Job(theJob).Score().ByRange(); !slices.Equal(order, []int{0, 1, 2, 6, 3, 4, 5}) {
		t.Error(order)
	}
	for _, i := range []int{6, 0, 5, 1, 4, 2, 3} {
		f.finish(score(i))
	}
	if v := f.ok(Seal{Job: theJob}).(SealReply).Version; v.Counts.In != before.PlannedRows || v.Keys != before.PlannedKeys || v.Tasks != 7 { // I1, I2
		t.Errorf("%+v", v)
	}
}

func TestADivideThatLosesOrDoublesAnythingIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(parts []job.Task) []job.Task
		want  error
	}{
		"one part":             {func(p []job.Task) []job.Task { return p[:1] }, ErrCommand},
		"a gap":                {func(p []job.Task) []job.Task { p[1].Range.First += partition.LinesPerSegment; return p }, ErrCover},
		"an overlap":           {func(p []job.Task) []job.Task { p[1].Range.First -= partition.LinesPerSegment; return p }, ErrCover},
		"out of order":         {func(p []job.Task) []job.Task { p[0], p[1] = p[1], p[0]; return p }, ErrCover},
		"beyond the task":      {func(p []job.Task) []job.Task { p[0].Range.First -= partition.LinesPerSegment; return p }, ErrCover},
		"a row lost":           {func(p []job.Task) []job.Task { p[1].Rows--; return p }, ErrCounts},
		"negative rows":        {func(p []job.Task) []job.Task { p[0].Rows, p[1].Rows = -1, p[0].Rows+p[1].Rows+1; return p }, ErrCommand},
		"other numbers":        {func(p []job.Task) []job.Task { p[1].Keys.Lo++; return p }, ErrCounts},
		"a run lost":           {func(p []job.Task) []job.Task { p[1].Slices = nil; return p }, ErrCounts},
		"a run twice":          {func(p []job.Task) []job.Task { p[1].Slices = append(p[1].Slices, p[0].Slices...); return p }, ErrCounts},
		"a run of another row": {func(p []job.Task) []job.Task { p[1].Slices[0].First++; return p }, ErrCounts},
		"a staged file":        {func(p []job.Task) []job.Task { p[1].Staged = []job.File{{Path: "x"}}; return p }, ErrCommand},
	} {
		f := newFixture(t)
		f.planned(theJob, 3)
		t.Log(name)
		f.refuse(Divide{TaskRef: score(2), Parts: c.spoil(halves(f.task(score(2)).Plan()))}, c.want)
	}
}

func TestOnlyAWaitingScoreTaskOfARunningJobIsDivided(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ok(submitOf(theJob))
	f.ok(surveyPlan(theJob))
	f.refuse(Divide{TaskRef: TaskRef{Job: theJob}, Parts: halves(job.Task{Range: partition.Whole})}, ErrCommand)
	f.ok(Complete{Lease: f.grant(TaskRef{Job: theJob})})
	f.ok(scorePlan(theJob, 2))
	d := Divide{TaskRef: score(1), Parts: halves(f.task(score(1)).Plan())}
	lease := f.grant(score(1))
	f.refuse(d, ErrState)
	f.ok(Complete{Lease: lease, Result: resultOf(f.task(score(1)).Plan())})
	f.refuse(d, ErrState) // I6
	f.refuse(Divide{TaskRef: score(5), Parts: d.Parts}, ErrNoTask)
	f.ok(Cancel{Job: theJob, Who: "ops"})
	f.refuse(Divide{TaskRef: score(0), Parts: halves(f.task(score(0)).Plan())}, ErrState)
}

func TestTheSelectStageFollowsADividedScoreStageByIndex(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ok(selectSubmit(theJob))
	f.ok(surveyPlan(theJob))
	f.ok(Complete{Lease: f.grant(TaskRef{Job: theJob})})
	f.ok(scorePlan(theJob, 2))
	f.ok(Divide{TaskRef: score(1), Parts: halves(f.task(score(1)).Plan())})
	f.ok(Divide{TaskRef: score(1), Parts: halves(f.task(score(1)).Plan())})
	var results []job.Result
	for i := range 4 {
		f.finish(score(i))
		results = append(results, *f.task(score(i)).Result())
	}
	p := selectPlanOf(theJob, results)
	for i := range p.Tasks {
		p.Tasks[i].Range = f.task(score(i)).Range
	}
	f.ok(p)
	for i, r := range results {
		f.ok(Complete{Lease: f.grant(TaskRef{theJob, 2, i}), Result: selectResultOf(r.Counts.Scored)})
	}
	if v := f.ok(Seal{Job: theJob}).(SealReply).Version; v.Counts.In != 300 || v.Tasks != 4 {
		t.Errorf("%+v", v)
	}
}
