package coordinator

import (
	"context"

	"rescore/coordinator/lease"
	"rescore/coordinator/ledger"
	"rescore/coordinator/plan"
	"rescore/partition/job"
	"rescore/partition/wire"
)

// divisible notes what is to be divided, for Step to do; t.mu is held.
func (t *Term) divisible(divisions []lease.Division) {
	for _, w := range t.jobs {
		w.divide = nil // or was granted meanwhile
	}
	for _, d := range divisions {
		if w := t.jobs[d.Job]; w != nil && !w.divided[d.TaskRef] {
			w.divide = append(w.divide, d)
		}
	}
}

// divide cuts waiting tasks of a job, by the survey that they were planned from. A task
// that was granted meanwhile is left whole.
func (t *Term) divide(ctx context.Context, j *ledger.Job) error {
	t.mu.Lock()
	var divisions []lease.Division
	if w := t.jobs[j.ID]; w != nil {
		divisions, w.divide = w.divide, nil
		for _, d := range divisions {
			w.divided[d.TaskRef] = true
		}
	}
	t.mu.Unlock()
	if len(divisions) == 0 {
		return nil
	}
	spec, err := t.spec(j)
	if err != nil {
		return err
	}
	survey, err := t.readSurvey(ctx, j, spec)
	if err != nil {
		return err
	}
	divider, err := plan.NewDivider(survey)
	if err != nil {
		return err
	}
	for _, d := range divisions {
		if !t.waits(d.TaskRef) {
			continue
		}
		parts := divider.Divide(j.Stages[d.Stage].Tasks[d.Task].Range, d.Parts)
		if len(parts) < 2 {
			continue // of one segment
		}
		if _, err := t.ledger.Propose(ctx, ledger.Divide{TaskRef: d.TaskRef, Parts: parts}); err != nil {
			if answerTo(err) != wire.Refused {
				return err
			}
			t.cfg.Log.Debug("divide", "job", d.Job, "part", d.Task, "err", err)
		}
	}
	return nil
}

// waits reports whether a task may still be granted.
func (t *Term) waits(ref ledger.TaskRef) (yes bool) {
	t.ledger.View(func(s *ledger.State) {
		if j := s.Job(ref.Job); j != nil && j.State == job.Running {
			yes = j.Stages[ref.Stage].Tasks[ref.Task].State == ledger.Waiting
		}
	})
	return yes
}
