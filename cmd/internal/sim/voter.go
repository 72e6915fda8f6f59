package sim

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"rescore/coordinator/ledger"
	"rescore/coordinator/replica"
	"rescore/coordinator/shelf"
)

// entry is one entry of the replicated log; data is nil in the entry a leader opens
// its term with.
type entry struct {
	term uint64
	data []byte
}

// voter is one coordinator's copy of the log and the ledger it makes of it. What has
// a disk comes first and outlives a crash: of the log, what was synced.
type voter struct {
	c    *cluster
	name string
	term uint64 // votes are synced as they are given
	log  []entry
	base uint64 // index of the entry before log[0], the last one of snap
	last uint64 // term of that
	snap []byte // nil: the empty ledger

	synced  uint64
	up      bool
	process *process
	commit  uint64
	applied uint64
	state   *ledger.State
	heard   time.Duration // of a leader, or of its own vote

	leads    bool // as far as it knows
	opened   uint64
	match    [voters]uint64
	acked    [voters]time.Duration
	syncing  bool
	proposed []*proposal
	office   *office // nil until the term's first entry is applied
}

const voters = 3

// proposal waits for its entry to be applied where it was proposed.
type proposal struct {
	index uint64
	term  uint64
	done  func(ledger.Reply, error)
}

// cluster is the replicated log: what hashicorp/raft promises, and no more. Elections
// are one event, everything else takes messages and disks.
type cluster struct {
	s      *simulation
	voters [voters]*voter
}

func newCluster(s *simulation) *cluster {
	c := &cluster{s: s}
	for i := range c.voters {
		v := &voter{c: c, name: fmt.Sprintf("c%d", i+1)}
		c.voters[i] = v
		v.start()
		s.w.after(s.w.within(0, 500*time.Millisecond), v.tick)
	}
	return c
}

// start is a process over what is on the disk.
func (v *voter) start() {
	s := v.c.s
	v.up = true
	v.process = &process{w: s.w, name: v.name, skew: s.skew()}
	v.state = ledger.NewOn(shelf.New(nil, nil))
	if v.snap != nil {
		st, err := restored(v.snap)
		if err != nil {
			s.w.fail("%s cannot restore its own snapshot: %w", v.name, err)
			return
		}
		v.state = st
		s.check.replicaAt(v.name, v.state)
	}
	v.commit, v.applied, v.heard = v.base, v.base, s.w.now()
}

// crash loses the memory, and what was not synced.
func (v *voter) crash() {
	s := v.c.s
	s.w.say(v.name, "crashes with %d of %d entries synced", v.synced, v.index())
	v.process.kill()
	for _, p := range v.proposed { // others may have asked
		p.done(nil, fmt.Errorf("%w: connection lost", replica.ErrUnknownOutcome))
	}
	v.up, v.leads, v.syncing, v.office, v.proposed = false, false, false, nil, nil
	v.log = v.log[:v.synced-v.base]
	s.w.after(s.w.within(200*time.Millisecond, 8*time.Second), func() {
		s.w.say(v.name, "starts")
		v.start()
	})
}

// index is that of the last entry.
func (v *voter) index() uint64 { return v.base + uint64(len(v.log)) }

// termAt is the term of the entry at an index the voter has.
func (v *voter) termAt(i uint64) uint64 {
	if i == v.base {
		return v.last
	}
	return v.log[i-v.base-1].term
}

func (v *voter) reaches(o *voter) bool { return v.c.s.net.reaches(v.name, o.name) }

// tick is a voter's own time: it steps down when it hears of no majority, and asks
// for votes when it hears of no leader.
func (v *voter) tick() {
	s := v.c.s
	s.w.after(s.w.within(500*time.Millisecond, time.Second), v.tick)
	if !v.up || v.process.frozen > s.w.now() {
		return
	}
	now := s.w.now()
	if v.leads {
		fresh := 1
		for i, o := range v.c.voters {
			if o != v && now-v.acked[i] < s.mix.leaderLease {
				fresh++
			}
		}
		if fresh <= voters/2 {
			v.depose("hears of no majority")
			return
		}
		for _, o := range v.c.voters {
			v.replicate(o)
		}
		return
	}
	if now-v.heard > s.w.within(2*time.Second, 4*time.Second) {
		v.campaign()
	}
}

// campaign is an election: every voter that can be spoken to, that has heard of no
// leader itself, and whose log is not ahead, votes.
func (v *voter) campaign() {
	s := v.c.s
	votes := []*voter{v}
	term := v.term + 1
	for _, o := range v.c.voters {
		if o == v || !o.up || o.process.frozen > s.w.now() || !v.reaches(o) || !o.reaches(v) || s.w.now()-o.heard < 2*time.Second || o.leads {
			continue
		}
		if o.term >= term {
			term = o.term + 1
		}
		ahead := o.termAt(o.index()) > v.termAt(v.index()) || o.termAt(o.index()) == v.termAt(v.index()) && o.index() > v.index()
		if !ahead {
			votes = append(votes, o)
		}
	}
	if len(votes) <= voters/2 {
		return
	}
	for _, o := range votes {
		o.term, o.heard = term, s.w.now()
	}
	v.leads, v.office = true, nil
	for i := range v.match {
		v.match[i], v.acked[i] = 0, s.w.now()
	}
	v.log = append(v.log, entry{term: term})
	v.opened = v.index()
	s.elections++
	s.w.say(v.name, "leads term %d from index %d", term, v.opened)
	v.sync()
}

// depose ends a leadership this voter believed in. What it proposed may be in the log
// or not.
func (v *voter) depose(why string) {
	if !v.leads {
		return
	}
	v.c.s.w.say(v.name, "no longer leads: %s", why)
	v.leads = false
	for _, p := range v.proposed {
		p.done(nil, fmt.Errorf("%w: leadership lost", replica.ErrUnknownOutcome))
	}
	v.proposed = nil
	if v.office != nil {
		v.office.close()
		v.office = nil
	}
}

// propose appends to the log of a voter that believes that it leads.
func (v *voter) propose(data []byte, done func(ledger.Reply, error)) {
	if !v.up || !v.leads {
		done(nil, replica.ErrNotLeader)
		return
	}
	v.log = append(v.log, entry{term: v.term, data: data})
	v.proposed = append(v.proposed, &proposal{index: v.index(), term: v.term, done: done})
	v.sync()
}

// sync brings the log to the disk, and what was synced to the others.
func (v *voter) sync() {
	if v.syncing {
		return
	}
	s, p := v.c.s, v.process
	v.syncing = true
	upto := v.index()
	s.w.after(s.disk.latency(), func() {
		if p.dead {
			return
		}
		v.syncing = false
		v.synced = max(v.synced, min(upto, v.index()))
		if v.leads {
			for _, o := range v.c.voters {
				v.replicate(o)
			}
			v.advance()
		}
		if v.synced < v.index() {
			v.sync()
		}
	})
}

// replicate sends a follower what it lacks: one message, and one for the answer.
func (v *voter) replicate(o *voter) {
	if o == v {
		return
	}
	s := v.c.s
	term, p := v.term, v.process
	s.net.send(v.name, o.name, func() {
		if !o.up || o.process.frozen > s.w.now() {
			return
		}
		if p.dead || !v.leads || v.term != term {
			return // of a term that is over: it would be refused
		}
		if o.term > term {
			s.net.send(o.name, v.name, func() {
				if !p.dead && v.term < o.term {
					v.term = o.term
					v.depose("another term has begun")
				}
			})
			return
		}
		if o.leads {
			o.depose("another leads")
		}
		o.term, o.heard = term, s.w.now()
		v.bring(o)
	})
}

// bring makes the follower's log a prefix of the leader's, as far as one message goes.
func (v *voter) bring(o *voter) {
	s := v.c.s
	lower := max(o.base, v.base)
	at := min(o.index(), v.index())
	for at > lower && o.termAt(at) != v.termAt(at) {
		at--
	}
	switch {
	case v.index() < o.base || at == o.base && at > v.base && v.termAt(at) != o.last:
		s.w.fail("%s leads without what %s has in a snapshot to index %d", v.name, o.name, o.base)
		return
	case at < v.base || at == v.base && at > o.base && o.termAt(at) != v.last: // it is no longer in the leader's log
		if !o.install(v) {
			return
		}
		at = o.base
	case at < o.index() && at < v.index():
		if at < o.commit {
			s.w.fail("%s would lose committed entries after index %d", o.name, at)
			return
		}
		o.log = o.log[:at-o.base]
		o.synced = min(o.synced, at)
	}
	room := v.index() - at
	if s.w.chance(0.2) && room > 1 {
		room = 1 + s.w.rng.Uint64N(room)
	}
	o.log = append(o.log, v.log[at-v.base:at-v.base+room]...)
	upto, commit := at+room, v.commit
	p, term := o.process, v.term
	ack := func() {
		if p.dead || o.term != term {
			return
		}
		o.synced = max(o.synced, min(upto, o.index()))
		o.learn(min(commit, upto))
		s.net.send(o.name, v.name, func() {
			if v.leads && v.term == term {
				i := slices.Index(v.c.voters[:], o)
				v.match[i], v.acked[i] = max(v.match[i], upto), s.w.now()
				v.advance()
			}
		})
	}
	if o.synced >= upto {
		ack()
		return
	}
	s.w.after(s.disk.latency(), ack)
}

// install takes the leader's snapshot in place of everything.
func (v *voter) install(leader *voter) bool {
	s := v.c.s
	st, err := restored(leader.snap)
	if err != nil {
		s.w.fail("%s cannot restore the snapshot of %s: %w", v.name, leader.name, err)
		return false
	}
	s.w.say(v.name, "installs the snapshot of %s at index %d", leader.name, leader.base)
	s.installs++
	v.snap, v.base, v.last, v.log = leader.snap, leader.base, leader.last, nil
	v.synced, v.commit, v.applied, v.state = v.base, v.base, v.base, st
	s.check.replicaAt(v.name, v.state)
	return true
}

// advance commits what a majority has synced, of the leader's own term.
func (v *voter) advance() {
	have := []uint64{v.synced}
	for i, o := range v.c.voters {
		if o != v {
			have = append(have, v.match[i])
		}
	}
	slices.Sort(have)
	upto := min(have[voters/2], v.index())
	if upto > v.commit && v.termAt(upto) == v.term {
		v.learn(upto)
		for _, o := range v.c.voters {
			v.replicate(o)
		}
	}
}

// learn applies what is committed.
func (v *voter) learn(commit uint64) {
	s := v.c.s
	v.commit = max(v.commit, min(commit, v.index()))
	for v.applied < v.commit && s.w.failed == nil {
		v.apply()
	}
	if v.leads && v.office == nil && v.applied >= v.opened {
		v.office = openOffice(v)
	}
}

func (v *voter) apply() {
	s := v.c.s
	i := v.applied + 1
	e := v.log[i-v.base-1]
	v.applied = i
	var reply ledger.Reply
	var refusal error
	if e.data != nil {
		cmd, err := ledger.DecodeCommand(e.data)
		if err != nil {
			s.w.fail("%s cannot read the entry at index %d: %w", v.name, i, err)
			return
		}
		var events []ledger.Event
		reply, events, refusal = ledger.Apply(v.state, i, cmd)
		s.check.applied(v, i, e, cmd, reply, events, refusal)
		if errors.Is(refusal, ledger.ErrUnknownCommand) || errors.Is(refusal, ledger.ErrReplay) {
			s.w.fail("%s stops at index %d: %w", v.name, i, refusal)
		}
	} else {
		s.check.opened(i, e)
	}
	v.proposed = slices.DeleteFunc(v.proposed, func(p *proposal) bool {
		if p.index > i {
			return false
		}
		switch {
		case p.index < i || p.term != e.term:
			p.done(nil, fmt.Errorf("%w: another entry took its place", replica.ErrUnknownOutcome))
		case s.w.chance(s.mix.lostAnswer):
			p.done(nil, fmt.Errorf("%w: timed out", replica.ErrUnknownOutcome))
		default:
			p.done(reply, refusal)
		}
		return true
	})
	if s.w.chance(s.mix.snapshot) {
		v.snapshot()
	}
}

// snapshot cuts the log, and now and then goes on with what the snapshot holds, as a
// restart would.
func (v *voter) snapshot() {
	s := v.c.s
	data, err := v.state.Snapshot()
	if err != nil {
		s.w.fail("%s cannot be snapshot: %w", v.name, err)
		return
	}
	if v.applied > v.synced {
		return // raft snapshots what is on disk
	}
	s.snapshots++
	v.last = v.termAt(v.applied)
	v.log = slices.Clone(v.log[v.applied-v.base:])
	v.snap, v.base = data, v.applied
	if !s.w.chance(0.5) {
		return
	}
	st, err := restored(data)
	if err != nil {
		s.w.fail("%s cannot restore its own snapshot: %w", v.name, err)
		return
	}
	v.state = st
	s.check.replicaAt(v.name, st)
}

// restored reads a snapshot as a replica does.
func restored(data []byte) (*ledger.State, error) {
	return ledger.Read(bytes.NewReader(data), shelf.New(nil, nil))
}
