package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"rescore/partition/failpoint"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
	"rescore/worker/intake"
	"rescore/worker/sink"
	"rescore/worker/source"
)

// listMax bounds the small staged files of a preparation, bytes.
const listMax = 1 << 30

// intake surveys the exports of a preparation.
func (w *Worker) intake(ctx context.Context, a wire.Assignment, p *prepared, rows *atomic.Int64) (result job.Result, err error) {
	start := time.Now()
	staged, err := createSurvey(ctx, a, p)
	if err != nil {
		return job.Result{}, err
	}
	defer func() { err = errors.Join(err, staged.Close()) }()
	found, err := p.export.Survey(ctx, w.cfg.Slots, rows.Store)
	if err != nil {
		if ctx.Err() == nil {
			err = fatal(err) // the input is what it is: another attempt reads the same bytes
		}
		return job.Result{}, err
	}
	data, err := wire.EncodeIntake(found)
	if err != nil {
		return job.Result{}, err
	}
	return staged.commit(data, start)
}

// attempt says whose files a task of a preparation stages.
func (p *prepared) attempt(a wire.Assignment) sink.Attempt {
	return sink.Attempt{
		Job: a.Job, Task: a.Index, Epoch: a.Epoch, Token: a.Token, Nonce: nonce(), Prefix: a.Job.StagingPrefix(), Range: a.Task.Range,
		Month: p.spec.Month, Compression: p.spec.Output.Compression,
	}
}

// memory is what a task of a preparation may sort or merge in, bytes.
func (p *prepared) memory() int { return p.spec.Prepare.MemoryMB << 20 }

// staged reads a small file that a task works on.
func (p *prepared) staged(ctx context.Context, a wire.Assignment, kind job.FileKind) ([]byte, error) {
	if len(a.Task.Staged) != 1 || a.Task.Staged[0].Kind != kind {
		return nil, fatal(fmt.Errorf("a %s task needs one staged file of kind %d", a.Kind, kind))
	}
	file := a.Task.Staged[0]
	data, err := p.output.Get(ctx, file.Path, listMax)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file.Path, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != file.SHA256 {
		return nil, fmt.Errorf("read %s: %w", file.Path, sink.ErrDamaged)
	}
	return data, nil
}

// exchange sorts a slice of the exports: rows → sorter → passes of a run, cut by range.
func (w *Worker) exchange(ctx context.Context, a wire.Assignment, p *prepared, rows *atomic.Int64) (result job.Result, err error) {
	data, err := p.staged(ctx, a, job.FileCut)
	if err != nil {
		return result, err
	}
	ranges, err := wire.DecodeCut(data)
	if err != nil {
		return result, err
	}
	out, err := sink.CreateRun(ctx, p.output, p.attempt(a))
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	run, sorter := intake.NewRunWriter(out, ranges), intake.NewSorter(p.memory())
	clock := stopwatch(time.Now())
	pass := func() error {
		clock.lap(&result.Timing.Read)
		defer clock.lap(&result.Timing.Write)
		err := run.Pass(sorter)
		sorter.Reset()
		return err
	}
	read, err := p.export.Read(ctx, a.Task.Slices, a.Files, func(r *intake.Row) error {
		if !sorter.Add(r) {
			if err := pass(); err != nil {
				return err
			}
			sorter.Add(r) // an empty one takes any row
		}
		out.Keep(r.Number)
		rows.Add(1)
		return nil
	}, func(r source.Reject) error {
		rows.Add(1)
		return out.Reject(ctx, r.File, r.Row, r.Field, r.Reason)
	})
	if err != nil {
		return result, err
	}
	if err := pass(); err != nil {
		return result, err
	}
	pieces, err := wire.EncodePieces(run.Pieces())
	if err != nil {
		return result, err
	}
	failpoint.Hit("worker.exchange")
	written, err := out.Finish(ctx, pieces)
	clock.lap(&result.Timing.Write)
	if err != nil {
		return result, err
	}
	failpoint.Hit("worker.keep")
	err = sink.VerifyBytes(ctx, p.output, written.Files)
	clock.lap(&result.Timing.Verify)
	result.Counts, result.Files, result.Tally = written.Counts, written.Files, written.Tally
	result.Tally.BadValues = read.BadValues
	result.Keys, result.Rows = read.Keys, written.Keys
	return result, err
}

// merge makes a partition of the base: pieces of runs → one row a number → file →
// verified file.
func (w *Worker) merge(ctx context.Context, a wire.Assignment, p *prepared, rows *atomic.Int64) (result job.Result, err error) {
	data, err := p.staged(ctx, a, job.FilePieces)
	if err != nil {
		return result, err
	}
	g, err := wire.DecodeGather(data)
	if err != nil {
		return result, err
	}
	pieces := make([]intake.Piece, len(g.Pieces))
	for i, at := range g.Pieces {
		pieces[i] = intake.Piece{From: stagedRun{ctx, p.output, g.Runs[at.Run].Path}, Piece: at}
	}
	fields := p.export.Fields()
	out, err := sink.CreateBase(ctx, p.output, p.attempt(a), p.spec.Prepare.Format, fields, job.BaseSchema(p.export.Columns()))
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	clock := stopwatch(time.Now())
	keep := func(r *intake.Row) error {
		rows.Add(1)
		result.Keys = result.Keys.AddNumber(r.Number)
		return out.Keep(r)
	}
	drop := func(r *intake.Row) error {
		rows.Add(1)
		result.Keys = result.Keys.AddNumber(r.Number)
		if int(r.File) >= len(a.Files) {
			return fmt.Errorf("a row of file %d of %d: %w", r.File, len(a.Files), intake.ErrRun)
		}
		return out.Reject(ctx, a.Files[r.File].Path, r.Row, fields[0].Name, job.RepeatedNumber)
	}
	if p.spec.Prepare.Keep == job.KeepAll {
		drop = keep
	}
	err = intake.Merge(ctx, pieces, p.memory(), keep, drop)
	clock.lap(&result.Timing.Score)
	if errors.Is(err, intake.ErrMemory) {
		err = fatal(err)
	}
	if err != nil {
		return result, err
	}
	failpoint.Hit("worker.merge")
	written, err := out.Finish(ctx)
	clock.lap(&result.Timing.Write)
	if err != nil {
		return result, err
	}
	failpoint.Hit("worker.keep")
	err = prove(ctx, p, fields, written)
	clock.lap(&result.Timing.Verify)
	result.Counts, result.Rows, result.Files, result.Tally = written.Counts, written.Rows, written.Files, written.Tally
	return result, err
}

// stagedRun reads a run and holds nothing open: a merge reads of more runs than a
// process may have open files, and of each seldom.
type stagedRun struct {
	ctx  context.Context //nolint:containedctx // io.ReaderAt has no place for it
	st   store.Store
	name string
}

// ReadAt implements io.ReaderAt.
func (r stagedRun) ReadAt(b []byte, off int64) (n int, err error) {
	o, err := r.st.Open(r.ctx, r.name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	return o.ReadAt(b, off)
}

// prove reads what was staged once more and compares it with what was meant.
func prove(ctx context.Context, p *prepared, fields []intake.Field, written sink.Output) error {
	if err := sink.VerifyBytes(ctx, p.output, written.Files); err != nil {
		return err
	}
	proof, err := source.Prove(ctx, p.output, written.Files[0], fields, p.spec.Prepare)
	if err != nil {
		return err
	}
	if proof.Rows != written.Counts.Scored || proof.Keys != written.Keys || proof.Sum != written.Rows || !written.Counts.Conserved() {
		return fmt.Errorf("verify %s: rows or sums differ from what was merged: %w", written.Files[0].Path, sink.ErrContent)
	}
	return nil
}
