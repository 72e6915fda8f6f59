package worker

import (
	"context"
	"sync/atomic"
	"time"

	"rescore/partition/job"
)

// ahead is a survey that was begun before anybody granted it.
type ahead struct {
	began time.Time
	stop  context.CancelFunc
	taken atomic.Bool                  // by an attempt: the next one surveys for itself
	rows  atomic.Pointer[atomic.Int64] // of the attempt that took it, to be told how far it is; nil before
	done  chan struct{}                // closed when found and err are there
	found job.Survey
	err   error
}

// Ahead begins to survey the input, in so many goroutines, for the worker that is given
// this job and will be asked to: until then a ledger is opened and told of the job, which
// is to wait for the disk. Call it before the worker runs, once for a job that is not
// surveyed yet; again it does nothing, and nothing for a preparation. It ends with ctx,
// and before the input is closed.
func (s *Sound) Ahead(ctx context.Context, goroutines int) {
	if s.Dataset == nil || s.ahead != nil {
		return
	}
	a := &ahead{began: time.Now(), done: make(chan struct{})}
	ctx, a.stop = context.WithCancel(ctx)
	s.ahead = a
	go func() {
		defer close(a.done)
		defer caught(&a.err, "survey the input")
		a.found, a.err = s.Dataset.Survey(ctx, goroutines, func(n int64) {
			if rows := a.rows.Load(); rows != nil {
				rows.Store(n)
			}
		})
	}()
}

// take waits for the survey, for the first who asks; rows is told how far it is. It
// returns false to everybody else, and to all where there is none.
func (a *ahead) take(ctx context.Context, rows *atomic.Int64) (found job.Survey, ok bool, err error) {
	if a == nil || !a.taken.CompareAndSwap(false, true) {
		return found, false, nil
	}
	a.rows.Store(rows)
	select {
	case <-a.done:
		return a.found, true, a.err
	case <-ctx.Done():
		return found, true, context.Cause(ctx)
	}
}

// end stops the survey and waits for it.
func (a *ahead) end() {
	if a != nil {
		a.stop()
		<-a.done
	}
}

// Close closes what the job names.
func (s *Sound) Close() error {
	s.ahead.end()
	return s.Opened.Close()
}

// survey surveys the input, or takes over the survey that was begun ahead. It began at
// began.
func (p *prepared) survey(ctx context.Context, goroutines int, rows *atomic.Int64) (found job.Survey, began time.Time, err error) {
	if found, ok, err := p.ahead.take(ctx, rows); ok {
		return found, p.ahead.began, err
	}
	began = time.Now()
	found, err = p.dataset.Survey(ctx, goroutines, rows.Store)
	return found, began, err
}
