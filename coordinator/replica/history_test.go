package replica

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/hashicorp/raft"

	"rescore/coordinator/ledger"
	"rescore/partition"
	"rescore/partition/job"
)

// What clients do to one task, here the survey of a job of its own.
type deed uint8

const (
	submits deed = iota
	plans
	grants
	completes
	expires
	reads
)

// input is what a client asks for. The token is of the lease that it completes or
// takes back.
type input struct {
	task  int
	does  deed
	token job.Token
}

// output is what it was answered, or that nobody knows.
type output struct {
	unknown bool
	fresh   bool  // submit: it is new; complete: it was not accepted before
	err     error // the ledger's refusal, by its kind
	at      stage // read
	token   job.Token
}

// stage is how far a task is.
type stage uint8

const (
	absent stage = iota
	submitted
	waiting
	leased
	done
)

// task is the whole of the sequential model. The token of a lease is 0 when the
// answer that said it was lost, until somebody reads it.
type task struct {
	at      stage
	token   job.Token
	highest job.Token // ever seen: tokens only grow (I4)
}

// step says whether a task may answer so, and what it is then. An outcome that is
// unknown takes effect if it can; that it never did is the same as at the end.
func (t task) step(in input, out output) (bool, task) {
	now := t
	switch in.does {
	case submits:
		if t.at == absent {
			now.at = submitted
		}
		return out.unknown || out.fresh == (t.at == absent), now
	case plans:
		if t.at == submitted {
			now.at = waiting
		}
		return out.unknown || errors.Is(out.err, ledger.ErrNoJob) == (t.at == absent), now
	case grants:
		if t.at != waiting {
			return out.unknown || out.token == 0, t
		}
		now.at, now.token, now.highest = leased, out.token, max(t.highest, out.token)
		return out.unknown || out.token > t.highest, now
	case completes:
		holds, repeats := t.at == leased && t.token == in.token, t.at == done && t.token == in.token
		if holds {
			now.at = done
		}
		return out.unknown || errors.Is(out.err, ledger.ErrFenced) == (!holds && !repeats) && (out.err != nil || out.fresh == holds), now
	case expires:
		holds := t.at == leased && t.token == in.token
		if holds {
			now.at, now.token = waiting, 0
		}
		return out.unknown || errors.Is(out.err, ledger.ErrFenced) == !holds, now
	default: // reads
		if t.at == leased && t.token == 0 && out.at == leased && out.token > t.highest {
			now.token, now.highest = out.token, out.token
		}
		return now.at == out.at && (now.at != leased && now.at != done || now.token == out.token), now
	}
}

// model is one task: a history is linearizable when each task's is.
var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		by := map[int][]porcupine.Operation{}
		for _, op := range history {
			of := op.Input.(input).task
			by[of] = append(by[of], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range by {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return task{} },
	Step: func(state, in, out any) (bool, any) { return state.(task).step(in.(input), out.(output)) },
	DescribeOperation: func(in, out any) string {
		return fmt.Sprintf("%+v: %+v", in, out)
	},
}

// book writes down who asked for what when, by a clock that only counts.
type book struct {
	clock atomic.Int64
	mu    sync.Mutex
	ops   []porcupine.Operation
	lost  int // outcomes nobody knows
}

// note makes an operation of what ask did; ask says whether it happened at all.
func (b *book) note(client int, in input, ask func() (output, bool)) output {
	call := b.clock.Add(1)
	out, happened := ask()
	if !happened {
		return out
	}
	at := b.clock.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if out.unknown {
		at = math.MaxInt64 // it may still take effect
		b.lost++
	}
	b.ops = append(b.ops, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: at})
	return out
}

func (b *book) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.ops)
}

// work is how much there is to check: what is unknown may have happened at any time
// since, and the checker tries them all.
func (b *book) work() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.ops) + 20*b.lost
}

// client does things at random, to ten tasks at a time; as the book fills, the first
// makes way for a new one.
type client struct {
	id   int
	rand *rand.Rand
	book *book
	any  func(*rand.Rand) *Replica // one of those that are open
	held map[int]job.Token         // leases it was given or saw
}

func jobOf(task int) job.ID { return submit(task).Job }

func (c *client) do(ctx context.Context) {
	in := input{task: c.book.work()/50 + c.rand.IntN(10), does: []deed{submits, plans, grants, grants, grants, completes, expires, reads}[c.rand.IntN(8)]}
	if in.does == completes || in.does == expires {
		token, ok := c.held[in.task]
		if !ok {
			in.does = reads
		}
		in.token = token
	}
	r := c.any(c.rand)
	if r.Err() != nil {
		return // nobody is there
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	out := c.book.note(c.id, in, func() (output, bool) {
		if in.does == reads {
			return read(ctx, r, in.task)
		}
		return c.propose(ctx, r, in)
	})
	if out.token != 0 {
		c.held[in.task] = out.token
	}
}

func read(ctx context.Context, r *Replica, task int) (out output, ok bool) {
	if r.Verify(ctx) != nil {
		return out, false
	}
	r.View(func(s *ledger.State) {
		for j := range s.Jobs() {
			switch {
			case j.ID != jobOf(task):
			case !j.Stages[0].Planned:
				out.at = submitted
			default:
				t := j.Stages[0].Tasks[0]
				out.token = t.Token
				out.at = map[ledger.TaskState]stage{ledger.Waiting: waiting, ledger.Leased: leased, ledger.Done: done}[t.State]
			}
		}
	})
	return out, true
}

func (c *client) propose(ctx context.Context, r *Replica, in input) (out output, ok bool) {
	ref := ledger.TaskRef{Job: jobOf(in.task)}
	lease := ledger.Lease{TaskRef: ref, Token: in.token}
	reply, err := r.Propose(ctx, map[deed]ledger.Command{
		submits:   submit(in.task),
		plans:     ledger.Plan{Job: ref.Job, StageKind: job.StageSurvey, Tasks: []job.Task{{Range: partition.Whole}}, Last: true},
		grants:    ledger.Grant{Worker: fmt.Sprintf("w%d", c.id), Tasks: []ledger.TaskRef{ref}},
		completes: ledger.Complete{Lease: lease},
		expires:   ledger.Expire{Lease: lease, Cause: ledger.Returned},
	}[in.does])
	switch {
	case errors.Is(err, ErrNotLeader):
		return out, false
	case errors.Is(err, ErrUnknownOutcome), errors.Is(err, ErrBroken), errors.Is(err, errKilled):
		return output{unknown: true}, true
	case err != nil:
		return output{err: err}, true
	}
	switch reply := reply.(type) {
	case ledger.SubmitReply:
		out.fresh = reply.New
	case ledger.GrantReply:
		if len(reply.Leases) > 0 {
			out.token = reply.Leases[0].Token
		}
	case ledger.CompleteReply:
		out.fresh = !reply.Repeat
	}
	return out, true
}

var errKilled = errors.New("killed by the test")

// gremlin cuts replicas off, kills them and opens them again, so many times. Never
// are two of them gone.
func gremlin(c *three, n *network, among *sync.RWMutex, random *rand.Rand, faults int) {
	pause := func() { time.Sleep(time.Duration(50+random.IntN(250)) * time.Millisecond) } // of faults, not of a test's waiting
	for range faults {
		among.RLock()
		victim := c.at[c.peers[random.IntN(3)].ID]
		for _, r := range c.at {
			if r.leading() != nil && random.IntN(3) > 0 {
				victim = r
			}
		}
		among.RUnlock()
		switch random.IntN(4) {
		case 0: // both ways, from everybody
			n.isolate(victim.ID(), c.peers)
			pause()
			n.heal()
		case 1: // one link, which leaves a way around
			n.cut(c.peers[0].ID, c.peers[1+random.IntN(2)].ID)
			pause()
			n.heal()
		case 2: // a process that dies, or stops in good order
			if random.IntN(2) > 0 {
				victim.fail(errKilled)
			}
			pause()
			among.Lock()
			c.open(c.shut(victim), nil)
			among.Unlock()
		case 3:
			_ = victim.Snapshot() // of one that was just cut off, it may not
			pause()
		}
		pause()
	}
	n.heal()
}

// Concurrent clients submit, plan, grant, complete, take back and read tasks while
// replicas are cut off, killed and reopened. What they are answered must be what a
// single ledger, asked in some order, would have answered.
func TestLeasesAreLinearizableWhileReplicasFail(t *testing.T) {
	t.Parallel()
	clients, faults := 8, 8
	if os.Getenv("RESCORE_LONG") != "" {
		faults = 400
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	n := newNetwork()
	c := begin(t, func(cfg *Config) {
		n.through(cfg)
		cfg.tune = func(rc *raft.Config) { // fail sooner, cut the log often
			rc.HeartbeatTimeout, rc.ElectionTimeout, rc.LeaderLeaseTimeout = 150*time.Millisecond, 150*time.Millisecond, 75*time.Millisecond
			rc.TrailingLogs = 32
		}
	})
	c.leader()
	var among sync.RWMutex // who is open
	b := &book{}
	var left sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for id := range clients {
		one := &client{id: id, rand: rand.New(rand.NewPCG(seed, uint64(id))), book: b, held: map[int]job.Token{}}
		one.any = func(random *rand.Rand) *Replica {
			among.RLock()
			defer among.RUnlock()
			for _, r := range c.at { // the one that thinks it leads, if there is
				if r.leading() != nil && random.IntN(4) > 0 {
					return r
				}
			}
			return c.at[c.peers[random.IntN(3)].ID]
		}
		left.Go(func() {
			for ctx.Err() == nil {
				one.do(t.Context()) // to its end: what is cut short is an outcome nobody knows
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	gremlin(c, n, &among, rand.New(rand.NewPCG(seed, 1<<32)), faults)
	enough := b.size() + 200 // and some more on the healed network
	eventually(t, func(context.Context) error {
		if n := b.size(); n < enough {
			return fmt.Errorf("only %d operations came through", n)
		}
		return nil
	})
	stop()
	left.Wait()

	leader := c.leader()
	var jobs int
	leader.View(func(s *ledger.State) {
		for range s.Jobs() {
			jobs++
		}
	})
	c.same(jobs)
	t.Logf("%d operations, %d of unknown outcome, term %d", len(b.ops), b.lost, leader.Progress().Term)
	if verdict := porcupine.CheckOperationsTimeout(model, b.ops, patience); verdict != porcupine.Ok {
		t.Errorf("the history is %s; seed %d", verdict, seed)
	}
}

func TestTheModelTellsWrongHistoriesFromRightOnes(t *testing.T) {
	t.Parallel()
	op := func(in input, out output) porcupine.Operation { return porcupine.Operation{Input: in, Output: out} }
	begun := func(more ...porcupine.Operation) []porcupine.Operation {
		history := append([]porcupine.Operation{op(input{does: submits}, output{fresh: true}), op(input{does: plans}, output{})}, more...)
		for i := range history { // one after another
			history[i].Call, history[i].Return = int64(2*i), int64(2*i+1)
			if history[i].Output.(output).unknown {
				history[i].Return = math.MaxInt64
			}
		}
		return history
	}
	lost := output{unknown: true}
	fenced := output{err: ledger.ErrFenced}
	grant := func(token job.Token) porcupine.Operation { return op(input{does: grants}, output{token: token}) }
	complete := func(token job.Token, out output) porcupine.Operation {
		return op(input{does: completes, token: token}, out)
	}
	expire := func(token job.Token, out output) porcupine.Operation {
		return op(input{does: expires, token: token}, out)
	}
	for name, c := range map[string]struct {
		history []porcupine.Operation
		want    porcupine.CheckResult
	}{
		"a task's life":                     {begun(grant(3), complete(3, output{fresh: true}), complete(3, output{}), op(input{does: reads}, output{at: done, token: 3})), porcupine.Ok},
		"a lease taken back":                {begun(grant(3), expire(3, output{}), complete(3, fenced), grant(6)), porcupine.Ok},
		"an answer lost, and read":          {begun(op(input{does: grants}, lost), op(input{does: reads}, output{at: leased, token: 3}), expire(3, output{})), porcupine.Ok},
		"a grant that never was":            {begun(op(input{does: grants}, lost), op(input{does: reads}, output{at: waiting})), porcupine.Ok},
		"two leases at once":                {begun(grant(3), grant(4)), porcupine.Illegal},
		"a token that does not grow":        {begun(grant(4), expire(4, output{}), grant(3)), porcupine.Illegal},
		"a token given twice":               {begun(grant(3), expire(3, output{}), grant(3)), porcupine.Illegal},
		"completed under an old token":      {begun(grant(3), expire(3, output{}), complete(3, output{fresh: true})), porcupine.Illegal},
		"completed twice as new":            {begun(grant(3), complete(3, output{fresh: true}), complete(3, output{fresh: true})), porcupine.Illegal},
		"an answered completion is lost":    {begun(grant(3), complete(3, output{fresh: true}), op(input{does: reads}, output{at: leased, token: 3})), porcupine.Illegal},
		"a stale read":                      {begun(grant(3), op(input{does: reads}, output{at: waiting})), porcupine.Illegal},
		"fenced under the current token":    {begun(grant(3), complete(3, fenced)), porcupine.Illegal},
		"a submission forgotten":            {begun(op(input{does: submits}, output{fresh: true})), porcupine.Illegal},
		"taken back after its end, as done": {begun(grant(3), complete(3, output{fresh: true}), expire(3, output{})), porcupine.Illegal},
	} {
		if got := porcupine.CheckOperationsTimeout(model, c.history, patience); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
