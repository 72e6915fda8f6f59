package worker

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/job"
	"rescore/partition/wire"
	"rescore/worker/program"
	"rescore/worker/source"
)

// The last tasks of a stage do not end together. A slot that has nothing to do then helps
// another with its rows:
//
//	task    ├── read, evaluate, write ──►    │  written behind the task's own ──► │
//	helper                                   ├── read, evaluate, keep ──►─────────┘
//
// What a task makes does not depend on it: rows are evaluated one by one, in whatever
// batches, and written in their order by the one who writes them all.

const (
	// shareLeast is how many rows are worth to read a file from another place.
	shareLeast = 1 << 13
	// shareMost is how many rows of a task helpers take together: what is evaluated of them is
	// kept, some 70 bytes a row.
	shareMost = 1 << 17
)

// share is what one goroutine does of a score task: it reads and evaluates rows, and counts
// what is reported of them.
type share struct {
	prog   *program.Program
	reader *source.Reader
	drift  *program.Drift
	nulls  *nulls
	rows   *atomic.Int64
	timing *job.Timing
	clock  stopwatch
}

// newShare binds a program to the reader that open returns for its columns.
func (w *Worker) newShare(p *prepared, rows *atomic.Int64, timing *job.Timing, open func(columns []string) (*source.Reader, error)) (*share, error) {
	prog, err := p.program(w.cfg.BatchRows)
	if err != nil {
		return nil, err
	}
	s := &share{prog: prog, rows: rows, timing: timing}
	plan := prog.Plan()
	s.nulls = newNulls(p.spec.Gates.Nulls(), plan.Columns())
	if s.drift, err = prog.Drift(p.model); err != nil {
		return nil, fatal(err)
	}
	if s.reader, err = open(plan.Columns()); err != nil {
		return nil, err
	}
	s.reader.Code(plan.Coded())
	prog.Hold(s.reader.Same())
	s.clock = stopwatch(time.Now())
	return s, nil
}

// next reads and evaluates the next batch; both are valid until the next call. The error is
// io.EOF after the last one.
func (s *share) next(ctx context.Context) (*source.Batch, arrow.Record, error) {
	batch, err := s.reader.Next(ctx)
	s.clock.lap(&s.timing.Read)
	if err != nil {
		return nil, nil, err
	}
	scores, err := s.prog.EvalCoded(batch.Record, batch.Coded, batch.Key, batch.Bad)
	if err == nil {
		s.drift.Add(batch.Len, batch.Drop)
		s.nulls.add(batch.Record, batch.Drop)
		s.rows.Add(int64(batch.Len))
	}
	s.clock.lap(&s.timing.Score)
	return batch, scores, err
}

// evaluate has all rows of a task evaluated and written, in their order.
func (w *Worker) evaluate(ctx context.Context, a wire.Assignment, p *prepared, own *share, result *job.Result, write func(evaluated) error) error {
	var helpers []*helper // the last one has the first of their rows
	helping, stop := context.WithCancel(ctx)
	defer func() {
		stop()
		for _, h := range helpers { // before what they read is closed; there is an error already
			<-h.done
		}
	}()
	most := shareMost
	for {
		if n := len(helpers); n == 0 || len(helpers[n-1].done) > 0 {
			left := own.reader.Left()
			h, err := w.help(helping, p, own, most)
			if err != nil {
				return err
			}
			if h != nil {
				helpers = append(helpers, h)
				given := left - own.reader.Left()
				most -= given
				w.cfg.Log.Debug("a slot with nothing to do helps", "job", a.Job, "part", a.Index, "rows", given)
			}
		}
		batch, scores, err := own.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := write(evaluated{scores, batch.Drop, batch.Rejects}); err != nil {
			return err
		}
	}
	p.idle.put(own.prog) // not of a task that failed: it may have stopped in the middle of a batch
	result.Drift, result.Nulls = own.drift.Counts(), own.nulls.counts
	for n := len(helpers) - 1; n >= 0; n-- {
		h := helpers[n]
		helpers = helpers[:n]
		if <-h.done; h.err != nil {
			return h.err
		}
		for _, e := range h.kept {
			if err := write(e); err != nil {
				return err
			}
		}
		for i, counts := range h.drift.Counts() {
			add(result.Drift[i], counts)
		}
		add(result.Nulls, h.nulls.counts)
		result.Timing = result.Timing.Add(h.timing)
	}
	return nil
}

// add adds b to a, which is as long.
func add(a, b []int64) {
	for i, n := range b {
		a[i] += n
	}
}

// helper evaluates the last rows of another goroutine's share.
type helper struct {
	*share
	timing job.Timing
	kept   []evaluated
	err    error
	done   chan struct{} // has something when the helper has ended, not before
}

// evaluated is a batch that waits to be written.
type evaluated struct {
	scores  arrow.Record
	drop    []job.Reason
	rejects []source.Reject
}

// help has another goroutine evaluate rows of a task, so many at most, where a slot has
// nothing to do; else, or where the task cannot be shared, it returns nil.
func (w *Worker) help(ctx context.Context, p *prepared, with *share, most int) (*helper, error) {
	if min(most, with.reader.Left()/2) < shareLeast || !w.lend() {
		return nil, nil
	}
	rest, err := with.reader.Split(most)
	if rest == nil {
		<-w.slots
		return nil, err
	}
	h := &helper{done: make(chan struct{}, 1)}
	go func() {
		err := h.run(ctx, w, p, with.rows, rest)
		h.err = errors.Join(err, rest.Close())
		<-w.slots
		h.done <- struct{}{}
	}()
	return h, nil
}

func (h *helper) run(ctx context.Context, w *Worker, p *prepared, rows *atomic.Int64, rest *source.Reader) (err error) {
	defer caught(&err, "help with a score task")
	if h.share, err = w.newShare(p, rows, &h.timing, func([]string) (*source.Reader, error) { return rest, nil }); err != nil {
		return err
	}
	for {
		batch, scores, err := h.next(ctx)
		if errors.Is(err, io.EOF) {
			p.idle.put(h.prog)
			return nil
		}
		if err != nil {
			return err
		}
		own, err := clone(scores)
		if err != nil {
			return err
		}
		// What is dropped is the whole task's, and stays.
		h.kept = append(h.kept, evaluated{own, batch.Drop, slices.Clone(batch.Rejects)})
		h.clock.lap(&h.timing.Score)
	}
}

// clone copies a record, which its maker is going to write over.
func clone(r arrow.Record) (arrow.Record, error) {
	columns := make([]arrow.Array, r.NumCols())
	for i, c := range r.Columns() {
		own, err := array.Concatenate([]arrow.Array{c}, memory.DefaultAllocator)
		if err != nil {
			return nil, err
		}
		columns[i] = own
	}
	return array.NewRecord(r.Schema(), columns, r.NumRows()), nil
}

// lend takes a slot that has nothing to do, to be given back.
func (w *Worker) lend() bool {
	if !w.spare() {
		return false
	}
	select {
	case w.slots <- struct{}{}:
		return true
	default:
		return false
	}
}
