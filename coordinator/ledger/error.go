package ledger

import "errors"

var (
	// ErrUnknownCommand is returned for a command number or format this build
	// does not know. A node that meets one in its log must stop: to skip it would
	// be to hold another ledger than everyone else (I7).
	ErrUnknownCommand = errors.New("unknown command: this build is older than the log it reads")
	// ErrReplay is returned when an index is not above the last one applied. It
	// is a bug of the caller, and the node must stop.
	ErrReplay = errors.New("log index was applied before")
	// ErrCommand is returned for a command that could never be accepted, whatever
	// the state: a missing name, a negative index, an unknown stage.
	ErrCommand = errors.New("invalid command")
	// ErrTooLarge is returned when a command does not fit a log entry.
	ErrTooLarge = errors.New("command is larger than a log entry may be")
	// ErrNoJob is returned when there is no job by that ID.
	ErrNoJob = errors.New("no such job")
	// ErrNoTask is returned when a job has no such stage or task.
	ErrNoTask = errors.New("no such task")
	// ErrNoVersion is returned when a dataset has no such published version, rollback
	// or mark.
	ErrNoVersion = errors.New("no such version")
	// ErrConflict is returned when the same thing is already there with other
	// content: another spec under a job's ID, another task under a planned index,
	// another manifest for a published version.
	ErrConflict = errors.New("already there with other content")
	// ErrState is returned when the job is not in a state that allows the command.
	ErrState = errors.New("job is not in a state that allows it")
	// ErrOrder is returned for a plan chunk that leaves a gap; start over with
	// the first chunk.
	ErrOrder = errors.New("plan chunk out of order")
	// ErrFenced is returned when the lease named is not the current one (I3). What
	// its holder staged belongs to nobody.
	ErrFenced = errors.New("lease is not current")
	// ErrCounts is returned when rows or keys are not conserved (I2).
	ErrCounts = errors.New("rows are not conserved")
	// ErrCover is returned when a score stage's ranges do not cover the number
	// space exactly (I1).
	ErrCover = errors.New("ranges do not cover the number space")
	// ErrNotDone is returned when a stage that must be done is not.
	ErrNotDone = errors.New("stage is not done")
	// ErrSnapshot is returned for bytes that are not a whole, undamaged snapshot
	// of a format this build reads.
	ErrSnapshot = errors.New("not a usable ledger snapshot")
)
