package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/ecdf"
	"rescore/partition/failpoint"
	"rescore/partition/job"
	"rescore/partition/wire"
	"rescore/worker/program"
	"rescore/worker/sink"
)

// place puts a scored partition into the whole base: score file and the base's
// ranks → program → published file → verified file. On the way the rows that the
// ranks put on the shortlist get exact reasons.
func (w *Worker) place(ctx context.Context, a wire.Assignment, p *prepared, turn *turn, rows *atomic.Int64) (result job.Result, err error) {
	if len(a.Task.Staged) != 2 || a.Task.Staged[0].Kind != job.FileScores || a.Task.Staged[1].Kind != job.FileRanks {
		return result, fatal(errors.New("a select task needs a score file and the ranks of the base"))
	}
	clock := stopwatch(time.Now())
	places, err := p.ranks.get(ctx, p, a.Task.Staged[1])
	clock.lap(&result.Timing.Read)
	if err != nil {
		return result, err
	}
	plan, err := program.ForSelect(p.spec, places)
	if err != nil {
		return result, fatal(err)
	}
	const batchRows = 1 << 14
	prog := plan.Program(batchRows, memory.NewGoAllocator())
	defer prog.Release()
	numbers := make([]uint64, batchRows) // no kernel here reads them
	clock.lap(&result.Timing.Score)
	explained, err := p.exact(ctx, a, places, w.cfg.BatchRows, &clock, &result.Timing)
	if err != nil {
		return result, err
	}
	failpoint.Hit("worker.select")
	written, err := sink.Select(ctx, p.output, sink.Attempt{
		Job: a.Job, Task: a.Index, Epoch: a.Epoch, Token: a.Token, Nonce: nonce(), Prefix: a.Job.StagingPrefix(), Range: a.Task.Range,
		Month: p.spec.Month, ModelDigest: p.model.Digest, RulesDigest: p.spec.RulesDigest(), Challengers: p.spec.Model.Names(), Features: p.model.Features, Compression: p.spec.Output.Compression, Written: clock.written(turn, &result), Spare: w.spare,
	}, sink.Selection{
		Scores: a.Task.Staged[0], Columns: plan.Columns(), BatchRows: batchRows, Explained: explained,
		Eval: func(r arrow.Record) (arrow.Record, error) {
			clock.lap(&result.Timing.Write)
			defer clock.lap(&result.Timing.Score)
			rows.Add(r.NumRows())
			return prog.Eval(r, numbers[:r.NumRows()], nil)
		},
	})
	clock.lap(&result.Timing.Verify)
	if err != nil {
		return result, err
	}
	failpoint.Hit("worker.keep")
	result.Counts, result.Rows, result.Files, result.Tally = written.Counts, written.Rows, written.Files, written.Tally
	return result, nil
}

// ranking is where everybody of a job's base stands: every task of the select
// stage needs it.
type ranking struct {
	mu     sync.Mutex
	digest string // of the histogram it was worked out from
	places program.Places
}

// get works the places out from the base's histogram, or gives those of the task
// before.
func (r *ranking) get(ctx context.Context, p *prepared, file job.File) (program.Places, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.digest == file.SHA256 {
		return r.places, nil
	}
	data, err := p.output.Get(ctx, file.Path, ecdf.BytesMax)
	if err != nil {
		return r.places, fmt.Errorf("read the base's ranks: %w", err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != file.SHA256 {
		return r.places, fmt.Errorf("read the base's ranks %s: %w", file.Path, sink.ErrDamaged)
	}
	base, err := ecdf.Decode(data)
	if err != nil {
		return r.places, fmt.Errorf("read the base's ranks %s: %w", file.Path, err)
	}
	places, err := program.Place(p.spec, base)
	if err != nil {
		return r.places, fatal(err)
	}
	r.places, r.digest = places, file.SHA256
	return places, nil
}
