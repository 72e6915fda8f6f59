package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"rescore/coordinator"
	"rescore/coordinator/bus"
	"rescore/coordinator/ledger"
	"rescore/coordinator/plan"
	"rescore/coordinator/publish"
	"rescore/coordinator/replica"
	"rescore/partition/job"
	"rescore/partition/lazy"
)

// Codes of errors: the exit codes of the command line (cmd/internal/boot), where a
// test compares the two.
const (
	Failure     = 1 // it could not be done
	Usage       = 2 // the request is wrong
	NotFound    = 5
	Held        = 6
	Conflict    = 7
	Denied      = 8 // the token is not this cluster's
	Unavailable = 9 // nobody leads just now: ask again
)

// kinds are the names of the codes, as the command line has them.
var kinds = map[int]string{
	Failure: "failure", Usage: "usage", NotFound: "not_found", Held: "held", Conflict: "conflict", Denied: "denied", Unavailable: "unavailable",
}

// Kind returns the name of a code.
func Kind(code int) string { return kinds[code] }

// Error is what went wrong, as the command line says it.
type Error struct {
	Code     int           `json:"code"`
	Message  string        `json:"message"`
	Hint     string        `json:"hint"` // what to do about it; "" = nothing is known
	Kind     string        `json:"kind"` // the code's name
	Problems []job.Problem `json:"problems,omitempty"`

	status int // of HTTP, where the code does not say enough
}

// Error implements error.
func (e Error) Error() string { return e.Message }

// Unwrap returns what is wrong with a spec, place by place.
func (e Error) Unwrap() error {
	if len(e.Problems) == 0 {
		return nil
	}
	return job.Problems(e.Problems)
}

// httpStatus returns the HTTP status of an error.
func (e Error) httpStatus() int {
	switch {
	case e.status != 0:
		return e.status
	case e.Code == Usage:
		return http.StatusBadRequest
	case e.Code == Denied:
		return http.StatusUnauthorized
	case e.Code == NotFound:
		return http.StatusNotFound
	case e.Code == Held || e.Code == Conflict:
		return http.StatusConflict
	case e.Code == Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// usagef returns the error of a request that is wrong.
func usagef(hint, format string, args ...any) Error {
	return Error{Code: Usage, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// errorOf turns any error into what a client is told.
func errorOf(err error) Error {
	var e Error
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &large):
		return Error{Code: Usage, Message: fmt.Sprintf("the request is larger than %d bytes", large.Limit), status: http.StatusRequestEntityTooLarge}
	case errors.Is(err, replica.ErrNotLeader), errors.Is(err, replica.ErrUnknownOutcome), errors.Is(err, replica.ErrBroken),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Error{Code: Unavailable, Message: err.Error(), Hint: "ask again: what was asked for twice is done once"}
	case errors.Is(err, ledger.ErrNoJob), errors.Is(err, ledger.ErrNoTask):
		return Error{Code: NotFound, Message: err.Error(), Hint: "rescore jobs lists every job"}
	case errors.Is(err, ledger.ErrNoVersion):
		return Error{Code: NotFound, Message: err.Error(), Hint: "rescore versions lists every version of a dataset"}
	case errors.Is(err, bus.ErrNoWorker):
		return Error{Code: Unavailable, Message: err.Error(), Hint: "start a worker with rescore worker"}
	case errors.Is(err, coordinator.ErrGrace), errors.Is(err, plan.ErrNothing):
		return Error{Code: Conflict, Message: err.Error()}
	case errors.Is(err, coordinator.ErrNoWorker):
		return Error{Code: NotFound, Message: err.Error(), Hint: "rescore workers lists every worker that is there"}
	case errors.Is(err, replica.ErrMember), errors.Is(err, replica.ErrBackup):
		return Error{Code: Conflict, Message: err.Error()} // it says what to do instead
	case errors.Is(err, ledger.ErrConflict), errors.Is(err, ledger.ErrState), errors.Is(err, ledger.ErrFenced), errors.Is(err, ledger.ErrNotDone):
		return Error{Code: Conflict, Message: err.Error(), Hint: "rescore status says where the job stands"}
	case errors.Is(err, publish.ErrOtherDataset):
		return Error{Code: Conflict, Message: err.Error()}
	case errors.Is(err, ledger.ErrCommand), errors.Is(err, ledger.ErrTooLarge):
		return Error{Code: Usage, Message: err.Error()}
	}
	return Error{Code: Failure, Message: err.Error()}
}

// number is an 11-digit subscriber number, or an IMEI, in a text.
var number = lazy.Regexp(`(^|[^0-9])(1[0-9]{10}|[0-9]{15})($|[^0-9])`)

// namesSubscriber reports whether a text names one (I8).
func namesSubscriber(text string) bool { return number().MatchString(text) }

// refuse answers with an error. Messages come from many places, some of them from
// outside this process: that none names a subscriber is made sure of here.
func refuse(w http.ResponseWriter, e Error) {
	for number().MatchString(e.Message) { // two in a row share what stands between them
		e.Message = number().ReplaceAllString(e.Message, "$1***$3")
	}
	e.Kind = Kind(e.Code)
	answer(w, e.httpStatus(), e)
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("api: encode %T: %v", v, err)) // plain structs of finite numbers: a bug
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // whoever asked has gone
}
