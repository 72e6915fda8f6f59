package ledger

import (
	"slices"
	"testing"

	"rescore/partition"
	"rescore/partition/job"
)

// based is a published job and a rerun of it that is to be planned.
func based(t testing.TB) (*fixture, Version) {
	f := newFixture(t)
	f.finished("base", 3)
	v := f.ok(Seal{Job: "base"}).(SealReply).Version
	v = f.ok(Publish{"base", v.ID, "m"}).(PublishReply).Version
	c := submitOf(theJob)
	c.Base, c.Again = v.ID, []partition.Range{f.task(TaskRef{"base", 1, 0}).Range}
	f.ok(c)
	f.ok(surveyPlan(theJob))
	f.ok(Complete{Lease: f.grant(TaskRef{Job: theJob})})
	return f, v
}

func keptPlan() Plan {
	p := scorePlan(theJob, 3)
	p.Kept = []Kept{{Task: 1, Job: "base", At: 1}, {Task: 2, Job: "base", At: 2}}
	return p
}

func TestARerunKeepsWhatItDoesNotScoreAgainAndItsVersionIsTheSame(t *testing.T) {
	t.Parallel()
	f, was := based(t)
	p := keptPlan()
	f.ok(p)
	f.unchanged(p)
	j := f.st.Job(theJob)
	if total := j.Totals(); total.Done != 2 || total.Kept != 2 || total.Waiting != 1 {
		t.Errorf("%+v", total)
	}
	for i := 1; i <= 2; i++ {
		origin, task := f.task(TaskRef{"base", 1, i}), f.task(score(i))
		if task.State != Done || task.From != "base" || task.Token != origin.Token || task.result.text() != origin.result.text() || task.Attempts != 0 {
			t.Errorf("%+v", task)
		}
		f.refuse(Complete{Lease: Lease{score(i), task.Token}, Result: *task.Result()}, ErrFenced) // nobody was given it here
	}
	f.finish(score(0))
	v := f.ok(Seal{Job: theJob}).(SealReply).Version
	if v.Digest != was.Digest || v.Counts != was.Counts || v.Keys != was.Keys || v.ID == was.ID {
		t.Errorf("%+v, was %+v", v, was)
	}
	f.ok(Publish{theJob, v.ID, "n"})

	// A rerun of the rerun still names the job that made the result.
	c := submitOf("third")
	c.Base = v.ID
	f.ok(c)
	f.ok(surveyPlan("third"))
	f.ok(Complete{Lease: f.grant(TaskRef{Job: "third"})})
	p = scorePlan("third", 3)
	p.Kept = []Kept{{0, theJob, 0}, {1, theJob, 1}, {2, theJob, 2}}
	_, events, err := Apply(f.st, f.index+1, p)
	f.index++
	if err != nil || !slices.ContainsFunc(events, func(e Event) bool { return e.Kind == StageDone }) {
		t.Errorf("a stage of which all is kept is not done: %v, %v", events, err)
	}
	if a, b := f.task(TaskRef{"third", 1, 0}).From, f.task(TaskRef{"third", 1, 1}).From; a != theJob || b != "base" {
		t.Errorf("from %s and %s", a, b)
	}
	if again := f.ok(Seal{Job: "third"}).(SealReply).Version; again.Digest != was.Digest {
		t.Errorf("%+v", again)
	}
}

func TestATaskThatDiffersIsNotKept(t *testing.T) {
	t.Parallel()
	f, _ := based(t)
	f.finished("sealed", 3)
	f.ok(Seal{Job: "sealed"})
	for name, c := range map[string]struct {
		spoil func(*Plan)
		want  error
	}{
		"another range":      {func(p *Plan) { p.Kept[0].At = 2 }, ErrCover},
		"other rows":         {func(p *Plan) { p.Tasks[1].Rows++ }, ErrCounts},
		"other numbers":      {func(p *Plan) { p.Tasks[1].Keys.Lo++ }, ErrCounts},
		"no such task":       {func(p *Plan) { p.Kept[0].At = 3 }, ErrNoTask},
		"a task before all":  {func(p *Plan) { p.Kept[0].At = -1 }, ErrNoTask},
		"no such job":        {func(p *Plan) { p.Kept[0].Job = "nobody" }, ErrNoTask},
		"a job not yet read": {func(p *Plan) { p.Kept[0].Job = "sealed" }, ErrNoTask},
		"of another chunk":   {func(p *Plan) { p.Kept[0].Task = 3 }, ErrCommand},
		"staged files":       {func(p *Plan) { p.Tasks[1].Staged = []job.File{{Content: "x"}} }, ErrConflict},
	} {
		p := keptPlan()
		c.spoil(&p)
		t.Log(name)
		f.refuse(p, c.want)
	}
	f.surveyed("plain") // no rerun
	p := scorePlan("plain", 3)
	p.Kept = keptPlan().Kept
	f.refuse(p, ErrCommand)

	f.ok(keptPlan())
	other := keptPlan()
	other.Kept = other.Kept[:1]
	f.refuse(other, ErrConflict)
}

func TestASubmittedRerunIsCheckedAndRemembered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := submitOf(theJob)
	c.Again = []partition.Range{partition.Whole}
	f.refuse(c, ErrCommand) // of no version
	c.Base, c.Who, c.Priority = "v", "ops", 10
	f.refuse(c, ErrCommand)
	c.Priority = -1
	f.refuse(c, ErrCommand)
	c.Priority = 9
	f.ok(c)
	f.ok(submitOf("plain"))
	if j := f.st.Job(theJob); j.Base != "v" || j.Who != "ops" || j.Priority != 9 || !slices.Equal(j.Again, c.Again) {
		t.Errorf("%+v", j)
	}
	if p := f.st.Job("plain").Priority; p != PriorityDefault {
		t.Errorf("priority %d", p)
	}
}
