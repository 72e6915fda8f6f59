package replica

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/goleak"

	"rescore/partition/loopback"
)

func TestALeaderThatIsCutOffLeadsNoMoreAndComesBackAsTheOthersAre(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	c := begin(t, n.through)
	for i := range 3 {
		c.submit(i)
	}
	old := c.leader()
	term, err := old.Lead(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	n.isolate(old.ID(), c.peers)
	// Whatever it says of itself, a quorum does not, once each of the others has answered
	// the heartbeat that was on its way to it.
	for range c.peers {
		if err = old.Verify(patient(t)); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrNotLeader) {
		t.Errorf("verify: %v", err)
	}
	await(t, term.Done(), "the end of its term")
	if _, err := old.Propose(patient(t), submit(99)); err == nil {
		t.Error("it took a command that nobody else has")
	}
	delete(c.at, old.ID())
	c.submit(3)
	c.same(4)
	c.at[old.ID()] = old
	n.heal()
	c.same(4)
}

// A replica that was cut off asks before it stands for election (pre-vote), so its
// return does not unseat anybody.
func TestAReplicaThatWasCutOffDoesNotUnseatTheLeader(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	c := begin(t, n.through)
	c.submit(0)
	lost := c.followers(c.leader())[0]
	n.isolate(lost.ID(), c.peers)
	was := lost.raft.CurrentTerm()
	eventually(t, func(context.Context) error { // it stands for election, and asks
		if lost.raft.State() != raft.Candidate {
			return errors.New("it has not noticed")
		}
		return nil
	})
	for i := range 5 {
		c.submit(1 + i)
	}
	if now := lost.raft.CurrentTerm(); now != was {
		t.Errorf("alone, it went from term %d to %d", was, now)
	}
	n.heal()
	c.same(6)
}

func TestADiskThatHangsEndsTheLeaderAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	c := begin(t, func(cfg *Config) { cfg.Stall = 10 * time.Second }) // longer than an honest disk under load
	c.submit(0)
	old := c.leader()
	hang, hanging := make(chan struct{}), make(chan struct{})
	term := hold(t, old, func(write func() error) error {
		close(hanging)
		<-hang
		return write()
	})
	go func() { _, _ = old.Propose(context.Background(), submit(1)) }() // what it is told is below
	await(t, hanging, "the write that hangs")
	await(t, old.Failed(), "the end of the replica")
	await(t, term.Done(), "the end of its term")
	if err := old.Err(); !errors.Is(err, ErrBroken) || !errors.Is(err, errStalled) {
		t.Errorf("it failed of %v", err)
	}
	if _, err := old.Propose(patient(t), submit(1)); !errors.Is(err, ErrBroken) {
		t.Errorf("propose: %v", err)
	}
	if _, err := old.Lead(patient(t)); !errors.Is(err, ErrBroken) {
		t.Errorf("lead: %v", err)
	}
	delete(c.at, old.ID())
	c.submit(1)
	c.same(2)
	mustClose(t, old) // does not wait for the disk
	close(hang)       // that answers after all
	if err := old.store.bolt.Close(); err != nil {
		t.Fatal(err)
	}
	c.open(old.ID(), nil)
	c.same(2)
}

// hold puts a disk under the leader that does with writes what the test wants.
func hold(t *testing.T, r *Replica, write func(func() error) error) context.Context {
	t.Helper()
	term, err := r.Lead(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	r.store.slow.Store(&write)
	return term
}

func TestTheFirstFailedWriteEndsAFollower(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	c.submit(0)
	r := c.followers(c.leader())[0]
	full := func(func() error) error { return errors.New("no space left on device") }
	r.store.slow.Store(&full)
	c.submit(1)
	await(t, r.Failed(), "the end of the replica")
	if err := r.Err(); !errors.Is(err, ErrBroken) {
		t.Error(err)
	}
	c.open(c.shut(r), nil) // there is space again
	c.submit(2)
	c.same(3)
}

func TestTwentyLivesOfThreeReplicasLeaveNoGoroutine(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	c := &three{t: t, dir: t.TempDir(), at: map[string]*Replica{}, cfg: func(cfg *Config) {
		cfg.tune = func(rc *raft.Config) { // elect sooner
			rc.HeartbeatTimeout, rc.ElectionTimeout, rc.LeaderLeaseTimeout = 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond
		}
	}}
	for i := range 3 {
		l := loopback.Listen(t)
		c.peers = append(c.peers, Peer{"c" + string(rune('1'+i)), l.Addr().String()})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 20 {
		for _, p := range c.peers {
			c.open(p.ID, nil)
		}
		c.submit(n)
		for _, p := range c.peers {
			c.shut(c.at[p.ID])
		}
	}
	goleak.VerifyNone(t, ignore)
}

// BenchmarkFailover is the time from the death of a leader to the first command that
// the next one answers, with the timeouts of production.
func BenchmarkFailover(b *testing.B) {
	c := begin(b, nil)
	c.submit(0)
	n := 0
	for b.Loop() {
		b.StopTimer()
		c.same(n + 1)
		old := c.leader()
		b.StartTimer()
		old.fail(errKilled)
		delete(c.at, old.ID())
		n++
		c.submit(n)
		b.StopTimer()
		mustClose(b, old)
		c.open(old.ID(), nil)
		b.StartTimer()
	}
}

// A follower that missed more than the log keeps is sent a snapshot, then the rest:
// with a log this short, raft issue 697 would send one after another.
func TestAFollowerThatMissedTheLogCatchesUpWithinThreeSnapshots(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	c := begin(t, func(cfg *Config) {
		n.through(cfg)
		cfg.tune = func(rc *raft.Config) { rc.TrailingLogs = 16 }
	})
	c.submit(0)
	lost := c.followers(c.leader())[0]
	n.isolate(lost.ID(), c.peers)
	delete(c.at, lost.ID())
	for i := range 100 {
		c.submit(1 + i)
		if i%20 == 19 {
			for _, r := range c.at {
				if err := r.Snapshot(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if first, err := c.leader().store.FirstIndex(); err != nil || first < 20 {
		t.Fatalf("the log still begins at %d, %v", first, err)
	}
	c.at[lost.ID()] = lost
	n.heal()
	for i := range 20 { // while the log goes on
		c.submit(101 + i)
	}
	c.same(121)
	if got := lost.Progress().Installed; got == 0 || got > 3 {
		t.Errorf("it took %d snapshots", got)
	}
	c.open(c.shut(lost), nil) // what it was sent is whole on its disk
	c.same(121)
}

func TestACorruptFollowerIsRefusedAndReplaced(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	for i := range 20 {
		c.submit(i)
	}
	c.same(20)
	id := c.shut(c.followers(c.leader())[0])
	flipEntry(t, filepath.Join(c.dir, id, "raft.db"), submit(7).Job)
	if r, err := Open(c.config(id)); !errors.Is(err, ErrHistory) {
		if err == nil {
			mustClose(t, r)
		}
		t.Fatalf("it opened: %v", err)
	}
	// What the error says: remove it, empty the folder, join again.
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Remove(ctx, id, true) })
	if err := os.RemoveAll(filepath.Join(c.dir, id)); err != nil {
		t.Fatal(err)
	}
	cfg := c.config(id)
	cfg.Join = true
	c.start(cfg)
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Add(ctx, id, c.address(id)) })
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Promote(ctx, id) })
	c.submit(20)
	c.same(21)
}
