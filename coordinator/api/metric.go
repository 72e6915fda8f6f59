package api

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
)

// figure is a metric of ours: its name, and what it counts.
func figure(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("rescore_"+name, help, labels, nil)
}

var (
	figureLeads     = figure("coordinator_leads", "1 on the coordinator that leads, as far as it knows, 0 on the others.")
	figureTerm      = figure("raft_term", "Elections so far: one more for each change of the leader, and for each attempt at one.")
	figureLogged    = figure("raft_logged_index", "Index of the last entry in the log.")
	figureCommitted = figure("raft_committed_index", "Index of the last entry that a quorum has.")
	figureApplied   = figure("raft_applied_index", "Index of the last entry in the ledger; behind committed, it is late.")
	figureInstalled = figure("raft_snapshots_read_total", "Snapshots read, at the start or because the log did not reach.")
	figureSilence   = figure("raft_leader_silence_seconds", "Since the leader last spoke to this coordinator; 0 on the leader.")
	figureFailed    = figure("raft_failed", "1 when this coordinator's disk or history failed and its process ends.")
	figureJobs      = figure("jobs", "Jobs in the ledger.", "state")
	figureTasks     = figure("job_tasks", "Tasks of a job that has not ended, by stage.", "job", "dataset", "stage", "state")
	figureRows      = figure("job_rows", "Rows of a job that has not ended: those planned in a stage, and of them those done.", "job", "dataset", "stage", "state")
	figurePaused    = figure("job_paused", "1 when somebody paused the job.", "job", "dataset")
	figureWorkers   = figure("workers", "Workers heard of lately; on the coordinator that leads.", "state")
	figureSlots     = figure("worker_slots", "Tasks that they can do at once, and those they are at.", "state")

	figures = []*prometheus.Desc{
		figureLeads, figureTerm, figureLogged, figureCommitted, figureApplied, figureInstalled, figureSilence, figureFailed,
		figureJobs, figureTasks, figureRows, figurePaused, figureWorkers, figureSlots,
	}
)

// collector reads the figures when they are asked for, from the ledger as this
// coordinator has it: followers answer too, and may be behind. A job is named while it
// has not ended, so that the series do not grow with the history.
type collector struct{ h *Handler }

// Describe implements prometheus.Collector.
func (collector) Describe(to chan<- *prometheus.Desc) {
	for _, f := range figures {
		to <- f
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	set := func(f *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(f, kind, value, labels...)
	}
	gauge := func(f *prometheus.Desc, value float64, labels ...string) {
		set(f, prometheus.GaugeValue, value, labels...)
	}
	cluster := c.h.cfg.Cluster
	leader, ok := cluster.Leader()
	leads := ok && leader == cluster.ID()
	gauge(figureLeads, one(leads))
	p := cluster.Progress()
	gauge(figureTerm, float64(p.Term))
	gauge(figureLogged, float64(p.Logged))
	gauge(figureCommitted, float64(p.Committed))
	gauge(figureApplied, float64(p.Applied))
	set(figureInstalled, prometheus.CounterValue, float64(p.Installed))
	silence := 0.0
	if !leads && !p.Contact.IsZero() {
		silence = max(0, time.Since(p.Contact).Seconds())
	}
	gauge(figureSilence, silence)
	gauge(figureFailed, one(cluster.Err() != nil))
	c.h.cfg.Node.View(func(s *ledger.State) {
		var states [job.Cancelled + 1]int
		for j := range s.Jobs() {
			states[j.State]++
			if j.State >= job.Published { // failed ones too, until they are retried
				continue
			}
			id := string(j.ID)
			gauge(figurePaused, one(j.Paused != nil), id, j.Name)
			for i := range j.Stages {
				stage, t := j.Stages[i].Kind.String(), j.Stages[i].Totals()
				for _, tasks := range []struct {
					state string
					n     int
				}{{"waiting", t.Waiting}, {"leased", t.Leased}, {"done", t.Done}, {"quarantined", t.Failed}} {
					gauge(figureTasks, float64(tasks.n), id, j.Name, stage, tasks.state)
				}
				gauge(figureRows, float64(t.PlannedRows), id, j.Name, stage, "planned")
				gauge(figureRows, float64(t.DoneRows), id, j.Name, stage, "done")
			}
		}
		for state := job.Submitted; state <= job.Cancelled; state++ {
			gauge(figureJobs, float64(states[state]), state.String())
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
	gauge(figureWorkers, float64(at), "ready")
	gauge(figureWorkers, float64(draining), "draining")
	gauge(figureWorkers, float64(unfit), "unfit")
	gauge(figureSlots, float64(slots), "all")
	gauge(figureSlots, float64(tasks), "busy")
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
