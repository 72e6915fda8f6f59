package s3test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// Fault is what a proxy does to one request and its answer.
type Fault int

// The faults.
const (
	None      Fault = iota
	Busy            // 503 SlowDown, nothing is done
	Broken          // 500 without a body, nothing is done
	Reset           // the connection is reset, nothing is done
	Lost            // the request is carried out, and the connection reset instead of an answer
	LostBusy        // the request is carried out, and answered 503 by something in between
	Truncated       // the answer ends in the middle
	Held            // no answer, until the client gives up
	HeldAfter       // the request is carried out, and not answered until the client gives up
	FlipUp          // a byte of the request's body changes
	FlipDown        // a byte of the answer's body changes
	faults
)

// String names a fault.
func (f Fault) String() string {
	return [...]string{"none", "busy", "broken", "reset", "lost", "lost busy", "truncated", "held", "held after", "flip up", "flip down"}[f]
}

// Faults are all of them.
func Faults() (all []Fault) {
	for f := Busy; f < faults; f++ {
		all = append(all, f)
	}
	return all
}

// Proxy stands between a client and a server. Decide is asked about every request,
// which are counted from 1; it is called by one request at a time.
type Proxy struct {
	Endpoint string
	server   string
	mu       sync.Mutex
	decide   func(n int, r *http.Request) Fault
	count    int
	fired    int
}

// NewProxy starts a proxy before a server until the test ends.
func NewProxy(t testing.TB, s Server) *Proxy {
	p := &Proxy{server: s.Endpoint}
	h := httptest.NewServer(p)
	t.Cleanup(h.Close)
	p.Endpoint = h.URL
	return p
}

// Plan says what becomes of the requests from now on, and counts them from 1 again.
func (p *Proxy) Plan(decide func(n int, r *http.Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide, p.count, p.fired = decide, 0, 0
}

// Fired returns how many faults there were since Plan.
func (p *Proxy) Fired() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fired
}

func (p *Proxy) next(r *http.Request) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	if p.decide == nil {
		return None
	}
	f := p.decide(p.count, r)
	if f != None {
		p.fired++
	}
	return f
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	fault := p.next(r)
	switch fault { //nolint:exhaustive // those that come before the request
	case Busy:
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>")
		return
	case Broken:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case Reset:
		reset(w)
		return
	case Held:
		<-r.Context().Done()
		return
	case FlipUp:
		if len(body) > 0 {
			body[len(body)/2] ^= 0x10
		}
	}
	// What is lost is carried out although the client has gone.
	status, header, answer, err := p.forward(context.WithoutCancel(r.Context()), r, body)
	if err != nil {
		reset(w)
		return
	}
	switch fault { //nolint:exhaustive // those that let an answer through come below
	case Lost:
		reset(w)
		return
	case LostBusy:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case HeldAfter:
		<-r.Context().Done()
		return
	case FlipDown:
		if len(answer) > 0 {
			answer[len(answer)/2] ^= 0x10
		}
	}
	maps.Copy(w.Header(), header)
	if r.Method != http.MethodHead {
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	}
	w.WriteHeader(status)
	if fault == Truncated {
		_, _ = w.Write(answer[:len(answer)/2])
		_ = http.NewResponseController(w).Flush()
		reset(w)
		return
	}
	_, _ = w.Write(answer)
}

// forward carries a request out as it is: its signature covers the host.
func (p *Proxy) forward(ctx context.Context, r *http.Request, body []byte) (status int, header http.Header, answer []byte, err error) {
	out, err := http.NewRequestWithContext(ctx, r.Method, p.server+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	out.Header, out.Host = r.Header.Clone(), r.Host
	response, err := transport.RoundTrip(out)
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = response.Body.Close() }() // read to its end
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, response.Header, answer, err
}

// transport does not follow, repeat or unpack anything.
var transport = &http.Transport{DisableCompression: true, DisableKeepAlives: true}

// reset ends a connection at once.
func reset(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // which ends it as well
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
