package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"rescore/partition/wire"
)

// ErrNoWorker is returned when no worker is connected that could answer.
var ErrNoWorker = errors.New("no worker is connected; start one with rescore worker")

// silenceMax is how long a worker that has a question may say nothing. One that is at
// work on it says so several times in between.
const silenceMax = 15 * time.Second

// Check asks any worker whether a job is sound. It may take as long as reading two
// columns of the base takes; ctx bounds it.
func (b *Bus) Check(ctx context.Context, r wire.CheckRequest) (wire.CheckReply, error) {
	reply, err := askWorker(ctx, b, wire.SubjectCheck, r, func(m wire.CheckReply) bool { return m.Working })
	if err != nil {
		return reply, fmt.Errorf("have a worker check the job: %w", err)
	}
	return reply, nil
}

// Compare asks any worker what two versions differ in; ctx bounds it.
func (b *Bus) Compare(ctx context.Context, r wire.CompareRequest) (wire.CompareReply, error) {
	reply, err := askWorker(ctx, b, wire.SubjectCompare, r, func(m wire.CompareReply) bool { return m.Working })
	if err != nil {
		return reply, fmt.Errorf("have a worker compare versions: %w", err)
	}
	return reply, nil
}

// askWorker asks one worker and, when it falls silent, another. Both questions change
// nothing, so that two may answer.
func askWorker[Q, A wire.Message](ctx context.Context, b *Bus, subject string, q Q, working func(A) bool) (none A, err error) {
	data, err := wire.Encode(q)
	if err != nil {
		return none, err
	}
	inbox := b.conn.NewRespInbox()
	sub, err := b.conn.SubscribeSync(inbox)
	if err != nil {
		return none, err
	}
	defer func() { _ = sub.Unsubscribe() }() // a closed connection has none
	for {
		if err := b.conn.PublishRequest(subject, inbox, data); err != nil {
			return none, err
		}
		for {
			m, err := b.next(ctx, sub)
			switch {
			case errors.Is(err, nats.ErrNoResponders):
				return none, ErrNoWorker
			case err != nil && ctx.Err() != nil:
				return none, context.Cause(ctx)
			case err != nil && !errors.Is(err, context.DeadlineExceeded):
				return none, err
			}
			if err != nil {
				b.log.Warn("a worker fell silent; another is asked", "subject", subject, "silence", b.silence)
				break
			}
			a, err := wire.Decode[A](m.Data)
			if err != nil {
				return none, err
			}
			if !working(a) {
				return a, nil
			}
		}
	}
}

func (b *Bus) next(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, b.silence)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}
