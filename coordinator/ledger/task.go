package ledger

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"rescore/partition"
	"rescore/partition/job"
)

// TaskState is where a task stands. The numbers are written to disk: append,
// never renumber, never reuse.
type TaskState uint8

// Task states.
const (
	Waiting TaskState = 1 // may be granted
	Leased  TaskState = 2 // a worker holds the token, or two workers one each
	Done    TaskState = 3 // its result is in the ledger; for ever (I6)
	Failed  TaskState = 4 // quarantined: it failed too often, and waits for Retry
)

// String returns the state's name.
func (s TaskState) String() string {
	switch s {
	case Waiting:
		return "waiting"
	case Leased:
		return "leased"
	case Done:
		return "done"
	case Failed:
		return "failed"
	}
	return fmt.Sprintf("state-%d", uint8(s))
}

// Task is one task and where it stands.
//
// There may be a million of them, and what a worker is told (Plan) and reported
// (Result) is large and seldom asked for. Both are kept as they are written to disk:
// a third of the memory, nothing for the collector to walk, and nothing to copy for a
// snapshot, since the bytes of a string never change.
type Task struct {
	Range partition.Range // as in Plan, as the two below
	Rows  int64
	Keys  partition.Sum

	State    TaskState
	Token    job.Token // of the lease, or of the lease that finished it; 0 while waiting
	Worker   string    // last one granted to; "" = never granted
	Attempts int       // grants so far
	Failures int       // attempts a worker reported as failed
	Silences int       // leases that ran out under a silent worker
	Reason   string    // of the last failure; "" = none
	Second   *Second   // the other attempt of a doubled task: that runs too, or that lost; never changed, only replaced
	From     job.ID    // job that made the result; "" = this one

	plan   string // job.Task, encoded
	result string // job.Result, encoded; "" until done, never changed after
}

// Second is the second attempt of a task while both run; of a done task, the one
// that was not first.
type Second struct {
	Token  job.Token `cbor:"1,keyasint"`
	Worker string    `cbor:"2,keyasint"`
}

// newTask returns a waiting task.
func newTask(t job.Task) Task {
	return Task{Range: t.Range, Rows: t.Rows, Keys: t.Keys, State: Waiting, plan: pack(t)}
}

// Plan returns what a worker is told of the task.
func (t *Task) Plan() job.Task {
	var p job.Task
	unpack(t.plan, &p)
	return p
}

// Result returns what the worker reported, nil until the task is done. The caller
// may keep it. It is decoded anew each time: ask once.
func (t *Task) Result() *job.Result {
	if t.result == "" {
		return nil
	}
	var r job.Result
	unpack(t.result, &r)
	return &r
}

// pack encodes a job.Task or a job.Result. Equal ones are equal bytes.
func pack(v any) string {
	data, err := encoder.Marshal(v)
	if err != nil { // neither has a field that cannot be encoded
		panic(fmt.Sprintf("ledger: pack %T: %v", v, err))
	}
	return string(data)
}

// unpack decodes what pack encoded.
func unpack(data string, v any) {
	if err := decoder.Unmarshal([]byte(data), v); err != nil {
		panic(fmt.Sprintf("ledger: unpack %T: %v", v, err))
	}
}

// taskOnDisk is a task as snapshots of every format have it.
type taskOnDisk struct {
	Plan     cbor.RawMessage `cbor:"1,keyasint"`
	State    TaskState       `cbor:"2,keyasint"`
	Token    job.Token       `cbor:"3,keyasint"`
	Worker   string          `cbor:"4,keyasint"`
	Attempts int             `cbor:"5,keyasint"`
	Failures int             `cbor:"6,keyasint"`
	Silences int             `cbor:"7,keyasint"`
	Reason   string          `cbor:"8,keyasint"`
	Result   cbor.RawMessage `cbor:"9,keyasint"` // null until done
	Second   *Second         `cbor:"10,keyasint,omitempty"`
	From     job.ID          `cbor:"11,keyasint,omitempty"`
}

// MarshalCBOR implements cbor.Marshaler.
func (t Task) MarshalCBOR() ([]byte, error) {
	d := taskOnDisk{
		Plan: cbor.RawMessage(t.plan), State: t.State, Token: t.Token, Worker: t.Worker, Attempts: t.Attempts,
		Failures: t.Failures, Silences: t.Silences, Reason: t.Reason, Second: t.Second, From: t.From,
	}
	if t.result != "" {
		d.Result = cbor.RawMessage(t.result)
	}
	return encoder.Marshal(d)
}

// UnmarshalCBOR implements cbor.Unmarshaler. What it reads is encoded anew, so that a
// ledger is the same bytes whichever release wrote the snapshot it came from.
func (t *Task) UnmarshalCBOR(data []byte) error {
	var d taskOnDisk
	if err := decoder.Unmarshal(data, &d); err != nil {
		return err
	}
	var p job.Task
	if err := decoder.Unmarshal(d.Plan, &p); err != nil {
		return fmt.Errorf("plan of a task: %w", err)
	}
	var r *job.Result
	if err := decoder.Unmarshal(d.Result, &r); err != nil {
		return fmt.Errorf("result of a task: %w", err)
	}
	*t = newTask(p)
	t.State, t.Token, t.Worker, t.Attempts, t.Failures = d.State, d.Token, d.Worker, d.Attempts, d.Failures
	t.Silences, t.Reason, t.Second, t.From = d.Silences, d.Reason, d.Second, d.From
	if r != nil {
		t.result = pack(r)
	}
	return nil
}
