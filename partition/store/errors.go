package store

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

var (
	// ErrName is returned for a name that is no object name: empty, absolute, with
	// empty, . or .. elements, a backslash or a zero byte.
	ErrName = errors.New("not an object name")
	// ErrNoSpace is returned when the store is full: no space, or the quota is used
	// up. Nothing that was committed before is touched.
	ErrNoSpace = errors.New("no space left in the store; free some or choose another output path")
	// ErrDenied is returned when the store refuses access.
	ErrDenied = errors.New("access denied; give the user that runs rescore the right to it")
	// ErrTooLarge is returned by Get for an object larger than its limit.
	ErrTooLarge = errors.New("object is larger than allowed")
	// ErrUnavailable is returned when a store over a network did not answer, or
	// answered that it cannot now, for as long as it was asked again. What was
	// under way may have been done all the same.
	ErrUnavailable = errors.New("store does not answer; try again when it does")
	// ErrChanged is returned by an Object whose bytes are no longer those that were
	// opened: somebody replaced or removed it.
	ErrChanged = errors.New("object changed while it was read; leave input and versions as they are while a job reads them")
	// ErrCorrupt is returned when bytes arrived that are not those that were stored,
	// as often as they were asked for.
	ErrCorrupt = errors.New("bytes differ from their checksum; write the object again, or look at the network")
	// ErrAbandoned is returned by a Writer that was closed, committed or broken
	// by an earlier error.
	ErrAbandoned = errors.New("object was abandoned or committed before")
)

// Refusal is what a Writer that has ended answers: the first error it had, or ErrAbandoned.
func Refusal(doing, name string, first error) error {
	if first != nil {
		return first
	}
	return fmt.Errorf("%s %s: %w", doing, name, ErrAbandoned)
}

// explain says what was attempted on which object and adds the sentinel that
// callers branch on; the cause stays in the chain.
func explain(doing, name string, err error) error {
	var sentinel error
	switch {
	case errors.Is(err, ErrNoSpace), errors.Is(err, ErrDenied), errors.Is(err, ErrNotExist), errors.Is(err, ErrExist):
		return fmt.Errorf("%s %s: %w", doing, name, err) // explained where it happened
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		sentinel = ErrNoSpace
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		sentinel = ErrDenied
	case errors.Is(err, fs.ErrNotExist):
		sentinel = ErrNotExist
	case errors.Is(err, fs.ErrExist):
		sentinel = ErrExist
	default:
		return fmt.Errorf("%s %s: %w", doing, name, err)
	}
	return fmt.Errorf("%s %s: %w (%w)", doing, name, sentinel, cause(err))
}

// cause strips the path from an operating-system error: it repeats the name
// and would print where the store is mounted.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
