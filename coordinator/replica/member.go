package replica

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

var (
	// ErrMember is returned when a change of the members is refused; its text says
	// what to do instead.
	ErrMember = errors.New("members stay as they are")
	// ErrRemoved is the end of a replica that was taken out of the cluster.
	ErrRemoved = errors.New("this replica was removed from the cluster")
)

// Peer is a voter the cluster begins with, and where it is reached.
type Peer struct{ ID, Address string }

// Member is a replica of the cluster.
type Member struct {
	ID, Address string
	Voter       bool // its vote counts; others only listen
	Leader      bool
}

// Members returns who is in the cluster, as this replica knows it; one that does
// not lead may be behind.
func (r *Replica) Members(context.Context) ([]Member, error) {
	future := r.raft.GetConfiguration()
	if err := future.Error(); err != nil {
		return nil, fmt.Errorf("read the members: %w", err)
	}
	leader, _ := r.Leader()
	var members []Member
	for _, s := range future.Configuration().Servers {
		members = append(members, Member{
			ID: string(s.ID), Address: string(r.addressOf(s)),
			Voter: s.Suffrage == raft.Voter, Leader: string(s.ID) == leader,
		})
	}
	return members, nil
}

// Add brings a replica in that listens and has no vote. A member that is given
// another address keeps its vote.
func (r *Replica) Add(ctx context.Context, id, addr string) error {
	if !plain(id) || addr == "" {
		return fmt.Errorf("add member %q at %q: %w: a name is 1 to 128 letters, digits and dashes, an address is host:port", id, addr, ErrMember)
	}
	return r.change(ctx, "add member "+id, func(servers []raft.Server, prev uint64) (raft.IndexFuture, error) {
		add := r.raft.AddNonvoter
		for _, s := range servers {
			switch {
			case string(s.ID) == id && string(s.Address) == addr:
				return nil, nil
			case string(s.ID) == id && s.Suffrage == raft.Voter:
				add = r.raft.AddVoter // at another address
			case string(s.ID) != id && string(r.addressOf(s)) == addr:
				return nil, fmt.Errorf("%w: %s is reached at %s already", ErrMember, s.ID, addr)
			}
		}
		return add(raft.ServerID(id), raft.ServerAddress(addr), prev, r.timeout), nil
	})
}

// Promote gives a member its vote, once it has applied all that this leader had
// applied when it was asked: until then the cluster could not do without the others.
func (r *Replica) Promote(ctx context.Context, id string) error {
	what := "promote member " + id
	members, err := r.Members(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	at := slices.IndexFunc(members, func(m Member) bool { return m.ID == id })
	switch {
	case r.layer == nil || r.leading() == nil: // change says so
	case at < 0:
		return fmt.Errorf("%s: %w: there is none of that name; add it first", what, ErrMember)
	case members[at].Voter:
		return nil
	default:
		if err := r.caughtUp(ctx, members[at].Address); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return r.change(ctx, what, func(servers []raft.Server, prev uint64) (raft.IndexFuture, error) {
		for _, s := range servers {
			if string(s.ID) == id && s.Suffrage != raft.Voter {
				return r.raft.AddVoter(s.ID, s.Address, prev, r.timeout), nil
			}
		}
		return nil, nil
	})
}

// caughtUp waits until the replica at the address has applied what this one has.
func (r *Replica) caughtUp(ctx context.Context, address string) error {
	want := r.raft.AppliedIndex()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		index, err := r.layer.progress(ctx, address)
		if err == nil && index >= want {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("it has applied %d of %d entries", index, want)
			}
			return fmt.Errorf("%w: it has not caught up: %w; is it running?", ErrMember, err)
		case <-r.life.Done():
			return ErrClosed
		}
	}
}

// Remove takes a member out. Of three voters none is removed, unless forced: two
// voters stand a failure less than one does, as both are needed for anything. To replace
// one, add and promote the new one first.
func (r *Replica) Remove(ctx context.Context, id string, force bool) error {
	return r.change(ctx, "remove member "+id, func(servers []raft.Server, prev uint64) (raft.IndexFuture, error) {
		var found, voter bool
		left := 0
		for _, s := range servers {
			switch {
			case string(s.ID) == id:
				found, voter = true, s.Suffrage == raft.Voter
			case s.Suffrage == raft.Voter:
				left++
			}
		}
		switch {
		case !found:
			return nil, nil
		case voter && left == 0:
			return nil, fmt.Errorf("%w: %s is the last voter", ErrMember, id)
		case voter && left < 3 && !force:
			return nil, fmt.Errorf("%w: %d voters would be left, and the loss of one of them would stop the cluster; add and promote another one first, or force it", ErrMember, left)
		}
		return r.raft.RemoveServer(raft.ServerID(id), prev, r.timeout), nil
	})
}

// change makes one change of the members, on the members it was decided upon: a
// change that came between makes it fail, not add up.
func (r *Replica) change(ctx context.Context, what string, decide func([]raft.Server, uint64) (raft.IndexFuture, error)) error {
	return r.wait(ctx, what, func() error {
		if r.layer == nil {
			return fmt.Errorf("%w: this ledger lives in one process and has no others", ErrMember)
		}
		if r.leading() == nil {
			return ErrNotLeader
		}
		servers, prev, err := r.configured()
		if err != nil {
			return err
		}
		index, err := decide(servers, prev)
		if err != nil || index == nil {
			return err
		}
		return r.raftError(index.Error())
	})
}

// heed watches who the members are. One that joined keeps its name for good. One that
// is no longer among them, and that no leader speaks to, was removed: an entry that
// says so and is not committed might still be taken back, by a leader that speaks. The
// leader sends that entry once and does not insist, so one that no leader speaks to
// asks around as well.
func (r *Replica) heed(folder string, joining bool) {
	tick := time.NewTicker(heedEvery)
	defer tick.Stop()
	for member := !joining; ; {
		select {
		case <-tick.C:
		case <-r.failed:
			return
		case <-r.life.Done():
			return
		}
		in := slices.ContainsFunc(r.raft.GetConfiguration().Configuration().Servers, func(s raft.Server) bool { return string(s.ID) == r.id })
		switch {
		case in && joining:
			if err := writeID(filepath.Join(folder, idFile), r.id); err != nil {
				r.fail(fmt.Errorf("%w: %w", ErrBroken, err))
			}
			joining, member = false, true
		case !member || r.raft.State() == raft.Leader || time.Since(r.raft.LastContact()) < 2*heedEvery:
		case !in || r.removedUnheard():
			r.fail(fmt.Errorf("%w: empty its folder to let it join again", ErrRemoved))
		}
	}
}

// removedUnheard reports whether another replica holds a committed entry, newer than
// all this one has of the kind, by which this one is no member.
func (r *Replica) removedUnheard() bool {
	servers, newest, err := r.configured()
	if err != nil {
		return false // whoever needs the log says so
	}
	ctx, cancel := context.WithTimeout(context.Background(), heedEvery)
	defer cancel()
	for _, s := range servers {
		if string(s.ID) == r.id {
			continue
		}
		if in, index, err := r.layer.knows(ctx, string(r.addressOf(s)), r.id); err == nil && !in && index > newest {
			return true
		}
	}
	return false
}

// counts reports whether the one of that name is a member by the newest entry that
// says who is, and the entry's index: 0 while it is not committed, or not known.
func (r *Replica) counts(id string) (in bool, index uint64) {
	at := r.asked.Load()
	if at == nil {
		return false, 0 // not begun
	}
	servers, index, err := r.configured()
	if err != nil || at.CommitIndex() < index {
		return false, 0
	}
	return slices.ContainsFunc(servers, func(s raft.Server) bool { return string(s.ID) == id }), index
}

const heedEvery = time.Second

// configured returns the newest configuration and the index of its entry, which
// raft's own answer leaves out.
func (r *Replica) configured() ([]raft.Server, uint64, error) {
	last, err := r.store.LastIndex()
	if err != nil {
		return nil, 0, err
	}
	for index := last; index > 0; index-- {
		var entry raft.Log
		if err := r.store.GetLog(index, &entry); errors.Is(err, raft.ErrLogNotFound) {
			break // cut: the rest is in the snapshot
		} else if err != nil {
			return nil, 0, err
		}
		if entry.Type == raft.LogConfiguration {
			return raft.DecodeConfiguration(entry.Data).Servers, index, nil
		}
	}
	metas, err := r.snaps.List()
	if err != nil {
		return nil, 0, err
	}
	if len(metas) == 0 {
		return nil, 0, fmt.Errorf("%w: no configuration in the log", ErrHistory)
	}
	return metas[0].Configuration.Servers, metas[0].ConfigurationIndex, nil
}

// addressOf is where a member is reached: as this replica's own list of peers
// says, or else as the cluster does.
func (r *Replica) addressOf(s raft.Server) raft.ServerAddress {
	if at, ok := r.peers[s.ID]; ok {
		return at
	}
	return s.Address
}

// ServerAddr implements raft.ServerAddressProvider: it is how a cluster whose
// addresses have all changed finds itself again.
func (r *Replica) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if at, ok := r.peers[id]; ok {
		return at, nil
	}
	if at := r.asked.Load(); at != nil {
		for _, s := range at.GetConfiguration().Configuration().Servers {
			if s.ID == id {
				return s.Address, nil
			}
		}
	}
	return "", fmt.Errorf("%w: nobody knows %s", ErrMember, id)
}
