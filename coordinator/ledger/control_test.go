package ledger

import (
	"testing"

	"rescore/partition/job"
)

func TestAPausedJobGetsNoGrantsAndItsLeasesGoOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 2)
	lease := f.grant(score(0))
	f.refuse(Pause{Job: theJob}, ErrCommand)
	f.refuse(Resume{Job: theJob}, ErrCommand)
	f.refuse(Pause{Job: "nobody", Who: "ops"}, ErrNoJob)
	f.refuse(Resume{Job: "nobody", Who: "ops"}, ErrNoJob)
	f.unchanged(Resume{Job: theJob, Who: "ops"})
	f.ok(Pause{Job: theJob, Who: "ops"})
	if p := f.st.Job(theJob).Paused; p == nil || *p != (Pausing{Who: "ops", Index: f.index}) {
		t.Errorf("%+v", p)
	}
	f.unchanged(Pause{Job: theJob, Who: "another"})
	if leases := f.unchanged(Grant{Worker: "w2", Tasks: []TaskRef{score(1)}}).(GrantReply).Leases; leases != nil {
		t.Errorf("granted %v", leases)
	}
	f.ok(Complete{Lease: lease, Result: resultOf(f.task(score(0)).Plan())})
	f.ok(Resume{Job: theJob, Who: "ops"})
	f.finish(score(1))
	f.ok(Seal{Job: theJob})
	f.refuse(Pause{Job: theJob, Who: "ops"}, ErrState)
}

func TestACancelledJobIsOverUntilRetry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 3)
	f.finish(score(0))
	lease := f.grant(score(1))
	second := f.ok(Double{Lease: lease, Worker: "w2"}).(GrantReply).Leases[0]
	f.refuse(Cancel{Job: theJob}, ErrCommand)
	f.ok(Cancel{Job: theJob, Who: "ops", Reason: "wrong month"})
	j := f.st.Job(theJob)
	if j.State != job.Cancelled || j.FailReason != "cancelled by ops: wrong month" || *j.Cancelled != (Cancelling{"ops", "wrong month", f.index}) || j.Totals().Leased != 0 {
		t.Errorf("%+v", j)
	}
	f.unchanged(Cancel{Job: theJob, Who: "another"})
	f.refuse(FailJob{theJob, "x"}, ErrState)
	for _, l := range []Lease{lease, second} {
		f.refuse(Complete{Lease: l, Result: resultOf(f.task(score(1)).Plan())}, ErrFenced)
	}
	if leases := f.unchanged(Grant{Worker: "w2", Tasks: []TaskRef{score(2)}}).(GrantReply).Leases; leases != nil {
		t.Errorf("granted %v", leases)
	}
	f.ok(Retry{Job: theJob, FailIndex: j.FailIndex})
	f.finish(score(1))
	f.finish(score(2))
	f.ok(Seal{Job: theJob})
	f.refuse(Cancel{Job: theJob, Who: "ops"}, ErrState) // its pointer may be written
}

func TestARestoredLedgersNewNameKillsOldEpochsAndTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.refuse(Found{}, ErrCommand)
	if reply := f.unchanged(Found{Cluster: "b", After: "a"}); reply != (FoundReply{}) { // it is not called a
		t.Errorf("%+v", reply)
	}
	f.ok(Found{Cluster: "a"})
	for _, c := range []Found{{Cluster: "a"}, {Cluster: "b"}, {Cluster: "b", After: "c"}, {Cluster: "a", After: "a"}} { // the first wins
		if reply := f.unchanged(c); reply != (FoundReply{Cluster: "a"}) {
			t.Errorf("%+v: %+v", c, reply)
		}
	}
	f.finished("published", 1)
	v := f.ok(Seal{Job: "published"}).(SealReply).Version
	f.ok(Publish{"published", v.ID, "m"})
	f.finished("sealed", 1)
	sealed := f.ok(Seal{Job: "sealed"}).(SealReply).Version
	f.ok(submitOf("submitted"))
	f.planned(theJob, 2)
	f.finish(score(0))

	// The backup is taken here; the old ledger goes on and grants.
	backup, err := f.st.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	zombies := []Lease{}
	for range 5 {
		l := f.grant(score(1))
		zombies = append(zombies, l)
		f.ok(Expire{Lease: l, Cause: Restart})
	}
	st, err := Restore(backup)
	if err != nil {
		t.Fatal(err)
	}
	f = &fixture{t: t, st: st, index: st.Index()}
	if reply := f.ok(Found{Cluster: "b", After: "a"}); reply != (FoundReply{Cluster: "b"}) || f.st.Cluster() != "b" {
		t.Errorf("%+v", reply)
	}
	f.unchanged(Found{Cluster: "b", After: "a"})
	for id, want := range map[job.ID]job.State{"published": job.Published, "sealed": job.Sealed, "submitted": job.Failed, theJob: job.Failed} {
		if got := f.st.Job(id).State; got != want {
			t.Errorf("%s is %s, not %s", id, got, want)
		}
	}
	// A sealed version has its name already, and whoever publishes it publishes the same.
	f.ok(Publish{"sealed", sealed.ID, "n"})

	j := f.st.Job(theJob)
	f.refuse(Retry{Job: theJob, FailIndex: j.FailIndex}, ErrFenced)
	f.refuse(Retry{Job: theJob, FailIndex: j.FailIndex, Epoch: 1}, ErrFenced)
	f.ok(Retry{Job: theJob, FailIndex: j.FailIndex, Epoch: 2})
	r := resultOf(f.task(score(1)).Plan())
	for range 8 { // past every index that the old ledger gave as a token
		lease := f.grant(score(1))
		for _, z := range zombies {
			if lease.Token <= z.Token {
				t.Fatalf("token %d of the new ledger is not above %d of the old", lease.Token, z.Token)
			}
			f.refuse(Complete{Lease: z, Result: r}, ErrFenced)
		}
		f.ok(Expire{Lease: lease, Cause: Restart})
	}
	f.ok(Complete{Lease: f.grant(score(1)), Result: r})
	if v := f.ok(Seal{Job: theJob}).(SealReply).Version; v.Epoch != 2 || v.ID != VersionID(2, f.index) || f.task(score(0)).State != Done {
		t.Errorf("%+v", v)
	}
	f.ok(submitOf("new"))
	f.ok(FailJob{"new", "x"})
	f.ok(Retry{Job: "new", FailIndex: f.index}) // of this ledger: its epoch is as good as it was
}
