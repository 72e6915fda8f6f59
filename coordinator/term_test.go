package coordinator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"rescore/coordinator/lease"
	"rescore/coordinator/ledger"
	"rescore/coordinator/replica"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
)

// desk is a Term over a ledger without raft, under a clock that the test turns.
type desk struct {
	t    *testing.T
	st   *ledger.State
	at   uint64
	now  time.Time
	out  store.Store
	log  bytes.Buffer
	lose func(ledger.Command) error // what becomes of a command, after it is applied; nil = it is answered
	seen []ledger.Command
	*Term
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, st: ledger.New(), now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	out, err := store.NewFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d.out = out
	d.lead()
	return d
}

// lead begins another leadership over the same ledger.
func (d *desk) lead() {
	d.Term = NewTerm(Config{
		Now: func() time.Time { return d.now }, Output: func(string, string) (store.Store, error) { return d.out, nil },
		PartitionRows: segments * rowsEach / tasksEach, Lease: lease.Config{PartRows: rowsEach},
		Log: slog.New(slog.NewTextHandler(&d.log, nil)),
	}, d)
}

// Propose implements Ledger.
func (d *desk) Propose(_ context.Context, cmd ledger.Command) (ledger.Reply, error) {
	d.at++
	d.seen = append(d.seen, cmd)
	reply, _, err := ledger.Apply(d.st, d.at, cmd)
	if d.lose != nil {
		if lost := d.lose(cmd); lost != nil {
			return nil, lost
		}
	}
	return reply, err
}

// View implements Ledger.
func (d *desk) View(read func(*ledger.State)) { read(d.st) }

func (d *desk) propose(cmd ledger.Command) {
	d.t.Helper()
	if _, err := d.Propose(d.t.Context(), cmd); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) submit(id job.ID) {
	d.t.Helper()
	s := spec()
	d.propose(ledger.Submit{
		Job: id, Name: s.Name, Spec: s.Canonical(), SpecDigest: s.Digest(), Epoch: 1, MaxAttempts: 2,
		Stages: []job.StageKind{job.StageSurvey, job.StageScore},
	})
	d.steps()
}

// steps takes every job as far as it goes.
func (d *desk) steps() {
	d.t.Helper()
	for range 10 {
		todo := d.Todo()
		if len(todo) == 0 {
			return
		}
		for _, id := range todo {
			_ = d.Step(d.t.Context(), id) // the test looks at what came of it
		}
	}
	d.t.Fatalf("there is always something to do: %v", d.Todo())
}

func (d *desk) ask(requests ...wire.WorkRequest) []wire.WorkReply {
	d.t.Helper()
	return d.Settle(d.t.Context(), requests)
}

// wants is a request of a worker that is ready for every job there is.
func (d *desk) wants(worker string, slots int) wire.WorkRequest {
	r := wire.WorkRequest{Worker: worker, Slots: slots}
	for j := range d.st.Jobs() {
		r.Ready = append(r.Ready, j.ID)
	}
	return r
}

// surveyed brings a job to where its score tasks wait.
func (d *desk) surveyed(id job.ID) {
	d.t.Helper()
	d.submit(id)
	d.survey(id, survey())
}

// survey has a worker find that in a submitted job's input.
func (d *desk) survey(id job.ID, found job.Survey) {
	d.t.Helper()
	for _, a := range d.ask(d.wants("surveyor", 8))[0].Assignments {
		if a.Job != id || a.Kind != job.StageSurvey {
			d.t.Fatalf("a survey is waited for, and %s %s comes", a.Kind, a.Job)
		}
		data, err := wire.EncodeSurvey(found)
		if err != nil {
			d.t.Fatal(err)
		}
		h := house{t: d.t, out: d.out, ctx: d.t.Context()}
		d.report("surveyor", a, job.Result{Files: []job.File{h.stage(a, job.FileSurvey, "survey", data)}})
	}
	d.steps()
}

func (d *desk) report(worker string, a wire.Assignment, r job.Result) wire.ReportReply {
	d.t.Helper()
	return d.Report(d.t.Context(), wire.Report{Worker: worker, Lease: a.Lease(), Result: &r})
}

// honest is what a worker makes of a score task.
func honest(a wire.Assignment) job.Result {
	return job.Result{Counts: job.Counts{In: a.Task.Rows, Scored: a.Task.Rows}, Keys: a.Task.Keys, Rows: partition.Sum{}.AddHash(uint64(a.Index))}
}

func (d *desk) task(i int) *ledger.Task { return &d.st.Job(theJob).Stages[1].Tasks[i] }

// granted is how many commands of a kind were proposed so far.
func (d *desk) count(kind ledger.Kind) (n int) {
	for _, cmd := range d.seen {
		if cmd.Kind() == kind {
			n++
		}
	}
	return n
}

func TestRequestsThatComeTogetherAreAnsweredByOneDecision(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.surveyed(theJob)
	before := d.count(ledger.KindGrant)
	replies := d.ask(d.wants("w1", 1), d.wants("w2", 1), d.wants("w3", 4), d.wants("w2", 1))
	if got := d.count(ledger.KindGrant) - before; got != 3 {
		t.Errorf("%d grants for three workers", got)
	}
	want := []int{1, 0, 1, 1} // who asks again has given up the first question
	for i, r := range replies {
		if len(r.Assignments) != want[i] {
			t.Errorf("reply %d has %d assignments, want %d", i, len(r.Assignments), want[i])
		}
		for _, a := range r.Assignments {
			if a.Task.Rows != 2*rowsEach || len(a.Files) != 1 || a.Model != "model" || d.task(a.Index).Token != a.Token {
				t.Errorf("reply %d: %+v", i, a)
			}
		}
	}
}

// TestALeaderTakesOverWithoutLoss: what waits is granted at once, a lease has one TTL
// in which its worker finds the new leader, and one that is named lives on.
func TestALeaderTakesOverWithoutLoss(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.surveyed(theJob)
	held := d.ask(d.wants("w1", 2))[0].Assignments
	d.now = d.now.Add(14 * time.Second)
	d.lead()
	if got := d.ask(d.wants("w2", 1))[0].Assignments; len(got) != 1 {
		t.Fatalf("what waits is not granted at once: %v", got)
	}
	d.now = d.now.Add(10 * time.Second)
	d.Heartbeat(wire.Heartbeat{Worker: "w1", Tasks: []wire.Progress{{Lease: held[0].Lease(), RowsDone: 7}}})
	d.now = d.now.Add(5 * time.Second)
	d.Tick(t.Context())
	if d.count(ledger.KindExpire) != 0 {
		t.Error("a lease did not get its full TTL of the new leader")
	}
	d.now = d.now.Add(time.Millisecond)
	d.Tick(t.Context())
	if d.count(ledger.KindExpire) != 2 || d.task(held[0].Index).Token != held[0].Token || d.task(held[1].Index).State != ledger.Waiting {
		t.Errorf("%d leases were taken back; the one that was named is %s, the silent one %s",
			d.count(ledger.KindExpire), d.task(held[0].Index).State, d.task(held[1].Index).State)
	}
	if rows, tasks := d.InFlight(theJob, 1); rows != 7 || tasks != 1 {
		t.Errorf("in flight are %d rows of %d tasks", rows, tasks)
	}
}

// A grant whose outcome is unknown may be in the ledger, and nobody was told of it.
func TestAGrantThatNobodyWasToldOfRunsOut(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.surveyed(theJob)
	d.lose = func(ledger.Command) error { return fmt.Errorf("propose: %w", replica.ErrUnknownOutcome) }
	if r := d.ask(d.wants("w", 3))[0]; len(r.Assignments) != 0 || r.RetryMillis == 0 {
		t.Errorf("assigned %+v", r.Assignments)
	}
	d.lose = nil
	if d.task(0).State != ledger.Leased {
		t.Fatal("the grant was not in the ledger: the test says nothing")
	}
	d.now = d.now.Add(16 * time.Second)
	d.Tick(t.Context())
	if got := d.ask(d.wants("w", 3))[0].Assignments; len(got) != tasksEach {
		t.Errorf("granted again are %d tasks of %d", len(got), tasksEach)
	}
}

func TestAStragglerIsDoubledAndTheFirstReportWins(t *testing.T) {
	t.Parallel()
	for _, same := range []bool{true, false} {
		d := newDesk(t)
		d.surveyed(theJob)
		d.divided() // enough to know how long one takes
		slow := d.ask(d.wants("slow", 1))[0].Assignments[0]
		others := d.ask(d.wants("quick", 8))[0].Assignments
		d.now = d.now.Add(time.Second)
		for _, a := range others {
			if r := d.report("quick", a, honest(a)); r.Status != wire.OK {
				t.Fatalf("%+v", r)
			}
		}
		d.Tick(t.Context())
		if got := d.ask(d.wants("quick", 8))[0].Assignments; len(got) != 0 {
			t.Fatalf("doubled after a second: %v", got)
		}
		d.now = d.now.Add(5 * time.Second)
		d.Heartbeat(wire.Heartbeat{Worker: "slow", Tasks: []wire.Progress{{Lease: slow.Lease()}}})
		d.Tick(t.Context())
		if got := d.ask(d.wants("slow", 8))[0].Assignments; len(got) != 0 {
			t.Fatalf("doubled on the worker that is at it: %v", got)
		}
		again := d.ask(d.wants("quick", 8))[0].Assignments
		if len(again) != 1 || again[0].Index != slow.Index || again[0].Token == slow.Token || !reflect.DeepEqual(again[0].Task, slow.Task) {
			t.Fatalf("the second attempt is %+v", again)
		}
		if r := d.report("quick", again[0], honest(again[0])); r.Status != wire.OK {
			t.Errorf("the first report is answered %+v", r)
		}
		late, want := honest(slow), wire.Lost
		if !same {
			want = wire.Fenced // its files are the evidence
			late.Rows = late.Rows.AddHash(99)
		}
		for range 2 {
			if r := d.report("slow", slow, late); r.Status != want {
				t.Errorf("the second report is answered %+v", r)
			}
		}
		incidents := len(d.st.Job(theJob).Incidents)
		if loud := strings.Contains(d.log.String(), "level=ERROR"); loud == same || incidents == 0 != same {
			t.Errorf("same %t: %d incidents, logged as an error %t", same, incidents, loud)
		}
		if task := d.task(slow.Index); task.State != ledger.Done || task.Token != again[0].Token {
			t.Errorf("the task is %s under %d", task.State, task.Token)
		}
	}
}

// divided leaves one task a segment.
func (d *desk) divided() {
	d.t.Helper()
	d.Heartbeat(wire.Heartbeat{Worker: "many", Slots: 64})
	d.Tick(d.t.Context())
	d.steps()
	if got := len(d.st.Job(theJob).Stages[1].Tasks); got != segments {
		d.t.Fatalf("there are %d tasks", got)
	}
}

func TestLateTasksAreDividedSoThatNoSlotStandsIdle(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.surveyed(theJob)
	d.Heartbeat(wire.Heartbeat{Worker: "w", Slots: 4})
	d.Tick(t.Context())
	d.steps()
	tasks := d.st.Job(theJob).Stages[1].Tasks
	if len(tasks) != 4 || tasks[0].Rows != rowsEach || tasks[1].Rows != 2*rowsEach || tasks[3].Rows != rowsEach || tasks[3].Range.First != tasks[0].Range.Past {
		t.Fatalf("one task too few for four slots is made %d tasks: %+v", len(tasks), tasks)
	}
	d.Heartbeat(wire.Heartbeat{Worker: "w", Slots: 4, Draining: true}) // a worker that leaves has no slots
	d.Heartbeat(wire.Heartbeat{Worker: "w2", Slots: 4})
	for range 2 {
		d.Tick(t.Context())
		d.steps()
	}
	if got := len(d.st.Job(theJob).Stages[1].Tasks); got != 4 {
		t.Errorf("%d tasks for four slots", got)
	}
	for _, a := range d.ask(d.wants("w2", 8))[0].Assignments {
		if r := d.report("w2", a, honest(a)); r.Status != wire.OK {
			t.Errorf("%+v", r)
		}
	}
	d.steps()
	if j := d.st.Job(theJob); j.Totals().Counts.In != segments*rowsEach || !j.Complete() {
		t.Errorf("the job is %s, %+v", j.State, j.Totals())
	}
}

func TestAWorkerIsKnownByWhatItSaysAndLeavesWhenToldTo(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.surveyed(theJob)
	if err := d.Drain("w"); !errors.Is(err, ErrNoWorker) {
		t.Errorf("nobody drains: %v", err)
	}
	a := d.ask(d.wants("w", 1))[0].Assignments[0]
	beat := wire.Heartbeat{Worker: "w", Host: "h", Version: "v1", Slots: 2, MemoryBytes: 3, Tasks: []wire.Progress{{Lease: a.Lease(), RowsDone: 5}}}
	d.Heartbeat(beat)
	want := Worker{ID: "w", Host: "h", Version: "v1", Slots: 2, MemoryBytes: 3, Tasks: 1, Rows: 5, Heard: d.now}
	find := func(id string) Worker {
		list := d.Workers()
		i := slices.IndexFunc(list, func(w Worker) bool { return w.ID == id })
		if i < 0 {
			return Worker{}
		}
		w := list[i]
		w.told = false
		return w
	}
	if got := find("w"); !reflect.DeepEqual(got, want) {
		t.Errorf("known is %+v, want %+v", got, want)
	}
	if err := d.Drain("w"); err != nil {
		t.Fatal(err)
	}
	if r := d.ask(d.wants("w", 1))[0]; !r.Drain || len(r.Assignments)+len(r.Offers) != 0 {
		t.Errorf("a worker that is to leave is answered %+v", r)
	}
	if !find("w").Draining {
		t.Error("it is not said to be leaving")
	}
	beat.Draining = true
	d.Heartbeat(beat)
	if r := d.Report(t.Context(), wire.Report{Worker: "w", Lease: a.Lease(), Returned: true}); r.Status != wire.OK {
		t.Errorf("a task that is given back is answered %+v", r)
	}
	if task := d.task(a.Index); task.State != ledger.Waiting || task.Failures+task.Silences != 0 {
		t.Errorf("the task is %s after %d failures and %d silences", task.State, task.Failures, task.Silences)
	}
	if r := d.ask(d.wants("w", 1))[0]; r.Drain || len(r.Assignments) != 1 {
		t.Errorf("another process under the name is answered %+v", r)
	}
	d.now = d.now.Add(61 * time.Second)
	d.Tick(t.Context())
	if got := d.Workers(); len(got) != 0 {
		t.Errorf("after a minute of silence known are %+v", got)
	}
}

func TestAWorkerIsOfferedAJobWhileItWorksOnAnother(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.surveyed(theJob)
	ready := d.wants("w", 1)
	d.submit("202610-second")
	r := d.ask(ready)[0]
	if len(r.Assignments) != 1 || len(r.Offers) != 1 || r.Offers[0].Job != "202610-second" {
		t.Errorf("answered %+v", r)
	}
	if d.propose(ledger.Pause{Job: "202610-second", Who: "o"}); len(d.ask(ready)[0].Offers) != 0 {
		t.Error("a paused job is offered")
	}
}

// TestAStepWaitsLongerEachTimeItsStoreFails, and what is refused by rule fails the
// job at once.
func TestAStepWaitsLongerEachTimeItsStoreFails(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.submit(theJob)
	a := d.ask(d.wants("w", 1))[0].Assignments[0]
	d.report("w", a, job.Result{Files: []job.File{{Kind: job.FileSurvey, Path: "_staging/gone", Bytes: 1}}})
	tries := 0
	for range 10 * 60 { // seconds
		for _, id := range d.Todo() {
			tries++
			if err := d.Step(t.Context(), id); !errors.Is(err, store.ErrNotExist) || !errors.Is(d.Trouble(id), store.ErrNotExist) {
				t.Fatalf("the step says %v", err)
			}
		}
		d.now = d.now.Add(time.Second)
	}
	if tries < 20 || tries > 40 || d.st.Job(theJob).State != job.Running {
		t.Errorf("tried %d times in ten minutes, the job is %s", tries, d.st.Job(theJob).State)
	}
	if err := d.out.Put(t.Context(), "_staging/gone", []byte("x")); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(time.Minute)
	d.steps()
	if j := d.st.Job(theJob); j.State != job.Failed || !strings.Contains(j.FailReason, "damaged") {
		t.Errorf("the job is %s: %s", j.State, j.FailReason)
	}
}

func TestIdleWorkersTogetherAskNoMoreThanAThousandTimesASecond(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var all []wire.WorkRequest
	for i := range 500 {
		all = append(all, d.wants(fmt.Sprint("w", i), 1))
	}
	if r := d.ask(all[0])[0]; r.RetryMillis != 5 {
		t.Errorf("alone it waits %d ms", r.RetryMillis)
	}
	if r := d.ask(all...)[0]; r.RetryMillis != 500 {
		t.Errorf("one of 500 waits %d ms", r.RetryMillis)
	}
}

// TestAWorkerInTheSameProcessIsNotMadeToAskAgain: it hears of every change of the ledger,
// and asks while it computes.
func TestAWorkerInTheSameProcessIsNotMadeToAskAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.cfg.Alone = true
	if r := d.ask(d.wants("w", 1))[0]; r.Retry() != d.cfg.Tick {
		t.Errorf("it waits %v, and the coordinator looks at what time brings every %v", r.Retry(), d.cfg.Tick)
	}
}

// TestNobodyDecidesBetweenAGrantAndItsNote: between a grant's entry into the ledger and
// its note in the book the lease looks as if it was never heard of.
func TestNobodyDecidesBetweenAGrantAndItsNote(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.surveyed(theJob)
	d.cfg.Tick = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	l := &leadership{Term: d.Term, questions: make(chan question)}
	views := 0
	d.Term.ledger = &counted{d, &views}
	during := -1
	d.lose = func(cmd ledger.Command) error {
		before := views
		time.Sleep(50 * time.Millisecond) // fifty ticks; were they taken, the race detector and views would tell
		during = views - before
		return nil
	}
	ended := make(chan error, 1)
	go func() { ended <- l.settle(ctx) }()
	r := l.Work(ctx, d.wants("w", 1))
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(r.Assignments) != 1 || during != 0 {
		t.Errorf("%d assignments; while they were on their way into the book the ledger was read %d times", len(r.Assignments), during)
	}
}

// counted counts the reads of a ledger.
type counted struct {
	Ledger
	views *int
}

func (c *counted) View(read func(*ledger.State)) {
	*c.views++
	c.Ledger.View(read)
}

// BenchmarkTask is what a task costs a leader from request to completion, without
// raft and bus: 64 workers ask for four each, and report.
func BenchmarkTask(b *testing.B) {
	d := newDesk(&testing.T{})
	s := spec()
	stages := []job.StageKind{job.StageScore}
	if _, err := d.Propose(b.Context(), ledger.Submit{Job: theJob, Name: s.Name, Spec: s.Canonical(), SpecDigest: s.Digest(), Epoch: 1, MaxAttempts: 2, Stages: stages}); err != nil {
		b.Fatal(err)
	}
	const n = 100_000
	tasks := make([]job.Task, n)
	for i := range tasks {
		r := partition.Range{First: partition.FirstNumber + partition.Number(i)*partition.LinesPerSegment}
		if r.Past = r.First + partition.LinesPerSegment; i == n-1 {
			r.Past = partition.PastNumber
		}
		tasks[i] = job.Task{Range: r, Rows: 1, Slices: make([]job.Slice, 4)}
	}
	plans, err := ledger.Split(theJob, 0, job.StageScore, tasks, ledger.Facts{Files: []job.InputFile{{Path: "base", Rows: n}}, Model: "m", Rules: "r"})
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range plans {
		if _, err := d.Propose(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
	var requests []wire.WorkRequest
	for i := range 64 {
		requests = append(requests, wire.WorkRequest{Worker: fmt.Sprint("w", i), Slots: 4, Ready: []job.ID{theJob}})
	}
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		d.seen = nil
		replies := d.Settle(b.Context(), requests)
		for i, r := range replies {
			for _, a := range r.Assignments {
				result := honest(a)
				d.Report(b.Context(), wire.Report{Worker: requests[i].Worker, Lease: a.Lease(), Result: &result})
				done++
			}
		}
		if len(replies[0].Assignments) == 0 {
			b.Skipf("only %d tasks are there", n)
		}
		d.Tick(b.Context())
	}
}
