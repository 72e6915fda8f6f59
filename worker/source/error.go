package source

import (
	"errors"
	"fmt"
	"runtime"
)

// Errors that callers branch on. Each is wrapped with the file and the remedy.
var (
	// ErrNoInput is returned when the input's path names no file.
	ErrNoInput = errors.New("no input file")
	// ErrMissingMonth is returned when months of the window have no file.
	ErrMissingMonth = errors.New("month without input")
	// ErrFormat is returned for a file that is not of a format this package reads.
	ErrFormat = errors.New("not a readable input file")
	// ErrCorrupt is returned for a file that contradicts itself. Nothing read from
	// it counts.
	ErrCorrupt = errors.New("corrupt file; copy it again, whole, or have it written again")
	// ErrMapping is returned when the job's columns do not fit the input's.
	ErrMapping = errors.New("input columns do not fit the job")
	// ErrUnsorted is returned when rows are not in the order of their numbers.
	ErrUnsorted = errors.New("input is not sorted by number")
	// ErrControl is returned for a file that is not what its control file says.
	ErrControl = errors.New("the file is not what was exported; wait until it is whole, or export it again")
	// ErrTooLarge is returned for a file that unpacks to more than is read.
	ErrTooLarge = errors.New("unpacks to too much")
	// ErrChanged is returned when a file is not the one that was surveyed.
	ErrChanged = errors.New("input changed since it was surveyed")
)

// FileError says which file of the input, and which row of it, is at fault. It
// never holds a value of the row.
type FileError struct {
	File string // relative to the input's root
	Row  int64  // 0-based, header not counted; -1 when it is not about one row
	Err  error
}

func (e *FileError) Error() string {
	if e.Row < 0 {
		return fmt.Sprintf("read %s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("read %s: row %d: %v", e.File, e.Row, e.Err)
}

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// inFile names the file in an error that does not name one yet.
func inFile(file string, err error) error {
	if err == nil {
		return nil
	}
	var named *FileError
	if errors.As(err, &named) {
		if named.File == "" {
			named.File = file
		}
		return err
	}
	return &FileError{File: file, Row: -1, Err: err}
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrCorrupt)...)
}

// guard turns a panic of a decoder that was fed a hostile file into an error
// naming the file. It is for calls into parquet-go and the codecs, which decode
// in the calling goroutine; a panic raised by the runtime out of memory or a
// fault is beyond it, which is why sizes are checked before.
func guard(file string, err *error) {
	if p := recover(); p != nil {
		if e, ok := p.(runtime.Error); ok {
			*err = inFile(file, corrupt("decoder panicked: %v", e))
			return
		}
		*err = inFile(file, corrupt("decoder panicked: %v", p))
	}
}
