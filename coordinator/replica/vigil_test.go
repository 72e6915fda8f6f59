package replica

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// hushed sets raft's own timeouts so high that nobody stands for election for ten
// seconds but by the vigil, and low enough that one lost is held again. It returns who
// leads, and for each name what is closed once it has asked another for a vote as the
// vigil does.
func hushed(c *three) (leader *Replica, stood map[string]chan struct{}) {
	c.submit(0)
	stood = map[string]chan struct{}{}
	said := map[string]func(){}
	for id := range c.at {
		first := make(chan struct{})
		stood[id], said[id] = first, sync.OnceFunc(func() { close(first) })
	}
	for _, r := range c.at {
		calm := r.raft.ReloadableConfig()
		calm.HeartbeatTimeout, calm.ElectionTimeout = 10*time.Second, 10*time.Second
		if err := r.raft.ReloadConfig(calm); err != nil {
			c.t.Fatal(err)
		}
		r.raft.RegisterObserver(raft.NewObserver(nil, false, func(o *raft.Observation) bool {
			if vote, ok := o.Data.(raft.RequestVoteRequest); ok && vote.LeadershipTransfer {
				said[string(vote.ID)]()
			}
			return false
		}))
	}
	return c.leader(), stood
}

// TestALeaderThatIsGoneIsNotWaitedFor: one whose connections end and whose port refuses
// new ones is replaced, whatever raft's patience with those that say nothing.
func TestALeaderThatIsGoneIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	lost, stood := hushed(c)
	rest := c.followers(lost)
	lost.layer.cut()
	delete(c.at, lost.ID())
	select {
	case <-stood[rest[0].ID()]:
	case <-stood[rest[1].ID()]:
	case <-time.After(patience):
		t.Error("nobody stood for election")
	}
	c.submit(1)
}

// TestAShorterLogStandsInNobodysWay: the follower whose turn is first lacks an entry. It
// asks the other for a vote, which makes that one forget who led before it has found out
// that the leader is gone.
func TestAShorterLogStandsInNobodysWay(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	var term atomic.Uint64 // what the slow one waits to be over
	var slow atomic.Pointer[Replica]
	c := begin(t, func(cfg *Config) {
		n.through(cfg)
		id, dial := cfg.ID, cfg.dial
		cfg.dial = func(address string, timeout time.Duration) (net.Conn, error) {
			if r := slow.Load(); r != nil && r.ID() == id {
				for r.raft.CurrentTerm() == term.Load() && r.life.Err() == nil {
					time.Sleep(time.Millisecond)
				}
			}
			return dial(address, timeout)
		}
	})
	lost, _ := hushed(c)
	ctx := patient(t)
	var short, other *Replica
	for try := 1; ; try++ {
		short, other = c.followers(lost)[0], c.followers(lost)[1]
		n.cut(lost.ID(), short.ID())
		if _, err := lost.Propose(ctx, submit(try)); err == nil && other.raft.LastIndex() > short.raft.LastIndex() {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("nobody led for long enough")
		}
		n.heal() // another leads by now, as on a machine under load
		lost = c.leader()
	}
	term.Store(other.raft.CurrentTerm())
	slow.Store(other)
	lost.layer.cut()
	delete(c.at, lost.ID())
	switch gone := raft.ServerID(lost.ID()); {
	case other.gone(gone, raft.ServerAddress(c.address(lost.ID()))):
		other.stand(gone)
	case !other.replaced(gone): // its own vigil may have been faster
		t.Errorf("%s was asked for its vote, and no longer sees that %s is gone", other.ID(), gone)
	}
	c.submit(0)
}

// TestALeaderThatIsThereIsLeftInItsPlace: what a follower takes for the end of the
// leader costs it its place only when its port refuses a call.
func TestALeaderThatIsThereIsLeftInItsPlace(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	leader, stood := hushed(c)
	gone, address := raft.ServerID(leader.ID()), c.address(leader.ID())
	for _, r := range c.followers(leader) {
		told := make(chan bool)
		go func() { told <- r.gone(gone, raft.ServerAddress(address)) }()
		for waiting := true; waiting; {
			r.layer.mu.Lock()
			for held := range r.layer.open { // its vigil among them
				if held.RemoteAddr().String() == address {
					_ = held.Close()
				}
			}
			r.layer.mu.Unlock()
			select {
			case is := <-told:
				if is {
					t.Errorf("%s takes %s for gone, whose port answers", r.ID(), gone)
				}
				waiting = false
			case <-time.After(time.Millisecond):
			}
		}
	}
	for id, asked := range stood {
		select {
		case <-asked:
			t.Errorf("%s stood for election", id)
		default:
		}
	}
	c.submit(1)
}
