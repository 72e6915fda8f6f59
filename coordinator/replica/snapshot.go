package replica

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// snapshots are raft's, in files, each with a digest behind it. Raft sums a
// snapshot's content but not what it says beside it: the index it reaches to and
// who the voters are.
//
//	content │ SHA-256 of index, term, voters and content │ "rescore1"
//
// One of version 1 has only the content.
type snapshots struct {
	*raft.FileSnapshotStore
	dir string
}

const (
	snapshotMark = "rescore1"
	snapshotTail = sha256.Size + len(snapshotMark)
)

func newSnapshots(dir string, log hclog.Logger) (*snapshots, error) {
	store, err := raft.NewFileSnapshotStoreWithLogger(dir, 2, log)
	if err != nil {
		return nil, err
	}
	return &snapshots{store, filepath.Join(dir, "snapshots")}, nil
}

// snapshotSum begins the digest with what the snapshot says of itself.
func snapshotSum(index, term, configured uint64, voters raft.Configuration) hash.Hash {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%d %d %d\n", index, term, configured) // a digest never fails
	for _, s := range voters.Servers {
		_, _ = fmt.Fprintf(h, "%d %q %q\n", s.Suffrage, s.ID, s.Address)
	}
	return h
}

// Create implements raft.SnapshotStore.
func (s *snapshots) Create(version raft.SnapshotVersion, index, term uint64, voters raft.Configuration, configured uint64, trans raft.Transport) (raft.SnapshotSink, error) {
	to, err := s.FileSnapshotStore.Create(version, index, term, voters, configured, trans)
	if err != nil {
		return nil, err
	}
	return &summed{to, snapshotSum(index, term, configured, voters)}, nil
}

// summed writes the digest behind the content.
type summed struct {
	raft.SnapshotSink
	sum hash.Hash
}

// Write implements io.Writer.
func (s *summed) Write(data []byte) (int, error) {
	n, err := s.SnapshotSink.Write(data)
	_, _ = s.sum.Write(data[:n]) // never fails
	return n, err
}

// Close implements io.Closer.
func (s *summed) Close() error {
	if _, err := s.SnapshotSink.Write(append(s.sum.Sum(nil), snapshotMark...)); err != nil {
		return errors.Join(err, s.Cancel())
	}
	return s.SnapshotSink.Close()
}

// Open implements raft.SnapshotStore. The reader keeps the last bytes to itself
// when the digest does not fit, so that no follower ever has it whole.
func (s *snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, file, err := s.FileSnapshotStore.Open(id)
	if err != nil {
		return nil, nil, err
	}
	tail, err := s.tail(id, meta.Size)
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	if !bytes.HasSuffix(tail, []byte(snapshotMark)) {
		return meta, file, nil
	}
	content := *meta
	content.Size -= int64(snapshotTail)
	return &content, &verified{
		Closer: file, from: &io.LimitedReader{R: file, N: content.Size},
		sum: snapshotSum(meta.Index, meta.Term, meta.ConfigurationIndex, meta.Configuration), want: tail[:sha256.Size], id: id,
	}, nil
}

// tail returns the last bytes of a snapshot, or none when it is shorter.
func (s *snapshots) tail(id string, size int64) (tail []byte, err error) {
	if size < int64(snapshotTail) {
		return nil, nil
	}
	file, err := os.Open(filepath.Join(s.dir, id, "state.bin"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	tail = make([]byte, snapshotTail)
	_, err = file.ReadAt(tail, size-int64(snapshotTail))
	return tail, err
}

type verified struct {
	io.Closer
	from *io.LimitedReader
	sum  hash.Hash
	want []byte
	id   string
}

// Read implements io.Reader.
func (v *verified) Read(to []byte) (int, error) {
	n, err := v.from.Read(to)
	_, _ = v.sum.Write(to[:n]) // never fails
	if v.from.N == 0 && !bytes.Equal(v.sum.Sum(nil), v.want) {
		return 0, fmt.Errorf("snapshot %s is not what was written", v.id)
	}
	return n, err
}
