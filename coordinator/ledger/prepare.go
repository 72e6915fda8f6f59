package ledger

import (
	"fmt"
	"slices"

	"rescore/partition"
	"rescore/partition/job"
)

// checkExchange returns an error unless the tasks hold every row of the files once
// (I2), and all cut by the same ranges.
func checkExchange(tasks []Task, facts Facts) error {
	var rows int64
	var cut job.File
	for i := range tasks {
		t := tasks[i].Plan()
		if i == 0 && len(t.Staged) == 1 {
			cut = t.Staged[0]
		}
		if len(t.Staged) != 1 || t.Staged[0].Kind != job.FileCut || t.Staged[0] != cut || len(t.Slices) == 0 {
			return fmt.Errorf("task %d needs rows of the input, and the ranges that all cut by: %w", i, ErrCommand)
		}
		for _, s := range t.Slices {
			t.Rows -= s.Rows
		}
		if t.Rows != 0 {
			return fmt.Errorf("task %d and its slices differ by %d rows: %w", i, t.Rows, ErrCounts)
		}
		rows += tasks[i].Rows
	}
	if want := facts.rows(); rows != want {
		return fmt.Errorf("tasks hold %d rows, the files %d: %w", rows, want, ErrCounts)
	}
	return nil
}

// checkMerge returns an error unless the tasks cover the number space (I1) and hold
// every row that the exchange wrote (I2).
func checkMerge(exchange *Stage, tasks []Task) error {
	if exchange == nil || !exchange.Complete() {
		return fmt.Errorf("nothing is exchanged: %w", ErrNotDone)
	}
	if err := checkCover(tasks, nil); err != nil {
		return err
	}
	var rows int64
	var keys partition.Sum
	for i := range tasks {
		t := tasks[i].Plan()
		if len(t.Staged) != 1 || t.Staged[0].Kind != job.FilePieces || len(t.Slices) > 0 {
			return fmt.Errorf("task %d needs the pieces of its range: %w", i, ErrCommand)
		}
		rows, keys = rows+t.Rows, keys.Add(t.Keys)
	}
	if sum := exchange.totals; rows != sum.Counts.Scored || keys != sum.Rows {
		return fmt.Errorf("tasks hold %d rows, the runs %d, or other numbers: %w", rows, sum.Counts.Scored, ErrCounts)
	}
	return nil
}

// checkPrepared checks a finished preparation from the tasks up: every row of the files
// is written, a duplicate, excluded or rejected, once.
func (j *Job) checkPrepared() error {
	exchange, merge := j.Exchange(), j.Score()
	if err := checkExchange(exchange.Tasks, j.Facts); err != nil {
		return fmt.Errorf("exchange: %w", err)
	}
	if err := checkMerge(exchange, merge.Tasks); err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	for _, st := range []*Stage{exchange, merge} {
		var counts job.Counts
		var keys partition.Sum
		for i := range st.Tasks {
			t := &st.Tasks[i]
			r := t.Result()
			if t.State != Done || r == nil {
				return fmt.Errorf("%s task %d is %s: %w", st.Kind, i, t.State, ErrNotDone)
			}
			if err := checkResult(st.Kind, t, *r); err != nil {
				return fmt.Errorf("%s task %d: %w", st.Kind, i, err)
			}
			counts, keys = counts.Add(r.Counts), keys.Add(r.Keys)
		}
		if sum := st.totals; sum.Counts != counts || sum.Keys != keys {
			return fmt.Errorf("maintained totals %+v, %s tasks %+v: %w", sum.Counts, st.Kind, counts, ErrCounts)
		}
	}
	if counts := j.Totals().Counts; !counts.Conserved() || counts.In != j.Facts.rows() {
		return fmt.Errorf("in total %+v, files hold %d rows: %w", counts, j.Facts.rows(), ErrCounts)
	}
	return nil
}

// checkMade returns an error unless a task of a preparation staged what the next one
// reads.
func checkMade(kind job.StageKind, r job.Result) error {
	need := map[job.StageKind][]job.FileKind{
		job.StageExchange: {job.FileRun, job.FilePieces},
		job.StageMerge:    {job.FileBase},
	}
	for _, want := range need[kind] {
		if !slices.ContainsFunc(r.Files, func(f job.File) bool { return f.Kind == want }) {
			return fmt.Errorf("a %s task staged no file of kind %d: %w", kind, want, ErrCommand)
		}
	}
	return nil
}
