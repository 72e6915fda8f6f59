package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"rescore/cmd/internal/boot"
	"rescore/coordinator/api"
	"rescore/coordinator/client"
	"rescore/coordinator/plan"
	"rescore/partition"
	"rescore/partition/job"
)

const (
	clusterJob   = job.ID("202610-0123456789ab")
	clusterToken = "0123456789abcdef"
)

// office answers for a cluster with what it is told to.
type office struct {
	t       *testing.T
	answers map[string]any // by method and path
	dir     string

	mu    sync.Mutex
	heard []string // requests as they came
}

func (o *office) asked() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.heard
}

// newOffice returns an office and the arguments that lead to it.
func newOffice(t *testing.T, answers map[string]any) (*office, []string) {
	t.Helper()
	o := &office{t: t, answers: answers, dir: folder(t)}
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	host, text, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(o.dir, "token")
	if err := os.WriteFile(file, []byte(clusterToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return o, []string{"--coordinators", net.JoinHostPort(host, strconv.Itoa(port-client.APIPort)), "--token-file", file, "--patience", "1ms"}
}

func (o *office) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := new(strings.Builder)
	_ = r.Write(body) // what came, for the test to look at
	o.mu.Lock()
	o.heard = append(o.heard, body.String())
	o.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+clusterToken {
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(api.Error{Code: api.Denied, Message: "no", Hint: "token"})
		return
	}
	v, ok := o.answers[r.Method+" "+r.URL.Path]
	switch e, refused := v.(api.Error); {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		v = api.Error{Code: api.NotFound, Message: "there is nothing under " + r.URL.Path}
	case refused:
		w.WriteHeader(http.StatusConflict)
		v = e
	}
	data, err := json.Marshal(v)
	if err != nil {
		o.t.Error(err)
	}
	if strings.HasSuffix(r.URL.Path, "/events") {
		_, _ = fmt.Fprintf(w, "event: status\ndata: %s\n\n", data)
		return
	}
	_, _ = w.Write(data)
}

// statusIn is a job in a state, with something in every part of it.
func statusIn(state string) api.Status {
	eta := 12.0
	s := api.Status{
		Job:   api.Job{Job: clusterJob, Dataset: "base", State: state, Priority: 5, Stage: "score", Tasks: 10, Done: 6, Running: 2, Quarantine: 1, Rows: 1000, RowsDone: 600, Submitter: "ann", Base: "v0001-0000000042"},
		Month: 202610, MissingMonths: []int32{202608, 202606}, Stages: []api.Stage{{Stage: "score", Planned: true, Tasks: 10, Waiting: 1, Leased: 2, Done: 6, Quarantined: 1, Rows: 1000, RowsDone: 600}},
		Counts: job.Counts{In: 600, Scored: 590, Rejected: 10}, RowsPerSecond: 50, ETA: &eta, Workers: []api.AtWork{{Worker: "w1", Tasks: 2}}, Unfit: []api.Unfit{{Worker: "w2", Reason: "no such mount"}},
		Quarantined: []api.Task{{Stage: "score", Task: 7, Range: "1380013-1380096", Rows: 100, State: "quarantined", Worker: "w1", Attempts: 3, Failures: 3, Reason: "page is damaged"}},
		Incidents:   []api.Incident{{Stage: "score", Task: 3, Winner: 8, Loser: 9, What: "rows"}},
		Held:        &api.Refusal{Reason: "rejects 2 % above 1 %"}, Failure: "1 partition is quarantined", FailIndex: 77,
	}
	if state == "published" {
		s.Result = &api.Result{Version: "v0001-0000000099", Path: "/srv/out/v", Digest: "d1ge57"}
	}
	return s
}

func everything() map[string]any {
	at := "/v1/jobs/" + string(clusterJob)
	line := statusIn("running").Job
	wall := 3.0
	answers := map[string]any{
		"POST /v1/jobs": api.Submitted{Job: clusterJob, State: "submitted", New: true}, "GET /v1/jobs": api.Jobs{Jobs: []api.Job{line}},
		"GET " + at: statusIn("running"), "GET " + at + "/events": statusIn("published"),
		"GET /v1/workers":                   api.Workers{Workers: []api.Worker{{Worker: "w1", Slots: 4, Draining: true, Unfit: []api.Unfit{{Job: clusterJob}}}}},
		"POST /v1/workers/w1/drain":         api.Drained{Worker: "w1", Draining: true},
		"GET /v1/members":                   api.Members{Members: []api.Member{{ID: "c1", Address: "h1:7300", Voter: true, Leader: true}, {ID: "c2", Address: "h2:7300"}}},
		"POST /v1/members":                  api.Members{Members: []api.Member{{ID: "c4", Address: "h4:7300"}}},
		"POST /v1/members/c4/promote":       api.Members{Members: []api.Member{{ID: "c4", Address: "h4:7300", Voter: true}}},
		"DELETE /v1/members/c1":             api.Members{Members: []api.Member{{ID: "c4"}}},
		"POST /v1/rerun":                    api.Rerunning{Preview: plan.Preview{Dataset: "base", Base: "v0001-0000000042", Rows: 100, Kept: 9, Partitions: []plan.Part{{Range: partition.Range{First: partition.Segment(1380013).First(), Past: partition.Segment(1380013).Past()}, Rows: 100}}}, Count: 1, Slots: 4, WallSeconds: &wall, Rerun: clusterJob},
		"GET /v1/datasets/base/versions":    api.Versions{Dataset: "base", Versions: []api.Version{{Version: "v0001-0000000042", Current: true}}, Rollbacks: []api.Rolling{{Version: "v0001-0000000042", Who: "ann", Reason: "worse"}}},
		"POST /v1/datasets/base/rollback":   api.Pointed{Dataset: "base", Version: "v0001-0000000042"},
		"POST /v1/datasets/base/gc":         api.Collected{Dataset: "base", Files: 3, Bytes: 99, Marked: &api.Mark{Files: 3}},
		"GET /v1/datasets/base/diff":        api.Difference{Dataset: "base", Figures: json.RawMessage(`{"psi":0.2,"psi_reading":"noticeable","columns":[{"column":"risk_band","labels":["1","2"],"rows":[[1,2],[3,4]],"moved":5}],"largest":[{"old":{"propensity":0.1},"new":{"propensity":0.9,"reasons":["fee_drop"]}}]}`)},
		"GET /v1/datasets/nothing/versions": api.Versions{Dataset: "nothing"},
		"POST /v1/restore":                  api.Restored{Cluster: "cluster-x", Jobs: 2, Retry: []string{string(clusterJob)}},
	}
	for _, verb := range []string{"cancel", "pause", "resume", "retry", "release"} {
		answers["POST "+at+"/"+verb] = api.Changed{Job: clusterJob, State: "running", Paused: verb == "pause"}
	}
	return answers
}

func TestEveryVerbOfAClusterHasItsExitCodesAndBothForms(t *testing.T) {
	t.Parallel()
	o, to := newOffice(t, everything())
	file, backup := filepath.Join(o.dir, "job.yaml"), filepath.Join(o.dir, "b.backup")
	if err := os.WriteFile(backup, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	id := string(clusterJob)
	for _, c := range []struct {
		want int
		args string
		says string // in the text form
	}{
		{boot.OK, "submit " + file, "rescore watch " + id}, {boot.OK, "submit " + file + " --watch --priority 9 --set run.partition_rows=7", "d1ge57"}, {boot.Usage, "submit", ""}, {boot.NotFound, "submit gone.yaml", ""}, {boot.Usage, "submit " + filepath.Join(o.dir, "bad.yaml"), ""}, {boot.Usage, "submit " + file + " --priority 10", ""},
		{boot.OK, "jobs", "6/10"}, {boot.Usage, "jobs x", ""},
		{boot.OK, "status " + id, "page is damaged"}, {boot.OK, "status " + id, "unfit: w2: no such mount"}, {boot.OK, "status " + id, "month 202608 has no files: it is read as missing\n  month 202606 has no files"}, {boot.OK, "status " + id, "INCIDENT: two attempts at score task 3"}, {boot.OK, "status " + id + " --tasks --state quarantined", "1380013-1380096"}, {boot.NotFound, "status 202610-000000000000", ""}, {boot.Usage, "status", ""},
		{boot.OK, "watch " + id, "published"}, {boot.Usage, "watch", ""},
		{boot.OK, "cancel " + id + " --reason wrong", "cancelled"}, {boot.OK, "pause " + id, "running, paused"}, {boot.OK, "resume " + id, "goes on"}, {boot.OK, "retry " + id, "is retried"}, {boot.OK, "publish " + id + " --reason tests", "released"}, {boot.Usage, "cancel", ""}, {boot.NotFound, "retry 202610-000000000000", ""},
		{boot.OK, "rerun base --segment 1380013 --partitions", "nothing was done"}, {boot.OK, "rerun base --range 1380013-1380096 --city 571 --with " + file, "about 3s with the 4 slots"}, {boot.OK, "rerun --failed " + id, ""}, {boot.Usage, "rerun", ""}, {boot.Usage, "rerun base --failed " + id, ""}, {boot.Usage, "rerun base --range 13800130007", ""},
		{boot.OK, "rollback base v0001-0000000042 --reason worse", "is the current one"}, {boot.Usage, "rollback base", ""},
		{boot.OK, "gc base", "3 files, 99 bytes"}, {boot.OK, "gc base --mark --keep 4", "--sweep deletes them"}, {boot.OK, "gc base --sweep", "deleted"},
		{boot.OK, "versions --dataset base", "rolled back to v0001-0000000042 by ann: worse"}, {boot.Usage, "versions --dataset base " + file, ""},
		{boot.OK, "diff --dataset base", "risk_band: 5 rows moved"}, {boot.OK, "diff v0001-0000000041 v0001-0000000042 --dataset base", "fee_drop"}, {boot.Usage, "diff", ""}, {boot.Usage, "diff --dataset base --path out", ""}, {boot.NotFound, "diff --path " + filepath.Join(o.dir, "gone"), ""},
		{boot.OK, "workers", "draining, unfit for " + string(clusterJob)}, {boot.OK, "drain w1", "leaves"}, {boot.NotFound, "drain w9", ""},
		{boot.OK, "members", "leads"}, {boot.OK, "members add c4 h4:7300", "learner"}, {boot.OK, "members promote c4", "voter"}, {boot.OK, "members remove c1 --force", "c4"}, {boot.Usage, "members add c4", ""}, {boot.NotFound, "members remove c9", ""},
		{boot.OK, "restore " + backup + " --force", "rescore retry " + id}, {boot.NotFound, "restore gone.backup", ""}, {boot.Failure, "restore " + file, ""},
		{boot.NotFound, "backup " + filepath.Join(o.dir, "new.backup"), ""}, {boot.Conflict, "backup " + backup, ""},
	} {
		for _, form := range []string{"text", "json"} {
			args := append(strings.Fields(c.args), "--output", form, "-q")
			got := call(t, good(), nil, append(args, to...)...)
			if got.code != c.want || (got.code == boot.OK) != (got.out != "") || (got.code != boot.OK) != (got.errors != "") {
				t.Errorf("%s (%s): exit code %d, want %d\n%s%s", c.args, form, got.code, c.want, got.out, got.errors)
			}
			if form == "text" && !strings.Contains(got.out, c.says) {
				t.Errorf("%s leaves out %q:\n%s", c.args, c.says, got.out)
			}
			if form == "json" && !json.Valid([]byte(got.out+got.errors)) {
				t.Errorf("%s: no JSON: %s%s", c.args, got.out, got.errors)
			}
			if strings.Contains(got.out+got.errors, clusterToken) {
				t.Errorf("%s shows the token", c.args)
			}
		}
	}
	if matches, _ := filepath.Glob(filepath.Join(o.dir, "*.part")); len(matches) > 0 {
		t.Errorf("left behind: %v", matches)
	}
}

func TestARerunIsDoneOnlyWhenYesIsSaid(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]string{"": `"apply":false`, " --yes": `"apply":true`} {
		o, to := newOffice(t, everything())
		got := call(t, good(), nil, append(strings.Fields("rerun base --segment 1380013"+flag), to...)...)
		if got.code != boot.OK || len(o.asked()) != 1 || !strings.Contains(o.asked()[0], want) || !strings.Contains(o.asked()[0], `"segments":[1380013]`) {
			t.Errorf("%q: %+v %v", flag, got, o.asked())
		}
	}
}

func TestARetryNamesTheFailureThatWasSeen(t *testing.T) {
	t.Parallel()
	o, to := newOffice(t, everything())
	got := call(t, good(), nil, append([]string{"retry", string(clusterJob)}, to...)...)
	if got.code != boot.OK || len(o.asked()) != 2 || !strings.Contains(o.asked()[1], `{"fail_index":77}`) {
		t.Errorf("%+v %v", got, o.asked())
	}
}

func TestWatchEndsWithTheCodeOfTheJobsEnd(t *testing.T) {
	t.Parallel()
	for state, c := range map[string]struct {
		code int
		says string
	}{
		"published": {boot.OK, ""}, "held": {boot.Held, "rescore publish " + string(clusterJob)}, "failed": {boot.Failure, "rescore retry " + string(clusterJob)}, "cancelled": {boot.Failure, "rescore retry"},
	} {
		answers := everything()
		answers["GET /v1/jobs/"+string(clusterJob)+"/events"] = statusIn(state)
		_, to := newOffice(t, answers)
		for _, args := range [][]string{{"watch", string(clusterJob)}, {"submit", "-", "--watch"}} {
			got := callIn(t.Context(), good(), nil, jobText, append(args, to...)...)
			if got.code != c.code || !strings.Contains(got.errors, c.says) {
				t.Errorf("%s, %s: %+v", args[0], state, got)
			}
		}
	}
}

func TestWhoCannotSpeakToAClusterIsToldWhy(t *testing.T) {
	t.Parallel()
	o, to := newOffice(t, everything())
	where, file := to[1], to[3]
	open, short, wrong := filepath.Join(o.dir, "open"), filepath.Join(o.dir, "short"), filepath.Join(o.dir, "wrong")
	for name, mode := range map[string]os.FileMode{open: 0o644, short: 0o600, wrong: 0o600} {
		text := "another-token-0123"
		if name == short {
			text = "x"
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		want    int
		args    string
		environ []string
	}{
		{boot.Usage, "jobs", nil}, {boot.Usage, "jobs --coordinators " + where, nil}, {boot.Usage, "jobs --token-file " + file, nil},
		{boot.OK, "jobs", []string{"RESCORE_COORDINATORS=" + where, "RESCORE_TOKEN_FILE=" + file}},
		{boot.Usage, "jobs --coordinators h1 --token-file " + file, nil}, {boot.NotFound, "jobs --coordinators " + where + " --token-file " + file + "x", nil},
		{boot.Usage, "jobs --coordinators " + where + " --token-file " + open, nil}, {boot.Usage, "jobs --coordinators " + where + " --token-file " + short, nil},
		{boot.Denied, "jobs --coordinators " + where + " --token-file " + wrong, nil},
		{boot.Usage, "jobs --coordinators 192.0.2.1:7300 --token-file " + file, nil}, // without TLS, and not this machine
		{boot.Unavailable, "jobs --coordinators 127.0.0.1:1 --patience 1ms --token-file " + file, nil},
		{boot.Usage, "jobs --tls-cert x --coordinators " + where + " --token-file " + file, nil}, {boot.NotFound, "jobs --tls-ca " + file + "x --coordinators " + where + " --token-file " + file, nil},
		{boot.Usage, "jobs --tls-ca " + file + " --coordinators " + where + " --token-file " + file, nil},
	} {
		got := call(t, good(), c.environ, strings.Fields(c.args)...)
		if got.code != c.want {
			t.Errorf("%s: exit code %d, want %d: %s", c.args, got.code, c.want, got.errors)
		}
	}
}

func TestErrorsOfTheAPIAreTheCommandLines(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]int{api.Failure: boot.Failure, api.Usage: boot.Usage, api.NotFound: boot.NotFound, api.Held: boot.Held, api.Conflict: boot.Conflict, api.Denied: boot.Denied, api.Unavailable: boot.Unavailable} {
		if code != want || api.Kind(code) != boot.Kind(want) {
			t.Errorf("code %d is %s there and %d, %s here", code, api.Kind(code), want, boot.Kind(want))
		}
	}
	answers := everything()
	answers["POST /v1/jobs"] = api.Error{Code: api.Usage, Message: "bad", Problems: []job.Problem{{Path: "month", Message: "no month", Remedy: "write one"}}}
	o, to := newOffice(t, answers)
	got := call(t, good(), nil, append([]string{"submit", filepath.Join(o.dir, "job.yaml")}, to...)...)
	if got.code != boot.Usage || !strings.Contains(got.errors, "month") || !strings.Contains(got.errors, "write one") {
		t.Errorf("%+v", got)
	}
}
