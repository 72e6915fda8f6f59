package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// elected is a fake whose leader changes while it is asked.
type elected struct {
	*fake
	leader atomic.Value
}

func (e *elected) Leader() (string, bool) { return e.leader.Load().(string), true }

func TestARequestIsNotLeftWithALeaderThatFroze(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	frozen := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done() // its connections stay open, and nothing comes
	}))
	t.Cleanup(frozen.Close)
	f := &elected{fake: newFake(t)}
	f.id = "c2"
	f.leader.Store("c1")
	h := f.handler()
	h.cfg.Cluster = f
	h.cfg.Address = func(string) (string, bool) { return frozen.Listener.Addr().String(), true }
	answered := make(chan Error, 1)
	go func() {
		_, _, e := call[Status](t, h, http.MethodGet, at, nil)
		answered <- e
	}()
	select {
	case <-asked:
	case <-time.After(patience):
		t.Fatal("the leader was not asked")
	}
	f.leader.Store("c3")
	select {
	case e := <-answered:
		if e.Code != Unavailable || !strings.Contains(e.Message, "c1") {
			t.Errorf("got %+v", e)
		}
	case <-time.After(patience):
		t.Fatal("whoever asked waits for a leader that was deposed")
	}
}

func TestABodyThatIsTooLargeIsSaidToBeByAFollowerToo(t *testing.T) {
	t.Parallel()
	leading := httptest.NewServer(newFake(t).handler())
	t.Cleanup(leading.Close)
	f := newFake(t)
	f.id = "c2"
	h := f.handler()
	h.cfg.Address = func(string) (string, bool) { return leading.Listener.Addr().String(), true }
	if status, _, e := call[Submitted](t, h, http.MethodPost, "/v1/jobs", strings.Repeat(" ", bodyMax+1)); status != http.StatusRequestEntityTooLarge || e.Code != Usage {
		t.Errorf("%d %+v", status, e)
	}
}

// slow is a recorder that has deadlines, as a connection has.
type slow struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (s *slow) SetReadDeadline(at time.Time) error {
	s.read = at
	return nil
}

func (s *slow) SetWriteDeadline(at time.Time) error {
	s.write = at
	return nil
}

// The server reads behind a request to notice that its client left. A deadline of the
// body that is over would look the same, and end whatever takes longer.
func TestOnlyABodyHasToComeInTime(t *testing.T) {
	t.Parallel()
	h := newFake(t).handler()
	for _, c := range []struct {
		method, body string
		bound        bool
	}{{http.MethodGet, "", false}, {http.MethodPost, "{}", true}} {
		r := request(c.method, "/v1/jobs", c.body)
		if c.body == "" {
			r.Body = http.NoBody // as the server has it
		}
		w := &slow{ResponseRecorder: httptest.NewRecorder()}
		h.ServeHTTP(w, r)
		if w.read.IsZero() == c.bound || w.write.IsZero() {
			t.Errorf("%s %q: read by %v, write by %v", c.method, c.body, w.read, w.write)
		}
	}
}
