package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rescore/coordinator"
	"rescore/coordinator/bus"
	"rescore/coordinator/ledger"
	"rescore/coordinator/replica"
	"rescore/partition/store"
	"rescore/partition/wire"
)

// patience bounds every wait; none needs a hundredth.
const patience = 2 * time.Minute

// A real coordinator of one voter, with a real NATS server and nobody to work.
func TestARealCoordinatorAnswersAndIsWatched(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	out, err := store.NewFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	output := func(string, string) (store.Store, error) { return out, nil }
	r, err := replica.Open(replica.Config{Dir: filepath.Join(t.TempDir(), "raft")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	nats, err := bus.Embed()
	if err != nil {
		t.Fatal(err)
	}
	defer nats.Close()
	conn, err := nats.Connect("coordinator")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	log := slog.New(slog.DiscardHandler)
	node := coordinator.New(coordinator.Config{Replica: r, Bus: bus.New(conn, log), Output: output, Log: log})
	running, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- node.Run(running) }()
	defer func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	if _, err := r.Lead(ctx); err != nil {
		t.Fatal(err)
	}
	h, err := New(Config{
		Node: node, Cluster: r, Token: token, Output: output, Log: log,
		Check: func(context.Context, wire.CheckRequest) (wire.CheckReply, error) {
			return wire.CheckReply{Job: aJob}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	server := httptest.NewUnstartedServer(nil)
	server.Config = Server(h)
	server.Start()
	defer server.Close()

	if status, got, e := call[Submitted](t, h, http.MethodPost, "/v1/jobs", submission()); status != http.StatusOK || !got.New {
		t.Fatalf("%d %+v", status, e)
	}
	if status, list, e := call[Jobs](t, h, http.MethodGet, "/v1/jobs", nil); status != http.StatusOK || len(list.Jobs) != 1 {
		t.Errorf("%d %+v %+v", status, list, e)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+at+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+token)
	stream, err := server.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Body.Close() }()
	if stream.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("the stream is %v", stream.Header)
	}
	lines := bufio.NewScanner(stream.Body)
	lines.Buffer(nil, 1<<20)
	cancelled, last := false, Status{}
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		last = Status{}
		if err := json.Unmarshal([]byte(data), &last); err != nil {
			t.Fatal(err)
		}
		if !cancelled { // the first event: somebody cancels while it is watched
			cancelled = true
			if status, _, e := call[Changed](t, h, http.MethodPost, at+"/cancel", Change{Reason: "tests"}); status != http.StatusOK {
				t.Errorf("%d %+v", status, e)
			}
		}
	}
	if err := lines.Err(); err != nil || last.State != "cancelled" || !strings.Contains(last.Failure, "ann: tests") {
		t.Errorf("the stream ends with %+v, %v", last, err)
	}
	if status, list, e := call[Members](t, h, http.MethodGet, "/v1/members", nil); status != http.StatusOK || len(list.Members) != 1 || !list.Members[0].Leader {
		t.Errorf("%d %+v %+v", status, list, e)
	}
}

func TestWatchingAJobThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	h := newFake(t).handler()
	for _, path := range []string{at, "/v1/jobs/x"} {
		if status, _, e := call[any](t, h, http.MethodGet, path+"/events", nil); status != http.StatusNotFound || e.Code != NotFound {
			t.Errorf("%d %+v", status, e)
		}
	}
}

// A status takes what the ledger maintains, and no look at each task.
func TestAStatusIsAsLargeWhateverTheNumberOfPartitions(t *testing.T) {
	t.Parallel()
	size := func(tasks int) int {
		f := newFake(t)
		f.planned(tasks)
		w := httptest.NewRecorder()
		f.handler().ServeHTTP(w, request(http.MethodGet, at, ""))
		return w.Body.Len()
	}
	if few, many := size(10), size(20_000); many > few+200 {
		t.Errorf("%d bytes for 10 partitions, %d for 20 000", few, many)
	}
}

func BenchmarkStatus(b *testing.B) {
	f := newFake(b)
	const tasks = 100_000
	f.planned(tasks)
	var list []int
	for i := range tasks / 2 {
		list = append(list, i)
	}
	leases := f.grant(list...)
	f.complete(leases[:len(leases)-4000]...)
	h := f.handler()
	for _, path := range []string{at, at + "?tasks=1&state=waiting", "/v1/jobs"} {
		b.Run(strings.NewReplacer("/", "_", "?", "_").Replace(path), func(b *testing.B) {
			for b.Loop() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, request(http.MethodGet, path, ""))
				if w.Code != http.StatusOK {
					b.Fatal(w.Body.String())
				}
			}
		})
	}
}

// Whatever a body or a path says, the answer is JSON, is no 500 but of a worker's
// making, and names no subscriber.
func FuzzRequests(f *testing.F) {
	good, err := json.Marshal(submission())
	if err != nil {
		f.Fatal(err)
	}
	for _, pattern := range Routes() {
		method, path := path(pattern)
		f.Add(method, path, []byte(`{"reason":"x"}`))
	}
	f.Add("POST", "/v1/jobs", good)
	f.Add("POST", "/v1/rerun", []byte(`{"dataset":"base","ranges":["1380013-1380096"],"cities":[571]}`))
	f.Add("GET", at+"?tasks=1&stage=score&state=done&from=3&limit=7", []byte{})
	f.Add("POST", "/v1/jobs/13800130007/cancel", []byte(`{"reason":"13800130007"}`))
	f.Fuzz(func(t *testing.T, method, path string, body []byte) {
		r, err := http.NewRequest(method, "http://c1"+path, strings.NewReader(string(body)))
		if err != nil || r.URL.Host != "c1" || strings.HasSuffix(r.URL.Path, "/events") {
			return // no request that a server hands over; or a stream, which waits
		}
		fake := newFake(t)
		fake.planned(2)
		fake.check = func(wire.CheckRequest) (wire.CheckReply, error) {
			return wire.CheckReply{Job: "202610-aaaaaaaaaaaa"}, nil
		}
		h := fake.handler()
		h.cfg.Compare = func(context.Context, wire.CompareRequest) (wire.CompareReply, error) {
			return wire.CompareReply{Figures: []byte("{}")}, nil
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set(User, "ann")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		text := w.Body.String()
		switch {
		case w.Code >= 300 && w.Code < 400: // the mux cleans paths
		case w.Code == http.StatusOK && (strings.HasSuffix(r.URL.Path, "/backup") || r.URL.Path == "/metrics"): // no JSON
		case !json.Valid([]byte(text)):
			t.Errorf("%s %s: %d %q", method, path, w.Code, text)
		case w.Code == http.StatusInternalServerError:
			t.Errorf("%s %s: %s", method, path, text)
		case w.Code != http.StatusOK && namesSubscriber(text):
			t.Errorf("%s %s: %s", method, path, text)
		}
	})
}

func TestNumbersAreMaskedInWhateverAnErrorSays(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"13800130007", "at 13800130007, 13900130007: x", "imei 351234567890123", "a=13800130007&b=13800130008"} {
		w := httptest.NewRecorder()
		refuse(w, errorOf(fmt.Errorf("read: %s: %w", text, ledger.ErrState)))
		if namesSubscriber(w.Body.String()) || !strings.Contains(w.Body.String(), "***") {
			t.Errorf("%q: %s", text, w.Body)
		}
	}
	w := httptest.NewRecorder()
	const kept = "job 202610-0123456789ab, segments 1380013-1380096, version v0001-0000000042, pointer 0001-00000000000000000042"
	if refuse(w, Error{Code: Failure, Message: kept}); !strings.Contains(w.Body.String(), kept) {
		t.Errorf("changed: %s", w.Body)
	}
}
