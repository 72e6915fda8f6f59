package sim

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"rescore/coordinator"
	"rescore/coordinator/lease"
	"rescore/coordinator/ledger"
	"rescore/coordinator/replica"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
)

// office is one leadership of a voter: the real coordinator.Term, and around it what
// coordinator.Node does with goroutines and NATS. One that was closed goes on with
// what it was at: it is a zombie.
type office struct {
	v        *voter
	process  *process
	ctx      context.Context
	cancel   context.CancelFunc
	term     *coordinator.Term
	closed   bool
	requests []request
	tick     bool
	wakeDesk func()
	busy     map[job.ID]bool
}

// request is a question for work that waits for the next turn.
type request struct {
	ask    wire.WorkRequest
	answer func([]byte)
}

const (
	ttl       = 5 * time.Second
	heartbeat = time.Second
)

func openOffice(v *voter) *office {
	s := v.c.s
	ctx, cancel := context.WithCancel(context.Background())
	o := &office{v: v, process: v.process, ctx: ctx, cancel: cancel, busy: map[job.ID]bool{}}
	s.w.say(v.name, "serves term %d", v.term)
	o.term = coordinator.NewTerm(coordinator.Config{
		Output: func(_, path string) (store.Store, error) {
			return &view{disk: s.disk, process: o.process, folder: path}, nil
		},
		PartitionRows: s.partitionRows,
		Lease:         lease.Config{TTL: ttl, Heartbeat: heartbeat, Slow: time.Second, PartRows: s.partRows},
		AtOnce:        s.atOnce,
		Now:           o.process.clock,
		Log:           slog.New(slog.NewTextHandler(ear{s}, nil)),
	}, o)
	o.process.spawn("desk", o.desk)
	o.process.spawn("steward", o.steward)
	o.knock()
	return o
}

// ear hears what the code under test logs: no subscriber number (I8).
type ear struct{ s *simulation }

func (e ear) Write(p []byte) (int, error) {
	e.s.check.text("a log line", string(p))
	if e.s.w.trace != nil {
		_, line, _ := strings.Cut(strings.TrimSpace(string(p)), " ")
		e.s.w.say("log", "%s", line)
	}
	return len(p), nil
}

// close ends the leadership. Nobody is waited for.
func (o *office) close() {
	o.closed = true
	o.cancel()
	o.wake()
}

func (o *office) wake() {
	if wake := o.wakeDesk; wake != nil {
		o.wakeDesk = nil
		wake()
	}
}

// knock is the desk's ticker.
func (o *office) knock() {
	if o.closed || o.process.dead {
		return
	}
	o.tick = true
	o.wake()
	o.v.c.s.w.after(time.Second, o.knock)
}

func soon() time.Duration { return 10 * time.Microsecond }

// desk answers all that ask for work, one turn at a time.
func (o *office) desk() {
	for {
		o.process.wait("desk", soon, func(done func()) {
			if o.closed || o.tick || len(o.requests) > 0 {
				done()
				return
			}
			o.wakeDesk = done
		})
		if o.closed {
			return
		}
		if len(o.requests) > 0 {
			turn := o.requests
			o.requests = nil
			asks := make([]wire.WorkRequest, len(turn))
			for i, r := range turn {
				asks[i] = r.ask
			}
			for i, reply := range o.term.Settle(o.ctx, asks) {
				o.answer(turn[i].answer, reply)
			}
			continue
		}
		o.tick = false
		o.term.Tick(o.ctx)
	}
}

func (o *office) answer(answer func([]byte), reply wire.WorkReply) {
	data, err := wire.Encode(reply)
	if err != nil {
		o.v.c.s.w.fail("%s cannot say what it granted: %w", o.v.name, err)
		return
	}
	o.process.do("answer", soon, func() { answer(data) })
}

// steward takes every job its next step, one step of a job at a time, and sees to
// rollbacks that have no pointer.
func (o *office) steward() {
	for !o.closed {
		if !o.busy["repoint"] && o.unpointed() {
			o.busy["repoint"] = true
			o.process.spawn("repoint", func() {
				if err := o.term.Repoint(o.ctx); err != nil {
					o.v.c.s.check.text("an error", err.Error())
				}
				o.busy["repoint"] = false
			})
		}
		for _, id := range o.term.Todo() {
			if o.busy[id] {
				continue
			}
			o.busy[id] = true
			o.process.spawn("step "+string(id), func() {
				err := o.term.Step(o.ctx, id)
				if err != nil {
					o.v.c.s.check.text("an error", err.Error())
					if o.v.c.s.w.trace != nil {
						o.v.c.s.w.say(o.v.name, "step of %s: %v", id, err)
					}
				}
				o.busy[id] = false
			})
		}
		o.process.sleep(500 * time.Millisecond)
	}
}

func (o *office) unpointed() bool {
	for _, dataset := range o.v.c.s.datasets {
		for _, r := range o.v.state.Rollbacks(dataset) {
			if !r.Pointed {
				return true
			}
		}
	}
	return false
}

// verify returns when a majority has said that this voter leads, and the ledger holds
// all that was committed before; by then it may be otherwise.
func (o *office) verify(context.Context) error {
	s := o.v.c.s
	var err error
	o.process.do("verify", s.net.latency, func() {
		err = replica.ErrNotLeader
		agree := 0
		for _, v := range s.cluster.voters {
			if v.up && v.term == o.v.term && v.reaches(o.v) && o.v.reaches(v) {
				agree++
			}
		}
		if o.v.leads && o.v.office == o && agree > voters/2 && o.v.applied == o.v.commit {
			err = nil
		}
	})
	o.process.sleep(s.net.latency())
	return err
}

// Propose implements coordinator.Ledger.
func (o *office) Propose(_ context.Context, cmd ledger.Command) (ledger.Reply, error) {
	return o.v.c.s.propose(o.process, o.v, cmd)
}

// View implements coordinator.Ledger.
func (o *office) View(read func(*ledger.State)) { read(o.v.state) }

// propose puts a command into a voter's log and waits for what becomes of it.
func (s *simulation) propose(p *process, v *voter, cmd ledger.Command) (reply ledger.Reply, err error) {
	data, err := ledger.EncodeCommand(cmd)
	if err != nil {
		return nil, err
	}
	p.wait("propose "+string(data), soon, func(done func()) {
		call := s.history.call(cmd, s.w.steps)
		call.index, call.term = v.index()+1, v.term
		v.propose(data, func(r ledger.Reply, e error) {
			reply, err = r, e
			call.reply, call.err, call.returned = r, e, int64(s.w.steps)
			if e != nil {
				s.check.text("an error", e.Error())
			}
			if s.w.trace != nil {
				s.w.say(p.name, "%s: %+v, %v", describe(cmd), r, e)
			}
			done()
		})
		if s.w.chance(s.mix.echo / 3) { // sent again before it was answered
			twice := s.history.call(cmd, s.w.steps)
			twice.index, twice.term = v.index()+1, v.term
			v.propose(data, func(r ledger.Reply, e error) {
				twice.reply, twice.err, twice.returned = r, e, int64(s.w.steps)
			})
		}
	})
	return reply, err
}

// serve takes a message that a worker sent; answer sends one back.
func (o *office) serve(kind subject, data []byte, answer func([]byte)) {
	s := o.v.c.s
	if o.closed || o.process.dead {
		return
	}
	if o.process.frozen > s.w.now() {
		s.w.after(o.process.frozen-s.w.now(), func() { o.serve(kind, data, answer) })
		return
	}
	switch kind {
	case work:
		ask, err := wire.Decode[wire.WorkRequest](data)
		if err != nil {
			s.w.fail("read a work request: %w", err)
			return
		}
		o.requests = append(o.requests, request{ask, answer})
		o.wake()
	case report:
		r, err := wire.Decode[wire.Report](data)
		if err != nil {
			s.w.fail("read a report: %w", err)
			return
		}
		o.process.spawn("report", func() {
			reply := o.term.Report(o.ctx, r)
			s.check.text("an answer", reply.Message)
			data, err := wire.Encode(reply)
			if err != nil {
				s.w.fail("answer a report: %w", err)
				return
			}
			o.process.do("answer", soon, func() { answer(data) })
		})
	case beat:
		h, err := wire.Decode[wire.Heartbeat](data)
		if err != nil {
			s.w.fail("read a heartbeat: %w", err)
			return
		}
		o.term.Heartbeat(h)
	}
}

type subject uint8

const (
	work subject = iota
	report
	beat
)
