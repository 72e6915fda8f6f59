package ledger

import (
	"fmt"
	"iter"
	"slices"

	"rescore/partition/job"
)

// Format is the format of a ledger this build writes; it reads all up to it. It is
// raised before a command or a field is used that older builds do not know.
//
//	1  survey and score
//	2  the select stage: Task.Staged, Tally.Priority
//	3  clusters: commands 13 to 22, job.Cancelled, Task.Second and From; written in records
//	4  tasks in snapshots, and the results of Complete, are packed
const Format = 4

// State is the ledger: every job in the order of submission, and every version
// published. Only Apply changes it. Reads are safe beside other reads; whoever
// reads must not keep or change what it was given.
type State struct {
	index      uint64
	cluster    string // "" = no name yet
	generation uint64 // names it had before
	jobs       []*Job
	byID       map[job.ID]*Job
	versions   []Version
	rollings   []Rolling
	markings   []Marking
	shelf      Shelf
}

// New returns the empty ledger, all of it in memory and for one goroutine.
func New() *State { return NewOn(new(loose)) }

// NewOn returns the empty ledger, whose plans and results are kept on a shelf.
func NewOn(shelf Shelf) *State { return &State{byID: map[job.ID]*Job{}, shelf: shelf} }

// Index returns the highest log index applied.
func (s *State) Index() uint64 { return s.index }

// Cluster returns the ledger's name, "" before it has one. See Found.
func (s *State) Cluster() string { return s.cluster }

// Jobs yields every job, oldest first.
func (s *State) Jobs() iter.Seq[*Job] { return slices.Values(s.jobs) }

// Job returns a job, or nil when there is none by that ID.
func (s *State) Job(id job.ID) *Job { return s.byID[id] }

// Versions returns the published versions of a dataset, oldest first.
func (s *State) Versions(dataset string) []Version {
	var out []Version
	for _, v := range s.versions {
		if v.Dataset == dataset {
			out = append(out, v)
		}
	}
	return out
}

// Clone returns a copy that Apply on the original does not change. It costs a
// copy of the task lists; plans, results and specs are shared. Nothing is applied to it.
func (s *State) Clone() *State {
	c := &State{
		index: s.index, cluster: s.cluster, generation: s.generation, byID: make(map[job.ID]*Job, len(s.jobs)),
		versions: slices.Clone(s.versions), rollings: slices.Clone(s.rollings), markings: slices.Clone(s.markings), shelf: s.shelf,
	}
	for _, j := range s.jobs {
		c.add(j.Clone())
	}
	return c
}

func (s *State) add(j *Job) {
	s.jobs = append(s.jobs, j)
	s.byID[j.ID] = j
}

func (s *State) job(id job.ID) (*Job, error) {
	if j := s.byID[id]; j != nil {
		return j, nil
	}
	return nil, fmt.Errorf("job %s: %w", id, ErrNoJob)
}

// task finds a task, and the stage that must be told when it changes.
func (s *State) task(ref TaskRef) (*Job, *Stage, *Task, error) {
	j, err := s.job(ref.Job)
	if err != nil {
		return nil, nil, nil, err
	}
	if ref.Stage < 0 || ref.Stage >= len(j.Stages) {
		return nil, nil, nil, fmt.Errorf("%s: %w", ref, ErrNoTask)
	}
	st := &j.Stages[ref.Stage]
	if ref.Task < 0 || ref.Task >= len(st.Tasks) {
		return nil, nil, nil, fmt.Errorf("%s: %w", ref, ErrNoTask)
	}
	return j, st, &st.Tasks[ref.Task], nil
}

// Apply takes the command at a log index into the state.
//
// An error means the command was refused and nothing but the index changed;
// every replica refuses it alike. Only ErrUnknownCommand and ErrReplay are
// reasons to stop a node. The state keeps the command's slices: the caller must
// not change them afterwards.
func Apply(s *State, index uint64, cmd Command) (Reply, []Event, error) {
	if cmd == nil {
		return nil, nil, ErrUnknownCommand
	}
	if index <= s.index {
		return nil, nil, fmt.Errorf("apply index %d after %d: %w", index, s.index, ErrReplay)
	}
	s.index = index
	reply, events, err := cmd.apply(s, index)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", cmd.Kind(), err)
	}
	return reply, events, nil
}

// TaskRef names a task.
type TaskRef struct {
	Job   job.ID `cbor:"1,keyasint"`
	Stage int    `cbor:"2,keyasint"` // index into Job.Stages
	Task  int    `cbor:"3,keyasint"` // index into Stage.Tasks
}

// String returns job/stage/task.
func (r TaskRef) String() string { return fmt.Sprintf("%s/%d/%d", r.Job, r.Stage, r.Task) }

// Lease names one grant of a task.
type Lease struct {
	TaskRef `cbor:"1,keyasint"`
	Token   job.Token `cbor:"2,keyasint"`
}

// String returns job/stage/task@token.
func (l Lease) String() string { return fmt.Sprintf("%s@%d", l.TaskRef, l.Token) }

// EventKind says what happened. Events are not written to disk.
type EventKind uint8

// Events.
const (
	JobSubmitted EventKind = iota + 1
	StagePlanned
	TaskGranted
	TaskDone
	TaskWaiting // again, after a failure or an expiry
	TaskFailed  // quarantined
	TaskDivided
	TaskDiffered // an incident: two attempts made two things of it
	StageDone
	JobHeld
	JobReleased
	JobSealed
	JobPublished
	JobFailed
	JobRetried
	JobPaused
	JobResumed
	JobCancelled
	VersionRestored // by a rollback whose pointer is in the store
)

// Event tells what an applied command changed. Task is meaningful for task
// events, Stage for task and stage events, Version for VersionRestored.
type Event struct {
	Kind    EventKind
	Job     job.ID
	Stage   int
	Task    int
	Token   job.Token
	Worker  string
	Version string
}
