package worker

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/failpoint"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
	"rescore/worker/program"
	"rescore/worker/sink"
	"rescore/worker/source"
)

// prepared is what a worker keeps of a job between tasks: its spec, where its
// bytes live, the opened input and the frozen model.
type prepared struct {
	once    sync.Once
	err     error
	spec    job.Spec
	output  store.Store
	dataset *source.Dataset // nil of a preparation
	export  *source.Export  // of a preparation alone
	model   program.Model
	ranks   ranking
	plan    atomic.Pointer[program.Plan] // made when the job was found to be sound, until it is a program
	idle    idle                         // programs of the score stage
	ahead   *ahead                       // nil unless the survey was begun before it was granted

	users int // tasks under way with it; guarded by Worker.mu
}

// openMax is how many jobs a worker keeps open at the most that it has no task of: a
// worker runs for months, and each job has files and models of its own.
const openMax = 8

// prepare opens a job's input and model once per worker, and holds the model to
// the one that was planned with. What it returns is to be released.
func (w *Worker) prepare(ctx context.Context, a wire.Assignment) (*prepared, error) {
	w.mu.Lock()
	p, ok := w.jobs[a.Job]
	if !ok {
		p = &prepared{}
		w.jobs[a.Job] = p
	}
	p.users++
	w.mu.Unlock()
	p.once.Do(func() {
		if p.err = p.open(ctx, w, a); p.err == nil {
			w.mu.Lock()
			w.open = append(w.open, p)
			w.mu.Unlock()
		}
	})
	err := p.err
	if err == nil && a.Model != "" {
		err = p.pinned(append([]string{a.Model}, a.Challengers...))
	}
	if err != nil {
		w.reopen(a.Job, p)
		w.release(p)
		return nil, err
	}
	return p, nil
}

// reopen lets the next attempt at a job open it again; those under way keep what they
// have.
func (w *Worker) reopen(id job.ID, p *prepared) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.jobs[id] == p {
		delete(w.jobs, id)
	}
}

// release ends a use of a prepared job, and closes those that were not used for the
// longest time when there are too many.
func (w *Worker) release(p *prepared) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.users--
	if i := slices.Index(w.open, p); i >= 0 {
		w.open = append(slices.Delete(w.open, i, i+1), p)
	}
	idle := slices.DeleteFunc(slices.Clone(w.open), func(q *prepared) bool { return q.users > 0 })
	for _, o := range idle[:max(0, len(idle)-openMax)] {
		w.open = slices.DeleteFunc(w.open, func(q *prepared) bool { return q == o })
		maps.DeleteFunc(w.jobs, func(_ job.ID, q *prepared) bool { return q == o })
		if err := o.close(); err != nil {
			w.cfg.Log.Warn("close the input of a job", "err", err)
		}
	}
}

// close closes the input.
func (p *prepared) close() error {
	p.ahead.end()
	if p.export != nil {
		return p.export.Close()
	}
	return p.dataset.Close()
}

// pinned holds the models to those that were planned with.
func (p *prepared) pinned(plan []string) error {
	digests := p.model.Digests()
	if len(plan) != len(digests) {
		return fatal(fmt.Errorf("the job has %d models and its plan knows %d: another release planned it; submit the job again", len(digests), len(plan)))
	}
	for i, path := range p.spec.Model.Paths() {
		if digests[i] == plan[i] {
			continue
		}
		what := "model"
		if i > 0 {
			what = "challenger " + p.spec.Model.Challengers[i-1].Name + ", model"
		}
		return fatal(fmt.Errorf("%s %s has changed since the job was planned: its SHA-256 is %.12s…, the plan's is %.12s…; submit the job again", what, path, digests[i], plan[i]))
	}
	return nil
}

func (p *prepared) open(ctx context.Context, w *Worker, a wire.Assignment) (err error) {
	defer func() {
		if err != nil && (p.dataset != nil || p.export != nil) {
			err = errors.Join(err, p.close())
		}
	}()
	defer caught(&err, "open job %s", a.Job)
	if p.spec, err = job.ParseCanonical(a.Spec); err != nil {
		return fatal(fmt.Errorf("read the job's spec: %w", err))
	}
	if p.output, err = w.cfg.Output(a.SpecBase, p.spec.Output.Path); err != nil {
		return fmt.Errorf("open output %s: %w", p.spec.Output.Path, err)
	}
	if s := w.sound.Load(); s != nil && s.Job == a.Job && w.sound.CompareAndSwap(s, nil) {
		p.dataset, p.export, p.model, p.ahead = s.Dataset, s.Export, s.Model, s.ahead
		p.plan.Store(s.plan)
		return nil
	}
	opened, err := w.cfg.Open(ctx, p.spec, a.SpecBase)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, store.ErrUnavailable) {
			err = fatal(err)
		}
		return err
	}
	p.dataset, p.export, p.model = opened.Dataset, opened.Export, opened.Model
	return nil
}

// survey reads the input's layout and stages the answer as a file: counts by
// segment are many, and rows never cross the bus.
func (w *Worker) survey(ctx context.Context, a wire.Assignment, p *prepared, rows *atomic.Int64) (result job.Result, err error) {
	prog, err := p.program(w.cfg.BatchRows)
	if err != nil {
		return job.Result{}, err
	}
	p.idle.put(prog)
	staged, err := createSurvey(ctx, a, p)
	if err != nil {
		return job.Result{}, err
	}
	defer func() { err = errors.Join(err, staged.Close()) }()
	found, start, err := p.survey(ctx, w.cfg.Slots, rows)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, store.ErrUnavailable) {
			err = fatal(err) // the input is what it is: another attempt reads the same bytes
		}
		return job.Result{}, err
	}
	found.Model, found.Challengers, found.Features = p.model.Digest, p.model.Digests()[1:], p.model.Features
	found.Bins = p.model.Bins
	data, err := wire.EncodeSurvey(found)
	if err != nil {
		return job.Result{}, err
	}
	return staged.commit(data, start)
}

// stagedSurvey is a file for what a survey finds. It is made before anything is looked at,
// while others compute: to make the first file of a job is to make its folders.
type stagedSurvey struct {
	store.Writer
	name string
}

func createSurvey(ctx context.Context, a wire.Assignment, p *prepared) (*stagedSurvey, error) {
	name := fmt.Sprintf("%ssurvey-%04d-%020d-%s.cbor", a.Job.StagingPrefix(), a.Epoch, a.Token, nonce())
	w, err := p.output.Create(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("stage survey: %w", err)
	}
	return &stagedSurvey{w, name}, nil
}

// commit writes what was found since start.
func (s *stagedSurvey) commit(data []byte, start time.Time) (job.Result, error) {
	failpoint.Hit("worker.survey")
	_, err := s.Write(data)
	if err == nil {
		err = s.Commit()
	}
	if err != nil {
		return job.Result{}, fmt.Errorf("stage survey: %w", err)
	}
	sum := sha256.Sum256(data)
	return job.Result{
		Files:  []job.File{{Kind: job.FileSurvey, Path: s.name, Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}},
		Timing: job.Timing{Read: time.Since(start).Nanoseconds()},
	}, nil
}

// score is the main road: number range → batches → program → file → verified file.
func (w *Worker) score(ctx context.Context, a wire.Assignment, p *prepared, turn *turn, rows *atomic.Int64) (result job.Result, err error) {
	own, err := w.newShare(p, rows, &result.Timing, func(columns []string) (*source.Reader, error) {
		return p.dataset.Reader(a.Task, a.Files, columns, w.cfg.BatchRows, memory.NewGoAllocator())
	})
	if err != nil {
		return result, err
	}
	defer own.reader.Close()
	out, err := sink.Create(ctx, p.output, sink.Attempt{
		Job: a.Job, Task: a.Index, Epoch: a.Epoch, Token: a.Token, Nonce: nonce(), Prefix: a.Job.StagingPrefix(), Range: a.Task.Range,
		Month: p.spec.Month, ModelDigest: p.model.Digest, RulesDigest: p.spec.RulesDigest(), Policy: p.spec.Policy, Challengers: p.spec.Model.Names(), Features: p.model.Features, Compression: p.spec.Output.Compression, Written: own.clock.written(turn, &result), Spare: w.spare,
	})
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	reject := func(r source.Reject) error { return out.Reject(ctx, r.File, r.Row, r.Field, r.Reason) }
	write := func(e evaluated) error {
		defer own.clock.lap(&result.Timing.Write)
		if err := out.Write(e.scores, e.drop); err != nil {
			return err
		}
		for _, r := range e.rejects {
			if err := reject(r); err != nil {
				return err
			}
		}
		return nil
	}
	own.reader.Tell(reject)
	defer w.read.Store(true)
	if err := w.evaluate(ctx, a, p, own, &result, write); err != nil {
		return result, err
	}
	result.Keys, result.Tables = own.reader.Keys(), own.reader.Tables()
	failpoint.Hit("worker.score")
	written, err := out.Finish(ctx)
	own.clock.lap(&result.Timing.Verify)
	if err != nil {
		return result, err
	}
	failpoint.Hit("worker.keep")
	result.Counts, result.Rows, result.Files, result.Tally = written.Counts, written.Rows, written.Files, written.Tally
	return result, nil
}

// stopwatch adds up where the time goes.
type stopwatch time.Time

func (s *stopwatch) lap(sum *int64) {
	now := time.Now()
	*sum += now.Sub(time.Time(*s)).Nanoseconds()
	*s = stopwatch(now)
}

// written ends the time of a task that is spent on writing, and its turn: the rest is to
// wait for the store and to verify.
func (s *stopwatch) written(turn *turn, result *job.Result) func(context.Context) error {
	return func(ctx context.Context) error {
		s.lap(&result.Timing.Write)
		return turn.yield(ctx)
	}
}

// nonce tells two files of the same token apart: a worker that was killed and
// started again may meet its own remains.
func nonce() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}
