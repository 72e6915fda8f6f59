// Package bus is the coordinator's door to NATS: it answers workers' requests,
// hears their heartbeats and asks them. Messages are hints and questions; what is
// true is in the ledger. Every timeout is an unknown outcome, resolved by asking
// again.
//
//	worker ──► nats-server of c1 ═══ routes ═══ nats-server of c2 ──► c2, who leads
//	              in c1's process                  in c2's process
//
// Every coordinator carries a nats-server and is its own client, inside the process.
// Only the leader subscribes, so that whoever asks while nobody leads hears at once
// that nobody answers. The servers of a cluster are full members: a worker may be
// connected to any of them.
package bus

import (
	"context"
	"fmt"
	"log/slog"
	"time"

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

const (
	// requestsMax bounds the requests answered at once; more wait in NATS's pending
	// queue, and a worker that waited too long asks again.
	requestsMax = 256
	// pendingMax and pendingBytes bound that queue for each subject. What is over them
	// is dropped and logged as a fault; whoever sent it asks again.
	pendingMax, pendingBytes = 1 << 16, 64 << 20
	// leadEvery is how often a leader says that it leads.
	leadEvery = time.Second
)

// Bus answers on one connection, which stays its opener's.
type Bus struct {
	conn    *nats.Conn
	log     *slog.Logger
	silence time.Duration // silenceMax, but in tests
}

// New returns a bus on a connection, whose name is the coordinator's.
func New(conn *nats.Conn, log *slog.Logger) *Bus {
	return &Bus{conn: conn, log: log, silence: silenceMax}
}

// Serve answers until ctx ends, then drains: requests already taken are answered.
func (b *Bus) Serve(ctx context.Context, h Handler) error {
	limit := semaphore.NewWeighted(requestsMax)
	var subs []*nats.Subscription
	unsubscribe := func() {
		for _, s := range subs {
			_ = s.Unsubscribe() // a closed connection has none
		}
		subs = nil
	}
	defer unsubscribe()
	subscribe := func(subject string, f nats.MsgHandler) error {
		sub, err := b.conn.Subscribe(subject, f)
		if err == nil {
			subs = append(subs, sub)
			err = sub.SetPendingLimits(pendingMax, pendingBytes)
		}
		if err != nil {
			return fmt.Errorf("subscribe to %s: %w", subject, err)
		}
		return nil
	}
	// Whoever answered one request takes the next: its stack has grown to what that takes,
	// and to grow a new one for each request was a tenth of a busy leader's work.
	idle := make(chan func())
	answerer := func(request func()) {
		for {
			request()
			limit.Release(1)
			select {
			case request = <-idle:
			case <-ctx.Done():
				return
			}
		}
	}
	answer := func(subject string, reply func(data []byte) ([]byte, error)) error {
		return subscribe(subject, func(m *nats.Msg) {
			if limit.Acquire(ctx, 1) != nil {
				return // stopping: the worker asks the next leader
			}
			request := func() {
				data, err := reply(m.Data)
				if err == nil {
					err = m.Respond(data)
				}
				if err != nil {
					b.log.Warn("answer request", "subject", subject, "err", err)
				}
			}
			select {
			case idle <- request:
			default:
				go answerer(request)
			}
		})
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
	if err := subscribe(wire.SubjectHeartbeat, func(m *nats.Msg) {
		beat, err := wire.Decode[wire.Heartbeat](m.Data)
		if err != nil {
			b.log.Warn("read heartbeat", "subject", m.Subject, "err", err)
			return
		}
		h.Heartbeat(beat)
	}); err != nil {
		return err
	}
	b.lead(ctx)
	unsubscribe() // whoever asks from now on hears that nobody answers
	// Every handler running holds a token: when all are ours, none runs.
	drained, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := limit.Acquire(drained, requestsMax); err != nil {
		return fmt.Errorf("drain requests: %w", err)
	}
	return context.Cause(ctx)
}

// lead says who leads, at once and again and again, until ctx ends. On every route
// the subscriptions went ahead of it: who hears it can ask.
func (b *Bus) lead(ctx context.Context) {
	ticker := time.NewTicker(leadEvery)
	defer ticker.Stop()
	data, err := wire.Encode(wire.Lead{Leader: b.conn.Opts.Name, Since: uint64(time.Now().UnixNano())})
	if err != nil {
		b.log.Warn("say who leads", "err", err)
	}
	for ctx.Err() == nil {
		if err == nil {
			if err := b.conn.Publish(wire.SubjectLead, data); err != nil {
				b.log.Warn("say who leads", "err", err)
			}
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}
