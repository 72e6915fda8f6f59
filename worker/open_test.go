package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
)

// counting is a store that counts the objects that are open.
type counting struct {
	store.Store
	open *atomic.Int64
}

type counted struct {
	store.Object
	open *atomic.Int64
}

func (c counting) Open(ctx context.Context, name string) (store.Object, error) {
	o, err := c.Store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	return counted{o, c.open}, nil
}

func (c counted) Close() error {
	c.open.Add(-1)
	return c.Object.Close()
}

// TestJobsThatAreNotWorkedOnAreClosed: of many jobs the last ones stay open, and all
// that a task uses.
func TestJobsThatAreNotWorkedOnAreClosed(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	var open atomic.Int64
	cfg := s.config(newCoordinator())
	input := cfg.Input
	cfg.Input = func(ctx context.Context, base, path string) (store.Store, string, error) {
		st, rest, err := input(ctx, base, path)
		return counting{st, &open}, rest, err
	}
	w := New(cfg)
	prepare := func(i int) *prepared {
		t.Helper()
		p, err := w.prepare(t.Context(), wire.Assignment{Job: job.ID(fmt.Sprintf("201011-%012d", i)), Spec: s.spec.Canonical()})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	used := prepare(0)
	each := open.Load()
	for i := range 3 * openMax {
		w.release(prepare(1 + i))
	}
	if n := open.Load(); n != each*(openMax+1) || len(w.open) != openMax+1 || len(w.jobs) != openMax+1 {
		t.Errorf("%d files of %d a job are open, %d jobs, %d known", n, each, len(w.open), len(w.jobs))
	}
	if again := prepare(0); again != used {
		t.Error("a job that is worked on was opened again")
	} else {
		w.release(again)
	}
	w.release(used)
	if n := open.Load(); n != each*openMax {
		t.Errorf("%d files are open", n)
	}
	if w.release(prepare(3 * openMax)); open.Load() != each*openMax {
		t.Error("the job before was opened again")
	}
	w.release(prepare(1)) // was closed long ago
	if err := w.close(); err != nil || open.Load() != 0 || len(w.jobs) != 0 {
		t.Errorf("%d files stay open: %v", open.Load(), err)
	}
}

// mount is a store that may go away under those who read it.
type mount struct {
	store.Store
	away *atomic.Bool
}

type mounted struct {
	store.Object
	away *atomic.Bool
}

var errStale = errors.New("stale file handle")

func (m mount) List(ctx context.Context, prefix string) ([]store.Info, error) {
	if m.away.Load() {
		return nil, errStale
	}
	return m.Store.List(ctx, prefix)
}

func (m mount) Open(ctx context.Context, name string) (store.Object, error) {
	if m.away.Load() {
		return nil, errStale
	}
	o, err := m.Store.Open(ctx, name)
	return mounted{o, m.away}, err
}

func (m mounted) ReadAt(p []byte, at int64) (int, error) {
	if m.away.Load() {
		return 0, errStale
	}
	return m.Object.ReadAt(p, at)
}

// TestAWorkerWhoseMountGoesAwayFailsOneAttemptAndIsUnfitThen: it does not use up the
// attempts of every task that waits. With the mount back it works again.
func TestAWorkerWhoseMountGoesAwayFailsOneAttemptAndIsUnfitThen(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	scores := s.scores(s.surveyed(t))
	var away atomic.Bool
	c := newCoordinator()
	cfg := s.config(c)
	input := cfg.Input
	cfg.Slots = 1
	cfg.Input = func(ctx context.Context, base, path string) (store.Store, string, error) {
		st, rest, err := input(ctx, base, path)
		return mount{st, &away}, rest, err
	}
	start(t, cfg)
	one := func() wire.Report {
		t.Helper()
		return c.await(t, c.give(scores[0]))[0]
	}
	if r := one(); r.Result == nil {
		t.Fatalf("with the mount there: %+v", r)
	}
	away.Store(true)
	if r := one(); r.Failure == nil || r.Failure.Fatal || !strings.Contains(r.Failure.Reason, "stale file handle") {
		t.Fatalf("reading from a mount that is away: %+v", r.Failure)
	}
	for range 2 {
		if reason := c.refused(t, c.give(scores[0])); !strings.Contains(reason, "stale file handle") {
			t.Error(reason)
		}
	}
	away.Store(false)
	if r := one(); r.Result == nil {
		t.Errorf("with the mount back: %+v", r)
	}
}

// TestAJobThatWasFoundSoundIsNotOpenedAgain: nor is its program made again; once only,
// and no other job's.
func TestAJobThatWasFoundSoundIsNotOpenedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	cfg := s.config(newCoordinator())
	sound, err := cfg.Sound(t.Context(), s.spec, "base", 0)
	if err != nil {
		t.Fatal(err)
	}
	model, opened := cfg.Model, 0
	cfg.Model = func(ctx context.Context, base, path string) ([]byte, error) {
		opened++
		return model(ctx, base, path)
	}
	cfg.Checked = sound
	w := New(cfg)
	prepare := func(id job.ID) *prepared {
		t.Helper()
		p, err := w.prepare(t.Context(), wire.Assignment{Job: id, Spec: s.spec.Canonical(), SpecBase: "base"})
		if err != nil {
			t.Fatal(err)
		}
		w.release(p)
		return p
	}
	if p := prepare("201011-000000000000"); opened != 1 || p.dataset == sound.Dataset {
		t.Errorf("another job: %d opened", opened)
	}
	p := prepare(sound.Job)
	if opened != 1 || p.dataset != sound.Dataset || p.plan.Load() == nil {
		t.Errorf("the job itself: %d opened", opened)
	}
	for range 2 {
		if _, err := p.program(64); err != nil || p.plan.Load() != nil {
			t.Errorf("its programs: %v", err)
		}
	}
	w.reopen(sound.Job, p)
	if p := prepare(sound.Job); opened != 2 || p.dataset == sound.Dataset {
		t.Errorf("after a failure: %d opened", opened)
	}
	if err := errors.Join(w.close(), sound.Close()); err != nil {
		t.Errorf("closed by the worker, and by its owner: %v", err)
	}
}
