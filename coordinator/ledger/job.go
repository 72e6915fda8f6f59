package ledger

import (
	"cmp"
	"fmt"
	"iter"
	"math/bits"
	"slices"

	"rescore/partition"
	"rescore/partition/job"
)

// Stage is one step of a job over all its ranges.
type Stage struct {
	Kind    job.StageKind `cbor:"1,keyasint"`
	Planned bool          `cbor:"2,keyasint"` // every chunk is there
	Tasks   []Task        `cbor:"3,keyasint"` // by range, but for the parts of a divided task, which come last; may be a part of the plan until Planned

	Divided bool `cbor:"4,keyasint,omitempty"` // a task was divided since it was planned

	// Derived from Tasks, kept beside them so that nobody need scan.
	waiting, leased, failed taskSet
	totals                  Totals
	drift                   [][]int64 // see Job.Drift
}

// Totals sums up a stage. Every figure is exact, whatever order tasks finish in.
type Totals struct {
	Tasks       int           // planned
	Waiting     int           // of them, now
	Leased      int           // of them, now
	Done        int           // of them, now
	Failed      int           // of them, now: quarantined
	Kept        int           // of the done, those whose result is another job's
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

// Failed yields the indexes of the quarantined tasks, lowest first.
func (s *Stage) Failed() iter.Seq[int] { return s.failed.all() }

// ByRange returns the indexes of the tasks in the order of their ranges.
func (s *Stage) ByRange() []int {
	order := make([]int, len(s.Tasks))
	for i := range order {
		order[i] = i
	}
	if s.Divided {
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(s.Tasks[a].Range.First, s.Tasks[b].Range.First) })
	}
	return order
}

// derive works out what is not written to disk.
func (s *Stage) derive() {
	s.waiting, s.leased, s.failed, s.totals, s.drift = nil, nil, nil, Totals{}, nil
	s.grow(0)
}

// grow takes the tasks from index first on into the derived figures.
func (s *Stage) grow(first int) {
	words := (len(s.Tasks) + 63) / 64
	for _, set := range []*taskSet{&s.waiting, &s.leased, &s.failed} {
		*set = append(*set, make(taskSet, words-len(*set))...)
	}
	for i := first; i < len(s.Tasks); i++ {
		t := &s.Tasks[i]
		s.totals.Tasks++
		s.totals.PlannedRows += t.Rows
		s.totals.PlannedKeys = s.totals.PlannedKeys.Add(t.Keys)
		s.count(i, +1)
		if r := t.Result(); r != nil {
			s.addResult(t, r)
		}
	}
}

// count adds task i, as it stands, to the derived figures (by = +1) or takes it
// out (by = -1). A done task is never taken out.
func (s *Stage) count(i, by int) {
	switch s.Tasks[i].State {
	case Waiting:
		s.totals.Waiting += by
		s.waiting.set(i, by > 0)
	case Leased:
		s.totals.Leased += by
		s.leased.set(i, by > 0)
	case Done:
		s.totals.Done += by
	case Failed:
		s.totals.Failed += by
		s.failed.set(i, by > 0)
	}
}

// finish makes a task done under a token, with its result.
func (s *Stage) finish(i int, token job.Token, r *job.Result, kept packed) {
	s.change(i, func(t *Task) { t.State, t.Token, t.result = Done, token, kept })
	s.addResult(&s.Tasks[i], r)
}

// addResult adds what a done task reported to the sums.
func (s *Stage) addResult(t *Task, r *job.Result) {
	if t.From != "" {
		s.totals.Kept++
	}
	s.totals.DoneRows += t.Rows
	s.totals.Counts = s.totals.Counts.Add(r.Counts)
	s.totals.Keys = s.totals.Keys.Add(r.Keys)
	s.totals.Rows = s.totals.Rows.Add(r.Rows)
	s.totals.Tally = s.totals.Tally.Add(r.Tally)
	s.totals.Timing = s.totals.Timing.Add(r.Timing)
	for c, counts := range r.Drift {
		if c == len(s.drift) {
			s.drift = append(s.drift, make([]int64, len(counts)))
		}
		for bin := range min(len(counts), len(s.drift[c])) {
			s.drift[c][bin] += counts[bin]
		}
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
	MaxAttempts int        `cbor:"7,keyasint"`  // failed attempts that quarantine a task
	SubmitIndex uint64     `cbor:"8,keyasint"`  // jobs are served in this order
	State       job.State  `cbor:"9,keyasint"`  // see the package comment
	Stages      []Stage    `cbor:"10,keyasint"` // all of them, from the start
	Facts       Facts      `cbor:"11,keyasint"` // empty until a plan brought them
	Held        *Holding   `cbor:"12,keyasint"` // the last time; stays after Release
	Released    *Releasing `cbor:"13,keyasint"` // nil = never; a released job is not held again
	Version     *Version   `cbor:"14,keyasint"` // nil until sealed
	FailReason  string     `cbor:"15,keyasint"` // "" unless failed or cancelled
	FailIndex   uint64     `cbor:"16,keyasint"` // when it last failed, was cancelled or had a task quarantined; 0 = never
	Retried     uint64     `cbor:"17,keyasint"` // the FailIndex last answered by Retry

	Priority   int               `cbor:"18,keyasint,omitempty"` // PriorityMin to PriorityMax
	Base       string            `cbor:"19,keyasint,omitempty"` // published version that a rerun stands on; "" = none
	Again      []partition.Range `cbor:"20,keyasint,omitempty"` // what a rerun scores again; empty with a Base = everything
	Who        string            `cbor:"21,keyasint,omitempty"` // submitted it; "" = not known
	Generation uint64            `cbor:"22,keyasint,omitempty"` // the ledger's when the epoch was claimed
	Paused     *Pausing          `cbor:"23,keyasint,omitempty"` // nil = not paused
	Cancelled  *Cancelling       `cbor:"24,keyasint,omitempty"` // the last time; stays after Retry
	Incidents  []Incident        `cbor:"25,keyasint,omitempty"` // oldest first

	PartitionRows int64 `cbor:"26,keyasint,omitempty"` // Submit.PartitionRows
}

// Pausing says who stopped a job's grants.
type Pausing struct {
	Who   string `cbor:"1,keyasint"`
	Index uint64 `cbor:"2,keyasint"` // of the Pause
}

// Cancelling says who ended a job, and why.
type Cancelling struct {
	Who    string `cbor:"1,keyasint"`
	Reason string `cbor:"2,keyasint"`
	Index  uint64 `cbor:"3,keyasint"` // of the Cancel
}

// Incident is two attempts of one task that did not make the same of it (I5). One of
// two machines computes wrongly, or the input changed: the version stands on the
// winner's, and somebody has to look.
type Incident struct {
	Stage  int       `cbor:"1,keyasint"`
	Task   int       `cbor:"2,keyasint"`
	Winner job.Token `cbor:"3,keyasint"` // finished the task
	Loser  job.Token `cbor:"4,keyasint"`
	What   string    `cbor:"5,keyasint"` // what differs, and on which workers
	Index  uint64    `cbor:"6,keyasint"` // of the loser's Complete
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

// Score returns the stage that makes the version's rows, range by range, which every job
// has: the score stage, or the merge of a preparation. checkStages guards both ways into
// a ledger, Submit and a snapshot; TestSubmitIsTheSameJobOnce and
// TestRestoreRefusesWhatNoCommandLeadsTo would find the gap.
func (j *Job) Score() *Stage {
	for i := range j.Stages {
		if k := j.Stages[i].Kind; k == job.StageScore || k == job.StageMerge {
			return &j.Stages[i]
		}
	}
	panic("ledger: job " + string(j.ID) + " has no score stage")
}

// Exchange returns the exchange stage of a preparation, nil in any other job.
func (j *Job) Exchange() *Stage { return j.stage(job.StageExchange) }

// Select returns the select stage, nil in a job that has none.
func (j *Job) Select() *Stage { return j.stage(job.StageSelect) }

// stage returns the stage of a kind, nil when there is none.
func (j *Job) stage(kind job.StageKind) *Stage {
	for i := range j.Stages {
		if j.Stages[i].Kind == kind {
			return &j.Stages[i]
		}
	}
	return nil
}

// Totals sums up what the job's stages did to the base's rows: tasks and rows are
// the score stage's, to whose row sums, tallies and times the select stage adds its
// own. Of a preparation they are the merge's, and its counts and numbers those of what
// the exchange read.
func (j *Job) Totals() Totals {
	t := j.Score().Totals()
	if s := j.Select(); s != nil {
		t.Rows, t.Tally, t.Timing = t.Rows.Add(s.totals.Rows), t.Tally.Add(s.totals.Tally), t.Timing.Add(s.totals.Timing)
	}
	if s := j.Exchange(); s != nil {
		between := t.Counts.In // rows of runs that were merged
		t.Counts = t.Counts.Add(s.totals.Counts)
		t.Counts.In, t.Counts.Scored = t.Counts.In-between, t.Counts.Scored-between
		t.Keys, t.Tally, t.Timing = s.totals.Keys, t.Tally.Add(s.totals.Tally), t.Timing.Add(s.totals.Timing)
	}
	return t
}

// Drift returns the scored rows by bin of each column that is watched for drift, over
// the tasks that are done; nil when none is watched.
func (j *Job) Drift() [][]int64 { return j.Score().drift }

// Clone returns a copy that Apply does not change, for use outside a view.
// Results, specs and slices are shared, for they never change once they are in a
// ledger.
func (j *Job) Clone() *Job {
	c := *j
	c.Stages = append([]Stage(nil), j.Stages...)
	for i := range c.Stages {
		s := &c.Stages[i]
		if !s.Complete() { // a task that is done stays as it is (I6)
			s.Tasks = append([]Task(nil), s.Tasks...)
		}
		s.waiting = append(taskSet(nil), s.waiting...)
		s.leased = append(taskSet(nil), s.leased...)
		s.failed = append(taskSet(nil), s.failed...)
		s.drift = append([][]int64(nil), s.drift...)
		for k := range s.drift {
			s.drift[k] = append([]int64(nil), s.drift[k]...)
		}
	}
	c.Facts.Files = append([]job.InputFile(nil), j.Facts.Files...)
	c.Incidents = append([]Incident(nil), j.Incidents...)
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
