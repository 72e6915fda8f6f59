package coordinator

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rescore/coordinator/lease"
	"rescore/coordinator/ledger"
	"rescore/coordinator/replica"
	"rescore/partition/failpoint"
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

// Term is one leadership: what it has heard, and what it decides. It reads no clock
// but Config.Now, waits only for the ledger and for the store, and starts no goroutine
// unless Config.AtOnce lets it. All it holds is soft: to lose a Term changes when
// leases run out and what a progress bar shows, and nothing else.
type Term struct {
	cfg    Config
	ledger Ledger
	began  time.Time

	// mu may be held while the ledger is read; it is never taken there.
	mu      sync.Mutex
	book    *lease.Book
	slow    []ledger.Lease         // worth a second attempt, as of the last Tick
	rows    map[ledger.Lease]int64 // rows read, by the last heartbeat
	workers map[string]*Worker
	jobs    map[job.ID]*work              // that are not over
	unfit   map[job.ID]map[string]verdict // by worker
}

// NewTerm begins a leadership over a ledger that holds all of earlier terms.
func NewTerm(cfg Config, l Ledger) *Term {
	cfg = cfg.withDefaults()
	began := cfg.Now()
	return &Term{
		cfg: cfg, ledger: l, began: began,
		book: lease.NewBook(began), rows: map[ledger.Lease]int64{},
		workers: map[string]*Worker{}, jobs: map[job.ID]*work{}, unfit: map[job.ID]map[string]verdict{},
	}
}

// Settle answers work requests that came together: one decision for all of them, and
// its grants are proposed together. One call of Settle or Tick at a time: until a
// grant is in the book, its lease looks as if nobody had ever heard of it.
func (t *Term) Settle(ctx context.Context, requests []wire.WorkRequest) []wire.WorkReply {
	now := t.cfg.Now()
	replies, asked := t.meet(requests, now)
	granted := t.propose(ctx, t.decide(asked, now))
	tasks := make([][]ledger.Task, len(requests))
	t.mu.Lock()
	t.ledger.View(func(s *ledger.State) {
		for i, r := range asked {
			if r.Worker == "" {
				continue
			}
			for _, l := range granted[r.Worker] {
				a, task := assignment(s, l)
				replies[i].Assignments, tasks[i] = append(replies[i].Assignments, a), append(tasks[i], task)
			}
			if id, ok := lease.Unready(s, t.book, t.settled(requests[i], now)); ok {
				j := s.Job(id)
				replies[i].Offers = []wire.Offer{{Job: id, Spec: j.Spec, SpecBase: j.SpecBase}}
			}
		}
	})
	t.mu.Unlock()
	for i := range tasks {
		for k := range tasks[i] {
			a := &replies[i].Assignments[k]
			a.Task = tasks[i][k].Plan() // decoded where nobody waits for the ledger
			if a.Kind == job.StageSelect && len(a.Task.Slices) == 0 {
				a.Files = nil // it reads what was staged, not the input
			}
			replies[i].RetryMillis = 0
		}
	}
	return replies
}

// Tick takes back the leases of silent workers and looks for stragglers, and for tasks
// to divide. One call of Settle or Tick at a time.
func (t *Term) Tick(ctx context.Context) {
	now := t.cfg.Now()
	slots := t.slots(now)
	var cmds []ledger.Command
	t.mu.Lock()
	t.ledger.View(func(s *ledger.State) {
		t.book.Forget(s)
		t.forget(s)
		cmds = lease.Expired(s, t.book, now, t.cfg.Lease)
		t.slow = lease.Slow(s, t.book, now, t.cfg.Lease)
		cmds = append(cmds, t.hopeless(s, now)...)
		t.divisible(lease.Divisible(s, slots, t.cfg.Lease))
		for l := range t.rows {
			if !lease.Current(s, l) {
				delete(t.rows, l)
			}
		}
	})
	t.mu.Unlock()
	t.propose(ctx, cmds)
}

// decide asks lease.Decide what to grant now, and ends what nobody can work on.
func (t *Term) decide(requests []lease.Request, now time.Time) (cmds []ledger.Command) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledger.View(func(s *ledger.State) {
		t.book.Enter(s)
		cmds = append(t.hopeless(s, now), lease.Decide(s, t.book, t.slow, requests)...)
	})
	return cmds
}

// propose proposes commands together, for they do not depend on each other. It returns
// the leases that were granted, by worker.
func (t *Term) propose(ctx context.Context, cmds []ledger.Command) map[string][]ledger.Lease {
	replies := make([]ledger.Reply, len(cmds))
	_ = t.cfg.each(ctx, len(cmds), func(ctx context.Context, i int) error {
		var err error
		replies[i], err = t.ledger.Propose(ctx, cmds[i])
		if err != nil && answerTo(err) == wire.Refused { // it is decided again when it is still needed
			t.cfg.Log.Warn("propose", "command", cmds[i].Kind().String(), "err", err)
		}
		return nil
	})
	granted := map[string][]ledger.Lease{}
	now := t.cfg.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledger.View(func(s *ledger.State) {
		for i, reply := range replies {
			if e, ok := reply.(ledger.ExpireReply); ok && e.Quarantined {
				l := cmds[i].(ledger.Expire).Lease
				t.cfg.Log.Error("task is quarantined: workers fell silent over it", "job", l.Job, "stage", l.Stage, "part", l.Task)
			}
			g, ok := reply.(ledger.GrantReply)
			if !ok {
				continue
			}
			var worker string
			switch c := cmds[i].(type) {
			case ledger.Grant:
				worker = c.Worker
			case ledger.Double:
				worker = c.Worker
			}
			for _, l := range g.Leases {
				t.book.Granted(s, l, now)
			}
			granted[worker] = append(granted[worker], g.Leases...)
		}
	})
	return granted
}

// each calls do for 0 to n-1, AtOnce at a time, until one fails.
func (c Config) each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	if c.AtOnce <= 1 {
		for i := range n {
			if err := do(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(c.AtOnce)
	for i := range n {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// assignment tells a worker all it needs to know of a lease but the task, which is
// returned as the ledger has it.
func assignment(s *ledger.State, l ledger.Lease) (wire.Assignment, ledger.Task) {
	j := s.Job(l.Job)
	stage := &j.Stages[l.Stage]
	return wire.Assignment{
		Job: l.Job, Stage: l.Stage, Kind: stage.Kind, Index: l.Task, Token: l.Token, Epoch: j.Epoch,
		Spec: j.Spec, SpecBase: j.SpecBase,
		Files: j.Facts.Files, Model: j.Facts.Model, Rules: j.Facts.Rules, Challengers: j.Facts.Challengers,
	}, stage.Tasks[l.Task]
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
	case r.Returned:
		cmd = ledger.Expire{Lease: l, Cause: ledger.Returned}
	default:
		return wire.ReportReply{Status: wire.Refused, Message: "a report needs a result or a failure, or to return the task"}
	}
	reply, err := t.ledger.Propose(ctx, cmd)
	failpoint.Hit("coordinator.reported")
	if err == nil {
		return t.taken(r, reply)
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

// taken answers a report that is in the ledger.
func (t *Term) taken(r wire.Report, reply ledger.Reply) wire.ReportReply {
	l := leaseOf(r.Lease)
	switch reply := reply.(type) {
	case ledger.CompleteReply:
		if reply.Lost && !reply.Same {
			t.cfg.Log.Error("two attempts made two things of one task: a machine computes wrongly, or the input changed", "job", l.Job, "stage", l.Stage, "part", l.Task, "attempt", l.Token, "worker", r.Worker)
			// Not Lost, upon which the worker drops its files: they are what there is to look into.
			return wire.ReportReply{Status: wire.Fenced, Message: "another attempt was first, and made another thing; the files stay"}
		}
		if reply.Lost {
			return wire.ReportReply{Status: wire.Lost, Message: "another attempt was first"}
		}
		t.mu.Lock()
		t.book.Done(l, t.cfg.Now())
		t.mu.Unlock()
	case ledger.FailReply:
		if reply.Quarantined {
			t.cfg.Log.Error("task is quarantined", "job", l.Job, "stage", l.Stage, "part", l.Task, "worker", r.Worker, "reason", r.Failure.Reason)
		}
	}
	return wire.ReportReply{Status: wire.OK}
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

func leaseOf(l wire.Lease) ledger.Lease {
	return ledger.Lease{TaskRef: ledger.TaskRef{Job: l.Job, Stage: l.Stage, Task: l.Task}, Token: l.Token}
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
			task := &st.Tasks[i]
			l := ledger.Lease{TaskRef: ledger.TaskRef{Job: id, Stage: stage, Task: i}, Token: task.Token}
			read := t.rows[l]
			if task.Second != nil { // the same rows once more
				l.Token = task.Second.Token
				read = max(read, t.rows[l])
			}
			rows += read
			tasks++
		}
	})
	return rows, tasks
}
