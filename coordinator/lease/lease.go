// Package lease decides who works on what: from the ledger, from what was heard
// of each lease and from the time, it works out the commands to propose. It
// reads no clock and keeps no connection; the shell around it does both.
//
// # Overview
//
//	heartbeats ──► Book ──┐
//	requests  ────────────┼──► Decide(ledger, book, requests, now) ──► Expire…, Grant…
//	ledger    ────────────┘
//
// Grants and expiries are in raft; who is alive is not. A Book is soft state of
// one leader: losing it costs one TTL of patience and nothing else.
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
// heartbeats fit into a TTL, so two may be lost.
//
// # What is granted
//
// Surveys before scores, because a survey is short and stands before all other
// work of its job; then the oldest job first; in a job the lowest range first,
// so that the done part of a version grows from one end. Tasks are dealt round,
// one to each worker that asked, so that the last tasks of a job do not queue
// behind one worker while others wait.
//
// # Failure handling
//
// A command that was decided and whose outcome is unknown is simply decided
// again at the next call, if it is still needed. Decide never proposes an expiry
// and a new grant of the same task at once: the next call sees it waiting.
package lease

import (
	"errors"
	"fmt"
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
}

// WithDefaults returns c with zero fields filled in.
func (c Config) WithDefaults() Config {
	if c.TTL == 0 {
		c.TTL = 15 * time.Second
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = c.TTL / 5
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
	return errors.Join(errs...)
}

// Request is a worker that wants work.
type Request struct {
	Worker string
	Slots  int      // most tasks wanted
	Ready  []job.ID // jobs whose tasks it may be given
}

// Book is what one leader has heard since it began to lead. It is not safe for
// concurrent use.
type Book struct {
	since time.Time
	heard map[ledger.Lease]time.Time
}

// NewBook begins the book of a leader that leads since then.
func NewBook(since time.Time) *Book {
	return &Book{since: since, heard: map[ledger.Lease]time.Time{}}
}

// Heard notes that a lease was granted or named in a heartbeat. A time before
// the last one is ignored.
func (b *Book) Heard(l ledger.Lease, at time.Time) {
	if at.After(b.heard[l]) {
		b.heard[l] = at
	}
}

// Forget drops what is no longer leased, so that a book is as large as the work
// in flight.
func (b *Book) Forget(st *ledger.State) {
	current := map[ledger.Lease]bool{}
	for l := range leases(st) {
		current[l] = true
	}
	for l := range b.heard {
		if !current[l] {
			delete(b.heard, l)
		}
	}
}

// trusted returns the time until which a lease is left alone.
func (b *Book) trusted(l ledger.Lease, ttl time.Duration) time.Time {
	last := b.since
	if heard := b.heard[l]; heard.After(last) {
		last = heard
	}
	return last.Add(ttl)
}

// Decide returns the commands to propose at now: an Expire for every lease that
// has run out, then at most one Grant for each request that gets anything, in
// the order of the requests. It changes nothing.
func Decide(st *ledger.State, book *Book, requests []Request, now time.Time, cfg Config) []ledger.Command {
	cfg = cfg.WithDefaults()
	var out []ledger.Command
	for l := range leases(st) {
		if now.After(book.trusted(l, cfg.TTL)) {
			out = append(out, ledger.Expire{Lease: l, Cause: ledger.Silent})
		}
	}
	return append(out, grants(st, requests)...)
}

// Next returns when the next lease runs out if nothing more is heard, and false
// when nothing is leased. A shell sleeps until then, or until it is asked.
func Next(st *ledger.State, book *Book, cfg Config) (time.Time, bool) {
	cfg = cfg.WithDefaults()
	var next time.Time
	found := false
	for l := range leases(st) {
		if at := book.trusted(l, cfg.TTL); !found || at.Before(next) {
			next, found = at, true
		}
	}
	return next, found
}

// Restart returns an Expire for every lease. It is for a process that holds all
// workers itself: whoever held a lease before it started is gone with it.
func Restart(st *ledger.State) []ledger.Command {
	var out []ledger.Command
	for l := range leases(st) {
		out = append(out, ledger.Expire{Lease: l, Cause: ledger.Restart})
	}
	return out
}

// leases yields every current lease, oldest job first.
func leases(st *ledger.State) func(func(ledger.Lease) bool) {
	return func(yield func(ledger.Lease) bool) {
		for j := range st.Jobs() {
			for s := range j.Stages {
				for t := range j.Stages[s].Leased() {
					ref := ledger.TaskRef{Job: j.ID, Stage: s, Task: t}
					if !yield(ledger.Lease{TaskRef: ref, Token: j.Stages[s].Tasks[t].Token}) {
						return
					}
				}
			}
		}
	}
}

// grants deals the waiting tasks round to those who asked.
func grants(st *ledger.State, requests []Request) []ledger.Command {
	free := 0
	for _, r := range requests {
		free += max(r.Slots, 0)
	}
	given := make([][]ledger.TaskRef, len(requests))
	wanted := func(id job.ID) bool {
		return slices.ContainsFunc(requests, func(r Request) bool { return slices.Contains(r.Ready, id) })
	}
	last := -1
	for ref := range waiting(st, wanted) {
		if free == 0 {
			break
		}
		for n := range requests { // beginning behind the one served last
			who := (last + 1 + n) % len(requests)
			if len(given[who]) < requests[who].Slots && slices.Contains(requests[who].Ready, ref.Job) {
				given[who] = append(given[who], ref)
				last, free = who, free-1
				break
			}
		}
	}
	var out []ledger.Command
	for i, tasks := range given {
		if len(tasks) > 0 {
			out = append(out, ledger.Grant{Worker: requests[i].Worker, Tasks: tasks})
		}
	}
	return out
}

// Unready returns the first job in turn that has waiting tasks and is not among
// ready.
func Unready(st *ledger.State, ready []job.ID) (job.ID, bool) {
	for ref := range waiting(st, func(id job.ID) bool { return !slices.Contains(ready, id) }) {
		return ref.Job, true
	}
	return "", false
}

// waiting yields the tasks of wanted jobs that may be granted, in the order they
// should be.
func waiting(st *ledger.State, wanted func(job.ID) bool) func(func(ledger.TaskRef) bool) {
	return func(yield func(ledger.TaskRef) bool) {
		jobs := slices.DeleteFunc(slices.Collect(st.Jobs()), func(j *ledger.Job) bool { return !wanted(j.ID) })
		for _, surveys := range []bool{true, false} {
			for _, j := range jobs {
				s := j.Stage()
				if j.State != job.Running || s == len(j.Stages) || (j.Stages[s].Kind == job.StageSurvey) != surveys {
					continue
				}
				for t := range j.Stages[s].Waiting() {
					if !yield(ledger.TaskRef{Job: j.ID, Stage: s, Task: t}) {
						return
					}
				}
			}
		}
	}
}
