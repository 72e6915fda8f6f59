package coordinator

import (
	"context"
	"errors"
	"testing"

	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/partition/store/storetest"
)

// current is what a reader of the folder gets, and what the ledger says.
func (w *world) current() string {
	w.t.Helper()
	pointers, err := publish.Pointers(context.Background(), w.store)
	if err != nil {
		w.t.Fatal(err)
	}
	v, _ := w.state.Current("base")
	if last := pointers[len(pointers)-1].Version; last != v.ID {
		w.t.Errorf("readers get %s, the ledger says %s", last, v.ID)
	}
	return v.ID
}

func (w *world) back(version string) (publish.Pointer, error) {
	return Rollback(context.Background(), w, w.store, ledger.Rollback{Dataset: "base", Version: version, Who: "ops", Reason: "too many calls"})
}

func TestThereAndBackAgainI4(t *testing.T) {
	t.Parallel()
	w := newMemory(t)
	w.populate(20)
	first, _ := w.published(asking{model: "a"})
	second, _ := w.published(asking{model: "b"})
	one, two := first.Version.ID, second.Version.ID
	if w.current() != two {
		t.Fatal("the newest version is not the current one")
	}
	for _, version := range []string{one, two, one} {
		p, err := w.back(version)
		if err != nil || w.current() != version {
			t.Fatalf("back to %s: %v, current is %s", version, err, w.current())
		}
		if p.Rollback == nil || *p.Rollback != (publish.Rollback{Who: "ops", Reason: "too many calls"}) || p.Path != publish.VersionPath(202610, version) {
			t.Errorf("the pointer is %+v", p)
		}
		m, err := publish.ReadManifest(t.Context(), w.store, p)
		if err != nil || m.Version != version {
			t.Errorf("the pointer leads to %s, %v", m.Version, err)
		}
	}
	if p, err := w.back(one); err != nil || p.Index != w.state.Rollbacks("base")[2].Index {
		t.Errorf("the same again: %+v, %v", p, err)
	}
	third, _ := w.published(asking{model: "c"})
	if w.current() != third.Version.ID {
		t.Error("a version that is published after a rollback is not current")
	}
	if pointers, err := publish.Pointers(t.Context(), w.store); err != nil || len(pointers) != 6 {
		t.Errorf("history has %d pointers, %v", len(pointers), err)
	}
	// The version's own pointer is found, whatever was rolled back.
	if own, err := publish.PointerTo(t.Context(), w.store, one); err != nil || own.Rollback != nil || own.Index != first.Version.SealIndex {
		t.Errorf("%+v, %v", own, err)
	}
}

func TestARollbackCutShortIsFinishedByWhoeverLeadsNext(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for step := 1; ; step++ {
			w := newMemory(t)
			w.populate(20)
			first, _ := w.published(asking{model: "a"})
			w.published(asking{model: "b"})
			calm := w.store
			faulty := &storetest.Faulty{Store: calm, FailAt: step, After: after}
			w.store = faulty
			_, err := w.back(first.Version.ID)
			w.store = calm
			if !faulty.Fired() && err != nil || faulty.Fired() && err == nil && !after { // of what was there already, the answer says so
				t.Errorf("step %d: %v", step, err)
			}
			if len(w.state.Rollbacks("base")) == 0 { // not decided: asked again
				if _, err := w.back(first.Version.ID); err != nil {
					t.Fatal(err)
				}
			}
			w.begin(1)
			for range 2 {
				if err := w.term.Repoint(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if w.current() != first.Version.ID || len(w.state.Rollbacks("base")) != 1 {
				t.Errorf("step %d, after %v: current is %s", step, after, w.current())
			}
			if !faulty.Fired() {
				if step != 4 { // the folder's claim, the epoch's, the pointer
					t.Errorf("a rollback takes %d steps", step-1)
				}
				break
			}
		}
	}
}

func TestNobodyGoesBackToAVersionThatIsNotAllThere(t *testing.T) {
	t.Parallel()
	w := newMemory(t)
	w.populate(20)
	first, m := w.published(asking{model: "a"})
	second, _ := w.published(asking{model: "b"})
	if _, err := w.back("v0001-0000009999"); !errors.Is(err, ledger.ErrNoVersion) {
		t.Errorf("a version that is not there: %v", err)
	}
	if _, err := w.back(second.Version.ID); !errors.Is(err, ledger.ErrState) {
		t.Errorf("the current version: %v", err)
	}
	name := publish.VersionPath(202610, first.Version.ID) + "/" + m.Partitions[1].Files[0].Path
	delete(w.store.(memory).objects, name)
	if _, err := w.back(first.Version.ID); !errors.Is(err, publish.ErrDamaged) || len(w.state.Rollbacks("base")) != 0 {
		t.Errorf("a version that lacks a file: %v", err)
	}
}
