package ledger

import (
	"fmt"

	"rescore/partition/job"
)

func (c Pause) apply(s *State, index uint64) (Reply, []Event, error) {
	if c.Who == "" {
		return nil, nil, fmt.Errorf("pause of job %s needs who: %w", c.Job, ErrCommand)
	}
	j, err := s.job(c.Job)
	if err != nil {
		return nil, nil, err
	}
	if j.Paused != nil {
		return PauseReply{}, nil, nil
	}
	if j.State != job.Submitted && j.State != job.Running && j.State != job.Held {
		return nil, nil, fmt.Errorf("job %s is %s: %w", c.Job, j.State, ErrState)
	}
	j.Paused = &Pausing{Who: c.Who, Index: index}
	return PauseReply{}, []Event{{Kind: JobPaused, Job: j.ID}}, nil
}

func (c Resume) apply(s *State, _ uint64) (Reply, []Event, error) {
	if c.Who == "" {
		return nil, nil, fmt.Errorf("resume of job %s needs who: %w", c.Job, ErrCommand)
	}
	j, err := s.job(c.Job)
	if err != nil {
		return nil, nil, err
	}
	if j.Paused == nil {
		return ResumeReply{}, nil, nil
	}
	j.Paused = nil
	return ResumeReply{}, []Event{{Kind: JobResumed, Job: j.ID}}, nil
}

func (c Cancel) apply(s *State, index uint64) (Reply, []Event, error) {
	if c.Who == "" {
		return nil, nil, fmt.Errorf("cancel of job %s needs who: %w", c.Job, ErrCommand)
	}
	j, err := s.job(c.Job)
	if err != nil {
		return nil, nil, err
	}
	switch j.State {
	case job.Cancelled:
		return CancelReply{}, nil, nil
	case job.Submitted, job.Running, job.Held:
		reason := "cancelled by " + c.Who
		if c.Reason != "" {
			reason += ": " + c.Reason
		}
		j.end(job.Cancelled, index, reason)
		j.Cancelled = &Cancelling{Who: c.Who, Reason: c.Reason, Index: index}
		return CancelReply{}, []Event{{Kind: JobCancelled, Job: j.ID}}, nil
	case job.Sealed, job.Published, job.Failed: // too late
	}
	return nil, nil, fmt.Errorf("job %s is %s: %w", c.Job, j.State, ErrState)
}

func (c FailJob) apply(s *State, index uint64) (Reply, []Event, error) {
	j, err := s.job(c.Job)
	if err != nil {
		return nil, nil, err
	}
	switch j.State {
	case job.Submitted, job.Running, job.Held:
		return FailJobReply{}, j.fail(index, c.Reason), nil
	case job.Failed:
		if j.FailReason == c.Reason {
			return FailJobReply{}, nil, nil
		}
	case job.Sealed, job.Published, job.Cancelled: // too late
	}
	return nil, nil, fmt.Errorf("job %s is %s: %w", c.Job, j.State, ErrState)
}

// fail ends a job because it cannot go on.
func (j *Job) fail(index uint64, reason string) []Event {
	j.end(job.Failed, index, reason)
	return []Event{{Kind: JobFailed, Job: j.ID}}
}

// end stops a job. Its leases are taken back, so that only running jobs have any and
// every late report is fenced.
func (j *Job) end(state job.State, index uint64, reason string) {
	j.State, j.FailReason, j.FailIndex = state, reason, index
	for i := range j.Stages {
		st := &j.Stages[i]
		for t := range st.Leased() {
			st.change(t, func(t *Task) { t.State, t.Token, t.Second = Waiting, 0, nil })
		}
	}
}

func (c Retry) apply(s *State, _ uint64) (Reply, []Event, error) {
	j, err := s.job(c.Job)
	if err != nil {
		return nil, nil, err
	}
	if c.FailIndex != 0 && j.Retried == c.FailIndex {
		return RetryReply{State: j.State}, nil, nil
	}
	ended := j.State == job.Failed || j.State == job.Cancelled
	if !ended && (j.State != job.Running || !j.quarantined()) || j.FailIndex != c.FailIndex {
		return nil, nil, fmt.Errorf("job %s is %s: %w", c.Job, j.State, ErrState)
	}
	if c.Epoch != 0 && c.Epoch < j.Epoch || j.Generation != s.generation && c.Epoch <= j.Epoch {
		return nil, nil, fmt.Errorf("job %s under epoch %d, it had %d from a ledger named otherwise, or a higher one: %w", c.Job, c.Epoch, j.Epoch, ErrFenced)
	}
	if c.Epoch != 0 {
		j.Epoch = c.Epoch
	}
	j.Generation = s.generation
	j.State, j.FailReason, j.Retried = job.Running, "", c.FailIndex
	for i := range j.Stages {
		st := &j.Stages[i]
		if !st.Planned {
			continue
		}
		for t := range st.Tasks {
			switch st.Tasks[t].State {
			case Waiting, Failed:
				st.change(t, func(t *Task) { t.State, t.Failures, t.Silences = Waiting, 0, 0 })
			case Leased, Done: // goes on; I6
			}
		}
	}
	return RetryReply{State: j.State}, []Event{{Kind: JobRetried, Job: j.ID}}, nil
}

// quarantined reports whether a task is.
func (j *Job) quarantined() bool {
	for i := range j.Stages {
		if j.Stages[i].totals.Failed > 0 {
			return true
		}
	}
	return false
}
