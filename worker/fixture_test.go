package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stump is a model of one split: who paid 40 yuan or more in m stays.
const stump = `tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=0
objective=binary sigmoid:1
feature_names=fee_last
feature_infos=[0:100000]
tree_sizes=156

Tree=0
num_leaves=2
num_cat=0
split_feature=0
threshold=3999.5
decision_type=8
left_child=-1
right_child=-2
leaf_value=-1.25 -3.5
is_linear=0
shrinkage=1


end of trees

pandas_categorical:null
`

// base is a small subscriber base as CSV, with what is wrong with it.
type base struct {
	text   string
	counts job.Counts
	keys   map[partition.Segment]partition.Sum
}

// segments of the base, each of perSegment subscribers.
const (
	segments   = 4
	perSegment = 300
)

// newBase writes every 3rd number of some segments, and after every 100th row
// one that is not to be scored: a copy, a row without number, a wrong number,
// an IoT number.
func newBase() base {
	var b base
	var text bytes.Buffer
	b.keys = map[partition.Segment]partition.Sum{}
	text.WriteString("msisdn,service_type,pay_mode,status_m0,fee_m0,fee_m1,out_cnt_m0,in_cnt_m0\n")
	for s := range segments {
		segment := partition.Segment(1380000 + 7*s)
		for i := range perSegment {
			n := segment.First() + partition.Number(3*i)
			row := fmt.Sprintf(",1,%d,1,%d,%d,%d,0\n", 1+i%2, 10*i, 5000, i%5)
			text.WriteString(n.Digits() + row)
			b.counts.In++
			b.counts.Scored++
			b.keys[segment] = b.keys[segment].AddNumber(n)
			if i%100 != 99 {
				continue
			}
			b.counts.In++
			switch s {
			case 0:
				text.WriteString(n.Digits() + row)
				b.counts.Duplicate++
				b.keys[segment] = b.keys[segment].AddNumber(n)
			case 1:
				text.WriteString(row)
				b.counts.Rejected++
			case 2:
				text.WriteString("138" + row)
				b.counts.Rejected++
			default:
				text.WriteString("1064912345678" + row)
				b.counts.Excluded++
			}
		}
	}
	b.text = text.String()
	return b
}

// site is where a worker under test works: folders for input and output, and a
// model that can be exchanged.
type site struct {
	spec   job.Spec
	input  string
	output store.Store // what the worker is given
	disk   store.Store // the same folder without faults

	mu    sync.Mutex
	model []byte
	rival []byte // the model at rival.txt
}

const jobID = job.ID("201011-0123456789ab")

func newSite(t *testing.T, text string) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{spec: job.Default(), input: filepath.Join(dir, "in"), model: []byte(stump)}
	s.spec.Name, s.spec.Month = "test", 201011
	s.spec.Input.Path, s.spec.Model.Path, s.spec.Output.Path = "base.csv", "model.txt", "out"
	if err := os.Mkdir(s.input, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.input, "base.csv"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.disk, err = store.NewFile(filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	s.output = s.disk
	return s
}

// config is a worker's at this site.
func (s *site) config(b Bus) Config {
	return Config{
		ID: "w1", Slots: 2, BatchRows: 64, Heartbeat: time.Millisecond, Bus: b,
		Places: Places{
			Input: func(_ context.Context, _, path string) (store.Store, string, error) {
				st, err := store.NewFile(s.input)
				return st, path, err
			},
			Output: func(string, string) (store.Store, error) { return s.output, nil },
			Model: func(_ context.Context, _, path string) ([]byte, error) {
				s.mu.Lock()
				defer s.mu.Unlock()
				if path == "rival.txt" {
					return s.rival, nil
				}
				return s.model, nil
			},
		},
		Log: slog.New(slog.DiscardHandler),
	}
}

// coordinator is a Bus that hands out what a test puts in and keeps what comes
// back.
type coordinator struct {
	mu      sync.Mutex
	waiting []wire.Assignment
	token   job.Token
	surplus bool // hand out everything, whatever was asked for
	most    int  // assignments in flight at once, by reports
	flying  int
	beats   map[wire.Lease]bool
	last    wire.Heartbeat
	heard   chan struct{} // has room for one: a heartbeat came
	reports chan wire.Report
	unfit   chan wire.Unfit
	// lose is asked for the answer to each report; nil answers OK.
	lose func(r wire.Report, times int) (wire.ReportReply, error)
	sent map[wire.Lease]int
}

func newCoordinator() *coordinator {
	return &coordinator{beats: map[wire.Lease]bool{}, sent: map[wire.Lease]int{}, heard: make(chan struct{}, 1), reports: make(chan wire.Report, 1000), unfit: make(chan wire.Unfit, 1000)}
}

func (c *coordinator) Work(ctx context.Context, r wire.WorkRequest) (wire.WorkReply, error) {
	if _, err := wire.Encode(r); err != nil {
		return wire.WorkReply{}, err
	}
	for _, u := range r.Unfit {
		c.unfit <- u
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(r.Slots, len(c.waiting))
	if c.surplus {
		n = len(c.waiting)
	}
	reply := wire.WorkReply{Assignments: c.waiting[:n:n], RetryMillis: 1}
	c.waiting = c.waiting[n:]
	c.flying += min(n, r.Slots)
	c.most = max(c.most, c.flying)
	return reply, ctx.Err()
}

func (c *coordinator) Report(_ context.Context, r wire.Report) (wire.ReportReply, error) {
	data, err := wire.Encode(r)
	if err != nil {
		return wire.ReportReply{}, err
	}
	if r, err = wire.Decode[wire.Report](data); err != nil {
		return wire.ReportReply{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent[r.Lease]++
	reply := wire.ReportReply{Status: wire.OK}
	if c.lose != nil {
		reply, err = c.lose(r, c.sent[r.Lease])
	}
	if err == nil && reply.Status != wire.Retry {
		c.flying--
	}
	c.reports <- r
	return reply, err
}

func (c *coordinator) Heartbeat(h wire.Heartbeat) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = h
	for _, p := range h.Tasks {
		c.beats[p.Lease] = true
	}
	select {
	case c.heard <- struct{}{}:
	default:
	}
	return nil
}

func (c *coordinator) Moved() <-chan struct{} { return nil }

// give queues assignments under new tokens and returns their leases.
func (c *coordinator) give(list ...wire.Assignment) []wire.Lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	var leases []wire.Lease
	for _, a := range list {
		c.token++
		a.Token = c.token
		c.waiting = append(c.waiting, a)
		leases = append(leases, a.Lease())
	}
	return leases
}

// start runs a worker until the test ends, and proves that it stops.
func start(t *testing.T, cfg Config) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(cfg).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the worker ended with %v", err)
		}
	})
}

// patience bounds the wait for a report, so that a worker that does nothing fails
// its test and does not hang it. No wait needs a hundredth of it.
const patience = 2 * time.Minute

// await returns the next report of each lease, once.
func (c *coordinator) await(t *testing.T, leases []wire.Lease) []wire.Report {
	t.Helper()
	got := map[wire.Lease]wire.Report{}
	expired := time.After(patience)
	for len(got) < len(leases) {
		select {
		case r := <-c.reports:
			got[r.Lease] = r
		case <-expired:
			t.Fatalf("%d of %d reports came", len(got), len(leases))
		}
	}
	list := make([]wire.Report, len(leases))
	for i, l := range leases {
		r, ok := got[l]
		if !ok {
			t.Fatalf("no report of %v, but %v", l, got)
		}
		list[i] = r
	}
	return list
}

// refused returns why the worker cannot work on the job, once it has given a lease back.
func (c *coordinator) refused(t *testing.T, leases []wire.Lease) string {
	t.Helper()
	if r := c.await(t, leases)[0]; !r.Returned {
		t.Fatalf("the task is not given back: %+v", r)
	}
	select {
	case u := <-c.unfit:
		if u.Job != jobID {
			t.Errorf("unfit for %s", u.Job)
		}
		return u.Reason
	case <-time.After(patience):
		t.Fatal("the worker does not say that it is unfit")
		return ""
	}
}

func (s *site) survey() wire.Assignment {
	return wire.Assignment{Job: jobID, Stage: 0, Kind: job.StageSurvey, Epoch: 1, Spec: s.spec.Canonical(), Task: job.Task{Range: partition.Whole}}
}

// scores cuts a survey into one task a segment, as plan.Cut would.
func (s *site) scores(survey job.Survey) []wire.Assignment {
	var list []wire.Assignment
	runs := survey.Segments[0]
	first := partition.FirstNumber
	for i, run := range runs {
		past := partition.PastNumber
		if i+1 < len(runs) {
			past = runs[i+1].Segment.First()
		}
		list = append(list, wire.Assignment{
			Job: jobID, Stage: 1, Kind: job.StageScore, Index: i, Epoch: 1, Spec: s.spec.Canonical(), Files: survey.Files, Model: survey.Model, Rules: s.spec.RulesDigest(), Challengers: survey.Challengers,
			Task: job.Task{Range: partition.Range{First: first, Past: past}, Rows: run.Rows, Keys: run.Keys,
				Slices: []job.Slice{{File: run.File, First: run.First, Rows: run.Rows, Offset: run.Offset, Bytes: run.Bytes}}},
		})
		first = past
	}
	return list
}

// surveyed takes the survey through a worker of its own and returns what it
// found.
func (s *site) surveyed(t *testing.T) job.Survey {
	t.Helper()
	c := newCoordinator()
	output := s.output
	s.output = s.disk
	defer func() { s.output = output }()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	w := New(s.config(c))
	go func() { done <- w.Run(ctx) }()
	r := c.await(t, c.give(s.survey()))[0]
	cancel()
	if err := errors.Join(<-done); err != nil {
		t.Fatal(err)
	}
	if r.Failure != nil {
		t.Fatal(r.Failure.Reason)
	}
	data, err := s.disk.Get(t.Context(), r.Result.Files[0].Path, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	survey, err := wire.DecodeSurvey(data)
	if err != nil {
		t.Fatal(err)
	}
	return survey
}
