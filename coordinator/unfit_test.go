package coordinator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
	"rescore/partition/wire"
)

// cannot is a request of a worker that found that it cannot work on the job; without a
// reason it only asks.
func cannot(worker, reason string) wire.WorkRequest {
	r := wire.WorkRequest{Worker: worker, Slots: 1}
	if reason != "" {
		r.Unfit = []wire.Unfit{{Job: theJob, Reason: reason}}
	}
	return r
}

// settledDesk is a desk of a leader that has led for longer than a lease lives.
func settledDesk(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	d.submit(theJob)
	d.now = d.now.Add(time.Hour)
	return d
}

func (d *desk) offered(r wire.WorkRequest) bool {
	d.t.Helper()
	reply := d.ask(r)[0]
	if len(reply.Assignments) > 0 {
		d.t.Errorf("%s is given %+v", r.Worker, reply.Assignments)
	}
	return len(reply.Offers) > 0
}

func (d *desk) wantState(want job.State, reason string) {
	d.t.Helper()
	if j := d.st.Job(theJob); j.State != want || j.FailReason != reason {
		d.t.Errorf("the job is %s, %q, want %s, %q", j.State, j.FailReason, want, reason)
	}
}

func TestAWorkerThatIsUnfitIsLeftOutAndLooksAgainLater(t *testing.T) {
	t.Parallel()
	d := settledDesk(t)
	if !d.offered(cannot("fit", "")) || !d.offered(cannot("bad", "")) {
		t.Error("the job is not offered")
	}
	for range 2 { // an answer may be lost
		if d.offered(cannot("bad", "no such mount")) {
			t.Error("a job is offered to a worker that has just been unfit for it")
		}
	}
	d.wantState(job.Running, "")
	if n := strings.Count(d.log.String(), "level=ERROR"); n != 1 || !strings.Contains(d.log.String(), "no such mount") {
		t.Errorf("%d errors are logged: %s", n, d.log.String())
	}
	want := []wire.Unfit{{Job: theJob, Reason: "no such mount"}}
	if list := d.Workers(); !slices.Equal(list[0].Unfit, want) || len(list[1].Unfit) != 0 {
		t.Errorf("known are %+v", list)
	}
	if len(d.ask(d.wants("fit", 1))[0].Assignments) != 1 {
		t.Error("the other gets no work")
	}
	d.surveyedBy("fit")
	d.now = d.now.Add(unfitAgain)
	d.Heartbeat(wire.Heartbeat{Worker: "fit"})
	if !d.offered(cannot("bad", "")) {
		t.Error("it is not offered the job again")
	}
	if r := d.ask(d.wants("bad", 1))[0]; len(r.Assignments) != 1 {
		t.Errorf("a worker that is ready at last is answered %+v", r)
	}
	if list := d.Workers(); len(list[0].Unfit) != 0 {
		t.Errorf("it is said to be unfit still: %+v", list)
	}
}

// surveyedBy finishes the survey that a worker is at.
func (d *desk) surveyedBy(worker string) {
	d.t.Helper()
	data, err := wire.EncodeSurvey(survey())
	if err != nil {
		d.t.Fatal(err)
	}
	task := &d.st.Job(theJob).Stages[0].Tasks[0]
	a := wire.Assignment{Job: theJob, Kind: job.StageSurvey, Token: task.Token}
	h := house{t: d.t, out: d.out, ctx: d.t.Context()}
	if r := d.report(worker, a, job.Result{Files: []job.File{h.stage(a, job.FileSurvey, "survey", data)}}); r.Status != wire.OK {
		d.t.Fatalf("the survey is answered %+v", r)
	}
	d.steps()
}

func TestAJobFailsWhenEveryLiveWorkerIsUnfitForIt(t *testing.T) {
	t.Parallel()
	d := settledDesk(t)
	for i := range 5 {
		d.Heartbeat(wire.Heartbeat{Worker: fmt.Sprint("w", i)})
	}
	for i := range 4 {
		d.now = d.now.Add(time.Second)
		d.offered(cannot(fmt.Sprint("w", 3-i), fmt.Sprint("reason ", i)))
		d.Tick(t.Context())
		d.wantState(job.Running, "")
	}
	d.now = d.now.Add(time.Second)
	if d.offered(cannot("w4", "reason 0")) {
		t.Error("a job that failed is offered")
	}
	d.wantState(job.Failed, "none of 5 workers can work on it; w3: reason 0; w2: reason 1; w1: reason 2; …")

	d.propose(ledger.Retry{Job: theJob, FailIndex: d.st.Job(theJob).FailIndex})
	if !d.offered(cannot("w0", "")) {
		t.Error("brought back, the job is not offered to all again")
	}
	d.wantState(job.Running, "")
}

// TestAFitWorkerThatFallsSilentIsNotWaitedFor, nor one that is unfit and gone counted.
func TestAFitWorkerThatFallsSilentIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	d := settledDesk(t)
	d.Heartbeat(wire.Heartbeat{Worker: "fit"})
	d.offered(cannot("bad", "no such mount"))
	d.now = d.now.Add(16 * time.Second)
	d.Tick(t.Context())
	d.wantState(job.Running, "") // nobody is alive
	d.Heartbeat(wire.Heartbeat{Worker: "bad"})
	d.Tick(t.Context())
	d.wantState(job.Failed, "no such mount")
}

func TestANewLeaderHearsOthersBeforeItFailsAJob(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.submit(theJob)
	d.offered(cannot("bad", "no such mount"))
	d.lead() // what the one before was told, it is told again
	if !d.offered(cannot("bad", "")) {
		t.Error("a new leader does not offer the job")
	}
	d.offered(cannot("bad", "no such mount"))
	d.now = d.now.Add(15 * time.Second)
	d.Tick(t.Context())
	d.wantState(job.Running, "")
	d.now = d.now.Add(time.Second)
	d.Heartbeat(wire.Heartbeat{Worker: "bad"})
	d.Tick(t.Context())
	d.wantState(job.Failed, "no such mount")
}

func TestNothingIsKeptOfUnfitWorkersThatAreGoneAndJobsThatAreOver(t *testing.T) {
	t.Parallel()
	d := settledDesk(t)
	d.Heartbeat(wire.Heartbeat{Worker: "fit"})
	d.ask(cannot("bad", "no such mount"), wire.WorkRequest{Worker: "bad", Slots: 1, Unfit: []wire.Unfit{{Job: "202610-gone", Reason: "x"}}})
	d.Tick(t.Context())
	if len(d.unfit) != 1 {
		t.Errorf("kept is %+v", d.unfit)
	}
	d.propose(ledger.Cancel{Job: theJob, Who: "o", Reason: "r"})
	d.Tick(t.Context())
	if len(d.unfit) != 0 {
		t.Errorf("of a job that is over is kept %+v", d.unfit)
	}
	d.propose(ledger.Retry{Job: theJob, FailIndex: d.st.Job(theJob).FailIndex})
	d.offered(cannot("bad", "no such mount"))
	for range 5 {
		d.now = d.now.Add(15 * time.Second)
		d.Heartbeat(wire.Heartbeat{Worker: "fit"})
		d.Tick(t.Context())
	}
	if len(d.unfit) != 0 {
		t.Errorf("of a worker that is gone is kept %+v", d.unfit)
	}
}
