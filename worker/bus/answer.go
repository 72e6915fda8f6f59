package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"rescore/partition/wire"
)

// Handler answers questions that any worker can answer. ctx ends when the worker
// leaves; what is not answered then is asked of another one.
type Handler interface {
	Check(ctx context.Context, r wire.CheckRequest) wire.CheckReply
	Compare(ctx context.Context, r wire.CompareRequest) wire.CompareReply
}

const (
	// workingEvery is how often a worker says that it is at work on an answer; whoever
	// asked gives it up after several of these in silence.
	workingEvery = 3 * time.Second
	// questionsMax bounds the questions of a kind that wait or are worked on; what is
	// over it is dropped, and asked of another worker.
	questionsMax = 16
)

// Serve answers questions until ctx ends, one of each kind at a time, and returns when
// everything it started has stopped.
func (c *Client) Serve(ctx context.Context, h Handler) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return serve(ctx, c, group, wire.SubjectCheck, question(h.Check), wire.CheckReply{Working: true})
	})
	group.Go(func() error {
		return serve(ctx, c, group, wire.SubjectCompare, question(h.Compare), wire.CompareReply{Working: true})
	})
	return group.Wait()
}

// question turns a method of the handler into bytes for bytes.
func question[Q, A wire.Message](f func(context.Context, Q) A) func(context.Context, []byte) ([]byte, error) {
	return func(ctx context.Context, data []byte) ([]byte, error) {
		q, err := wire.Decode[Q](data)
		if err != nil {
			return nil, err
		}
		a := f(ctx, q)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return wire.Encode(a)
	}
}

// serve answers one kind of question, one at a time; whoever waits for its turn is
// told that it is worked on.
func serve[A wire.Message](ctx context.Context, c *Client, group *errgroup.Group, subject string, reply func(context.Context, []byte) ([]byte, error), atWork A) error {
	working, err := wire.Encode(atWork)
	if err != nil {
		return err
	}
	sub, err := c.conn.QueueSubscribeSync(subject, wire.QueueWorkers)
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", subject, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // a closed connection has none
	waiting, turn := make(chan struct{}, questionsMax), make(chan struct{}, 1)
	for {
		m, err := sub.NextMsgWithContext(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, nats.ErrSlowConsumer):
			continue // logged by the connection; what was dropped is asked again
		case err != nil:
			return fmt.Errorf("wait for questions on %s: %w", subject, err)
		}
		select {
		case waiting <- struct{}{}:
		default:
			c.log.Warn("question dropped: too many wait", "subject", subject)
			continue
		}
		group.Go(func() error {
			defer func() { <-waiting }()
			done := make(chan struct{})
			var saying sync.WaitGroup
			saying.Go(func() { c.say(m, working, done) })
			data, err := inTurn(ctx, turn, func() ([]byte, error) { return reply(ctx, m.Data) })
			close(done)
			saying.Wait() // the answer is the last that is said
			if err == nil {
				err = m.Respond(data)
			}
			if err != nil && ctx.Err() == nil {
				c.log.Warn("answer question", "subject", subject, "err", err)
			}
			return nil
		})
	}
}

func inTurn(ctx context.Context, turn chan struct{}, f func() ([]byte, error)) ([]byte, error) {
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
		return f()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// say says that an answer is being worked on, until it is done.
func (c *Client) say(m *nats.Msg, working []byte, done <-chan struct{}) {
	ticker := time.NewTicker(c.working)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			if err := m.Respond(working); err != nil {
				c.log.Debug("say that a question is worked on", "err", err)
			}
		}
	}
}
