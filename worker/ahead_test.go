package worker

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"rescore/partition/store"
)

// TestASurveyThatWasBegunAheadIsTakenOver: by the first attempt, which reads nothing; the
// next one reads for itself.
func TestASurveyThatWasBegunAheadIsTakenOver(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	var away atomic.Bool
	c := newCoordinator()
	cfg := s.config(c)
	input := cfg.Input
	cfg.Input = func(ctx context.Context, base, path string) (store.Store, string, error) {
		st, rest, err := input(ctx, base, path)
		return mount{st, &away}, rest, err
	}
	sound, err := cfg.Sound(t.Context(), s.spec, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	sound.Ahead(t.Context(), 2)
	first := sound.ahead
	sound.Ahead(t.Context(), 2)
	if sound.ahead != first {
		t.Error("it was begun twice")
	}
	<-first.done
	away.Store(true)
	cfg.Checked = sound
	start(t, cfg)
	task := s.survey()
	task.Job = sound.Job
	if r := c.await(t, c.give(task))[0]; r.Result == nil || len(r.Result.Files) != 1 {
		t.Fatalf("%+v", r)
	}
	if r := c.await(t, c.give(task))[0]; r.Failure == nil || !strings.Contains(r.Failure.Reason, "stale file handle") {
		t.Errorf("a second time: %+v", r)
	}
}

// TestTheInputIsNotClosedUnderASurveyThatWasBegunAhead: nor does the survey outlive it.
func TestTheInputIsNotClosedUnderASurveyThatWasBegunAhead(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	cfg := s.config(newCoordinator())
	sound, err := cfg.Sound(t.Context(), s.spec, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	sound.Ahead(t.Context(), 1)
	if err := sound.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-sound.ahead.done:
	default:
		t.Error("the input is closed and the survey goes on")
	}
	if err := sound.ahead.err; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	var rows atomic.Int64
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	waiting := &ahead{done: make(chan struct{})}
	if _, ok, err := waiting.take(ended, &rows); !ok || !errors.Is(err, context.Canceled) {
		t.Errorf("whoever waits for it, and is told to stop: %v", err)
	}
	if _, ok, _ := waiting.take(ended, &rows); ok {
		t.Error("it was taken twice")
	}
}
