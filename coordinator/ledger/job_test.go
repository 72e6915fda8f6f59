package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rescore/partition"
	"rescore/partition/job"
)

func TestSubmitIsTheSameJobOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if reply := f.ok(submitOf(theJob)); reply != (SubmitReply{State: job.Submitted, Epoch: 1, New: true}) {
		t.Errorf("%+v", reply)
	}
	again := submitOf(theJob)
	again.Epoch = 2
	if reply := f.unchanged(again); reply != (SubmitReply{State: job.Submitted, Epoch: 1}) {
		t.Errorf("%+v", reply)
	}
	again.SpecDigest = "bb"
	f.refuse(again, ErrConflict)
	for name, spoil := range map[string]func(*Submit){
		"no ID":            func(c *Submit) { c.Job = "" },
		"no name":          func(c *Submit) { c.Name = "" },
		"no digest":        func(c *Submit) { c.SpecDigest = "" },
		"no attempt":       func(c *Submit) { c.MaxAttempts = 0 },
		"no stage":         func(c *Submit) { c.Stages = nil },
		"no score stage":   func(c *Submit) { c.Stages = c.Stages[:1] },
		"two score stages": func(c *Submit) { c.Stages = []job.StageKind{job.StageScore, job.StageScore} },
		"unknown stage":    func(c *Submit) { c.Stages = []job.StageKind{job.StageScore, 99} },
	} {
		c := submitOf("other")
		spoil(&c)
		f.refuse(c, ErrCommand)
		if f.st.Job("other") != nil {
			t.Errorf("%s: it is there", name)
		}
	}
}

func TestJobsAreServedInTheOrderOfSubmission(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, id := range []job.ID{"c", "a", "b"} {
		f.ok(submitOf(id))
	}
	var got []job.ID
	for j := range f.st.Jobs() {
		got = append(got, j.ID)
	}
	if !slices.Equal(got, []job.ID{"c", "a", "b"}) {
		t.Error(got)
	}
}

func TestAPlanComesInChunksAnyOfWhichMayBeRepeated(t *testing.T) {
	t.Parallel()
	tasks, facts := cut(9000)
	for i := range 4000 {
		facts.Files = append(facts.Files, job.InputFile{Path: "usage/month=202404/part-of-some-length", Month: 1 + i%5, SHA256: string(bytes.Repeat([]byte("0"), 64))})
	}
	facts.Challengers = []string{"rival", "other"}
	plans, err := Split(theJob, 1, job.StageScore, tasks, facts)
	if err != nil || len(plans) < 4 {
		t.Fatalf("%d chunks: %v", len(plans), err)
	}
	f := newFixture(t)
	f.surveyed(theJob)
	f.refuse(plans[1], ErrOrder)
	for i, p := range plans {
		if data, err := EncodeCommand(p); err != nil || len(data) > EntryMax*3/4 {
			t.Fatalf("chunk %d has %d bytes: %v", i, len(data), err)
		}
		if i+2 < len(plans) {
			f.refuse(plans[i+1+1], ErrOrder)
		}
		reply := f.ok(p).(PlanReply)
		if reply.Planned != (i == len(plans)-1) {
			t.Errorf("chunk %d: %+v", i, reply)
		}
		for _, earlier := range []Plan{plans[0], p} {
			f.unchanged(earlier)
		}
		if !reply.Planned {
			if leases := f.unchanged(Grant{Worker: "w", Tasks: []TaskRef{score(0)}}).(GrantReply).Leases; leases != nil {
				t.Error("half a plan was granted from")
			}
		}
	}
	j := f.st.Job(theJob)
	if !slices.Equal(j.Facts.Files, facts.Files) || j.Facts.Model != "model" || j.Facts.Rules != "rules" || !slices.Equal(j.Facts.Challengers, facts.Challengers) || len(j.Score().Tasks) != len(tasks) {
		t.Error("something was lost on the way")
	}
	for i := range tasks {
		if !j.Score().Tasks[i].is(tasks[i]) {
			t.Fatalf("task %d differs", i)
		}
	}
	changed := plans[0]
	changed.Model = "another"
	f.refuse(changed, ErrConflict)
	changed = plans[0]
	changed.Challengers = []string{"rival", "another"}
	f.refuse(changed, ErrConflict)
	f.refuse(scorePlan(theJob, 3), ErrConflict)
}

func TestSplitOfOneTaskTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	tasks, facts := cut(1)
	tasks[0].Slices = make([]job.Slice, EntryMax/10)
	if _, err := Split(theJob, 1, job.StageScore, tasks, facts); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if _, err := EncodeCommand(Plan{Tasks: tasks}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

func TestAnotherLeaderMayBeginHalfAPlanAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.surveyed(theJob)
	half := scorePlan(theJob, 6)
	half.Tasks, half.Last = half.Tasks[:3], false
	f.ok(half)
	rest := scorePlan(theJob, 6)
	rest.FirstTask, rest.Tasks, rest.Files, rest.FirstFile = 3, rest.Tasks[3:], nil, 0
	f.ok(scorePlan(theJob, 4)) // another size
	f.refuse(rest, ErrConflict)
	if n := len(f.st.Job(theJob).Score().Tasks); n != 4 || f.st.Job(theJob).Totals().Waiting != 4 {
		t.Errorf("%d tasks", n)
	}
}

func TestAMixtureOfTwoPlansIsRefusedAtItsEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.surveyed(theJob)
	half := scorePlan(theJob, 6)
	half.Tasks, half.Last = half.Tasks[:3], false
	f.ok(half)
	rest := scorePlan(theJob, 8)
	rest.FirstTask, rest.Tasks, rest.Files = 3, rest.Tasks[3:], nil // covers, but other rows
	f.refuse(rest, ErrCounts)
	rest.FirstTask, rest.Tasks = 3, rest.Tasks[1:] // a gap
	f.refuse(rest, ErrCover)
}

func TestAPlanThatLosesRowsOrNumbersIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*Plan)
		want  error
	}{
		"a gap":                {func(p *Plan) { p.Tasks[1].Range.First += 10000 }, ErrCover},
		"an overlap":           {func(p *Plan) { p.Tasks[1].Range.First -= 10000 }, ErrCover},
		"the end missing":      {func(p *Plan) { p.Tasks[2].Range.Past-- }, ErrCover},
		"no task":              {func(p *Plan) { p.Tasks = nil }, ErrCover},
		"a row lost":           {func(p *Plan) { p.Tasks[1].Rows-- }, ErrCounts},
		"a file lost":          {func(p *Plan) { p.Files = p.Files[1:] }, ErrCounts},
		"negative rows":        {func(p *Plan) { p.Tasks[0].Rows -= 200; p.Tasks[1].Rows += 200 }, ErrCommand},
		"another kind":         {func(p *Plan) { p.StageKind = job.StageSurvey }, ErrNoTask},
		"a stage too far":      {func(p *Plan) { p.Stage = 2 }, ErrNoTask},
		"a stage before all":   {func(p *Plan) { p.Stage = -1 }, ErrNoTask},
		"a task before all":    {func(p *Plan) { p.FirstTask = -1 }, ErrOrder},
		"a file before all":    {func(p *Plan) { p.FirstFile = -1 }, ErrOrder},
		"an empty first chunk": {func(p *Plan) { *p = Plan{Job: p.Job, Stage: 1, StageKind: job.StageScore, Last: true} }, ErrCover},
	} {
		f := newFixture(t)
		f.surveyed(theJob)
		p := scorePlan(theJob, 3)
		c.spoil(&p)
		f.refuse(p, c.want)
		if n := len(f.st.Job(theJob).Score().Tasks); n != 0 {
			t.Errorf("%s: %d tasks are there", name, n)
		}
	}
}

func TestAStageIsPlannedWhenTheOneBeforeIsDone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ok(submitOf(theJob))
	f.refuse(scorePlan(theJob, 2), ErrNotDone)
	two := surveyPlan(theJob)
	two.Tasks = append(two.Tasks, two.Tasks[0])
	f.refuse(two, ErrCommand)
	f.ok(surveyPlan(theJob))
	f.refuse(scorePlan(theJob, 2), ErrNotDone)
	f.ok(Complete{Lease: f.grant(TaskRef{Job: theJob})})
	f.ok(FailJob{theJob, "cancelled"})
	f.refuse(scorePlan(theJob, 2), ErrState)
}

func TestTotalsAddUpAsTasksFinish(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 100)
	for i := range 100 {
		f.finish(score((i * 37) % 100))
	}
	sum := f.st.Job(theJob).Totals()
	want := Totals{Tasks: 100, Done: 100}
	for _, task := range f.st.Job(theJob).Score().Tasks {
		r := resultOf(task.Plan())
		want.PlannedRows += task.Rows
		want.DoneRows += task.Rows
		want.PlannedKeys = want.PlannedKeys.Add(task.Keys)
		want.Counts, want.Keys, want.Rows = want.Counts.Add(r.Counts), want.Keys.Add(r.Keys), want.Rows.Add(r.Rows)
		want.Tally, want.Timing = want.Tally.Add(r.Tally), want.Timing.Add(r.Timing)
	}
	if sum != want {
		t.Errorf("got %+v\nwant %+v", sum, want)
	}
}

func TestTheLifeOfAJobFromSubmitToPublish(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 2)
	f.refuse(Seal{Job: theJob}, ErrNotDone)
	f.refuse(Hold{Job: theJob, Reason: "x"}, ErrNotDone)
	f.finish(score(0))
	f.refuse(Seal{Job: theJob}, ErrNotDone)
	f.finish(score(1))
	f.refuse(Publish{theJob, "v", "m"}, ErrState)

	figures := []Figure{{Gate: "reject_share_max", Value: 0.02, Limit: 0.01}}
	hold := Hold{theJob, "too many rejects", figures}
	f.ok(hold)
	f.unchanged(hold)
	f.refuse(Hold{theJob, "another", figures}, ErrState)
	f.refuse(Hold{Job: theJob, Reason: "too many rejects"}, ErrState)
	f.refuse(Seal{Job: theJob}, ErrState)
	f.refuse(Release{Job: theJob, Who: "ops"}, ErrCommand)
	f.refuse(Release{Job: theJob, Reason: "seen"}, ErrCommand)
	f.ok(Release{theJob, "seen", "ops"})
	f.unchanged(Release{theJob, "seen", "ops"})
	f.refuse(Release{theJob, "seen", "somebody else"}, ErrState)
	f.refuse(hold, ErrState) // released is released

	v := f.ok(Seal{Job: theJob, At: 7, Seconds: 1.5}).(SealReply).Version
	if v.ID != VersionID(1, f.index) || v.Counts.In != 300 || v.Tasks != 2 || v.Digest != f.st.Job(theJob).Totals().Rows || v.SealIndex != f.index || v.At != 7 || v.Seconds != 1.5 {
		t.Errorf("%+v", v)
	}
	if again := f.unchanged(Seal{Job: theJob}).(SealReply).Version; again != v {
		t.Errorf("sealed again as %+v", again)
	}
	f.refuse(FailJob{theJob, "cancelled"}, ErrState) // its pointer may be written
	f.refuse(Publish{theJob, v.ID, ""}, ErrCommand)
	f.refuse(Publish{theJob, "v0001-0000000001", "m"}, ErrConflict)
	if f.st.Versions("base") != nil {
		t.Error("a sealed version is published")
	}
	f.ok(Publish{theJob, v.ID, "m"})
	v.ManifestDigest, v.PublishIndex = "m", f.index
	if again := f.unchanged(Publish{theJob, v.ID, "m"}).(PublishReply).Version; again != v {
		t.Errorf("published again as %+v", again)
	}
	f.refuse(Publish{theJob, v.ID, "another"}, ErrConflict) // I4
	f.refuse(FailJob{theJob, "cancelled"}, ErrState)
	if again := f.unchanged(Seal{Job: theJob}).(SealReply).Version; again != v {
		t.Errorf("sealed again as %+v", again)
	}
	if got := f.st.Versions("base"); !slices.Equal(got, []Version{v}) {
		t.Errorf("%+v", got)
	}
	if got := f.st.Versions("other"); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestVersionIDsSortByEpochThenIndex(t *testing.T) {
	t.Parallel()
	if id := VersionID(1, 42); id != "v0001-0000000042" {
		t.Error(id)
	}
}

func TestCancelEndsAJobUntilItIsSealed(t *testing.T) {
	t.Parallel()
	for name, bring := range map[string]func(*fixture){
		"submitted": func(f *fixture) { f.ok(submitOf(theJob)) },
		"running":   func(f *fixture) { f.planned(theJob, 2); f.grant(score(1)) },
		"held":      func(f *fixture) { f.finished(theJob, 2); f.ok(Hold{Job: theJob, Reason: "x"}) },
	} {
		f := newFixture(t)
		bring(f)
		f.ok(FailJob{theJob, "cancelled by ops"})
		f.unchanged(FailJob{theJob, "cancelled by ops"})
		f.refuse(FailJob{theJob, "again"}, ErrState)
		f.refuse(Seal{Job: theJob}, ErrState)
		if j := f.st.Job(theJob); j.State != job.Failed || j.FailReason != "cancelled by ops" || j.Totals().Leased != 0 {
			t.Errorf("%s: %s, %d leased", name, j.State, j.Totals().Leased)
		}
	}
}

// TestSealTrustsNothing breaks a finished job behind the ledger's back, as a
// bug would, and seals it.
func TestSealTrustsNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*Job)
		want  error
	}{
		"a gap":                   {func(j *Job) { j.Score().Tasks[1].Range.First++ }, ErrCover},
		"a task not done":         {func(j *Job) { j.Score().Tasks[1].State = Leased }, ErrNotDone},
		"a task without a result": {func(j *Job) { j.Score().Tasks[1].result = packed{} }, ErrNotDone},
		"a result not conserved":  {func(j *Job) { spoilResult(j, 1, func(r *job.Result) { r.Counts.Scored++ }) }, ErrCounts},
		"a result of fewer rows":  {func(j *Job) { spoilResult(j, 1, func(r *job.Result) { r.Counts.In--; r.Counts.Scored-- }) }, ErrCounts},
		"rows of one task in another": {func(j *Job) {
			spoilResult(j, 1, func(r *job.Result) { r.Counts.In--; r.Counts.Scored-- })
			spoilResult(j, 2, func(r *job.Result) { r.Counts.In++; r.Counts.Scored++ })
		}, ErrCounts},
		"a result of other numbers":   {func(j *Job) { spoilResult(j, 1, func(r *job.Result) { r.Keys.Lo++ }) }, ErrCounts},
		"a file of more rows":         {func(j *Job) { j.Facts.Files[0].Rows++ }, ErrCounts},
		"maintained counts that lie":  {func(j *Job) { j.Score().totals.Counts.Scored++ }, ErrCounts},
		"a maintained key that lies":  {func(j *Job) { j.Score().totals.Keys = partition.Sum{} }, ErrCounts},
		"a maintained done that lies": {func(j *Job) { j.Score().totals.Done-- }, ErrNotDone},
	} {
		f := newFixture(t)
		f.finished(theJob, 3)
		c.spoil(f.st.Job(theJob))
		f.refuse(Seal{Job: theJob}, c.want)
		if f.st.Job(theJob).Version != nil {
			t.Errorf("%s: sealed", name)
		}
	}
}

func spoilResult(j *Job, task int, spoil func(*job.Result)) {
	r := *j.Score().Tasks[task].Result()
	spoil(&r)
	j.Score().Tasks[task].result = put(new(loose), packResult(r))
}

func TestApplyRefusesAnIndexTwiceAndNoCommand(t *testing.T) {
	t.Parallel()
	s := New()
	if _, _, err := Apply(s, 5, submitOf(theJob)); err != nil {
		t.Fatal(err)
	}
	for _, index := range []uint64{0, 4, 5} {
		if _, _, err := Apply(s, index, FailJob{theJob, "x"}); !errors.Is(err, ErrReplay) {
			t.Errorf("index %d: %v", index, err)
		}
	}
	if _, _, err := Apply(s, 6, nil); !errors.Is(err, ErrUnknownCommand) || s.Index() != 5 {
		t.Errorf("%v at index %d", err, s.Index())
	}
}

// Two leaders cut the same base differently, and the first chunks of their plans
// are the same: there are that many files.
func TestHalfAPlanOfAnotherPartitionSizeIsReplaced(t *testing.T) {
	t.Parallel()
	plansOf := func(n int) []Plan {
		tasks, facts := cut(n)
		rows := facts.Files[0].Rows
		facts.Files = facts.Files[1:]
		for i := range 4000 {
			facts.Files = append(facts.Files, job.InputFile{Path: fmt.Sprintf("m0/%s-%04d", strings.Repeat("p", 60), i), SHA256: strings.Repeat("a", 64)})
		}
		facts.Files = append(facts.Files, job.InputFile{Path: "last", Rows: rows})
		plans, err := Split(theJob, 1, job.StageScore, tasks, facts)
		if err != nil {
			t.Fatal(err)
		}
		return plans
	}
	old, fresh := plansOf(6000), plansOf(5000)
	if len(old) < 4 || len(fresh) < 4 || len(old[0].Tasks) != 0 || !slices.Equal(old[0].Files, fresh[0].Files) {
		t.Fatalf("plans of %d and %d chunks, the first with %d tasks: they share nothing", len(old), len(fresh), len(old[0].Tasks))
	}
	for taken := range old { // the last chunk is never taken
		f := newFixture(t)
		f.surveyed(theJob)
		for _, p := range old[:taken] {
			f.ok(p)
		}
		for _, p := range fresh {
			f.ok(p)
		}
		j := f.st.Job(theJob)
		if n := j.Totals().Tasks; n != 5000 || len(j.Facts.Files) != 4002 || !j.Stages[1].Planned {
			t.Errorf("after %d chunks of the old plan: %d tasks, %d files", taken, n, len(j.Facts.Files))
		}
	}
}
