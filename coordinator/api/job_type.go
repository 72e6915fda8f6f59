package api

import (
	"encoding/json"

	"rescore/partition/job"
)

// Submission is a job to be done.
type Submission struct {
	Spec json.RawMessage `json:"spec"` // canonical, as job.Spec.Canonical has it
	// Base is the absolute folder that the spec's relative paths resolve against. The
	// coordinators and the workers must have it too.
	Base          string `json:"base"`
	MaxAttempts   int    `json:"max_attempts"`   // of one partition, at least 1
	PartitionRows int64  `json:"partition_rows"` // 0 = as the coordinators are configured
	Priority      int    `json:"priority"`       // 1 to 9; 0 = 5. Each step doubles a job's share of the workers
}

// Submitted answers a Submission: the same one again is the same job.
type Submitted struct {
	Job   job.ID `json:"job"`
	State string `json:"state"`
	New   bool   `json:"new"` // false: it was there
}

// Job is one line of the list of jobs.
type Job struct {
	Job        job.ID `json:"job"`
	Dataset    string `json:"dataset"`
	State      string `json:"state"` // submitted, running, held, sealed, published, failed, cancelled
	Paused     bool   `json:"paused"`
	Priority   int    `json:"priority"` // 1 to 9
	Stage      string `json:"stage"`    // that is worked on: survey, score, select, publish
	Tasks      int    `json:"tasks"`    // of that stage; 0 until it is planned
	Done       int    `json:"done"`
	Running    int    `json:"running"`
	Quarantine int    `json:"quarantined"` // tasks out of attempts
	Rows       int64  `json:"rows"`        // of the scoring month, in all tasks of that stage
	RowsDone   int64  `json:"rows_done"`   // of the tasks that are done
	Submitter  string `json:"submitted_by"`
	Version    string `json:"version"` // "" until it is sealed
	Base       string `json:"base"`    // version that a rerun stands on; "" = none
}

// Jobs is the list of jobs, oldest first.
type Jobs struct {
	Jobs  []Job  `json:"jobs"`
	Index uint64 `json:"index"` // of the ledger
}

// Status is where a job stands.
type Status struct {
	Job
	Month int32 `json:"month"` // yyyymm
	// MissingMonths are months of the window (yyyymm, the last first) without files,
	// read as missing. Empty when there are none, as always when months are columns;
	// null until the input was surveyed, and of a spec of another release.
	MissingMonths []int32 `json:"missing_months"`

	Stages []Stage    `json:"stages"`
	Counts job.Counts `json:"counts"` // rows that came and went, of the tasks that are done
	// RowsInFlight are rows that workers have read of tasks that are not done, by their
	// last heartbeats.
	RowsInFlight int64 `json:"rows_in_flight"`
	// RowsPerSecond is what the tasks at work get through, judged by the done tasks of
	// the stage; 0 while there is nothing to judge by.
	RowsPerSecond float64  `json:"rows_per_second"`
	ETA           *float64 `json:"eta_seconds"` // of the stage; null while there is nothing to judge by
	Workers       []AtWork `json:"workers"`     // most tasks first

	Unfit       []Unfit    `json:"unfit,omitempty"`      // workers that are given none of it
	Again       []string   `json:"again,omitempty"`      // ranges that a rerun scores again; none with a base is everything
	Quarantined []Task     `json:"quarantine,omitempty"` // the first 100 of them
	Incidents   []Incident `json:"incidents,omitempty"`
	Pausing     *Note      `json:"pausing,omitempty"`
	Held        *Refusal   `json:"held,omitempty"` // the last time; stays after release
	Released    *Note      `json:"released,omitempty"`
	Failure     string     `json:"failure,omitempty"`    // why it failed, or was cancelled
	FailIndex   uint64     `json:"fail_index,omitempty"` // of the last failure, which Retry answers
	Result      *Result    `json:"result,omitempty"`     // nil until it is published
	Page        *Page      `json:"page,omitempty"`       // of tasks, when asked for
	Index       uint64     `json:"index"`                // of the ledger
}

// Stage is one step of a job over all its partitions.
type Stage struct {
	Stage       string `json:"stage"` // survey, score, select
	Planned     bool   `json:"planned"`
	Tasks       int    `json:"tasks"`
	Waiting     int    `json:"waiting"`
	Leased      int    `json:"leased"`
	Done        int    `json:"done"`
	Quarantined int    `json:"quarantined"`
	Kept        int    `json:"kept"` // of the done, those that another job did
	Rows        int64  `json:"rows"`
	RowsDone    int64  `json:"rows_done"`
	// Seconds of one core that the done tasks took, from reading to verifying.
	Seconds float64 `json:"core_seconds"`
}

// AtWork is how many of a job's tasks a worker has.
type AtWork struct {
	Worker string `json:"worker"`
	Tasks  int    `json:"tasks"`
}

// Task is one task of a stage.
type Task struct {
	Stage    string `json:"stage"`
	Task     int    `json:"task"`             // index in its stage
	Range    string `json:"range"`            // by segments, 1380013-1380096
	Rows     int64  `json:"rows"`             // of the scoring month
	State    string `json:"state"`            // waiting, leased, done, quarantined
	Worker   string `json:"worker"`           // last one granted to; "" = never granted
	Attempts int    `json:"attempts"`         // grants so far
	Failures int    `json:"failures"`         // attempts that a worker reported as failed
	Silences int    `json:"silences"`         // leases that ran out under a silent worker
	Reason   string `json:"reason"`           // of the last failure; "" = none
	Second   string `json:"second,omitempty"` // worker of a second attempt that runs beside the first
	From     job.ID `json:"from,omitempty"`   // job that did it; "" = this one
}

// Page is some of a job's tasks, by stage and index.
type Page struct {
	Tasks []Task `json:"tasks"`
	Next  int    `json:"next"` // where the next page begins; 0 = this was the last
}

// Incident is something that must not happen and did: two attempts at one task that
// made different bytes.
type Incident struct {
	Stage  string    `json:"stage"`
	Task   int       `json:"task"`
	Winner job.Token `json:"winner"`
	Loser  job.Token `json:"loser"`
	What   string    `json:"what"` // that differs
}

// Note says who did something to a job, and why.
type Note struct {
	Who    string `json:"who"`
	Reason string `json:"reason"` // "" where none is asked for
}

// Refusal says why a gate refused.
type Refusal struct {
	Reason  string   `json:"reason"`
	Figures []Figure `json:"figures"`
}

// Figure is one gate's measure beside its limit.
type Figure struct {
	Gate  string  `json:"gate"`
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
}

// Result is a published version.
type Result struct {
	Version  string     `json:"version"`
	Path     string     `json:"path"` // of its folder
	Digest   string     `json:"digest"`
	Manifest string     `json:"manifest_sha256"`
	Rows     job.Counts `json:"rows"`
	Seconds  float64    `json:"seconds"`
	Tally    job.Tally  `json:"tally"`
}

// Change is the body of a request that changes a job.
type Change struct {
	Reason    string `json:"reason,omitempty"`     // needed by cancel and release; kept in the ledger
	FailIndex uint64 `json:"fail_index,omitempty"` // of retry: the failure it answers; 0 = the last
}

// Changed answers a Change.
type Changed struct {
	Job    job.ID `json:"job"`
	State  string `json:"state"`
	Paused bool   `json:"paused"`
}
