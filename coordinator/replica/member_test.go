package replica

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hashicorp/raft"

	"rescore/partition/loopback"
)

// joins opens a fourth that waits to be added.
func (c *three) joins(id string) (*Replica, string) {
	c.t.Helper()
	l := loopback.Listen(c.t)
	return c.start(Config{Dir: filepath.Join(c.dir, id), ID: id, Peers: c.peers, Join: true, Advertise: l.Addr().String(), Listener: l}), l.Addr().String()
}

func (c *three) voters() (names []string) {
	c.t.Helper()
	members, err := c.leader().Members(patient(c.t))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, m := range members {
		if m.Voter {
			names = append(names, m.ID)
		}
	}
	return names
}

func TestALostMemberIsReplacedWithoutEverHavingTwoVoters(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	for n := range 5 {
		c.submit(n)
	}
	lost := c.shut(c.followers(c.leader())[0])
	_, at := c.joins("c4")
	eventually(t, func(ctx context.Context) error {
		if err := c.leads(ctx).Promote(ctx, "c4"); !errors.Is(err, ErrMember) {
			return fmt.Errorf("a stranger was not refused: %w", err)
		}
		return nil
	})
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Add(ctx, "c4", at) })
	if got := c.voters(); len(got) != 3 {
		t.Errorf("voters are %v", got)
	}
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Promote(ctx, "c4") })
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Remove(ctx, lost, false) })
	if got := c.voters(); len(got) != 3 {
		t.Errorf("voters are %v", got)
	}
	c.submit(5)
	c.same(6)

	// The new one's vote counts, and its name is for good.
	c.shut(c.followers(c.at["c4"])[0])
	c.submit(6)
	c.same(7)
	was := c.at["c4"]
	id := c.shut(was)
	r := c.start(Config{Dir: filepath.Join(c.dir, id), ID: id, Peers: c.peers, Join: true, Advertise: at})
	if r.ID() != "c4" {
		t.Errorf("it is %s", r.ID())
	}
	c.submit(7)
	c.same(8)
}

func TestVotersAreNotBroughtDownToTwoUnlessForced(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	c.submit(0)
	leader := c.leader()
	gone := c.followers(leader)[0]
	eventually(t, func(ctx context.Context) error {
		err := c.leads(ctx).Remove(ctx, gone.ID(), false)
		if errors.Is(err, ErrMember) {
			return nil
		}
		return errors.Join(errors.New("it was not refused"), err)
	})
	if got := c.voters(); len(got) != 3 {
		t.Errorf("voters are %v", got)
	}
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Remove(ctx, gone.ID(), true) })
	// The one that was removed finds out, says so, and is of no more use.
	await(t, gone.Failed(), "the end of the one that was removed")
	if err := gone.Err(); !errors.Is(err, ErrRemoved) {
		t.Error(err)
	}
	c.shut(gone)
	c.submit(1)
	c.same(2)
}

// The entry that removes a member is sent to it once; nobody speaks to it again.
func TestAMemberFindsOutThatItWasRemovedWhileItWasAway(t *testing.T) {
	t.Parallel()
	net := newNetwork()
	c := begin(t, net.through)
	c.submit(0)
	gone := c.followers(c.leader())[0]
	net.isolate(gone.ID(), c.peers)
	delete(c.at, gone.ID()) // it may not be asked who leads
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Remove(ctx, gone.ID(), true) })
	c.submit(1)
	select {
	case <-gone.Failed():
		t.Error("it ended with nobody to tell it:", gone.Err())
	default:
	}
	net.heal()
	await(t, gone.Failed(), "the end of the one that was removed")
	if err := gone.Err(); !errors.Is(err, ErrRemoved) {
		t.Error(err)
	}
	c.same(2)
}

// One that is cut off, or behind, is no less a member for it.
func TestAMemberThatWasAwayStaysOne(t *testing.T) {
	t.Parallel()
	net := newNetwork()
	c := begin(t, net.through)
	c.submit(0)
	away := c.followers(c.leader())[0]
	net.isolate(away.ID(), c.peers)
	if away.removedUnheard() {
		t.Error("nobody told it so")
	}
	net.heal()
	eventually(t, func(context.Context) error { // those that hear it know no newer entry
		for _, p := range c.peers {
			if p.ID == away.ID() {
				continue
			}
			in, index, err := away.layer.knows(patient(t), p.Address, away.ID())
			if err != nil || !in || index == 0 {
				return fmt.Errorf("%s says %v by entry %d: %w", p.ID, in, index, err)
			}
		}
		return nil
	})
	if away.removedUnheard() {
		t.Error("it took itself for removed")
	}
	c.submit(1)
	c.same(2)
	if in, index := away.counts("stranger"); in || index == 0 {
		t.Errorf("a stranger is a member: %v, by entry %d", in, index)
	}
}

func TestALeaderThatIsRemovedEnds(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	c.submit(0)
	old := c.leader()
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Remove(ctx, old.ID(), true) })
	await(t, old.Failed(), "the end of the one that was removed")
	if err := old.Err(); !errors.Is(err, ErrRemoved) {
		t.Error(err)
	}
	if _, err := old.Lead(patient(t)); !errors.Is(err, ErrRemoved) {
		t.Error(err)
	}
	c.shut(old)
	c.submit(1)
	c.same(2)
}

func TestAPromotionWaitsForOneThatIsNotThere(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	c.submit(0)
	l := loopback.Listen(t)
	at := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Add(ctx, "c4", at) })
	ctx, cancel := context.WithCancel(patient(t))
	done := make(chan error, 1)
	leader := c.leader()
	go func() { done <- leader.Promote(ctx, "c4") }()
	cancel()
	if err := <-done; err == nil {
		t.Error("it was promoted")
	}
	if got := c.voters(); len(got) != 3 {
		t.Errorf("voters are %v", got)
	}
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Add(ctx, "c4", at) }) // again is nothing
	eventually(t, func(ctx context.Context) error {
		if err := c.leads(ctx).Add(ctx, "c5", at); !errors.Is(err, ErrMember) {
			return fmt.Errorf("two may have one address: %w", err)
		}
		return nil
	})
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Remove(ctx, "c4", false) }) // has no vote
}

func TestChangesDecidedOnTheSameMembersDoNotAddUp(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	eventually(t, func(ctx context.Context) error {
		leader := c.leads(ctx)
		_, prev, err := leader.configured()
		if err != nil {
			return err
		}
		if prev == 0 {
			t.Fatal("the members have no index")
		}
		errs := make([]error, 2)
		var group sync.WaitGroup
		for i, id := range []string{"c4", "c5"} {
			at := fmt.Sprintf("127.0.0.1:%d", i+1)
			group.Go(func() { errs[i] = leader.raft.AddNonvoter(raft.ServerID(id), raft.ServerAddress(at), prev, 0).Error() })
		}
		group.Wait()
		switch {
		case errs[0] == nil && errs[1] == nil:
			t.Fatal("both came through")
		case errs[0] != nil && errs[1] != nil:
			return errors.Join(errs...)
		}
		if _, now, err := leader.configured(); err != nil || now <= prev {
			t.Fatalf("the members' index went from %d to %d, %v", prev, now, err)
		}
		return nil
	})
}

func TestAMemberMovesAndKeepsItsVote(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	c.submit(0)
	gone := c.shut(c.followers(c.leader())[0])
	_, at := c.joins("c4")
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Add(ctx, "c4", at) })
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Promote(ctx, "c4") })
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Remove(ctx, gone, false) })
	// c4 is in nobody's list of peers: only the cluster can say where it is.
	c.shut(c.at["c4"])
	l := loopback.Listen(t)
	moved := l.Addr().String()
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Add(ctx, "c4", moved) })
	c.start(Config{Dir: filepath.Join(c.dir, "c4"), ID: "c4", Peers: c.peers, Join: true, Advertise: moved, Listener: l})
	if got := c.voters(); len(got) != 3 {
		t.Errorf("voters are %v", got)
	}
	c.submit(1)
	c.same(2)
}

func TestAClusterThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	peers := func(p ...Peer) []Peer { return p }
	for name, cfg := range map[string]Config{
		"two voters":       {ID: "a", Peers: peers(Peer{"a", "h:1"}, Peer{"b", "h:2"})},
		"no name":          {Peers: peers(Peer{"a", "h:1"})},
		"not among them":   {ID: "d", Peers: peers(Peer{"a", "h:1"})},
		"a name twice":     {ID: "a", Peers: peers(Peer{"a", "h:1"}, Peer{"a", "h:2"}, Peer{"b", "h:3"})},
		"an address twice": {ID: "a", Peers: peers(Peer{"a", "h:1"}, Peer{"b", "h:1"}, Peer{"c", "h:3"})},
		"no address":       {ID: "a", Peers: peers(Peer{"a", ""})},
		"joins nowhere":    {ID: "d", Join: true, Peers: peers(Peer{"a", "h:1"})},
		"a bad name":       {ID: "a b", Peers: peers(Peer{"a b", "h:1"})},
	} {
		cfg.Dir = t.TempDir()
		if r, err := Open(cfg); !errors.Is(err, ErrIdentity) {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				mustClose(t, r)
			}
		}
	}
}

func TestWhoWasJoiningAndLostItsLogMayJoinAndWhoWasAMemberMayNot(t *testing.T) {
	t.Parallel()
	c := begin(t, nil)
	c.submit(0)
	r, at := c.joins("c4")
	c.shut(r)
	again := func(on net.Listener) (*Replica, error) {
		return Open(Config{Dir: filepath.Join(c.dir, "c4"), ID: "c4", Peers: c.peers, Join: true, Advertise: at, Listener: on})
	}
	remove(t, filepath.Join(c.dir, "c4"), "raft.db")
	r, err := again(nil)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Add(ctx, "c4", at) })
	eventually(t, func(ctx context.Context) error { return c.leads(ctx).Promote(ctx, "c4") })
	eventually(t, func(context.Context) error { return named(filepath.Join(c.dir, "c4"), "c4\n") })
	mustClose(t, r)
	remove(t, filepath.Join(c.dir, "c4"), "raft.db")
	if r, err := again(nil); !errors.Is(err, ErrHistory) {
		t.Errorf("a member without its votes came back: %v", err)
		if err == nil {
			mustClose(t, r)
		}
	}
}

// named tells whether the folder has its name for good.
func named(dir, want string) error {
	data, err := os.ReadFile(filepath.Join(dir, idFile))
	if err == nil && string(data) != want {
		err = fmt.Errorf("the name is %q", data)
	}
	return err
}
