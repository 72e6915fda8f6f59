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
// (Result) is large and seldom asked for. Both are kept packed, on a Shelf.
type Task struct {
	Range partition.Range // this and the two below as job.Task has them
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

	plan   packed // the rest of a job.Task
	result packed // job.Result; no text until done, never changed after
}

// Second is the second attempt of a task while both run; of a done task, the one
// that was not first.
type Second struct {
	Token  job.Token `cbor:"1,keyasint"`
	Worker string    `cbor:"2,keyasint"`
}

// newTask returns a waiting task.
func newTask(s Shelf, t job.Task) Task {
	return Task{Range: t.Range, Rows: t.Rows, Keys: t.Keys, State: Waiting, plan: put(s, packPlan(t))}
}

// Plan returns what a worker is told of the task.
func (t *Task) Plan() job.Task {
	slices, staged, err := unpackPlan(t.plan.text())
	return must(job.Task{Range: t.Range, Rows: t.Rows, Keys: t.Keys, Slices: slices, Staged: staged}, err)
}

// is reports whether a task was planned so.
func (t *Task) is(p job.Task) bool {
	return t.Range == p.Range && t.Rows == p.Rows && t.Keys == p.Keys && t.plan.text() == packPlan(p)
}

// Result returns what the worker reported, nil until the task is done. The caller
// may keep it. It is unpacked anew each time: ask once.
func (t *Task) Result() *job.Result {
	if t.result == (packed{}) {
		return nil
	}
	r := must(unpackResult(t.result.text()))
	return &r
}

// taskOnDisk is a task as snapshots have it since format 4.
type taskOnDisk struct {
	Range    partition.Range `cbor:"1,keyasint"`
	Rows     int64           `cbor:"2,keyasint"`
	Keys     partition.Sum   `cbor:"3,keyasint"`
	State    TaskState       `cbor:"4,keyasint"`
	Token    job.Token       `cbor:"5,keyasint,omitempty"`
	Worker   string          `cbor:"6,keyasint,omitempty"`
	Attempts int             `cbor:"7,keyasint,omitempty"`
	Failures int             `cbor:"8,keyasint,omitempty"`
	Silences int             `cbor:"9,keyasint,omitempty"`
	Reason   string          `cbor:"10,keyasint,omitempty"`
	Second   *Second         `cbor:"11,keyasint,omitempty"`
	From     job.ID          `cbor:"12,keyasint,omitempty"`
	Plan     cbor.ByteString `cbor:"13,keyasint"`           // packed
	Result   cbor.ByteString `cbor:"14,keyasint,omitempty"` // packed; absent until done
}

// onDisk returns what is written of a task.
func (t *Task) onDisk() taskOnDisk {
	return taskOnDisk{
		t.Range, t.Rows, t.Keys, t.State, t.Token, t.Worker, t.Attempts, t.Failures, t.Silences, t.Reason, t.Second, t.From,
		cbor.ByteString(t.plan.text()), cbor.ByteString(t.result.text()),
	}
}

// task is the inverse of onDisk, of bytes that nobody has checked.
func (d *taskOnDisk) task(s Shelf) (Task, error) {
	_, _, err := unpackPlan(string(d.Plan))
	if err == nil && d.Result != "" {
		_, err = unpackResult(string(d.Result))
	}
	return Task{
		Range: d.Range, Rows: d.Rows, Keys: d.Keys, State: d.State, Token: d.Token, Worker: d.Worker, Attempts: d.Attempts, Failures: d.Failures,
		Silences: d.Silences, Reason: d.Reason, Second: d.Second, From: d.From, plan: put(s, string(d.Plan)), result: put(s, string(d.Result)),
	}, err
}

// task3 is a task as snapshots of formats 1 to 3 have it.
type task3 struct {
	Plan     job.Task    `cbor:"1,keyasint"`
	State    TaskState   `cbor:"2,keyasint"`
	Token    job.Token   `cbor:"3,keyasint"`
	Worker   string      `cbor:"4,keyasint"`
	Attempts int         `cbor:"5,keyasint"`
	Failures int         `cbor:"6,keyasint"`
	Silences int         `cbor:"7,keyasint"`
	Reason   string      `cbor:"8,keyasint"`
	Result   *job.Result `cbor:"9,keyasint"` // null until done
	Second   *Second     `cbor:"10,keyasint,omitempty"`
	From     job.ID      `cbor:"11,keyasint,omitempty"`
}

func (d *task3) task(s Shelf) Task {
	t := newTask(s, d.Plan)
	t.State, t.Token, t.Worker, t.Attempts, t.Failures = d.State, d.Token, d.Worker, d.Attempts, d.Failures
	t.Silences, t.Reason, t.Second, t.From = d.Silences, d.Reason, d.Second, d.From
	if d.Result != nil {
		t.result = put(s, packResult(*d.Result))
	}
	return t
}

// UnmarshalCBOR implements cbor.Unmarshaler, for formats 1 and 2, where tasks stood in
// their job. Each has a shelf of its own then.
func (t *Task) UnmarshalCBOR(data []byte) error {
	var d task3
	if err := decoder.Unmarshal(data, &d); err != nil {
		return err
	}
	*t = d.task(new(loose))
	return nil
}
