package sink

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
)

// Run writes the files of one attempt at an exchange: the run, what of the rows was
// rejected, and where the pieces lie. It serves one goroutine.
type Run struct {
	refusals
	name string
	out  *output
}

// refusals are the rows of an attempt that are not written, and its counts.
type refusals struct {
	attempt Attempt
	store   store.Store
	rejects *rejects // nil until there is something to say
	result  Output
}

// Reject counts a row that is not written and says where it is. File is relative to the
// input's root, row is 0-based, field is the input's column name.
func (r *refusals) Reject(ctx context.Context, file string, row int64, field string, reason job.Reason) error {
	r.result.Counts.In++
	if err := r.result.count(reason); err != nil {
		return err
	}
	if r.rejects == nil {
		made, err := createRejects(ctx, r.store, r.attempt.name("rejects", "csv"))
		if err != nil {
			return err
		}
		r.rejects = made
	}
	return r.rejects.add(file, row, field, reason)
}

// keep counts a row that is written.
func (r *refusals) keep(n partition.Number) {
	r.result.Counts.In++
	r.result.Counts.Scored++
	r.result.Keys = r.result.Keys.AddNumber(n)
}

// commit commits the rejects, when there are any.
func (r *refusals) commit() error {
	if r.rejects == nil {
		return nil
	}
	f, err := r.rejects.commit()
	if err == nil {
		r.result.Files = append(r.result.Files, f)
	}
	return err
}

// abandon removes what was not committed.
func (r *refusals) abandon() error {
	if r.rejects == nil {
		return nil
	}
	return r.rejects.out.writer.Close()
}

// undo removes what was committed of an attempt that comes to nothing; what stays is
// garbage.
func (r *refusals) undo(ctx context.Context, err error) error {
	for _, f := range r.result.Files {
		err = errors.Join(err, r.store.Delete(context.WithoutCancel(ctx), f.Path))
	}
	return err
}

// CreateRun starts the run of an attempt.
func CreateRun(ctx context.Context, st store.Store, a Attempt) (*Run, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	name := a.name("run", "rows")
	w, err := st.Create(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("stage task %d of job %s: %w", a.Task, a.Job, err)
	}
	return &Run{refusals: refusals{attempt: a, store: st}, name: name, out: newOutput(w)}, nil
}

// Write adds bytes to the run.
func (r *Run) Write(p []byte) (int, error) { return r.out.Write(p) }

// Keep counts a row that is in the run.
func (r *Run) Keep(n partition.Number) { r.keep(n) }

// Finish commits the files; pieces is what the file that says where they lie holds.
func (r *Run) Finish(ctx context.Context, pieces []byte) (Output, error) {
	err := r.finish(ctx, pieces)
	if err != nil {
		return Output{}, r.undo(ctx, fmt.Errorf("finish %s: %w", r.name, err))
	}
	return r.result, nil
}

func (r *Run) finish(ctx context.Context, pieces []byte) error {
	if err := r.commit(); err != nil {
		return err
	}
	f, err := putCounts(ctx, r.store, job.FilePieces, r.attempt.name("pieces", "cbor"), pieces, 0)
	if err != nil {
		return err
	}
	r.result.Files = append(r.result.Files, f)
	if err := r.out.commit(); err != nil {
		return err
	}
	digest := hex.EncodeToString(r.out.hash.Sum(nil))
	r.result.Files = append([]job.File{{
		Kind: job.FileRun, Path: r.name, Rows: r.result.Counts.Scored, Bytes: r.out.offset, SHA256: digest, Content: digest,
	}}, r.result.Files...)
	return nil
}

// Close abandons what Finish did not commit. It may be called at any time.
func (r *Run) Close() error { return errors.Join(r.out.writer.Close(), r.abandon()) }

// VerifyBytes reads files again and compares their digests with those that were written.
func VerifyBytes(ctx context.Context, st store.Store, files []job.File) error {
	for _, f := range files {
		if err := reread(ctx, st, f.Path, func(o store.Object) error { return verifyBytes(ctx, o, f) }); err != nil {
			return fmt.Errorf("verify %s: %w", f.Path, err)
		}
	}
	return nil
}
