package bus

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial starts a server in this process, which listens on no port, and returns a
// worker's connection and a coordinator's.
func dial(t *testing.T) (worker, coordinator *nats.Conn) {
	t.Helper()
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true, MaxPayload: wire.BytesMax})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	var conns [2]*nats.Conn
	for i := range conns {
		if conns[i], err = nats.Connect("", nats.InProcessServer(s)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		conns[0].Close()
		conns[1].Close()
		s.Shutdown()
		s.WaitForShutdown()
	})
	return conns[0], conns[1]
}

// respond replies to every message of a subject with what f makes of it.
func respond(t *testing.T, conn *nats.Conn, subject string, f func([]byte) []byte) {
	t.Helper()
	if _, err := conn.Subscribe(subject, func(m *nats.Msg) {
		if err := m.Respond(f(m.Data)); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
}

func client(t *testing.T, conn *nats.Conn) *Client {
	t.Helper()
	c, err := NewClient(conn, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func encode[M wire.Message](t *testing.T, m M) []byte {
	t.Helper()
	data, err := wire.Encode(m)
	if err != nil {
		t.Error(err)
	}
	return data
}

var lease = wire.Lease{Job: "201011-0123456789ab", Stage: 1, Task: 3, Token: 9}

func TestQuestionsAndAnswersArriveAsTheyWereSent(t *testing.T) {
	t.Parallel()
	worker, coordinator := dial(t)
	c := client(t, worker)
	granted := wire.WorkReply{Assignments: []wire.Assignment{{
		Job: lease.Job, Stage: lease.Stage, Kind: job.StageScore, Index: lease.Task, Token: lease.Token, Epoch: 2, Spec: []byte("{}"), SpecBase: "base",
		Task: job.Task{Range: partition.Whole, Rows: 7, Slices: []job.Slice{{Rows: 7}}}, Files: []job.InputFile{{Path: "f"}}, Model: "m", Rules: "r",
	}}, RetryMillis: 5}
	respond(t, coordinator, wire.SubjectWork, func(data []byte) []byte {
		if r, err := wire.Decode[wire.WorkRequest](data); err != nil || r.Worker != "w" || r.Slots != 4 {
			t.Errorf("%+v, %v", r, err)
		}
		return encode(t, granted)
	})
	respond(t, coordinator, wire.SubjectReport, func(data []byte) []byte {
		if r, err := wire.Decode[wire.Report](data); err != nil || r.Lease != lease || r.Failure.Reason != "why" {
			t.Errorf("%+v, %v", r, err)
		}
		return encode(t, wire.ReportReply{Status: wire.Fenced, Message: "late"})
	})
	work, err := c.Work(t.Context(), wire.WorkRequest{Worker: "w", Slots: 4})
	if err != nil || len(work.Assignments) != 1 || !reflect.DeepEqual(work, granted) {
		t.Errorf("%+v, %v", work, err)
	}
	reply, err := c.Report(t.Context(), wire.Report{Worker: "w", Lease: lease, Failure: &wire.Failure{Reason: "why"}})
	if err != nil || reply != (wire.ReportReply{Status: wire.Fenced, Message: "late"}) {
		t.Errorf("%+v, %v", reply, err)
	}
}

func TestAHeartbeatIsSentWithoutWaitingForAnybody(t *testing.T) {
	t.Parallel()
	worker, coordinator := dial(t)
	beats, err := coordinator.SubscribeSync(wire.SubjectHeartbeat)
	if err != nil {
		t.Fatal(err)
	}
	if err := coordinator.Flush(); err != nil {
		t.Fatal(err)
	}
	sent := wire.Heartbeat{Worker: "w", Tasks: []wire.Progress{{Lease: lease, RowsDone: 5}}}
	if err := client(t, worker).Heartbeat(sent); err != nil {
		t.Fatal(err)
	}
	m, err := beats.NextMsgWithContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := wire.Decode[wire.Heartbeat](m.Data); err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestWhatIsNotKnownIsAnError: nobody there, an answer that is none, a question
// that cannot be sent, a caller that gives up.
func TestWhatIsNotKnownIsAnError(t *testing.T) {
	t.Parallel()
	worker, coordinator := dial(t)
	c := client(t, worker)
	report := wire.Report{Worker: "w", Lease: lease, Failure: &wire.Failure{}}
	if _, err := c.Report(t.Context(), report); !errors.Is(err, nats.ErrNoResponders) || !strings.HasPrefix(err.Error(), "report: ") {
		t.Errorf("nobody serves: %v", err)
	}
	if _, err := c.Work(t.Context(), wire.WorkRequest{Worker: "w"}); !errors.Is(err, wire.ErrMessage) || !strings.HasPrefix(err.Error(), "ask for work: ") {
		t.Errorf("no slots: %v", err)
	}
	if err := c.Heartbeat(wire.Heartbeat{}); !errors.Is(err, wire.ErrMessage) {
		t.Errorf("a heartbeat of nobody: %v", err)
	}
	respond(t, coordinator, wire.SubjectReport, func([]byte) []byte { return []byte("garbage") })
	if _, err := c.Report(t.Context(), report); !errors.Is(err, wire.ErrMessage) {
		t.Errorf("garbage for an answer: %v", err)
	}
	if _, err := coordinator.SubscribeSync(wire.SubjectWork); err != nil { // takes, and never answers
		t.Fatal(err)
	}
	if err := coordinator.Flush(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Work(ctx, wire.WorkRequest{Worker: "w", Slots: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	worker.Close()
	if err := c.Heartbeat(wire.Heartbeat{Worker: "w"}); err == nil || !strings.HasPrefix(err.Error(), "heartbeat: ") {
		t.Errorf("no connection: %v", err)
	}
}
