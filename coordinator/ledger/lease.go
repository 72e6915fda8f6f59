package ledger

import (
	"fmt"
	"slices"
	"strings"

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
		if err != nil || j.State != job.Running || j.Paused != nil || !st.Planned || t.State != Waiting { // I6
			continue
		}
		token := s.token(index)
		st.change(ref.Task, func(t *Task) {
			t.State, t.Token, t.Worker = Leased, token, c.Worker
			t.Attempts++
		})
		reply.Leases = append(reply.Leases, Lease{TaskRef: ref, Token: token})
		events = append(events, Event{Kind: TaskGranted, Job: ref.Job, Stage: ref.Stage, Task: ref.Task, Token: token, Worker: c.Worker})
	}
	return reply, events, nil
}

func (c Double) apply(s *State, index uint64) (Reply, []Event, error) {
	if c.Worker == "" {
		return nil, nil, fmt.Errorf("a second attempt needs a worker: %w", ErrCommand)
	}
	j, st, t, err := s.task(c.TaskRef)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case t.State != Leased || t.Token != c.Token:
		return nil, nil, fmt.Errorf("%s: task is %s: %w", c.Lease, t.State, ErrFenced)
	case t.Second != nil || t.Worker == c.Worker:
		return nil, nil, fmt.Errorf("%s has a second attempt, or its first is by %s too: %w", c.Lease, c.Worker, ErrConflict)
	case j.Paused != nil:
		return nil, nil, fmt.Errorf("job %s is paused: %w", j.ID, ErrState)
	}
	lease := Lease{TaskRef: c.TaskRef, Token: s.token(index)}
	st.change(c.Task, func(t *Task) {
		t.Second = &Second{Token: lease.Token, Worker: c.Worker}
		t.Attempts++
	})
	return GrantReply{Leases: []Lease{lease}}, []Event{
		{Kind: TaskGranted, Job: j.ID, Stage: c.Stage, Task: c.Task, Token: lease.Token, Worker: c.Worker},
	}, nil
}

func (c Complete) apply(s *State, index uint64) (Reply, []Event, error) {
	j, st, t, err := s.task(c.TaskRef)
	if err != nil {
		return nil, nil, err
	}
	if t.State == Done && t.Token == c.Token && t.From == "" && t.result.text() == packResult(c.Result) {
		return CompleteReply{Repeat: true, StageDone: st.Complete()}, nil, nil
	}
	if t.State == Done && t.Second != nil && t.Second.Token == c.Token {
		reply, events := c.lost(j, st, t, index)
		return reply, events, nil
	}
	if err := held(t, c.Lease); err != nil {
		return nil, nil, err
	}
	if err := checkResult(st.Kind, t, c.Result); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.Lease, err)
	}
	if t.Second != nil && t.Second.Token == c.Token { // the other stays noted: its report is compared with this one
		st.change(c.Task, func(t *Task) {
			t.Worker, t.Second = t.Second.Worker, &Second{Token: t.Token, Worker: t.Worker}
		})
	}
	st.finish(c.Task, c.Token, &c.Result, put(s.shelf, packResult(c.Result)))
	events := []Event{{Kind: TaskDone, Job: j.ID, Stage: c.Stage, Task: c.Task, Token: c.Token, Worker: t.Worker}}
	if st.Complete() {
		events = append(events, Event{Kind: StageDone, Job: j.ID, Stage: c.Stage})
	}
	failed := j.failWhenStuck(st, index)
	return CompleteReply{StageDone: st.Complete(), JobFailed: failed != nil}, append(events, failed...), nil
}

// lost compares what the slower attempt of a doubled task made with what the task was
// finished with. A difference is written down once, however often it is reported.
func (c Complete) lost(j *Job, st *Stage, t *Task, index uint64) (CompleteReply, []Event) {
	reply := CompleteReply{StageDone: st.Complete(), Lost: true}
	what := difference(*t.Result(), c.Result)
	if what == "" {
		reply.Same = true
		return reply, nil
	}
	if slices.ContainsFunc(j.Incidents, func(i Incident) bool { return i.Stage == c.Stage && i.Task == c.Task && i.Loser == c.Token }) {
		return reply, nil
	}
	j.Incidents = append(j.Incidents, Incident{
		Stage: c.Stage, Task: c.Task, Winner: t.Token, Loser: c.Token,
		What: fmt.Sprintf("%s of %s: %s, on %s and %s", st.Kind, t.Range, what, t.Worker, t.Second.Worker), Index: index,
	})
	return reply, []Event{{Kind: TaskDiffered, Job: j.ID, Stage: c.Stage, Task: c.Task, Token: c.Token, Worker: t.Second.Worker}}
}

// difference names what two results of one task differ in, "" when they are the same
// but for names, footers and times, which are each attempt's own.
func difference(a, b job.Result) string {
	switch {
	case a.Counts != b.Counts:
		return fmt.Sprintf("counts differ, %+v and %+v", a.Counts, b.Counts)
	case a.Keys != b.Keys:
		return fmt.Sprintf("other numbers were read, %s and %s", a.Keys, b.Keys)
	case a.Rows != b.Rows:
		return fmt.Sprintf("rows differ, %s and %s", a.Rows, b.Rows)
	case !slices.Equal(a.Tables, b.Tables):
		return fmt.Sprintf("events of tables differ, %+v and %+v", a.Tables, b.Tables)
	case a.Tally != b.Tally || !slices.EqualFunc(a.Drift, b.Drift, slices.Equal[[]int64]) || !slices.Equal(a.Nulls, b.Nulls):
		return "tallies differ"
	case !sameContent(a.Files, b.Files):
		return "files differ in content"
	}
	return ""
}

// held returns ErrFenced unless l is a current lease of the task (I3).
func held(t *Task, l Lease) error {
	if t.State != Leased || t.Token != l.Token && (t.Second == nil || t.Second.Token != l.Token) {
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
	if err := checkMade(kind, r); err != nil {
		return err
	}
	if kind == job.StageScore {
		if err := checkTables(t.Plan().Slices, r.Tables); err != nil {
			return err
		}
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

// checkTables checks that every event of the slices is accounted for (I2).
func checkTables(slices []job.Slice, tables []job.TableCounts) error {
	planned := make([]int64, len(tables))
	for _, s := range slices {
		switch at := s.Table(); {
		case at < 0:
		case at >= len(tables):
			return fmt.Errorf("%w: nothing is said of the events of table %d", ErrCounts, at)
		default:
			planned[at] += s.Rows
		}
	}
	for i, c := range tables {
		if c.In != planned[i] || !c.Conserved() {
			return fmt.Errorf("%w: table %d has %d events, planned %d: %+v", ErrCounts, i, c.In, planned[i], c)
		}
	}
	return nil
}

func (c Fail) apply(s *State, index uint64) (Reply, []Event, error) {
	j, st, t, err := s.task(c.TaskRef)
	if err != nil {
		return nil, nil, err
	}
	if err := held(t, c.Lease); err != nil {
		return nil, nil, err
	}
	end, events := j.giveBack(st, c.Lease, index, func(t *Task) {
		t.Failures++
		t.Reason = c.Reason
	}, c.Fatal)
	return FailReply(end), events, nil
}

func (c Expire) apply(s *State, index uint64) (Reply, []Event, error) {
	if c.Cause < Silent || c.Cause > Returned {
		return nil, nil, fmt.Errorf("unknown cause %d: %w", c.Cause, ErrCommand)
	}
	j, st, t, err := s.task(c.TaskRef)
	if err != nil {
		return nil, nil, err
	}
	if err := held(t, c.Lease); err != nil {
		return nil, nil, err
	}
	end, events := j.giveBack(st, c.Lease, index, func(t *Task) {
		if c.Cause != Silent {
			return
		}
		t.Silences++
		if j.silenced(t) {
			t.Reason = fmt.Sprintf("workers fell silent %d times over it; it may take more memory than they have", t.Silences)
		}
	}, false)
	return ExpireReply(end), events, nil
}

// silenced reports whether a task's silences are as many as it may have.
func (j *Job) silenced(t *Task) bool { return t.Silences >= SilencesPerAttempt*j.MaxAttempts }

// ended says what a lease that did not finish its task ended besides itself.
type ended struct{ Quarantined, JobFailed bool }

// giveBack ends a lease that did not finish its task: a second attempt takes its place,
// or the task waits again, or it has used up its attempts and is quarantined.
func (j *Job) giveBack(st *Stage, l Lease, index uint64, note func(*Task), fatal bool) (ended, []Event) {
	worker := st.Tasks[l.Task].Worker
	if s := st.Tasks[l.Task].Second; s != nil && s.Token == l.Token {
		worker = s.Worker
	}
	out := ended{}
	st.change(l.Task, func(t *Task) {
		note(t)
		switch s := t.Second; {
		case s != nil && s.Token == l.Token:
			t.Second = nil
		case s != nil:
			t.Token, t.Worker, t.Second = s.Token, s.Worker, nil
		default:
			out.Quarantined = fatal || t.Failures >= j.MaxAttempts || j.silenced(t)
			t.State, t.Token = Waiting, 0
			if out.Quarantined {
				t.State = Failed
			}
		}
	})
	t := &st.Tasks[l.Task]
	event := Event{Kind: TaskWaiting, Job: j.ID, Stage: l.Stage, Task: l.Task, Token: l.Token, Worker: worker}
	var failed []Event
	switch {
	case fatal:
		if t.State == Leased { // by the other attempt, which cannot succeed either
			st.change(l.Task, func(t *Task) { t.State, t.Token = Failed, 0 })
			out.Quarantined = true
		}
		failed = j.fail(index, fmt.Sprintf("%s task %d (%s), attempt %d by %s: %s", st.Kind, l.Task, t.Range, t.Attempts, worker, t.Reason))
	case out.Quarantined:
		j.FailIndex = index
		failed = j.failWhenStuck(st, index)
	}
	out.JobFailed = failed != nil
	if out.Quarantined {
		event.Kind = TaskFailed
	}
	return out, append([]Event{event}, failed...)
}

// reasonsTold is how many quarantined tasks a job's failure tells the reasons of.
const reasonsTold = 3

// failWhenStuck fails a job when nothing of the stage is left but quarantined tasks.
func (j *Job) failWhenStuck(st *Stage, index uint64) []Event {
	n := st.totals.Failed
	if n == 0 || st.totals.Waiting+st.totals.Leased > 0 {
		return nil
	}
	var reason strings.Builder
	fmt.Fprintf(&reason, "%d of %d %s tasks failed in every attempt", n, st.totals.Tasks, st.Kind)
	told := 0
	for i := range st.Failed() {
		if told++; told > reasonsTold {
			reason.WriteString("; …")
			break
		}
		t := &st.Tasks[i]
		fmt.Fprintf(&reason, "; task %d (%s), attempt %d by %s: %s", i, t.Range, t.Attempts, t.Worker, t.Reason)
	}
	return j.fail(index, reason.String())
}
