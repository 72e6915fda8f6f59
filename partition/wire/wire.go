// Package wire is what crosses the wire between coordinator and workers: the
// NATS subjects, the messages, their codec and their limits. It imports no NATS.
//
// # A conversation
//
//	worker                                    leader
//	  │ ── WorkRequest ───► rescore.v1.work      │
//	  │ ◄── WorkReply: offers ────────────────── │   jobs to make ready for; nothing is granted
//	  │ ── WorkRequest: ready, or unfit ───────► │   golden rows scored; unfit is given nothing of the job
//	  │ ◄── WorkReply: assignments, or a wait ── │   grant is in raft before it is sent
//	  │ ── Heartbeat ─────► rescore.v1.heartbeat │   every few seconds; no answer
//	  │ ── Report ────────► rescore.v1.report    │
//	  │ ◄── ReportReply ──────────────────────── │   completion is in raft before it is sent
//	  │ ◄── Lead ────────── rescore.v1.lead      │   every second, and first when it begins to serve
//	  │ ◄── CheckRequest ── rescore.v1.check     │   any one worker answers: is this job sound?
//	  │ ◄── CompareRequest  rescore.v1.compare   │   any one worker answers: what do two versions differ in?
//
// Every timeout is an unknown outcome, and every message may be sent again: a
// lost WorkReply is an assignment nobody names in a heartbeat, so its lease runs
// out; a report is accepted once and answered OK as often as it is repeated. A
// worker that hears another coordinator lead gives up waiting for the one before
// and asks again. Checking and comparing may take long: a worker that is at it says
// so on the same inbox every few seconds (Working) until it has the answer.
//
// # Bytes
//
// A message is its number, the version of its format, and deterministic CBOR
// with integer keys. Decoding is strict: another number or version, an unknown
// field, bytes left over, or a value outside its limits is an error. Numbers and
// keys are never reused.
//
// # Not promised
//
// Messages carry no rows and no subscriber number other than the ends of
// ranges, which lie between segments (I8). Reasons are free text of the sender,
// who must keep numbers out of them. Nothing here is signed: who may speak on a
// subject is NATS's to decide.
package wire

import (
	"errors"
	"fmt"
	"time"

	"rescore/partition"
	"rescore/partition/job"
)

// Subjects. The version is in the name, so that two versions can run side by
// side while a cluster is upgraded.
const (
	SubjectWork      = "rescore.v1.work"      // WorkRequest → WorkReply; the leader answers
	SubjectReport    = "rescore.v1.report"    // Report → ReportReply; the leader answers
	SubjectHeartbeat = "rescore.v1.heartbeat" // Heartbeat; no reply
	SubjectLead      = "rescore.v1.lead"      // Lead; no reply; every worker hears it
	SubjectCheck     = "rescore.v1.check"     // CheckRequest → CheckReply; one of QueueWorkers answers
	SubjectCompare   = "rescore.v1.compare"   // CompareRequest → CompareReply; one of QueueWorkers answers

	// QueueWorkers is the queue group of the workers, of whom one answers.
	QueueWorkers = "workers"
)

// Limits. A decoder refuses what is over them, an encoder too.
const (
	// BytesMax is the largest message. The NATS server must be configured with a
	// max_payload of at least this; its default of 1 MiB is too small for the
	// assignments of an input of thousands of files.
	BytesMax = 8 << 20
	// NameMax is the longest worker name, job ID and digest, in bytes.
	NameMax = 128
	// ReasonMax is the longest reason or message, in bytes. Cut shortens to it.
	ReasonMax = 2048
	// SlotsMax is the most assignments one request may ask for.
	SlotsMax = 256
	// ReadyMax is the most jobs a worker says it is ready for, or not fit for.
	ReadyMax = 64
	// TasksMax is the most tasks one heartbeat may name.
	TasksMax = 4096
	// CitiesMax is the most cities one check may ask for, SegmentsMax the most
	// segments an answer may name.
	CitiesMax   = 4096
	SegmentsMax = 1 << 18
	// PathMax is the longest path, in bytes.
	PathMax = 4096
)

var (
	// ErrMessage is returned for bytes that are not exactly one message of the
	// kind asked for, and for a message outside its limits.
	ErrMessage = errors.New("not a valid message")
	// ErrVersion is returned for a message in a format this build does not know.
	ErrVersion = errors.New("message format of another release")
	// ErrTooLarge is returned when a message is over BytesMax.
	ErrTooLarge = errors.New("message is too large")
)

// WorkRequest asks for tasks of jobs that the worker is ready for.
type WorkRequest struct {
	Worker string   `cbor:"1,keyasint"`
	Slots  int      `cbor:"2,keyasint"`           // most assignments wanted, 1 to SlotsMax
	Ready  []job.ID `cbor:"3,keyasint,omitempty"` // jobs it has opened, and whose models it has verified; at most ReadyMax
	Unfit  []Unfit  `cbor:"4,keyasint,omitempty"` // jobs it found that it cannot work on, whatever the attempt; said once for each time it tried; at most ReadyMax

	Version string `cbor:"5,keyasint,omitempty"` // of the worker's build
}

// Unfit says why a worker cannot work on a job.
type Unfit struct {
	Job    job.ID `cbor:"1,keyasint"`
	Reason string `cbor:"2,keyasint"` // never names a subscriber (I8)
}

// Offer is a job that has work. A worker opens it and verifies its models before it
// says that it is ready.
type Offer struct {
	Job      job.ID `cbor:"1,keyasint"`
	Spec     []byte `cbor:"2,keyasint"` // canonical JSON of the job's spec
	SpecBase string `cbor:"3,keyasint"` // folder that the spec's relative paths resolve against
}

// WorkReply brings tasks. With none, the worker asks again after Retry.
type WorkReply struct {
	Assignments []Assignment `cbor:"1,keyasint"`
	RetryMillis int64        `cbor:"2,keyasint"`           // wait before the next request, milliseconds
	NotLeader   bool         `cbor:"3,keyasint"`           // whoever answered may not grant
	Offers      []Offer      `cbor:"4,keyasint,omitempty"` // jobs that have work and that the worker is not ready for; at most ReadyMax
	Drain       bool         `cbor:"5,keyasint,omitempty"` // finish what is in flight, ask no more, and leave
}

// Retry is RetryMillis as a duration.
func (m WorkReply) Retry() time.Duration { return time.Duration(m.RetryMillis) * time.Millisecond }

// Assignment is one lease and everything needed to work on it.
type Assignment struct {
	Job      job.ID          `cbor:"1,keyasint"`
	Stage    int             `cbor:"2,keyasint"`
	Kind     job.StageKind   `cbor:"3,keyasint"`
	Index    int             `cbor:"4,keyasint"` // of the task in its stage
	Token    job.Token       `cbor:"5,keyasint"`
	Epoch    uint64          `cbor:"6,keyasint"`
	Spec     []byte          `cbor:"7,keyasint"` // canonical JSON of the job's spec
	SpecBase string          `cbor:"8,keyasint"` // folder that the spec's relative paths resolve against
	Task     job.Task        `cbor:"9,keyasint"`
	Files    []job.InputFile `cbor:"10,keyasint"` // of the survey; Task.Slices index it; empty in a task that has none
	Model    string          `cbor:"11,keyasint"` // SHA-256 the model file must have; "" in a survey
	Rules    string          `cbor:"12,keyasint"` // SHA-256 of the rules; "" in a survey

	Challengers []string `cbor:"13,keyasint,omitempty"` // SHA-256 of each challenger, in the spec's order; empty in a survey
}

// Lease names one grant of a task.
type Lease struct {
	Job   job.ID    `cbor:"1,keyasint"`
	Stage int       `cbor:"2,keyasint"`
	Task  int       `cbor:"3,keyasint"`
	Token job.Token `cbor:"4,keyasint"`
}

// Lease returns the lease the assignment was made under.
func (a Assignment) Lease() Lease {
	return Lease{Job: a.Job, Stage: a.Stage, Task: a.Index, Token: a.Token}
}

// Report says how an attempt ended: exactly one of Result, Failure and Returned is
// set.
type Report struct {
	Worker  string      `cbor:"1,keyasint"`
	Lease   Lease       `cbor:"2,keyasint"`
	Result  *job.Result `cbor:"3,keyasint"`
	Failure *Failure    `cbor:"4,keyasint"`

	Returned bool `cbor:"5,keyasint,omitempty"` // the worker leaves and gives the task back: no attempt was made
}

// Failure says why an attempt failed.
type Failure struct {
	Reason string `cbor:"1,keyasint"` // never names a subscriber (I8)
	Fatal  bool   `cbor:"2,keyasint"` // no other attempt can succeed: the input or the model is at fault
}

// Status answers a report. The numbers are on the wire: append, never renumber.
type Status uint8

// Statuses.
const (
	OK      Status = 1 // it is in the ledger; the lease is over
	Fenced  Status = 2 // the lease was not current: what was staged belongs to nobody, and is left for garbage collection
	Retry   Status = 3 // the outcome is unknown or nobody leads: send the same report again
	Refused Status = 4 // the ledger will never accept this report (rows not conserved): report a failure
	Lost    Status = 5 // another attempt completed the task first with the same: drop what was staged
)

// String returns the status's name.
func (s Status) String() string {
	switch s {
	case OK:
		return "ok"
	case Fenced:
		return "fenced"
	case Retry:
		return "retry"
	case Refused:
		return "refused"
	case Lost:
		return "lost"
	}
	return fmt.Sprintf("status-%d", uint8(s))
}

// ReportReply answers a report.
type ReportReply struct {
	Status  Status `cbor:"1,keyasint"`
	Message string `cbor:"2,keyasint"` // for people; "" when OK
}

// Heartbeat says which leases a worker is working on. A lease that is not named
// is not being worked on, whatever the worker's health.
type Heartbeat struct {
	Worker string     `cbor:"1,keyasint"`
	Tasks  []Progress `cbor:"2,keyasint"`

	Slots       int    `cbor:"3,keyasint,omitempty"` // tasks it does at once; 0 of a release that did not say
	Version     string `cbor:"4,keyasint,omitempty"` // of its build
	Draining    bool   `cbor:"5,keyasint,omitempty"` // it finishes what it has and takes nothing more
	Host        string `cbor:"6,keyasint,omitempty"` // name of its machine
	MemoryBytes int64  `cbor:"7,keyasint,omitempty"` // what its process has from the system
}

// Progress is how far one lease has come.
type Progress struct {
	Lease    Lease `cbor:"1,keyasint"`
	RowsDone int64 `cbor:"2,keyasint"`
}

// Lead says who answers. Another Leader or Since than before means that whoever
// was asked until now will not answer.
type Lead struct {
	Leader string `cbor:"1,keyasint"` // the coordinator's ID
	Since  uint64 `cbor:"2,keyasint"` // tells two leaderships of one coordinator apart
}

// CheckRequest asks a worker whether a job is sound: its input and models are
// opened and its program compiled, and nothing is written. The client that submits
// a job need not see the data for that, nor the coordinator.
type CheckRequest struct {
	Spec     []byte   `cbor:"1,keyasint"`           // canonical JSON of the job's spec
	SpecBase string   `cbor:"2,keyasint"`           // folder that the spec's relative paths resolve against
	Cities   []uint32 `cbor:"3,keyasint,omitempty"` // whose segments are asked for; needs a read of the scoring month
}

// CheckReply answers a check.
type CheckReply struct {
	Job      job.ID              `cbor:"1,keyasint"`           // what the job would be called; "" when there is a problem
	Problem  string              `cbor:"2,keyasint"`           // why the job cannot run, for people; never names a subscriber (I8)
	Segments []partition.Segment `cbor:"3,keyasint,omitempty"` // in which subscribers of the cities are, rising
	Working  bool                `cbor:"4,keyasint,omitempty"` // not the answer yet: it is being worked on
}

// CompareRequest asks a worker what two versions of a dataset differ in.
type CompareRequest struct {
	SpecBase string `cbor:"1,keyasint"` // folder that Output resolves against
	Output   string `cbor:"2,keyasint"` // the dataset's folder, as a spec names it
	Old      string `cbor:"3,keyasint"` // a version's ID
	New      string `cbor:"4,keyasint"` // the other's
}

// CompareReply answers a comparison.
type CompareReply struct {
	Figures []byte `cbor:"1,keyasint"`           // JSON of worker/comparison; names no subscriber (I8)
	Problem string `cbor:"2,keyasint"`           // why the versions cannot be compared, for people
	Working bool   `cbor:"3,keyasint,omitempty"` // not the answer yet: it is being worked on
}

// Cut shortens a reason to ReasonMax bytes, between characters.
func Cut(reason string) string {
	if len(reason) <= ReasonMax {
		return reason
	}
	const mark = "…"
	end := ReasonMax - len(mark)
	for end > 0 && reason[end]&0xc0 == 0x80 {
		end--
	}
	return reason[:end] + mark
}
