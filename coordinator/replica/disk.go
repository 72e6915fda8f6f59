package replica

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"

	"rescore/partition/failpoint"
)

// openBolt opens the file, or makes it: under another name until it is whole,
// because what a crash or a full disk leaves of a new bbolt file cannot be opened.
func openBolt(path string) (*raftboltdb.BoltStore, error) {
	open := func(path string) (*raftboltdb.BoltStore, error) {
		return raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: &bbolt.Options{Timeout: time.Second}}) // syncs every write, its free list too
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = checkPages(path)
		}
		if err != nil {
			return nil, err
		}
		return open(path)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // gone already when it was renamed
	if err := temp.Close(); err != nil {
		return nil, err
	}
	fresh, err := open(temp.Name())
	if err != nil {
		return nil, err
	}
	err = os.Link(temp.Name(), path) // unlike a rename, it takes nobody's place
	if errors.Is(err, fs.ErrExist) {
		if err := fresh.Close(); err != nil {
			return nil, err
		}
		return open(path)
	}
	if err != nil { // a file system without links
		err = os.Rename(temp.Name(), path)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(err, fresh.Close())
	}
	return fresh, nil // under the name that it has now
}

// syncFolder makes new names in a folder outlast a power cut.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// disk is the log and the votes, with a sum in every entry and every value: bbolt
// has none, and a flipped bit would be a command that nobody proposed, on this
// replica alone.
//
// Raft answers a write that fails by giving up its leadership, and a replica that
// is the only voter wins it back at once, over and over: on a full disk nothing
// would ever be said. A write that never comes back is worse, as raft waits for it
// while its heartbeats go on, and nobody else stands for election. So the first
// write that fails, or takes too long, ends the replica's use.
type disk struct {
	bolt     *raftboltdb.BoltStore
	stall    time.Duration
	fail     func(error)  // of the replica; the first call counts
	err      func() error // why it is of no more use, or nil
	sumsFrom uint64       // entries before it were written without a sum, by version 1

	slow atomic.Pointer[func(func() error) error] // tests: a disk that fails or hangs
}

// Raft's own keys in its stable store, and ours.
var (
	currentTerm   = []byte("CurrentTerm")
	lastVoteTerm  = []byte("LastVoteTerm")
	lastVoteCand  = []byte("LastVoteCand")
	sumsFromIndex = []byte("SumsFrom")
	stableKeys    = [][]byte{currentTerm, lastVoteTerm, lastVoteCand, sumsFromIndex}
)

const sumSize = 8

// newDisk brings a folder of version 1, whose entries and values had no sums, to
// having them. The term goes last: it is how such a folder is told.
func newDisk(bolt *raftboltdb.BoltStore, stall time.Duration, fail func(error), broken func() error) (*disk, error) {
	d := &disk{bolt: bolt, stall: stall, fail: fail, err: broken}
	term, err := bolt.Get(currentTerm)
	switch {
	case errors.Is(err, raftboltdb.ErrKeyNotFound):
		return d, nil
	case err != nil:
		return nil, err
	}
	if len(term) == 8 {
		last, err := bolt.LastIndex()
		if err != nil {
			return nil, err
		}
		if err := d.SetUint64(sumsFromIndex, last+1); err != nil {
			return nil, err
		}
		for _, key := range [][]byte{lastVoteTerm, lastVoteCand, currentTerm} {
			value, err := bolt.Get(key)
			if errors.Is(err, raftboltdb.ErrKeyNotFound) {
				continue
			} else if err != nil {
				return nil, err
			}
			if _, err := unsum(key, value); err == nil {
				continue // a crash came between
			}
			if err := d.Set(key, value); err != nil {
				return nil, err
			}
		}
	}
	for _, key := range stableKeys {
		if _, err := d.Get(key); err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound) {
			return nil, err
		}
	}
	d.sumsFrom, err = d.GetUint64(sumsFromIndex)
	if errors.Is(err, raftboltdb.ErrKeyNotFound) {
		err = nil
	}
	return d, err
}

// Close closes the file, unless a write hangs in it: closing would wait for it.
// The end of the process then closes it.
func (d *disk) Close() error {
	if err := d.err(); errors.Is(err, errStalled) {
		return nil
	}
	return d.bolt.Close()
}

var errStalled = errors.New("the disk does not answer")

// do makes one write. Once one has failed there are no more: what hangs may still
// come through, and nothing must be written behind it.
func (d *disk) do(write func() error) error {
	if err := d.err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		if slow := d.slow.Load(); slow != nil {
			done <- (*slow)(write)
			return
		}
		done <- write()
	}()
	late := time.NewTimer(d.stall)
	defer late.Stop()
	var err error
	select {
	case err = <-done:
	case <-late.C:
		err = fmt.Errorf("%w: a write took more than %v", errStalled, d.stall)
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrBroken, err)
		d.fail(err)
	}
	return err
}

// damaged says that what was read is not what was written, and ends the replica's
// use: raft would try again for ever.
func (d *disk) damaged(what string) error {
	err := fmt.Errorf("%w: %s in raft.db is not what was written; "+mend, ErrHistory, what)
	d.fail(err)
	return err
}

// mend is the remedy of a damaged folder.
const mend = "restore the folder from a copy or, where there are other voters, remove this one, empty the folder and join again"

// entrySum covers all of an entry that the ledger and raft depend on.
func entrySum(entry *raft.Log, extensions []byte) []byte {
	var head [17]byte
	binary.BigEndian.PutUint64(head[0:], entry.Index)
	binary.BigEndian.PutUint64(head[8:], entry.Term)
	head[16] = byte(entry.Type)
	h := sha256.New()
	for _, part := range [][]byte{head[:], binary.BigEndian.AppendUint64(nil, uint64(len(entry.Data))), entry.Data, extensions} {
		_, _ = h.Write(part) // never fails
	}
	return h.Sum(nil)[:sumSize]
}

// StoreLog implements raft.LogStore.
func (d *disk) StoreLog(entry *raft.Log) error { return d.StoreLogs([]*raft.Log{entry}) }

// StoreLogs implements raft.LogStore.
func (d *disk) StoreLogs(entries []*raft.Log) error {
	summed := make([]*raft.Log, len(entries))
	for i, entry := range entries {
		with := *entry // raft still reads its own
		with.Extensions = append(bytes.Clone(entry.Extensions), entrySum(entry, entry.Extensions)...)
		summed[i] = &with
	}
	return d.do(func() error {
		failpoint.Hit("replica.log")
		err := d.bolt.StoreLogs(summed)
		failpoint.Hit("replica.logged")
		return err
	})
}

// GetLog implements raft.LogStore.
func (d *disk) GetLog(index uint64, entry *raft.Log) error {
	err := d.bolt.GetLog(index, entry)
	if errors.Is(err, raft.ErrLogNotFound) || err == nil && index < d.sumsFrom && len(entry.Extensions) == 0 {
		return err
	}
	what := fmt.Sprintf("entry %d", index)
	if err != nil || entry.Index != index || len(entry.Extensions) < sumSize {
		return d.damaged(what)
	}
	cut := len(entry.Extensions) - sumSize
	extensions, sum := entry.Extensions[:cut:cut], entry.Extensions[cut:]
	if !bytes.Equal(sum, entrySum(entry, extensions)) {
		return d.damaged(what)
	}
	entry.Extensions = nil
	if cut > 0 {
		entry.Extensions = extensions
	}
	return nil
}

// FirstIndex implements raft.LogStore.
func (d *disk) FirstIndex() (uint64, error) { return d.bolt.FirstIndex() }

// LastIndex implements raft.LogStore.
func (d *disk) LastIndex() (uint64, error) { return d.bolt.LastIndex() }

// DeleteRange implements raft.LogStore.
func (d *disk) DeleteRange(first, last uint64) error {
	return d.do(func() error { return d.bolt.DeleteRange(first, last) })
}

// unsum returns the value without the sum behind it.
func unsum(key, value []byte) ([]byte, error) {
	if cut := len(value) - sumSize; cut >= 0 && bytes.Equal(value[cut:], valueSum(key, value[:cut])) {
		return value[:cut], nil
	}
	return nil, ErrHistory
}

func valueSum(key, value []byte) []byte {
	sum := sha256.Sum256(append(append(append([]byte(nil), key...), 0), value...))
	return sum[:sumSize]
}

// Set implements raft.StableStore.
func (d *disk) Set(key, value []byte) error {
	value = append(bytes.Clone(value), valueSum(key, value)...)
	return d.do(func() error {
		if is, err := d.bolt.Get(key); err == nil && bytes.Equal(is, value) {
			return nil // raft saves the term that it has just read
		}
		return d.bolt.Set(key, value)
	})
}

// Get implements raft.StableStore.
func (d *disk) Get(key []byte) ([]byte, error) {
	value, err := d.bolt.Get(key)
	if err != nil {
		return nil, err // raftboltdb.ErrKeyNotFound is what raft knows
	}
	if value, err = unsum(key, value); err != nil {
		return nil, d.damaged(string(key))
	}
	return value, nil
}

// SetUint64 implements raft.StableStore. Raft panics when it cannot save a term. Of
// a replica that is of no more use it is told that it did: nothing hangs on a term
// alone, as every vote and every entry under it is refused.
func (d *disk) SetUint64(key []byte, value uint64) error {
	err := d.Set(key, binary.BigEndian.AppendUint64(nil, value))
	if bytes.Equal(key, currentTerm) && d.err() != nil {
		return nil
	}
	return err
}

// GetUint64 implements raft.StableStore.
func (d *disk) GetUint64(key []byte) (uint64, error) {
	value, err := d.Get(key)
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, d.damaged(string(key))
	}
	return binary.BigEndian.Uint64(value), nil
}
