package ledger

import (
	"fmt"
	"iter"
	"math/bits"

	"rescore/partition"
	"rescore/partition/job"
)

// TaskState is where a task stands. The numbers are written to disk: append,
// never renumber, never reuse.
type TaskState uint8

// Task states.
const (
	Waiting TaskState = 1 // may be granted
	Leased  TaskState = 2 // a worker holds the token
	Done    TaskState = 3 // its result is in the ledger; for ever (I6)
	Failed  TaskState = 4 // it failed the job; waits for Retry
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
type Task struct {
	job.Task `cbor:"1,keyasint"`
	State    TaskState   `cbor:"2,keyasint"`
	Token    job.Token   `cbor:"3,keyasint"` // of the lease, or of the lease that finished it; 0 while waiting
	Worker   string      `cbor:"4,keyasint"` // last one granted to; "" = never granted
	Attempts int         `cbor:"5,keyasint"` // grants so far
	Failures int         `cbor:"6,keyasint"` // attempts a worker reported as failed
	Silences int         `cbor:"7,keyasint"` // leases that ran out under a silent worker
	Reason   string      `cbor:"8,keyasint"` // of the last failure; "" = none
	Result   *job.Result `cbor:"9,keyasint"` // nil until done; never changed after
}

// Stage is one step of a job over all its ranges.
type Stage struct {
	Kind    job.StageKind `cbor:"1,keyasint"`
	Planned bool          `cbor:"2,keyasint"` // every chunk is there
	Tasks   []Task        `cbor:"3,keyasint"` // by range; may be a part of the plan until Planned

	// Derived from Tasks, kept beside them so that a scheduler need not scan.
	waiting, leased taskSet
	totals          Totals
}

// Totals sums up a stage. Every figure is exact, whatever order tasks finish in.
type Totals struct {
	Tasks       int           // planned
	Waiting     int           // of them, now
	Leased      int           // of them, now
	Done        int           // of them, now
	PlannedRows int64         // rows of the scoring month in all tasks
	DoneRows    int64         // rows of the done tasks
	PlannedKeys partition.Sum // over all tasks
	Counts      job.Counts    // of the done tasks, as every figure below
	Keys        partition.Sum
	Rows        partition.Sum // of the score rows, the columns this stage made
	Tally       job.Tally
	Timing      job.Timing
}

// Totals returns the stage's sums. It costs nothing: they are maintained.
func (s *Stage) Totals() Totals { return s.totals }

// Complete reports whether the stage is planned and every task done.
func (s *Stage) Complete() bool { return s.Planned && s.totals.Done == len(s.Tasks) }

// Waiting yields the indexes of the waiting tasks, lowest first. It skips 64
// tasks a step, so it is cheap however many are done.
func (s *Stage) Waiting() iter.Seq[int] { return s.waiting.all() }

// Leased yields the indexes of the leased tasks, lowest first.
func (s *Stage) Leased() iter.Seq[int] { return s.leased.all() }

// derive works out what is not written to disk.
func (s *Stage) derive() {
	s.waiting, s.leased, s.totals = nil, nil, Totals{}
	s.grow(0)
}

// grow takes the tasks from index first on into the derived figures.
func (s *Stage) grow(first int) {
	words := (len(s.Tasks) + 63) / 64
	s.waiting = append(s.waiting, make(taskSet, words-len(s.waiting))...)
	s.leased = append(s.leased, make(taskSet, words-len(s.leased))...)
	for i := first; i < len(s.Tasks); i++ {
		t := &s.Tasks[i]
		s.totals.Tasks++
		s.totals.PlannedRows += t.Rows
		s.totals.PlannedKeys = s.totals.PlannedKeys.Add(t.Keys)
		s.count(i, +1)
	}
}

// count adds task i, as it stands, to the derived figures (by = +1) or takes it
// out (by = -1). A done task is never taken out.
func (s *Stage) count(i, by int) {
	t := &s.Tasks[i]
	switch t.State {
	case Waiting:
		s.totals.Waiting += by
		s.waiting.set(i, by > 0)
	case Leased:
		s.totals.Leased += by
		s.leased.set(i, by > 0)
	case Done:
		r := t.Result
		s.totals.Done += by
		s.totals.DoneRows += t.Rows
		s.totals.Counts = s.totals.Counts.Add(r.Counts)
		s.totals.Keys = s.totals.Keys.Add(r.Keys)
		s.totals.Rows = s.totals.Rows.Add(r.Rows)
		s.totals.Tally = s.totals.Tally.Add(r.Tally)
		s.totals.Timing = s.totals.Timing.Add(r.Timing)
	case Failed: // neither waiting, nor leased, nor done
	}
}

// change is the only way a task changes, so that the derived figures follow.
func (s *Stage) change(i int, edit func(*Task)) {
	s.count(i, -1)
	edit(&s.Tasks[i])
	s.count(i, +1)
}

// Facts is what the survey found that later stages and the manifest need.
type Facts struct {
	Files []job.InputFile `cbor:"1,keyasint"`
	Model string          `cbor:"2,keyasint"` // SHA-256 of the model file
	Rules string          `cbor:"3,keyasint"` // SHA-256 of the rules as they were understood

	Challengers []string `cbor:"4,keyasint,omitempty"` // SHA-256 of each challenger, in the spec's order
}

// rows is how many rows the scoring month's files hold.
func (f Facts) rows() int64 {
	var n int64
	for _, file := range f.Files {
		if file.Month == 0 {
			n += file.Rows
		}
	}
	return n
}

// Figure is one gate's measure beside its limit.
type Figure struct {
	Gate  string  `cbor:"1,keyasint"`
	Value float64 `cbor:"2,keyasint"`
	Limit float64 `cbor:"3,keyasint"`
}

// Holding says why a job is held.
type Holding struct {
	Reason  string   `cbor:"1,keyasint"`
	Figures []Figure `cbor:"2,keyasint"`
	Index   uint64   `cbor:"3,keyasint"` // of the Hold
}

// Releasing says who let a held job go on, and why.
type Releasing struct {
	Who    string `cbor:"1,keyasint"`
	Reason string `cbor:"2,keyasint"`
	Index  uint64 `cbor:"3,keyasint"` // of the Release
}

// Version is one sealed result. It is in State.Versions once published.
type Version struct {
	ID             string        `cbor:"1,keyasint"` // VersionID(epoch, seal index)
	Dataset        string        `cbor:"2,keyasint"`
	Job            job.ID        `cbor:"3,keyasint"`
	Epoch          uint64        `cbor:"4,keyasint"`
	SealIndex      uint64        `cbor:"5,keyasint"`
	PublishIndex   uint64        `cbor:"6,keyasint"` // 0 = not yet
	ManifestDigest string        `cbor:"7,keyasint"` // "" = not yet
	Digest         partition.Sum `cbor:"8,keyasint"` // of all score rows
	Keys           partition.Sum `cbor:"9,keyasint"` // of all valid numbers read, duplicates counted
	Counts         job.Counts    `cbor:"10,keyasint"`
	Tasks          int           `cbor:"11,keyasint"` // of the score stage
	At             int64         `cbor:"12,keyasint"` // Seal.At
	Seconds        float64       `cbor:"13,keyasint"` // Seal.Seconds
}

// VersionID names the version sealed at a log index. The epoch comes first: it
// is claimed in the output folder and grows when a ledger is begun anew there,
// so that names sort by age although indexes start over.
func VersionID(epoch, sealIndex uint64) string {
	return fmt.Sprintf("v%04d-%010d", epoch, sealIndex)
}

// Job is one job and where it stands.
type Job struct {
	ID          job.ID     `cbor:"1,keyasint"`
	Name        string     `cbor:"2,keyasint"`  // of the dataset
	Spec        []byte     `cbor:"3,keyasint"`  // canonical JSON; opaque here
	SpecDigest  string     `cbor:"4,keyasint"`  // SHA-256 of Spec
	SpecBase    string     `cbor:"5,keyasint"`  // folder that the spec's relative paths resolve against
	Epoch       uint64     `cbor:"6,keyasint"`  // claimed in the output folder by the submitter
	MaxAttempts int        `cbor:"7,keyasint"`  // failed attempts of one task that fail the job
	SubmitIndex uint64     `cbor:"8,keyasint"`  // jobs are served in this order
	State       job.State  `cbor:"9,keyasint"`  // see the package comment
	Stages      []Stage    `cbor:"10,keyasint"` // all of them, from the start
	Facts       Facts      `cbor:"11,keyasint"` // empty until a plan brought them
	Held        *Holding   `cbor:"12,keyasint"` // the last time; stays after Release
	Released    *Releasing `cbor:"13,keyasint"` // nil = never; a released job is not held again
	Version     *Version   `cbor:"14,keyasint"` // nil until sealed
	FailReason  string     `cbor:"15,keyasint"` // "" unless failed
	FailIndex   uint64     `cbor:"16,keyasint"` // of the last failure; 0 = never
	Retried     uint64     `cbor:"17,keyasint"` // the FailIndex last answered by Retry
}

// Stage returns the index of the stage that is being planned or worked on:
// the first that is not complete. It is len(j.Stages) when all are.
func (j *Job) Stage() int {
	for i := range j.Stages {
		if !j.Stages[i].Complete() {
			return i
		}
	}
	return len(j.Stages)
}

// Complete reports whether every task of every stage is done.
func (j *Job) Complete() bool { return j.Stage() == len(j.Stages) }

// Score returns the score stage, which every job has: checkStages guards both ways
// into a ledger, Submit and a snapshot; TestSubmitIsTheSameJobOnce and
// TestRestoreRefusesWhatNoCommandLeadsTo would find the gap.
func (j *Job) Score() *Stage {
	for i := range j.Stages {
		if j.Stages[i].Kind == job.StageScore {
			return &j.Stages[i]
		}
	}
	panic("ledger: job " + string(j.ID) + " has no score stage")
}

// Select returns the select stage, nil in a job that has none.
func (j *Job) Select() *Stage {
	for i := range j.Stages {
		if j.Stages[i].Kind == job.StageSelect {
			return &j.Stages[i]
		}
	}
	return nil
}

// Totals sums up what the job's stages did to the base's rows: tasks and rows are
// the score stage's, to whose row sums, tallies and times the select stage adds its
// own.
func (j *Job) Totals() Totals {
	t := j.Score().Totals()
	if s := j.Select(); s != nil {
		t.Rows, t.Tally, t.Timing = t.Rows.Add(s.totals.Rows), t.Tally.Add(s.totals.Tally), t.Timing.Add(s.totals.Timing)
	}
	return t
}

// Drift returns the scored rows by bin of each column that is watched for drift, over
// the tasks that are done; nil when none is watched.
func (j *Job) Drift() [][]int64 {
	var sum [][]int64
	for i := range j.Score().Tasks {
		t := &j.Score().Tasks[i]
		if t.State != Done {
			continue
		}
		for c, counts := range t.Result.Drift {
			if c == len(sum) {
				sum = append(sum, make([]int64, len(counts)))
			}
			for bin := range min(len(counts), len(sum[c])) {
				sum[c][bin] += counts[bin]
			}
		}
	}
	return sum
}

// Clone returns a copy that Apply does not change, for use outside a view.
// Results, specs and slices are shared, for they never change once they are in a
// ledger.
func (j *Job) Clone() *Job {
	c := *j
	c.Stages = append([]Stage(nil), j.Stages...)
	for i := range c.Stages {
		s := &c.Stages[i]
		s.Tasks = append([]Task(nil), s.Tasks...)
		s.waiting = append(taskSet(nil), s.waiting...)
		s.leased = append(taskSet(nil), s.leased...)
	}
	c.Facts.Files = append([]job.InputFile(nil), j.Facts.Files...)
	if j.Version != nil {
		v := *j.Version
		c.Version = &v
	}
	return &c
}

// taskSet is a bitmap of task indexes.
type taskSet []uint64

func (s taskSet) set(i int, in bool) {
	if in {
		s[i/64] |= 1 << (i % 64)
	} else {
		s[i/64] &^= 1 << (i % 64)
	}
}

func (s taskSet) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for w, word := range s {
			for ; word != 0; word &= word - 1 {
				if !yield(w*64 + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}
