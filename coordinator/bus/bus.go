// Package bus is the coordinator's door to NATS: it answers workers' requests
// and hears their heartbeats. Messages are hints and questions; what is true is
// in the ledger. Every timeout is an unknown outcome, resolved by asking again.
package bus

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"golang.org/x/sync/semaphore"

	"rescore/partition/wire"
)

// Handler answers messages. Its methods are called from many goroutines at once.
type Handler interface {
	Work(ctx context.Context, r wire.WorkRequest) wire.WorkReply
	Report(ctx context.Context, r wire.Report) wire.ReportReply
	Heartbeat(h wire.Heartbeat)
}

// requestsMax bounds the requests answered at once; more wait in NATS's pending
// queue, and a worker that waited too long asks again.
const requestsMax = 256

// Bus answers on one connection, which stays its opener's.
type Bus struct {
	conn *nats.Conn
	log  *slog.Logger
}

// New returns a bus on a connection.
func New(conn *nats.Conn, log *slog.Logger) *Bus { return &Bus{conn: conn, log: log} }

// Serve answers until ctx ends, then drains: requests already taken are answered.
func (b *Bus) Serve(ctx context.Context, h Handler) error {
	limit := semaphore.NewWeighted(requestsMax)
	var subs []*nats.Subscription
	defer func() {
		for _, s := range subs {
			_ = s.Unsubscribe() // a closed connection has none
		}
	}()
	answer := func(subject string, reply func(data []byte) ([]byte, error)) error {
		sub, err := b.conn.Subscribe(subject, func(m *nats.Msg) {
			if limit.Acquire(ctx, 1) != nil {
				return // stopping: the worker asks the next leader
			}
			go func() {
				defer limit.Release(1)
				data, err := reply(m.Data)
				if err == nil {
					err = m.Respond(data)
				}
				if err != nil {
					b.log.Warn("answer request", "subject", subject, "err", err)
				}
			}()
		})
		if err != nil {
			return fmt.Errorf("subscribe to %s: %w", subject, err)
		}
		subs = append(subs, sub)
		return nil
	}
	if err := answer(wire.SubjectWork, func(data []byte) ([]byte, error) {
		r, err := wire.Decode[wire.WorkRequest](data)
		if err != nil {
			return nil, err
		}
		return wire.Encode(h.Work(ctx, r))
	}); err != nil {
		return err
	}
	if err := answer(wire.SubjectReport, func(data []byte) ([]byte, error) {
		r, err := wire.Decode[wire.Report](data)
		if err != nil {
			return nil, err
		}
		return wire.Encode(h.Report(ctx, r))
	}); err != nil {
		return err
	}
	sub, err := b.conn.Subscribe(wire.SubjectHeartbeat, func(m *nats.Msg) {
		beat, err := wire.Decode[wire.Heartbeat](m.Data)
		if err != nil {
			b.log.Warn("read heartbeat", "subject", m.Subject, "err", err)
			return
		}
		h.Heartbeat(beat)
	})
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", wire.SubjectHeartbeat, err)
	}
	subs = append(subs, sub)
	<-ctx.Done()
	// Every handler running holds a token: when all are ours, none runs.
	drained, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := limit.Acquire(drained, requestsMax); err != nil {
		return fmt.Errorf("drain requests: %w", err)
	}
	return context.Cause(ctx)
}

// Embedded is a NATS server inside this process that listens on no port.
type Embedded struct {
	server *server.Server
}

// Embed starts one. Everything the internet could reach is off: no listener, no
// JetStream, no monitoring port.
func Embed() (*Embedded, error) {
	s, err := server.NewServer(&server.Options{
		ServerName: "rescore",
		DontListen: true,
		NoSigs:     true,
		NoLog:      true,
		MaxPayload: wire.BytesMax,
	})
	if err != nil {
		return nil, fmt.Errorf("make embedded nats-server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		return nil, fmt.Errorf("embedded nats-server is not ready after 10 s")
	}
	return &Embedded{server: s}, nil
}

// Connect opens an in-process connection.
func (e *Embedded) Connect(name string) (*nats.Conn, error) {
	conn, err := nats.Connect("", nats.InProcessServer(e.server), nats.Name(name), nats.MaxReconnects(-1))
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded nats-server: %w", err)
	}
	return conn, nil
}

// Close stops the server and waits for it.
func (e *Embedded) Close() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
}
