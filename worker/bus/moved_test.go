package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"rescore/partition/job"
	"rescore/partition/loopback"
	"rescore/partition/role"
	"rescore/partition/wire"
)

const (
	token = "a-token-of-this-test"
	// patience bounds every wait; none needs a hundredth of it.
	patience = 2 * time.Minute
)

// listen starts a server on a port of this machine; 0 is any.
func listen(t *testing.T, port int) (*server.Server, int) {
	t.Helper()
	if port == 0 {
		l := loopback.Listen(t)
		port = l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, MaxPayload: wire.BytesMax,
		Users: []*server.User{{Username: role.Worker, Password: token}, {Username: "coordinator", Password: token}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not listen")
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s, s.Addr().(*net.TCPAddr).Port
}

func url(port int) string { return fmt.Sprintf("nats://127.0.0.1:%d", port) }

// home connects a coordinator.
func home(t *testing.T, port int) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(url(port), nats.UserInfo("coordinator", token))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func dialed(t *testing.T, ports ...int) *Client {
	t.Helper()
	var urls []string
	for _, p := range ports {
		urls = append(urls, url(p))
	}
	c, err := Dial(urls, "w1", token, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// taken makes a coordinator that takes questions for work and never answers.
func taken(t *testing.T, conn *nats.Conn) chan struct{} {
	t.Helper()
	came := make(chan struct{}, 10)
	if _, err := conn.Subscribe(wire.SubjectWork, func(*nats.Msg) { came <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	return came
}

// asking asks for work until somebody takes the question, and returns how it ended.
func asking(t *testing.T, c *Client, came chan struct{}) <-chan error {
	t.Helper()
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	go func() {
		for {
			_, err := c.Work(ctx, wire.WorkRequest{Worker: "w1", Slots: 1})
			if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrReconnectBufExceeded) {
				continue // not there yet
			}
			ended <- err
			return
		}
	}()
	wait(t, came, "the question")
	return ended
}

func wait[T any](t *testing.T, from <-chan T, what string) (x T) {
	t.Helper()
	select {
	case x = <-from:
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
	}
	return x
}

func lead(t *testing.T, conn *nats.Conn, l wire.Lead) {
	t.Helper()
	if err := conn.Publish(wire.SubjectLead, encode(t, l)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
}

func TestAQuestionIsGivenUpWhenAnotherCoordinatorLeads(t *testing.T) {
	t.Parallel()
	_, port := listen(t, 0)
	conn := home(t, port)
	came := taken(t, conn)
	c := dialed(t, port)
	moved := c.Moved()
	for wait := 0; wait < 1; { // until the worker listens
		lead(t, conn, wire.Lead{Leader: "c1", Since: 1})
		select {
		case <-moved:
			wait++
		case <-time.After(10 * time.Millisecond):
		}
	}
	again := c.Moved()
	ended := asking(t, c, came)
	lead(t, conn, wire.Lead{Leader: "c1", Since: 1}) // says it again: nothing is new
	select {
	case <-again:
		t.Error("the same leader, and the worker moves")
	default:
	}
	lead(t, conn, wire.Lead{Leader: "c1", Since: 2}) // the same one, after another election
	if err := wait(t, ended, "the end of the question"); !errors.Is(err, ErrMoved) {
		t.Errorf("got %v", err)
	}
	wait(t, again, "the move")
	ended = asking(t, c, came)
	lead(t, conn, wire.Lead{Leader: "c2", Since: 3})
	if err := wait(t, ended, "the end of the question"); !errors.Is(err, ErrMoved) {
		t.Errorf("got %v", err)
	}
}

// TestWhatALateAnswerGrantsIsTheNextCalls: a worker that asks while a coordinator begins to
// lead may hear that it leads before it hears the answer. What was granted it nobody else
// gets before the lease runs out.
func TestWhatALateAnswerGrantsIsTheNextCalls(t *testing.T) {
	t.Parallel()
	_, port := listen(t, 0)
	conn := home(t, port)
	asked := make(chan *nats.Msg, 10)
	if _, err := conn.Subscribe(wire.SubjectWork, func(m *nats.Msg) { asked <- m }); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	c := dialed(t, port)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	type outcome struct {
		reply wire.WorkReply
		err   error
	}
	ask := func(slots int, unfit ...wire.Unfit) <-chan outcome {
		ended := make(chan outcome, 1)
		go func() {
			reply, err := c.Work(ctx, wire.WorkRequest{Worker: "w1", Slots: slots, Unfit: unfit})
			ended <- outcome{reply, err}
		}()
		return ended
	}
	answer := func(m *nats.Msg, tokens ...job.Token) {
		r := wire.WorkReply{RetryMillis: 5}
		for _, token := range tokens {
			r.Assignments = append(r.Assignments, wire.Assignment{Job: "202610-d58399ab017e", Kind: job.StageSurvey, Token: token})
		}
		if err := m.Respond(encode(t, r)); err != nil {
			t.Fatal(err)
		}
	}
	var got []job.Token
	took := func(o outcome, most int) {
		if o.err != nil || len(o.reply.Assignments) > most {
			t.Fatalf("got %d assignments where %d were asked for, %v", len(o.reply.Assignments), most, o.err)
		}
		for _, a := range o.reply.Assignments {
			got = append(got, a.Token)
		}
	}

	ended := ask(3)
	first := wait(t, asked, "the question")
	lead(t, conn, wire.Lead{Leader: "c1", Since: 1})
	if o := wait(t, ended, "the end of the question"); !errors.Is(o.err, ErrMoved) {
		t.Fatalf("got %v", o.err)
	}
	answer(first, 7, 8, 9)
	for len(got) < 3 { // asked anew until the answer is here, and then not before it is used up
		ended := ask(2)
		select {
		case m := <-asked:
			if len(got) > 0 {
				t.Fatalf("asked for more, with %d of 3 assignments taken", len(got))
			}
			answer(m)
			took(wait(t, ended, "the answer"), 2)
		case o := <-ended:
			took(o, 2)
		}
	}
	if !slices.Equal(got, []job.Token{7, 8, 9}) {
		t.Errorf("got %v", got)
	}
	old := wire.WorkReply{Assignments: []wire.Assignment{{Job: "202610-d58399ab017e", Kind: job.StageSurvey, Token: 9}}}
	c.keep(encode(t, old), time.Now().Add(-time.Millisecond)) // its lease may be another's
	ended = ask(2)
	select {
	case m := <-asked:
		answer(m, 10)
	case o := <-ended:
		t.Fatalf("got %+v, %v, and nobody was asked", o.reply, o.err)
	}
	if took(wait(t, ended, "the answer"), 2); !slices.Equal(got, []job.Token{7, 8, 9, 10}) {
		t.Errorf("got %v", got)
	}
	c.keep(encode(t, old), time.Now().Add(patience))
	ended = ask(2, wire.Unfit{Job: "202610-d58399ab017e", Reason: "no such file"}) // is told, whatever waits
	select {
	case m := <-asked:
		answer(m)
		wait(t, ended, "the answer")
	case <-ended:
		t.Error("what the worker is unfit for was told nobody")
	}
}

// TestAQuestionIsGivenUpWithItsServerAndAskedOfTheNext: and when that one is gone too
// and comes back, at the same address, the worker is there again.
func TestAQuestionIsGivenUpWithItsServerAndAskedOfTheNext(t *testing.T) {
	t.Parallel()
	first, port1 := listen(t, 0)
	c := dialed(t, port1)
	ended := asking(t, c, taken(t, home(t, port1)))
	first.Shutdown()
	first.WaitForShutdown()
	if err := wait(t, ended, "the end of the question"); !errors.Is(err, ErrMoved) {
		t.Errorf("got %v", err)
	}
	if err := c.Heartbeat(wire.Heartbeat{Worker: "w1"}); err == nil {
		t.Error("a heartbeat was kept for later")
	}
	listen(t, port1)
	conn := home(t, port1)
	respond(t, conn, wire.SubjectWork, func([]byte) []byte { return encode(t, wire.WorkReply{RetryMillis: 5}) })
	for deadline := time.Now().Add(patience); ; {
		moved := c.Moved()
		r, err := c.Work(t.Context(), wire.WorkRequest{Worker: "w1", Slots: 1})
		if err == nil {
			if r.RetryMillis != 5 {
				t.Errorf("got %+v", r)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		select {
		case <-moved:
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestAServerThatIsNotThereYetIsWaitedFor(t *testing.T) {
	t.Parallel()
	s, port := listen(t, 0)
	s.Shutdown()
	s.WaitForShutdown()
	c := dialed(t, port)
	if _, err := c.Work(t.Context(), wire.WorkRequest{Worker: "w1", Slots: 1}); err == nil {
		t.Error("somebody answered")
	}
	moved := c.Moved()
	listen(t, port)
	wait(t, moved, "word that the server is there")
}

func TestARefusedTokenIsAnErrorAtOnceAndLater(t *testing.T) {
	t.Parallel()
	s, port := listen(t, 0)
	refused := false
	for range 10 { // a server that needs more than a second to answer is tried on, and refuses later
		c, err := Dial([]string{url(port)}, "w1", "another-token-altogether", nil, slog.New(slog.DiscardHandler))
		if err == nil {
			wait(t, c.Closed(), "the refusal")
			c.Close()
			continue
		}
		if refused = errors.Is(err, ErrRefused); !refused {
			t.Errorf("got %v", err)
		}
		break
	}
	if !refused {
		t.Error("it was not refused at once")
	}
	c := dialed(t, port)
	s.Shutdown()
	s.WaitForShutdown()
	other, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, Users: []*server.User{{Username: role.Worker, Password: "another-token-altogether"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	other.Start()
	t.Cleanup(func() {
		other.Shutdown()
		other.WaitForShutdown()
	})
	wait(t, c.Closed(), "the end of the connection")
}

// office answers questions as a test has it.
type office struct {
	check   func(context.Context, wire.CheckRequest) wire.CheckReply
	compare func(context.Context, wire.CompareRequest) wire.CompareReply
}

func (o office) Check(ctx context.Context, r wire.CheckRequest) wire.CheckReply {
	return o.check(ctx, r)
}
func (o office) Compare(ctx context.Context, r wire.CompareRequest) wire.CompareReply {
	return o.compare(ctx, r)
}

// serving serves questions on a connection until the test ends, and returns how to
// stop it before.
func serving(t *testing.T, c *Client, o office) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Serve(ctx, o) }()
	t.Cleanup(cancel)
	for deadline := time.Now().Add(patience); c.conn.NumSubscriptions() < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("questions are not listened to")
		}
	}
	if err := c.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	return func() error {
		cancel()
		return wait(t, ended, "the end of Serve")
	}
}

func TestQuestionsAreAnsweredOneAtATimeAndWhoWaitsIsToldSo(t *testing.T) {
	t.Parallel()
	worker, coordinator := dial(t)
	c := client(t, worker)
	c.working = time.Millisecond
	var now, most atomic.Int64
	open := make(chan struct{})
	stop := serving(t, c, office{check: func(_ context.Context, r wire.CheckRequest) wire.CheckReply {
		most.Store(max(most.Load(), now.Add(1)))
		<-open
		now.Add(-1)
		return wire.CheckReply{Problem: r.SpecBase}
	}})
	const questions = 3
	var inboxes []*nats.Subscription
	for i := range questions {
		inbox := coordinator.NewRespInbox()
		sub, err := coordinator.SubscribeSync(inbox)
		if err != nil {
			t.Fatal(err)
		}
		inboxes = append(inboxes, sub)
		if err := coordinator.PublishRequest(wire.SubjectCheck, inbox, encode(t, wire.CheckRequest{Spec: []byte("{}"), SpecBase: fmt.Sprint(i)})); err != nil {
			t.Fatal(err)
		}
	}
	next := func(i int) wire.CheckReply {
		m, err := inboxes[i].NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		r, err := wire.Decode[wire.CheckReply](m.Data)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for i := range questions {
		if r := next(i); !r.Working {
			t.Errorf("question %d: %+v before it was worked on", i, r)
		}
	}
	close(open)
	for i := range questions {
		r := next(i)
		for r.Working {
			r = next(i)
		}
		if r.Problem != fmt.Sprint(i) {
			t.Errorf("question %d: %+v", i, r)
		}
	}
	if most.Load() != 1 {
		t.Errorf("%d questions were worked on at once", most.Load())
	}
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for i, sub := range inboxes {
		if n, _, err := sub.Pending(); err != nil || n > 0 {
			t.Errorf("question %d: %d more messages after the answer, %v", i, n, err)
		}
	}
}

func TestAWorkerThatLeavesAnswersNothingMore(t *testing.T) {
	t.Parallel()
	worker, coordinator := dial(t)
	c := client(t, worker)
	came := make(chan struct{})
	stop := serving(t, c, office{compare: func(ctx context.Context, _ wire.CompareRequest) wire.CompareReply {
		close(came)
		<-ctx.Done()
		return wire.CompareReply{Problem: "given up"}
	}})
	inbox := coordinator.NewRespInbox()
	sub, err := coordinator.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	if err := coordinator.PublishRequest(wire.SubjectCompare, inbox, encode(t, wire.CompareRequest{Old: "a", New: "b"})); err != nil {
		t.Fatal(err)
	}
	wait(t, came, "the question")
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := worker.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := coordinator.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := sub.Pending(); err != nil || n > 0 {
		t.Errorf("%d answers of a worker that left, %v", n, err)
	}
	if _, err := coordinator.Request(wire.SubjectCompare, encode(t, wire.CompareRequest{Old: "a", New: "b"}), patience); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoQuestionIsNotAnswered(t *testing.T) {
	t.Parallel()
	worker, coordinator := dial(t)
	said := make(lines, 100)
	c, err := NewClient(worker, slog.New(slog.NewTextHandler(said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	stop := serving(t, c, office{check: func(context.Context, wire.CheckRequest) wire.CheckReply { return wire.CheckReply{Job: "a"} }})
	const secret = "13812345678"
	inbox := coordinator.NewRespInbox()
	answers, err := coordinator.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	if err := coordinator.PublishRequest(wire.SubjectCheck, inbox, []byte(secret)); err != nil {
		t.Fatal(err)
	}
	if line := wait(t, said, "a line of the log"); !strings.Contains(line, wire.SubjectCheck) || strings.Contains(line, secret) {
		t.Errorf("the log says %q", line)
	}
	m, err := coordinator.Request(wire.SubjectCheck, encode(t, wire.CheckRequest{Spec: []byte("{}")}), patience)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := wire.Decode[wire.CheckReply](m.Data); err != nil || r.Job != "a" {
		t.Errorf("%+v, %v", r, err)
	}
	if n, _, err := answers.Pending(); err != nil || n > 0 { // they come in order
		t.Errorf("%d answers to what is no question, %v", n, err)
	}
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// lines are those of a log, as they are written.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}
