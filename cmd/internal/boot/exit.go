package boot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"rescore/partition/job"
)

// Exit codes of every command. Scripts branch on them: append, never renumber.
const (
	OK          = 0
	Failure     = 1
	Usage       = 2
	NotFound    = 5
	Held        = 6
	Conflict    = 7
	Denied      = 8
	Unavailable = 9
	Deadline    = 124
	Interrupted = 130
)

// Codes is the one table of exit codes: the help prints it, and error reports
// take their kind from it.
var Codes = []struct {
	Code    int
	Kind    string
	Meaning string
}{
	{OK, "ok", "done; a version that was published before counts as done"},
	{Failure, "failure", "the work could not be done; the message says why"},
	{Usage, "usage", "wrong arguments, or a job file with problems: nothing was started"},
	{NotFound, "not_found", "a file, folder, dataset or version that was named is not there"},
	{Held, "held", "a gate refused to publish: the job is held until it is released"},
	{Conflict, "conflict", "locked by another process, or the folder belongs to another job"},
	{Denied, "denied", "the cluster does not take the token"},
	{Unavailable, "unavailable", "no coordinator answers, or nobody leads: ask again"},
	{Deadline, "deadline", "the time allowed ran out; run it again to go on"},
	{Interrupted, "interrupted", "stopped by a signal; run it again to go on"},
}

// An error says which code it ends the program with by having ExitCode, and
// what to do about it by having Hint.
type (
	coder  interface{ ExitCode() int }
	hinter interface{ Hint() string }
)

// ErrInterrupted is the cause of a context that a signal cancelled.
var ErrInterrupted = errors.New("stopped by a signal")

// usageError is a mistake on the command line.
type usageError struct{ message, hint string }

func (e usageError) Error() string { return e.message }
func (e usageError) ExitCode() int { return Usage }
func (e usageError) Hint() string  { return e.hint }

// Usagef returns an error that ends the program with code 2.
func Usagef(hint, format string, args ...any) error {
	return usageError{fmt.Sprintf(format, args...), hint}
}

// withCode is an error that has been given its code and hint.
type withCode struct {
	error
	code int
	hint string
}

func (e withCode) Unwrap() error { return e.error }
func (e withCode) ExitCode() int { return e.code }
func (e withCode) Hint() string  { return e.hint }

// WithCode gives err an exit code and a hint; what it says stays.
func WithCode(err error, code int, hint string) error { return withCode{err, code, hint} }

// ExitCode returns the code err ends the program with. A run that was cancelled
// reports whatever it was doing; ctx knows why, so ctx is asked first.
func ExitCode(ctx context.Context, err error) int {
	var c coder
	var p job.Problems
	switch {
	case err == nil:
		return OK
	case errors.Is(context.Cause(ctx), ErrInterrupted) || errors.Is(err, ErrInterrupted):
		return Interrupted
	case errors.As(err, &c):
		return c.ExitCode()
	case errors.As(err, &p):
		return Usage
	case errors.Is(err, fs.ErrNotExist):
		return NotFound
	case errors.Is(err, context.DeadlineExceeded):
		return Deadline
	case errors.Is(err, context.Canceled):
		return Interrupted
	}
	return Failure
}

// Kind returns the name of an exit code; "failure" for one not in the table.
func Kind(code int) string {
	for _, c := range Codes {
		if c.Code == code {
			return c.Kind
		}
	}
	return "failure"
}

// report is an error as --output json prints it.
type report struct {
	Code     int           `json:"code"` // the exit code
	Message  string        `json:"message"`
	Hint     string        `json:"hint"`
	Kind     string        `json:"kind"`
	Problems []job.Problem `json:"problems,omitempty"`
}

// Report writes err for people, or as one line of JSON, and returns the exit
// code. Without an error it writes nothing.
func Report(ctx context.Context, w io.Writer, asJSON bool, err error) int {
	code := ExitCode(ctx, err)
	if err == nil {
		return code
	}
	r := report{Code: code, Kind: Kind(code), Message: err.Error()}
	var h hinter
	var p job.Problems
	switch {
	case errors.As(err, &h):
		r.Hint = h.Hint()
	case code == Interrupted || code == Deadline:
		r.Hint = "run the same command again: it goes on where it stopped"
	case code == NotFound:
		r.Hint = "check the path; the paths in a job file are relative to its folder"
	}
	if errors.As(err, &p) {
		r.Problems = p
		what := "the job file"
		var n named
		if errors.As(err, &n) {
			what = n.file
		}
		r.Message = fmt.Sprintf("%s has %d problems", what, len(p))
		if len(p) == 1 {
			r.Message = what + " has a problem"
		}
		if r.Hint == "" {
			r.Hint = "every problem names its place and its remedy; nothing was started"
		}
	}
	if asJSON {
		line, jsonErr := json.Marshal(r)
		if jsonErr != nil {
			panic(fmt.Sprintf("boot: write an error as JSON: %v", jsonErr)) // strings and numbers only
		}
		_, _ = fmt.Fprintf(w, "%s\n", line)
		return code
	}
	_, _ = fmt.Fprintf(w, "rescore: %s\n", r.Message)
	for _, q := range r.Problems {
		_, _ = fmt.Fprintf(w, "  %s\n", q)
		if q.Excerpt != "" {
			_, _ = fmt.Fprintf(w, "      %s\n", strings.ReplaceAll(q.Excerpt, "\n", "\n      "))
		}
	}
	if r.Hint != "" && len(p) == 0 {
		_, _ = fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(r.Hint, "\n", "\n  "))
	}
	return code
}
