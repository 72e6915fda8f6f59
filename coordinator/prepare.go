package coordinator

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"

	"rescore/coordinator/ledger"
	"rescore/coordinator/plan"
	"rescore/partition/failpoint"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
)

// planExchange plans the exchange of a preparation: slices of its exports, which all cut
// their rows by the same ranges. Like every plan it follows from the ledger and from
// files that never change.
func (t *Term) planExchange(ctx context.Context, j *ledger.Job, spec job.Spec) ([]job.Task, ledger.Facts, error) {
	in, err := t.readIntake(ctx, j, spec)
	if err != nil {
		return nil, ledger.Facts{}, err
	}
	rows := cmp.Or(j.PartitionRows, t.cfg.PartitionRows)
	ranges, err := plan.Ranges(in, rows)
	if err != nil {
		return nil, ledger.Facts{}, err
	}
	tasks, err := plan.Slices(in, rows)
	if err != nil {
		return nil, ledger.Facts{}, err
	}
	data, err := wire.EncodeCut(ranges)
	if err != nil {
		return nil, ledger.Facts{}, err
	}
	st, err := t.output(j, spec)
	if err != nil {
		return nil, ledger.Facts{}, err
	}
	cut, err := stageOnce(ctx, st, j, job.File{Kind: job.FileCut, Path: "cut", Rows: int64(len(ranges))}, data)
	if err != nil {
		return nil, ledger.Facts{}, err
	}
	for i := range tasks {
		tasks[i].Staged = []job.File{cut}
	}
	return tasks, ledger.Facts{Files: in.Files}, nil
}

// planMerge plans the merge of a preparation: a task a range, over the pieces of every
// run that are in it.
func (t *Term) planMerge(ctx context.Context, j *ledger.Job, spec job.Spec) ([]job.Task, error) {
	st, err := t.output(j, spec)
	if err != nil {
		return nil, err
	}
	exchange := j.Exchange()
	data, err := getStaged(ctx, st, exchange.Tasks[0].Plan().Staged[0])
	if err != nil {
		return nil, fmt.Errorf("the ranges of the exchange: %w", err)
	}
	ranges, err := wire.DecodeCut(data)
	if err != nil {
		return nil, err
	}
	runs := make([]job.File, len(exchange.Tasks))
	pieces := make([][]job.Piece, len(ranges)) // by range, then run, then pass
	var adding sync.Mutex
	err = t.cfg.each(ctx, len(exchange.Tasks), func(ctx context.Context, i int) error {
		task := &exchange.Tasks[i]
		list, err := fileOf(task, job.FilePieces)
		if err == nil {
			runs[i], err = fileOf(task, job.FileRun)
		}
		if err != nil {
			return err
		}
		data, err := getStaged(ctx, st, list)
		if err != nil {
			return err
		}
		mine, err := wire.DecodePieces(data)
		if err != nil {
			return fmt.Errorf("%s: %w", list.Path, err)
		}
		adding.Lock()
		defer adding.Unlock()
		for _, p := range mine {
			if p.Range >= len(ranges) {
				return fmt.Errorf("%s: a piece of range %d of %d", list.Path, p.Range, len(ranges))
			}
			p.Run = i
			pieces[p.Range] = append(pieces[p.Range], p)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	tasks := make([]job.Task, len(ranges))
	err = t.cfg.each(ctx, len(ranges), func(ctx context.Context, k int) error {
		tasks[k] = job.Task{Range: ranges[k]}
		slices.SortFunc(pieces[k], func(a, b job.Piece) int { return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Offset, b.Offset)) })
		var g job.Gather
		for i, p := range pieces[k] {
			if i == 0 || p.Run != pieces[k][i-1].Run {
				g.Runs = append(g.Runs, runs[p.Run])
			}
			tasks[k].Rows, tasks[k].Keys = tasks[k].Rows+p.Rows, tasks[k].Keys.Add(p.Keys)
			p.Run = len(g.Runs) - 1
			g.Pieces = append(g.Pieces, p)
		}
		data, err := wire.EncodeGather(g)
		if err != nil {
			return err
		}
		file, err := stageOnce(ctx, st, j, job.File{Kind: job.FilePieces, Path: fmt.Sprintf("gather-%05d", k), Rows: tasks[k].Rows}, data)
		tasks[k].Staged = []job.File{file}
		return err
	})
	return tasks, err
}

// stageOnce stages what a leader worked out, under a name that begins with file.Path
// and follows from the content: whoever leads next finds it, or writes the same.
func stageOnce(ctx context.Context, st store.Store, j *ledger.Job, file job.File, data []byte) (job.File, error) {
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	file.Bytes, file.SHA256, file.Content = int64(len(data)), digest, digest
	file.Path = j.ID.StagingPrefix() + file.Path + "-" + digest[:16] + ".bin"
	failpoint.Hit("coordinator.stage")
	err := st.Put(ctx, file.Path, data)
	if errors.Is(err, store.ErrExist) { // an earlier leader's, or ours before a restart
		_, err = getStaged(ctx, st, file)
	}
	if err != nil {
		return job.File{}, fmt.Errorf("stage %s: %w", file.Path, err)
	}
	return file, nil
}

// readIntake reads what the survey of a preparation found.
func (t *Term) readIntake(ctx context.Context, j *ledger.Job, spec job.Spec) (job.Intake, error) {
	data, err := t.readSurveyed(ctx, j, spec)
	if err != nil {
		return job.Intake{}, err
	}
	return wire.DecodeIntake(data)
}

// dropRuns takes back what a preparation needs until its version is there: its runs are
// as large as its input. A file that stays is garbage, and collected as such.
func (t *Term) dropRuns(ctx context.Context, st store.Store, j *ledger.Job) {
	for i := range j.Exchange().Tasks {
		for _, f := range j.Exchange().Tasks[i].Result().Files {
			if f.Kind != job.FileRun {
				continue
			}
			if err := st.Delete(ctx, f.Path); err != nil {
				t.cfg.Log.Warn("drop a sorted run; garbage collection will", "job", j.ID, "file", f.Path, "err", err)
				return
			}
		}
	}
}
