package replica

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

// openBolt opens the file, or makes it: under another name until it is whole,
// because what a crash or a full disk leaves of a new bbolt file cannot be opened.
func openBolt(path string) (*raftboltdb.BoltStore, error) {
	open := func(path string) (*raftboltdb.BoltStore, error) {
		return raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: &bbolt.Options{Timeout: time.Second}}) // syncs every write, its free list too
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
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
	if err := fresh.Close(); err != nil {
		return nil, err
	}
	switch err := os.Link(temp.Name(), path); { // unlike a rename, it takes nobody's place
	case errors.Is(err, fs.ErrExist):
	case err != nil: // a file system without links
		if err := os.Rename(temp.Name(), path); err != nil {
			return nil, err
		}
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return open(path)
}

// syncFolder makes new names in a folder outlast a power cut.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// disk is the log and the votes. Raft answers a write that fails by giving up its
// leadership, and a replica that is the only voter wins it back at once, over and
// over: on a full disk nothing would ever be said. So the first such write ends
// the replica's use.
type disk struct {
	*raftboltdb.BoltStore
	once    sync.Once
	failure error         // why; read it after broken is closed
	broken  chan struct{} // closed by the first write that fails
}

func (d *disk) note(err error) error {
	if err != nil {
		d.once.Do(func() {
			d.failure = fmt.Errorf("%w: %w", ErrBroken, err)
			close(d.broken)
		})
	}
	return err
}

// err returns why the disk is of no more use, or nil.
func (d *disk) err() error {
	select {
	case <-d.broken:
		return d.failure
	default:
		return nil
	}
}

// StoreLog implements raft.LogStore.
func (d *disk) StoreLog(log *raft.Log) error { return d.note(d.BoltStore.StoreLog(log)) }

// StoreLogs implements raft.LogStore.
func (d *disk) StoreLogs(logs []*raft.Log) error { return d.note(d.BoltStore.StoreLogs(logs)) }

// DeleteRange implements raft.LogStore.
func (d *disk) DeleteRange(first, last uint64) error {
	return d.note(d.BoltStore.DeleteRange(first, last))
}

// Set implements raft.StableStore.
func (d *disk) Set(key, value []byte) error { return d.note(d.BoltStore.Set(key, value)) }

// SetUint64 implements raft.StableStore.
func (d *disk) SetUint64(key []byte, value uint64) error {
	return d.note(d.BoltStore.SetUint64(key, value))
}
