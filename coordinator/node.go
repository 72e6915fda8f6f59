// Package coordinator is the control plane: it hands out leases, takes reports,
// and takes every job its next step. It never touches a subscriber record.
//
//	            ┌─ Node ─ one leadership after another ──────────────────────┐
//	            │            ┌─ Term ──────────────────────────────────────┐ │
//	workers ──► bus ──► ask ──► Settle ──► lease.Decide ──┐                │ │
//	            │            │  Report ───────────────────┤                │ │
//	            │   tick ──────► Tick ───► lease.Expired ─┼──► Propose ──────► raft
//	            │ ledger ──────► Step ───► plan, publish ─┘       ▲        │ │
//	            │            └────────────────────────────────────┼────────┘ │
//	            └─────────────────────────────────────── View ◄── ledger ◄───┘
//
// Decisions are pure functions of the ledger. A Term is one leadership: the soft
// state around those functions, and the calls that carry out what they say. It has
// no goroutine, no timer and no clock of its own, so that a simulation can run it
// step by step. A Node is the shell: it waits to lead, listens, and calls its Term;
// all who ask while a write is on its way are answered by the next one together, and
// each job's steps are taken in its own time.
//
// Every effect can be worked out again from the ledger, so a coordinator that starts,
// or takes over, begins by doing exactly that. Grants, completions, failures and
// expiries are in raft; who is alive, how long things take and who is to be drained
// is not, and is learned anew.
//
// # When things go wrong
//
// A store that is full, slow or away says nothing about a job: its step is taken
// again, each time after a longer wait, and Trouble says why. A step that the rules
// refuse fails its job with the reason. A sealed job can only go on: it is published
// as soon as that is possible. A command whose outcome is unknown is proposed again,
// for all are idempotent or fenced.
package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"rescore/coordinator/bus"
	"rescore/coordinator/lease"
	"rescore/coordinator/ledger"
	"rescore/coordinator/replica"
	"rescore/partition/job"
	"rescore/partition/store"
)

// Config is what a coordinator needs from its surroundings.
type Config struct {
	Replica *replica.Replica // of a Node; a Term is given its ledger
	Bus     *bus.Bus         // of a Node
	// Output opens the dataset folder a spec names, relative to the folder base.
	Output func(base, path string) (store.Store, error)
	// PartitionRows is the weight a partition is cut to. Defaults to a job file's default.
	PartitionRows int64
	Lease         lease.Config
	// Alone says that there is one worker, which lives and dies with this process: when
	// it is unfit for a job, there is no other to wait for. It hears of it when the ledger
	// changes.
	Alone bool
	// AtOnce is how many commands a Term proposes together, and how many small files it
	// reads at once. Defaults to 128 in a Node, and to 1 in a Term by itself, which then
	// starts no goroutine.
	AtOnce int
	// Tick is how often silent workers are looked for. Defaults to 200 ms.
	Tick time.Duration
	// Now is the clock of patience: leases, back-off, times that are shown. Defaults
	// to time.Now.
	Now func() time.Time
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.PartitionRows == 0 {
		c.PartitionRows = job.Default().Run.PartitionRows
	}
	if c.Tick == 0 {
		c.Tick = 200 * time.Millisecond
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Node is one coordinator.
type Node struct {
	cfg  Config
	term atomic.Pointer[Term] // nil while it does not lead
	// away are the steps that wait for a store, of this leadership and of earlier ones.
	// One that hangs in a store must not keep this node from serving when it leads
	// again: what two leaderships write is the same, and written once.
	away sync.WaitGroup
}

// assignmentsMax is how many assignments one answer brings; a worker with more free
// slots asks again at once. Together with the check in plan it keeps answers
// below wire.BytesMax, whatever number of files an assignment names.
const assignmentsMax = 8

// New returns a node; Run starts it.
func New(cfg Config) *Node {
	if cfg.AtOnce == 0 {
		cfg.AtOnce = 128
	}
	return &Node{cfg: cfg.withDefaults()}
}

// Run serves until ctx ends and returns when everything it started has stopped.
// It serves only while it leads, each time after the ledger holds every entry of
// earlier terms.
func (n *Node) Run(ctx context.Context) error {
	defer n.away.Wait()
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
	l := &leadership{Term: NewTerm(n.cfg, n), node: n, questions: make(chan question)}
	n.term.Store(l.Term)
	defer n.term.Store(nil)
	group, ctx := errgroup.WithContext(over)
	group.Go(func() error { return n.cfg.Bus.Serve(ctx, l) })
	group.Go(func() error { return l.settle(ctx) })
	group.Go(func() error { return l.steps(ctx) })
	n.away.Go(func() { l.repoint(ctx) })
	if err := group.Wait(); over.Err() == nil {
		return err
	}
	return nil // told to stop, or deposed: whatever else was said follows from that
}

// Propose puts a command through raft until its outcome is known. Commands are
// idempotent or fenced, so that one whose outcome is not is asked again.
func (n *Node) Propose(ctx context.Context, cmd ledger.Command) (ledger.Reply, error) {
	if ctx.Err() != nil { // a step of a leadership that is over came back from its store
		return nil, fmt.Errorf("propose %s: %w: %w", cmd.Kind(), replica.ErrUnknownOutcome, context.Cause(ctx))
	}
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

// Verify returns nil when this node leads at the moment of asking, as a quorum says:
// what View shows then is no older than the call.
func (n *Node) Verify(ctx context.Context) error { return n.cfg.Replica.Verify(ctx) }

// Term returns the leadership that is served here, nil while another node leads.
func (n *Node) Term() *Term { return n.term.Load() }

// InFlight is Term.InFlight; 0 while another node leads.
func (n *Node) InFlight(id job.ID, stage int) (rows int64, tasks int) {
	if t := n.Term(); t != nil {
		return t.InFlight(id, stage)
	}
	return 0, 0
}

// Trouble is Term.Trouble; nil while another node leads.
func (n *Node) Trouble(id job.ID) error {
	if t := n.Term(); t != nil {
		return t.Trouble(id)
	}
	return nil
}

// Workers is Term.Workers; none while another node leads.
func (n *Node) Workers() []Worker {
	if t := n.Term(); t != nil {
		return t.Workers()
	}
	return nil
}

// Drain is Term.Drain; replica.ErrNotLeader while another node leads.
func (n *Node) Drain(worker string) error {
	if t := n.Term(); t != nil {
		return t.Drain(worker)
	}
	return fmt.Errorf("drain %s: %w", worker, replica.ErrNotLeader)
}
