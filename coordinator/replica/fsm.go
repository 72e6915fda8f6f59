package replica

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"rescore/coordinator/ledger"
	"rescore/partition/failpoint"
)

// applied is what Apply answers to the one that proposed: raft carries errors
// of the state machine in the response, not in the future's error.
type applied struct {
	reply ledger.Reply
	err   error
}

// fsm is the ledger as raft wants it. Raft calls Apply, Snapshot and Restore
// from one goroutine; views come from any.
type fsm struct {
	shelf     newShelf
	watch     func(uint64, []ledger.Event)
	log       hclog.Logger
	inARow    int           // snapshots taken in since the last command
	installed atomic.Uint64 // and since the start

	mu      sync.RWMutex
	state   *ledger.State
	changed chan struct{}
}

func newFSM(shelf newShelf, watch func(uint64, []ledger.Event), log hclog.Logger) *fsm {
	return &fsm{shelf: shelf, watch: watch, log: log, state: ledger.NewOn(shelf()), changed: make(chan struct{})}
}

// Apply implements raft.FSM. It panics on an entry it cannot read.
func (f *fsm) Apply(entry *raft.Log) any {
	f.inARow = 0
	failpoint.Hit("replica.apply")
	cmd, err := ledger.DecodeCommand(entry.Data)
	if err != nil {
		panic(fmt.Sprintf("replica: log entry %d: %v", entry.Index, err))
	}
	f.mu.Lock()
	before := f.state.Index()
	reply, events, err := ledger.Apply(f.state, entry.Index, cmd)
	if f.state.Index() == before {
		f.mu.Unlock()
		panic(fmt.Sprintf("replica: log entry %d after %d: %v", entry.Index, before, err))
	}
	f.signal()
	f.mu.Unlock()
	if f.watch != nil && len(events) > 0 {
		f.watch(entry.Index, events)
	}
	return applied{reply, err}
}

// signal wakes everyone who waits for a change; f.mu is held.
func (f *fsm) signal() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fsm) view(read func(*ledger.State)) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	read(f.state)
}

func (f *fsm) wake() <-chan struct{} {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.changed
}

// Snapshot implements raft.FSM. It copies the task lists and shares the rest,
// so that applying goes on while the copy is written.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return snapshot{f.state.Clone()}, nil
}

// Restore implements raft.FSM. It forgets what it held before.
func (f *fsm) Restore(r io.ReadCloser) error {
	state, err := ledger.Read(r, f.shelf())
	if err != nil {
		return err
	}
	failpoint.Hit("replica.restore")
	f.installed.Add(1)
	if f.inARow++; f.inARow > 2 { // a log that never reaches the snapshots (raft issue 697)
		f.log.Error("one snapshot after another and no command between: remove this replica, empty its folder, add it again and promote it", "snapshots", f.inARow)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = state
	f.signal()
	return nil
}

// snapshot is a ledger that no longer changes.
type snapshot struct{ state *ledger.State }

// Persist implements raft.FSMSnapshot.
func (s snapshot) Persist(sink raft.SnapshotSink) error {
	failpoint.Hit("replica.snapshot")
	if err := s.state.Write(sink); err != nil {
		_ = sink.Cancel() // the first error is the one to tell
		return err
	}
	failpoint.Hit("replica.snapshotted")
	return sink.Close()
}

// Release implements raft.FSMSnapshot.
func (s snapshot) Release() {}
