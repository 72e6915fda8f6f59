package api

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"rescore/coordinator/bus"
	"rescore/coordinator/ledger"
	"rescore/coordinator/replica"
	"rescore/partition"
	"rescore/partition/wire"
)

const at = "/v1/jobs/" + string(aJob)

func TestEveryChangeSaysWho(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.planned(2)
	h := f.handler()
	before := f.state.Index()
	for _, pattern := range Routes() {
		method, path := path(pattern)
		if method == http.MethodGet {
			continue
		}
		for _, who := range []string{"", " ", "13800130007", "x\ny", strings.Repeat("x", 65), "<b>"} {
			r := request(method, path, `{"reason":"tests"}`)
			r.Header.Set(User, who)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), "13800130007") {
				t.Errorf("%s by %q: %d %s", pattern, who, w.Code, w.Body)
			}
		}
	}
	if f.state.Index() != before || f.drained != "" || len(f.members) != 1 {
		t.Error("something was changed")
	}
}

func TestAJobIsPausedResumedCancelledAndRetried(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := f.handler()
	if status, _, e := call[Submitted](t, h, http.MethodPost, "/v1/jobs", submission()); status != http.StatusOK {
		t.Fatal(e)
	}
	do := func(verb string, c Change, want Changed) {
		t.Helper()
		for range 2 { // whoever lost the answer asks again
			if status, got, e := call[Changed](t, h, http.MethodPost, at+"/"+verb, c); status != http.StatusOK || got != want {
				t.Errorf("%s: %d %+v %+v", verb, status, got, e)
			}
		}
	}
	do("pause", Change{}, Changed{Job: aJob, State: "submitted", Paused: true})
	if _, s, _ := call[Status](t, h, http.MethodGet, at, nil); s.Pausing == nil || s.Pausing.Who != "ann" || s.Submitter != "ann" || s.Priority != 5 {
		t.Errorf("paused: %+v", s)
	}
	do("resume", Change{}, Changed{Job: aJob, State: "submitted"})
	if status, _, _ := call[Changed](t, h, http.MethodPost, at+"/cancel", nil); status != http.StatusBadRequest {
		t.Error("cancelled for no reason")
	}
	do("cancel", Change{Reason: "wrong month"}, Changed{Job: aJob, State: "cancelled"})
	_, s, _ := call[Status](t, h, http.MethodGet, at, nil)
	if s.FailIndex == 0 || !strings.Contains(s.Failure, "ann: wrong month") || !Over(s.State) {
		t.Errorf("cancelled: %+v", s)
	}
	do("retry", Change{FailIndex: s.FailIndex}, Changed{Job: aJob, State: "running"})
	if status, _, e := call[Changed](t, h, http.MethodPost, at+"/retry", Change{FailIndex: s.FailIndex + 1}); status != http.StatusConflict {
		t.Errorf("a retry of a failure that never was: %d %+v", status, e)
	}
	if status, _, e := call[Changed](t, h, http.MethodPost, at+"/release", Change{Reason: "x"}); status != http.StatusConflict || e.Hint == "" {
		t.Errorf("a release of a job that is not held: %d %+v", status, e)
	}
}

func TestQuarantinedTasksAreNamedWithTheirReasons(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.planned(shownMax + 20)
	var tasks []int
	for i := range shownMax + 10 {
		tasks = append(tasks, i)
	}
	for _, l := range f.grant(tasks...) {
		f.do(ledger.Fail{Lease: l, Reason: "page is damaged"})
	}
	_, s, _ := call[Status](t, f.handler(), http.MethodGet, at, nil)
	if s.State != "running" || s.Quarantine != shownMax+10 || len(s.Quarantined) != shownMax || s.Stages[0].Quarantined != shownMax+10 {
		t.Fatalf("%s: %d quarantined, %d named", s.State, s.Quarantine, len(s.Quarantined))
	}
	if q := s.Quarantined[1]; q.Task != 1 || q.State != "quarantined" || q.Reason != "page is damaged" || q.Attempts != 1 || q.Range != "1300001-1300001" {
		t.Errorf("got %+v", q)
	}
}

func TestAnAnswerThatIsLostCanBeAskedForAgain(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := f.handler()
	f.do(ledger.Found{Cluster: "a"})
	f.lose = 1
	if status, _, e := call[Submitted](t, h, http.MethodPost, "/v1/jobs", submission()); status != http.StatusServiceUnavailable || e.Kind != "unavailable" {
		t.Errorf("unknown outcome: %d %+v", status, e)
	}
	if status, got, e := call[Submitted](t, h, http.MethodPost, "/v1/jobs", submission()); status != http.StatusOK || got.New {
		t.Errorf("again: %d %+v %+v", status, got, e)
	}
	jobs := 0
	for range f.state.Jobs() {
		jobs++
	}
	if jobs != 1 {
		t.Errorf("%d jobs", jobs)
	}
}

func TestNothingIsReadFromALedgerThatMayBeOld(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.planned(1)
	h := f.handler()
	f.lost = fmt.Errorf("verify: %w", replica.ErrNotLeader)
	for _, pattern := range Routes() {
		method, path := path(pattern)
		if !strings.HasPrefix(path, "/v1/") {
			continue
		}
		if status, _, e := call[any](t, h, method, path, `{"reason":"x"}`); status != http.StatusServiceUnavailable || e.Code != Unavailable {
			t.Errorf("%s: %d %+v", pattern, status, e)
		}
	}
}

func TestAFollowerPassesRequestsOnAndNoFurther(t *testing.T) {
	t.Parallel()
	leader := newFake(t)
	leader.planned(2)
	leading := httptest.NewServer(leader.handler())
	t.Cleanup(leading.Close)
	to, err := url.Parse(leading.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := newFake(t)
	f.id = "c2"
	h := f.handler()
	h.cfg.Address = func(id string) (string, bool) { return to.Host, id == "c1" }
	if status, s, e := call[Status](t, h, http.MethodGet, at, nil); status != http.StatusOK || s.Job.Job != aJob {
		t.Errorf("passed on: %d %+v", status, e)
	}
	if status, c, e := call[Changed](t, h, http.MethodPost, at+"/pause", nil); status != http.StatusOK || !c.Paused || leader.state.Job(aJob).Paused.Who != "ann" {
		t.Errorf("passed on: %d %+v", status, e)
	}
	h.cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS13} // the leader speaks plain HTTP
	if status, _, e := call[Status](t, h, http.MethodGet, at, nil); status != http.StatusServiceUnavailable {
		t.Errorf("the token went to a leader without TLS: %d %+v", status, e)
	}
	h.cfg.TLS = nil
	leader.leads = "c2" // each thinks it is the other
	if status, _, e := call[Status](t, h, http.MethodGet, at, nil); status != http.StatusServiceUnavailable || e.Code != Unavailable {
		t.Errorf("round in circles: %d %+v", status, e)
	}
	leading.Close()
	if status, _, e := call[Status](t, h, http.MethodGet, at, nil); status != http.StatusServiceUnavailable || e.Code != Unavailable {
		t.Errorf("a leader that is gone: %d %+v", status, e)
	}
	for _, leads := range []string{"", "c9"} {
		f.leads = leads
		if status, _, e := call[Status](t, h, http.MethodGet, at, nil); status != http.StatusServiceUnavailable || e.Code != Unavailable {
			t.Errorf("%q leads: %d %+v", leads, status, e)
		}
	}
	if status, _, _ := call[any](t, h, http.MethodGet, "/healthz", nil); status != http.StatusOK {
		t.Error("the process serves")
	}
	f.leads = ""
	if status, _, _ := call[any](t, h, http.MethodGet, "/readyz", nil); status != http.StatusServiceUnavailable {
		t.Error("ready without a leader")
	}
}

func TestWorkersAreListedAndDrained(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := f.handler()
	_, list, _ := call[Workers](t, h, http.MethodGet, "/v1/workers", nil)
	if len(list.Workers) != 2 || list.Workers[0].Worker != "another" || !list.Workers[0].Draining || len(list.Workers[0].Unfit) != 2 || list.Workers[1].Slots != 4 || list.Workers[1].Memory != 1<<20 {
		t.Errorf("got %+v", list)
	}
	if status, d, _ := call[Drained](t, h, http.MethodPost, "/v1/workers/"+aWorker+"/drain", nil); status != http.StatusOK || !d.Draining || f.drained != aWorker {
		t.Errorf("%d %+v", status, d)
	}
	for _, name := range []string{"gone", "13800130007", "%2e%2e%2f"} {
		if status, _, e := call[Drained](t, h, http.MethodPost, "/v1/workers/"+name+"/drain", nil); status != http.StatusNotFound || strings.Contains(e.Message, "13800130007") {
			t.Errorf("%s: %d %+v", name, status, e)
		}
	}
}

func TestMembersAreAddedPromotedAndRemoved(t *testing.T) {
	t.Parallel()
	h := newFake(t).handler()
	ok := func(method, path string, body any, want ...Member) {
		t.Helper()
		status, list, e := call[Members](t, h, method, path, body)
		if status != http.StatusOK || fmt.Sprint(list.Members) != fmt.Sprint(want) {
			t.Errorf("%s %s: %d %+v %+v", method, path, status, list, e)
		}
	}
	c1 := Member{"c1", "h1:7300", true, true}
	ok(http.MethodGet, "/v1/members", nil, c1)
	ok(http.MethodPost, "/v1/members", Joining{"c4", "h4:7300"}, c1, Member{"c4", "h4:7300", false, false})
	ok(http.MethodPost, "/v1/members/c4/promote", nil, c1, Member{"c4", "h4:7300", true, false})
	if status, _, e := call[Members](t, h, http.MethodDelete, "/v1/members/c4", nil); status != http.StatusConflict {
		t.Errorf("unforced: %d %+v", status, e)
	}
	ok(http.MethodDelete, "/v1/members/c4?force=true", nil, c1)
	for _, j := range []Joining{{"", "h:1"}, {"c 5", "h:1"}, {"c5", ""}, {"c5", "h"}, {"c5", ":1"}} {
		if status, _, e := call[Members](t, h, http.MethodPost, "/v1/members", j); status != http.StatusBadRequest {
			t.Errorf("%+v: %d %+v", j, status, e)
		}
	}
}

// A ledger that is copied must not go on under the name of the one it was copied from:
// both could publish under the same epoch.
func TestARestoredLedgerTakesAnotherName(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := f.handler()
	if status, _, e := call[Submitted](t, h, http.MethodPost, "/v1/jobs", submission()); status != http.StatusOK {
		t.Fatal(e)
	}
	was := f.state.Cluster()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request(http.MethodGet, "/v1/backup", ""))
	if w.Code != http.StatusOK || was == "" {
		t.Fatal(w.Code, was)
	}
	if status, _, e := call[Restored](t, h, http.MethodPost, "/v1/restore", w.Body.String()); status != http.StatusConflict {
		t.Errorf("over jobs: %d %+v", status, e)
	}
	status, done, e := call[Restored](t, h, http.MethodPost, "/v1/restore?force=true", w.Body.String())
	if status != http.StatusOK || done.Cluster == was || f.state.Cluster() != done.Cluster || done.Jobs != 1 || len(done.Retry) != 1 || done.Retry[0] != string(aJob) {
		t.Errorf("%d %+v %+v", status, done, e)
	}
	epoch := f.state.Job(aJob).Epoch
	if status, c, e := call[Changed](t, h, http.MethodPost, at+"/retry", nil); status != http.StatusOK || c.State != "running" || f.state.Job(aJob).Epoch <= epoch {
		t.Errorf("retried: %d %+v %+v, epoch %d after %d", status, c, e, f.state.Job(aJob).Epoch, epoch)
	}
}

// publish brings the job of planned(n) to its version.
func (f *fake) publish(n int) ledger.Version {
	f.t.Helper()
	f.planned(n)
	for i := range n {
		f.complete(f.grant(i)...)
	}
	v := f.do(ledger.Seal{Job: aJob, Seconds: 3}).(ledger.SealReply).Version
	return f.do(ledger.Publish{Job: aJob, Version: v.ID, ManifestDigest: "m"}).(ledger.PublishReply).Version
}

func TestARerunSaysWhatItWouldDoAndDoesItWhenTold(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	v := f.publish(4)
	f.check = func(r wire.CheckRequest) (wire.CheckReply, error) {
		reply := wire.CheckReply{Job: aJob}
		if len(r.Cities) > 0 && r.Cities[0] == 571 {
			reply.Segments = []partition.Segment{1300003}
		}
		return reply, nil
	}
	h := f.handler()
	index := f.state.Index()
	q := Rerun{Dataset: "base", Segments: []partition.Segment{1300001}, Cities: []uint32{571}, List: true}
	status, p, e := call[Rerunning](t, h, http.MethodPost, "/v1/rerun", q)
	if status != http.StatusOK || p.Applied || p.Count != 2 || len(p.Partitions) != 2 || p.Rows != 200 || p.Kept != 2 || p.Base != v.ID || p.State != "" || f.state.Index() != index {
		t.Fatalf("preview: %d %+v %+v", status, p, e)
	}
	if p.Seconds != 4 || p.Slots != 4 || p.WallSeconds == nil || *p.WallSeconds != 2 {
		t.Errorf("two partitions of two seconds and four slots take %v of one core, %v", p.Seconds, *p.WallSeconds)
	}
	q.Apply, q.List = true, false
	for i, want := range []bool{true, false} {
		status, done, e := call[Rerunning](t, h, http.MethodPost, "/v1/rerun", q)
		if status != http.StatusOK || !done.Applied || done.New != want || done.Rerun != p.Rerun || done.State != "submitted" || done.Partitions != nil {
			t.Errorf("time %d: %d %+v %+v", i+1, status, done, e)
		}
	}
	j := f.state.Job(p.Rerun)
	if j == nil || j.Base != v.ID || j.Who != "ann" || fmt.Sprint(j.Again) != "[1300001-1300001 1300003-1999999]" {
		t.Errorf("the job is %+v", j)
	}
	_, s, _ := call[Status](t, h, http.MethodGet, "/v1/jobs/"+string(p.Rerun), nil)
	if s.Base != v.ID || len(s.Again) != 2 {
		t.Errorf("its status: %+v", s)
	}
	changed := spec()
	changed.Rules.T8Faults++
	policy := spec()
	policy.Policy.HoldoutPct++
	away := spec()
	away.Output.Path = "elsewhere"
	for name, c := range map[string]struct {
		q    Rerun
		want int
	}{
		"other rules":    {Rerun{Dataset: "base", Spec: changed.Canonical(), Base: "/srv/base"}, 200},
		"other policy":   {Rerun{Dataset: "base", Spec: policy.Canonical(), Base: "/srv/base"}, 409},
		"another folder": {Rerun{Dataset: "base", Spec: away.Canonical(), Base: "/srv/base"}, 409},
		"nothing":        {Rerun{}, 400}, "both": {Rerun{Dataset: "base", Job: aJob}, 400}, "no dataset": {Rerun{Dataset: "other"}, 404}, "no version": {Rerun{Dataset: "base", Version: "v0001-0000009999"}, 404},
		"bad version": {Rerun{Dataset: "base", Version: "13800130007"}, 400}, "empty city": {Rerun{Dataset: "base", Cities: []uint32{1}}, 404}, "bad segment": {Rerun{Dataset: "base", Segments: []partition.Segment{1}}, 400},
		"a job that is done": {Rerun{Job: aJob}, 409}, "parts of a job": {Rerun{Job: aJob, Cities: []uint32{1}}, 400}, "priority": {Rerun{Dataset: "base", Priority: 10}, 400},
	} {
		if status, _, e := call[Rerunning](t, h, http.MethodPost, "/v1/rerun", c.q); status != c.want || strings.Contains(e.Message, "13800130007") {
			t.Errorf("%s: %d %+v", name, status, e)
		}
	}
}

func TestARerunOfAJobThatFailedIsItsRetry(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.planned(3)
	f.complete(f.grant(0)...)
	f.do(ledger.Fail{Lease: f.grant(1)[0], Reason: "x", Fatal: true})
	h := f.handler()
	_, p, e := call[Rerunning](t, h, http.MethodPost, "/v1/rerun", Rerun{Job: aJob})
	if p.Count != 2 || p.Kept != 1 || p.State != "failed" || p.Applied {
		t.Fatalf("%+v %+v", p, e)
	}
	if _, done, e := call[Rerunning](t, h, http.MethodPost, "/v1/rerun", Rerun{Job: aJob, Apply: true}); !done.Applied || done.State != "running" || done.Rerun != aJob {
		t.Errorf("%+v %+v", done, e)
	}
}

func TestVersionsSayWhichIsCurrent(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	v := f.publish(2)
	_, list, _ := call[Versions](t, f.handler(), http.MethodGet, "/v1/datasets/base/versions", nil)
	if len(list.Versions) != 1 || !list.Versions[0].Current || list.Versions[0].Version != v.ID || list.Versions[0].Month != 202610 || list.Versions[0].Path != "/srv/base/out/month=202610/version="+v.ID || len(list.Versions[0].Digest) != 64 {
		t.Errorf("got %+v", list)
	}
	_, s, _ := call[Status](t, f.handler(), http.MethodGet, at, nil)
	if s.Result == nil || s.Result.Digest != list.Versions[0].Digest || s.Result.Path != list.Versions[0].Path || s.Stage != "publish" || s.ETA != nil {
		t.Errorf("got %+v", s)
	}
	for name, want := range map[string]int{"13800130007": 404, "a%2fb": 404, "other": 200} {
		if status, _, _ := call[Versions](t, f.handler(), http.MethodGet, "/v1/datasets/"+name+"/versions", nil); status != want {
			t.Errorf("%s: %d", name, status)
		}
	}
}

func TestDiffAsksAWorkerAboutTheRightVersions(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	v := f.publish(2)
	h := f.handler()
	var asked wire.CompareRequest
	reply, fails := wire.CompareReply{Figures: []byte(`{"moved":3}`)}, error(nil)
	h.cfg.Compare = func(_ context.Context, r wire.CompareRequest) (wire.CompareReply, error) {
		asked = r
		return reply, fails
	}
	path := "/v1/datasets/base/diff"
	if status, _, e := call[Difference](t, h, http.MethodGet, path, nil); status != http.StatusNotFound {
		t.Errorf("the first version against none: %d %+v", status, e)
	}
	status, d, e := call[Difference](t, h, http.MethodGet, path+"?old=v0001-0000000001", nil)
	if status != http.StatusOK || string(d.Figures) != `{"moved":3}` || asked != (wire.CompareRequest{SpecBase: "/srv/base", Output: "out", Old: "v0001-0000000001", New: v.ID}) {
		t.Errorf("%d %+v %+v: %+v", status, d, e, asked)
	}
	reply = wire.CompareReply{Problem: "other columns"}
	if status, _, e := call[Difference](t, h, http.MethodGet, path+"?old=v0001-0000000001", nil); status != http.StatusInternalServerError || e.Message != "other columns" {
		t.Errorf("%d %+v", status, e)
	}
	fails = bus.ErrNoWorker
	if status, _, e := call[Difference](t, h, http.MethodGet, path+"?old=v0001-0000000001", nil); status != http.StatusServiceUnavailable || e.Code != Unavailable {
		t.Errorf("%d %+v", status, e)
	}
	for _, q := range []string{"?old=x", "?new=x", "?old=13800130007"} {
		if status, _, e := call[Difference](t, h, http.MethodGet, path+q, nil); status < 400 || strings.Contains(e.Message, "13800130007") {
			t.Errorf("%s: %d %+v", q, status, e)
		}
	}
}

func TestGarbageIsCountedMarkedAndSwept(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.publish(2)
	h := f.handler()
	if err := f.out.Put(t.Context(), aJob.StagingPrefix()+"part-00000-00000000000000000001", []byte("old")); err != nil {
		t.Fatal(err)
	}
	path := "/v1/datasets/base/gc"
	status, c, e := call[Collected](t, h, http.MethodPost, path, nil)
	if status != http.StatusOK || c.Files != 1 || c.Bytes != 3 || c.Marked != nil {
		t.Fatalf("%d %+v %+v", status, c, e)
	}
	if status, c, e = call[Collected](t, h, http.MethodPost, path, Collect{Step: "mark"}); status != http.StatusOK || c.Marked == nil || c.Marked.Files != 1 || !c.Marked.Due.After(c.Marked.At) {
		t.Errorf("%d %+v %+v", status, c, e)
	}
	if status, _, e = call[Collected](t, h, http.MethodPost, path, Collect{Step: "sweep"}); status != http.StatusConflict {
		t.Errorf("swept at once: %d %+v", status, e)
	}
	for _, c := range []Collect{{Step: "all"}, {Keep: -1}, {Keep: 1001}} {
		if status, _, e := call[Collected](t, h, http.MethodPost, path, c); status != http.StatusBadRequest {
			t.Errorf("%+v: %d %+v", c, status, e)
		}
	}
}
