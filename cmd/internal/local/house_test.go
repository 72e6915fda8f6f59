package local

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"rescore/cmd/internal/province"
	"rescore/partition/job"
)

// TestAHouseTakesOneJobAfterAnother: each is as it is in a house of its own, one that is
// refused and one that is stopped among them.
func TestAHouseTakesOneJobAfterAnother(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(3000)})
	o := options(t, dir, func(s *job.Spec) { s.Run.PartitionRows = 500 })
	alone := run(t, o)
	h, err := Open(options(t, dir, func(s *job.Spec) { s.Run.PartitionRows = 500 }))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	next := func(name string, change ...func(*job.Spec)) Options {
		return options(t, dir, append(change, func(s *job.Spec) { s.Name = name })...)
	}
	first, err := h.Run(t.Context(), next("first"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Run(t.Context(), next("none", func(s *job.Spec) { s.Input.Path = "nowhere" })); !errors.Is(err, ErrInput) {
		t.Errorf("a job without input: %v", err)
	}
	why := errors.New("enough")
	ctx, stop := context.WithCancelCause(t.Context())
	stopped := next("stopped")
	stopped.Progress = func(p Progress) {
		if p.Stage == "score" {
			stop(why)
		}
	}
	if _, err := h.Run(ctx, stopped); !errors.Is(err, why) {
		t.Errorf("a job that was stopped: %v", err)
	}
	second, err := h.Run(t.Context(), next("second"))
	if err != nil {
		t.Fatal(err)
	}
	stopped.Progress = nil
	resumed, err := h.Run(t.Context(), stopped)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []Outcome{first, second, resumed} {
		if out.Digest != alone.Digest || out.Rows != alone.Rows || out.Tally != alone.Tally || out.Already || !out.Current || len(out.Stages) == 0 {
			t.Errorf("in a house that stands %+v, alone %+v", out, alone)
		}
		read(t, out)
	}
}

// TestAJobEndsWithItsCoordinator: nobody waits for one that has given up.
func TestAJobEndsWithItsCoordinator(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(500)})
	o := options(t, dir)
	h, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.open(); err != nil {
		t.Fatal(err)
	}
	h.serve()
	why := errors.New("its disk is gone")
	h.stop(why)
	if _, err := h.Run(t.Context(), o); !errors.Is(err, why) {
		t.Errorf("without a coordinator: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

func TestAHouseWithoutAJobLeavesNoLedger(t *testing.T) {
	t.Parallel()
	o := options(t, t.TempDir())
	h, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); !errors.Is(err, ErrLocked) {
		t.Errorf("a second house over one work folder: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	missing(t, filepath.Join(o.Spec.Run.Work, "raft"))
	if h, err = Open(o); err != nil {
		t.Fatalf("the folder was not given back: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}
