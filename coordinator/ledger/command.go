package ledger

import (
	"errors"
	"fmt"

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
)

// String returns the command's name.
func (k Kind) String() string {
	names := [...]string{"", "submit", "plan", "grant", "complete", "fail", "expire", "seal", "hold", "release", "publish", "fail job", "retry"}
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
}

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

// Complete reports a finished task. It is accepted only under the current token
// (I3) and when its rows are conserved (I2); the same report again is OK.
// Reply: CompleteReply.
type Complete struct {
	Lease  `cbor:"1,keyasint"`
	Result job.Result `cbor:"2,keyasint"`
}

// CompleteReply says what the report finished.
type CompleteReply struct {
	Repeat    bool // this very report was accepted before
	StageDone bool // the stage is complete (not only by this report)
}

// Fail reports an attempt that failed. With attempts left the task waits again;
// otherwise, or when Fatal, the job fails with the reason. Reply: FailReply.
type Fail struct {
	Lease  `cbor:"1,keyasint"`
	Reason string `cbor:"2,keyasint"` // never names a subscriber (I8)
	Fatal  bool   `cbor:"3,keyasint"` // no attempt can succeed
}

// FailReply says whether the job failed with the task.
type FailReply struct{ JobFailed bool }

// ExpireCause says why a lease is taken back. Written to disk.
type ExpireCause uint8

// Causes.
const (
	// Silent: the worker has not been heard of for too long.
	Silent ExpireCause = 1
	// Restart: the worker lived in a process that is known to be gone.
	Restart ExpireCause = 2
)

// Expire takes a lease back. Reply: ExpireReply.
//
// It does not count as a failed attempt: silence says something about a worker
// or a network, seldom about the task, and a cluster that is being restarted
// must not fail its jobs. But a task that kills every worker that touches it
// (out of memory) shows as silence only and must not go round for ever, so
// SilencesPerAttempt silences weigh as much as one failure. A Restart never
// counts: there, a person or a supervisor is already in the loop.
type Expire struct {
	Lease `cbor:"1,keyasint"`
	Cause ExpireCause `cbor:"2,keyasint"`
}

// SilencesPerAttempt is how many leases of a task may run out for each failed
// attempt it is allowed, before the job fails.
const SilencesPerAttempt = 5

// ExpireReply says whether the job failed with the task.
type ExpireReply struct{ JobFailed bool }

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

// FailJob ends a job that is not sealed: a refused input, or a cancel.
// Reply: FailJobReply.
type FailJob struct {
	Job    job.ID `cbor:"1,keyasint"`
	Reason string `cbor:"2,keyasint"`
}

// FailJobReply is empty.
type FailJobReply struct{}

// Retry lets a failed job run again: what is done stays done (I6), attempts
// start over. It names the failure it answers, so that a late duplicate cannot
// undo a later one. Reply: RetryReply.
type Retry struct {
	Job       job.ID `cbor:"1,keyasint"`
	FailIndex uint64 `cbor:"2,keyasint"` // Job.FailIndex
}

// RetryReply says where the job stands.
type RetryReply struct{ State job.State }

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

// EntryMax is the largest log entry in bytes: larger ones delay raft's
// heartbeats (raft.SuggestedMaxDataSize).
const EntryMax = 512 << 10

// commandFormat is the format of every command so far.
const commandFormat = 1

// EncodeCommand writes a command as a log entry: its number, its format, and
// deterministic CBOR. It returns ErrTooLarge above EntryMax.
func EncodeCommand(cmd Command) ([]byte, error) {
	if cmd == nil {
		return nil, ErrUnknownCommand
	}
	body, err := encoder.Marshal(cmd)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", cmd.Kind(), err)
	}
	if len(body)+2 > EntryMax {
		return nil, fmt.Errorf("encode %s of %d bytes, limit %d: %w", cmd.Kind(), len(body)+2, EntryMax, ErrTooLarge)
	}
	return append([]byte{byte(cmd.Kind()), commandFormat}, body...), nil
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
	}
	return nil, fmt.Errorf("decode %s: %w", kind, ErrUnknownCommand)
}

func decodeCommand[C Command](body []byte) (Command, error) {
	var c C
	if err := decoder.Unmarshal(body, &c); err != nil {
		return nil, fmt.Errorf("decode %s: %w", c.Kind(), err)
	}
	return c, nil
}
