// Package coordinator is the control plane: it hands out leases, takes reports,
// and takes every job its next step. It never touches a subscriber record.
//
//	workers ──► bus ──► Node ──► Term ──► lease.Decide ──► replica ──► ledger
//	                               ▲                                     │
//	                               └──── plan.Cut, publish.Gate, … ◄─────┘
//
// Decisions are pure functions of the ledger. A Term is one leadership's soft state
// around them, and a Node the shell that leads, listens and calls. Every effect can
// be worked out again from the ledger, so a coordinator that starts, or takes over,
// begins by doing exactly that.
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
	"rescore/partition/wire"
)

// Config is what a coordinator needs from its surroundings.
type Config struct {
	Replica *replica.Replica // of a Node; a Term is given its ledger
	Bus     *bus.Bus         // of a Node
	// Output opens the dataset folder a spec names, relative to the folder base.
	Output func(base, path string) (store.Store, error)
	// PartitionRows is the weight a partition is cut to. Defaults to 250 000.
	PartitionRows int64
	Lease         lease.Config
	// Tick is how often silent workers are looked for. Defaults to 200 ms.
	Tick time.Duration
	// Now is the clock of patience: leases, back-off, times that are shown. Defaults
	// to time.Now.
	Now func() time.Time
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.PartitionRows == 0 {
		c.PartitionRows = 250_000
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
	turn sync.Mutex           // Term.Settle and Tick take turns
	term atomic.Pointer[Term] // of the last leadership; nil before the first
}

// assignmentsMax is how many assignments one answer brings; a worker with more free
// slots asks again at once. Together with the check in plan it keeps answers
// below wire.BytesMax, whatever number of files an assignment names.
const assignmentsMax = 8

// New returns a node; Run starts it.
func New(cfg Config) *Node { return &Node{cfg: cfg.withDefaults()} }

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
	t := NewTerm(n.cfg, n)
	n.term.Store(t)
	group, ctx := errgroup.WithContext(over)
	group.Go(func() error { return n.cfg.Bus.Serve(ctx, n) })
	group.Go(func() error { return n.steward(ctx, t) })
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

// InFlight is Term.InFlight of the last leadership here.
func (n *Node) InFlight(id job.ID, stage int) (rows int64, tasks int) {
	if t := n.term.Load(); t != nil {
		return t.InFlight(id, stage)
	}
	return 0, 0
}

// Workers is Term.Workers of the last leadership here.
func (n *Node) Workers() []Worker {
	if t := n.term.Load(); t != nil {
		return t.Workers()
	}
	return nil
}

// Drain is Term.Drain of the last leadership here.
func (n *Node) Drain(worker string) error {
	if t := n.term.Load(); t != nil {
		return t.Drain(worker)
	}
	return fmt.Errorf("drain %s: %w", worker, replica.ErrNotLeader)
}

// Work implements bus.Handler.
func (n *Node) Work(ctx context.Context, r wire.WorkRequest) wire.WorkReply {
	n.turn.Lock()
	defer n.turn.Unlock()
	return n.term.Load().Settle(ctx, []wire.WorkRequest{r})[0]
}

// Report implements bus.Handler.
func (n *Node) Report(ctx context.Context, r wire.Report) wire.ReportReply {
	return n.term.Load().Report(ctx, r)
}

// Heartbeat implements bus.Handler.
func (n *Node) Heartbeat(h wire.Heartbeat) { n.term.Load().Heartbeat(h) }

// steward takes every job its next step whenever the ledger changed, and gives
// the leases of silent workers away.
func (n *Node) steward(ctx context.Context, t *Term) error {
	ticker := time.NewTicker(n.cfg.Tick)
	defer ticker.Stop()
	for {
		changed := n.Changed()
		for _, id := range t.Todo() {
			if err := t.Step(ctx, id); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
			continue
		case <-ticker.C:
		}
		n.turn.Lock()
		t.Tick(ctx)
		n.turn.Unlock()
	}
}
