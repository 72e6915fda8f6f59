package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rescore/coordinator/api"
	"rescore/partition/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token = "a token"
	aJob  = job.ID("202610-0123456789ab")
)

// serve answers at a base address like a coordinator's API does.
func serve(t *testing.T, answer http.HandlerFunc) (base string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token || r.Header.Get(api.User) != "ann" {
			t.Errorf("%s came with %q from %q", r.URL.Path, r.Header.Get("Authorization"), r.Header.Get(api.User))
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return baseOf(t, server.Listener.Addr().String())
}

// baseOf is the base address of an API.
func baseOf(t *testing.T, address string) string {
	t.Helper()
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(host, strconv.Itoa(port-APIPort))
}

// gone is a base address at which nobody listens.
func gone(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return baseOf(t, l.Addr().String())
}

func connect(t *testing.T, patience time.Duration, coordinators ...string) *Client {
	t.Helper()
	c, err := New(Config{Coordinators: coordinators, Token: token, User: "ann", Patience: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func send(t *testing.T, w http.ResponseWriter, status int, v any) {
	t.Helper()
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		t.Error(err)
	}
}

func TestTheNextCoordinatorIsAskedWhenOneIsDownOrNobodyLeads(t *testing.T) {
	t.Parallel()
	var asked, elected atomic.Int64
	follower := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		send(t, w, http.StatusServiceUnavailable, api.Error{Code: api.Unavailable, Message: "no coordinator leads just now"})
	})
	leader := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if elected.Add(1) < 3 {
			send(t, w, http.StatusServiceUnavailable, api.Error{Code: api.Unavailable, Message: "no coordinator leads just now"})
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method == http.MethodPost && !strings.Contains(string(body), `"base":"/srv"`) {
			t.Errorf("the body of try %d is %q, %v", elected.Load(), body, err)
		}
		send(t, w, http.StatusOK, api.Submitted{Job: aJob, State: "submitted", New: true})
	})
	c := connect(t, time.Minute, gone(t), follower, leader)
	got, err := c.Submit(t.Context(), api.Submission{Spec: []byte("{}"), Base: "/srv"})
	if err != nil || got.Job != aJob || asked.Load() == 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	before := asked.Load()
	if _, err := c.Jobs(t.Context()); err != nil || asked.Load() != before {
		t.Errorf("the one that answered is not asked first: %v", err)
	}
}

func TestARefusalIsAnAnswerAndNobodyElseIsAsked(t *testing.T) {
	t.Parallel()
	refuses := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		send(t, w, http.StatusConflict, api.Error{Code: api.Conflict, Message: "job is published", Hint: "look", Kind: "conflict"})
	})
	other := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("another was asked") })
	_, err := connect(t, time.Minute, refuses, other).Change(t.Context(), aJob, "cancel", api.Change{Reason: "x"})
	var e api.Error
	if !errors.As(err, &e) || e.Code != api.Conflict || e.Message != "job is published" || e.Hint != "look" {
		t.Errorf("got %v", err)
	}
}

func TestPatienceEndsAndSaysWhoWasAsked(t *testing.T) {
	t.Parallel()
	a, b := gone(t), gone(t)
	_, err := connect(t, time.Millisecond, a, b).Jobs(t.Context())
	var e api.Error
	if !errors.As(err, &e) || e.Code != api.Unavailable || !strings.Contains(e.Message, a+", "+b) || strings.Contains(err.Error(), token) {
		t.Errorf("got %v", err)
	}
	stranger := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>") })
	if _, err := connect(t, time.Millisecond, stranger).Jobs(t.Context()); err == nil {
		t.Error("a page is an answer")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := connect(t, time.Hour, a).Jobs(ctx); err == nil || err.Error() != "enough" {
		t.Errorf("stopped: %v", err)
	}
}

// A coordinator whose certificate nobody knows is told nothing.
func TestTheTokenIsShownOnlyToTheClustersOwn(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		send(t, w, http.StatusOK, api.Jobs{Index: 7})
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	base := baseOf(t, server.Listener.Addr().String())
	for name, c := range map[string]struct {
		roots *x509.CertPool
		want  int64
	}{"stranger": {x509.NewCertPool(), 0}, "ours": {server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, 1}} {
		asked.Store(0)
		client, err := New(Config{Coordinators: []string{base}, Token: token, User: "ann", TLS: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: c.roots}, Patience: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		list, err := client.Jobs(t.Context())
		if asked.Load() != c.want || (err == nil) != (c.want == 1) || err == nil && list.Index != 7 {
			t.Errorf("%s: asked %d times, %v", name, asked.Load(), err)
		}
		client.Close()
	}
	asked.Store(0)
	if _, err := connect(t, time.Millisecond, base).Jobs(t.Context()); err == nil || asked.Load() != 0 {
		t.Errorf("without TLS: %v", err)
	}
}

func TestTheTokenIsNotCarriedToWhereARedirectPoints(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
	t.Cleanup(elsewhere.Close)
	redirects := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) })
	if _, err := connect(t, time.Millisecond, redirects).Jobs(t.Context()); err == nil {
		t.Error("a redirect is an answer")
	}
}

// The stream of the first leader breaks off in the middle of an event.
func TestAWatchGoesOnWithTheNextLeader(t *testing.T) {
	t.Parallel()
	events := func(w http.ResponseWriter, states ...string) {
		for _, state := range states {
			data, err := json.Marshal(api.Status{Job: api.Job{Job: aJob, State: state}})
			if err != nil {
				t.Error(err)
			}
			_, _ = fmt.Fprintf(w, "event: status\ndata: %s\n\n", data)
		}
	}
	var once sync.Once
	first := serve(t, func(w http.ResponseWriter, r *http.Request) {
		died := true
		once.Do(func() {
			died = false
			events(w, "submitted", "running")
			_, _ = fmt.Fprint(w, "event: status\n")
		})
		if died {
			send(t, w, http.StatusServiceUnavailable, api.Error{Code: api.Unavailable, Message: "no coordinator leads just now"})
		}
	})
	second := serve(t, func(w http.ResponseWriter, _ *http.Request) { events(w, "running", "published") })
	var seen []string
	s, err := connect(t, time.Minute, first, second).Watch(t.Context(), aJob, func(s api.Status) { seen = append(seen, s.State) })
	if err != nil || s.State != "published" || strings.Join(seen, " ") != "submitted running running published" {
		t.Errorf("%+v, %v: %v", s.State, err, seen)
	}
}

// A process that was stopped keeps its connections open, takes requests and says
// nothing.
func TestACoordinatorThatFrozeIsLeftForTheNext(t *testing.T) {
	t.Parallel()
	event := func(w http.ResponseWriter, state string) {
		_, _ = fmt.Fprintf(w, "event: status\ndata: {\"state\":%q}\n\n", state)
		w.(http.Flusher).Flush()
	}
	var frozen atomic.Bool
	first := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !frozen.Swap(true) {
			event(w, "running")
		}
		<-r.Context().Done()
	})
	second := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/events") {
			event(w, "published")
			return
		}
		send(t, w, http.StatusOK, api.Jobs{Index: 7})
	})
	c := connect(t, time.Minute, first, second)
	c.quick = 250 * time.Millisecond
	if s, err := c.Watch(t.Context(), aJob, func(api.Status) {}); err != nil || s.State != "published" {
		t.Errorf("watched: %q, %v", s.State, err)
	}
	c = connect(t, time.Minute, first, second)
	c.quick = 250 * time.Millisecond
	if list, err := c.Jobs(t.Context()); err != nil || list.Index != 7 {
		t.Errorf("asked: %+v, %v", list, err)
	}
	c = connect(t, time.Millisecond, first)
	c.quick = 250 * time.Millisecond
	if _, err := c.Jobs(t.Context()); err == nil || !strings.Contains(err.Error(), "said nothing for 250ms") {
		t.Errorf("nobody else to ask: %v", err)
	}
}

func TestABackupThatDidNotComeWholeIsAnError(t *testing.T) {
	t.Parallel()
	const whole = `{"bytes":5,"sha256":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}` + "\n" + "hello"
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{"whole": {whole, true}, "cut": {whole[:len(whole)-1], false}, "longer": {whole + "!", false}, "changed": {whole[:len(whole)-1] + "0", false}, "empty": {"", false}, "no JSON": {"x\nhello", false}} {
		base := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, c.text) })
		var out bytes.Buffer
		n, err := connect(t, time.Minute, base).Backup(t.Context(), &out)
		if (err == nil) != c.ok || !c.ok && !errors.Is(err, ErrBackup) || c.ok && (n != int64(len(whole)) || out.String() != whole) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
}

func TestAddressesAreHostsWithRoomForThePortsAbove(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{"h1:7300": "h1:7303", "[::1]:7300": "[::1]:7303", "h1": "", ":7300": "", "h1:0": "", "h1:65533": "", "h1:x": "", "": ""} {
		if got, err := Address(base); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", base, got, err)
		}
	}
	if _, err := New(Config{Coordinators: []string{"h1"}, Token: "t"}); err == nil {
		t.Error("an address that is none")
	}
	if _, err := New(Config{Coordinators: []string{"h1:1"}}); err == nil {
		t.Error("no token")
	}
	if _, err := New(Config{Token: "t"}); err == nil {
		t.Error("no coordinator")
	}
}

func FuzzFollowReadsAnyStream(f *testing.F) {
	f.Add([]byte("event: status\ndata: {\"state\":\"published\"}\n\n"))
	f.Add([]byte("data: {\n\ndata: null\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		s, over, err := follow(bytes.NewReader(stream), func(api.Status) {})
		if over && (err != nil || !api.Over(s.State)) {
			t.Errorf("over with %q, %v", s.State, err)
		}
	})
}
