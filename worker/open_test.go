package worker

import (
	"context"
	"fmt"
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
	cfg.Input = func(base, path string) (store.Store, string, error) {
		st, rest, err := input(base, path)
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
