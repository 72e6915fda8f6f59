package ledger

import (
	"fmt"

	"rescore/partition/job"
)

// keep makes a planned task done with the result of a task of a published job.
func (s *State) keep(j *Job, st *Stage, tasks []Task, k Kept) error {
	if j.Base == "" || st.Kind == job.StageSurvey {
		return fmt.Errorf("only a rerun keeps results, and never a survey's: %w", ErrCommand)
	}
	t, made := &tasks[k.Task], s.made(st.Kind, k)
	if made == nil {
		return fmt.Errorf("task %d of job %s is not published: %w", k.At, k.Job, ErrNoTask)
	}
	r := made.Result()
	switch {
	case t.Range != made.Range:
		return fmt.Errorf("is of %s, task %d of job %s of %s: %w", t.Range, k.At, k.Job, made.Range, ErrCover)
	case t.Rows != made.Rows || t.Keys != made.Keys:
		return fmt.Errorf("has %d rows, task %d of job %s had %d, or other numbers: %w", t.Rows, k.At, k.Job, made.Rows, ErrCounts)
	case !sameContent(t.Plan().Staged, made.Plan().Staged):
		return fmt.Errorf("works on other staged files than task %d of job %s: %w", k.At, k.Job, ErrConflict)
	}
	if err := checkResult(st.Kind, t, *r); err != nil {
		return err
	}
	t.State, t.Token, t.Worker, t.result = Done, made.Token, made.Worker, made.result
	if t.From = made.From; t.From == "" {
		t.From = s.byID[k.Job].ID
	}
	return nil
}

// isKept reports whether a task holds what is named.
func (s *State) isKept(kind job.StageKind, t *Task, k Kept) bool {
	made := s.made(kind, k)
	return made != nil && t.Range == made.Range && t.Token == made.Token && t.result.text() == made.result.text()
}

// made returns the done task that is named, nil when there is none that is published.
func (s *State) made(kind job.StageKind, k Kept) *Task {
	j := s.byID[k.Job]
	if j == nil || j.State != job.Published {
		return nil
	}
	for i := range j.Stages {
		if st := &j.Stages[i]; st.Kind == kind && k.At >= 0 && k.At < len(st.Tasks) {
			return &st.Tasks[k.At]
		}
	}
	return nil
}

// sameContent reports whether two lists of files hold the same, whatever their names.
func sameContent(a, b []job.File) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Kind != b[i].Kind || a[i].Rows != b[i].Rows || a[i].Content != b[i].Content {
			return false
		}
	}
	return true
}
