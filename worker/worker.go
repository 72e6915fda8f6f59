// Package worker is the data plane: it takes a lease, reads a number range,
// scores it, stages a file, verifies it and reports. It never touches raft; all
// it knows of the coordinator is a Bus.
//
//	offer ─► open, score the golden rows ─► ready, or unfit: nothing is leased
//	                                          │
//	work ─► lease ─► source ─► program ─► sink ─► verify ─► report ─┐
//	  ▲                                                             │
//	  └─────────────────────────────────────────────────────────────┘
//
// A worker that is told to leave (Drain, or the coordinator's word) asks for nothing
// more, finishes what it has within its time, and gives back the rest: that is no
// failed attempt of anybody's. So does one that finds, with a lease in hand, that it
// cannot open the job, or opens another one than was planned: it is unfit.
//
// Work in flight is bounded by Slots: so many tasks are at work, and twice as many more
// at the most wait for the store to keep what they wrote, and look at it again. Memory is
// bounded by three times Slots times one partition's keys and one batch, and by the few
// jobs it keeps open. Nothing a worker does is final: a
// file becomes part of a version only when the ledger accepts the report that names it.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"rescore/partition/failpoint"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
)

// Bus carries a worker's messages. Every error is an unknown outcome: ask again.
type Bus interface {
	Work(ctx context.Context, r wire.WorkRequest) (wire.WorkReply, error)
	Report(ctx context.Context, r wire.Report) (wire.ReportReply, error)
	Heartbeat(h wire.Heartbeat) error
	// Moved returns a channel that is closed when there is somebody else to ask than
	// before: whoever waits to ask again need not wait longer.
	Moved() <-chan struct{}
}

// Config is what a worker needs from its surroundings.
type Config struct {
	ID    string // unique among workers
	Slots int    // partitions scored at once; defaults to one per core, which is right
	// Queue is how many more tasks it asks for: one begins as soon as another has given its
	// slot back, and not when the coordinator has granted it. Where there are other workers
	// it keeps work from them. Defaults to none.
	Queue int
	// BatchRows is the rows of an Arrow batch. Defaults to 2048, which keeps the
	// default job's columns in a 2 MB L2 cache.
	BatchRows int
	// Heartbeat is how often the worker says it is alive. Defaults to a second;
	// at most a third of the coordinator's lease time.
	Heartbeat time.Duration
	// Drain is how long tasks in flight may take once the worker is told to leave.
	// Defaults to a minute.
	Drain   time.Duration
	Host    string // name of the machine, for those who look at workers
	Version string // of the build
	Bus     Bus
	Places
	// Checked, unless nil, is a job that was found to be sound in this process: it need not
	// be opened again. Run closes it when it was used.
	Checked *Sound
	Log     *slog.Logger
}

// Worker runs tasks.
type Worker struct {
	cfg      Config
	sound    atomic.Pointer[Sound] // until it is used
	free     chan struct{}         // one token per task that may be asked for
	slots    chan struct{}         // one token per slot that is taken, see turn
	settling chan struct{}         // one token per task that has given its slot back
	ended    chan struct{}         // has room for one: a task has ended since work was last asked for
	read     atomic.Bool           // a score task has read its input since the worker let go of what was read
	draining chan struct{}         // closed by Drain
	drain    func()

	mu    sync.Mutex
	tasks map[wire.Lease]*atomic.Int64 // rows done of the tasks in flight
	jobs  map[job.ID]*prepared         // what new tasks begin with
	open  []*prepared                  // everything to be closed when Run ends; the last used last
	ready []job.ID                     // told with each request for work; at most wire.ReadyMax, as unfit
	unfit []wire.Unfit                 // not yet told
}

// New returns a worker; Run starts it.
func New(cfg Config) *Worker {
	if cfg.Slots < 1 {
		cfg.Slots = runtime.GOMAXPROCS(0)
	}
	if cfg.BatchRows == 0 {
		cfg.BatchRows = 2048
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = time.Second
	}
	if cfg.Drain == 0 {
		cfg.Drain = time.Minute
	}
	w := &Worker{
		cfg: cfg, free: make(chan struct{}, cfg.Slots+cfg.Queue), slots: make(chan struct{}, cfg.Slots), settling: make(chan struct{}, 2*cfg.Slots),
		ended: make(chan struct{}, 1), draining: make(chan struct{}),
		tasks: make(map[wire.Lease]*atomic.Int64), jobs: make(map[job.ID]*prepared),
	}
	w.sound.Store(cfg.Checked)
	w.drain = sync.OnceFunc(func() { close(w.draining) })
	for range cap(w.free) {
		w.free <- struct{}{}
	}
	return w
}

// Drain tells the worker to leave: Run returns nil when its tasks are finished or
// given back. Telling it twice is telling it once.
func (w *Worker) Drain() { w.drain() }

// Draining returns a channel that is closed when the worker was told to leave.
func (w *Worker) Draining() <-chan struct{} { return w.draining }

var (
	// errReturned is why tasks stop when the time to drain is over.
	errReturned = errors.New("the worker leaves, and its time to finish is over")
	// errUnheard is why Run ends when nobody takes what a leaving worker has to say.
	errUnheard = errors.New("nobody answered the reports of a worker that leaves")
)

// farewell is how long a worker whose time to drain is over goes on telling what
// became of its tasks, in parts of that time; at least a second.
const farewell = 6

// Run asks for work and does it until ctx ends or Drain is called, and returns nil when
// everything it started has stopped. Tasks in flight are abandoned when ctx ends: their
// leases expire. A worker runs once.
func (w *Worker) Run(ctx context.Context) error {
	beating, stop := context.WithCancel(ctx)
	var beats sync.WaitGroup
	beats.Go(func() { w.beat(beating) })
	err := w.work(ctx)
	stop()
	beats.Wait()
	if ctx.Err() != nil {
		err = nil // told to stop: that is all the error says
	}
	return errors.Join(err, w.close())
}

// work takes tasks and does them until ctx ends or the worker has drained.
func (w *Worker) work(ctx context.Context) error {
	ctx, abandon := context.WithCancelCause(ctx)
	defer abandon(nil)
	group, ctx := errgroup.WithContext(ctx)
	doing, giveBack := context.WithCancelCause(ctx)
	over := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-over:
			return
		case <-w.draining:
		}
		w.cfg.Log.Info("worker leaves", "worker", w.cfg.ID, "seconds", w.cfg.Drain.Seconds())
		if wait(over, w.cfg.Drain) {
			giveBack(errReturned)
			if wait(over, max(w.cfg.Drain/farewell, time.Second)) {
				abandon(errUnheard)
			}
		}
	})
	group.Go(func() error { return w.take(ctx, doing, group) })
	err := group.Wait()
	close(over)
	watching.Wait()
	giveBack(nil)
	if errors.Is(context.Cause(ctx), errUnheard) {
		w.cfg.Log.Warn("worker left with tasks that nobody took back; their leases run out", "worker", w.cfg.ID)
		return nil
	}
	return err
}

// wait waits for a time, and reports whether it passed before over did.
func wait(over <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-over:
		return false
	case <-timer.C:
		return true
	}
}

// close closes the inputs of every job worked on.
func (w *Worker) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []error
	for _, p := range w.open {
		all = append(all, p.close())
	}
	w.open = nil
	clear(w.jobs)
	return errors.Join(all...)
}

// take asks for as many tasks as there may be more, and hands them out, until the
// worker is told to leave. An assignment beyond what was asked for is left to expire.
// Tasks are done under doing, and reported under ctx.
func (w *Worker) take(ctx, doing context.Context, group *errgroup.Group) error {
	const (
		shortest        = 5 * time.Millisecond
		soonest, latest = 500 * time.Microsecond, time.Second // while nobody answers, who may begin to at any moment
	)
	unheard := soonest
	for {
		more, err := w.more(ctx)
		if err != nil || more == 0 {
			return err
		}
		moved := w.cfg.Bus.Moved()
		asked := min(more, wire.SlotsMax)
		request := w.request(asked)
		reply, err := w.cfg.Bus.Work(ctx, request)
		if err != nil {
			w.cfg.Log.Debug("ask for work", "worker", w.cfg.ID, "err", err)
		} else {
			w.told(request.Unfit)
		}
		for _, a := range reply.Assignments[:min(asked, len(reply.Assignments))] {
			more--
			group.Go(func() error {
				turn := &turn{worker: w}
				defer turn.end()
				return w.do(ctx, doing, a, turn)
			})
		}
		for range more {
			w.free <- struct{}{}
		}
		if reply.Drain {
			w.Drain()
		}
		if err == nil && len(reply.Assignments) == 0 && w.read.Swap(false) {
			// There is a core for it, or will be soon. Not behind the survey, whose pages the
			// tasks that follow read again.
			group.Go(func() error { store.LetGo(); return nil })
		}
		// Offers come beside assignments too: a job must not wait until the one before has
		// nothing left.
		if news := w.consider(doing, reply.Offers); news || len(reply.Assignments) > 0 {
			continue
		}
		pause := max(reply.Retry(), shortest)
		if err == nil {
			unheard = soonest
		} else {
			pause, unheard = unheard, min(2*unheard, latest)
		}
		if err := sleep(ctx, pause, moved, w.draining, w.ended); err != nil {
			return err
		}
	}
}

// turn is a task's turn at a slot.
type turn struct {
	worker      *Worker
	began, over bool
}

// begin waits for a slot. It returns false when the task is to be given back instead.
func (t *turn) begin(ctx context.Context) bool {
	select {
	case <-t.worker.draining: // first of all
		return false
	default:
	}
	select {
	case t.worker.slots <- struct{}{}:
		t.began = true
	case <-t.worker.draining:
	case <-ctx.Done():
	}
	return t.began
}

// yield gives the slot back before the task has ended: what is left of it waits for the
// store more than it works, and meanwhile the next task has the core. Twice as many tasks
// as there are slots may be so far; one more keeps its slot until one of them has ended.
func (t *turn) yield(ctx context.Context) error {
	select {
	case t.worker.settling <- struct{}{}:
		t.over = true
		<-t.worker.slots
		t.worker.free <- struct{}{}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// spare says whether there are fewer tasks than cores, those that have given their slots
// back too.
func (w *Worker) spare() bool { return len(w.slots)+len(w.settling) < cap(w.slots) }

// end ends the task, which may have been what others waited for.
func (t *turn) end() {
	switch {
	case t.over:
		<-t.worker.settling
	case t.began:
		<-t.worker.slots
		fallthrough
	default:
		t.worker.free <- struct{}{}
	}
	select {
	case t.worker.ended <- struct{}{}:
	default:
	}
}

// consider opens the jobs that are offered, before anything of them is leased: their
// models score their golden rows by the path that will score the base. It reports
// whether there is news for the coordinator.
func (w *Worker) consider(ctx context.Context, offers []wire.Offer) (news bool) {
	for _, o := range offers {
		if slices.Contains(w.request(0).Ready, o.Job) {
			continue // it crossed with the answer
		}
		news = true
		p, err := w.prepare(ctx, wire.Assignment{Job: o.Job, Spec: o.Spec, SpecBase: o.SpecBase})
		if isFatal(err) {
			w.refuse(o.Job, err)
			continue
		}
		if err == nil {
			w.release(p)
		}
		// What may be better next time is an attempt's to meet and to report.
		w.mu.Lock()
		w.ready = append(w.ready[max(0, len(w.ready)+1-wire.ReadyMax):], o.Job)
		w.mu.Unlock()
	}
	return news
}

// request asks for so many tasks.
func (w *Worker) request(slots int) wire.WorkRequest {
	w.mu.Lock()
	defer w.mu.Unlock()
	return wire.WorkRequest{Worker: w.cfg.ID, Slots: slots, Ready: slices.Clone(w.ready), Unfit: slices.Clone(w.unfit), Version: w.cfg.Version}
}

// refuse notes that this worker cannot work on a job. It says so once: after a while,
// or when another coordinator leads, the job is offered again, and may be better then.
func (w *Worker) refuse(id job.ID, err error) {
	w.cfg.Log.Error("unfit for job", "job", id, "err", err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ready = slices.DeleteFunc(w.ready, func(ready job.ID) bool { return ready == id })
	w.unfit = slices.DeleteFunc(w.unfit, func(u wire.Unfit) bool { return u.Job == id })
	w.unfit = append(w.unfit[max(0, len(w.unfit)+1-wire.ReadyMax):], wire.Unfit{Job: id, Reason: failure(err).Reason})
}

// told drops what the coordinator knows of the jobs this worker cannot work on.
func (w *Worker) told(unfit []wire.Unfit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unfit = slices.DeleteFunc(w.unfit, func(u wire.Unfit) bool { return slices.Contains(unfit, u) })
}

// more waits until a task may be asked for, and says how many may be; none when the
// worker leaves.
func (w *Worker) more(ctx context.Context) (int, error) {
	select {
	case <-w.draining: // first of all
		return 0, nil
	default:
	}
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-w.draining:
		return 0, nil
	case <-w.free:
	}
	n := 1
	for {
		select {
		case <-w.free:
			n++
		default:
			return n, nil
		}
	}
}

// do runs one assignment and reports it; when doing ends before ctx does, it gives the
// task back. It returns only ctx's error: whatever else goes wrong is the
// coordinator's to decide on.
func (w *Worker) do(ctx, doing context.Context, a wire.Assignment, turn *turn) error {
	lease := a.Lease()
	var rows atomic.Int64
	w.mu.Lock()
	w.tasks[lease] = &rows
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.tasks, lease)
		w.mu.Unlock()
	}()
	report := wire.Report{Worker: w.cfg.ID, Lease: lease}
	if !turn.begin(doing) { // the grant crossed with the word to leave, or waited for its turn until then
		if ctx.Err() != nil {
			return ctx.Err()
		}
		report.Returned = true
		return w.report(ctx, report)
	}
	failpoint.Hit("worker.assigned")
	result, err := w.perform(doing, a, turn, &rows)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && doing.Err() != nil:
		report.Returned = true
	case isUnfit(err): // another may do it
		w.refuse(a.Job, err)
		report.Returned = true
	case err != nil:
		report.Failure = failure(err)
		w.cfg.Log.Warn("task failed", "job", a.Job, "stage", a.Kind.String(), "part", a.Index, "attempt", a.Token, "err", err)
	default:
		report.Result = &result
		if _, err := wire.Encode(report); err != nil {
			// Sent again and again it would never arrive, and heartbeats would keep
			// its lease.
			report.Result, report.Failure = nil, failure(err)
		}
	}
	return w.report(ctx, report)
}

// failure puts an error on the wire, which takes valid UTF-8 alone: names of
// files and columns in an error may be anything.
func failure(err error) *wire.Failure {
	return &wire.Failure{Reason: wire.Cut(strings.ToValidUTF8(err.Error(), "\uFFFD")), Fatal: isFatal(err)}
}

// perform runs the work of an assignment. A panic is a failed attempt with its
// place, not a dead worker.
func (w *Worker) perform(ctx context.Context, a wire.Assignment, turn *turn, rows *atomic.Int64) (result job.Result, err error) {
	defer caught(&err, "%s task %d", a.Kind, a.Index)
	p, err := w.prepare(ctx, a)
	switch {
	case isFatal(err):
		return job.Result{}, unfitError{err}
	case err != nil:
		return job.Result{}, err
	}
	defer w.release(p)
	defer func() {
		if err != nil { // what it reads may be gone: the next attempt sees whether this worker is fit still
			w.reopen(a.Job, p)
		}
	}()
	if known := slices.Contains(p.spec.Stages(), a.Kind); !known {
		return job.Result{}, unfitError{fmt.Errorf("this worker does not know stage %s of such a job: it is older than the coordinator", a.Kind)}
	}
	switch a.Kind {
	case job.StageSurvey:
		if p.spec.Prepares() {
			return w.intake(ctx, a, p, rows)
		}
		return w.survey(ctx, a, p, rows)
	case job.StageScore:
		return w.score(ctx, a, p, turn, rows)
	case job.StageSelect:
		return w.place(ctx, a, p, turn, rows)
	case job.StageExchange:
		return w.exchange(ctx, a, p, rows)
	case job.StageMerge:
		return w.merge(ctx, a, p, rows)
	}
	panic(fmt.Sprintf("worker: nobody does %s", a.Kind)) // Spec.Stages lists it
}

// report sends the same report until somebody who knows answers it: after a
// timeout nobody knows whether it was taken (I3 makes sending it twice safe).
func (w *Worker) report(ctx context.Context, r wire.Report) error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		moved := w.cfg.Bus.Moved()
		failpoint.Hit("worker.report")
		reply, err := w.cfg.Bus.Report(ctx, r)
		failpoint.Hit("worker.reported")
		log := w.cfg.Log.With("job", r.Lease.Job, "part", r.Lease.Task, "attempt", r.Lease.Token)
		switch {
		case err != nil:
			log.Debug("report", "err", err)
		case reply.Status == wire.OK:
			return nil
		case reply.Status == wire.Lost:
			log.Info("another attempt was first", "message", reply.Message)
			w.drop(ctx, r)
			return nil
		case reply.Status == wire.Fenced || reply.Status == wire.Refused:
			log.Warn("report not taken", "status", reply.Status, "message", reply.Message)
			return nil
		}
		if err := sleep(ctx, pause, moved, nil, nil); err != nil {
			return err
		}
	}
}

// drop removes what an attempt staged that came second. No version will name it: the
// ledger has the other's names.
func (w *Worker) drop(ctx context.Context, r wire.Report) {
	w.mu.Lock()
	p := w.jobs[r.Lease.Job]
	w.mu.Unlock()
	if p == nil || r.Result == nil {
		return
	}
	for _, f := range r.Result.Files {
		if err := p.output.Delete(ctx, f.Path); err != nil {
			w.cfg.Log.Warn("drop a staged file; garbage collection will", "job", r.Lease.Job, "file", f.Path, "err", err)
		}
	}
}

// beat says that the worker is there, which tasks are in flight and how far they are:
// at once, every so often, and when it begins to leave.
func (w *Worker) beat(ctx context.Context) {
	ticker := time.NewTicker(w.cfg.Heartbeat)
	defer ticker.Stop()
	leaving := w.draining
	for ctx.Err() == nil {
		h := wire.Heartbeat{
			Worker: w.cfg.ID, Slots: w.cfg.Slots, Version: w.cfg.Version, Host: w.cfg.Host,
			Draining: leaving == nil, MemoryBytes: held(),
		}
		w.mu.Lock()
		for lease, rows := range w.tasks {
			h.Tasks = append(h.Tasks, wire.Progress{Lease: lease, RowsDone: rows.Load()})
		}
		w.mu.Unlock()
		if err := w.cfg.Bus.Heartbeat(h); err != nil {
			w.cfg.Log.Debug("heartbeat", "worker", w.cfg.ID, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-leaving:
			leaving = nil
		case <-ticker.C:
		}
	}
}

// held is what the process has from the system and has not given back, bytes.
func held() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64() - s[1].Value.Uint64())
}

// caught turns a panic into an error that says what was being done and where the
// code is that panicked. It must be deferred itself.
func caught(err *error, doing string, args ...any) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: panic in %s: %v", fmt.Sprintf(doing, args...), origin(), p)
	}
}

// origin finds the function, file and line that panicked.
func origin() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	panicking := false
	for {
		f, more := frames.Next()
		internal := strings.HasPrefix(f.Function, "runtime.")
		if panicking && !internal {
			return fmt.Sprintf("%s (%s:%d)", f.Function, filepath.Base(f.File), f.Line)
		}
		panicking = panicking || f.Function == "runtime.gopanic"
		if !more {
			return "an unknown place"
		}
	}
}

// fatalError marks what no other attempt can do better: the job itself is at fault.
type fatalError struct{ error }

func (f fatalError) Unwrap() error { return f.error }

func fatal(err error) error { return fatalError{err} }

func isFatal(err error) bool {
	var f fatalError
	return errors.As(err, &f)
}

// unfitError marks what another worker may do, and this one not, whatever the attempt:
// it cannot open the job, or opens another one than was planned.
type unfitError struct{ error }

func (u unfitError) Unwrap() error { return u.error }

func isUnfit(err error) bool {
	var u unfitError
	return errors.As(err, &u)
}

// sleep waits for a time, or until one of three channels says something.
func sleep(ctx context.Context, d time.Duration, moved, leaving, ended <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-moved:
	case <-leaving:
	case <-ended:
	case <-timer.C:
	}
	return nil
}
