package worker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/store/storetest"
	"rescore/partition/wire"
	"rescore/worker/sink"
)

func TestSurveyAndScoreOfAWholeBase(t *testing.T) {
	t.Parallel()
	b := newBase()
	s := newSite(t, b.text)
	survey := s.surveyed(t)
	if len(survey.Segments[0]) != segments || survey.Files[0].Rows != b.counts.In {
		t.Fatalf("%d segments and %d rows surveyed, want %d and %d", len(survey.Segments[0]), survey.Files[0].Rows, segments, b.counts.In)
	}
	c := newCoordinator()
	start(t, s.config(c))
	var counts job.Counts
	for _, r := range c.await(t, c.give(s.scores(survey)...)) {
		if r.Failure != nil {
			t.Fatal(r.Failure.Reason)
		}
		res := r.Result
		run := survey.Segments[0][r.Lease.Task]
		if !res.Counts.Conserved() || res.Counts.In != run.Rows {
			t.Errorf("task %d: %+v of %d rows", r.Lease.Task, res.Counts, run.Rows)
		}
		if res.Keys != run.Keys || res.Keys != b.keys[run.Segment] {
			t.Errorf("task %d: the sum of the numbers read is not the one planned", r.Lease.Task)
		}
		counts = counts.Add(res.Counts)
		var rejects int64
		for _, f := range res.Files {
			if f.Kind == job.FileRejects {
				rejects += f.Rows
			}
			if f.Kind != job.FileScores {
				continue
			}
			if _, err := sink.Verify(t.Context(), s.disk, f); err != nil {
				t.Error(err)
			}
			s.check(t, f.Path, run.Segment)
		}
		if rejects != res.Counts.Rejected+res.Counts.Duplicate {
			t.Errorf("task %d: %d lines of rejects for %+v", r.Lease.Task, rejects, res.Counts)
		}
		if res.Timing.Read == 0 || res.Timing.Score == 0 || res.Timing.Write == 0 || res.Timing.Verify == 0 {
			t.Errorf("task %d: no time was spent: %+v", r.Lease.Task, res.Timing)
		}
	}
	if counts != b.counts {
		t.Errorf("rows %+v, want %+v", counts, b.counts)
	}
}

// check reads a score file: every third number of the segment, the stump's
// probabilities.
func (s *site) check(t *testing.T, name string, segment partition.Segment) {
	t.Helper()
	row := 0
	err := sink.Scan(t.Context(), s.disk, name, []string{"propensity"}, func(keys []uint64, rec arrow.Record) error {
		for i, n := range keys {
			if n != uint64(segment.First())+uint64(3*row) {
				t.Fatalf("%s: row %d is another number", name, row)
			}
			raw := -1.25
			if 10*row >= 4000 {
				raw = -3.5
			}
			p := rec.Column(0).(*array.Float32).Value(i)
			if want := 1 / (1 + math.Exp(-raw)); math.Abs(float64(p)-want) > 1e-7 {
				t.Fatalf("%s: row %d: propensity %v, want %v", name, row, p, want)
			}
			row++
		}
		return nil
	})
	if err != nil || row != perSegment {
		t.Errorf("%s: %d rows: %v", name, row, err)
	}
}

// TestAFullDiskFailsTheAttemptAndTheNextOneIsTheSame walks through every step
// at which a disk can be full.
func TestAFullDiskFailsTheAttemptAndTheNextOneIsTheSame(t *testing.T) {
	t.Parallel()
	b := newBase()
	s := newSite(t, b.text)
	task := s.scores(s.surveyed(t))[0] // the one with duplicates, so with rejects
	attempt := func(st store.Store) wire.Report {
		s.output = st
		c := newCoordinator()
		w := New(s.config(c))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		r := c.await(t, c.give(task))[0]
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		return r
	}
	good := attempt(s.disk)
	if good.Failure != nil {
		t.Fatal(good.Failure.Reason)
	}
	want := good.Result.Files[0].Content
	failed := 0
	check := func(name string, faulty *storetest.Faulty) bool {
		before := s.staged(t)
		r := attempt(faulty)
		if !faulty.Fired() {
			if r.Failure != nil {
				t.Fatalf("%s: %s", name, r.Failure.Reason)
			}
			return false
		}
		failed++
		if r.Failure == nil {
			t.Fatalf("%s: the attempt succeeded on a full disk", name)
		}
		if r.Failure.Fatal {
			t.Errorf("%s: a full disk is fatal: no later attempt will be made", name)
		}
		for _, say := range []string{"_staging/" + string(jobID), "no space left", "free some"} {
			if !strings.Contains(r.Failure.Reason, say) {
				t.Errorf("%s: %q does not say %q", name, r.Failure.Reason, say)
			}
		}
		// What is left, if anything could not be removed, is no whole score file.
		for _, left := range s.staged(t) {
			if slices.Contains(before, left) || !strings.HasSuffix(left, ".parquet") {
				continue
			}
			if err := sink.Scan(t.Context(), s.disk, left, []string{"propensity"}, func([]uint64, arrow.Record) error { return nil }); err == nil {
				t.Errorf("%s: %s was left whole", name, left)
			}
		}
		again := attempt(s.disk)
		if again.Failure != nil || again.Result.Files[0].Content != want || again.Result.Rows != good.Result.Rows {
			t.Errorf("%s: the next attempt gives other rows or none: %+v", name, again.Failure)
		}
		return true
	}
	steps := 0
	for check(fmt.Sprintf("step %d", steps+1), &storetest.Faulty{Store: s.disk, FailAt: steps + 1, Sticky: true}) {
		steps++
	}
	if steps < 5 { // create, write and commit the scores; create, write, commit the rejects
		t.Errorf("a disk could be full at %d steps", steps)
	}
	for _, capacity := range []int64{1, 100, 4096, 9000} {
		check(fmt.Sprintf("%d bytes", capacity), &storetest.Faulty{Store: s.disk, Capacity: capacity, Partial: 3})
	}
	if failed < steps+3 {
		t.Errorf("%d of the attempts failed", failed)
	}
}

// staged lists what lies in the staging folder.
func (s *site) staged(t *testing.T) []string {
	t.Helper()
	infos, err := s.disk.List(t.Context(), jobID.StagingPrefix())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range infos {
		names = append(names, i.Name)
	}
	return names
}

func TestAFullDiskFailsTheSurvey(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	s.output = &storetest.Faulty{Store: s.disk, FailAt: 1}
	c := newCoordinator()
	start(t, s.config(c))
	r := c.await(t, c.give(s.survey()))[0]
	if r.Failure == nil || r.Failure.Fatal || !strings.Contains(r.Failure.Reason, "no space left") || !strings.Contains(r.Failure.Reason, "survey-") {
		t.Fatalf("%+v", r.Failure)
	}
	if r = c.await(t, c.give(s.survey()))[0]; r.Failure != nil {
		t.Errorf("with space again: %s", r.Failure.Reason)
	}
}

func TestAModelThatChangedSinceThePlanIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	survey := s.surveyed(t)
	planned := s.model
	other := []byte(strings.Replace(stump, "-1.25", "-1.75", 1))
	for name, prepare := range map[string]func(c *coordinator){
		"opened for the task": func(*coordinator) {},
		// A worker that surveyed with the changed model has it open already.
		"opened before": func(c *coordinator) {
			if r := c.await(t, c.give(s.survey()))[0]; r.Failure != nil {
				t.Fatal(r.Failure.Reason)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s.model = other
			c := newCoordinator()
			start(t, s.config(c))
			prepare(c)
			if reason := c.refused(t, c.give(s.scores(survey)[0])); !strings.Contains(reason, "model model.txt has changed since the job was planned") {
				t.Fatal(reason)
			}
			s.mu.Lock()
			s.model = planned
			s.mu.Unlock()
			if r := c.await(t, c.give(s.scores(survey)[0]))[0]; r.Failure != nil {
				t.Errorf("with the model back: %s", r.Failure.Reason)
			}
		})
	}
}

// TestAChallengerThatChangedSinceThePlanIsRefused, and so is a plan that does not
// know it, and the champion in its place.
func TestAChallengerThatChangedSinceThePlanIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	s.spec.Model.Challengers = []job.Challenger{{Name: "rival", Path: "rival.txt", UndersamplingBeta: 1}}
	s.rival = []byte(strings.Replace(stump, "-1.25", "-1.75", 1))
	survey := s.surveyed(t)
	if len(survey.Challengers) != 1 || survey.Challengers[0] == survey.Model {
		t.Fatalf("the survey found %q beside %q", survey.Challengers, survey.Model)
	}
	right, planned := s.rival, survey
	for name, c := range map[string]struct {
		change func()
		says   string
	}{
		"changed":   {func() { s.rival = []byte(strings.Replace(stump, "-1.25", "-1.95", 1)) }, "challenger rival, model rival.txt has changed since the job was planned"},
		"champion":  {func() { s.rival = s.model }, "challenger rival, model rival.txt has changed since the job was planned"},
		"unplanned": {func() { planned.Challengers = nil }, "the job has 2 models and its plan knows 1"},
	} {
		t.Run(name, func(t *testing.T) {
			planned = survey
			c.change()
			bus := newCoordinator()
			start(t, s.config(bus))
			if reason := bus.refused(t, bus.give(s.scores(planned)[0])); !strings.Contains(reason, c.says) {
				t.Fatalf("%s, want %q", reason, c.says)
			}
			s.mu.Lock()
			s.rival = right
			s.mu.Unlock()
			if r := bus.await(t, bus.give(s.scores(survey)[0]))[0]; r.Failure != nil {
				t.Errorf("with the challenger back: %s", r.Failure.Reason)
			}
		})
	}
}

func TestAWorkerThatCannotOpenAJobGivesTheTaskBackAndSaysWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage func(*site, *wire.Assignment)
		says   string
		unfit  bool
	}{
		"a spec that is none":        {func(_ *site, a *wire.Assignment) { a.Spec = []byte("{") }, "read the job's spec", true},
		"an input that is gone":      {func(s *site, _ *wire.Assignment) { _ = os.Remove(filepath.Join(s.input, "base.csv")) }, "base.csv", true},
		"a model that is none":       {func(s *site, _ *wire.Assignment) { s.model = []byte("PK\x03\x04") }, "model.txt", true},
		"a stage of a later release": {func(_ *site, a *wire.Assignment) { a.Kind = 9 }, "does not know stage", true},
		"an output out of reach":     {func(s *site, _ *wire.Assignment) { s.output = nil }, "open output out", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, newBase().text)
			a := s.survey()
			c.damage(s, &a)
			co := newCoordinator()
			cfg := s.config(co)
			if s.output == nil {
				cfg.Output = func(string, string) (store.Store, error) { return nil, errors.New("host is down") }
			}
			start(t, cfg)
			if c.unfit {
				if reason := co.refused(t, co.give(a)); !strings.Contains(reason, c.says) {
					t.Errorf("%s, want %q", reason, c.says)
				}
				return
			}
			if r := co.await(t, co.give(a))[0]; r.Failure == nil || r.Failure.Fatal || !strings.Contains(r.Failure.Reason, c.says) {
				t.Errorf("%+v, want %q", r.Failure, c.says)
			}
		})
	}
}

// panicking is a store whose objects, or whose opening, panics.
type panicking struct{ store.Store }

func (panicking) Create(context.Context, string) (store.Writer, error) { panic("a bug") }

func TestAPanicIsAFailedAttemptThatNamesItsPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	survey := s.surveyed(t)
	s.output = panicking{s.disk}
	c := newCoordinator()
	cfg := s.config(c)
	var fail atomic.Bool
	fail.Store(true)
	model := cfg.Model
	cfg.Model = func(ctx context.Context, base, path string) ([]byte, error) {
		if fail.Swap(false) {
			var none []int
			return nil, fmt.Errorf("%d", none[len(path)]) // index out of range
		}
		return model(ctx, base, path)
	}
	start(t, cfg)
	tasks := s.scores(survey)
	for _, says := range []string{
		// The first attempt opens the job, and must not leave it half open.
		"open job " + string(jobID) + ": panic in rescore/worker.TestAPanicIsAFailedAttemptThatNamesItsPlace.func1 (worker_test.go:",
		"score task 0: panic in rescore/worker.panicking.Create (worker_test.go:",
	} {
		r := c.await(t, c.give(tasks[0]))[0]
		if r.Failure == nil || r.Failure.Fatal || !strings.HasPrefix(r.Failure.Reason, says) {
			t.Fatalf("%+v, want %s", r.Failure, says)
		}
	}
}

func TestAReportIsSentUntilSomebodyAnswers(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	c := newCoordinator()
	c.lose = func(_ wire.Report, times int) (wire.ReportReply, error) {
		switch times {
		case 1:
			return wire.ReportReply{}, errors.New("timeout") // it arrived, the answer did not
		case 2:
			return wire.ReportReply{Status: wire.Retry}, nil
		}
		return wire.ReportReply{Status: wire.OK}, nil
	}
	start(t, s.config(c))
	lease := c.give(s.survey())
	var same []string
	for range 3 {
		r := <-c.reports
		if r.Failure != nil {
			t.Fatal(r.Failure.Reason)
		}
		same = append(same, fmt.Sprint(r.Lease, r.Result.Files, r.Result.Timing))
	}
	if same[0] != same[1] || same[1] != same[2] {
		t.Errorf("the report changed from one time to the next: %v", same)
	}
	// The slot is free again, and nothing is sent a fourth time.
	next := c.await(t, c.give(s.survey()))
	if next[0].Lease == lease[0] || c.sent[lease[0]] != 3 {
		t.Errorf("sent %d times", c.sent[lease[0]])
	}
}

func TestAFencedOrRefusedReportIsDropped(t *testing.T) {
	t.Parallel()
	for _, status := range []wire.Status{wire.Fenced, wire.Refused} {
		s := newSite(t, newBase().text)
		c := newCoordinator()
		c.lose = func(wire.Report, int) (wire.ReportReply, error) {
			return wire.ReportReply{Status: status, Message: "no"}, nil
		}
		cfg := s.config(c)
		cfg.Slots = 1
		start(t, cfg)
		leases := c.give(s.survey(), s.survey())
		c.await(t, leases) // the second one needs the slot of the first
		c.mu.Lock()
		if c.sent[leases[0]] != 1 {
			t.Errorf("%s: sent %d times", status, c.sent[leases[0]])
		}
		c.mu.Unlock()
	}
}

// TestAReasonThatIsNoUTF8Arrives: names of files and columns may be GBK, and an
// error that cannot be encoded would never be reported.
func TestAReasonThatIsNoUTF8Arrives(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	c := newCoordinator()
	cfg := s.config(c)
	cfg.Model = func(context.Context, string, string) ([]byte, error) { return nil, errors.New("open \xb2\xbb.txt") }
	start(t, cfg)
	if reason := c.refused(t, c.give(s.survey())); !strings.HasSuffix(reason, "open \uFFFD.txt") {
		t.Error(reason)
	}
	cfg.ID, cfg.Model = "w2", s.config(c).Model
	cfg.Output = func(string, string) (store.Store, error) { return nil, errors.New("open \xb2\xbb.txt") }
	c = newCoordinator()
	cfg.Bus = c
	start(t, cfg)
	r := c.await(t, c.give(s.survey()))[0]
	if r.Failure == nil || !strings.HasSuffix(r.Failure.Reason, "open \uFFFD.txt") {
		t.Errorf("%+v", r.Failure)
	}
}

// gate blocks the opening of models until it is let go, and counts who waits.
func gate(cfg *Config) (arrived chan struct{}, open chan struct{}) {
	arrived, open = make(chan struct{}, 100), make(chan struct{})
	output := cfg.Output
	cfg.Output = func(base, path string) (store.Store, error) {
		arrived <- struct{}{}
		<-open
		return output(base, path)
	}
	return arrived, open
}

func TestSlotsBoundTheWorkInFlight(t *testing.T) {
	t.Parallel()
	for _, surplus := range []bool{false, true} {
		s := newSite(t, newBase().text)
		c := newCoordinator()
		c.surplus = surplus
		cfg := s.config(c)
		cfg.Slots = 3
		arrived, open := gate(&cfg)
		var list []wire.Assignment
		for i := range 8 {
			a := s.survey()
			a.Job = job.ID(fmt.Sprintf("201011-%012d", i))
			list = append(list, a)
		}
		leases := c.give(list...)
		start(t, cfg)
		for range 3 {
			<-arrived
		}
		for c.beating() < 3 { // three heartbeats' leases: the worker is at work on them all
			<-c.heard
		}
		close(open)
		if surplus {
			leases = leases[:3] // the rest was not asked for, and is nobody's
		}
		for _, r := range c.await(t, leases) {
			if r.Failure != nil {
				t.Error(r.Failure.Reason)
			}
		}
		c.mu.Lock()
		if c.most != 3 || surplus && len(c.beats) != 3 {
			t.Errorf("surplus %t: %d assignments at once for 3 slots, %d leases heard of", surplus, c.most, len(c.beats))
		}
		c.mu.Unlock()
	}
}

// slowDisk is a store that keeps a file once it is let go.
type slowDisk struct {
	store.Store
	at   chan string // the file
	open chan struct{}
}

type slowWriter struct {
	store.Writer
	disk slowDisk
	name string
}

func (s slowDisk) Create(ctx context.Context, name string) (store.Writer, error) {
	w, err := s.Store.Create(ctx, name)
	return slowWriter{w, s, name}, err
}

func (w slowWriter) Commit() error {
	w.disk.at <- w.name
	<-w.disk.open
	return w.Writer.Commit()
}

func TestATaskWaitsForTheDiskWhileTheNextHasItsSlot(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	tasks := s.scores(s.surveyed(t))[:4]
	disk := slowDisk{s.disk, make(chan string, 8), make(chan struct{})}
	s.output = disk
	c := newCoordinator()
	cfg := s.config(c)
	cfg.Slots = 1
	leases := c.give(tasks...)
	start(t, cfg)
	<-disk.at // the first waits, and not for the others
	for c.beating() < 3 {
		<-c.heard
	}
	close(disk.open)
	for _, r := range c.await(t, leases) {
		if r.Result == nil {
			t.Errorf("a task ended with %+v", r.Failure)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most != 3 {
		t.Errorf("%d tasks in flight at once, there may be one at work and two that wait", c.most)
	}
}

// TestTasksWaitForTheirTurnInTheWorker: heartbeats name them, one at a time is at work, and
// a worker that leaves gives back those that have not begun.
func TestTasksWaitForTheirTurnInTheWorker(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	tasks := s.scores(s.surveyed(t))[:4]
	disk := heldStore{s.disk, make(chan struct{}, 8), make(chan struct{})}
	s.output = disk
	c := newCoordinator()
	cfg := s.config(c)
	cfg.Slots, cfg.Queue = 1, 2
	c.give(tasks...)
	w := New(cfg)
	done := run(t, w)
	<-disk.at // any of the three
	for c.beating() < 3 {
		<-c.heard
	}
	if n := len(disk.at); n != 0 {
		t.Errorf("%d more tasks are at work", n)
	}
	w.Drain()
	for range 2 {
		if r := <-c.reports; !r.Returned || r.Result != nil || r.Failure != nil {
			t.Errorf("a task that had not begun ended with %+v", r)
		}
	}
	close(disk.open)
	if r := <-c.reports; r.Result == nil {
		t.Errorf("the task at work ended with %+v", r)
	}
	left(t, done)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most != 3 || len(c.waiting) != 1 {
		t.Errorf("%d tasks were granted at once, %d were not", c.most, len(c.waiting))
	}
}

func (c *coordinator) beating() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.beats)
}

func TestMoreSlotsThanOneRequestMayAskForAreFilledByTwo(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	c := newCoordinator()
	cfg := s.config(c)
	cfg.Slots = wire.SlotsMax + 44
	start(t, cfg)
	if r := c.await(t, c.give(s.survey()))[0]; r.Failure != nil {
		t.Error(r.Failure.Reason)
	}
}

func TestACancelledWorkerStopsInTheMiddleOfATask(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	survey := s.surveyed(t)
	for name, end := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": context.WithCancel,
		"deadline":  func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCoordinator()
			cfg := s.config(c)
			ctx, cancel := end(context.Background())
			output := cfg.Output
			cfg.Output = func(base, path string) (store.Store, error) {
				cancel() // between the grant and the first row
				return output(base, path)
			}
			c.give(s.scores(survey)...)
			if err := New(cfg).Run(ctx); err != nil {
				t.Error(err)
			}
			cancel()
			if n := len(c.reports); n != 0 {
				t.Errorf("%d reports of a worker that was stopped", n)
			}
			if left := s.staged(t); len(left) != 1 { // the survey's
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestASlotlessConfigTakesOnePerCore(t *testing.T) {
	t.Parallel()
	if w := New(Config{}); w.cfg.Slots < 1 || cap(w.free) != w.cfg.Slots {
		t.Errorf("%d slots, %d tokens", w.cfg.Slots, cap(w.free))
	}
}

// TestASurveyCountsEachRowOnce: what heartbeats say of it is the rows read in
// all, not the sum of what was said before.
func TestASurveyCountsEachRowOnce(t *testing.T) {
	t.Parallel()
	text := newBase().text
	header := text[:strings.IndexByte(text, '\n')+1]
	s := newSite(t, text)
	if err := os.WriteFile(filepath.Join(s.input, "later.csv"), []byte(header+"13900000000,1,1,1,0,0,0,0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.spec.Input.Path = "*.csv" // the rows of two files are told in turn
	w := New(s.config(newCoordinator()))
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	a := s.survey()
	a.Token = 1
	var rows atomic.Int64
	if _, err := w.perform(t.Context(), a, &turn{worker: w}, &rows); err != nil {
		t.Fatal(err)
	}
	var want int64
	for _, f := range s.surveyed(t).Files {
		want += f.Rows
	}
	if rows.Load() != want {
		t.Errorf("a survey of %d rows counted %d", want, rows.Load())
	}
}
