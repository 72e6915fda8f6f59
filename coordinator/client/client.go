// Package client speaks to a cluster's coordinators.
//
// It is given all of them and asks the one that answered last. When that one is down,
// or nobody leads, it asks the next, until its patience ends: whoever calls does not
// notice that the leader changed. Every change can be asked for twice and is made
// once, so a lost answer is no reason to bother anybody.
package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"rescore/coordinator/api"
	"rescore/partition/job"
)

// Config says whom to ask.
type Config struct {
	// Coordinators are base addresses, HOST:PORT. Their APIs are at PORT+APIPort.
	Coordinators []string
	Token        string
	User         string      // who asks, for the ledger
	TLS          *tls.Config // nil is plain HTTP
	// Patience is how long a request is tried again while no coordinator answers it.
	// Defaults to 30 s: a cluster chooses a leader within a few.
	Patience time.Duration
}

// APIPort is how far above a coordinator's base port its API is.
const APIPort = 3

// Client asks a cluster. It is safe for concurrent use.
type Client struct {
	cfg    Config
	urls   []string
	last   atomic.Int64  // index of the coordinator that answered last
	quick  time.Duration // quickTime, but in tests
	client *http.Client
}

// How long a coordinator may say nothing before another is asked.
const (
	quickTime = 15 * time.Second // where it has only to look
	slow      = 15 * time.Minute // where a worker reads the whole base first
)

// New returns a client; it speaks to nobody yet. Close it after.
func New(cfg Config) (*Client, error) {
	if cfg.Patience == 0 {
		cfg.Patience = 30 * time.Second
	}
	if cfg.Token == "" {
		return nil, errors.New("speak to a cluster: no token")
	}
	if len(cfg.Coordinators) == 0 {
		return nil, errors.New("speak to a cluster: no coordinator")
	}
	c := &Client{cfg: cfg, quick: quickTime}
	scheme := "http://"
	if cfg.TLS != nil {
		scheme = "https://"
	}
	for _, base := range cfg.Coordinators {
		address, err := Address(base)
		if err != nil {
			return nil, err
		}
		c.urls = append(c.urls, scheme+address)
	}
	dialer := net.Dialer{Timeout: 3 * time.Second}
	c.client = &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: cfg.TLS, TLSHandshakeTimeout: 5 * time.Second,
			MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token goes nowhere else
	}
	return c, nil
}

// Address returns where a coordinator's API is, from its base address.
func Address(base string) (string, error) {
	host, text, err := net.SplitHostPort(base)
	port, perr := strconv.Atoi(text)
	if err != nil || perr != nil || host == "" || port < 1 || port > 65535-APIPort {
		return "", fmt.Errorf("%q is no address of a coordinator; write host:port", base)
	}
	return net.JoinHostPort(host, strconv.Itoa(port+APIPort)), nil
}

// Close lets go of the connections.
func (c *Client) Close() { c.client.CloseIdleConnections() }

// Submit brings a job to the cluster. The same one again is the same job.
func (c *Client) Submit(ctx context.Context, s api.Submission) (api.Submitted, error) {
	return ask[api.Submitted](ctx, c, slow, http.MethodPost, "/v1/jobs", s)
}

// Jobs lists every job, oldest first.
func (c *Client) Jobs(ctx context.Context) (api.Jobs, error) {
	return ask[api.Jobs](ctx, c, c.quick, http.MethodGet, "/v1/jobs", nil)
}

// Status says where a job stands.
func (c *Client) Status(ctx context.Context, id job.ID) (api.Status, error) {
	return ask[api.Status](ctx, c, c.quick, http.MethodGet, jobPath(id), nil)
}

// Tasks says where a job stands, with a page of its tasks.
func (c *Client) Tasks(ctx context.Context, id job.ID, stage, state string, from, limit int) (api.Status, error) {
	q := url.Values{"tasks": {"1"}, "stage": {stage}, "state": {state}, "from": {strconv.Itoa(from)}, "limit": {strconv.Itoa(limit)}}
	return ask[api.Status](ctx, c, c.quick, http.MethodGet, jobPath(id)+"?"+q.Encode(), nil)
}

// Change does to a job what a verb of the API says: cancel, pause, resume, retry,
// release.
func (c *Client) Change(ctx context.Context, id job.ID, verb string, change api.Change) (api.Changed, error) {
	return ask[api.Changed](ctx, c, c.quick, http.MethodPost, jobPath(id)+"/"+verb, change)
}

// Rerun says what doing something again takes, and does it when it is told to.
func (c *Client) Rerun(ctx context.Context, r api.Rerun) (api.Rerunning, error) {
	return ask[api.Rerunning](ctx, c, slow, http.MethodPost, "/v1/rerun", r)
}

// Versions returns a dataset's history.
func (c *Client) Versions(ctx context.Context, dataset string) (api.Versions, error) {
	return ask[api.Versions](ctx, c, c.quick, http.MethodGet, datasetPath(dataset)+"/versions", nil)
}

// Diff compares two versions, the current one with the one before where they are "".
func (c *Client) Diff(ctx context.Context, dataset, from, to string) (api.Difference, error) {
	q := url.Values{"old": {from}, "new": {to}}
	return ask[api.Difference](ctx, c, slow, http.MethodGet, datasetPath(dataset)+"/diff?"+q.Encode(), nil)
}

// Rollback makes an older version the current one again.
func (c *Client) Rollback(ctx context.Context, dataset string, b api.Back) (api.Pointed, error) {
	return ask[api.Pointed](ctx, c, slow, http.MethodPost, datasetPath(dataset)+"/rollback", b)
}

// Collect counts, lists or deletes what nobody needs of a dataset.
func (c *Client) Collect(ctx context.Context, dataset string, step api.Collect) (api.Collected, error) {
	return ask[api.Collected](ctx, c, slow, http.MethodPost, datasetPath(dataset)+"/gc", step)
}

// Workers lists who works.
func (c *Client) Workers(ctx context.Context) (api.Workers, error) {
	return ask[api.Workers](ctx, c, c.quick, http.MethodGet, "/v1/workers", nil)
}

// Drain tells a worker to finish what it has and leave.
func (c *Client) Drain(ctx context.Context, worker string) (api.Drained, error) {
	return ask[api.Drained](ctx, c, c.quick, http.MethodPost, "/v1/workers/"+url.PathEscape(worker)+"/drain", struct{}{})
}

// Members lists the coordinators.
func (c *Client) Members(ctx context.Context) (api.Members, error) {
	return ask[api.Members](ctx, c, c.quick, http.MethodGet, "/v1/members", nil)
}

// AddMember brings a coordinator in that has no vote yet.
func (c *Client) AddMember(ctx context.Context, id, address string) (api.Members, error) {
	return ask[api.Members](ctx, c, c.quick, http.MethodPost, "/v1/members", api.Joining{ID: id, Address: address})
}

// PromoteMember gives a coordinator its vote, once it has caught up.
func (c *Client) PromoteMember(ctx context.Context, id string) (api.Members, error) {
	return ask[api.Members](ctx, c, slow, http.MethodPost, "/v1/members/"+url.PathEscape(id)+"/promote", struct{}{})
}

// RemoveMember takes a coordinator out; force does it where two voters are left.
func (c *Client) RemoveMember(ctx context.Context, id string, force bool) (api.Members, error) {
	return ask[api.Members](ctx, c, c.quick, http.MethodDelete, "/v1/members/"+url.PathEscape(id)+query(force), nil)
}

func query(force bool) string { return "?force=" + strconv.FormatBool(force) }

// Watch calls show with a job's status about once a second until the job is over or
// waits for somebody, and returns the last. It follows the job from leader to leader.
func (c *Client) Watch(ctx context.Context, id job.ID, show func(api.Status)) (api.Status, error) {
	for {
		r, err := c.do(ctx, c.quick, http.MethodGet, jobPath(id)+"/events", nil)
		if err != nil {
			return api.Status{}, err
		}
		at := int(c.last.Load())
		silent := time.AfterFunc(c.quick, func() { // it froze, with its connections open
			c.leave(at)
			_ = r.Body.Close()
		})
		s, over, err := follow(r.Body, func(s api.Status) {
			silent.Reset(c.quick)
			show(s)
		})
		silent.Stop()
		_ = r.Body.Close()
		if over || err != nil {
			return s, err
		}
		select { // the stream ended: with its leader, or with the connection
		case <-ctx.Done():
			return s, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// eventMax is the largest event in bytes.
const eventMax = 16 << 20

// follow reads events until the job is over, or the stream ends.
func follow(body io.Reader, show func(api.Status)) (s api.Status, over bool, err error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, eventMax)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		s = api.Status{}
		if err := json.Unmarshal(data, &s); err != nil {
			return s, false, fmt.Errorf("read an event: %w", err)
		}
		show(s)
		if api.Over(s.State) {
			return s, true, nil
		}
	}
	return s, false, nil
}

func datasetPath(name string) string { return "/v1/datasets/" + url.PathEscape(name) }

func jobPath(id job.ID) string { return "/v1/jobs/" + url.PathEscape(string(id)) }

// ask makes one request and decodes its answer.
func ask[T any](ctx context.Context, c *Client, within time.Duration, method, path string, body any) (T, error) {
	var v T
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return v, fmt.Errorf("encode a request: %w", err)
		}
	}
	return askRaw[T](ctx, c, within, method, path, data)
}

// askRaw makes one request with a body as it is.
func askRaw[T any](ctx context.Context, c *Client, within time.Duration, method, path string, body []byte) (T, error) {
	var v T
	r, err := c.do(ctx, within, method, path, body)
	if err != nil {
		return v, err
	}
	defer func() { _ = r.Body.Close() }()
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		return v, fmt.Errorf("read the answer of %s: %w", r.Request.URL.Host, err)
	}
	return v, nil
}

// do sends a request to one coordinator after the other until one has begun to answer
// it, each within a time. The caller closes the body.
func (c *Client) do(ctx context.Context, within time.Duration, method, path string, body []byte) (*http.Response, error) {
	end := time.Now().Add(c.cfg.Patience)
	wait := 50 * time.Millisecond
	for tries := 0; ; tries++ {
		at := int(c.last.Load()) % len(c.urls)
		r, err := c.once(ctx, within, c.urls[at], method, path, body)
		if err == nil {
			return r, nil
		}
		var e api.Error
		if errors.As(err, &e) && e.Code != api.Unavailable {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		c.leave(at)
		if tries%len(c.urls) < len(c.urls)-1 { // another may know better at once
			continue
		}
		if time.Now().After(end) {
			return nil, unavailable(err, c.cfg.Coordinators)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(wait):
		}
		wait = min(2*wait, time.Second)
	}
}

// leave has the next coordinator asked, unless somebody has seen to it.
func (c *Client) leave(at int) { c.last.CompareAndSwap(int64(at), int64((at+1)%len(c.urls))) }

// unavailable is the error of a cluster that does not answer.
func unavailable(err error, coordinators []string) error {
	var e api.Error
	if errors.As(err, &e) {
		return e
	}
	return api.Error{
		Code: api.Unavailable, Kind: "unavailable", Message: fmt.Sprintf("no coordinator answers at %s: %v", strings.Join(coordinators, ", "), err),
		Hint: "check --coordinators, and that the coordinators run",
	}
}

// once sends a request to one coordinator, which must begin to answer within a time.
func (c *Client) once(ctx context.Context, within time.Duration, base, method, path string, body []byte) (*http.Response, error) {
	ctx, hangUp := context.WithCancel(ctx)
	r, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		hangUp()
		return nil, fmt.Errorf("make a request: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	r.Header.Set(api.User, c.cfg.User)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	late := time.AfterFunc(within, hangUp)
	answer, err := c.client.Do(r)
	if !late.Stop() {
		if err == nil {
			_ = answer.Body.Close() // it began a moment too late
		}
		err = fmt.Errorf("%s said nothing for %v", r.URL.Host, within)
	}
	if err != nil {
		hangUp()
		return nil, err
	}
	answer.Body = &answering{answer.Body, hangUp}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	defer func() { _ = answer.Body.Close() }()
	e := api.Error{}
	data, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil || json.Unmarshal(data, &e) != nil || e.Code == 0 {
		return nil, fmt.Errorf("%s answered %s, which is no answer of a coordinator", r.URL.Host, answer.Status)
	}
	return nil, e
}

// answering is an answer's body; closing it ends the request.
type answering struct {
	io.ReadCloser
	hangUp context.CancelFunc
}

// Close implements io.Closer.
func (a *answering) Close() error {
	a.hangUp()
	return a.ReadCloser.Close()
}
