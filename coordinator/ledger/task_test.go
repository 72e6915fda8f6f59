package ledger

import (
	"slices"
	"strings"
	"testing"

	"rescore/partition"
	"rescore/partition/job"
)

func TestCompleteIsRefusedUnlessRowsAreConserved(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*job.Result){
		"a row lost":                  func(r *job.Result) { r.Counts.Scored-- },
		"a row made up":               func(r *job.Result) { r.Counts.Duplicate++ },
		"negative rows":               func(r *job.Result) { r.Counts.Scored += 5; r.Counts.Rejected -= 5 },
		"conserved, but a row fewer":  func(r *job.Result) { r.Counts.In--; r.Counts.Scored-- },
		"conserved, but a row more":   func(r *job.Result) { r.Counts.In++; r.Counts.Rejected++ },
		"other numbers, high lane":    func(r *job.Result) { r.Keys.Hi++ },
		"other numbers, low lane":     func(r *job.Result) { r.Keys.Lo++ },
		"the numbers of another task": func(r *job.Result) { r.Keys = partition.Sum{}.AddHash(1) },
	} {
		f := newFixture(t)
		f.planned(theJob, 2)
		lease := f.grant(score(0))
		r := resultOf(f.task(score(0)).Plan())
		spoil(&r)
		f.refuse(Complete{Lease: lease, Result: r}, ErrCounts)
		if state := f.task(score(0)).State; state != Leased {
			t.Errorf("%s: task is %s", name, state)
		}
		f.ok(Complete{Lease: lease, Result: resultOf(f.task(score(0)).Plan())}) // the lease is still good
	}
}

func TestASurveyNeedsNoRowsButConservedCounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ok(submitOf(theJob))
	f.ok(surveyPlan(theJob))
	lease := f.grant(TaskRef{Job: theJob})
	f.refuse(Complete{Lease: lease, Result: job.Result{Counts: job.Counts{In: 1}}}, ErrCounts)
	reply := f.ok(Complete{Lease: lease, Result: job.Result{Keys: partition.Sum{Hi: 1}}}).(CompleteReply)
	if reply != (CompleteReply{StageDone: true}) {
		t.Errorf("%+v", reply)
	}
}

func TestTaskFinishesOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 2)
	zombie := f.grant(score(0))
	f.ok(Expire{Lease: zombie, Cause: Silent})
	r := resultOf(f.task(score(0)).Plan())
	f.refuse(Complete{Lease: zombie, Result: r}, ErrFenced) // waiting: nobody holds it
	lease := f.grant(score(0))
	f.refuse(Complete{Lease: zombie, Result: r}, ErrFenced) // leased to another
	f.refuse(Complete{Lease: Lease{score(0), lease.Token + 1}, Result: r}, ErrFenced)
	f.refuse(Complete{Lease: Lease{score(0), 0}, Result: r}, ErrFenced)
	f.refuse(Complete{Lease: Lease{score(1), lease.Token}, Result: r}, ErrFenced) // another task's token

	if reply := f.ok(Complete{Lease: lease, Result: r}); reply != (CompleteReply{}) {
		t.Errorf("%+v", reply)
	}
	if reply := f.unchanged(Complete{Lease: lease, Result: r}); reply != (CompleteReply{Repeat: true}) {
		t.Errorf("%+v", reply)
	}
	f.refuse(Complete{Lease: zombie, Result: r}, ErrFenced) // the same result under an old token
	for name, change := range map[string]func(*job.Result){
		"counts": func(r *job.Result) { r.Counts.Scored--; r.Counts.Rejected++ },
		"keys":   func(r *job.Result) { r.Keys.Hi++ },
		"rows":   func(r *job.Result) { r.Rows.Lo++ },
		"files":  func(r *job.Result) { r.Files = []job.File{{Path: "other"}} },
		"tally":  func(r *job.Result) { r.Tally.Fired[13]++ },
		"timing": func(r *job.Result) { r.Timing.Verify++ },
	} {
		other := r
		change(&other)
		f.index++
		if _, _, err := Apply(f.st, f.index, Complete{Lease: lease, Result: other}); err == nil {
			t.Errorf("another result (%s) under the token of a done task is OK", name)
		}
	}
	f.refuse(Fail{Lease: lease, Reason: "late"}, ErrFenced)
	f.refuse(Expire{Lease: lease, Cause: Silent}, ErrFenced)
	if leases := f.unchanged(Grant{Worker: "w2", Tasks: []TaskRef{score(0)}}).(GrantReply).Leases; leases != nil {
		t.Errorf("a done task was granted: %v", leases)
	}
	f.finish(score(1))
	if reply := f.unchanged(Complete{Lease: lease, Result: r}); reply != (CompleteReply{Repeat: true, StageDone: true}) {
		t.Errorf("%+v", reply)
	}
}

func TestWhatDoesNotExistIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 2)
	for _, c := range []struct {
		ref  TaskRef
		want error
	}{
		{TaskRef{Job: "nobody"}, ErrNoJob},
		{TaskRef{theJob, 2, 0}, ErrNoTask},
		{TaskRef{theJob, -1, 0}, ErrNoTask},
		{TaskRef{theJob, 1, 2}, ErrNoTask},
		{TaskRef{theJob, 1, -1}, ErrNoTask},
	} {
		f.refuse(Complete{Lease: Lease{c.ref, 1}}, c.want)
		f.refuse(Fail{Lease: Lease{c.ref, 1}}, c.want)
		f.refuse(Expire{Lease: Lease{c.ref, 1}, Cause: Silent}, c.want)
		if leases := f.unchanged(Grant{Worker: "w", Tasks: []TaskRef{c.ref}}).(GrantReply).Leases; leases != nil {
			t.Errorf("%s was granted", c.ref)
		}
	}
	f.refuse(Expire{Lease: f.grant(score(0))}, ErrCommand)
	f.refuse(Expire{Lease: Lease{score(0), 1}, Cause: 4}, ErrCommand)
	f.refuse(Grant{Tasks: []TaskRef{score(1)}}, ErrCommand)
	for _, cmd := range []Command{Plan{Job: "nobody"}, Seal{Job: "nobody"}, Hold{Job: "nobody"}, Release{"nobody", "r", "w"},
		Publish{"nobody", "v", "m"}, FailJob{"nobody", "r"}, Retry{Job: "nobody", FailIndex: 1}} {
		f.refuse(cmd, ErrNoJob)
	}
}

func TestOneGrantLeasesManyTasksUnderOneTokenAndNoneTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 5)
	f.finish(score(1))
	held := f.grant(score(3))
	reply := f.ok(Grant{Worker: "w2", Tasks: []TaskRef{score(4), score(1), score(0), score(3), score(0)}}).(GrantReply)
	want := []Lease{{score(4), job.Token(f.index)}, {score(0), job.Token(f.index)}}
	if !slices.Equal(reply.Leases, want) {
		t.Errorf("got %v, want %v", reply.Leases, want)
	}
	if task := f.task(score(3)); task.Token != held.Token || task.Worker != "w1" {
		t.Errorf("a held lease changed hands: %+v", task)
	}
	st := f.st.Job(theJob).Score()
	if got := slices.Collect(st.Waiting()); !slices.Equal(got, []int{2}) {
		t.Errorf("waiting %v", got)
	}
	if got := slices.Collect(st.Leased()); !slices.Equal(got, []int{0, 3, 4}) {
		t.Errorf("leased %v", got)
	}
	f.ok(Complete{Lease: want[0], Result: resultOf(f.task(score(4)).Plan())})
	f.ok(Complete{Lease: want[1], Result: resultOf(f.task(score(0)).Plan())})
}

func TestATaskIsQuarantinedWithTheThirdFailedAttemptAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 3)
	for attempt := 1; attempt <= 2; attempt++ {
		if reply := f.ok(Fail{Lease: f.grant(score(0)), Reason: "disk full"}); reply != (FailReply{}) {
			t.Fatalf("attempt %d: %+v", attempt, reply)
		}
		f.ok(Expire{Lease: f.grant(score(0)), Cause: Silent}) // does not count
	}
	other := f.grant(score(1))
	last := f.grant(score(0))
	if reply := f.ok(Fail{Lease: last, Reason: "disk full"}); reply != (FailReply{Quarantined: true}) {
		t.Fatalf("%+v", reply)
	}
	j := f.st.Job(theJob)
	if j.State != job.Running || j.FailIndex != f.index || f.task(score(0)).State != Failed || j.Totals().Failed != 1 || !slices.Equal(slices.Collect(j.Score().Failed()), []int{0}) {
		t.Errorf("job is %s, task %+v", j.State, f.task(score(0)))
	}
	f.refuse(Fail{Lease: last, Reason: "disk full"}, ErrFenced)
	if leases := f.unchanged(Grant{Worker: "w2", Tasks: []TaskRef{score(0)}}).(GrantReply).Leases; leases != nil {
		t.Errorf("a quarantined task was granted: %v", leases)
	}
	if reply := f.ok(Complete{Lease: other, Result: resultOf(f.task(score(1)).Plan())}); reply != (CompleteReply{}) {
		t.Errorf("%+v", reply)
	}
	// The last of the others to finish leaves nothing but the quarantined task.
	if reply := f.ok(Complete{Lease: f.grant(score(2)), Result: resultOf(f.task(score(2)).Plan())}); reply != (CompleteReply{JobFailed: true}) {
		t.Errorf("%+v", reply)
	}
	want := "1 of 3 score tasks failed in every attempt; task 0 (1300000-1300000), attempt 5 by w1: disk full"
	if j.State != job.Failed || j.FailReason != want || j.FailIndex != f.index {
		t.Errorf("job is %s: %s", j.State, j.FailReason)
	}
	f.refuse(Seal{Job: theJob}, ErrState)

	f.ok(Retry{Job: theJob, FailIndex: j.FailIndex})
	if task := f.task(score(0)); task.State != Waiting || task.Failures != 0 || j.Totals().Done != 2 || j.Totals().Failed != 0 {
		t.Errorf("%+v", task)
	}
	f.finish(score(0))
	f.ok(Seal{Job: theJob})
}

func TestAJobFailsWhenNothingButQuarantinedTasksIsLeftAndTellsTheFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 6)
	f.finish(score(5))
	for i := 4; i >= 0; i-- {
		for attempt := 1; attempt <= 3; attempt++ {
			reply := f.ok(Fail{Lease: f.grant(score(i)), Reason: string(rune('a' + i))}).(FailReply)
			if last := attempt == 3; reply != (FailReply{Quarantined: last, JobFailed: last && i == 0}) {
				t.Fatalf("task %d attempt %d: %+v", i, attempt, reply)
			}
		}
	}
	want := "5 of 6 score tasks failed in every attempt; task 0 (1300000-1300000), attempt 3 by w1: a; task 1 (1300001-1300001), attempt 3 by w1: b; task 2 (1300002-1300002), attempt 3 by w1: c; …"
	if j := f.st.Job(theJob); j.State != job.Failed || j.FailReason != want {
		t.Errorf("job is %s: %s", j.State, j.FailReason)
	}
}

func TestARetryBringsQuarantinedTasksBackWhileTheOthersRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 3)
	f.refuse(Retry{Job: theJob, FailIndex: 0}, ErrState)
	quarantine := func(i int) uint64 {
		for range 3 {
			f.ok(Fail{Lease: f.grant(score(i)), Reason: "x"})
		}
		return f.index
	}
	first := quarantine(0)
	running := f.grant(score(2))
	f.ok(Retry{Job: theJob, FailIndex: first})
	if task := f.task(score(0)); task.State != Waiting || task.Failures != 0 {
		t.Errorf("%+v", task)
	}
	second := quarantine(1)
	f.unchanged(Retry{Job: theJob, FailIndex: first}) // late; it answers another quarantine
	f.refuse(Retry{Job: theJob, FailIndex: second - 1}, ErrState)
	if task := f.task(score(1)); task.State != Failed {
		t.Errorf("%+v", task)
	}
	f.ok(Retry{Job: theJob, FailIndex: second})
	f.ok(Complete{Lease: running, Result: resultOf(f.task(score(2)).Plan())}) // its lease was left alone
}

func TestAFatalFailureFailsTheJobAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 1)
	if !f.ok(Fail{Lease: f.grant(score(0)), Reason: "the file is truncated", Fatal: true}).(FailReply).JobFailed {
		t.Error("the job goes on")
	}
}

func TestSilenceFailsAJobOnlyInTheLongRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 1)
	for range 100 {
		for _, cause := range []ExpireCause{Restart, Returned} {
			if f.ok(Expire{Lease: f.grant(score(0)), Cause: cause}).(ExpireReply).JobFailed {
				t.Fatalf("cause %d was counted", cause)
			}
		}
	}
	for n := 1; n < 3*SilencesPerAttempt; n++ {
		if f.ok(Expire{Lease: f.grant(score(0)), Cause: Silent}).(ExpireReply).JobFailed {
			t.Fatalf("the job failed at silence %d", n)
		}
	}
	if f.ok(Expire{Lease: f.grant(score(0)), Cause: Restart}).(ExpireReply).JobFailed {
		t.Error("a restart was the last straw")
	}
	if !f.ok(Expire{Lease: f.grant(score(0)), Cause: Silent}).(ExpireReply).JobFailed {
		t.Error("a task that kills its workers goes round for ever")
	}
	if reason := f.st.Job(theJob).FailReason; !strings.Contains(reason, "silent 15 times") {
		t.Error(reason)
	}
}

func TestARetryKeepsWhatIsDone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 3)
	f.finish(score(0))
	f.ok(Fail{Lease: f.grant(score(1)), Reason: "x"})
	f.refuse(Retry{Job: theJob, FailIndex: 0}, ErrState) // it has not failed
	f.ok(Fail{Lease: f.grant(score(1)), Reason: "disk full", Fatal: true})
	first := f.index
	f.refuse(Retry{Job: theJob, FailIndex: first - 1}, ErrState) // another failure
	f.ok(Retry{Job: theJob, FailIndex: first})
	if j := f.st.Job(theJob); j.State != job.Running || j.FailReason != "" {
		t.Errorf("job is %s: %s", j.State, j.FailReason)
	}
	if a, b := f.task(score(0)), f.task(score(1)); a.State != Done || b.State != Waiting || b.Failures != 0 || b.Attempts != 2 {
		t.Errorf("%+v %+v", a, b)
	}
	f.unchanged(Retry{Job: theJob, FailIndex: first})
	f.ok(Fail{Lease: f.grant(score(2)), Reason: "again", Fatal: true})
	f.unchanged(Retry{Job: theJob, FailIndex: first}) // late; it must not undo the second failure
	if j := f.st.Job(theJob); j.State != job.Failed {
		t.Errorf("job is %s", j.State)
	}
	f.ok(Retry{Job: theJob, FailIndex: f.st.Job(theJob).FailIndex})
	f.finish(score(1))
	f.finish(score(2))
	f.ok(Seal{Job: theJob})
}

func TestARetryOfHalfAPlanGoesOnPlanning(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.surveyed(theJob)
	half := scorePlan(theJob, 4)
	half.Tasks, half.Last = half.Tasks[:2], false
	f.ok(half)
	f.ok(FailJob{theJob, "cancelled"})
	f.ok(Retry{Job: theJob, FailIndex: f.index})
	f.ok(scorePlan(theJob, 3))
	f.finish(score(2))
}
