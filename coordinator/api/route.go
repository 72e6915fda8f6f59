package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"rescore/partition/job"
	"rescore/partition/lazy"
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
	long   bool // may take longTime
	large  bool // brings a body of any size
}

var routes = []route{
	{pattern: "GET /healthz", here: true, answer: (*Handler).health},
	{pattern: "GET /readyz", here: true, answer: (*Handler).ready},
	{pattern: "GET /metrics", here: true, stream: (*Handler).metrics},
	{pattern: "POST /v1/jobs", answer: (*Handler).submit, long: true},
	{pattern: "GET /v1/jobs", answer: (*Handler).jobs},
	{pattern: "GET /v1/jobs/{id}", answer: (*Handler).status},
	{pattern: "GET /v1/jobs/{id}/events", stream: (*Handler).events, long: true},
	{pattern: "POST /v1/jobs/{id}/cancel", answer: (*Handler).cancel},
	{pattern: "POST /v1/jobs/{id}/pause", answer: (*Handler).pause},
	{pattern: "POST /v1/jobs/{id}/resume", answer: (*Handler).resume},
	{pattern: "POST /v1/jobs/{id}/retry", answer: (*Handler).retry},
	{pattern: "POST /v1/jobs/{id}/release", answer: (*Handler).release},
	{pattern: "GET /v1/workers", answer: (*Handler).workers},
	{pattern: "POST /v1/workers/{worker}/drain", answer: (*Handler).drain},
	{pattern: "GET /v1/datasets/{name}/versions", answer: (*Handler).versions},
	{pattern: "GET /v1/datasets/{name}/diff", answer: (*Handler).diff, long: true},
	{pattern: "POST /v1/datasets/{name}/rollback", answer: (*Handler).rollback, long: true},
	{pattern: "POST /v1/datasets/{name}/gc", answer: (*Handler).garbage, long: true},
	{pattern: "POST /v1/rerun", answer: (*Handler).rerun, long: true},
	{pattern: "GET /v1/members", answer: (*Handler).members},
	{pattern: "POST /v1/members", answer: (*Handler).addMember},
	{pattern: "POST /v1/members/{member}/promote", answer: (*Handler).promoteMember, long: true},
	{pattern: "DELETE /v1/members/{member}", answer: (*Handler).removeMember},
	{pattern: "GET /v1/backup", stream: (*Handler).backup, long: true},
	{pattern: "POST /v1/restore", answer: (*Handler).restore, long: true, large: true},
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
	bodyless := r.Body == http.NoBody
	read, write := bodyTime, answerTime
	if to.long {
		write = longTime
	}
	if to.large {
		read = longTime
	} else {
		r.Body = http.MaxBytesReader(w, r.Body, bodyMax)
	}
	control, now := http.NewResponseController(w), time.Now()
	if !bodyless { // else the server listens for the client to leave, and would take the deadline for that
		_ = control.SetReadDeadline(now.Add(read)) // a recorder in a test has none
	}
	_ = control.SetWriteDeadline(now.Add(write + sayTime))
	ctx, cancel := context.WithTimeout(r.Context(), write)
	defer cancel()
	if !to.here {
		if h.forward(w, r) {
			return
		}
		if err := h.cfg.Cluster.Verify(ctx); err != nil {
			refuse(w, errorOf(err))
			return
		}
	}
	if to.stream != nil {
		to.stream(h, w, r)
		return
	}
	v, err := to.answer(h, r.WithContext(ctx))
	if err != nil {
		e := errorOf(err)
		if e.Code == Failure {
			h.cfg.Log.Warn("api", "route", to.pattern, "err", e.Message)
		}
		refuse(w, e)
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
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte("{}") // curl -X POST
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
	jobShape  = lazy.Regexp(`^[0-9]{6}-[0-9a-f]{12}$`)
	userShape = lazy.Regexp(`^[\pL\pN][\pL\pN ._@+-]*$`)
)

// userMax is how many letters a user has at most. An expression that counts them takes
// every process of rescore 6 ms to begin.
const userMax = 64

// jobIn returns the job that a path names. One that cannot be a job's is not repeated:
// it may be anything that was pasted there.
func jobIn(r *http.Request) (job.ID, error) {
	id := r.PathValue("id")
	if !jobShape().MatchString(id) {
		return "", Error{Code: NotFound, Message: "the path names no job; a job is named like 202610-0123456789ab", Hint: "rescore jobs lists every job"}
	}
	return job.ID(id), nil
}

// userOf returns who asks for a change.
func userOf(r *http.Request) (string, error) {
	user := strings.TrimSpace(r.Header.Get(User))
	if utf8.RuneCountInString(user) > userMax || !userShape().MatchString(user) || namesSubscriber(user) {
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
