package coordinator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"rescore/coordinator/lease"
	"rescore/coordinator/ledger"
	"rescore/coordinator/replica"
	"rescore/partition/job"
	"rescore/partition/wire"
)

// Ledger is the replicated ledger as a leader uses it. Propose returns
// replica.ErrNotLeader, replica.ErrUnknownOutcome, or the ledger's refusal.
type Ledger interface {
	Propose(ctx context.Context, cmd ledger.Command) (ledger.Reply, error)
	// View reads the ledger; the state is only valid inside read.
	View(read func(*ledger.State))
}

// Term is one leadership: what it has heard, and what it decides. It starts no
// goroutine and reads no clock but Config.Now; it waits only for the ledger and for
// the store. All of it is soft: losing a Term changes when leases run out and what
// a progress bar shows, and nothing else.
type Term struct {
	cfg    Config
	ledger Ledger

	// mu may be held while the ledger is read; it is never taken there.
	mu      sync.Mutex
	book    *lease.Book            // what was heard of each lease, and when
	rows    map[ledger.Lease]int64 // rows read, by the last heartbeat
	workers map[string]*Worker
	seen    map[job.ID]time.Time // when this leader first saw each job that is not over
}

// Worker is what a leader knows of a worker.
type Worker struct {
	ID    string
	Tasks int // leases it named in its last heartbeat
	Rows  int64
	Heard time.Time
	// Draining workers are given nothing more and leave when their tasks are done.
	Draining bool
}

// ErrNoWorker is returned by Drain for a worker nobody has heard of lately.
var ErrNoWorker = errors.New("no such worker")

// NewTerm begins a leadership over a ledger that holds all of earlier terms.
func NewTerm(cfg Config, l Ledger) *Term {
	cfg = cfg.withDefaults()
	return &Term{
		cfg: cfg, ledger: l,
		book: lease.NewBook(cfg.Now()), rows: map[ledger.Lease]int64{}, workers: map[string]*Worker{},
		seen: map[job.ID]time.Time{},
	}
}

// Settle answers work requests: it takes back the leases that ran out and grants
// what is asked for. One call of Settle or Tick at a time: whoever looked for silent
// leases while a grant is on its way into the book would take it back.
func (t *Term) Settle(ctx context.Context, requests []wire.WorkRequest) []wire.WorkReply {
	asked := make([]lease.Request, len(requests))
	for i, r := range requests {
		t.unfit(ctx, r)
		asked[i] = lease.Request{Worker: r.Worker, Slots: min(r.Slots, assignmentsMax), Ready: r.Ready}
		t.heardOf(r.Worker)
		if t.draining(r.Worker) {
			asked[i].Slots = 0
		}
	}
	granted := t.settle(ctx, asked)
	replies := make([]wire.WorkReply, len(requests))
	t.ledger.View(func(s *ledger.State) {
		for i, r := range requests {
			reply := &replies[i]
			for _, l := range granted[r.Worker] {
				reply.Assignments = append(reply.Assignments, assignment(s, l))
			}
			if len(reply.Assignments) > 0 {
				continue
			}
			reply.RetryMillis = 25 // a stage may be about to be planned
			if id, ok := lease.Unready(s, r.Ready); ok {
				j := s.Job(id)
				reply.Offers = []wire.Offer{{Job: id, Spec: j.Spec, SpecBase: j.SpecBase}}
			}
		}
	})
	return replies
}

// Tick takes back the leases of silent workers.
func (t *Term) Tick(ctx context.Context) { t.settle(ctx, nil) }

// settle carries out what lease.Decide says; it returns what was granted, by worker.
func (t *Term) settle(ctx context.Context, requests []lease.Request) map[string][]ledger.Lease {
	granted := map[string][]ledger.Lease{}
	for _, cmd := range t.decide(requests) {
		reply, err := t.ledger.Propose(ctx, cmd)
		if err != nil {
			if !errors.Is(err, ledger.ErrFenced) && ctx.Err() == nil { // a lease that ended meanwhile is nothing to speak of
				t.cfg.Log.Warn("propose", "command", cmd.Kind().String(), "err", err)
			}
			continue
		}
		if g, ok := reply.(ledger.GrantReply); ok {
			worker := cmd.(ledger.Grant).Worker
			t.heard(g.Leases)
			granted[worker] = append(granted[worker], g.Leases...)
		}
	}
	return granted
}

// decide asks lease.Decide what to do now. It forgets what was heard of leases
// that are over.
func (t *Term) decide(requests []lease.Request) (cmds []ledger.Command) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledger.View(func(s *ledger.State) {
		t.book.Forget(s)
		maps.DeleteFunc(t.rows, func(l ledger.Lease, _ int64) bool { return !current(s, l) })
		cmds = lease.Decide(s, t.book, requests, t.cfg.Now(), t.cfg.Lease)
	})
	return cmds
}

// current reports whether a task is leased under l.
func current(s *ledger.State, l ledger.Lease) bool {
	j := s.Job(l.Job)
	if j == nil || l.Stage >= len(j.Stages) || l.Task >= len(j.Stages[l.Stage].Tasks) {
		return false
	}
	t := &j.Stages[l.Stage].Tasks[l.Task]
	return t.State == ledger.Leased && t.Token == l.Token
}

// heard notes leases that were granted just now.
func (t *Term) heard(leases []ledger.Lease) {
	now := t.cfg.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range leases {
		t.book.Heard(l, now)
	}
}

// unfit fails the jobs that a worker cannot work on: their models do not score what
// they should, or what they name cannot be read.
func (t *Term) unfit(ctx context.Context, r wire.WorkRequest) {
	for _, u := range r.Unfit {
		t.cfg.Log.Warn("worker is unfit for job", "worker", r.Worker, "job", u.Job, "reason", u.Reason)
		_, err := t.ledger.Propose(ctx, ledger.FailJob{Job: u.Job, Reason: u.Reason})
		if err != nil && !errors.Is(err, ledger.ErrState) && ctx.Err() == nil { // a job that is over needs no failing
			t.cfg.Log.Warn("fail job", "job", u.Job, "err", err)
		}
	}
}

// assignment tells a worker all it needs to know of a lease.
func assignment(s *ledger.State, l ledger.Lease) wire.Assignment {
	j := s.Job(l.Job)
	stage := &j.Stages[l.Stage]
	a := wire.Assignment{
		Job: l.Job, Stage: l.Stage, Kind: stage.Kind, Index: l.Task, Token: l.Token, Epoch: j.Epoch,
		Spec: j.Spec, SpecBase: j.SpecBase, Task: stage.Tasks[l.Task].Task,
		Files: j.Facts.Files, Model: j.Facts.Model, Rules: j.Facts.Rules, Challengers: j.Facts.Challengers,
	}
	if stage.Kind == job.StageSelect && len(a.Task.Slices) == 0 {
		a.Files = nil // it reads what was staged, not the input
	}
	return a
}

// Report answers how an attempt ended. Any number may be under way at once.
func (t *Term) Report(ctx context.Context, r wire.Report) wire.ReportReply {
	l := leaseOf(r.Lease)
	var cmd ledger.Command
	switch {
	case r.Result != nil:
		cmd = ledger.Complete{Lease: l, Result: *r.Result}
	case r.Failure != nil:
		cmd = ledger.Fail{Lease: l, Reason: r.Failure.Reason, Fatal: r.Failure.Fatal}
	default:
		return wire.ReportReply{Status: wire.Refused, Message: "a report needs a result or a failure"}
	}
	_, err := t.ledger.Propose(ctx, cmd)
	if err == nil {
		return wire.ReportReply{Status: wire.OK}
	}
	status := answerTo(err)
	if status == wire.Refused && r.Result != nil {
		// Rows were lost or made on the way, or the report fits no log entry: the
		// attempt failed, whatever it says. Sent again, it is refused again.
		if _, failing := t.ledger.Propose(ctx, ledger.Fail{Lease: l, Reason: wire.Cut(err.Error())}); failing != nil && answerTo(failing) == wire.Retry {
			status = wire.Retry
		}
	}
	return wire.ReportReply{Status: status, Message: wire.Cut(err.Error())}
}

// answerTo says what a report that was not taken should be answered with: only
// where the outcome is not known does it help to send it again.
func answerTo(err error) wire.Status {
	switch {
	case errors.Is(err, ledger.ErrFenced):
		return wire.Fenced
	case errors.Is(err, replica.ErrUnknownOutcome), errors.Is(err, replica.ErrNotLeader):
		return wire.Retry
	}
	return wire.Refused
}

// Heartbeat notes which leases a worker is working on.
func (t *Term) Heartbeat(h wire.Heartbeat) {
	w := t.heardOf(h.Worker)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.cfg.Now()
	w.Tasks, w.Rows = len(h.Tasks), 0
	for _, p := range h.Tasks {
		l := leaseOf(p.Lease)
		t.book.Heard(l, now)
		t.rows[l] = p.RowsDone
		w.Rows += p.RowsDone
	}
}

func leaseOf(l wire.Lease) ledger.Lease {
	return ledger.Lease{TaskRef: ledger.TaskRef{Job: l.Job, Stage: l.Stage, Task: l.Task}, Token: l.Token}
}

// heardOf notes that a worker lives.
func (t *Term) heardOf(id string) *Worker {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.workers[id]
	if w == nil {
		w = &Worker{ID: id}
		t.workers[id] = w
	}
	w.Heard = t.cfg.Now()
	return w
}

func (t *Term) draining(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.workers[id]
	return w != nil && w.Draining
}

// Workers returns the workers that were heard of lately, by ID.
func (t *Term) Workers() []Worker {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []Worker
	for _, id := range slices.Sorted(maps.Keys(t.workers)) {
		list = append(list, *t.workers[id])
	}
	return list
}

// Drain tells a worker to finish what it has and to leave.
func (t *Term) Drain(worker string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.workers[worker]
	if w == nil {
		return fmt.Errorf("drain %s: %w", worker, ErrNoWorker)
	}
	w.Draining = true
	return nil
}

// InFlight returns how many tasks of a job's stage are leased, and how many rows
// of them workers have read by their last heartbeats. Both are 0 for a job or a
// stage that is not there.
func (t *Term) InFlight(id job.ID, stage int) (rows int64, tasks int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledger.View(func(s *ledger.State) {
		j := s.Job(id)
		if j == nil || stage < 0 || stage >= len(j.Stages) {
			return
		}
		st := &j.Stages[stage]
		for i := range st.Leased() {
			ref := ledger.TaskRef{Job: id, Stage: stage, Task: i}
			rows += t.rows[ledger.Lease{TaskRef: ref, Token: st.Tasks[i].Token}]
			tasks++
		}
	})
	return rows, tasks
}
