// Package coordinator is the control plane: it hands out leases, takes reports,
// and takes every job its next step. It never touches a subscriber record.
//
//	workers ──► bus ──► lease.Decide ──► replica ──► ledger
//	                                                   │
//	             plan.Cut, publish.Gate, … ◄── steward ┘
//
// Decisions are pure functions of the ledger; this package is the shell that
// proposes them and carries out their effects. Every effect can be worked out
// again from the ledger, so a coordinator that starts, or takes over, begins by
// doing exactly that.
package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rescore/coordinator/bus"
	"rescore/coordinator/lease"
	"rescore/coordinator/ledger"
	"rescore/coordinator/replica"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
)

// Config is what a coordinator needs from its surroundings.
type Config struct {
	Replica *replica.Replica
	Bus     *bus.Bus
	// Output opens the dataset folder a spec names, relative to the folder base.
	Output func(base, path string) (store.Store, error)
	// PartitionRows is the weight a partition is cut to. Defaults to 250 000.
	PartitionRows int64
	Lease         lease.Config
	// Tick is how often silent workers are looked for. Defaults to 200 ms.
	Tick time.Duration
	Log  *slog.Logger
}

// Node is one coordinator.
type Node struct {
	cfg Config
	// turn is held from reading the ledger for a decision about leases until what
	// came of it is in the book: whoever looked for silent leases in between would
	// take back one that was just granted.
	turn sync.Mutex

	// Soft state of one leadership: lost with it, and nothing depends on it but
	// when leases run out and what a progress bar shows. mu may be held while the
	// ledger is read; it is never taken there.
	mu   sync.Mutex
	book *lease.Book            // what was heard of each lease, and when
	rows map[ledger.Lease]int64 // rows read, by the last heartbeat
}

// assignmentsMax is how many assignments one answer brings; a worker with more free
// slots asks again at once. Together with the check in plan it keeps answers
// below wire.BytesMax, whatever number of files an assignment names.
const assignmentsMax = 8

// New returns a node; Run starts it.
func New(cfg Config) *Node {
	if cfg.PartitionRows == 0 {
		cfg.PartitionRows = 250_000
	}
	if cfg.Tick == 0 {
		cfg.Tick = 200 * time.Millisecond
	}
	return &Node{cfg: cfg}
}

// Run serves until ctx ends and returns when everything it started has stopped.
// It serves only while it leads, each time after the ledger holds every entry of
// earlier terms.
func (n *Node) Run(ctx context.Context) error {
	for {
		term, err := n.cfg.Replica.Lead(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("wait to lead: %w", err)
		}
		if err := n.serve(ctx, term); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// serve runs one leadership.
func (n *Node) serve(ctx, term context.Context) error {
	over, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(term, func() { cancel(context.Cause(term)) })()
	n.mu.Lock()
	n.book, n.rows = lease.NewBook(time.Now()), make(map[ledger.Lease]int64)
	n.mu.Unlock()
	group, ctx := errgroup.WithContext(over)
	group.Go(func() error { return n.cfg.Bus.Serve(ctx, n) })
	group.Go(func() error { return n.steward(ctx) })
	if err := group.Wait(); over.Err() == nil {
		return err
	}
	return nil // told to stop, or deposed: whatever else was said follows from that
}

// Propose puts a command through raft until its outcome is known. Commands are
// idempotent or fenced, so that one whose outcome is not is asked again.
func (n *Node) Propose(ctx context.Context, cmd ledger.Command) (ledger.Reply, error) {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		reply, err := n.cfg.Replica.Propose(ctx, cmd)
		if !errors.Is(err, replica.ErrUnknownOutcome) || ctx.Err() != nil {
			return reply, err
		}
		n.cfg.Log.Warn("propose again", "command", cmd.Kind().String(), "wait", wait, "err", err)
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(wait):
		}
	}
}

// View reads the ledger. The state is only valid inside read.
func (n *Node) View(read func(*ledger.State)) { n.cfg.Replica.View(read) }

// Changed returns a channel that is closed when the ledger next changes.
func (n *Node) Changed() <-chan struct{} { return n.cfg.Replica.Changed() }

// InFlight returns how many tasks of a job's stage are leased, and how many rows
// of them workers have read by their last heartbeats. Both are 0 for a job or a
// stage that is not there.
func (n *Node) InFlight(id job.ID, stage int) (rows int64, tasks int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.View(func(s *ledger.State) {
		j := s.Job(id)
		if j == nil || stage < 0 || stage >= len(j.Stages) {
			return
		}
		st := &j.Stages[stage]
		for t := range st.Leased() {
			ref := ledger.TaskRef{Job: id, Stage: stage, Task: t}
			rows += n.rows[ledger.Lease{TaskRef: ref, Token: st.Tasks[t].Token}]
			tasks++
		}
	})
	return rows, tasks
}

// Work implements bus.Handler.
func (n *Node) Work(ctx context.Context, r wire.WorkRequest) wire.WorkReply {
	var reply wire.WorkReply
	n.unfit(ctx, r)
	granted := n.settle(ctx, lease.Request{Worker: r.Worker, Slots: min(r.Slots, assignmentsMax), Ready: r.Ready})
	n.View(func(s *ledger.State) {
		if id, ok := lease.Unready(s, r.Ready); ok && len(granted) == 0 {
			j := s.Job(id)
			reply.Offers = []wire.Offer{{Job: id, Spec: j.Spec, SpecBase: j.SpecBase}}
		}
		for _, l := range granted {
			reply.Assignments = append(reply.Assignments, assignment(s, l))
		}
	})
	if len(reply.Assignments) == 0 {
		reply.RetryMillis = 25 // a stage may be about to be planned
	}
	return reply
}

// unfit fails the jobs that a worker cannot work on: their models do not score what
// they should, or what they name cannot be read.
func (n *Node) unfit(ctx context.Context, r wire.WorkRequest) {
	for _, u := range r.Unfit {
		n.cfg.Log.Warn("worker is unfit for job", "worker", r.Worker, "job", u.Job, "reason", u.Reason)
		_, err := n.Propose(ctx, ledger.FailJob{Job: u.Job, Reason: u.Reason})
		if err != nil && !errors.Is(err, ledger.ErrState) && ctx.Err() == nil { // a job that is over needs no failing
			n.cfg.Log.Warn("fail job", "job", u.Job, "err", err)
		}
	}
}

// settle takes back the leases that ran out and grants what the requests ask
// for. It returns what was granted.
func (n *Node) settle(ctx context.Context, requests ...lease.Request) (granted []ledger.Lease) {
	n.turn.Lock()
	defer n.turn.Unlock()
	for _, cmd := range n.decide(requests) {
		reply, err := n.Propose(ctx, cmd)
		if err != nil {
			if !errors.Is(err, ledger.ErrFenced) && ctx.Err() == nil { // a lease that ended meanwhile is nothing to speak of
				n.cfg.Log.Warn("propose", "command", cmd.Kind(), "err", err)
			}
			continue
		}
		if g, ok := reply.(ledger.GrantReply); ok {
			n.heard(g.Leases)
			granted = append(granted, g.Leases...)
		}
	}
	return granted
}

// heard notes leases that were granted just now.
func (n *Node) heard(leases []ledger.Lease) {
	now := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range leases {
		n.book.Heard(l, now)
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

// Report implements bus.Handler.
func (n *Node) Report(ctx context.Context, r wire.Report) wire.ReportReply {
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
	_, err := n.Propose(ctx, cmd)
	if err == nil {
		return wire.ReportReply{Status: wire.OK}
	}
	status := answerTo(err)
	if status == wire.Refused && r.Result != nil {
		// Rows were lost or made on the way, or the report fits no log entry: the
		// attempt failed, whatever it says. Sent again, it is refused again.
		if _, failing := n.Propose(ctx, ledger.Fail{Lease: l, Reason: wire.Cut(err.Error())}); failing != nil && answerTo(failing) == wire.Retry {
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

// Heartbeat implements bus.Handler.
func (n *Node) Heartbeat(h wire.Heartbeat) {
	now := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, t := range h.Tasks {
		l := leaseOf(t.Lease)
		n.book.Heard(l, now)
		n.rows[l] = t.RowsDone
	}
}

func leaseOf(l wire.Lease) ledger.Lease {
	return ledger.Lease{TaskRef: ledger.TaskRef{Job: l.Job, Stage: l.Stage, Task: l.Task}, Token: l.Token}
}

// decide asks lease.Decide what to do now. It forgets what was heard of leases
// that are over.
func (n *Node) decide(requests []lease.Request) (cmds []ledger.Command) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.View(func(s *ledger.State) {
		n.book.Forget(s)
		maps.DeleteFunc(n.rows, func(l ledger.Lease, _ int64) bool { return !current(s, l) })
		cmds = lease.Decide(s, n.book, requests, time.Now(), n.cfg.Lease)
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

// steward takes every job its next step whenever the ledger changed, and gives
// the leases of silent workers away.
func (n *Node) steward(ctx context.Context) error {
	ticker := time.NewTicker(n.cfg.Tick)
	defer ticker.Stop()
	seen := map[job.ID]time.Time{}
	for {
		changed := n.Changed()
		if err := n.advance(ctx, seen); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
			continue
		case <-ticker.C:
		}
		n.settle(ctx)
	}
}
