package coordinator

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"rescore/partition/failpoint"
	"rescore/partition/job"
	"rescore/partition/wire"
)

// leadership runs a Term: it is what a Term leaves out, the goroutines and timers.
type leadership struct {
	*Term
	node      *Node
	questions chan question
}

// question is a work request that waits for its answer.
type question struct {
	request wire.WorkRequest
	answer  chan<- wire.WorkReply // takes one without waiting
}

// Work implements bus.Handler.
func (l *leadership) Work(ctx context.Context, r wire.WorkRequest) wire.WorkReply {
	answer := make(chan wire.WorkReply, 1)
	select {
	case l.questions <- question{r, answer}:
	case <-ctx.Done():
		return wire.WorkReply{NotLeader: true}
	}
	select {
	case reply := <-answer:
		return reply
	case <-ctx.Done():
		return wire.WorkReply{NotLeader: true}
	}
}

// settle answers all who asked while the answers before were on their way into the
// log: however many workers there are, they cost one decision and one write. In
// between it looks for silent workers.
func (l *leadership) settle(ctx context.Context) error {
	ticker := time.NewTicker(l.cfg.Tick)
	defer ticker.Stop()
	for {
		var asked []question
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
			l.Tick(ctx)
			continue
		case q := <-l.questions:
			asked = append(asked, q)
		}
		for more := true; more; {
			select {
			case q := <-l.questions:
				asked = append(asked, q)
			default:
				more = false
			}
		}
		requests := make([]wire.WorkRequest, len(asked))
		for i, q := range asked {
			requests[i] = q.request
		}
		replies := l.Settle(ctx, requests)
		failpoint.Hit("coordinator.granted")
		for i, reply := range replies {
			asked[i].answer <- reply
		}
	}
}

// steps takes every job its next step, each in its own time: a job whose store is slow
// keeps none waiting.
func (l *leadership) steps(ctx context.Context) error {
	// The ledger may change ten thousand times a second. A job alone changes it a few times
	// in a row, and waits for each look.
	pace := rate.NewLimiter(rate.Every(2*time.Millisecond), 8)
	ticker := time.NewTicker(l.cfg.Tick)
	defer ticker.Stop()
	busy, done := map[job.ID]bool{}, make(chan job.ID)
	for {
		changed := l.node.Changed()
		for _, id := range l.Todo() {
			if busy[id] {
				continue
			}
			busy[id] = true
			l.node.away.Go(func() {
				_ = l.Step(ctx, id) // is in Trouble
				select {
				case done <- id:
				case <-ctx.Done():
				}
			})
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case id := <-done:
			delete(busy, id)
			continue
		case <-changed:
		case <-ticker.C:
		}
		if wait := pace.Reserve().Delay(); wait > 0 {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(wait):
			}
		}
	}
}

// repoint finishes rollbacks that whoever decided them could not finish.
func (l *leadership) repoint(ctx context.Context) {
	ticker := time.NewTicker(5 * l.cfg.Tick)
	defer ticker.Stop()
	for {
		if err := l.Repoint(ctx); err != nil && ctx.Err() == nil {
			l.cfg.Log.Warn("rollback is stuck", "again", 5*l.cfg.Tick, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
