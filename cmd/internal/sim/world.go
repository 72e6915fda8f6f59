package sim

import (
	"container/heap"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"
)

// world is one simulation: a clock, an agenda of what is to happen, and the
// goroutines that wait for it. All of it belongs to the scheduler, which is run;
// only arrived is shared.
type world struct {
	rng    *rand.Rand
	begun  time.Time
	agenda agenda
	seq    uint64
	woken  []*op // their turn has come
	steps  int
	failed error
	trace  io.Writer // nil: nobody reads along

	mu      sync.Mutex
	arrived []*op
}

// event is something that happens at a time, among those of one time in the order
// they were put down.
type event struct {
	at  time.Duration
	seq uint64
	run func()
}

type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, k int) bool {
	return a[i].at < a[k].at || a[i].at == a[k].at && a[i].seq < a[k].seq
}
func (a agenda) Swap(i, k int) { a[i], a[k] = a[k], a[i] }
func (a *agenda) Push(e any)   { *a = append(*a, e.(event)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	(*a)[len(*a)-1] = event{}
	*a = (*a)[:len(*a)-1]
	return last
}

func newWorld(seed uint64, trace io.Writer) *world {
	return &world{rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), begun: time.Now(), trace: trace}
}

// now is how long the world has existed, by the one clock that is right.
func (w *world) now() time.Duration { return time.Since(w.begun) }

// after puts something on the agenda. Only the scheduler may call it.
func (w *world) after(d time.Duration, run func()) {
	w.seq++
	heap.Push(&w.agenda, event{at: w.now() + max(d, 0), seq: w.seq, run: run})
}

// chance is true with probability p.
func (w *world) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

// within draws a duration of at least least and below most.
func (w *world) within(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rng.Int64N(int64(max(most-least, 1))))
}

// fail ends the simulation: an invariant does not hold.
func (w *world) fail(format string, args ...any) {
	if w.failed == nil {
		w.failed = fmt.Errorf("at %s, step %d: %w", w.now().Round(time.Millisecond), w.steps, fmt.Errorf(format, args...))
		w.say("VIOLATION", "%v", w.failed)
	}
}

// say writes a line of the trace.
func (w *world) say(who, format string, args ...any) {
	if w.trace != nil {
		_, _ = fmt.Fprintf(w.trace, "%10.3fs %-6s %s\n", w.now().Seconds(), who, fmt.Sprintf(format, args...))
	}
}

var errStuck = errors.New("nothing is left to happen")

// run lets the world go on until over says so or an invariant breaks. Between two
// events everybody stands still: synctest.Wait returns when each goroutine waits for
// the scheduler, for another goroutine that does, or for time.
func (w *world) run(over func() bool) {
	for w.failed == nil {
		synctest.Wait()
		w.admit()
		w.release()
		if over() {
			return
		}
		if len(w.agenda) == 0 {
			w.fail("%w", errStuck)
			return
		}
		if d := w.agenda[0].at - w.now(); d > 0 {
			time.Sleep(d) // the bubble's clock: it jumps
			continue
		}
		e := heap.Pop(&w.agenda).(event)
		w.steps++
		e.run()
		w.release()
	}
}

// release lets those go on whose turn came with the last event, one after the other.
func (w *world) release() {
	for len(w.woken) > 0 {
		o := w.woken[0]
		w.woken = w.woken[1:]
		close(o.wake)
		if len(w.woken) > 0 {
			synctest.Wait()
			w.admit()
		}
	}
}

// process is one incarnation of a program on a machine. When it dies, whatever its
// goroutines wait for never comes.
type process struct {
	w      *world
	name   string
	dead   bool
	frozen time.Duration // stopped until then; nothing it does happens earlier
	skew   time.Duration // of its clock
	waits  []*op
}

// clock is the process's own.
func (p *process) clock() time.Time { return time.Now().Add(p.skew) }

// op is one thing a goroutine of a process waits for.
type op struct {
	process *process
	key     string
	delay   func() time.Duration
	act     func(done func())
	woken   bool
	wake    chan struct{}
}

// wait hands over to the scheduler, which draws delay, then runs act, and lets the
// goroutine go on when done is called. Whoever waits in a process that died does not
// return.
func (p *process) wait(key string, delay func() time.Duration, act func(done func())) {
	o := &op{process: p, key: key, delay: delay, act: act, wake: make(chan struct{})}
	p.w.mu.Lock()
	p.w.arrived = append(p.w.arrived, o)
	p.w.mu.Unlock()
	<-o.wake
	if p.dead {
		runtime.Goexit()
	}
}

// do is wait for an act that is over when it returns.
func (p *process) do(key string, delay func() time.Duration, act func()) {
	p.wait(key, delay, func(done func()) { act(); done() })
}

// sleep waits.
func (p *process) sleep(d time.Duration) {
	p.do("sleep", func() time.Duration { return d }, func() {})
}

// spawn starts a goroutine of the process. Only what is running may call it: the
// scheduler, or the one goroutine it let go.
func (p *process) spawn(name string, run func()) {
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				var stack [4096]byte
				trace := stack[:runtime.Stack(stack[:], false)]
				p.w.mu.Lock()
				defer p.w.mu.Unlock()
				p.w.fail("%s: %s panicked: %v\n%s", p.name, name, cause, trace)
			}
		}()
		p.do(name, func() time.Duration { return p.w.within(0, 50*time.Microsecond) }, func() {})
		run()
	}()
}

// admit takes in the goroutines that began to wait. Where code under test had several
// at once, nobody can say which came first: their keys do.
func (w *world) admit() {
	w.mu.Lock()
	arrived := w.arrived
	w.arrived = nil
	w.mu.Unlock()
	if len(arrived) > 1 {
		slices.SortStableFunc(arrived, func(a, b *op) int {
			if c := strings.Compare(a.process.name, b.process.name); c != 0 {
				return c
			}
			return strings.Compare(a.key, b.key)
		})
	}
	for _, o := range arrived {
		if o.process.dead {
			w.woken = append(w.woken, o)
			continue
		}
		o.process.waits = append(o.process.waits, o)
		w.after(o.delay(), func() { w.begin(o) })
	}
}

func (w *world) begin(o *op) {
	p := o.process
	if !p.dead && p.frozen > w.now() {
		w.after(p.frozen-w.now(), func() { w.begin(o) })
		return
	}
	if o.woken { // it died while it waited
		return
	}
	o.act(func() { w.wake(o) })
}

func (w *world) wake(o *op) {
	p := o.process
	if o.woken {
		return
	}
	if p.frozen > w.now() {
		w.after(p.frozen-w.now(), func() { w.wake(o) })
		return
	}
	o.woken = true
	p.waits = slices.DeleteFunc(p.waits, func(other *op) bool { return other == o })
	w.woken = append(w.woken, o)
}

// kill ends a process between two instructions, wherever each of its goroutines is.
func (p *process) kill() {
	p.dead = true
	for _, o := range p.waits {
		if !o.woken {
			o.woken = true
			p.w.woken = append(p.w.woken, o)
		}
	}
	p.waits = nil
}
