package coordinator

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/store/storetest"
	"rescore/partition/wire"
)

func TestAJobGoesFromSubmitToPublished(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	h.submit()
	s := h.takeOne()
	if s.Kind != job.StageSurvey || s.Job != theJob || s.Epoch != 1 || len(s.Files) != 0 || s.Model != "" {
		t.Errorf("the survey is %+v", s)
	}
	h.do(s, 0)
	scores := h.take(8)
	want := spec()
	var rows int64
	for i, a := range scores {
		rows += a.Task.Rows
		if a.Kind != job.StageScore || a.Index != i || a.Stage != 1 || a.Model != "model" || a.Rules != want.RulesDigest() ||
			len(a.Files) != 1 || len(a.Task.Slices) != 1 || string(a.Spec) != string(want.Canonical()) {
			t.Errorf("task %d is %+v", i, a)
		}
	}
	if len(scores) != tasksEach || rows != segments*rowsEach {
		t.Fatalf("%d tasks of %d rows in all", len(scores), rows)
	}
	for _, i := range []int{2, 0, 1} {
		h.do(scores[i], 1)
	}
	h.waitState(job.Published)
	p, m := h.version()
	if p.Job != theJob || len(m.Partitions) != tasksEach || m.Rows.Rejected != tasksEach || p.Seconds <= 0 || p.Seconds > patience.Seconds() {
		t.Errorf("got %+v of %d partitions", p, len(m.Partitions))
	}
	if r := ask[wire.WorkReply](h, wire.SubjectWork, wire.WorkRequest{Worker: "w", Slots: 1}); len(r.Assignments) != 0 || r.RetryMillis == 0 {
		t.Errorf("after the end there is work: %+v", r)
	}
}

// TestTheOnlyWorkerThatIsUnfitFailsTheJobBeforeAnythingIsLeased: a job is offered, and
// granted to nobody who has not said that it is ready.
func TestTheOnlyWorkerThatIsUnfitFailsTheJobBeforeAnythingIsLeased(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{alone: true})
	h.submit()
	request := wire.WorkRequest{Worker: "w", Slots: 4, Ready: []job.ID{"201011-ffffffffffff"}}
	for { // until the survey is planned
		changed := h.node.Changed()
		r := ask[wire.WorkReply](h, wire.SubjectWork, request)
		if len(r.Assignments) > 0 {
			t.Fatalf("granted to a worker that is not ready: %+v", r)
		}
		if len(r.Offers) > 0 {
			if o := r.Offers[0]; len(r.Offers) != 1 || o.Job != theJob || len(o.Spec) == 0 {
				t.Fatalf("offered %+v", r.Offers)
			}
			break
		}
		select {
		case <-changed:
		case <-h.ctx.Done():
			t.Fatal("nothing is offered")
		}
	}
	request.Unfit = []wire.Unfit{{Job: theJob, Reason: "golden row 17 is off by 0.5"}}
	for range 2 { // an answer may be lost
		if r := ask[wire.WorkReply](h, wire.SubjectWork, request); len(r.Assignments) > 0 || len(r.Offers) > 0 {
			t.Errorf("of a job that failed: %+v", r)
		}
	}
	h.node.View(func(s *ledger.State) {
		j := s.Job(theJob)
		if j.State != job.Failed || j.FailReason != "golden row 17 is off by 0.5" {
			t.Errorf("the job is %s: %s", j.State, j.FailReason)
		}
		for _, stage := range j.Stages {
			for _, task := range stage.Tasks {
				if task.Attempts != 0 || task.Token != 0 {
					t.Errorf("a task was leased: %+v", task)
				}
			}
		}
	})
}

func TestAReportSentAgainIsAnsweredAsTheFirstTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	h.submit()
	h.do(h.takeOne(), 0)
	a := h.takeOne()
	r := h.perform(a, 0)
	for i := range 3 { // the worker never sees the first two answers
		if got := h.report(a, r); got.Status != wire.OK {
			t.Errorf("report %d: %+v", i, got)
		}
	}
	r.Rows = r.Rows.AddHash(1)
	if got := h.report(a, r); got.Status != wire.Fenced {
		t.Errorf("another result of a finished task: %+v", got)
	}
}

func TestALostAnswerRunsOutAndTheZombieIsFencedI3(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{ttl: 200 * time.Millisecond})
	h.submit()
	lost := h.takeOne()
	// nobody works on it and nobody names it: the same task comes again
	again := h.takeOne()
	if again.Kind != lost.Kind || again.Index != lost.Index || again.Token <= lost.Token {
		t.Fatalf("lost %+v, then got %+v", lost.Lease(), again.Lease())
	}
	if got := h.report(lost, h.perform(lost, 0)); got.Status != wire.Fenced {
		t.Errorf("the zombie is answered %+v", got)
	}
	zombie := ask[wire.ReportReply](h, wire.SubjectReport, wire.Report{Worker: "w", Lease: lost.Lease(), Failure: &wire.Failure{Reason: "x", Fatal: true}})
	if zombie.Status != wire.Fenced {
		t.Errorf("the zombie's failure is answered %+v", zombie)
	}
	h.node.View(func(s *ledger.State) {
		if j := s.Job(theJob); j.State == job.Failed || j.Stages[0].Tasks[0].Failures != 0 || j.Stages[0].Tasks[0].Silences == 0 {
			t.Errorf("the job is %s, its survey %+v", j.State, j.Stages[0].Tasks[0])
		}
	})
}

// A machine that stands still for a whole time to live takes the heard lease back
// too: the test then gives it a longer one. Without heartbeats none is long enough.
func TestALeaseThatIsNamedInHeartbeatsOutlivesOneThatIsNot(t *testing.T) {
	t.Parallel()
	for ttl := time.Second; ; ttl *= 4 {
		got := outlives(t, ttl)
		if got.Status == wire.OK {
			return
		}
		if ttl > 10*time.Second {
			t.Fatalf("the worker that spoke is answered %+v", got)
		}
	}
}

// outlives leases two tasks for ttl, names one of them in heartbeats until the
// other has run out, and returns the answer to the named one's report.
func outlives(t *testing.T, ttl time.Duration) wire.ReportReply {
	t.Helper()
	h := newHouse(t, options{ttl: ttl})
	defer h.close()
	h.submit()
	h.do(h.takeOne(), 0)
	both := h.take(2)
	kept, silent := both[0], both[1]
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for beat := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-beat.C:
				h.beat(7, kept)
			case <-stop:
				beat.Stop()
				return
			}
		}
	}()
	h.wait("the silent lease to run out", func(j *ledger.Job) bool { return j.Stages[1].Tasks[silent.Index].Token != silent.Token })
	if got := h.report(silent, h.perform(silent, 0)); got.Status != wire.Fenced {
		t.Errorf("the worker that did not is answered %+v", got)
	}
	close(stop)
	<-stopped
	return h.report(kept, h.perform(kept, 0))
}

func TestInFlightFollowsTheLedger(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	flight := func(what string, rows int64, tasks int) {
		t.Helper()
		for { // heartbeats have no answer
			gotRows, gotTasks := h.node.InFlight(theJob, 1)
			if gotRows == rows && gotTasks == tasks {
				return
			}
			if h.ctx.Err() != nil {
				t.Fatalf("%s: %d rows of %d tasks, want %d of %d", what, gotRows, gotTasks, rows, tasks)
			}
			if err := h.worker.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	flight("no job", 0, 0)
	h.submit()
	h.do(h.takeOne(), 0)
	as := h.take(3)
	flight("leased", 0, 3)
	h.beat(10, as...)
	flight("a heartbeat", 30, 3)
	h.beat(25, as[0])
	flight("another", 45, 3)
	bad := h.perform(as[1], 0)
	bad.Counts.Scored--
	if got := h.report(as[1], bad); got.Status != wire.Refused {
		t.Errorf("got %+v", got)
	}
	flight("an attempt was refused", 35, 2)
	h.do(as[0], 0)
	flight("a task is done", 10, 1)
	h.propose(ledger.Expire{Lease: leaseOf(as[2].Lease()), Cause: ledger.Restart})
	flight("a lease was taken back", 0, 0)
	h.beat(10, as[2])
	again := h.take(2)
	flight("leased again", 0, 2)
	h.beat(5, again...)
	flight("heard again", 10, 2)
	h.propose(ledger.FailJob{Job: theJob, Reason: "told to"})
	flight("the job failed", 0, 0)
	for _, stage := range []int{-1, 2, 99} {
		if rows, tasks := h.node.InFlight(theJob, stage); rows != 0 || tasks != 0 {
			t.Errorf("stage %d: %d rows of %d tasks", stage, rows, tasks)
		}
	}
}

func TestRowsThatAreNotConservedFailTheJobInTheEndI2(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	h.submit()
	h.do(h.takeOne(), 0)
	for attempt := range 2 {
		a := h.takeOne()
		r := h.perform(a, 0)
		r.Keys = r.Keys.AddHash(9)
		got := h.report(a, r)
		if got.Status != wire.Refused || !strings.Contains(got.Message, "not conserved") {
			t.Errorf("attempt %d: %+v", attempt, got)
		}
	}
	for _, a := range h.take(tasksEach) { // the others go on
		h.do(a, 0)
	}
	h.waitState(job.Failed)
	h.node.View(func(s *ledger.State) {
		if reason := s.Job(theJob).FailReason; !strings.Contains(reason, "not conserved") || !strings.Contains(reason, "1 of 3 score tasks") {
			t.Errorf("the reason is %q", reason)
		}
	})
}

func TestAReportThatCanNeverBeTakenIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	h.submit()
	h.do(h.takeOne(), 0)
	a := h.takeOne()
	other := a
	other.Job = "202610-ffffffffffff"
	none := a
	none.Index = 99
	for what, lease := range map[string]wire.Assignment{"another ledger's job": other, "a task that is not there": none} {
		if got := h.report(lease, job.Result{}); got.Status != wire.Refused || got.Message == "" {
			t.Errorf("%s: %+v", what, got)
		}
		failure := wire.Report{Worker: "w", Lease: lease.Lease(), Failure: &wire.Failure{Reason: "x"}}
		if got := ask[wire.ReportReply](h, wire.SubjectReport, failure); got.Status != wire.Refused {
			t.Errorf("failure of %s: %+v", what, got)
		}
	}
	large := h.perform(a, 0)
	large.Files[0].Path = strings.Repeat("p", ledger.EntryMax)
	if got := h.report(a, large); got.Status != wire.Refused || !strings.Contains(got.Message, "larger") {
		t.Errorf("a result over the limit of a log entry: %+v", got)
	}
	h.node.View(func(s *ledger.State) {
		if task := s.Job(theJob).Stages[1].Tasks[a.Index]; task.State != ledger.Waiting || task.Failures != 1 {
			t.Errorf("its task is %s after %d failures", task.State, task.Failures)
		}
	})
}

func TestAFatalFailureFailsTheJobAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	h.submit()
	a := h.takeOne()
	report := wire.Report{Worker: "w", Lease: a.Lease(), Failure: &wire.Failure{Reason: "base.parquet: no such file", Fatal: true}}
	if got := ask[wire.ReportReply](h, wire.SubjectReport, report); got.Status != wire.OK {
		t.Errorf("got %+v", got)
	}
	h.waitState(job.Failed)
	h.node.View(func(s *ledger.State) {
		if reason := s.Job(theJob).FailReason; !strings.HasSuffix(reason, "base.parquet: no such file") {
			t.Errorf("the reason is %q", reason)
		}
	})
}

func TestAGateHoldsTheJobUntilItIsReleased(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	h.submit()
	h.do(h.takeOne(), 0)
	for _, a := range h.take(tasksEach) {
		h.do(a, 25) // of 200 rows; the limit is a tenth
	}
	h.waitState(job.Held)
	h.restart() // held is held
	h.node.View(func(s *ledger.State) {
		held := s.Job(theJob).Held
		if len(held.Figures) != 1 || held.Figures[0] != (ledger.Figure{Gate: "gates.reject_share_max", Value: 0.125, Limit: 0.1}) ||
			!strings.Contains(held.Reason, "75 of 600 rows") {
			t.Errorf("held with %+v", held)
		}
	})
	if infos, err := h.out.List(t.Context(), "month="); len(infos) != 0 || err != nil {
		t.Errorf("a held job has %d files in a version folder, %v", len(infos), err)
	}
	h.propose(ledger.Release{Job: theJob, Who: "an operator", Reason: "the source is known to be dirty"})
	h.waitState(job.Published)
	if _, m := h.version(); m.Rows.Rejected != 75 {
		t.Errorf("published %+v", m.Rows)
	}
}

// A leader is stopped after every step, and the next goes on from the ledger.
func TestALeaderStoppedAfterAnyStepIsFollowedByOneThatGoesOnI6(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	h.submit()
	h.restart() // the survey may or may not be planned
	s := h.takeOne()
	h.restart() // leased
	h.do(s, 0)  // its worker outlived the leader
	h.restart() // the score stage may or may not be planned
	done := map[int]job.Token{}
	for range tasksEach {
		a := h.takeOne()
		if token, twice := done[a.Index]; twice {
			t.Fatalf("task %d, done under %d, is granted under %d", a.Index, token, a.Token)
		}
		done[a.Index] = a.Token
		h.restart()
		h.do(a, 0)
		h.restart() // after the last: sealed, published, or neither
	}
	h.waitState(job.Published)
	_, m := h.version()
	for i, p := range m.Partitions {
		if p.Token != done[i] {
			t.Errorf("partition %d is of token %d, not %d", i, p.Token, done[i])
		}
	}
	h.restart()
	h.waitState(job.Published)
	if _, again := h.version(); again.Digest != m.Digest {
		t.Error("the version changed")
	}
}

// The store fails at every operation of a publishing, its deed done or not: the same
// leader goes on, or the next one.
func TestAPublishingThatFailsIsTakenUpAgainI4(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for step := 1; ; step++ {
			var faulty atomic.Pointer[storetest.Faulty]
			h := newHouse(t, options{wrap: func(st store.Store) store.Store {
				f := &storetest.Faulty{Store: st, FailAt: step, After: after}
				if faulty.CompareAndSwap(nil, f) {
					return f
				}
				return st
			}})
			h.submit()
			h.do(h.takeOne(), 0)
			for _, a := range h.take(tasksEach) {
				h.do(a, 0)
			}
			if step%2 == 0 {
				h.waitState(job.Sealed, job.Published)
				h.restart() // by then the fault may or may not have been met
			}
			h.waitState(job.Published)
			h.version()
			h.close()
			if step > tasksEach+4+2 { // files; the manifest, created, written, committed and adopted; _SUCCESS and pointer
				if faulty.Load().Fired() {
					t.Errorf("publishing takes %d steps or more", step)
				}
				break
			}
		}
	}
}

// A store that stays broken is asked again and again; the job does not fail, says what
// is wrong, and keeps no other job waiting.
func TestAJobWhoseStoreIsBrokenWaitsAloneAndSaysWhy(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	broken.Store(true)
	h := newHouse(t, options{wrap: func(st store.Store) store.Store { return &moody{Store: st, broken: &broken} }})
	h.submit()
	h.do(h.takeOne(), 0) // planning reads the survey, which cannot be read
	h.until("the job to say what is wrong", func() bool { return h.node.Trouble(theJob) != nil })
	if err := h.node.Trouble(theJob); !strings.Contains(err.Error(), "plan of job") || !errors.Is(err, errMoody) {
		t.Errorf("it says %v", err)
	}
	second := spec()
	h.propose(ledger.Submit{
		Job: "202610-second", Name: second.Name, Spec: second.Canonical(), SpecDigest: second.Digest(), Epoch: 1, MaxAttempts: 1,
		Stages: []job.StageKind{job.StageSurvey, job.StageScore},
	})
	if a := h.takeOne(); a.Job != "202610-second" {
		t.Errorf("the other job's survey is not granted but %+v", a.Lease())
	}
	broken.Store(false)
	for _, a := range h.take(tasksEach) {
		h.do(a, 0)
	}
	h.waitState(job.Published)
	if err := h.node.Trouble(theJob); err != nil {
		t.Errorf("a published job is in trouble: %v", err)
	}
}

// moody is a store that cannot be read while it is broken.
type moody struct {
	store.Store
	broken *atomic.Bool
}

var errMoody = errors.New("stale file handle")

func (m *moody) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	if m.broken.Load() {
		return nil, errMoody
	}
	return m.Store.Get(ctx, name, limit)
}

func TestASurveyThatIsNotTheOneReportedFailsTheJob(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	h.submit()
	a := h.takeOne()
	r := h.perform(a, 0)
	r.Files[0].SHA256 = strings.Repeat("0", 64)
	h.report(a, r)
	h.waitState(job.Failed)
	h.node.View(func(s *ledger.State) {
		if reason := s.Job(theJob).FailReason; !strings.Contains(reason, "damaged") || !strings.Contains(reason, r.Files[0].Path) {
			t.Errorf("the reason is %q", reason)
		}
	})
}

// A leader that was deposed has not failed, and neither have its jobs: the next
// one takes the same steps.
func TestADeposedLeaderFailsNoJob(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{wrap: func(st store.Store) store.Store {
		return &storetest.Faulty{Store: st, FailAt: 1, Sticky: true}
	}})
	h.submit()
	h.do(h.takeOne(), 0)
	for _, a := range h.take(tasksEach) {
		h.do(a, 0)
	}
	h.until("the fault to show", func() bool { return h.node.Trouble(theJob) != nil })
	second := spec()
	h.propose(ledger.Submit{
		Job: "202610-second", Name: second.Name, Spec: second.Canonical(), SpecDigest: second.Digest(), Epoch: 1, MaxAttempts: 1,
		Stages: []job.StageKind{job.StageSurvey, job.StageScore},
	})
	term := h.node.Term()
	h.close() // from here on, nothing can be proposed
	for _, id := range []job.ID{theJob, "202610-second"} {
		_ = term.Step(t.Context(), id)
	}
	h.opts.wrap = nil
	h.open()
	h.waitState(job.Published)
	h.node.View(func(s *ledger.State) {
		if j := s.Job("202610-second"); j.State == job.Failed {
			t.Errorf("the second job failed: %s", j.FailReason)
		}
	})
}

// A step that hangs in its store hangs alone: the leadership ends without it, and the
// next one of this node can begin.
func TestALeadershipEndsAlthoughAStoreHangs(t *testing.T) {
	t.Parallel()
	stuck := &hanging{release: make(chan struct{})}
	h := newHouse(t, options{wrap: func(st store.Store) store.Store {
		stuck.Store = st
		return stuck
	}})
	h.submit()
	h.do(h.takeOne(), 0) // planning reads the survey
	h.until("the step to hang", func() bool { return stuck.calls.Load() == 1 })
	n := New(h.node.cfg)
	term, depose := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.serve(t.Context(), term) }()
	h.until("the step to hang here too", func() bool { return stuck.calls.Load() == 2 })
	depose()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-h.ctx.Done():
		t.Error("the leadership waits for the store")
	}
	close(stuck.release)
	n.away.Wait()
	for _, a := range h.take(tasksEach) {
		h.do(a, 0)
	}
	h.waitState(job.Published)
	h.version()
}

// hanging is a store whose reads do not end until they are released, whatever the
// context says: a network folder whose server is gone.
type hanging struct {
	store.Store
	calls   atomic.Int64
	release chan struct{}
}

func (h *hanging) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	h.calls.Add(1)
	<-h.release
	return h.Store.Get(ctx, name, limit)
}
