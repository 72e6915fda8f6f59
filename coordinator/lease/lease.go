// Package lease decides who works on what: from the ledger, from what was heard
// of each lease and from the time, it works out the commands to propose. It
// reads no clock and keeps no connection; the shell around it does both.
//
// # Overview
//
//	                 ┌──► Expired ──► Expire…         every few hundred milliseconds
//	heartbeats ──► Book ──► Slow ───────┐
//	                 │                  ▼
//	requests ────────┴──────────────► Decide ──► Grant…, Double…
//
// Each takes the ledger too. Grants and expiries are in raft; who is alive is not. A
// Book is soft state of one leader: losing it costs one TTL of patience and nothing
// else.
//
// # Trust window
//
// A lease is trusted until
//
//	max(last heard of, granted, this leader's start) + TTL
//
// "Heard of" is a heartbeat that names the lease, by token. That a worker is
// alive says nothing: the reply that carried the grant may have been lost, or
// the worker may have started anew under its old name, and then nobody works on
// the task. "Granted" is noted when the grant is proposed, before the reply is
// sent, so that a slow answer cannot stretch the window.
//
// The window is a promise to nobody. It says when the leader may give the task
// away, not when the worker stops: a worker that was only slow goes on, finishes
// and reports under a token that is no longer current, and is refused (I3). So
// no clock has to agree with another, and a wrong TTL costs work, never rows.
//
// # Leader change
//
// A new leader's book is empty and its start is now: every lease gets one full
// TTL in which its worker finds the new leader and names it. At least three
// heartbeats fit into a TTL, so two may be lost. What waits is granted at once.
//
// # What is granted
//
// Surveys before scores, because a survey is short and stands before all other
// work of its job; then the job that was given the fewest rows for its weight; in a
// job the lowest task first, so that the done part of a version grows from one end.
// A job's weight doubles with each step of its priority. Tasks are dealt round, one
// to each worker that asked, so that the last tasks of a job do not queue behind one
// worker while others wait.
//
// A job's pass is the rows it was given over its weight, and the smallest pass is
// served next, the older job among equals. A job that begins to wait enters at the
// smallest pass there is: it owes nothing, and nothing is owed to it. So every job
// that waits comes to its turn, however many are before it and whatever their
// priority.
//
// # Stragglers
//
// When nothing waits, a worker that asks is given a task that has been leased for
// twice as long as its stage's tasks take (their median): a second attempt beside
// the first, on another worker. Whichever reports first completes the task.
//
// # Failure handling
//
// A command that was decided and whose outcome is unknown is simply decided
// again at the next call, if it is still needed. Nothing is proposed to expire and
// to be granted at once: the next call sees it waiting.
package lease

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
)

// Config is how patient a leader is.
type Config struct {
	// TTL is how long a lease may go unheard of before it is given away. Must be
	// at least three heartbeats. Defaults to 15 seconds.
	TTL time.Duration
	// Heartbeat is how often workers speak. Defaults to a fifth of the TTL.
	Heartbeat time.Duration
	// Slow is how long an attempt runs, at least, before a second one is begun
	// beside it. Defaults to 5 seconds.
	Slow time.Duration
	// PartRows is how many rows are worth a task of their own when waiting tasks are
	// divided because slots would stand idle. 0 divides nothing.
	PartRows int64
}

// WithDefaults returns c with zero fields filled in.
func (c Config) WithDefaults() Config {
	if c.TTL == 0 {
		c.TTL = 15 * time.Second
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = c.TTL / 5
	}
	if c.Slow == 0 {
		c.Slow = 5 * time.Second
	}
	return c
}

// Validate reports every bound that c breaks.
func (c Config) Validate() error {
	var errs []error
	if c.TTL <= 0 {
		errs = append(errs, fmt.Errorf("lease ttl is %s, must be positive", c.TTL))
	}
	if c.Heartbeat <= 0 {
		errs = append(errs, fmt.Errorf("heartbeat is %s, must be positive", c.Heartbeat))
	}
	if c.TTL < 3*c.Heartbeat {
		errs = append(errs, fmt.Errorf("lease ttl %s must be at least three heartbeats of %s", c.TTL, c.Heartbeat))
	}
	if c.PartRows < 0 {
		errs = append(errs, fmt.Errorf("parts of %d rows, must not be negative", c.PartRows))
	}
	return errors.Join(errs...)
}

// Request is a worker that wants work.
type Request struct {
	Worker string
	Slots  int      // most tasks wanted
	Ready  []job.ID // jobs whose tasks it may be given
}

// Expired returns an Expire for every lease that has run out at now. It changes
// nothing.
func Expired(st *ledger.State, book *Book, now time.Time, cfg Config) (out []ledger.Command) {
	ttl := cfg.WithDefaults().TTL
	for l := range leases(st) {
		if now.After(book.trusted(l, ttl)) {
			out = append(out, ledger.Expire{Lease: l, Cause: ledger.Silent})
		}
	}
	return out
}

// Restart returns an Expire for every lease. It is for a process that holds all
// workers itself: whoever held a lease before it started is gone with it.
func Restart(st *ledger.State) (out []ledger.Command) {
	for l := range leases(st) {
		out = append(out, ledger.Expire{Lease: l, Cause: ledger.Restart})
	}
	return out
}

// Slow returns the leases of tasks that are worth a second attempt at now, the
// longest at work first. It changes nothing.
func Slow(st *ledger.State, book *Book, now time.Time, cfg Config) (out []ledger.Lease) {
	slow := cfg.WithDefaults().Slow
	for j, s := range running(st) {
		median, known := book.median(stageRef{j.ID, s})
		if !known {
			continue
		}
		long := max(slow, 2*median)
		for i := range j.Stages[s].Leased() {
			t := &j.Stages[s].Tasks[i]
			l := ledger.Lease{TaskRef: ledger.TaskRef{Job: j.ID, Stage: s, Task: i}, Token: t.Token}
			if t.Second == nil && now.Sub(book.begun(l)) >= long {
				out = append(out, l)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b ledger.Lease) int { return book.begun(a).Compare(book.begun(b)) })
	return out
}

// Decide returns the commands to propose: at most one Grant for each request that
// gets anything, in the order of the requests, then a Double for every lease of slow
// that a worker with nothing else to do is given beside the first. It changes
// nothing.
func Decide(st *ledger.State, book *Book, slow []ledger.Lease, requests []Request) (out []ledger.Command) {
	free := 0
	for _, r := range requests {
		free += max(r.Slots, 0)
	}
	queues := waiting(st, book, free)
	given := deal(queues, requests)
	for i, tasks := range given {
		if len(tasks) > 0 {
			out = append(out, ledger.Grant{Worker: requests[i].Worker, Tasks: tasks})
		}
	}
	for _, q := range queues {
		if len(q.tasks) > 0 {
			return out // who is ready for none of it is better made ready
		}
	}
	for _, l := range slow {
		if who := second(st, l, requests, given); who >= 0 {
			given[who] = append(given[who], l.TaskRef)
			out = append(out, ledger.Double{Lease: l, Worker: requests[who].Worker})
		}
	}
	return out
}

// queue is what waits of one job.
type queue struct {
	job    *ledger.Job
	stage  int
	tasks  []int // lowest first; no more than there are free slots
	survey bool
	pass   float64
}

// first orders queues by who is served next. Equal ones are in the order of their age
// already.
func first(a, b *queue) int {
	if a.survey != b.survey {
		if a.survey {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.pass, b.pass)
}

// waiting returns a queue for every job that has tasks to grant, oldest first.
func waiting(st *ledger.State, book *Book, most int) (queues []*queue) {
	if most == 0 {
		return nil
	}
	for j, s := range running(st) {
		stage := &j.Stages[s]
		if stage.Totals().Waiting == 0 {
			continue
		}
		q := &queue{job: j, stage: s, survey: stage.Kind == job.StageSurvey, pass: book.passOf(j.ID)}
		for t := range stage.Waiting() {
			if q.tasks = append(q.tasks, t); len(q.tasks) == most {
				break
			}
		}
		queues = append(queues, q)
	}
	return queues
}

// take takes the queue's lowest task and counts it against the job.
func (q *queue) take() ledger.TaskRef {
	t := q.tasks[0]
	q.tasks = q.tasks[1:]
	q.pass += cost(q.job, &q.job.Stages[q.stage].Tasks[t])
	return ledger.TaskRef{Job: q.job.ID, Stage: q.stage, Task: t}
}

// cost is what a task adds to its job's pass.
func cost(j *ledger.Job, t *ledger.Task) float64 {
	priority := j.Priority
	if priority == 0 {
		priority = ledger.PriorityDefault
	}
	return math.Ldexp(float64(max(t.Rows, 1)), ledger.PriorityDefault-priority)
}

// deal gives every request one task in turn until nobody takes any more.
func deal(queues []*queue, requests []Request) [][]ledger.TaskRef {
	byJob := make(map[job.ID]*queue, len(queues))
	for _, q := range queues {
		byJob[q.job.ID] = q
	}
	mine := make([][]*queue, len(requests))
	for i, r := range requests {
		for _, q := range queues {
			if slices.Contains(r.Ready, q.job.ID) {
				mine[i] = append(mine[i], q)
			}
		}
	}
	given := make([][]ledger.TaskRef, len(requests))
	for taken := true; taken; {
		taken = false
		for i, r := range requests {
			if len(given[i]) >= r.Slots {
				continue
			}
			mine[i] = slices.DeleteFunc(mine[i], func(q *queue) bool { return len(q.tasks) == 0 })
			if len(mine[i]) > 0 {
				given[i] = append(given[i], slices.MinFunc(mine[i], first).take())
				taken = true
			}
		}
	}
	return given
}

// second returns which request is given a second attempt of a leased task, or -1:
// never the worker that is at it, and nobody who is not ready for its job.
func second(st *ledger.State, l ledger.Lease, requests []Request, given [][]ledger.TaskRef) int {
	t := taskOf(st, l)
	if t == nil || t.State != ledger.Leased || t.Token != l.Token || t.Second != nil || st.Job(l.Job).Paused != nil {
		return -1
	}
	for i, r := range requests {
		if len(given[i]) < r.Slots && r.Worker != t.Worker && slices.Contains(r.Ready, l.Job) {
			return i
		}
	}
	return -1
}

// Current reports whether a lease is one that its task is worked on under.
func Current(st *ledger.State, l ledger.Lease) bool {
	t := taskOf(st, l)
	return t != nil && t.State == ledger.Leased && (t.Token == l.Token || t.Second != nil && t.Second.Token == l.Token)
}

// taskOf returns the task a lease names, nil when there is none.
func taskOf(st *ledger.State, l ledger.Lease) *ledger.Task {
	j := st.Job(l.Job)
	if j == nil || l.Stage < 0 || l.Stage >= len(j.Stages) || l.Task < 0 || l.Task >= len(j.Stages[l.Stage].Tasks) {
		return nil
	}
	return &j.Stages[l.Stage].Tasks[l.Task]
}

// Unready returns the first job in turn that has waiting tasks and is not among
// ready.
func Unready(st *ledger.State, book *Book, ready []job.ID) (job.ID, bool) {
	queues := waiting(st, book, 1)
	queues = slices.DeleteFunc(queues, func(q *queue) bool { return slices.Contains(ready, q.job.ID) })
	if len(queues) == 0 {
		return "", false
	}
	return slices.MinFunc(queues, first).job.ID, true
}

// running yields the jobs whose tasks may be granted, oldest first, and the stage they
// are in.
func running(st *ledger.State) func(func(*ledger.Job, int) bool) {
	return func(yield func(*ledger.Job, int) bool) {
		for j := range st.Jobs() {
			if j.State != job.Running || j.Paused != nil {
				continue
			}
			if s := j.Stage(); s < len(j.Stages) && j.Stages[s].Planned && !yield(j, s) {
				return
			}
		}
	}
}

// leases yields every current lease, oldest job first; of a task with a second
// attempt both.
func leases(st *ledger.State) func(func(ledger.Lease) bool) {
	return func(yield func(ledger.Lease) bool) {
		for j := range st.Jobs() {
			if j.State != job.Running {
				continue // only a running job has any
			}
			for s := range j.Stages {
				for i := range j.Stages[s].Leased() {
					t := &j.Stages[s].Tasks[i]
					ref := ledger.TaskRef{Job: j.ID, Stage: s, Task: i}
					if !yield(ledger.Lease{TaskRef: ref, Token: t.Token}) ||
						t.Second != nil && !yield(ledger.Lease{TaskRef: ref, Token: t.Second.Token}) {
						return
					}
				}
			}
		}
	}
}
