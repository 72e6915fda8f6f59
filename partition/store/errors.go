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
	// ErrAbandoned is returned by a Writer that was closed, committed or broken
	// by an earlier error.
	ErrAbandoned = errors.New("object was abandoned or committed before")
)

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
