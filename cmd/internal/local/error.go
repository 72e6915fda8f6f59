package local

import (
	"errors"
	"io/fs"

	"rescore/worker/source"
)

var (
	// ErrHeld is returned when a gate refused the version: exit code 6.
	ErrHeld = errors.New("the job is held")
	// ErrLocked is returned when another process has the work folder: exit code 7.
	ErrLocked = errors.New("the work folder is locked")
	// ErrInput marks what the user gave as the cause: exit code 1.
	ErrInput = errors.New("the job cannot run on this input")
	// ErrOtherJob is returned when the output folder is another dataset's, or the
	// work folder holds the job for another output: exit code 7.
	ErrOtherJob = errors.New("the folder belongs to another job")
)

type blamed struct{ error }

// inputError marks err as the input's fault without changing what it says.
func inputError(err error) error { return blamed{err} }

func (b blamed) Unwrap() error { return b.error }

// Is takes a pattern that matches nothing for a file that is not there.
func (b blamed) Is(target error) bool {
	return target == ErrInput || target == fs.ErrNotExist && errors.Is(b.error, source.ErrNoInput)
}

type conflict struct{ error }

func (c conflict) Unwrap() error        { return c.error }
func (c conflict) Is(target error) bool { return target == ErrOtherJob }
