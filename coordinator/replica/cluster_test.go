package replica

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"rescore/coordinator/ledger"
	"rescore/partition/loopback"
)

// three is a cluster over loopback, each replica with a folder of its own.
type three struct {
	t     testing.TB
	dir   string
	peers []Peer
	at    map[string]*Replica
	cfg   func(*Config)
}

// begin opens three; cfg, when given, has the last word on each one's configuration.
func begin(t testing.TB, cfg func(*Config)) *three {
	t.Helper()
	c := &three{t: t, dir: t.TempDir(), at: map[string]*Replica{}, cfg: cfg}
	listeners := map[string]net.Listener{}
	for i := range 3 {
		l := loopback.Listen(t)
		id := fmt.Sprintf("c%d", i+1)
		listeners[id] = l
		c.peers = append(c.peers, Peer{id, l.Addr().String()})
	}
	for _, p := range c.peers {
		c.open(p.ID, listeners[p.ID])
	}
	return c
}

func (c *three) config(id string) Config {
	cfg := Config{Dir: filepath.Join(c.dir, id), ID: id, Peers: c.peers}
	if c.cfg != nil {
		c.cfg(&cfg)
	}
	return cfg
}

// address is where a peer is reached.
func (c *three) address(id string) string {
	for _, p := range c.peers {
		if p.ID == id {
			return p.Address
		}
	}
	c.t.Fatalf("nobody is %s", id)
	return ""
}

// open begins or reopens a replica; without a listener, where it was before.
func (c *three) open(id string, on net.Listener) *Replica {
	c.t.Helper()
	cfg := c.config(id)
	cfg.Listener = on
	return c.start(cfg)
}

func (c *three) start(cfg Config) *Replica {
	c.t.Helper()
	r, err := Open(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.at[cfg.ID] = r
	c.t.Cleanup(func() { mustClose(c.t, r) })
	return r
}

// shut closes a replica and returns its name.
func (c *three) shut(r *Replica) string {
	c.t.Helper()
	mustClose(c.t, r)
	delete(c.at, r.ID())
	return r.ID()
}

// leader waits until one of those that are open leads, and is the only one to
// have it confirmed.
func (c *three) leader() *Replica {
	c.t.Helper()
	for ctx := patient(c.t); ; {
		r := c.leads(ctx)
		if r.Verify(ctx) == nil {
			return r
		}
	}
}

func (c *three) leads(ctx context.Context) *Replica {
	c.t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found := make(chan *Replica, len(c.at))
	for _, r := range c.at {
		go func() {
			if _, err := r.Lead(ctx); err == nil {
				found <- r
			}
		}()
	}
	select {
	case r := <-found:
		return r
	case <-ctx.Done():
		c.t.Fatal("nobody leads")
		return nil
	}
}

// followers are those that are open but the given one.
func (c *three) followers(leader *Replica) []*Replica {
	var others []*Replica
	for _, p := range c.peers {
		if r := c.at[p.ID]; r != nil && r != leader {
			others = append(others, r)
		}
	}
	return others
}

// submit proposes a job until somebody has answered, as callers do.
func (c *three) submit(n int) {
	c.t.Helper()
	for ctx := patient(c.t); ; {
		_, err := c.leads(ctx).Propose(ctx, submit(n))
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			c.t.Fatal(err)
		}
	}
}

// same waits until every open replica holds the same ledger as the leader, of so
// many jobs (I7).
func (c *three) same(want int) {
	c.t.Helper()
	ctx := patient(c.t)
	leader := c.leader()
	sum := digest(c.t, leader)
	leader.View(func(s *ledger.State) {
		if got := len(jobs(s)); got != want {
			c.t.Errorf("the leader has %d jobs, want %d", got, want)
		}
	})
	for id, r := range c.at {
		for changed := r.Changed(); digest(c.t, r) != sum; changed = r.Changed() {
			select {
			case <-changed:
			case <-ctx.Done():
				c.t.Fatalf("%s holds %s, the leader %s", id, digest(c.t, r), sum)
			}
		}
	}
}

// eventually asks until there is no error: a machine under load may elect another
// leader at any time.
func eventually(t *testing.T, ask func(context.Context) error) {
	t.Helper()
	ctx := patient(t)
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

func TestThreeReplicasElectOneAndHoldTheSameLedger(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	for n := range 10 {
		c.submit(n)
	}
	c.same(10)
	eventually(t, func(ctx context.Context) error {
		leader := c.leads(ctx)
		for _, r := range c.followers(leader) {
			if err := r.Verify(ctx); !errors.Is(err, ErrNotLeader) {
				return fmt.Errorf("%s leads beside %s: %w", r.ID(), leader.ID(), err)
			}
			if _, err := r.Propose(ctx, submit(10)); !errors.Is(err, ErrNotLeader) {
				return fmt.Errorf("%s took a command beside %s: %w", r.ID(), leader.ID(), err)
			}
			if id, ok := r.Leader(); !ok || id != leader.ID() {
				return fmt.Errorf("%s says that %q leads", r.ID(), id)
			}
			members, err := r.Members(ctx)
			if err != nil || len(members) != 3 {
				return fmt.Errorf("%v, %w", members, err)
			}
			for i, m := range members {
				if want := (Member{c.peers[i].ID, c.peers[i].Address, true, c.peers[i].ID == leader.ID()}); m != want {
					return fmt.Errorf("%s says %+v, want %+v", r.ID(), m, want)
				}
			}
		}
		return leader.Verify(ctx)
	})
}

func TestWhatWasAnsweredOutlivesAnyOneOfThree(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	jobs := 0
	for _, leads := range []bool{true, false, true} {
		for range 5 {
			c.submit(jobs)
			jobs++
		}
		lost := c.leader()
		if !leads {
			lost = c.followers(lost)[0]
		}
		id := c.shut(lost)
		c.same(jobs)
		c.submit(jobs) // two of three go on
		jobs++
		c.open(id, nil)
		c.same(jobs)
	}
}

func TestThreeReplicasRestartFromDiskUnderNewAddresses(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	for n := range 5 {
		c.submit(n)
	}
	for _, p := range c.peers {
		c.shut(c.at[p.ID])
	}
	on := map[string]net.Listener{}
	for i := range c.peers { // every one of them has moved
		l := loopback.Listen(t)
		c.peers[i].Address = l.Addr().String()
		on[c.peers[i].ID] = l
	}
	for _, p := range c.peers {
		c.open(p.ID, on[p.ID])
	}
	c.same(5)
	c.submit(5)
	c.same(6)
}
