package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"rescore/partition/job"
)

// bodyMax is the largest body in bytes; the largest is a job's spec, which must fit a
// log entry.
const bodyMax = 1 << 20

// route is one path and what answers it.
type route struct {
	pattern string
	// answer is called where the cluster is led, after Verify. What it returns is
	// written as JSON.
	answer func(h *Handler, r *http.Request) (any, error)
	// stream writes its answer itself. Exactly one of the two is set.
	stream func(h *Handler, w http.ResponseWriter, r *http.Request)
	here   bool // answered by whichever coordinator was asked
}

var routes = []route{
	{pattern: "GET /healthz", here: true, answer: (*Handler).health},
	{pattern: "GET /readyz", here: true, answer: (*Handler).ready},
	{pattern: "POST /v1/jobs", answer: (*Handler).submit},
	{pattern: "GET /v1/jobs", answer: (*Handler).jobs},
	{pattern: "GET /v1/jobs/{id}", answer: (*Handler).status},
	{pattern: "GET /v1/jobs/{id}/events", stream: (*Handler).events},
	{pattern: "POST /v1/jobs/{id}/retry", answer: (*Handler).retry},
	{pattern: "POST /v1/jobs/{id}/release", answer: (*Handler).release},
}

// Routes returns every path with its method, such as GET /v1/jobs.
func Routes() []string {
	var list []string
	for _, r := range routes {
		list = append(list, r.pattern)
	}
	return list
}

// serve answers one request, here or where the cluster is led.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, to route) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // a recorder in a test has none
	if !to.here && h.forward(w, r) {
		return
	}
	if !to.here {
		if err := h.cfg.Node.Verify(r.Context()); err != nil {
			write(w, errorOf(err))
			return
		}
	}
	if to.stream != nil {
		to.stream(h, w, r)
		return
	}
	_ = control.SetWriteDeadline(time.Now().Add(answerTime))
	r.Body = http.MaxBytesReader(w, r.Body, bodyMax)
	v, err := to.answer(h, r)
	if err != nil {
		e := errorOf(err)
		if e.Code == Failure {
			h.cfg.Log.Warn("api", "route", to.pattern, "err", e.Message)
		}
		write(w, e)
		return
	}
	answer(w, http.StatusOK, v)
}

// decode reads a body of JSON: one value, no field that is not known. What is wrong
// is said without repeating what was sent.
func decode(r *http.Request, into any) error {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err = d.Decode(into)
	if err == nil && len(bytes.TrimSpace(data[d.InputOffset():])) > 0 {
		err = errors.New("more than one value")
	}
	var typ *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &typ):
		return usagef("the fields and their types are in docs/cluster.md", "the request's field %s is no %s", typ.Field, typ.Type)
	}
	return usagef("the fields and their types are in docs/cluster.md", "the request is no JSON that this path takes, at byte %d", d.InputOffset())
}

var (
	jobShape  = regexp.MustCompile(`^[0-9]{6}-[0-9a-f]{12}$`)
	userShape = regexp.MustCompile(`^[\pL\pN][\pL\pN ._@+-]{0,63}$`)
)

// jobIn returns the job that a path names. One that cannot be a job's is not repeated:
// it may be anything that was pasted there.
func jobIn(r *http.Request) (job.ID, error) {
	id := r.PathValue("id")
	if !jobShape.MatchString(id) {
		return "", Error{Code: NotFound, Message: "the path names no job; a job is named like 202610-0123456789ab", Hint: "rescore jobs lists every job"}
	}
	return job.ID(id), nil
}

// userOf returns who asks for a change.
func userOf(r *http.Request) (string, error) {
	user := strings.TrimSpace(r.Header.Get(User))
	if !userShape.MatchString(user) || namesSubscriber(user) {
		return "", usagef("send who asks in the header "+User, "a change needs to say who asks for it, in 64 letters or digits at most")
	}
	return user, nil
}

// reasonMax is the longest reason, in bytes: it is kept for ever.
const reasonMax = 1000

// checkReason returns an error unless why is a reason that can be kept.
func checkReason(why string, needed bool) error {
	switch {
	case needed && strings.TrimSpace(why) == "":
		return usagef("say why with --reason; it is kept in the ledger", "the request gives no reason")
	case len(why) > reasonMax:
		return usagef("shorten it", "the reason has %d bytes, %d is the most", len(why), reasonMax)
	case namesSubscriber(why):
		return usagef("say it without the number; reasons are kept and shown", "the reason names a subscriber")
	}
	return nil
}
