package scale

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rescore/partition"
	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/partition/wire"
	"rescore/worker/bus"
)

const (
	subscribers = 1_000_000_000
	segmentRows = 10_000 // a segment is full
)

// crew is many workers that do no work: what a task would leave is a line or two, and
// every figure is worked out from the task alone.
type crew struct {
	scores staged
	ranks  staged
	urls   []string
	token  string

	outputs sync.Map // job.ID → folder
	done    atomic.Int64
	mu      sync.Mutex
	spans   map[job.StageKind]span
	granted atomic.Int64 // Unix nanoseconds of the last grant that arrived
	wrong   atomic.Pointer[error]
}

func newCrew(urls []string, token string) *crew {
	return &crew{
		urls: urls, token: token, spans: map[job.StageKind]span{},
		scores: ready(job.FileScores, []byte("rows that nobody reads\n")),
		ranks:  ready(job.FileRanks, ecdf.New(ecdf.NewRanking(job.Default().Policy).Kind()).Encode()),
	}
}

// ready describes a file that tasks will write.
func ready(kind job.FileKind, data []byte) staged {
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	return staged{job.File{Kind: kind, Bytes: int64(len(data)), SHA256: digest, Content: digest}, data}
}

type staged struct {
	job.File
	data []byte
}

// run is one worker, until ctx ends.
func (c *crew) run(ctx context.Context, id string, slots int) {
	client, err := bus.Dial(c.urls, id, c.token, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		c.fail(err)
		return
	}
	defer client.Close()
	var tending sync.WaitGroup
	defer tending.Wait()
	tending.Go(func() { _ = client.Serve(ctx, c) }) // it ends with ctx
	tending.Go(func() {
		for ctx.Err() == nil {
			_ = client.Heartbeat(wire.Heartbeat{Worker: id, Slots: slots}) // fire and forget
			pause(ctx, 3*time.Second)
		}
	})
	var ready []job.ID
	unheard := soonest
	for ctx.Err() == nil {
		moved := client.Moved()
		reply, err := client.Work(ctx, wire.WorkRequest{Worker: id, Slots: slots, Ready: ready})
		if err != nil {
			unheard = again(ctx, moved, unheard)
			continue
		}
		unheard = soonest
		for _, o := range reply.Offers {
			if !slices.Contains(ready, o.Job) {
				ready = append(ready[max(0, len(ready)+1-wire.ReadyMax):], o.Job)
			}
		}
		if len(reply.Assignments) == 0 && len(reply.Offers) == 0 {
			pause(ctx, reply.Retry())
		}
		if len(reply.Assignments) > 0 {
			c.granted.Store(time.Now().UnixNano())
		}
		for _, a := range reply.Assignments {
			c.at(a.Kind, 0)
			result, err := c.perform(a)
			if err != nil {
				c.fail(err)
				return
			}
			if c.report(ctx, client, wire.Report{Worker: id, Lease: a.Lease(), Result: &result}) {
				c.at(a.Kind, 1)
			}
		}
	}
}

// report tells whether the report was taken.
func (c *crew) report(ctx context.Context, client *bus.Client, r wire.Report) bool {
	unheard := soonest
	for ctx.Err() == nil {
		moved := client.Moved()
		reply, err := client.Report(ctx, r)
		switch {
		case err != nil, reply.Status == wire.Retry:
			unheard = again(ctx, moved, unheard)
		case reply.Status == wire.OK:
			c.done.Add(1)
			return true
		case reply.Status == wire.Refused:
			c.fail(fmt.Errorf("report of %v refused: %s", r.Lease, reply.Message))
			return false
		default: // fenced: another has it now
			return false
		}
	}
	return false
}

// span is a stage at work: from the first grant that arrived to the last report that
// was taken.
type span struct {
	first, last time.Time
	done        int
}

// at notes a grant (done = 0) or a report that was taken (done = 1).
func (c *crew) at(kind job.StageKind, done int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.spans[kind]
	s.last = time.Now()
	if s.first.IsZero() {
		s.first = s.last
	}
	s.done += done
	c.spans[kind] = s
}

// rate is how many tasks a second were completed while stages of partitions were at
// work: planning between them and publishing after them are not counted.
func (c *crew) rate() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var tasks int
	var busy time.Duration
	for _, kind := range []job.StageKind{job.StageScore, job.StageSelect} {
		s := c.spans[kind]
		tasks, busy = tasks+s.done, busy+s.last.Sub(s.first)
	}
	return float64(tasks) / busy.Seconds()
}

func (c *crew) fail(err error) { c.wrong.CompareAndSwap(nil, &err) }

// Check implements bus.Handler.
func (c *crew) Check(_ context.Context, r wire.CheckRequest) wire.CheckReply {
	spec, err := job.ParseCanonical(r.Spec)
	if err != nil {
		return wire.CheckReply{Problem: err.Error()}
	}
	return wire.CheckReply{Job: job.NewID(spec, []string{"model"}, "input")}
}

// Compare implements bus.Handler.
func (c *crew) Compare(context.Context, wire.CompareRequest) wire.CompareReply {
	return wire.CompareReply{Problem: "nothing here can be compared"}
}

// perform pretends.
func (c *crew) perform(a wire.Assignment) (job.Result, error) {
	if a.Kind == job.StageSurvey {
		return c.survey(a)
	}
	r := job.Result{
		Counts: job.Counts{In: a.Task.Rows, Scored: a.Task.Rows}, Rows: partition.Sum{}.AddHash(uint64(a.Index)<<8 | uint64(a.Kind)),
		Timing: job.Timing{Read: 50e6, Score: 150e6, Write: 50e6, Verify: 20e6},
	}
	r.Tally.Warn, r.Tally.BadValues = a.Task.Rows/7, a.Task.Rows/1000
	for i := range r.Tally.Fired {
		r.Tally.Fired[i], r.Tally.Unknown[i] = a.Task.Rows/int64(i+9), a.Task.Rows/int64(i+31)
	}
	for i := range r.Tally.Decision {
		r.Tally.Decision[i] = a.Task.Rows / int64(i+11)
	}
	files := []staged{c.scores}
	if a.Kind == job.StageScore {
		r.Keys, files = a.Task.Keys, append(files, c.ranks)
	}
	root, err := c.output(a)
	if err != nil {
		return r, err
	}
	for _, f := range files {
		name := fmt.Sprintf("%s%s-%05d-%04d-%020d-0a0b0c0d.parquet", a.Job.StagingPrefix(), []string{"", "scores", "", "", "ranks"}[f.Kind], a.Index, a.Epoch, a.Token)
		if a.Kind == job.StageSelect {
			name = fmt.Sprintf("%spart-%05d-%04d-%020d-0a0b0c0d.parquet", a.Job.StagingPrefix(), a.Index, a.Epoch, a.Token)
		}
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(name)), f.data, 0o644); err != nil {
			return r, err
		}
		f.Path, f.Rows = name, a.Task.Rows
		r.Files = append(r.Files, f.File)
	}
	return r, nil
}

// output is the folder of a job's dataset.
func (c *crew) output(a wire.Assignment) (string, error) {
	if root, ok := c.outputs.Load(a.Job); ok {
		return root.(string), nil
	}
	spec, err := job.ParseCanonical(a.Spec)
	if err == nil {
		c.outputs.Store(a.Job, spec.Output.Path)
	}
	return spec.Output.Path, err
}

// survey says that a billion subscribers stand in one file, ten thousand a segment.
func (c *crew) survey(a wire.Assignment) (job.Result, error) {
	s := job.Survey{Files: []job.InputFile{{Path: "base.parquet", Rows: subscribers, SHA256: "input"}}, Model: "model", Features: []string{"fee"}, Segments: make([][]job.SegmentRows, 1)}
	first := partition.FirstNumber.Segment()
	for i := range int64(subscribers / segmentRows) {
		s.Segments[0] = append(s.Segments[0], job.SegmentRows{Segment: first + partition.Segment(i), First: i * segmentRows, Rows: segmentRows, Keys: partition.Sum{}.AddHash(uint64(i))})
	}
	data, err := wire.EncodeSurvey(s)
	if err != nil {
		return job.Result{}, err
	}
	name := fmt.Sprintf("%ssurvey-%04d-%020d-%d.cbor", a.Job.StagingPrefix(), a.Epoch, a.Token, time.Now().UnixNano())
	root, err := c.output(a)
	if err != nil {
		return job.Result{}, err
	}
	path := filepath.Join(root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return job.Result{}, err
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return job.Result{}, err
	}
	sum := sha256.Sum256(data)
	return job.Result{Files: []job.File{{Kind: job.FileSurvey, Path: name, Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}}}, nil
}

// A worker that is not answered waits longer each time, unless it hears that another
// coordinator leads: as real ones do.
const soonest, latest = 50 * time.Millisecond, time.Second

func again(ctx context.Context, moved <-chan struct{}, wait time.Duration) (next time.Duration) {
	select {
	case <-ctx.Done():
	case <-moved:
		return soonest
	case <-time.After(wait):
	}
	return min(2*wait, latest)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
