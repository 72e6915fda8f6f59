package sim

import (
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"rescore/coordinator/ledger"
	"rescore/coordinator/replica"
	"rescore/partition/job"
)

// history is what was proposed about tasks and answered, and when: over the whole run,
// whoever led, each task must look like one object that did one thing at a time
// (linearizability), whatever crashed on the way. A proposal whose outcome nobody was
// told took effect at some time after it was made, or never: the log says which.
type history struct{ proposals []*proposed }

// proposed is one command on its way through the log.
type proposed struct {
	cmd            ledger.Command
	call, returned int64 // steps of the world
	index, term    uint64
	reply          ledger.Reply
	err            error
}

func (h *history) call(cmd ledger.Command, step int) *proposed {
	p := &proposed{cmd: cmd, call: int64(step), returned: math.MaxInt64, err: replica.ErrUnknownOutcome} // until it is answered
	h.proposals = append(h.proposals, p)
	return p
}

// touch is one command as one task sees it.
type touch struct {
	kind   ledger.Kind
	token  job.Token // that it is under
	result string
}

// answer is what it was told.
type answer struct {
	token          job.Token // granted; 0 = none
	ok             bool
	repeat, second bool
}

// single is a task by its contract, in one piece: who holds it, and what it was
// finished with.
type single struct {
	live   [2]job.Token // 0 = nobody
	last   job.Token
	done   job.Token
	result string
	loser  job.Token
}

// step says whether a task in a state may answer so, and what it is then.
func (o single) step(in touch, out answer) (bool, single) {
	holds := slices.Index(o.live[:], in.token)
	held := in.token != 0 && holds >= 0
	switch in.kind {
	case ledger.KindGrant:
		if out.token == 0 {
			return true, o // paused, or not its turn
		}
		legal := o.done == 0 && o.live == [2]job.Token{} && out.token > o.last
		o.live[0], o.last = out.token, out.token
		return legal, o
	case ledger.KindDouble:
		if !out.ok {
			return true, o
		}
		free := slices.Index(o.live[:], 0)
		legal := held && free >= 0 && out.token > o.last
		if legal {
			o.live[free], o.last = out.token, out.token
		}
		return legal, o
	case ledger.KindComplete:
		switch {
		case !out.ok:
			return true, o // fenced, or its rows do not add up
		case out.repeat:
			return o.done == in.token && o.result == in.result, o
		case out.second:
			return o.done != 0 && o.loser == in.token, o
		}
		legal := held && o.done == 0
		if legal {
			o.loser = o.live[1-holds]
			o.done, o.result, o.live = in.token, in.result, [2]job.Token{}
		}
		return legal, o
	case ledger.KindFail, ledger.KindExpire:
		if !out.ok {
			return !held, o
		}
		if held {
			o.live[holds] = 0
		}
		return held, o
	default: // is of no task
		return false, o
	}
}

var tasks = porcupine.Model{
	Init: func() any { return single{} },
	Step: func(state, in, out any) (bool, any) {
		return state.(single).step(in.(touch), out.(answer))
	},
}

// check splits the history by task and holds each against the contract. A job that
// ended and was brought back changes all its tasks at once, and is left to the checker.
func (h *history) check(c *checker) {
	byTask := map[ledger.TaskRef][]porcupine.Operation{}
	for _, p := range h.proposals {
		if p.err != nil && !c.settle(p) {
			continue
		}
		for ref, op := range p.operations() {
			if k := c.jobs[ref.Job]; k != nil && k.ended == 0 {
				byTask[ref] = append(byTask[ref], op)
			}
		}
	}
	for ref, ops := range byTask {
		if !porcupine.CheckOperations(tasks, ops) {
			c.s.w.fail("I3: what was asked of %s and answered is no history of one task", ref)
		}
		c.histories++
	}
}

// settle finds out what became of a proposal whose outcome was not told. It reports
// whether the proposal is in the log.
func (c *checker) settle(p *proposed) bool {
	if !errors.Is(p.err, replica.ErrUnknownOutcome) {
		return !errors.Is(p.err, replica.ErrNotLeader) // it was refused
	}
	known, committed := c.outcomes[p.index]
	if !committed || c.log[p.index].term != p.term {
		return false
	}
	p.reply, p.err, p.returned = known.reply, known.err, math.MaxInt64
	return true
}

// operations is the command as each task sees it.
func (p *proposed) operations() map[ledger.TaskRef]porcupine.Operation {
	ops := map[ledger.TaskRef]porcupine.Operation{}
	add := func(ref ledger.TaskRef, in touch, out answer) {
		in.kind = p.cmd.Kind()
		ops[ref] = porcupine.Operation{Input: in, Call: p.call, Output: out, Return: p.returned}
	}
	switch cmd := p.cmd.(type) {
	case ledger.Grant:
		granted, _ := p.reply.(ledger.GrantReply)
		for _, ref := range cmd.Tasks {
			out := answer{}
			for _, l := range granted.Leases {
				if l.TaskRef == ref {
					out.token = l.Token
				}
			}
			add(ref, touch{}, out)
		}
	case ledger.Double:
		out := answer{ok: p.err == nil}
		if granted, ok := p.reply.(ledger.GrantReply); ok && len(granted.Leases) == 1 {
			out.token = granted.Leases[0].Token
		}
		add(cmd.TaskRef, touch{token: cmd.Token}, out)
	case ledger.Complete:
		r, _ := p.reply.(ledger.CompleteReply)
		add(cmd.TaskRef, touch{token: cmd.Token, result: said(cmd.Result)}, answer{ok: p.err == nil, repeat: r.Repeat, second: r.Lost})
	case ledger.Fail:
		add(cmd.TaskRef, touch{token: cmd.Token}, answer{ok: p.err == nil})
	case ledger.Expire:
		add(cmd.TaskRef, touch{token: cmd.Token}, answer{ok: p.err == nil})
	}
	return ops
}

// said is a result as text: equal results, equal text.
func said(r job.Result) string {
	var b strings.Builder
	for _, f := range r.Files {
		b.WriteString(f.SHA256)
	}
	return b.String() + r.Rows.String() + r.Keys.String() + string(rune(r.Timing.Read))
}
