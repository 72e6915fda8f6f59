package replica

import (
	"context"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// newLog gives raft a logger that writes to ours. Raft's lines name servers,
// terms and indexes, never a command's content.
func newLog(to *slog.Logger) hclog.Logger {
	if to == nil {
		return hclog.NewNullLogger()
	}
	log := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Output: io.Discard, Level: hclog.Info})
	log.RegisterSink(sink{to})
	return log
}

type sink struct{ to *slog.Logger }

// Accept implements hclog.SinkAdapter. Raft's info is our debug, and so is the
// warning with which every election begins: starting up is no news.
func (s sink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	at := slog.LevelDebug
	switch {
	case level >= hclog.Error:
		at = slog.LevelError
	case level == hclog.Warn && msg != "heartbeat timeout reached, starting election":
		at = slog.LevelWarn
	}
	s.to.Log(context.Background(), at, "raft: "+msg, args...)
}
