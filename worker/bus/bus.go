// Package bus is the worker's door to NATS: it asks whoever leads, and answers what
// any worker can answer.
//
// # Asking
//
// A question that is not answered is an unknown outcome: it is asked again. Three
// things end the wait for an answer before its time: nobody subscribes (nobody leads),
// the connection is lost, or a coordinator says that it leads now, so that the one
// that was asked will not answer. Without them a worker would wait out its timeout
// whenever a leader dies, and failover would take that long.
//
// The last of the three may be said by the one that was asked: it answers questions just
// before it says that it leads. So an answer that comes late is kept. What it grants nobody
// else would get before the lease runs out.
package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"rescore/partition/role"
	"rescore/partition/wire"
)

// timeout is how long a question waits for its answer before it is asked again.
const timeout = 10 * time.Second

// ErrMoved is returned for a question whose answer will not come: another coordinator
// leads now, or the connection was lost. The outcome is unknown.
var ErrMoved = errors.New("whoever was asked does not answer any more")

// ErrRefused is returned when the coordinators' servers do not let this worker in.
var ErrRefused = errors.New("the coordinators refuse this worker's token or certificate")

// inbox is what the subjects of workers' inboxes begin with: they may listen to nothing
// else.
const inbox = "_INBOX." + role.Worker

// Client speaks with coordinators over a NATS connection.
type Client struct {
	conn *nats.Conn
	log  *slog.Logger
	own  bool // Close closes the connection
	lead *nats.Subscription

	working time.Duration // workingEvery, but in tests

	mu     sync.Mutex
	leader wire.Lead     // who was last heard to lead
	moved  chan struct{} // closed when whoever was asked will not answer
	late   []late        // granted by answers that came after their questions were given up
	closed chan struct{} // closed when the connection is
}

// late is a grant that nobody waited for any more.
type late struct {
	wire.Assignment
	until time.Time // then its lease may have run out, as no heartbeat names it
}

// NewClient returns a client on a connection, which stays the caller's. Close it.
func NewClient(conn *nats.Conn, log *slog.Logger) (*Client, error) {
	c := newClient(log)
	conn.SetDisconnectErrHandler(c.lost)
	conn.SetClosedHandler(func(*nats.Conn) { close(c.closed) })
	return c, c.begin(conn)
}

func newClient(log *slog.Logger) *Client {
	return &Client{log: log, working: workingEvery, moved: make(chan struct{}), closed: make(chan struct{})}
}

// begin listens to who leads.
func (c *Client) begin(conn *nats.Conn) error {
	c.conn = conn
	sub, err := conn.Subscribe(wire.SubjectLead, func(m *nats.Msg) {
		l, err := wire.Decode[wire.Lead](m.Data)
		if err != nil {
			c.log.Warn("read who leads", "err", err)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if l != c.leader {
			c.leader = l
			c.move()
		}
	})
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", wire.SubjectLead, err)
	}
	c.lead = sub
	return nil
}

// Dial connects to the coordinators' NATS servers, by their URLs, and does not wait
// for them: while none is there, questions fail and it goes on trying. A server that
// refuses the token is an error. id is the worker's; secure has its certificate and
// the cluster's authority as RootCAs, nil is plain TCP. Close the client.
func Dial(urls []string, id, token string, secure *tls.Config, log *slog.Logger) (*Client, error) {
	c := newClient(log)
	c.own = true
	o := []nats.Option{
		nats.Name(id), nats.UserInfo(role.Worker, token), nats.CustomInboxPrefix(inbox),
		// A server that died is left for the next one within tenths of a second; one that
		// fell silent within three pings.
		nats.MaxReconnects(-1), nats.Timeout(time.Second),
		nats.ReconnectWait(50 * time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2),
		nats.IgnoreDiscoveredServers(), // a coordinator's own name for itself may not be ours
		nats.ReconnectBufSize(-1),      // what cannot be asked now is asked again, not later
		nats.DisconnectErrHandler(c.lost),
		nats.ReconnectHandler(c.back),
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			log.Error("nats", "subject", subject, "err", err)
		}),
	}
	if secure != nil {
		s := secure.Clone()
		s.MinVersion = tls.VersionTLS13
		s.VerifyConnection = func(to tls.ConnectionState) error { return role.Check(&to, role.Coordinator) }
		o = append(o, nats.Secure(s))
	}
	conn, err := nats.Connect(strings.Join(urls, ","), o...)
	if err != nil && !errors.Is(err, nats.ErrAuthorization) { // which would not be said of a connection that is tried again
		log.Warn("no nats-server can be reached; trying on", "err", err)
		conn, err = nats.Connect(strings.Join(urls, ","), append(o, nats.RetryOnFailedConnect(true), nats.ConnectHandler(c.back))...)
	}
	if err == nil {
		if err = c.begin(conn); err != nil {
			conn.Close()
		}
	}
	if err != nil {
		if errors.Is(err, nats.ErrAuthorization) {
			err = fmt.Errorf("%w: %w", ErrRefused, err)
		}
		return nil, fmt.Errorf("connect to nats-server %s as %s: %w", strings.Join(urls, ", "), role.Worker, err)
	}
	return c, nil
}

// Close ends the client, and the connection that Dial opened.
func (c *Client) Close() {
	if c.own {
		c.conn.Close()
		<-c.closed
		return
	}
	_ = c.lead.Unsubscribe() // a closed connection has none
}

// Closed returns a channel that is closed when the connection is and will not come
// back: Close was called, or every server refused the token.
func (c *Client) Closed() <-chan struct{} { return c.closed }

// Moved returns a channel that is closed when another coordinator is heard to lead,
// or the connection was lost or is back.
func (c *Client) Moved() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moved
}

// move wakes whoever waits. c.mu is held.
func (c *Client) move() {
	close(c.moved)
	c.moved = make(chan struct{})
}

func (c *Client) lost(_ *nats.Conn, err error) {
	if err != nil {
		c.log.Warn("nats-server is gone; the next one is tried", "err", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.move()
}

// back wakes whoever waits to ask again.
func (c *Client) back(conn *nats.Conn) {
	c.log.Info("connected to nats-server", "address", conn.ConnectedAddr())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.move()
}

// Work asks for assignments. An error is an unknown outcome: leases may have been
// granted. Those of an answer that came when its question was given up are the next
// call's, if it comes before the question would have timed out; all others expire.
func (c *Client) Work(ctx context.Context, r wire.WorkRequest) (wire.WorkReply, error) {
	if len(r.Unfit) == 0 { // which must be told
		if granted := c.belated(r.Slots); len(granted) > 0 {
			return wire.WorkReply{Assignments: granted}, nil
		}
	}
	data, err := wire.Encode(r)
	if err == nil {
		data, err = c.ask(ctx, wire.SubjectWork, data, c.keep)
	}
	if err != nil {
		return wire.WorkReply{}, fmt.Errorf("ask for work: %w", err)
	}
	return wire.Decode[wire.WorkReply](data)
}

// keep keeps what an answer grants that nobody waits for any more. Whoever gave it may be
// the one that was then heard to lead.
func (c *Client) keep(data []byte, until time.Time) {
	reply, err := wire.Decode[wire.WorkReply](data)
	if err != nil {
		c.log.Warn("read a late answer to a question for work", "err", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range reply.Assignments {
		c.late = append(c.late, late{a, until})
	}
}

// belated returns assignments that were kept, at most so many.
func (c *Client) belated(most int) (granted []wire.Assignment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.late = slices.DeleteFunc(c.late, func(l late) bool { return now.After(l.until) })
	n := min(most, len(c.late))
	for _, l := range c.late[:n] {
		granted = append(granted, l.Assignment)
	}
	c.late = slices.Delete(c.late, 0, n)
	return granted
}

// Report says how a task ended. An error is an unknown outcome: send it again.
func (c *Client) Report(ctx context.Context, r wire.Report) (wire.ReportReply, error) {
	data, err := wire.Encode(r)
	if err == nil {
		data, err = c.ask(ctx, wire.SubjectReport, data, nil)
	}
	if err != nil {
		return wire.ReportReply{}, fmt.Errorf("report: %w", err)
	}
	return wire.Decode[wire.ReportReply](data)
}

// Heartbeat is sent and forgotten.
func (c *Client) Heartbeat(h wire.Heartbeat) error {
	data, err := wire.Encode(h)
	if err == nil {
		err = c.conn.Publish(wire.SubjectHeartbeat, data)
	}
	if err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	return nil
}

// ask asks, until the answer comes or will not come. What comes after it was given up, and
// before until, is for keep to take; without it nobody waits for that.
func (c *Client) ask(ctx context.Context, subject string, data []byte, keep func(data []byte, until time.Time)) ([]byte, error) {
	type answer struct {
		m   *nats.Msg
		err error
	}
	moved := c.Moved()
	until := time.Now().Add(timeout)
	waiting, cancel := context.WithDeadline(ctx, until)
	answers, givenUp := make(chan answer), make(chan struct{})
	go func() {
		defer cancel()
		m, err := c.conn.RequestWithContext(waiting, subject, data)
		select {
		case answers <- answer{m, err}:
		case <-givenUp:
			if err == nil && keep != nil {
				keep(m.Data, until)
			}
		}
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return nil, a.err
		}
		return a.m.Data, nil
	case <-moved:
		close(givenUp)
		if keep == nil {
			cancel()
		}
		return nil, ErrMoved
	}
}
