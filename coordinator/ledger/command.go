package ledger

import (
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"rescore/partition"
	"rescore/partition/job"
)

// Kind numbers a command. The numbers are written to disk: append, never
// renumber, never reuse; zero is no command.
type Kind uint8

// Commands.
const (
	KindSubmit   Kind = 1
	KindPlan     Kind = 2
	KindGrant    Kind = 3
	KindComplete Kind = 4
	KindFail     Kind = 5
	KindExpire   Kind = 6
	KindSeal     Kind = 7
	KindHold     Kind = 8
	KindRelease  Kind = 9
	KindPublish  Kind = 10
	KindFailJob  Kind = 11
	KindRetry    Kind = 12
	KindFound    Kind = 13
	KindPause    Kind = 14
	KindResume   Kind = 15
	KindCancel   Kind = 16
	KindDivide   Kind = 17
	KindDouble   Kind = 18
	KindRollback Kind = 19
	KindPoint    Kind = 20
	KindMark     Kind = 21
	KindSweep    Kind = 22
)

// String returns the command's name.
func (k Kind) String() string {
	names := [...]string{"", "submit", "plan", "grant", "complete", "fail", "expire", "seal", "hold", "release", "publish", "fail job", "retry",
		"found", "pause", "resume", "cancel", "divide", "double", "rollback", "point", "mark", "sweep"}
	if k > 0 && int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("command-%d", uint8(k))
}

// Command is one of the structs below; the set is closed. Every command is
// idempotent or fenced, so that one whose outcome is unknown can be sent again.
type Command interface {
	Kind() Kind
	apply(s *State, index uint64) (Reply, []Event, error)
}

// Reply is one of the reply structs; each command documents its own.
type Reply interface{ isReply() }

// Submit begins a job. The same ID with the same digest again is answered with
// what is there, and changes nothing. Reply: SubmitReply.
type Submit struct {
	Job         job.ID          `cbor:"1,keyasint"`
	Name        string          `cbor:"2,keyasint"` // of the dataset
	Spec        []byte          `cbor:"3,keyasint"` // canonical JSON
	SpecDigest  string          `cbor:"4,keyasint"`
	SpecBase    string          `cbor:"5,keyasint"` // folder that relative paths resolve against
	Epoch       uint64          `cbor:"6,keyasint"` // claimed in the output folder
	Stages      []job.StageKind `cbor:"7,keyasint"` // in order; exactly one score stage
	MaxAttempts int             `cbor:"8,keyasint"` // at least 1

	Priority int               `cbor:"9,keyasint,omitempty"`  // 1 to 9, the highest is served most; 0 is PriorityDefault
	Base     string            `cbor:"10,keyasint,omitempty"` // published version that a rerun stands on; "" = none
	Again    []partition.Range `cbor:"11,keyasint,omitempty"` // what a rerun scores again; empty with a Base = everything
	Who      string            `cbor:"12,keyasint,omitempty"` // asked for it; "" = not known

	PartitionRows int64 `cbor:"13,keyasint,omitempty"` // rows a partition is cut to; 0 = as the coordinator is configured
}

// Priorities of a job.
const (
	PriorityMin     = 1
	PriorityDefault = 5
	PriorityMax     = 9
)

// SubmitReply says what the ledger holds under the ID.
type SubmitReply struct {
	State job.State
	Epoch uint64 // the job's own, which may be older than the one submitted
	New   bool
}

// Plan brings a chunk of a stage's tasks, and of the survey's files. The stage
// before must be done. Chunks come in order; a chunk that is there already is
// answered OK, and one that differs takes the place of all that was there from its
// start on, as long as the plan is not complete. Split cuts a plan into chunks. Reply: PlanReply.
type Plan struct {
	Job       job.ID          `cbor:"1,keyasint"`
	Stage     int             `cbor:"2,keyasint"`
	StageKind job.StageKind   `cbor:"3,keyasint"`
	FirstTask int             `cbor:"4,keyasint"` // index of Tasks[0] in the stage
	Tasks     []job.Task      `cbor:"5,keyasint"`
	FirstFile int             `cbor:"6,keyasint"` // index of Files[0] in Facts.Files
	Files     []job.InputFile `cbor:"7,keyasint"`
	Model     string          `cbor:"8,keyasint"` // "" leaves Facts.Model as it is
	Rules     string          `cbor:"9,keyasint"` // "" leaves Facts.Rules as it is
	Last      bool            `cbor:"10,keyasint"`

	Challengers []string `cbor:"11,keyasint,omitempty"` // empty leaves Facts.Challengers as they are
	Kept        []Kept   `cbor:"12,keyasint,omitempty"` // of Tasks: those whose result is there already
}

// Kept says that a task of a rerun need not run: task At of the stage of the same
// kind of a published job had the same range, rows and keys, and its result is
// taken over with the token that finished it.
type Kept struct {
	Task int    `cbor:"1,keyasint"` // index in the stage; of a task in the same chunk
	Job  job.ID `cbor:"2,keyasint"`
	At   int    `cbor:"3,keyasint"`
}

// PlanReply says how much of the stage's plan is there.
type PlanReply struct {
	Tasks   int
	Files   int
	Planned bool
}

// Grant leases tasks to a worker; the command's index is their token. Tasks
// that are not waiting are passed over (I6). Reply: GrantReply.
type Grant struct {
	Worker string    `cbor:"1,keyasint"`
	Tasks  []TaskRef `cbor:"2,keyasint"`
}

// GrantReply lists what was granted; it may be nothing.
type GrantReply struct{ Leases []Lease }

// Complete reports a finished task. It is accepted only under a current token
// (I3) and when its rows are conserved (I2); the same report again is OK. Of a task
// that was doubled the first report wins; the other is compared with it and changes
// nothing but, where they differ, the job's incidents. Reply: CompleteReply.
type Complete struct {
	Lease  `cbor:"1,keyasint"`
	Result job.Result `cbor:"2,keyasint"`
}

// CompleteReply says what the report finished.
type CompleteReply struct {
	Repeat    bool // this very report was accepted before
	StageDone bool // the stage is complete (not only by this report)
	Lost      bool // the task's other attempt was first: what this one staged belongs to nobody
	Same      bool // with Lost: it had made the same
	JobFailed bool // nothing of the stage is left but quarantined tasks
}

// Fail reports an attempt that failed. With attempts left the task waits again;
// without, it is quarantined and the others go on: the job fails when nothing else
// of the stage is left. A Fatal failure fails the job at once. The other attempt of
// a doubled task is left alone. Reply: FailReply.
type Fail struct {
	Lease  `cbor:"1,keyasint"`
	Reason string `cbor:"2,keyasint"` // never names a subscriber (I8)
	Fatal  bool   `cbor:"3,keyasint"` // no attempt can succeed
}

// FailReply says what became of the task and its job.
type FailReply struct{ Quarantined, JobFailed bool }

// ExpireCause says why a lease is taken back. Written to disk.
type ExpireCause uint8

// Causes.
const (
	// Silent: the worker has not been heard of for too long.
	Silent ExpireCause = 1
	// Restart: the worker lived in a process that is known to be gone.
	Restart ExpireCause = 2
	// Returned: the worker drains and gave the task back.
	Returned ExpireCause = 3
)

// Expire takes a lease back. Reply: ExpireReply.
//
// It does not count as a failed attempt: silence says something about a worker
// or a network, seldom about the task, and a cluster that is being restarted
// must not fail its jobs. But a task that kills every worker that touches it
// (out of memory) shows as silence only and must not go round for ever, so
// SilencesPerAttempt silences weigh as much as one failure. A Restart never
// counts, nor does a task Returned: there, a person or a supervisor is in the loop.
type Expire struct {
	Lease `cbor:"1,keyasint"`
	Cause ExpireCause `cbor:"2,keyasint"`
}

// SilencesPerAttempt is how many leases of a task may run out for each failed
// attempt it is allowed, before it is quarantined.
const SilencesPerAttempt = 5

// ExpireReply says what became of the task and its job.
type ExpireReply struct{ Quarantined, JobFailed bool }

// Seal turns a job whose tasks are all done into a version, after checking
// cover (I1) and conservation (I2) once more. Sealing again returns the same
// version. Reply: SealReply.
type Seal struct {
	Job     job.ID  `cbor:"1,keyasint"`
	At      int64   `cbor:"2,keyasint"` // by the leader's clock, Unix nanoseconds; shown, never compared
	Seconds float64 `cbor:"3,keyasint"` // how long the leader worked on the job; shown, never compared
}

// SealReply is the version that Publish must name.
type SealReply struct{ Version Version }

// Hold stops a complete job before its seal because a gate refused.
// Reply: HoldReply.
type Hold struct {
	Job     job.ID   `cbor:"1,keyasint"`
	Reason  string   `cbor:"2,keyasint"`
	Figures []Figure `cbor:"3,keyasint"`
}

// HoldReply is empty.
type HoldReply struct{}

// Release lets a held job go on to its seal; the ledger keeps who and why.
// Reply: ReleaseReply.
type Release struct {
	Job    job.ID `cbor:"1,keyasint"`
	Reason string `cbor:"2,keyasint"`
	Who    string `cbor:"3,keyasint"`
}

// ReleaseReply is empty.
type ReleaseReply struct{}

// Publish records that a sealed version's manifest and pointer are in the
// store. Publishing the same manifest again is OK. Reply: PublishReply.
type Publish struct {
	Job            job.ID `cbor:"1,keyasint"`
	Version        string `cbor:"2,keyasint"`
	ManifestDigest string `cbor:"3,keyasint"`
}

// PublishReply is the version as it now stands in the ledger.
type PublishReply struct{ Version Version }

// FailJob ends a job that is not sealed: its input was refused, or a step cannot be
// carried out. Reply: FailJobReply.
type FailJob struct {
	Job    job.ID `cbor:"1,keyasint"`
	Reason string `cbor:"2,keyasint"`
}

// FailJobReply is empty.
type FailJobReply struct{}

// Retry lets a failed or cancelled job run again, and quarantined tasks of a running
// one: what is done stays done (I6), attempts start over. It names the failure it
// answers, so that a late duplicate cannot undo a later one. Reply: RetryReply.
type Retry struct {
	Job       job.ID `cbor:"1,keyasint"`
	FailIndex uint64 `cbor:"2,keyasint"` // Job.FailIndex

	// Epoch, when not 0, is the job's from now on, and not below the one it had. A job
	// that is older than the ledger's name needs a higher one: see Found.
	Epoch uint64 `cbor:"3,keyasint,omitempty"`
}

// RetryReply says where the job stands.
type RetryReply struct{ State job.State }

// Found names the ledger: epochs are claimed in output folders under the name. The
// first name stays, and to whoever proposes another it is told, unless that one says
// which name it replaces. A ledger restored from a backup takes a new name that way:
// the one it was copied from may live on, so tokens start above all that one could
// give, and jobs that are not sealed fail until Retry brings each an epoch of its own.
// Reply: FoundReply.
type Found struct {
	Cluster string `cbor:"1,keyasint"`
	After   string `cbor:"2,keyasint"` // "" = names a ledger that has none
}

// FoundReply is the name the ledger has.
type FoundReply struct{ Cluster string }

// Pause stops grants of a job's tasks; those that are leased go on. Pausing it again
// is OK and changes nothing. Reply: PauseReply.
type Pause struct {
	Job job.ID `cbor:"1,keyasint"`
	Who string `cbor:"2,keyasint"`
}

// PauseReply is empty.
type PauseReply struct{}

// Resume lets a paused job go on; one that is not paused is left as it is.
// Reply: ResumeReply.
type Resume struct {
	Job job.ID `cbor:"1,keyasint"`
	Who string `cbor:"2,keyasint"`
}

// ResumeReply is empty.
type ResumeReply struct{}

// Cancel ends a job that is not sealed because somebody wants it; its leases are
// taken back. Cancelling it again is OK. Reply: CancelReply.
type Cancel struct {
	Job    job.ID `cbor:"1,keyasint"`
	Who    string `cbor:"2,keyasint"`
	Reason string `cbor:"3,keyasint"`
}

// CancelReply is empty.
type CancelReply struct{}

// Divide puts at least two parts in the place of a waiting task of the score stage.
// Together they are the task: range, rows, keys and runs of rows. The first keeps the
// task's index, the others come after all there are, so that no index shifts; a
// stage is in the order of ranges no longer (Stage.ByRange). The same again is OK.
// Reply: DivideReply.
type Divide struct {
	TaskRef `cbor:"1,keyasint"`
	Parts   []job.Task `cbor:"2,keyasint"` // by range
}

// DivideReply says how many tasks the stage has.
type DivideReply struct{ Tasks int }

// Double gives a leased task to a second worker as well, under the command's token,
// because the first is slow. There is at most one second, and never on the same
// worker. Reply: GrantReply, of one lease.
type Double struct {
	Lease  `cbor:"1,keyasint"` // the one that is slow
	Worker string              `cbor:"2,keyasint"`
}

// Rollback makes a published version of the dataset the current one again: a pointer
// is written, named by the reply's epoch and index, and Point reports it. The same
// again, before anything newer, is answered with the same index.
// Reply: RollbackReply.
type Rollback struct {
	Dataset string `cbor:"1,keyasint"`
	Version string `cbor:"2,keyasint"`
	Who     string `cbor:"3,keyasint"`
	Reason  string `cbor:"4,keyasint"`
	// Epoch is the one claimed in the output folder; 0 is the newest that versions of the
	// dataset have, right unless the ledger was restored since.
	Epoch uint64 `cbor:"5,keyasint,omitempty"`
}

// RollbackReply names the pointer to write.
type RollbackReply struct{ Epoch, Index uint64 }

// Point records that a rollback's pointer is in the store. Reply: PointReply.
type Point struct {
	Dataset string `cbor:"1,keyasint"`
	Index   uint64 `cbor:"2,keyasint"` // of the Rollback
}

// PointReply is empty.
type PointReply struct{}

// Mark records that a list of names nobody needs was written to the store: the first
// of garbage collection's two steps. The same list again is answered with the same
// index. Reply: MarkReply.
type Mark struct {
	Dataset string `cbor:"1,keyasint"`
	List    string `cbor:"2,keyasint"` // its name in the store
	SHA256  string `cbor:"3,keyasint"` // of the list
	Files   int    `cbor:"4,keyasint"` // listed
	Bytes   int64  `cbor:"5,keyasint"` // that they hold
	At      int64  `cbor:"6,keyasint"` // by the leader's clock, Unix nanoseconds
}

// MarkReply names the mark.
type MarkReply struct{ Index uint64 }

// Sweep records that the files of a mark are gone, but for those that are needed
// again. Reply: SweepReply.
type Sweep struct {
	Dataset string `cbor:"1,keyasint"`
	Index   uint64 `cbor:"2,keyasint"` // of the Mark
	Deleted int    `cbor:"3,keyasint"`
	At      int64  `cbor:"4,keyasint"` // by the leader's clock, Unix nanoseconds
}

// SweepReply is empty.
type SweepReply struct{}

// Kind implements Command.
func (Submit) Kind() Kind { return KindSubmit }

// Kind implements Command.
func (Plan) Kind() Kind { return KindPlan }

// Kind implements Command.
func (Grant) Kind() Kind { return KindGrant }

// Kind implements Command.
func (Complete) Kind() Kind { return KindComplete }

// Kind implements Command.
func (Fail) Kind() Kind { return KindFail }

// Kind implements Command.
func (Expire) Kind() Kind { return KindExpire }

// Kind implements Command.
func (Seal) Kind() Kind { return KindSeal }

// Kind implements Command.
func (Hold) Kind() Kind { return KindHold }

// Kind implements Command.
func (Release) Kind() Kind { return KindRelease }

// Kind implements Command.
func (Publish) Kind() Kind { return KindPublish }

// Kind implements Command.
func (FailJob) Kind() Kind { return KindFailJob }

// Kind implements Command.
func (Retry) Kind() Kind { return KindRetry }

// Kind implements Command.
func (Found) Kind() Kind { return KindFound }

// Kind implements Command.
func (Pause) Kind() Kind { return KindPause }

// Kind implements Command.
func (Resume) Kind() Kind { return KindResume }

// Kind implements Command.
func (Cancel) Kind() Kind { return KindCancel }

// Kind implements Command.
func (Divide) Kind() Kind { return KindDivide }

// Kind implements Command.
func (Double) Kind() Kind { return KindDouble }

// Kind implements Command.
func (Rollback) Kind() Kind { return KindRollback }

// Kind implements Command.
func (Point) Kind() Kind { return KindPoint }

// Kind implements Command.
func (Mark) Kind() Kind { return KindMark }

// Kind implements Command.
func (Sweep) Kind() Kind { return KindSweep }

func (SubmitReply) isReply()   {}
func (PlanReply) isReply()     {}
func (GrantReply) isReply()    {}
func (CompleteReply) isReply() {}
func (FailReply) isReply()     {}
func (ExpireReply) isReply()   {}
func (SealReply) isReply()     {}
func (HoldReply) isReply()     {}
func (ReleaseReply) isReply()  {}
func (PublishReply) isReply()  {}
func (FailJobReply) isReply()  {}
func (RetryReply) isReply()    {}
func (FoundReply) isReply()    {}
func (PauseReply) isReply()    {}
func (ResumeReply) isReply()   {}
func (CancelReply) isReply()   {}
func (DivideReply) isReply()   {}
func (RollbackReply) isReply() {}
func (PointReply) isReply()    {}
func (MarkReply) isReply()     {}
func (SweepReply) isReply()    {}

// EntryMax is the largest log entry in bytes: larger ones delay raft's
// heartbeats (raft.SuggestedMaxDataSize).
const EntryMax = 512 << 10

// commandFormat is the format of every command but Complete, which is most of the log:
// since format 2 its result is packed.
const commandFormat, completeFormat = 1, 2

// packedComplete is Complete in format 2.
type packedComplete struct {
	Lease  `cbor:"1,keyasint"`
	Result cbor.ByteString `cbor:"2,keyasint"`
}

// EncodeCommand writes a command as a log entry: its number, its format, and
// deterministic CBOR. It returns ErrTooLarge above EntryMax.
func EncodeCommand(cmd Command) ([]byte, error) {
	if cmd == nil {
		return nil, ErrUnknownCommand
	}
	format, content := byte(commandFormat), any(cmd)
	if c, ok := cmd.(Complete); ok {
		format, content = completeFormat, packedComplete{c.Lease, cbor.ByteString(packResult(c.Result))}
	}
	body, err := encoder.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", cmd.Kind(), err)
	}
	if len(body)+2 > EntryMax {
		return nil, fmt.Errorf("encode %s of %d bytes, limit %d: %w", cmd.Kind(), len(body)+2, EntryMax, ErrTooLarge)
	}
	return append([]byte{byte(cmd.Kind()), format}, body...), nil
}

// DecodeCommand reads a log entry. An unknown number or format is
// ErrUnknownCommand; anything else that is not exactly one command, with no
// unknown field and nothing after it, is another error. A node that gets any
// error for an entry of its log must stop.
func DecodeCommand(data []byte) (Command, error) {
	if len(data) < 2 {
		return nil, errors.New("decode command: shorter than its header")
	}
	if len(data) > EntryMax {
		return nil, fmt.Errorf("decode command of %d bytes: %w", len(data), ErrTooLarge)
	}
	kind, format, body := Kind(data[0]), data[1], data[2:]
	if kind == KindComplete && format == completeFormat {
		return decodePacked(body)
	}
	if format != commandFormat {
		return nil, fmt.Errorf("decode %s format %d: %w", kind, format, ErrUnknownCommand)
	}
	switch kind {
	case KindSubmit:
		return decodeCommand[Submit](body)
	case KindPlan:
		return decodeCommand[Plan](body)
	case KindGrant:
		return decodeCommand[Grant](body)
	case KindComplete:
		return decodeCommand[Complete](body)
	case KindFail:
		return decodeCommand[Fail](body)
	case KindExpire:
		return decodeCommand[Expire](body)
	case KindSeal:
		return decodeCommand[Seal](body)
	case KindHold:
		return decodeCommand[Hold](body)
	case KindRelease:
		return decodeCommand[Release](body)
	case KindPublish:
		return decodeCommand[Publish](body)
	case KindFailJob:
		return decodeCommand[FailJob](body)
	case KindRetry:
		return decodeCommand[Retry](body)
	case KindFound:
		return decodeCommand[Found](body)
	case KindPause:
		return decodeCommand[Pause](body)
	case KindResume:
		return decodeCommand[Resume](body)
	case KindCancel:
		return decodeCommand[Cancel](body)
	case KindDivide:
		return decodeCommand[Divide](body)
	case KindDouble:
		return decodeCommand[Double](body)
	case KindRollback:
		return decodeCommand[Rollback](body)
	case KindPoint:
		return decodeCommand[Point](body)
	case KindMark:
		return decodeCommand[Mark](body)
	case KindSweep:
		return decodeCommand[Sweep](body)
	}
	return nil, fmt.Errorf("decode %s: %w", kind, ErrUnknownCommand)
}

func decodePacked(body []byte) (Command, error) {
	var p packedComplete
	if err := decoder.Unmarshal(body, &p); err != nil {
		return nil, fmt.Errorf("decode %s: %w", KindComplete, err)
	}
	r, err := unpackResult(string(p.Result))
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", KindComplete, err)
	}
	return Complete{p.Lease, r}, nil
}

func decodeCommand[C Command](body []byte) (Command, error) {
	var c C
	if err := decoder.Unmarshal(body, &c); err != nil {
		return nil, fmt.Errorf("decode %s: %w", c.Kind(), err)
	}
	return c, nil
}
