package replica

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
)

// # The vigil
//
// A leader that hangs, or that the network hides, is missed after raft's timeouts: one
// to three seconds, in which both others have to notice. A leader whose process is gone
// leaves a sign at once: its connections end, and its port refuses new ones. So each
// follower holds a connection to the leader, on which nothing is said. When it ends and
// the next call is refused, the followers stand for election, one after the other by
// name, as if the leader had handed its place over.
//
// Nothing rests on the sign being true. An election is safe whenever it is held; one
// that was not needed costs the leader its place and half a second of grants.

const (
	vigilEvery = 100 * time.Millisecond // who leads is looked up so often
	vigilCall  = time.Second            // a call to the leader takes no longer
	vigilTurn  = 250 * time.Millisecond // a follower gives the one before it, to win
)

// watchLeader holds the vigil until the replica closes.
func (r *Replica) watchLeader() {
	tick := time.NewTicker(vigilEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-r.failed:
			return
		case <-r.life.Done():
			return
		}
		if at, leader := r.raft.LeaderWithID(); leader != "" && string(leader) != r.id {
			if r.gone(leader, at) {
				r.stand(leader)
			}
		}
	}
}

// gone holds a connection to the leader as long as it leads, and reports whether its
// process ended.
func (r *Replica) gone(leader raft.ServerID, at raft.ServerAddress) bool {
	if own, ok := r.peers[leader]; ok {
		at = own
	}
	conn, err := r.layer.call(string(at), vigilCall, forVigil)
	if err != nil {
		return errors.Is(err, syscall.ECONNREFUSED) && !r.replaced(leader)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, conn) // until it ends, however it does
	}()
	tick := time.NewTicker(vigilEvery)
	defer tick.Stop()
	for held := true; held; {
		select {
		case <-ended:
			held = false
		case <-tick.C:
			held = r.follows(leader)
		case <-r.failed:
			held = false
		case <-r.life.Done():
			held = false
		}
	}
	_ = conn.Close() // only its end matters
	<-ended
	if r.replaced(leader) {
		return false
	}
	again, err := r.layer.call(string(at), vigilCall, forVigil)
	if err == nil {
		_ = again.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED) && !r.replaced(leader)
}

// follows reports whether this replica takes another for the leader.
func (r *Replica) follows(id raft.ServerID) bool {
	_, leader := r.raft.LeaderWithID()
	return leader == id
}

// replaced reports whether somebody leads in the place of another. Where nobody does,
// one whose log is too short may have asked for this replica's vote already, which
// made it forget the leader: that one will not win, and this one has to stand.
func (r *Replica) replaced(id raft.ServerID) bool {
	_, leader := r.raft.LeaderWithID()
	return leader != "" && leader != id
}

// stand begins an election in the place of a leader that is gone, unless somebody
// whose turn is earlier won one.
func (r *Replica) stand(gone raft.ServerID) {
	var voters []raft.ServerID
	for _, s := range r.raft.GetConfiguration().Configuration().Servers {
		if s.Suffrage == raft.Voter && s.ID != gone {
			voters = append(voters, s.ID)
		}
	}
	slices.SortFunc(voters, cmp.Compare[raft.ServerID])
	turn := slices.Index(voters, raft.ServerID(r.id))
	if turn < 0 {
		return
	}
	select {
	case <-time.After(time.Duration(turn) * vigilTurn):
	case <-r.life.Done():
		return
	}
	if r.replaced(gone) {
		return
	}
	own := raft.ServerAddress(r.layer.Addr().String())
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(r.id), Addr: []byte(own)}
	if err := r.trans.TimeoutNow(raft.ServerID(r.id), own, &raft.TimeoutNowRequest{RPCHeader: header}, &raft.TimeoutNowResponse{}); err != nil {
		r.fsm.log.Warn("the leader is gone, and this replica could not stand for election at once", "leader", gone, "err", err)
	}
}
