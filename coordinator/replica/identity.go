package replica

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

const idFile = "server-id"

// identity returns the replica's stable name and, the first time, begins the
// cluster. The name is written last: a folder with a name has a log, so a name
// without one says that the log was lost.
//
//	server-id │ log            │
//	absent    │ empty          │ begin: bootstrap, then write the name
//	absent    │ term 1 only    │ a crash inside the bootstrap: begin again
//	absent    │ bootstrap only │ a crash between the two: take the name from it
//	absent    │ more           │ ErrIdentity
//	present   │ empty          │ ErrHistory
//	present   │ anything       │ go on
func identity(cfg Config, rc *raft.Config, store *raftboltdb.BoltStore, snaps raft.SnapshotStore, trans raft.Transport) (raft.ServerID, error) {
	file := filepath.Join(cfg.Dir, idFile)
	existing, err := raft.HasExistingState(store, store, snaps)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrHistory, err)
	}
	data, err := os.ReadFile(file)
	switch {
	case err == nil:
		id, whole := strings.CutSuffix(string(data), "\n")
		if !whole || !plain(id) {
			return "", fmt.Errorf("%w: %s is damaged; put back the name this replica had", ErrIdentity, idFile)
		}
		if cfg.ID != "" && cfg.ID != id {
			return "", fmt.Errorf("%w: the folder is %q's, not %q's", ErrIdentity, id, cfg.ID)
		}
		if !existing {
			return "", fmt.Errorf("%w: %q has no log here any more; restore raft.db, or begin anew in an empty folder", ErrHistory, id)
		}
		return raft.ServerID(id), nil
	case !errors.Is(err, os.ErrNotExist):
		return "", err
	}

	id := raft.ServerID(cfg.ID)
	if existing {
		begun, err := begunOnly(store, snaps)
		if err == nil && begun {
			err = store.SetUint64(currentTerm, 0)
			existing = false
		}
		if err != nil {
			return "", err
		}
	}
	if existing {
		if id, err = bootstrapped(store, id); err != nil {
			return "", err
		}
		if cfg.ID != "" && raft.ServerID(cfg.ID) != id {
			return "", fmt.Errorf("%w: the folder is %q's, not %q's", ErrIdentity, id, cfg.ID)
		}
	} else {
		if id == "" {
			id = raft.ServerID(strings.ToLower(rand.Text()))
		}
		if !plain(string(id)) {
			return "", fmt.Errorf("%w: %q is not 1 to 128 letters, digits and dashes", ErrIdentity, id)
		}
		rc.LocalID = id
		cluster := raft.Configuration{Servers: []raft.Server{{ID: id, Address: trans.LocalAddr()}}}
		if !cfg.alone() {
			cluster.Servers = nil
			for _, p := range cfg.Peers {
				cluster.Servers = append(cluster.Servers, raft.Server{ID: raft.ServerID(p.ID), Address: raft.ServerAddress(p.Address)})
			}
		}
		if err := raft.BootstrapCluster(rc, store, store, snaps, trans, cluster); err != nil {
			return "", fmt.Errorf("begin the cluster: %w", err)
		}
	}
	return id, writeID(file, string(id))
}

// Raft's own keys in its stable store.
var currentTerm, lastVoteTerm = []byte("CurrentTerm"), []byte("LastVoteTerm")

// begunOnly reports whether the store holds what raft.BootstrapCluster writes
// first, the term 1, and not the configuration that it writes next: a crash
// between the two. Nobody was voted for and nothing was logged.
func begunOnly(store *raftboltdb.BoltStore, snaps raft.SnapshotStore) (bool, error) {
	last, err := store.LastIndex()
	if err != nil {
		return false, err
	}
	metas, err := snaps.List()
	if err != nil {
		return false, err
	}
	term, err := store.GetUint64(currentTerm)
	if err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return false, err
	}
	vote, err := store.GetUint64(lastVoteTerm)
	if err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return false, err
	}
	return last == 0 && len(metas) == 0 && term == 1 && vote == 0, nil
}

// bootstrapped returns the name in a log that holds its bootstrap and nothing
// else: the only one, or the given one of several.
func bootstrapped(store *raftboltdb.BoltStore, given raft.ServerID) (raft.ServerID, error) {
	last, err := store.LastIndex()
	if err != nil {
		return "", err
	}
	var entry raft.Log
	if last == 1 {
		if err := store.GetLog(1, &entry); err != nil {
			return "", err
		}
	}
	if entry.Type == raft.LogConfiguration {
		servers := raft.DecodeConfiguration(entry.Data).Servers
		for _, s := range servers {
			if len(servers) == 1 || s.ID == given {
				return s.ID, nil
			}
		}
	}
	return "", fmt.Errorf("%w: put back the %s file this log was written under", ErrIdentity, idFile)
}

func plain(id string) bool {
	return id != "" && len(id) <= 128 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

// writeID writes the name whole or not at all.
func writeID(file, id string) (err error) {
	f, err := os.Create(file + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.WriteString(id + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(file+".tmp", file); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(file))
}

// checkHistory refuses a log that begins after the newest snapshot that can be
// read: raft would fall back to an older one, or to none, and go on. A single
// voter's log also reaches its snapshot, or was cut by other hands; where there
// are others, one of them may have sent the snapshot in the log's place.
func checkHistory(store *raftboltdb.BoltStore, snaps raft.SnapshotStore, single bool) error {
	metas, err := snaps.List()
	if err != nil {
		return err
	}
	var reached uint64
	var bad error
	for _, meta := range metas { // newest first
		if bad = readable(snaps, meta); bad == nil {
			reached = meta.Index
			break
		}
	}
	first, err := store.FirstIndex()
	if err != nil {
		return err
	}
	last, err := store.LastIndex()
	if err != nil {
		return err
	}
	switch {
	case len(metas) > 0 && reached == 0:
		return fmt.Errorf("%w: no snapshot can be read; restore the folder from a copy: %w", ErrHistory, bad)
	case first > reached+1:
		return fmt.Errorf("%w: the log begins at index %d, snapshots end at %d; restore the folder from a copy", ErrHistory, first, reached)
	case single && last < reached:
		return fmt.Errorf("%w: the log ends at index %d, before the snapshot of %d; restore raft.db", ErrHistory, last, reached)
	}
	return nil
}

func readable(snaps raft.SnapshotStore, meta *raft.SnapshotMeta) (err error) {
	_, r, err := snaps.Open(meta.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	state, err := readSnapshot(r)
	if err != nil {
		return err
	}
	if state.Index() > meta.Index {
		return fmt.Errorf("snapshot %s of index %d holds a ledger of index %d", meta.ID, meta.Index, state.Index())
	}
	return nil
}
