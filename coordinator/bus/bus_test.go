package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"rescore/partition/job"
	"rescore/partition/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal is a log that says when a line was written.
type journal struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines chan string
}

func newJournal() *journal { return &journal{lines: make(chan string, 100)} }

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines <- string(p)
	return j.text.Write(p)
}

// desk is a handler whose answers a test decides on.
type desk struct {
	work   func(wire.WorkRequest) wire.WorkReply
	report func(context.Context, wire.Report) wire.ReportReply
	beats  chan wire.Heartbeat
}

func (d *desk) Work(_ context.Context, r wire.WorkRequest) wire.WorkReply { return d.work(r) }
func (d *desk) Report(ctx context.Context, r wire.Report) wire.ReportReply {
	return d.report(ctx, r)
}
func (d *desk) Heartbeat(h wire.Heartbeat) { d.beats <- h }

func newDesk() *desk {
	return &desk{
		work:   func(r wire.WorkRequest) wire.WorkReply { return wire.WorkReply{RetryMillis: int64(r.Slots)} },
		report: func(context.Context, wire.Report) wire.ReportReply { return wire.ReportReply{Status: wire.OK} },
		beats:  make(chan wire.Heartbeat, 1),
	}
}

// office is a bus that is served, and a worker's connection to it.
type office struct {
	t      *testing.T
	server *nats.Conn
	worker *nats.Conn
	log    *journal
	cancel context.CancelCauseFunc
	ended  chan error
}

func embed(t *testing.T) *Embedded {
	t.Helper()
	e, err := Embed()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func connect(t *testing.T, e *Embedded, name string) *nats.Conn {
	t.Helper()
	conn, err := e.Connect(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func open(t *testing.T, h Handler) *office {
	t.Helper()
	e := embed(t)
	o := &office{t: t, server: connect(t, e, "coordinator"), worker: connect(t, e, "worker"), log: newJournal()}
	o.serve(h)
	t.Cleanup(func() { _ = o.stop() })
	return o
}

var errStop = errors.New("told to stop")

// serve returns when the bus can be asked.
func (o *office) serve(h Handler) {
	o.t.Helper()
	ctx, cancel := context.WithCancelCause(o.t.Context())
	o.cancel, o.ended = cancel, make(chan error, 1)
	go func() { o.ended <- New(o.server, slog.New(slog.NewTextHandler(o.log, nil))).Serve(ctx, h) }()
	for began := time.Now(); o.server.NumSubscriptions() < 3; runtime.Gosched() {
		if time.Since(began) > patience {
			o.t.Fatal("the bus does not listen")
		}
	}
	if err := o.server.Flush(); err != nil {
		o.t.Fatal(err)
	}
}

// stop returns what Serve returned.
func (o *office) stop() error {
	o.cancel(errStop)
	err := receive(o.t, o.ended, "the end of Serve")
	o.ended <- err
	return err
}

// patience bounds every wait, so that a bus that does nothing fails its test and does
// not hang it. No wait needs a hundredth of it.
const patience = 2 * time.Minute

// patient returns the context of a wait.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// receive waits for something that is to come.
func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	var x T
	select {
	case x = <-from:
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
	}
	return x
}

func mustEncode[M wire.Message](t *testing.T, m M) []byte {
	t.Helper()
	data, err := wire.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func ask[R wire.Message](o *office, subject string, data []byte) R {
	o.t.Helper()
	m, err := o.worker.RequestWithContext(patient(o.t), subject, data)
	if err != nil {
		o.t.Fatal(err)
	}
	r, err := wire.Decode[R](m.Data)
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

func (o *office) work(slots int) wire.WorkReply {
	o.t.Helper()
	return ask[wire.WorkReply](o, wire.SubjectWork, mustEncode(o.t, wire.WorkRequest{Worker: "w", Slots: slots}))
}

var aLease = wire.Lease{Job: "202610-0123456789ab", Stage: 1, Task: 2, Token: 3}

func TestEachSubjectReachesItsHandler(t *testing.T) {
	t.Parallel()
	d := newDesk()
	d.report = func(_ context.Context, r wire.Report) wire.ReportReply {
		return wire.ReportReply{Status: wire.Fenced, Message: string(r.Lease.Job)}
	}
	o := open(t, d)
	if got := o.work(7); got.RetryMillis != 7 {
		t.Errorf("got %+v", got)
	}
	report := wire.Report{Worker: "w", Lease: aLease, Result: &job.Result{}}
	if got := ask[wire.ReportReply](o, wire.SubjectReport, mustEncode(t, report)); got.Status != wire.Fenced || got.Message != string(aLease.Job) {
		t.Errorf("got %+v", got)
	}
	if err := o.worker.Publish(wire.SubjectHeartbeat, mustEncode(t, wire.Heartbeat{Worker: "w", Tasks: []wire.Progress{{Lease: aLease, RowsDone: 4}}})); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, d.beats, "the heartbeat"); len(got.Tasks) != 1 || got.Tasks[0].Lease != aLease || got.Tasks[0].RowsDone != 4 {
		t.Errorf("got %+v", got)
	}
}

func TestRequestsBeyondTheLimitWaitAndAreAnswered(t *testing.T) {
	t.Parallel()
	const more = 40
	d := newDesk()
	var running, most atomic.Int64
	entered, release := make(chan struct{}, requestsMax+more), make(chan struct{})
	d.work = func(wire.WorkRequest) wire.WorkReply {
		now := running.Add(1)
		for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
		}
		entered <- struct{}{}
		<-release
		running.Add(-1)
		return wire.WorkReply{}
	}
	o := open(t, d)
	inbox := o.worker.NewRespInbox()
	answers, err := o.worker.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	data := mustEncode(t, wire.WorkRequest{Worker: "w", Slots: 1})
	for range requestsMax + more {
		if err := o.worker.PublishRequest(wire.SubjectWork, inbox, data); err != nil {
			t.Fatal(err)
		}
	}
	for range requestsMax {
		receive(t, entered, "a request")
	}
	for _, conn := range []*nats.Conn{o.worker, o.server} { // the rest has arrived too
		if err := conn.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	for i := range requestsMax + more {
		if _, err := answers.NextMsgWithContext(patient(t)); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
	if most.Load() != requestsMax {
		t.Errorf("%d requests were answered at once, the limit is %d", most.Load(), requestsMax)
	}
}

// No message that cannot be read is answered, nor does the log repeat what is in
// it: the sender may have put anything there (I8).
func TestAMalformedMessageIsLoggedWithoutItsContentAndNotAnsweredI8(t *testing.T) {
	t.Parallel()
	const secret = "13812345678"
	text := func(s string) []byte { return append([]byte{0x60 + byte(len(s))}, s...) } // CBOR
	head := func(m byte, body ...[]byte) []byte { return append([]byte{m, 1}, bytes.Join(body, nil)...) }
	bad := [][]byte{
		head(1, []byte{0xa1, 1}, text(secret)), head(3, []byte{0xa1, 1}, text(secret)), // a name, and nothing else
		nil, []byte(secret), head(9), head(1), head(3), head(5),
		{1, 99},
	}
	for _, m := range []byte{1, 3, 5} {
		bad = append(bad,
			head(m, text(secret)), // not a map
			head(m, []byte{0xa2}, text(secret), []byte{1}, text(secret), []byte{1}), // a key twice
			head(m, []byte{0xa1}, text(secret), []byte{1}),                          // an unknown field
			head(m, []byte{0xa1, 2}, text(secret)),                                  // another type
			head(m, []byte{0xa1, 1}, text(secret), []byte(secret)),                  // bytes left over
			head(m, []byte{0xa2, 1}, text(secret), []byte{1}, text(secret)),         // a field twice
		)
	}
	d := newDesk()
	o := open(t, d)
	inbox, answers := o.worker.NewRespInbox(), make(chan *nats.Msg, 100)
	_, err := o.worker.ChanSubscribe(inbox, answers)
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{wire.SubjectWork, wire.SubjectReport, wire.SubjectHeartbeat} {
		for i, data := range bad {
			if err := o.worker.PublishRequest(subject, inbox, data); err != nil {
				t.Fatal(err)
			}
			select {
			case line := <-o.log.lines:
				if strings.Contains(line, secret) || !strings.Contains(line, subject) || !strings.Contains(line, "WARN") {
					t.Errorf("%s, message %d: %s", subject, i, line)
				}
			case m := <-d.beats:
				t.Fatalf("%s: message %d is taken for %+v", subject, i, m)
			case m := <-answers:
				t.Fatalf("%s: message %d is answered %q", subject, i, m.Data)
			case <-time.After(patience):
				t.Fatalf("%s: message %d is not logged", subject, i)
			}
		}
	}
	if got := o.work(3); got.RetryMillis != 3 {
		t.Errorf("afterwards the bus answers %+v", got)
	}
	if len(answers) != 0 {
		t.Errorf("a malformed message was answered %q", (<-answers).Data)
	}
}

func TestStoppingAnswersWhatWasTaken(t *testing.T) {
	t.Parallel()
	d := newDesk()
	const taken = 5
	entered, answered := make(chan struct{}, taken), atomic.Int64{}
	d.report = func(ctx context.Context, r wire.Report) wire.ReportReply {
		entered <- struct{}{}
		<-ctx.Done() // whoever waits for raft hears of it
		answered.Add(1)
		return wire.ReportReply{Status: wire.Retry, Message: fmt.Sprint(context.Cause(ctx))}
	}
	o := open(t, d)
	inbox := o.worker.NewRespInbox()
	answers, err := o.worker.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	data := mustEncode(t, wire.Report{Worker: "w", Lease: aLease, Failure: &wire.Failure{Reason: "x"}})
	for range taken {
		if err := o.worker.PublishRequest(wire.SubjectReport, inbox, data); err != nil {
			t.Fatal(err)
		}
	}
	for range taken {
		receive(t, entered, "a report")
	}
	if err := o.stop(); !errors.Is(err, errStop) {
		t.Errorf("Serve returned %v", err)
	}
	if answered.Load() != taken {
		t.Errorf("Serve returned with %d of %d answered", answered.Load(), taken)
	}
	for range taken {
		m, err := answers.NextMsgWithContext(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := wire.Decode[wire.ReportReply](m.Data); err != nil || r.Status != wire.Retry || r.Message != errStop.Error() {
			t.Errorf("got %+v, %v", r, err)
		}
	}
}

func TestServingTwiceOnAConnectionLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	first, second := newDesk(), newDesk()
	second.work = func(wire.WorkRequest) wire.WorkReply { return wire.WorkReply{RetryMillis: 1000} }
	o := open(t, first)
	if got := o.work(1); got.RetryMillis != 1 {
		t.Errorf("got %+v", got)
	}
	for range 2 {
		if err := o.stop(); !errors.Is(err, errStop) {
			t.Fatalf("serve ended with %v", err)
		}
		if n := o.server.NumSubscriptions(); n != 0 {
			t.Fatalf("%d subscriptions are left", n)
		}
		if err := o.server.Flush(); err != nil {
			t.Fatal(err)
		}
		data := mustEncode(t, wire.WorkRequest{Worker: "w", Slots: 1})
		if _, err := o.worker.RequestWithContext(patient(t), wire.SubjectWork, data); !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("with nobody serving: %v", err)
		}
		o.serve(second)
		if got := o.work(1); got.RetryMillis != 1000 {
			t.Errorf("got %+v", got)
		}
	}
}

func TestServingAClosedConnectionIsAnError(t *testing.T) {
	t.Parallel()
	conn := connect(t, embed(t), "gone")
	conn.Close()
	if err := New(conn, slog.New(slog.DiscardHandler)).Serve(t.Context(), newDesk()); !errors.Is(err, nats.ErrConnectionClosed) || !strings.Contains(err.Error(), wire.SubjectWork) {
		t.Errorf("got %v", err)
	}
}

func TestTheEmbeddedServerListensOnNoPortAndTakesTheLargestMessage(t *testing.T) {
	t.Parallel()
	e := embed(t)
	if e.server.Addr() != nil || e.server.MonitorAddr() != nil || e.server.JetStreamEnabled() {
		t.Errorf("listens on %v and %v, JetStream %v", e.server.Addr(), e.server.MonitorAddr(), e.server.JetStreamEnabled())
	}
	conn := connect(t, e, "large")
	if conn.MaxPayload() != wire.BytesMax {
		t.Errorf("takes %d bytes, messages have up to %d", conn.MaxPayload(), wire.BytesMax)
	}
	sub, err := conn.SubscribeSync("large")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Publish("large", make([]byte, wire.BytesMax)); err != nil {
		t.Fatal(err)
	}
	if m, err := sub.NextMsgWithContext(patient(t)); err != nil || len(m.Data) != wire.BytesMax {
		t.Errorf("got %v", err)
	}
}
