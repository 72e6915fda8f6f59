package ledger

import (
	"cmp"
	"fmt"
	"slices"

	"rescore/partition"
	"rescore/partition/job"
)

// tasksMax is the most tasks of a stage that a snapshot is read back with.
const tasksMax = 1 << 20

func (c Divide) apply(s *State, _ uint64) (Reply, []Event, error) {
	j, st, t, err := s.task(c.TaskRef)
	if err != nil {
		return nil, nil, err
	}
	if len(c.Parts) < 2 || st.Kind != job.StageScore {
		return nil, nil, fmt.Errorf("%s: a score task is divided into at least two parts, not a %s task into %d: %w", c.TaskRef, st.Kind, len(c.Parts), ErrCommand)
	}
	if st.Divided && t.is(c.Parts[0]) {
		return DivideReply{Tasks: len(st.Tasks)}, nil, nil
	}
	if j.State != job.Running || !st.Planned || t.State != Waiting {
		return nil, nil, fmt.Errorf("%s is %s, its job %s: %w", c.TaskRef, t.State, j.State, ErrState)
	}
	for i := c.Stage + 1; i < len(j.Stages); i++ {
		if len(j.Stages[i].Tasks) > 0 {
			return nil, nil, fmt.Errorf("%s: stage %d is planned over it: %w", c.TaskRef, i, ErrState)
		}
	}
	if len(st.Tasks)+len(c.Parts)-1 > tasksMax {
		return nil, nil, fmt.Errorf("%s into %d parts, of %d tasks: %w", c.TaskRef, len(c.Parts), len(st.Tasks), ErrTooLarge)
	}
	whole := t.Plan()
	if err := checkParts(whole, c.Parts); err != nil {
		return nil, nil, fmt.Errorf("divide %s: %w", c.TaskRef, err)
	}

	// What went wrong with the whole may be wrong with any part, so that each part has
	// the attempts that were left, and dividing for ever does not help a poisoned task.
	parts := make([]Task, len(c.Parts))
	for i, p := range c.Parts {
		n := newTask(s.shelf, p)
		n.Attempts, n.Failures, n.Silences, n.Worker, n.Reason = t.Attempts, t.Failures, t.Silences, t.Worker, t.Reason
		parts[i] = n
	}
	st.totals.PlannedRows += parts[0].Rows - whole.Rows
	st.totals.PlannedKeys = st.totals.PlannedKeys.Sub(whole.Keys).Add(parts[0].Keys)
	st.Tasks[c.Task] = parts[0] // waiting, as the whole was
	grown := len(st.Tasks)
	st.Tasks = append(st.Tasks, parts[1:]...)
	st.grow(grown)
	st.Divided = true
	return DivideReply{Tasks: len(st.Tasks)}, []Event{{Kind: TaskDivided, Job: j.ID, Stage: c.Stage, Task: c.Task}}, nil
}

// checkParts returns an error unless the parts together are the whole (I1, I2).
func checkParts(whole job.Task, parts []job.Task) error {
	ranges := make([]partition.Range, len(parts))
	var rows int64
	var keys partition.Sum
	var runs []job.Slice
	for i, p := range parts {
		if p.Rows < 0 || len(p.Staged) > 0 {
			return fmt.Errorf("part %d has %d rows and %d staged files: %w", i, p.Rows, len(p.Staged), ErrCommand)
		}
		ranges[i] = p.Range
		rows += p.Rows
		keys = keys.Add(p.Keys)
		runs = append(runs, p.Slices...)
	}
	if err := partition.CheckCover(whole.Range, ranges); err != nil {
		return fmt.Errorf("%s: %w: %w", whole.Range, ErrCover, err)
	}
	if rows != whole.Rows || keys != whole.Keys {
		return fmt.Errorf("parts have %d rows of %d, or other numbers: %w", rows, whole.Rows, ErrCounts)
	}
	if !slices.Equal(joined(runs), joined(whole.Slices)) {
		return fmt.Errorf("parts read other rows of the files than the whole: %w", ErrCounts)
	}
	return nil
}

// joined returns the runs by month, file and row, with those joined that follow each
// other: two lists of the same rows, each once, are equal then.
func joined(runs []job.Slice) []job.Slice {
	sorted := slices.SortedFunc(slices.Values(runs), func(a, b job.Slice) int {
		return cmp.Or(cmp.Compare(a.Month, b.Month), cmp.Compare(a.File, b.File), cmp.Compare(a.First, b.First))
	})
	var out []job.Slice
	for _, r := range sorted {
		if n := len(out); n == 0 || !out[n-1].Join(r) {
			out = append(out, r)
		}
	}
	return out
}
