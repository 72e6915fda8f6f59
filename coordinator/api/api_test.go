package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
	"rescore/partition/wire"
)

// path is a route's, with names filled in.
func path(pattern string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	return method, strings.NewReplacer("{id}", string(aJob), "{name}", "base", "{worker}", aWorker, "{member}", "c2").Replace(path)
}

func TestNoHandlerWithoutAToken(t *testing.T) {
	if h, err := New(Config{}); h != nil || !errors.Is(err, ErrNoToken) {
		t.Errorf("%v, want ErrNoToken", err)
	}
}

func TestEveryRouteWantsTheToken(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.planned(3)
	h := f.handler()
	before := f.state.Index()
	for _, pattern := range Routes() {
		method, path := path(pattern)
		if path == "/healthz" || path == "/readyz" {
			continue // health says nothing of any job
		}
		for name, header := range map[string]string{
			"none": "", "wrong": "Bearer 0123456789abcdeg", "short": "Bearer 0123456789abcde", "long": "Bearer " + token + "0",
			"empty": "Bearer ", "bare": token, "basic": "Basic " + token,
		} {
			r := httptest.NewRequest(method, path, strings.NewReader(`{"reason":"x"}`))
			r.Header.Set(User, "ann")
			if header != "" {
				r.Header.Set("Authorization", header)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `"kind":"denied"`) || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s with token %s: %d %s", pattern, name, w.Code, w.Body)
			}
		}
	}
	if f.state.Index() != before {
		t.Error("a request without the token changed the ledger")
	}
}

func TestUnknownPathsAreNotFoundAndKnownOnesKeepToTheirMethods(t *testing.T) {
	t.Parallel()
	h := newFake(t).handler()
	for _, path := range []string{"/", "/v1/", "/v1", "/v1/job", "/v1/jobs/", "/v1/jobs/202610-0123456789ab/nothing", "/debug/pprof/", "/metrics/x", "/v2/jobs"} {
		if status, _, e := call[any](t, h, http.MethodGet, path, nil); status != http.StatusNotFound || e.Kind != "not_found" {
			t.Errorf("%s: %d %+v", path, status, e)
		}
	}
	takes := map[string]string{}
	for _, pattern := range Routes() {
		method, path := path(pattern)
		takes[path] += method + " "
	}
	for path, methods := range takes {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"} {
			if strings.Contains(methods, method) {
				continue
			}
			if status, _, e := call[any](t, h, method, path, nil); status != http.StatusMethodNotAllowed || e.Code != Usage {
				t.Errorf("%s %s: %d %+v", method, path, status, e)
			}
		}
	}
}

func TestTheSameJobAgainIsAnsweredWithWhatIsThere(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := f.handler()
	for i, want := range []bool{true, false} {
		status, got, e := call[Submitted](t, h, http.MethodPost, "/v1/jobs", submission())
		if status != http.StatusOK || got != (Submitted{Job: aJob, State: "submitted", New: want}) {
			t.Fatalf("time %d: %d %+v %+v", i+1, status, got, e)
		}
	}
	elsewhere, x := submission(), spec()
	x.Output.Path = "/srv/base/out"
	elsewhere.Base, elsewhere.Spec = "/srv/other", x.Canonical()
	if status, _, e := call[Submitted](t, h, http.MethodPost, "/v1/jobs", elsewhere); status != http.StatusConflict || e.Code != Conflict {
		t.Errorf("from another folder: %d %+v", status, e)
	}
	elsewhere.Spec = submission().Spec
	if status, _, e := call[Submitted](t, h, http.MethodPost, "/v1/jobs", elsewhere); status != http.StatusConflict || !strings.Contains(e.Message, "/srv/base/out") {
		t.Errorf("to another folder: %d %+v", status, e)
	}
	status, list, _ := call[Jobs](t, h, http.MethodGet, "/v1/jobs", nil)
	if status != http.StatusOK || len(list.Jobs) != 1 || list.Jobs[0].Job != aJob || list.Jobs[0].Dataset != "base" {
		t.Errorf("%d %+v", status, list)
	}
}

func TestSubmitSaysWhatIsWrongAndPutsNothingIntoTheLedger(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.check = func(r wire.CheckRequest) (wire.CheckReply, error) {
		if r.SpecBase != "/srv/base" || len(r.Spec) == 0 {
			t.Errorf("a worker was asked about %+v", r)
		}
		return wire.CheckReply{Problem: "open input.path: no such folder"}, nil
	}
	h := f.handler()
	for name, c := range map[string]struct {
		change func(*Submission)
		status int
		code   int
		says   string
	}{
		"no spec":       {func(s *Submission) { s.Spec = []byte(`null`) }, 400, Usage, ""},
		"unknown field": {func(s *Submission) { s.Spec = []byte(`{"nothing":1}`) }, 400, Usage, ""},
		"invalid spec":  {func(s *Submission) { x := spec(); x.Month = 13; s.Spec = x.Canonical() }, 400, Usage, "month"},
		"relative base": {func(s *Submission) { s.Base = "here" }, 400, Usage, "absolute"},
		"no attempts":   {func(s *Submission) { s.MaxAttempts = 0 }, 400, Usage, "attempts"},
		"priority":      {func(s *Submission) { s.Priority = 10 }, 400, Usage, "priority"},
		"rows":          {func(s *Submission) { s.PartitionRows = -1 }, 400, Usage, "rows"},
		"the worker":    {func(*Submission) {}, 500, Failure, "no such folder"},
	} {
		s := submission()
		c.change(&s)
		status, _, e := call[Submitted](t, h, http.MethodPost, "/v1/jobs", s)
		if status != c.status || e.Code != c.code || !strings.Contains(e.Message, c.says) {
			t.Errorf("%s: %d %+v", name, status, e)
		}
	}
	if f.state.Index() != 0 {
		t.Error("the ledger has something")
	}
}

func TestStatusHasEverySumAndNamesWhoIsAtWork(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.planned(5)
	leases := f.grant(0, 1, 2)
	f.complete(leases[0])
	status, s, e := call[Status](t, f.handler(), http.MethodGet, "/v1/jobs/"+string(aJob), nil)
	if status != http.StatusOK {
		t.Fatal(status, e)
	}
	st := s.Stages[0]
	if s.State != "running" || s.Month != 202610 || len(s.Stages) != 1 || st.Tasks != 5 || st.Waiting != 2 || st.Leased != 2 || st.Done != 1 || st.Quarantined != 0 || st.Rows != 500 || st.RowsDone != 100 || st.Seconds != 2 {
		t.Errorf("got %+v", s)
	}
	if s.RowsInFlight != 7 || s.RowsPerSecond != 100 || s.ETA == nil || *s.ETA != 3.93 {
		t.Errorf("an estimate of %v rows/s, %v", s.RowsPerSecond, s.ETA)
	}
	if len(s.Workers) != 1 || s.Workers[0] != (AtWork{aWorker, 2}) {
		t.Errorf("at work: %+v", s.Workers)
	}
	if len(s.Unfit) != 1 || s.Unfit[0] != (Unfit{"another", aJob, "no such mount"}) {
		t.Errorf("unfit: %+v", s.Unfit)
	}
	if s.Counts != (job.Counts{In: 100, Scored: 100}) || s.Page != nil {
		t.Errorf("got %+v", s)
	}
}

func TestStatusNamesTheMonthsWithoutFiles(t *testing.T) {
	t.Parallel()
	const rows = 2 * rowsOfTask
	for what, c := range map[string]struct {
		layout string
		back   []int // of each file
		before string
		want   string
	}{
		"two gaps":    {"months", []int{0, 1, 3, 5}, "null", "[202608,202606]"},
		"every month": {"months", []int{0, 1, 2, 3, 4, 5}, "null", "[]"},
		"columns":     {"wide", []int{0}, "[]", "[]"},
		"a table":     {"months", []int{0, 1, 2, 3, 4, 6}, "null", "[202605]"},
	} {
		f := newFake(t)
		h := f.handler()
		says := func(when, want string) {
			t.Helper()
			status, s, e := call[map[string]json.RawMessage](t, h, http.MethodGet, "/v1/jobs/"+string(aJob), nil)
			if got := string(s["missing_months"]); status != http.StatusOK || got != want {
				t.Errorf("%s, %s: missing_months is %s, want %s; %d %v", what, when, got, want, status, e)
			}
		}
		s := spec()
		s.Input.Layout, s.Input.MissingMonths = c.layout, "null"
		if c.layout == "months" {
			s.Input.Path = "in/{month}"
		}
		f.submitted(s)
		says("submitted", c.before)
		var files []job.InputFile
		for _, k := range c.back {
			file := job.InputFile{Path: fmt.Sprint(k), Month: k, SHA256: "x"}
			if k == 0 {
				file.Rows = rows
			}
			files = append(files, file)
		}
		whole := plansOf(t, rows/rowsOfTask, files...)[0]
		half := whole // as long as there is a chunk to come, so may files be
		half.Files, half.Last = whole.Files[:1], false
		f.do(half)
		says("half planned", c.before)
		f.do(whole)
		says("planned", c.want)
	}
}

func TestTasksComeInPages(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.planned(25)
	f.grant(3, 7, 21)
	h := f.handler()
	seen, from := 0, 0
	for {
		_, s, e := call[Status](t, h, http.MethodGet, "/v1/jobs/"+string(aJob)+"?tasks=1&limit=10&from="+strconv.Itoa(from), nil)
		if s.Page == nil {
			t.Fatal(e)
		}
		for _, k := range s.Page.Tasks {
			if k.Task != seen || !strings.Contains(k.Range, "-") || k.Rows != rowsOfTask {
				t.Errorf("task %d is %+v", seen, k)
			}
			seen++
		}
		if from = s.Page.Next; from == 0 {
			break
		}
	}
	if seen != 25 {
		t.Errorf("%d tasks were listed", seen)
	}
	_, s, _ := call[Status](t, h, http.MethodGet, "/v1/jobs/"+string(aJob)+"?tasks=1&state=leased&stage=score", nil)
	if len(s.Page.Tasks) != 3 || s.Page.Tasks[2].Task != 21 || s.Page.Tasks[2].Worker != aWorker || s.Page.Next != 0 {
		t.Errorf("leased: %+v", s.Page)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "from=-1", "state=gone", "stage=none"} {
		if status, _, e := call[Status](t, h, http.MethodGet, "/v1/jobs/"+string(aJob)+"?tasks=1&"+query, nil); status != http.StatusBadRequest {
			t.Errorf("%s: %d %+v", query, status, e)
		}
	}
}

func TestAHeldJobIsReleasedWithWhoAndWhy(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.planned(1)
	f.complete(f.grant(0)...)
	f.do(ledger.Hold{Job: aJob, Reason: "rejects 2 %", Figures: []ledger.Figure{{Gate: "rejects", Value: 0.02, Limit: 0.01}}})
	h := f.handler()
	_, s, _ := call[Status](t, h, http.MethodGet, "/v1/jobs/"+string(aJob), nil)
	if s.State != "held" || s.Held == nil || len(s.Held.Figures) != 1 || s.Held.Figures[0] != (Figure{"rejects", 0.02, 0.01}) {
		t.Errorf("got %+v", s)
	}
	for _, reason := range []string{"", "  ", "13800130007 asked", strings.Repeat("x", reasonMax+1)} {
		if status, _, e := call[Changed](t, h, http.MethodPost, "/v1/jobs/"+string(aJob)+"/release", Change{Reason: reason}); status != http.StatusBadRequest || strings.Contains(e.Message, "13800130007") {
			t.Errorf("reason %q: %d %+v", reason, status, e)
		}
	}
	status, c, e := call[Changed](t, h, http.MethodPost, "/v1/jobs/"+string(aJob)+"/release", Change{Reason: "test numbers"})
	if status != http.StatusOK || c.State != "running" {
		t.Errorf("%d %+v %+v", status, c, e)
	}
	_, s, _ = call[Status](t, h, http.MethodGet, "/v1/jobs/"+string(aJob), nil)
	if s.Released == nil || *s.Released != (Note{"ann", "test numbers"}) {
		t.Errorf("got %+v", s.Released)
	}
}

func TestAPathThatNamesNoJobIsNotRepeated(t *testing.T) {
	t.Parallel()
	h := newFake(t).handler()
	for _, id := range []string{"13800130007", "x", "202610-0123456789AB", "202610-0123456789ab0"} {
		status, _, e := call[Status](t, h, http.MethodGet, "/v1/jobs/"+id, nil)
		if status != http.StatusNotFound || strings.Contains(e.Message, "13800130007") {
			t.Errorf("%s: %d %+v", id, status, e)
		}
	}
	if status, _, e := call[Status](t, h, http.MethodGet, "/v1/jobs/"+string(aJob), nil); status != http.StatusNotFound || !strings.Contains(e.Message, string(aJob)) {
		t.Errorf("a job that is not there: %d %+v", status, e)
	}
}
