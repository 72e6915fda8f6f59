package ledger

import (
	"slices"
	"strings"
	"testing"

	"rescore/partition/job"
)

// doubled is a task that two workers are at.
func doubled(t testing.TB) (f *fixture, slow, fast Lease, r job.Result) {
	f = newFixture(t)
	f.planned(theJob, 3)
	slow = f.grant(score(0))
	leases := f.ok(Double{Lease: slow, Worker: "w2"}).(GrantReply).Leases
	if len(leases) != 1 || leases[0].TaskRef != slow.TaskRef || leases[0].Token <= slow.Token {
		t.Fatalf("doubled as %v", leases)
	}
	return f, slow, leases[0], resultOf(f.task(score(0)).Plan())
}

func TestADoubledTaskHasTwoLiveTokensAndIsFinishedOnce(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]int{"the first attempt wins": 0, "the second attempt wins": 1} {
		f, slow, fast, r := doubled(t)
		leases, workers := []Lease{slow, fast}, []string{"w1", "w2"}
		winner, loser := leases[first], leases[1-first]
		if got := slices.Collect(f.st.Job(theJob).Score().Leased()); !slices.Equal(got, []int{0}) || f.task(score(0)).Attempts != 2 {
			t.Errorf("%s: leased %v, %d attempts", name, got, f.task(score(0)).Attempts)
		}
		if reply := f.ok(Complete{Lease: winner, Result: r}); reply != (CompleteReply{}) {
			t.Errorf("%s: %+v", name, reply)
		}
		if task := f.task(score(0)); task.State != Done || task.Token != winner.Token || task.Worker != workers[first] || task.Second.Token != loser.Token {
			t.Errorf("%s: %+v", name, task)
		}
		if reply := f.unchanged(Complete{Lease: winner, Result: r}); reply != (CompleteReply{Repeat: true}) {
			t.Errorf("%s, again: %+v", name, reply)
		}
		f.refuse(Fail{Lease: loser, Reason: "late"}, ErrFenced)
		f.refuse(Expire{Lease: loser, Cause: Silent}, ErrFenced)
	}
}

func TestALateLoserIsComparedAndTheSameIsNoIncident(t *testing.T) {
	t.Parallel()
	f, slow, fast, r := doubled(t)
	f.ok(Complete{Lease: fast, Result: r})
	r.Timing.Read++ // each attempt's own, as are names, sizes and footers
	r.Files = slices.Clone(r.Files)
	r.Files[0].Path, r.Files[0].Bytes, r.Files[0].SHA256 = "elsewhere", 10, "other"
	for range 2 {
		if reply := f.unchanged(Complete{Lease: slow, Result: r}); reply != (CompleteReply{Lost: true, Same: true}) {
			t.Errorf("%+v", reply)
		}
	}
	if j := f.st.Job(theJob); j.Incidents != nil {
		t.Errorf("%+v", j.Incidents)
	}
}

func TestALateLoserThatMadeSomethingElseIsAnIncidentOnce(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*job.Result){
		"counts differ":           func(r *job.Result) { r.Counts.Scored--; r.Counts.Rejected++ },
		"other numbers were read": func(r *job.Result) { r.Keys.Hi++ },
		"rows differ":             func(r *job.Result) { r.Rows.Lo++ },
		"tallies differ":          func(r *job.Result) { r.Tally.Warn++ },
		"tallies differ,":         func(r *job.Result) { r.Drift = [][]int64{{r.Counts.Scored}} },
		"tallies differ,,":        func(r *job.Result) { r.Nulls = []int64{1} },
		"events of tables differ": func(r *job.Result) { r.Tables = []job.TableCounts{{BadValues: 1}} },
		"files differ in content": func(r *job.Result) { r.Files = slices.Clone(r.Files); r.Files[0].Content = "x" },
		"files differ":            func(r *job.Result) { r.Files = nil },
	} {
		f, slow, fast, r := doubled(t)
		f.ok(Complete{Lease: fast, Result: r})
		change(&r)
		if reply := f.ok(Complete{Lease: slow, Result: r}); reply != (CompleteReply{Lost: true}) {
			t.Errorf("%s: %+v", what, reply)
		}
		at := f.index
		if reply := f.unchanged(Complete{Lease: slow, Result: r}); reply != (CompleteReply{Lost: true}) { // its answer was lost
			t.Errorf("%s again: %+v", what, reply)
		}
		got := f.st.Job(theJob).Incidents
		if len(got) != 1 || got[0].Stage != 1 || got[0].Task != 0 || got[0].Winner != fast.Token || got[0].Loser != slow.Token || got[0].Index != at {
			t.Fatalf("%s: %+v", what, got)
		}
		if w := got[0].What; !strings.HasPrefix(w, "score of 1300000-1300000: "+strings.TrimRight(what, ",")) || !strings.HasSuffix(w, ", on w2 and w1") {
			t.Errorf("%s: %s", what, w)
		}
		if task := f.task(score(0)); task.State != Done || task.Token != fast.Token || task.Result().Counts != resultOf(task.Plan()).Counts { // I6
			t.Errorf("%s: the loser changed the result: %+v", what, task)
		}
	}
}

func TestOneOfTwoLeasesEndsAndLeavesTheOtherAlone(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(Lease) Command{
		"failed":   func(l Lease) Command { return Fail{Lease: l, Reason: "disk full"} },
		"silent":   func(l Lease) Command { return Expire{Lease: l, Cause: Silent} },
		"restart":  func(l Lease) Command { return Expire{Lease: l, Cause: Restart} },
		"returned": func(l Lease) Command { return Expire{Lease: l, Cause: Returned} },
	} {
		for _, first := range []bool{true, false} {
			f, slow, fast, r := doubled(t)
			ends, stays, worker := slow, fast, "w2"
			if !first {
				ends, stays, worker = fast, slow, "w1"
			}
			f.ok(end(ends))
			if task := f.task(score(0)); task.State != Leased || task.Token != stays.Token || task.Worker != worker || task.Second != nil {
				t.Errorf("%s: %+v", name, task)
			}
			f.refuse(Complete{Lease: ends, Result: r}, ErrFenced)
			f.refuse(Double{Lease: ends, Worker: "w3"}, ErrFenced)
			f.ok(Double{Lease: stays, Worker: "w3"}) // there may be a second again
			if reply := f.ok(Complete{Lease: stays, Result: r}); reply != (CompleteReply{}) {
				t.Errorf("%s: %+v", name, reply)
			}
		}
	}
}

func TestOnlyACurrentLeaseIsDoubledOnceAndNeverOnItsWorker(t *testing.T) {
	t.Parallel()
	f, slow, fast, _ := doubled(t)
	f.refuse(Double{Lease: slow, Worker: "w3"}, ErrConflict)
	f.refuse(Double{Lease: fast, Worker: "w3"}, ErrFenced) // the second is not doubled
	f.refuse(Double{Lease: Lease{score(1), slow.Token}, Worker: "w3"}, ErrFenced)
	other := f.grant(score(1))
	f.refuse(Double{Lease: other, Worker: "w1"}, ErrConflict)
	f.refuse(Double{Lease: other}, ErrCommand)
	f.refuse(Double{Lease: Lease{score(9), 1}, Worker: "w2"}, ErrNoTask)
	f.ok(Pause{Job: theJob, Who: "ops"})
	f.refuse(Double{Lease: other, Worker: "w2"}, ErrState)
	f.ok(Complete{Lease: slow, Result: resultOf(f.task(score(0)).Plan())})
	f.refuse(Double{Lease: slow, Worker: "w3"}, ErrFenced)
}

func TestATaskIsNotQuarantinedWhileItsOtherAttemptRuns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 2)
	for range 2 {
		f.ok(Fail{Lease: f.grant(score(0)), Reason: "disk full"})
	}
	slow := f.grant(score(0))
	fast := f.ok(Double{Lease: slow, Worker: "w2"}).(GrantReply).Leases[0]
	if reply := f.ok(Fail{Lease: slow, Reason: "disk full"}); reply != (FailReply{}) || f.task(score(0)).State != Leased {
		t.Errorf("%+v, task is %s", reply, f.task(score(0)).State)
	}
	// It has no attempt left, so that even a lease that counts for nothing was its last.
	if reply := f.ok(Expire{Lease: fast, Cause: Returned}); reply != (ExpireReply{Quarantined: true}) || f.task(score(0)).State != Failed {
		t.Errorf("%+v, task is %s", reply, f.task(score(0)).State)
	}
}

func TestAFatalFailureOfOneAttemptFailsTheJobAndFencesTheOther(t *testing.T) {
	t.Parallel()
	f, slow, fast, r := doubled(t)
	if reply := f.ok(Fail{Lease: slow, Reason: "truncated", Fatal: true}).(FailReply); !reply.JobFailed {
		t.Errorf("%+v", reply)
	}
	f.refuse(Complete{Lease: fast, Result: r}, ErrFenced)
	if task := f.task(score(0)); task.State != Failed || task.Second != nil || f.st.Job(theJob).State != job.Failed {
		t.Errorf("%+v", task)
	}
	if reason := f.st.Job(theJob).FailReason; reason != "score task 0 (1300000-1300000), attempt 2 by w1: truncated" {
		t.Error(reason)
	}
}
