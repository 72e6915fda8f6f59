package ledger

import (
	"fmt"
	"slices"

	"rescore/partition"
	"rescore/partition/job"
)

func (c Grant) apply(s *State, index uint64) (Reply, []Event, error) {
	if c.Worker == "" {
		return nil, nil, fmt.Errorf("a grant needs a worker: %w", ErrCommand)
	}
	var reply GrantReply
	var events []Event
	for _, ref := range c.Tasks {
		j, st, t, err := s.task(ref)
		if err != nil || j.State != job.Running || !st.Planned || t.State != Waiting { // I6
			continue
		}
		st.change(ref.Task, func(t *Task) {
			t.State, t.Token, t.Worker = Leased, job.Token(index), c.Worker
			t.Attempts++
		})
		reply.Leases = append(reply.Leases, Lease{TaskRef: ref, Token: job.Token(index)})
		events = append(events, Event{Kind: TaskGranted, Job: ref.Job, Stage: ref.Stage, Task: ref.Task, Token: job.Token(index), Worker: c.Worker})
	}
	return reply, events, nil
}

func (c Complete) apply(s *State, _ uint64) (Reply, []Event, error) {
	j, st, t, err := s.task(c.TaskRef)
	if err != nil {
		return nil, nil, err
	}
	if t.State == Done && t.Token == c.Token && equalResult(*t.Result, c.Result) {
		return CompleteReply{Repeat: true, StageDone: st.Complete()}, nil, nil
	}
	if err := held(t, c.Lease); err != nil {
		return nil, nil, err
	}
	if err := checkResult(st.Kind, t, c.Result); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.Lease, err)
	}
	result := c.Result
	st.change(c.Task, func(t *Task) { t.State, t.Result = Done, &result })
	events := []Event{{Kind: TaskDone, Job: j.ID, Stage: c.Stage, Task: c.Task, Token: c.Token, Worker: t.Worker}}
	if st.Complete() {
		events = append(events, Event{Kind: StageDone, Job: j.ID, Stage: c.Stage})
	}
	return CompleteReply{StageDone: st.Complete()}, events, nil
}

// held returns ErrFenced unless l is the task's current lease (I3).
func held(t *Task, l Lease) error {
	if t.State != Leased || t.Token != l.Token {
		return fmt.Errorf("%s: task is %s: %w", l, t.State, ErrFenced)
	}
	return nil
}

// checkResult checks that a task's rows are conserved (I2). A survey scores no
// row: its counts need only be conserved, and are zero. What a select task reads
// was scored already, and all of it is to be there still.
func checkResult(kind job.StageKind, t *Task, r job.Result) error {
	if !r.Counts.Conserved() {
		return fmt.Errorf("%w: %+v", ErrCounts, r.Counts)
	}
	if kind == job.StageSurvey {
		return nil
	}
	if r.Counts.In != t.Rows || kind == job.StageSelect && r.Counts.Scored != t.Rows {
		return fmt.Errorf("%w: read %d rows, planned %d", ErrCounts, r.Counts.In, t.Rows)
	}
	keys := t.Keys
	if kind == job.StageSelect {
		keys = partition.Sum{} // the numbers that the score stage read; this one may read some again
	}
	if r.Keys != keys {
		return fmt.Errorf("%w: other numbers were read than the survey saw; the input changed", ErrCounts)
	}
	for c, counts := range r.Drift {
		var rows int64
		for _, n := range counts {
			if n < 0 || n > r.Counts.Scored {
				return fmt.Errorf("%w: a bin of %d rows", ErrCounts, n)
			}
			rows += n
		}
		if rows != r.Counts.Scored {
			return fmt.Errorf("%w: column %d watched for drift has %d rows in its bins, %d were scored", ErrCounts, c, rows, r.Counts.Scored)
		}
	}
	return nil
}

func equalResult(a, b job.Result) bool {
	return a.Counts == b.Counts && a.Keys == b.Keys && a.Rows == b.Rows &&
		slices.Equal(a.Files, b.Files) && a.Tally == b.Tally && a.Timing == b.Timing &&
		slices.EqualFunc(a.Drift, b.Drift, slices.Equal[[]int64])
}

func (c Fail) apply(s *State, index uint64) (Reply, []Event, error) {
	j, st, t, err := s.task(c.TaskRef)
	if err != nil {
		return nil, nil, err
	}
	if err := held(t, c.Lease); err != nil {
		return nil, nil, err
	}
	gone := c.Fatal || t.Failures+1 >= j.MaxAttempts
	return FailReply{JobFailed: gone}, j.giveBack(st, c.Lease, index, gone, func(t *Task) {
		t.Failures++
		t.Reason = c.Reason
	}), nil
}

func (c Expire) apply(s *State, index uint64) (Reply, []Event, error) {
	if c.Cause != Silent && c.Cause != Restart {
		return nil, nil, fmt.Errorf("unknown cause %d: %w", c.Cause, ErrCommand)
	}
	j, st, t, err := s.task(c.TaskRef)
	if err != nil {
		return nil, nil, err
	}
	if err := held(t, c.Lease); err != nil {
		return nil, nil, err
	}
	silent := c.Cause == Silent
	gone := silent && t.Silences+1 >= SilencesPerAttempt*j.MaxAttempts
	return ExpireReply{JobFailed: gone}, j.giveBack(st, c.Lease, index, gone, func(t *Task) {
		if silent {
			t.Silences++
		}
		if gone {
			t.Reason = fmt.Sprintf("workers fell silent %d times over it; it may take more memory than they have", t.Silences)
		}
	}), nil
}

// giveBack ends a lease that did not finish its task: the task waits again or,
// when gone, fails the job.
func (j *Job) giveBack(st *Stage, l Lease, index uint64, gone bool, note func(*Task)) []Event {
	st.change(l.Task, func(t *Task) {
		note(t)
		t.State, t.Token = Waiting, 0
		if gone {
			t.State = Failed
		}
	})
	t := &st.Tasks[l.Task]
	if !gone {
		return []Event{{Kind: TaskWaiting, Job: j.ID, Stage: l.Stage, Task: l.Task, Token: l.Token, Worker: t.Worker}}
	}
	return j.fail(index, fmt.Sprintf("%s task %d (%s), attempt %d by %s: %s", st.Kind, l.Task, t.Range, t.Attempts, t.Worker, t.Reason))
}

// fail ends a job. Its leases are taken back, so that only running jobs have
// any and every late report is fenced.
func (j *Job) fail(index uint64, reason string) []Event {
	j.State, j.FailReason, j.FailIndex = job.Failed, reason, index
	for i := range j.Stages {
		st := &j.Stages[i]
		for t := range st.Leased() {
			st.change(t, func(t *Task) { t.State, t.Token = Waiting, 0 })
		}
	}
	return []Event{{Kind: JobFailed, Job: j.ID}}
}
