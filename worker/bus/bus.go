// Package bus is the worker's door to NATS.
package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"rescore/partition/wire"
)

// timeout is how long a question waits for its answer before it is asked again.
const timeout = 10 * time.Second

// Client asks a coordinator over a NATS connection.
type Client struct {
	conn *nats.Conn
}

// NewClient returns a client. The connection stays the caller's.
func NewClient(conn *nats.Conn) *Client { return &Client{conn: conn} }

// Work asks for assignments. An error is an unknown outcome: leases may have been
// granted, and expire.
func (c *Client) Work(ctx context.Context, r wire.WorkRequest) (wire.WorkReply, error) {
	data, err := wire.Encode(r)
	if err == nil {
		data, err = c.ask(ctx, wire.SubjectWork, data)
	}
	if err != nil {
		return wire.WorkReply{}, fmt.Errorf("ask for work: %w", err)
	}
	return wire.Decode[wire.WorkReply](data)
}

// Report says how a task ended. An error is an unknown outcome: send it again.
func (c *Client) Report(ctx context.Context, r wire.Report) (wire.ReportReply, error) {
	data, err := wire.Encode(r)
	if err == nil {
		data, err = c.ask(ctx, wire.SubjectReport, data)
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

func (c *Client) ask(ctx context.Context, subject string, data []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	m, err := c.conn.RequestWithContext(ctx, subject, data)
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}
