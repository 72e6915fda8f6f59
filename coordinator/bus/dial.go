package bus

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"rescore/partition/role"
)

// Dial connects a coordinator to nats-servers outside the process, by their URLs. It
// does not wait for them: while none is there, nobody asks, and it goes on trying.
// name is the coordinator's ID; deploy/nats.conf is how such a server is configured.
func Dial(urls []string, name, token string, secure *tls.Config, log *slog.Logger) (*nats.Conn, error) {
	o := []nats.Option{
		nats.Name(name), nats.UserInfo(role.Coordinator, token), nats.CustomInboxPrefix(Inbox(role.Coordinator)),
		nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.Timeout(2 * time.Second), nats.IgnoreDiscoveredServers(),
		nats.ReconnectWait(50 * time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		nats.ReconnectBufSize(-1), // an answer that is late is no answer
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2), nats.IgnoreAuthErrorAbort(),
		faults(log),
	}
	if secure != nil {
		c, err := role.Mutual(secure, "")
		if err != nil {
			return nil, fmt.Errorf("connect to nats-server: %w", err)
		}
		o = append(o, nats.Secure(c))
	}
	conn, err := nats.Connect(strings.Join(urls, ","), o...)
	if err != nil {
		return nil, fmt.Errorf("connect to nats-server %s as %s: %w", strings.Join(urls, ", "), role.Coordinator, err)
	}
	return conn, nil
}

// faults logs what happens to a connection by itself. A slow consumer is a fault:
// questions were dropped, and whoever sent them waits in vain and asks again.
func faults(log *slog.Logger) nats.Option {
	return func(o *nats.Options) error {
		o.AsyncErrorCB = func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			if errors.Is(err, nats.ErrSlowConsumer) {
				log.Error("questions were dropped: they come faster than they are answered", "subject", subject)
				return
			}
			log.Error("nats", "subject", subject, "err", err)
		}
		o.DisconnectedErrCB = func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("nats-server is gone", "err", err)
			}
		}
		o.ReconnectedCB = func(c *nats.Conn) { log.Info("nats-server is back", "address", c.ConnectedAddr()) }
		return nil
	}
}
