package api

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
)

// metric is one of ours: its name, and what it counts.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("rescore_"+name, help, labels, nil)
}

var (
	metricLeads     = metric("coordinator_leads", "1 on the coordinator that leads, as far as it knows, 0 on the others.")
	metricTerm      = metric("raft_term", "Elections so far: one more for each change of the leader, and for each attempt at one.")
	metricLogged    = metric("raft_logged_index", "Index of the last entry in the log.")
	metricCommitted = metric("raft_committed_index", "Index of the last entry that a quorum has.")
	metricApplied   = metric("raft_applied_index", "Index of the last entry in the ledger; behind committed, it is late.")
	metricInstalled = metric("raft_snapshots_read_total", "Snapshots read, at the start or because the log did not reach.")
	metricSilence   = metric("raft_leader_silence_seconds", "Since the leader last spoke to this coordinator; 0 on the leader.")
	metricJobs      = metric("jobs", "Jobs in the ledger.", "state")
	metricTasks     = metric("job_tasks", "Tasks of a job that has not ended, by stage.", "job", "dataset", "stage", "state")
	metricPlanned   = metric("job_planned_rows", "Rows of a job that has not ended, planned in a stage.", "job", "dataset", "stage")
	metricDone      = metric("job_done_rows", "Of them those done.", "job", "dataset", "stage")
	metricPaused    = metric("job_paused", "1 when somebody paused the job.", "job", "dataset")
	metricWorkers   = metric("workers", "Workers heard of lately; on the coordinator that leads.", "state")
	metricSlots     = metric("worker_slots", "Tasks that they can do at once.")
	metricBusy      = metric("worker_tasks", "Tasks that they are at, by their last heartbeats.")

	allMetrics = []*prometheus.Desc{
		metricLeads, metricTerm, metricLogged, metricCommitted, metricApplied, metricInstalled, metricSilence,
		metricJobs, metricTasks, metricPlanned, metricDone, metricPaused, metricWorkers, metricSlots, metricBusy,
	}
)

// collector reads the metrics when they are asked for, from the ledger as this
// coordinator has it: followers answer too, and may be behind. A job is named while it
// has not ended, so that the series do not grow with the history.
type collector struct{ h *Handler }

// Describe implements prometheus.Collector.
func (collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range allMetrics {
		to <- m
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	set := func(m *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(m, kind, value, labels...)
	}
	gauge := func(m *prometheus.Desc, value float64, labels ...string) {
		set(m, prometheus.GaugeValue, value, labels...)
	}
	cluster := c.h.cfg.Cluster
	leader, ok := cluster.Leader()
	leads := ok && leader == cluster.ID()
	gauge(metricLeads, one(leads))
	p := cluster.Progress()
	gauge(metricTerm, float64(p.Term))
	gauge(metricLogged, float64(p.Logged))
	gauge(metricCommitted, float64(p.Committed))
	gauge(metricApplied, float64(p.Applied))
	set(metricInstalled, prometheus.CounterValue, float64(p.Installed))
	silence := 0.0
	if !leads && !p.Contact.IsZero() {
		silence = max(0, time.Since(p.Contact).Seconds())
	}
	gauge(metricSilence, silence)
	c.h.cfg.Node.View(func(s *ledger.State) {
		var states [job.Cancelled + 1]int
		for j := range s.Jobs() {
			states[j.State]++
			if j.State.Over() {
				continue
			}
			id := string(j.ID)
			gauge(metricPaused, one(j.Paused != nil), id, j.Name)
			for i := range j.Stages {
				stage, t := j.Stages[i].Kind.String(), j.Stages[i].Totals()
				for _, tasks := range []struct {
					state string
					n     int
				}{{"waiting", t.Waiting}, {"leased", t.Leased}, {"done", t.Done}, {"quarantined", t.Failed}} {
					gauge(metricTasks, float64(tasks.n), id, j.Name, stage, tasks.state)
				}
				gauge(metricPlanned, float64(t.PlannedRows), id, j.Name, stage)
				gauge(metricDone, float64(t.DoneRows), id, j.Name, stage)
			}
		}
		for state := job.Submitted; state <= job.Cancelled; state++ {
			gauge(metricJobs, float64(states[state]), state.String())
		}
	})
	if !leads {
		return
	}
	var at, draining, unfit, slots, tasks int
	for _, w := range c.h.cfg.Node.Workers() {
		switch {
		case w.Draining:
			draining++
		case len(w.Unfit) > 0:
			unfit++
		default:
			at++
		}
		slots, tasks = slots+w.Slots, tasks+w.Tasks
	}
	gauge(metricWorkers, float64(at), "ready")
	gauge(metricWorkers, float64(draining), "draining")
	gauge(metricWorkers, float64(unfit), "unfit")
	gauge(metricSlots, float64(slots))
	gauge(metricBusy, float64(tasks))
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// metrics answers in Prometheus' text format, with what else the registry holds.
func (h *Handler) metrics(w http.ResponseWriter, r *http.Request) {
	promhttp.HandlerFor(h.cfg.Metrics, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).ServeHTTP(w, r)
}
