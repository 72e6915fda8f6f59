// Package worker is the data plane: it takes a lease, reads a number range,
// scores it, stages a file, verifies it and reports. It never touches raft; all
// it knows of the coordinator is a Bus.
//
//	offer ─► open, score the golden rows ─► ready, or unfit: nothing is leased
//	                                          │
//	work ─► lease ─► source ─► program ─► sink ─► verify ─► report ─┐
//	  ▲                                                             │
//	  └─────────────────────────────────────────────────────────────┘
//
// Work in flight is bounded by Slots, memory by Slots times one partition's keys
// and one batch. Nothing a worker does is final: a file becomes part of a
// version only when the ledger accepts the report that names it.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
)

// Bus carries a worker's messages. Every error is an unknown outcome: ask again.
type Bus interface {
	Work(ctx context.Context, r wire.WorkRequest) (wire.WorkReply, error)
	Report(ctx context.Context, r wire.Report) (wire.ReportReply, error)
	Heartbeat(h wire.Heartbeat) error
}

// Config is what a worker needs from its surroundings.
type Config struct {
	ID    string // unique among workers
	Slots int    // partitions scored at once; defaults to one per core, which is right
	// BatchRows is the rows of an Arrow batch. Defaults to 2048, which keeps the
	// default job's columns in a 2 MB L2 cache.
	BatchRows int
	// Heartbeat is how often the worker says it is alive. Defaults to a second;
	// at most a third of the coordinator's lease time.
	Heartbeat time.Duration
	Bus       Bus
	// Input, Output and Model turn paths of a job file, relative to the folder
	// base, into places. Input splits off the part of the pattern below the root.
	Input  func(base, path string) (root store.Store, rest string, err error)
	Output func(base, path string) (store.Store, error)
	Model  func(base, path string) ([]byte, error)
	Log    *slog.Logger
}

// Worker runs tasks.
type Worker struct {
	cfg   Config
	free  chan struct{} // one token per free slot
	mu    sync.Mutex
	tasks map[wire.Lease]*atomic.Int64 // rows done of the tasks in flight
	jobs  map[job.ID]*prepared         // what new tasks begin with
	open  []*prepared                  // everything to be closed when Run ends
}

// New returns a worker; Run starts it.
func New(cfg Config) *Worker {
	if cfg.Slots < 1 {
		cfg.Slots = runtime.GOMAXPROCS(0)
	}
	if cfg.BatchRows == 0 {
		cfg.BatchRows = 2048
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = time.Second
	}
	w := &Worker{cfg: cfg, free: make(chan struct{}, cfg.Slots), tasks: make(map[wire.Lease]*atomic.Int64), jobs: make(map[job.ID]*prepared)}
	for range cfg.Slots {
		w.free <- struct{}{}
	}
	return w
}

// Run asks for work and does it until ctx ends, and returns nil when everything
// it started has stopped. Tasks in flight are abandoned then: their leases
// expire. A worker runs once.
func (w *Worker) Run(ctx context.Context) error {
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return w.beat(running) })
	group.Go(func() error { return w.take(running, group) })
	err := group.Wait()
	if ctx.Err() != nil {
		err = nil // told to stop: that is all the error says
	}
	return errors.Join(err, w.close())
}

// close closes the inputs of every job worked on.
func (w *Worker) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []error
	for _, p := range w.open {
		all = append(all, p.dataset.Close())
	}
	w.open = nil
	clear(w.jobs)
	return errors.Join(all...)
}

// take asks for as much work as there are free slots, and hands it out. An
// assignment beyond what was asked for is left to expire.
func (w *Worker) take(ctx context.Context, group *errgroup.Group) error {
	const soonest, latest = 10 * time.Millisecond, time.Second // while nobody answers
	unheard := soonest
	var ready []job.ID
	var unfit []wire.Unfit // not yet told
	for {
		slots, err := w.freeSlots(ctx)
		if err != nil {
			return err
		}
		asked := min(slots, wire.SlotsMax)
		reply, err := w.cfg.Bus.Work(ctx, wire.WorkRequest{Worker: w.cfg.ID, Slots: asked, Ready: ready, Unfit: unfit})
		if err != nil {
			w.cfg.Log.Debug("ask for work", "worker", w.cfg.ID, "err", err)
		} else {
			unfit = nil
		}
		for _, a := range reply.Assignments[:min(asked, len(reply.Assignments))] {
			slots--
			group.Go(func() error {
				defer func() { w.free <- struct{}{} }()
				return w.do(ctx, a)
			})
		}
		for range slots {
			w.free <- struct{}{}
		}
		if len(reply.Assignments) > 0 {
			continue
		}
		if news := w.consider(ctx, reply.Offers, &ready, &unfit); news {
			continue
		}
		wait := max(reply.Retry(), soonest)
		if err == nil {
			unheard = soonest
		} else {
			wait, unheard = unheard, min(2*unheard, latest)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// consider opens the jobs that are offered, before anything of them is leased: their
// models score their golden rows by the path that will score the base. It reports
// whether there is news for the coordinator.
func (w *Worker) consider(ctx context.Context, offers []wire.Offer, ready *[]job.ID, unfit *[]wire.Unfit) (news bool) {
	for _, o := range offers {
		if slices.Contains(*ready, o.Job) {
			continue // it crossed with the answer
		}
		news = true
		_, err := w.prepare(ctx, wire.Assignment{Job: o.Job, Spec: o.Spec, SpecBase: o.SpecBase})
		if isFatal(err) {
			w.cfg.Log.Warn("unfit for job", "job", o.Job, "err", err)
			*unfit = append((*unfit)[max(0, len(*unfit)+1-wire.ReadyMax):], wire.Unfit{Job: o.Job, Reason: failure(err).Reason})
			continue
		}
		// What may be better next time is an attempt's to meet and to report.
		*ready = append((*ready)[max(0, len(*ready)+1-wire.ReadyMax):], o.Job)
	}
	return news
}

// freeSlots waits for a free slot and takes all that are free.
func (w *Worker) freeSlots(ctx context.Context) (int, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-w.free:
	}
	slots := 1
	for {
		select {
		case <-w.free:
			slots++
		default:
			return slots, nil
		}
	}
}

// do runs one assignment and reports it. It returns only ctx's error: whatever
// else goes wrong is the coordinator's to decide on.
func (w *Worker) do(ctx context.Context, a wire.Assignment) error {
	lease := a.Lease()
	var rows atomic.Int64
	w.mu.Lock()
	w.tasks[lease] = &rows
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.tasks, lease)
		w.mu.Unlock()
	}()
	report := wire.Report{Worker: w.cfg.ID, Lease: lease}
	result, err := w.perform(ctx, a, &rows)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		report.Failure = failure(err)
		w.cfg.Log.Warn("task failed", "job", a.Job, "stage", a.Kind.String(), "part", a.Index, "attempt", a.Token, "err", err)
	default:
		report.Result = &result
		if _, err := wire.Encode(report); err != nil {
			// Sent again and again it would never arrive, and heartbeats would keep
			// its lease.
			report.Result, report.Failure = nil, failure(err)
		}
	}
	return w.report(ctx, report)
}

// failure puts an error on the wire, which takes valid UTF-8 alone: names of
// files and columns in an error may be anything.
func failure(err error) *wire.Failure {
	return &wire.Failure{Reason: wire.Cut(strings.ToValidUTF8(err.Error(), "\uFFFD")), Fatal: isFatal(err)}
}

// perform runs the work of an assignment. A panic is a failed attempt with its
// place, not a dead worker.
func (w *Worker) perform(ctx context.Context, a wire.Assignment, rows *atomic.Int64) (result job.Result, err error) {
	defer caught(&err, "%s task %d", a.Kind, a.Index)
	p, err := w.prepare(ctx, a)
	if err != nil {
		return job.Result{}, err
	}
	switch a.Kind {
	case job.StageSurvey:
		return w.survey(ctx, a, p, rows)
	case job.StageScore:
		return w.score(ctx, a, p, rows)
	case job.StageSelect:
		return w.place(ctx, a, p, rows)
	}
	return job.Result{}, fatal(fmt.Errorf("this worker does not know stage %s: it is older than the coordinator", a.Kind))
}

// report sends the same report until somebody who knows answers it: after a
// timeout nobody knows whether it was taken (I3 makes sending it twice safe).
func (w *Worker) report(ctx context.Context, r wire.Report) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		reply, err := w.cfg.Bus.Report(ctx, r)
		switch {
		case err != nil:
			w.cfg.Log.Debug("report", "job", r.Lease.Job, "part", r.Lease.Task, "attempt", r.Lease.Token, "err", err)
		case reply.Status == wire.OK:
			return nil
		case reply.Status == wire.Fenced || reply.Status == wire.Refused:
			w.cfg.Log.Warn("report not taken", "job", r.Lease.Job, "part", r.Lease.Task, "attempt", r.Lease.Token, "status", reply.Status, "message", reply.Message)
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// beat says which tasks are in flight and how far they are.
func (w *Worker) beat(ctx context.Context) error {
	ticker := time.NewTicker(w.cfg.Heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		h := wire.Heartbeat{Worker: w.cfg.ID}
		w.mu.Lock()
		for lease, rows := range w.tasks {
			h.Tasks = append(h.Tasks, wire.Progress{Lease: lease, RowsDone: rows.Load()})
		}
		w.mu.Unlock()
		if err := w.cfg.Bus.Heartbeat(h); err != nil {
			w.cfg.Log.Debug("heartbeat", "worker", w.cfg.ID, "err", err)
		}
	}
}

// caught turns a panic into an error that says what was being done and where the
// code is that panicked. It must be deferred itself.
func caught(err *error, doing string, args ...any) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: panic in %s: %v", fmt.Sprintf(doing, args...), origin(), p)
	}
}

// origin finds the function, file and line that panicked.
func origin() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	panicking := false
	for {
		f, more := frames.Next()
		internal := strings.HasPrefix(f.Function, "runtime.")
		if panicking && !internal {
			return fmt.Sprintf("%s (%s:%d)", f.Function, filepath.Base(f.File), f.Line)
		}
		panicking = panicking || f.Function == "runtime.gopanic"
		if !more {
			return "an unknown place"
		}
	}
}

// fatalError marks what no other attempt can do better: the job itself is at fault.
type fatalError struct{ error }

func (f fatalError) Unwrap() error { return f.error }

func fatal(err error) error { return fatalError{err} }

func isFatal(err error) bool {
	var f fatalError
	return errors.As(err, &f)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
