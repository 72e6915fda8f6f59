package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"rescore/coordinator/ledger"
	"rescore/coordinator/replica"
	"rescore/partition/job"
)

func scrape(t testing.TB, h *Handler) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	return w.Body.String()
}

func TestMetricsFollowTheLedger(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.planned(3)
	f.progress = replica.Progress{Term: 4, Logged: 12, Committed: 11, Applied: 10, Installed: 2}
	h := f.handler()
	leases := f.grant(0, 1)
	f.do(ledger.Complete{Lease: leases[0], Result: job.Result{Counts: job.Counts{In: rowsOfTask, Scored: rowsOfTask}}})
	has := func(want ...string) {
		t.Helper()
		text := scrape(t, h)
		for _, line := range want {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("no %q in\n%s", line, text)
			}
		}
	}
	id := `dataset="base",job="` + string(aJob) + `",stage="score"`
	has("rescore_coordinator_leads 1", "rescore_raft_term 4", "rescore_raft_logged_index 12", "rescore_raft_committed_index 11", "rescore_raft_applied_index 10",
		"rescore_raft_snapshots_read_total 2", "rescore_raft_leader_silence_seconds 0",
		`rescore_jobs{state="running"} 1`, `rescore_jobs{state="published"} 0`,
		`rescore_job_tasks{`+strings.Replace(id, `"score"`, `"score",state="waiting"`, 1)+`} 1`,
		`rescore_job_tasks{`+strings.Replace(id, `"score"`, `"score",state="leased"`, 1)+`} 1`,
		`rescore_job_tasks{`+strings.Replace(id, `"score"`, `"score",state="done"`, 1)+`} 1`,
		`rescore_job_tasks{`+strings.Replace(id, `"score"`, `"score",state="quarantined"`, 1)+`} 0`,
		`rescore_job_planned_rows{`+id+`} 300`, `rescore_job_done_rows{`+id+`} 100`,
		`rescore_job_paused{dataset="base",job="`+string(aJob)+`"} 0`, `rescore_workers{state="ready"} 1`, "rescore_worker_slots 4", "rescore_worker_tasks 2")

	f.leads = "c2"
	f.progress.Contact = time.Now().Add(-time.Hour)
	has("rescore_coordinator_leads 0")
	text := scrape(t, h)
	if strings.Contains(text, "rescore_workers") || strings.Contains(text, "rescore_raft_leader_silence_seconds 0\n") {
		t.Errorf("a follower says\n%s", text)
	}
	f.do(ledger.Cancel{Job: aJob, Who: "ann", Reason: "wrong month"})
	has(`rescore_jobs{state="cancelled"} 1`, `rescore_jobs{state="running"} 0`)
	if strings.Contains(scrape(t, h), string(aJob)) {
		t.Error("a job that has ended is named for ever")
	}
	families, err := h.cfg.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}
