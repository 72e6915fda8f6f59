// Package local is the whole house in one process: an embedded nats-server that
// listens on no port, a one-voter raft with its log in the work folder, the
// coordinator and one worker with a scoring goroutine per core. It runs the same
// code a cluster runs, over the same messages.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"rescore/cmd/internal/boot"
	"rescore/coordinator"
	"rescore/coordinator/bus"
	"rescore/coordinator/lease"
	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/coordinator/replica"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/store/address"
	"rescore/worker"
	workerbus "rescore/worker/bus"
	"rescore/worker/program"
	"rescore/worker/source"
)

// Options says what to run and how to show it.
type Options struct {
	Spec     job.Spec
	Base     string         // folder that the spec's relative paths resolve against
	Release  string         // why a held job is released; "" releases nothing
	Progress func(Progress) // called about five times a second, never at once; nil for none
	Log      *slog.Logger   // nil for none
}

func (o Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}

// Progress is how far a job is.
type Progress struct {
	Stage               string // survey, score, select or publish
	RowsDone, RowsTotal int64  // RowsTotal is 0 while it is not known
	TasksDone           int
	TasksTotal          int
	TasksRunning        int
	Elapsed             time.Duration
}

// Outcome is a published version.
type Outcome struct {
	Job           job.ID
	Name          string
	Version       string
	Path          string // of the version's folder
	Model         string // SHA-256 of the champion's file or package
	Rows          job.Counts
	Digest        string
	Seconds       float64
	RowsPerSecond float64
	Tally         job.Tally
	Timing        job.Timing // seconds of one core by step, all attempts that counted
	Stages        []StageTime
	Resumed       int  // partitions that an earlier run had completed
	Already       bool // the version was there: nothing was done
	Current       bool // it is the dataset's current version

	Challengers []publish.Challenger // beside the champion, in the job's order
	Stability   []publish.Stability  // of what the model's package watches for drift
	Tables      []publish.Table      // what became of the events of the job's tables
}

// StageTime is the wall time of one stage in this run, and where its tasks' time went:
// of one core, of all attempts that counted.
type StageTime struct {
	Stage   string
	Seconds float64
	Timing  job.Timing
}

// Run takes a job to its published version, or resumes it, in a house of its own. Stopped
// by ctx, it returns ctx's cause.
func Run(ctx context.Context, o Options) (out Outcome, err error) {
	h, err := Open(o)
	if err != nil {
		return Outcome{}, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	return h.Run(ctx, o)
}

// House holds the services of one process, open for one job after another. It is for one
// goroutine.
type House struct {
	log    *slog.Logger
	raft   string       // folder of the ledger
	made   bool         // by this house: there was no ledger
	ran    bool         // a job, of which the ledger knows
	unlock func()       // of the work folder
	open   func() error // the services, once

	replica *replica.Replica
	nats    *bus.Embedded
	conns   []*nats.Conn
	node    *coordinator.Node
	client  *workerbus.Client

	serving context.Context // ends with the node, whose error is then its cause; nil before
	stop    context.CancelCauseFunc
	served  sync.WaitGroup
}

// Open takes the work folder of o for this process. Close what it returns. Every job has
// the work folder and the rows of a partition of the options the house was opened with.
func Open(o Options) (*House, error) {
	work, err := workFolder(o)
	if err != nil {
		return nil, err
	}
	h := &House{log: o.log(), raft: filepath.Join(work, "raft")}
	if h.unlock, err = lock(work); err != nil {
		return nil, err
	}
	h.open = sync.OnceValue(func() error { return h.start(o.Spec.Run.PartitionRows) })
	if _, err := os.Stat(h.raft); errors.Is(err, fs.ErrNotExist) {
		h.made = true
		go func() { _ = h.open() }() // half of opening is to wait for the disk, and for a ledger to be led
	}
	return h, nil
}

// Close ends the services and gives the work folder back. A ledger that no job came to is
// removed.
func (h *House) Close() (err error) {
	defer h.unlock()
	if h.made {
		_ = h.open() // it may be under way
	}
	if h.serving != nil {
		h.stop(nil)
		h.served.Wait()
	}
	if h.client != nil {
		h.client.Close()
	}
	for _, c := range h.conns {
		c.Close()
	}
	if h.nats != nil {
		h.nats.Close()
	}
	if h.replica != nil {
		if err := h.replica.Close(); err != nil {
			h.log.Warn("close replica", "err", err)
		}
	}
	if h.made && !h.ran {
		return os.RemoveAll(h.raft)
	}
	return nil
}

// Run takes a job to its published version, or resumes it. Stopped by ctx, it returns
// ctx's cause.
func (h *House) Run(ctx context.Context, o Options) (out Outcome, err error) {
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}()
	ahead := 0
	if h.made || h.ran { // the ledger knows of no job that was begun
		ahead = o.Spec.Run.Workers
	}
	q, err := ask(ctx, o, ahead)
	if err != nil {
		return Outcome{}, err
	}
	defer func() { err = errors.Join(err, q.sound.Close()) }()
	if q.output, err = outputStore(o.Base, o.Spec.Output.Path); err != nil {
		return Outcome{}, err
	}
	if done, ok, err := q.published(ctx); ok || err != nil {
		return done, err
	}
	if months := q.missing(); len(months) > 0 {
		h.log.Warn("months without files are read as missing, as input.missing_months says", "months", months)
	}
	h.ran = true
	if err := h.open(); err != nil {
		return Outcome{}, err
	}
	return h.take(ctx, o, q)
}

// question is a job before the ledger knows it: what is asked, of which bytes.
type question struct {
	id     job.ID
	sound  *worker.Sound // closing it twice is closing it once
	spec   job.Spec
	output store.Store // nil until it is opened, which makes it
	dir    string      // of the output store
}

// ask reads everything the job names, so that what is wrong is said before any
// work, and works out the job's ID. It writes nothing. More than no goroutines ahead
// survey the input meanwhile.
func ask(ctx context.Context, o Options, ahead int) (question, error) {
	sound, err := Places.Sound(ctx, o.Spec, o.Base, ahead)
	if err != nil {
		return question{}, inputError(carded(err))
	}
	return question{id: sound.Job, sound: sound, spec: o.Spec, dir: address.Resolve(o.Base, o.Spec.Output.Path)}, nil
}

// missing returns the months of the window that have no files and are read as missing,
// the last first.
func (q question) missing() []int32 {
	if q.sound.Dataset == nil { // of a preparation
		return nil
	}
	var files []job.InputFile
	for _, f := range q.sound.Dataset.Files() {
		files = append(files, job.InputFile{Month: f.Month})
	}
	return q.spec.MissingMonths(files)
}

// models loads the champion and its challengers.
func (o Options) models(ctx context.Context) (program.Model, error) {
	m, err := Places.OpenModels(ctx, o.Spec, o.Base)
	return m, carded(err)
}

// carded says of problems with a model package's card that they are its card's.
func carded(err error) error {
	if p := (job.Problems{}); errors.As(err, &p) {
		return boot.Named(err, p[0].File)
	}
	return err
}

func openInput(ctx context.Context, o Options) (*source.Dataset, error) {
	dataset, err := Places.OpenInput(ctx, o.Spec, o.Base)
	if err != nil {
		return nil, inputError(err)
	}
	return dataset, nil
}

// published looks for a version of this very job in the output folder: the work
// folder may be gone, and the answer is still there.
func (q question) published(ctx context.Context) (Outcome, bool, error) {
	pointers, err := publish.Pointers(ctx, q.output)
	if err != nil {
		return Outcome{}, false, err
	}
	for i := len(pointers) - 1; i >= 0; i-- {
		if p := pointers[i]; p.Job == q.id {
			m, err := publish.ReadManifest(ctx, q.output, p)
			if err != nil {
				return Outcome{}, false, fmt.Errorf("version %s of this job is published but cannot be read: %w", p.Version, err)
			}
			return q.outcome(p, m, i == len(pointers)-1), true, nil
		}
	}
	return Outcome{}, false, nil
}

func (q question) outcome(p publish.Pointer, m publish.Manifest, current bool) Outcome {
	return Outcome{
		Job: q.id, Name: p.Dataset, Version: p.Version, Path: address.Join(q.dir, p.Path),
		Rows: p.Rows, Digest: p.Digest, Seconds: p.Seconds, RowsPerSecond: perSecond(p.Rows.In, p.Seconds),
		Model: m.Model, Tally: m.Tally, Challengers: m.Challengers, Stability: m.Stability, Tables: m.Tables, Already: true, Current: current,
	}
}

func perSecond(rows int64, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(rows) / seconds
}

// lock takes the work folder for this process.
func lock(work string) (unlock func(), err error) {
	if err := os.MkdirAll(work, 0o755); err != nil {
		return nil, fmt.Errorf("make work folder: %w", err)
	}
	name := filepath.Join(work, "LOCK")
	l := flock.New(name)
	switch held, err := l.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("lock work folder %s: %w", work, err)
	case !held:
		return nil, fmt.Errorf("work folder %s is in use by another rescore (see %s): %w", work, name, ErrLocked)
	}
	return func() { _ = l.Close() }, nil
}

// start starts the services but the worker. Close ends those that it came to.
func (h *House) start(partitionRows int64) (err error) {
	if h.replica, err = replica.Open(replica.Config{Dir: h.raft, Log: h.log}); err != nil {
		return err
	}
	if h.nats, err = bus.Embed(); err != nil {
		return err
	}
	for _, name := range []string{"coordinator", "worker"} {
		conn, err := h.nats.Connect(name)
		if err != nil {
			return err
		}
		h.conns = append(h.conns, conn)
	}
	h.node = coordinator.New(coordinator.Config{
		Replica: h.replica, Bus: bus.New(h.conns[0], h.log), Output: outputStore, PartitionRows: partitionRows, Alone: true, Log: h.log,
	})
	h.client, err = workerbus.NewClient(h.conns[1], h.log)
	return err
}

// serve lets the coordinator serve, until Close.
func (h *House) serve() {
	if h.serving == nil {
		h.serving, h.stop = context.WithCancelCause(context.Background())
		h.served.Go(func() { h.stop(h.node.Run(h.serving)) })
	}
}

// near is the bus of a worker whose coordinator is in its process: where there is nothing
// to do, it waits for the ledger to change and no longer.
type near struct {
	*workerbus.Client
	node *coordinator.Node
}

func (n near) Moved() <-chan struct{} { return n.node.Changed() }

// errFinished stops the worker when the job has come to its end.
var errFinished = errors.New("finished")

// employ makes the worker. Alone, it asks for more tasks than it has slots: a grant would
// wait behind data that is being synced.
func (h *House) employ(o Options, sound *worker.Sound) *worker.Worker {
	host, _ := os.Hostname()
	return worker.New(worker.Config{
		ID: fmt.Sprintf("%s-%d", host, os.Getpid()), Slots: o.Spec.Run.Workers, Queue: 4 * o.Spec.Run.Workers, BatchRows: o.Spec.Run.BatchRows,
		Heartbeat: 200 * time.Millisecond, // a progress bar lives off it, and the bus is in this process
		Bus:       near{h.client, h.node}, Places: Places, Checked: sound, Log: h.log,
	})
}

// take takes a job to its version, with a worker of its own.
func (h *House) take(ctx context.Context, o Options, q question) (out Outcome, err error) {
	h.serve()
	with, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.serving, func() { cancel(context.Cause(h.serving)) })()
	group, running := errgroup.WithContext(with)
	worker := h.employ(o, q.sound)
	group.Go(func() error {
		if err := h.submit(running, o, q); err != nil {
			return err
		}
		// Not before: leases of the run before are told from this one's by that there are
		// none of this one.
		group.Go(func() error { return worker.Run(running) })
		out, err = h.follow(running, o, q)
		if err == nil {
			err = errFinished
		}
		return err
	})
	switch err = group.Wait(); {
	case errors.Is(err, errFinished):
		h.sweep(ctx, q)
		return out, nil
	case with.Err() != nil: // told to stop, or the coordinator has: whatever else was said follows from that
		err = context.Cause(with)
	}
	return Outcome{}, err
}

// sweep deletes what jobs of older versions staged, and keeps as many as a cluster does:
// published files are links, or copies, of their own. What failed jobs staged stays, for
// they may be run again. Nobody else is at work, so it is one step, where a cluster takes
// two; what it does not get at, the next job does.
func (h *House) sweep(ctx context.Context, q question) {
	var live publish.Live
	over := map[string]bool{}
	h.node.View(func(s *ledger.State) {
		live = publish.NewLive(s, q.spec.Name, coordinator.Keep)
		for j := range s.Jobs() {
			over[j.ID.StagingPrefix()] = j.State == job.Published && j.ID != q.id
		}
	})
	list, _, err := publish.Litter(ctx, q.output, live)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16) // requests to an object store at a time
	for _, info := range list {
		if over[path.Dir(info.Name)+"/"] {
			group.Go(func() error { return q.output.Delete(ctx, info.Name) })
		}
	}
	if err = errors.Join(err, group.Wait()); err != nil {
		h.log.Warn("delete what earlier jobs staged; the next job will", "err", err)
	}
}

// submit brings the job into the ledger, and back to work when an earlier run
// left it failed. Leases of an earlier process are taken back at once.
func (h *House) submit(ctx context.Context, o Options, q question) error {
	if _, err := h.replica.Lead(ctx); err != nil {
		return err
	}
	surveyed, cluster := false, ""
	h.node.View(func(s *ledger.State) {
		j := s.Job(q.id)
		surveyed, cluster = j != nil && j.Stage() > 0, s.Cluster()
	})
	if !surveyed {
		q.sound.Ahead(ctx, o.Spec.Run.Workers)
	}
	if cluster == "" {
		named, err := h.node.Propose(ctx, ledger.Found{Cluster: h.replica.ID()})
		if err != nil {
			return fmt.Errorf("name the ledger: %w", err)
		}
		cluster = named.(ledger.FoundReply).Cluster
	}
	epoch, err := publish.Claim(ctx, q.output, q.spec.Name, cluster)
	if errors.Is(err, publish.ErrOtherDataset) {
		return conflict{err}
	}
	if err != nil {
		return err
	}
	var stale []ledger.Command
	h.node.View(func(s *ledger.State) {
		stale = lease.Restart(s)
		for j := range s.Jobs() {
			if j.ID != q.id && (j.State == job.Submitted || j.State == job.Running || j.State == job.Held) {
				stale = append(stale, ledger.FailJob{Job: j.ID, Reason: "superseded by job " + string(q.id)})
			}
		}
	})
	for _, cmd := range stale {
		if _, err := h.node.Propose(ctx, cmd); err != nil {
			return fmt.Errorf("take over from the run before: %w", err)
		}
	}
	if _, err := h.node.Propose(ctx, ledger.Submit{
		Job: q.id, Name: q.spec.Name, Spec: q.spec.Canonical(), SpecDigest: q.spec.Digest(), SpecBase: o.Base,
		Epoch: epoch, Stages: q.spec.Stages(), MaxAttempts: max(q.spec.Run.MaxAttempts, 1), Who: who(),
	}); errors.Is(err, ledger.ErrConflict) {
		return conflict{fmt.Errorf("work folder %s already holds this job for other folders; give the job another run.work: %w", q.spec.Run.Work, err)}
	} else if err != nil {
		return err
	}
	var failed uint64
	h.node.View(func(s *ledger.State) {
		if j := s.Job(q.id); j.State == job.Failed || j.State == job.Cancelled {
			failed = j.FailIndex
		}
	})
	if failed != 0 {
		_, err = h.node.Propose(ctx, ledger.Retry{Job: q.id, FailIndex: failed, Epoch: epoch})
	}
	return err
}

// who names the person at the keyboard, for the ledger.
func who() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

// follow shows progress until the job is published, held or failed.
func (h *House) follow(ctx context.Context, o Options, q question) (Outcome, error) {
	start := time.Now()
	watch := &stageWatch{last: start}
	resumed := -1
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		changed := h.node.Changed()
		var end func() (Outcome, error)
		var p Progress
		var stage int
		release := false
		h.node.View(func(s *ledger.State) {
			j := s.Job(q.id)
			total := j.Totals()
			if resumed < 0 {
				resumed = total.Done
			}
			stage = j.Stage()
			p.Stage = "publish"
			if stage < len(j.Stages) {
				p.Stage = j.Stages[stage].Kind.String()
				if k := j.Stages[stage].Kind; k != job.StageSurvey && k != job.StageScore {
					total = j.Stages[stage].Totals()
				}
			}
			p.RowsDone, p.RowsTotal, p.TasksDone, p.TasksTotal = total.DoneRows, total.PlannedRows, total.Done, total.Tasks
			switch j.State {
			case job.Published:
				end = func() (Outcome, error) { return h.finished(ctx, q, watch, resumed) }
			case job.Held:
				reason := j.Held.Reason
				if o.Release != "" {
					release = true
					return
				}
				end = func() (Outcome, error) {
					return Outcome{}, fmt.Errorf("%s; the rejects are below %s: %w",
						reason, address.Join(q.dir, q.id.StagingPrefix()), ErrHeld)
				}
			case job.Failed, job.Cancelled:
				reason := j.FailReason
				end = func() (Outcome, error) { return Outcome{}, inputError(errors.New(reason)) }
			case job.Submitted, job.Running, job.Sealed: // not at its end
			}
		})
		if end == nil {
			if err := h.node.Trouble(q.id); err != nil { // a cluster would try again for ever; here somebody waits
				end = func() (Outcome, error) { return Outcome{}, err }
			}
		}
		rows, tasks := h.node.InFlight(q.id, stage)
		p.RowsDone += rows
		p.TasksRunning = min(tasks, o.Spec.Run.Workers) // the others wait for their turn
		now := time.Now()
		p.Elapsed = now.Sub(start)
		watch.at(p.Stage, now)
		if o.Progress != nil {
			o.Progress(p)
		}
		if end != nil {
			return end()
		}
		if release {
			if _, err := h.node.Propose(ctx, ledger.Release{Job: q.id, Who: who(), Reason: o.Release}); err != nil {
				return Outcome{}, fmt.Errorf("release the job: %w", err)
			}
			continue
		}
		select {
		case <-ctx.Done():
			return Outcome{}, context.Cause(ctx)
		case <-changed:
		case <-ticker.C:
		}
	}
}

func (h *House) finished(ctx context.Context, q question, watch *stageWatch, resumed int) (Outcome, error) {
	out, ok, err := q.published(ctx)
	if err != nil {
		return Outcome{}, err
	}
	if !ok {
		return Outcome{}, fmt.Errorf("job %s was published and its pointer is no longer in %s; bring the output folder back, or give the job another run.work to run it anew", q.id, q.dir)
	}
	h.node.View(func(s *ledger.State) {
		j := s.Job(q.id)
		out.Timing = j.Totals().Timing
		for i := range watch.stages {
			for k := range j.Stages {
				if j.Stages[k].Kind.String() == watch.stages[i].Stage {
					watch.stages[i].Timing = j.Stages[k].Totals().Timing
				}
			}
		}
	})
	out.Stages, out.Resumed, out.Already = watch.stages, resumed, false
	return out, nil
}

// stageWatch measures how long each stage was the one at work. The time between
// two looks is the earlier one's stage's, so that nothing of the whole is lost;
// a stage is at most one look too long.
type stageWatch struct {
	stages []StageTime
	last   time.Time
}

func (w *stageWatch) at(stage string, now time.Time) {
	n := len(w.stages)
	if n > 0 {
		w.stages[n-1].Seconds += now.Sub(w.last).Seconds()
	}
	if n == 0 || w.stages[n-1].Stage != stage {
		w.stages = append(w.stages, StageTime{Stage: stage})
	}
	w.last = now
}
