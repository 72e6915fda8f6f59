package worker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rescore/partition/store"
	"rescore/partition/wire"
)

// run starts a worker and returns how it ended, when it has.
func run(t *testing.T, w *Worker) <-chan error {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		done <- w.Run(ctx)
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return done
}

func left(t *testing.T, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("the worker left with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the worker does not leave")
	}
}

// stuck is a store in which nothing can be made until the attempt is given up.
type stuck struct {
	store.Store
	at chan struct{}
}

func (s stuck) Create(ctx context.Context, _ string) (store.Writer, error) {
	s.at <- struct{}{}
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// heldStore is a store in which a file is made once it is let go.
type heldStore struct {
	store.Store
	at, open chan struct{}
}

func (s heldStore) Create(ctx context.Context, name string) (store.Writer, error) {
	s.at <- struct{}{}
	<-s.open
	return s.Store.Create(ctx, name)
}

func TestAWorkerThatDrainsFinishesWhatItHasAndTakesNothingMore(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	tasks := s.scores(s.surveyed(t))
	store := heldStore{s.disk, make(chan struct{}, 8), make(chan struct{})}
	s.output = store
	c := newCoordinator()
	cfg := s.config(c)
	cfg.Slots = 2
	leases := c.give(tasks[0], tasks[1], tasks[2])
	w := New(cfg)
	done := run(t, w)
	<-store.at
	<-store.at
	w.Drain()
	w.Drain() // twice is once
	for !c.drains() {
		<-c.heard
	}
	close(store.open)
	for _, r := range c.await(t, leases[:2]) {
		if r.Result == nil {
			t.Errorf("a task in flight ended with %+v, returned %t", r.Failure, r.Returned)
		}
	}
	left(t, done)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) != 1 || len(c.reports) != 0 {
		t.Errorf("%d tasks wait, %d more were reported; the third was nobody's to take", len(c.waiting), len(c.reports))
	}
}

// drains reports whether the worker said that it leaves.
func (c *coordinator) drains() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.Draining
}

func TestAWorkerWhoseTimeIsOverGivesItsTasksBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	tasks := s.scores(s.surveyed(t))
	store := stuck{s.disk, make(chan struct{}, 8)}
	s.output = store
	c := newCoordinator()
	cfg := s.config(c)
	cfg.Slots, cfg.Drain = 2, time.Millisecond
	leases := c.give(tasks[0], tasks[1])
	w := New(cfg)
	done := run(t, w)
	<-store.at
	<-store.at
	w.Drain()
	for _, r := range c.await(t, leases) {
		if !r.Returned || r.Result != nil || r.Failure != nil {
			t.Errorf("got %+v", r)
		}
	}
	left(t, done)
}

func TestAWorkerThatNobodyAnswersLeavesAllTheSame(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	tasks := s.scores(s.surveyed(t))
	store := stuck{s.disk, make(chan struct{}, 8)}
	s.output = store
	c := newCoordinator()
	c.lose = func(wire.Report, int) (wire.ReportReply, error) {
		return wire.ReportReply{}, errors.New("nobody answers")
	}
	cfg := s.config(c)
	cfg.Drain = time.Millisecond
	c.give(tasks[0])
	w := New(cfg)
	done := run(t, w)
	<-store.at
	w.Drain()
	left(t, done)
}

func TestTheCoordinatorsWordMakesAWorkerLeave(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	c := newCoordinator()
	bus := &leaving{coordinator: c}
	lease := c.give(s.survey())
	done := run(t, New(s.config(bus)))
	// What came with the word is done or given back: it is not lost.
	if r := c.await(t, lease)[0]; r.Failure != nil {
		t.Errorf("got %+v", r.Failure)
	}
	left(t, done)
	if n := bus.asked.Load(); n != 1 {
		t.Errorf("a worker that was told to leave asked %d times", n)
	}
}

// leaving is a bus whose first answer brings the word to leave.
type leaving struct {
	*coordinator
	asked atomic.Int64
}

func (l *leaving) Work(ctx context.Context, r wire.WorkRequest) (wire.WorkReply, error) {
	l.asked.Add(1)
	reply, err := l.coordinator.Work(ctx, r)
	reply.Drain = true
	return reply, err
}

func TestAnAttemptThatCameSecondLeavesNoFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	survey := s.surveyed(t)
	before := s.staged(t)
	c := newCoordinator()
	c.lose = func(wire.Report, int) (wire.ReportReply, error) { return wire.ReportReply{Status: wire.Lost}, nil }
	w := New(s.config(c))
	done := run(t, w)
	if r := c.await(t, c.give(s.scores(survey)[0]))[0]; r.Result == nil || len(r.Result.Files) == 0 {
		t.Fatalf("got %+v", r)
	}
	w.Drain()
	left(t, done)
	for _, name := range s.staged(t) {
		if !slices.Contains(before, name) && !strings.Contains(name, "/survey-") {
			t.Errorf("%s is left", name)
		}
	}
}

func TestAHeartbeatSaysWhoTheWorkerIs(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	c := newCoordinator()
	cfg := s.config(c)
	cfg.Slots, cfg.Host, cfg.Version = 3, "h1", "v1.2.3"
	start(t, cfg)
	<-c.heard
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.last; h.Worker != "w1" || h.Slots != 3 || h.Host != "h1" || h.Version != "v1.2.3" || h.Draining || h.MemoryBytes < 1<<20 {
		t.Errorf("got %+v", h)
	}
}

func TestAWorkerAsksAgainAsSoonAsSomebodyElseLeads(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	c := newCoordinator()
	m := &moving{coordinator: c, moved: make(chan struct{}), asked: make(chan struct{}, 100)}
	lease := c.give(s.survey())
	start(t, s.config(m))
	<-m.asked // the first answer bids it wait for an hour
	m.elsewhere.Store(true)
	close(m.moved)
	if r := c.await(t, lease)[0]; r.Failure != nil {
		t.Error(r.Failure.Reason)
	}
}

// moving is a bus that first has nothing to do, for an hour, and then another leader.
type moving struct {
	*coordinator
	moved     chan struct{}
	asked     chan struct{}
	elsewhere atomic.Bool
}

func (m *moving) Moved() <-chan struct{} {
	if m.elsewhere.Load() {
		return nil // it moves once
	}
	return m.moved
}

func (m *moving) Work(ctx context.Context, r wire.WorkRequest) (wire.WorkReply, error) {
	if !m.elsewhere.Load() {
		m.asked <- struct{}{}
		return wire.WorkReply{RetryMillis: time.Hour.Milliseconds()}, nil
	}
	return m.coordinator.Work(ctx, r)
}
