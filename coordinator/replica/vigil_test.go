package replica

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// TestALeaderThatIsGoneIsNotWaitedFor lets the others wait ten minutes for a leader
// that says nothing. One whose connections end and whose port refuses new ones is
// replaced at once all the same.
func TestALeaderThatIsGoneIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	c.submit(0)
	lost := c.leader()
	for _, r := range c.followers(lost) {
		patience := r.raft.ReloadableConfig()
		patience.HeartbeatTimeout, patience.ElectionTimeout = 10*time.Minute, 10*time.Minute
		if err := r.raft.ReloadConfig(patience); err != nil {
			t.Fatal(err)
		}
	}
	lost.layer.cut()
	delete(c.at, lost.ID())
	if next := c.leader(); next.ID() == lost.ID() {
		t.Errorf("%s leads, and nobody can reach it", lost.ID())
	}
	c.submit(1)
}

// TestALeaderThatIsThereIsLeftInItsPlace: what one follower takes for the end of the
// leader costs it its place only when its port refuses a call.
func TestALeaderThatIsThereIsLeftInItsPlace(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	leader := c.leader()
	term := leader.raft.CurrentTerm()
	for _, r := range c.followers(leader) {
		conn, err := r.layer.call(c.address(leader.ID()), time.Minute, forVigil)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		if !r.follows(raft.ServerID(leader.ID())) {
			continue // nobody told it yet, so that it watches nobody
		}
		r.layer.mu.Lock()
		for held := range r.layer.open { // its vigil among them
			if held.RemoteAddr().String() == c.address(leader.ID()) {
				_ = held.Close()
			}
		}
		r.layer.mu.Unlock()
	}
	c.submit(0)
	c.submit(1)
	if next := c.leader(); next != leader || next.raft.CurrentTerm() != term {
		t.Errorf("%s leads in term %d, %s led in term %d", next.ID(), next.raft.CurrentTerm(), leader.ID(), term)
	}
}
