package ledger

import (
	"fmt"
	"testing"

	"rescore/partition/job"
)

// versions publishes n versions of the dataset and returns them, oldest first.
func (f *fixture) versions(n int) []Version {
	f.t.Helper()
	var out []Version
	for i := range n {
		id := job.ID(fmt.Sprintf("%d-%d", f.index, i))
		f.finished(id, 1)
		v := f.ok(Seal{Job: id}).(SealReply).Version
		out = append(out, f.ok(Publish{id, v.ID, "m"}).(PublishReply).Version)
	}
	return out
}

func (f *fixture) current(want Version) {
	f.t.Helper()
	if got, ok := f.st.Current("base"); !ok || got != want {
		f.t.Errorf("readers get %s, not %s", got.ID, want.ID)
	}
}

func TestARollbackIsWhatReadersGetOnceItsPointerIsThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if v, ok := f.st.Current("base"); ok {
		t.Errorf("%+v", v)
	}
	v := f.versions(3)
	f.current(v[2])
	back := Rollback{Dataset: "base", Version: v[0].ID, Who: "ops", Reason: "too many calls"}
	reply := f.ok(back).(RollbackReply)
	if reply != (RollbackReply{Epoch: 1, Index: f.index}) {
		t.Errorf("%+v", reply)
	}
	f.current(v[2]) // not yet
	if again := f.unchanged(back); again != reply {
		t.Errorf("again: %+v", again)
	}
	f.ok(Point{Dataset: "base", Index: reply.Index})
	f.unchanged(Point{Dataset: "base", Index: reply.Index})
	f.current(v[0])
	if again := f.unchanged(back); again != reply {
		t.Errorf("again, pointed: %+v", again)
	}
	want := Rolling{"base", v[0].ID, "ops", "too many calls", 1, reply.Index, true}
	if got := f.st.Rollbacks("base"); len(got) != 1 || got[0] != want || f.st.Rollbacks("other") != nil {
		t.Errorf("%+v", got)
	}
	forth := f.ok(Rollback{Dataset: "base", Version: v[2].ID, Who: "ops", Reason: "after all"}).(RollbackReply)
	f.ok(Point{Dataset: "base", Index: forth.Index})
	f.current(v[2])
	f.ok(Rollback{Dataset: "base", Version: v[1].ID, Who: "ops", Reason: "x"}) // decided, never pointed
	f.current(v[2])
	next := f.versions(1)[0] // sealed later than all of them
	f.current(next)
}

func TestARollbackToAVersionThatIsNotThereIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	back := Rollback{Dataset: "base", Version: "v0001-0000000001", Who: "ops", Reason: "x"}
	f.refuse(back, ErrNoVersion)
	v := f.versions(2)
	f.refuse(back, ErrNoVersion)
	f.finished("sealed", 1)
	back.Version = f.ok(Seal{Job: "sealed"}).(SealReply).Version.ID
	f.refuse(back, ErrNoVersion) // not published yet
	back.Version = v[0].ID
	for _, c := range []struct {
		change func(*Rollback)
		want   error
	}{
		{func(r *Rollback) { r.Dataset = "other" }, ErrNoVersion},
		{func(r *Rollback) { r.Who = "" }, ErrCommand},
		{func(r *Rollback) { r.Reason = "" }, ErrCommand},
		{func(r *Rollback) { r.Version = v[1].ID }, ErrState}, // it is current
	} {
		r := back
		c.change(&r)
		f.refuse(r, c.want)
	}
	f.refuse(Point{Dataset: "base", Index: f.index}, ErrNoVersion)
	back.Epoch = 2 // of a ledger restored since
	if reply := f.ok(back).(RollbackReply); reply.Epoch != 2 {
		t.Errorf("%+v", reply)
	}
	back.Version, back.Epoch = v[1].ID, 1
	f.refuse(back, ErrFenced) // its pointer would be below the one just decided
	back.Epoch = 0
	if reply := f.ok(back).(RollbackReply); reply.Epoch != 2 {
		t.Errorf("%+v", reply)
	}
	f.refuse(Point{Dataset: "other", Index: f.index}, ErrNoVersion)
}

func TestGarbageIsMarkedOnceAndSweptOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mark := Mark{Dataset: "base", List: "_garbage/1", SHA256: "s", Files: 3, Bytes: 99, At: 5}
	for _, spoil := range []func(*Mark){
		func(m *Mark) { m.Dataset = "" }, func(m *Mark) { m.List = "" }, func(m *Mark) { m.SHA256 = "" },
		func(m *Mark) { m.Files = -1 }, func(m *Mark) { m.Bytes = -1 },
	} {
		bad := mark
		spoil(&bad)
		f.refuse(bad, ErrCommand)
	}
	reply := f.ok(mark).(MarkReply)
	if reply.Index != f.index {
		t.Errorf("%+v", reply)
	}
	if again := f.unchanged(mark); again != reply {
		t.Errorf("%+v", again)
	}
	other := mark
	other.SHA256 = "t"
	f.refuse(other, ErrConflict)
	sweep := Sweep{Dataset: "base", Index: reply.Index, Deleted: 2, At: 6}
	f.refuse(Sweep{Dataset: "base", Index: reply.Index + 1}, ErrNoVersion)
	f.refuse(Sweep{Dataset: "other", Index: reply.Index}, ErrNoVersion)
	f.refuse(Sweep{Dataset: "base", Index: reply.Index, Deleted: 4}, ErrCommand)
	f.refuse(Sweep{Dataset: "base", Index: reply.Index, Deleted: -1}, ErrCommand)
	f.ok(sweep)
	want := Marking{"base", "_garbage/1", "s", 3, 99, 5, reply.Index, f.index, 2, 6}
	f.unchanged(sweep)
	f.unchanged(Sweep{Dataset: "base", Index: reply.Index, Deleted: 1, At: 7}) // another sweeper, late
	if got := f.st.Marks("base"); len(got) != 1 || got[0] != want || f.st.Marks("other") != nil {
		t.Errorf("%+v", got)
	}
}
