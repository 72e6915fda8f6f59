package coordinator

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"rescore/coordinator/lease"
	"rescore/partition/wire"
)

// Worker is what a leader knows of a worker, from its heartbeats and requests.
type Worker struct {
	ID, Host, Version string
	Slots             int   // tasks it does at once; 0 until it says
	Tasks             int   // at work on, by its last heartbeat
	Rows              int64 // of them, read by then
	MemoryBytes       int64
	Heard             time.Time    // last
	Draining          bool         // it is given nothing more, and leaves when its tasks are done
	Unfit             []wire.Unfit // jobs that it cannot work on, by ID; it is given none of them

	told bool // to drain, by Drain; it has not said that it does
}

// ErrNoWorker is returned by Drain for a worker that was not heard of lately.
var ErrNoWorker = errors.New("no such worker")

// A worker that is not heard of for so many times the TTL of a lease is forgotten.
const forgottenAfter = 4

// Heartbeat notes which leases a worker is working on.
func (t *Term) Heartbeat(h wire.Heartbeat) {
	now := t.cfg.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.worker(h.Worker, now)
	w.Host, w.Version, w.Slots, w.MemoryBytes = h.Host, h.Version, h.Slots, h.MemoryBytes
	w.Tasks, w.Rows = len(h.Tasks), 0
	for _, p := range h.Tasks {
		l := leaseOf(p.Lease)
		t.book.Heard(l, now)
		t.rows[l] = p.RowsDone
		w.Rows += p.RowsDone
	}
	if h.Draining {
		w.told = false // who comes back under that name is new
	}
	w.Draining = h.Draining || w.told
}

// worker returns what is known of a worker that was heard of now; t.mu is held.
func (t *Term) worker(id string, now time.Time) *Worker {
	w := t.workers[id]
	if w == nil {
		w = &Worker{ID: id}
		t.workers[id] = w
	}
	w.Heard = now
	return w
}

// idleLeast is how long a worker that gets nothing waits before it asks again: a stage
// may be about to be planned. Of many workers each waits a millisecond for every
// worker there is, so that idle ones ask a thousand times a second together and no
// more, and idleMost at the most.
const idleLeast, idleMost = 5 * time.Millisecond, time.Second

// meet notes who asks for work, and for how much. Nobody asks (a Request without a
// Worker) where a worker is told to leave, or asks again later on, having given up
// the question before.
func (t *Term) meet(requests []wire.WorkRequest, now time.Time) ([]wire.WorkReply, []lease.Request) {
	replies, asked := make([]wire.WorkReply, len(requests)), make([]lease.Request, len(requests))
	last := map[string]int{}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, r := range requests {
		w := t.worker(r.Worker, now)
		w.Version = r.Version
		w.Draining = w.told // it asks for work: whatever it said before, it is another process
		last[r.Worker] = i
		t.judged(r, now)
	}
	idle := min(max(idleLeast, time.Duration(len(t.workers))*time.Millisecond), idleMost)
	if t.cfg.Alone { // it need not ask whether the ledger has changed, and what else there is comes with a tick
		idle = t.cfg.Tick
	}
	for i, r := range requests {
		replies[i] = wire.WorkReply{RetryMillis: idle.Milliseconds(), Drain: t.workers[r.Worker].told}
		if last[r.Worker] == i && !replies[i].Drain {
			asked[i] = lease.Request{Worker: r.Worker, Slots: min(r.Slots, assignmentsMax), Ready: r.Ready}
		}
	}
	return replies, asked
}

// slots returns how many tasks the workers do at once that were heard of within the
// TTL of a lease. It forgets those long gone.
func (t *Term) slots(now time.Time) (n int) {
	ttl := t.cfg.Lease.WithDefaults().TTL
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, w := range t.workers {
		switch silent := now.Sub(w.Heard); {
		case silent > forgottenAfter*ttl:
			delete(t.workers, id)
		case silent <= ttl && !w.Draining:
			n += w.Slots
		}
	}
	return n
}

// Workers returns the workers that were heard of lately, by ID.
func (t *Term) Workers() []Worker {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Worker, 0, len(t.workers))
	for _, id := range slices.Sorted(maps.Keys(t.workers)) {
		w := *t.workers[id]
		w.Unfit = t.unfitFor(id)
		list = append(list, w)
	}
	return list
}

// Drain tells a worker, when it next asks for work, to finish what it has and to
// leave. Like all that is known of workers it is forgotten with the leadership.
func (t *Term) Drain(worker string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.workers[worker]
	if w == nil {
		return fmt.Errorf("drain %s: %w", worker, ErrNoWorker)
	}
	w.told, w.Draining = true, true
	return nil
}
