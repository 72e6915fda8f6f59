package replica

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"rescore/coordinator/ledger"
)

// ErrBackup is returned by Restore for what is not a whole backup, or when there
// is a ledger that it would take the place of.
var ErrBackup = errors.New("backup is refused")

// A backup is one line that says what follows, and the ledger's snapshot.
//
//	{"rescore":"ledger backup","format":1,"index":812,"bytes":65536,"sha256":"…"}⏎
//	<bytes>
type backupHeader struct {
	Rescore string `json:"rescore"`
	Format  int    `json:"format"`
	Index   uint64 `json:"index"` // of the last command in it
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
}

const (
	backupKind   = "ledger backup"
	backupFormat = 1
	backupMost   = 4 << 30 // bytes a backup may say it has; the largest ledgers have some hundred MB
)

// Backup writes the ledger as it is at some moment of the call, with everything
// that was answered before it. Only the leader can tell.
func (r *Replica) Backup(ctx context.Context, w io.Writer) error {
	if err := r.Verify(ctx); err != nil {
		return fmt.Errorf("back the ledger up: %w", err)
	}
	var state *ledger.State
	r.View(func(s *ledger.State) { state = s.Clone() })
	// Twice, as the digest comes first, and never whole in memory.
	sum, size := sha256.New(), counter(0)
	if err := state.Write(io.MultiWriter(sum, &size)); err != nil {
		return fmt.Errorf("back the ledger up: %w", err)
	}
	head, err := json.Marshal(backupHeader{backupKind, backupFormat, state.Index(), int64(size), hex.EncodeToString(sum.Sum(nil))})
	if err != nil {
		return err
	}
	if _, err := w.Write(append(head, '\n')); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if err := state.Write(w); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}

// counter counts the bytes written to it.
type counter int64

// Write implements io.Writer.
func (c *counter) Write(data []byte) (int, error) {
	*c += counter(len(data))
	return len(data), nil
}

func readBackup(from io.Reader) (*ledger.State, error) {
	in := bufio.NewReader(io.LimitReader(from, backupMost+4096))
	line, err := in.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("%w: it has no first line: %w", ErrBackup, err)
	}
	var head backupHeader
	if err := json.Unmarshal(line, &head); err != nil || head.Rescore != backupKind {
		return nil, fmt.Errorf("%w: it is not a ledger's", ErrBackup)
	}
	if head.Format != backupFormat {
		return nil, fmt.Errorf("%w: it has format %d, this build reads %d", ErrBackup, head.Format, backupFormat)
	}
	if head.Bytes < 0 || head.Bytes > backupMost {
		return nil, fmt.Errorf("%w: it says that it has %d bytes", ErrBackup, head.Bytes)
	}
	var data bytes.Buffer // grows with what is there, not with what is said
	if n, err := io.Copy(&data, in); err != nil || n != head.Bytes {
		return nil, fmt.Errorf("%w: it says that it has %d bytes, and has %d: %w", ErrBackup, head.Bytes, n, errors.Join(err, io.ErrUnexpectedEOF))
	}
	if sum := sha256.Sum256(data.Bytes()); hex.EncodeToString(sum[:]) != head.SHA256 {
		return nil, fmt.Errorf("%w: its digest is not the one it says; take another copy", ErrBackup)
	}
	state, err := ledger.Restore(data.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	if state.Index() != head.Index {
		return nil, fmt.Errorf("%w: it says that it ends at index %d, and ends at %d", ErrBackup, head.Index, state.Index())
	}
	return state, nil
}

// Restore puts a backup in the ledger's place, on every member. The ledger must
// hold no job, unless forced: its jobs are gone afterwards. The one that the backup
// was taken of may live on, or its workers may; so the restored one takes a new name,
// which is returned, and what was given out under the old one is worth nothing. The
// name comes with the snapshot: there is no moment at which it is the old one.
func (r *Replica) Restore(ctx context.Context, from io.Reader, force bool) (cluster string, err error) {
	state, err := readBackup(from)
	if err != nil {
		return "", fmt.Errorf("restore the ledger: %w", err)
	}
	if err := r.Verify(ctx); err != nil {
		return "", fmt.Errorf("restore the ledger: %w", err)
	}
	held := 0
	r.View(func(s *ledger.State) {
		for range s.Jobs() {
			held++
		}
	})
	if held > 0 && !force {
		return "", fmt.Errorf("restore the ledger: %w: there is one with %d jobs, which would be lost; restore into a cluster that has just begun, or force it", ErrBackup, held)
	}
	cluster = strings.ToLower(rand.Text())
	if _, _, err := ledger.Apply(state, state.Index()+1, ledger.Found{Cluster: cluster, After: state.Cluster()}); err != nil {
		return "", fmt.Errorf("restore the ledger: %w", err)
	}
	data, err := state.Snapshot()
	if err != nil {
		return "", fmt.Errorf("restore the ledger: %w", err)
	}
	return cluster, r.wait(ctx, "restore the ledger", func() error {
		meta := &raft.SnapshotMeta{Version: raft.SnapshotVersionMax, Index: state.Index(), Size: int64(len(data))}
		return r.raftError(r.raft.Restore(meta, bytes.NewReader(data), time.Minute))
	})
}
