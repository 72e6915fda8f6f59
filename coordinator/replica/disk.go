package replica

import (
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

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
