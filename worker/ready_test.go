package worker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
	"rescore/worker/bundle"
)

// offering is a Bus that grants as the coordinator does: nothing of a job that the
// worker has not said it is ready for.
type offering struct {
	*coordinator
	mu     sync.Mutex
	spec   []byte
	grants int
	over   bool // the job has failed
	unfit  chan wire.Unfit
	ready  chan job.ID
}

func (o *offering) Work(ctx context.Context, r wire.WorkRequest) (wire.WorkReply, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, u := range r.Unfit {
		if u.Job == jobID && !o.over {
			o.over = true
			o.unfit <- u
		}
	}
	idle := wire.WorkReply{RetryMillis: 1}
	switch {
	case ctx.Err() != nil || o.over:
		return idle, ctx.Err()
	case !slices.Contains(r.Ready, jobID):
		idle.Offers = []wire.Offer{{Job: jobID, Spec: o.spec}}
		return idle, nil
	}
	select {
	case o.ready <- jobID:
	default:
	}
	reply, err := o.coordinator.Work(ctx, r)
	o.grants += len(reply.Assignments)
	return reply, err
}

func (s *site) offering() *offering {
	return &offering{coordinator: newCoordinator(), spec: s.spec.Canonical(), unfit: make(chan wire.Unfit, 1), ready: make(chan job.ID, 1)}
}

// packaged is the stump in a package with two golden rows, of which the second scores
// what raw says.
func packaged(t *testing.T, raw float64) []byte {
	t.Helper()
	card := bundle.Default()
	card.ID, card.Golden = "stump", &bundle.Golden{Raw: &bundle.Known{Column: "raw"}}
	files, err := bundle.Make(card, "model.txt", []byte(stump), &bundle.Rows{N: 2, Features: [][]float64{{0, 5000}}, Raw: []float64{-1.25, raw}}, []string{"fee_last"})
	if err != nil {
		t.Fatal(err)
	}
	folder := fstest.MapFS{}
	for _, f := range files {
		folder[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	data, err := bundle.Pack(folder)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestAWrongGoldenRowIsToldBeforeAnythingIsLeased plants one.
func TestAWrongGoldenRowIsToldBeforeAnythingIsLeased(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	s.model = packaged(t, -3.25) // it scores -3.5
	o := s.offering()
	o.give(s.survey())
	start(t, s.config(o))
	var u wire.Unfit
	select {
	case u = <-o.unfit:
	case r := <-o.reports:
		t.Fatalf("a task was leased: %+v", r)
	case <-time.After(patience):
		t.Fatal("nothing is said of the golden row")
	}
	for _, say := range []string{"model model.txt: stump (SHA-256 ", "1 of 2 golden rows do not score what they should: row 1: raw is off by 0.25, the bound is 0"} {
		if !strings.Contains(u.Reason, say) {
			t.Errorf("%q does not say %q", u.Reason, say)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.grants != 0 || len(s.staged(t)) != 0 {
		t.Errorf("%d leases were granted, and there is %v", o.grants, s.staged(t))
	}
}

func TestAWorkerThatIsReadyIsGivenTheWork(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	s.model = packaged(t, -3.5)
	o := s.offering()
	leases := o.give(s.survey())
	start(t, s.config(o))
	if r := o.await(t, leases)[0]; r.Failure != nil {
		t.Fatal(r.Failure.Reason)
	}
	if id := <-o.ready; id != jobID {
		t.Errorf("ready for %s", id)
	}
}

// TestWhatAnAttemptMayDoBetterDoesNotMakeAWorkerUnfit: an output out of reach today.
func TestWhatAnAttemptMayDoBetterDoesNotMakeAWorkerUnfit(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	o := s.offering()
	leases := o.give(s.survey())
	cfg := s.config(o)
	cfg.Output = func(string, string) (store.Store, error) { return nil, errors.New("host is down") }
	start(t, cfg)
	if r := o.await(t, leases)[0]; r.Failure == nil || r.Failure.Fatal {
		t.Errorf("%+v", r.Failure)
	}
}
