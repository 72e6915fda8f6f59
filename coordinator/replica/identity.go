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

	"rescore/coordinator/ledger"
)

const (
	idFile      = "server-id"
	joiningMark = "joining"
)

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
//
// Who joins has nothing to begin: its name comes first, with "joining" behind it
// until the cluster has taken it in. Until then, and not after, its log may be empty.
func identity(cfg Config, rc *raft.Config, store *disk, snaps raft.SnapshotStore, trans raft.Transport) (id raft.ServerID, joining bool, err error) {
	file := filepath.Join(cfg.Dir, idFile)
	existing, err := raft.HasExistingState(store, store, snaps)
	if err != nil {
		return "", false, fmt.Errorf("%w: %w", ErrHistory, err)
	}
	data, err := os.ReadFile(file)
	switch {
	case err == nil:
		id, whole := strings.CutSuffix(string(data), "\n")
		id, joining = strings.CutSuffix(id, "\n"+joiningMark)
		if !whole || !plain(id) {
			return "", false, fmt.Errorf("%w: %s is damaged; put back the name this replica had", ErrIdentity, idFile)
		}
		if cfg.ID != "" && cfg.ID != id {
			return "", false, fmt.Errorf("%w: the folder is %q's, not %q's", ErrIdentity, id, cfg.ID)
		}
		if joining && !cfg.Join {
			return "", false, fmt.Errorf("%w: %q was joining a cluster that has not taken it in; let it join", ErrIdentity, id)
		}
		if !existing && !joining {
			return "", false, fmt.Errorf("%w: %q has no log here any more; restore raft.db, or begin anew in an empty folder", ErrHistory, id)
		}
		return raft.ServerID(id), joining, nil
	case !errors.Is(err, os.ErrNotExist):
		return "", false, err
	}

	id = raft.ServerID(cfg.ID)
	if cfg.Join && !existing {
		if !plain(cfg.ID) {
			return "", false, fmt.Errorf("%w: %q is not 1 to 128 letters, digits and dashes", ErrIdentity, id)
		}
		return id, true, writeID(file, cfg.ID+"\n"+joiningMark)
	}
	if existing {
		begun, err := begunOnly(store, snaps)
		if err == nil && begun {
			err = store.SetUint64(currentTerm, 0)
			existing = false
		}
		if err != nil {
			return "", false, err
		}
	}
	if existing {
		if id, err = bootstrapped(store, id); err != nil {
			return "", false, err
		}
		if cfg.ID != "" && raft.ServerID(cfg.ID) != id {
			return "", false, fmt.Errorf("%w: the folder is %q's, not %q's", ErrIdentity, id, cfg.ID)
		}
	} else {
		if id == "" {
			id = raft.ServerID(strings.ToLower(rand.Text()))
		}
		if !plain(string(id)) {
			return "", false, fmt.Errorf("%w: %q is not 1 to 128 letters, digits and dashes", ErrIdentity, id)
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
			return "", false, fmt.Errorf("begin the cluster: %w", err)
		}
	}
	return id, false, writeID(file, string(id))
}

// begunOnly reports whether the store holds what raft.BootstrapCluster writes
// first, the term 1, and not the configuration that it writes next: a crash
// between the two. Nobody was voted for and nothing was logged.
func begunOnly(store *disk, snaps raft.SnapshotStore) (bool, error) {
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
func bootstrapped(store *disk, given raft.ServerID) (raft.ServerID, error) {
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

// checkHistory reads every entry there is, and refuses a log in which one is
// missing after the newest snapshot that can be read: raft would fall back to an
// older one, or to none, and go on. A single voter's log also reaches its snapshot,
// or was cut by other hands; where there are others, one of them may have sent the
// snapshot in the log's place.
func checkHistory(store *disk, snaps raft.SnapshotStore, shelf newShelf, single bool) error {
	metas, err := snaps.List()
	if err != nil {
		return err
	}
	var reached uint64
	var bad error
	for _, meta := range metas { // newest first
		if bad = readable(snaps, meta, shelf()); bad == nil {
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
		return fmt.Errorf("%w: no snapshot can be read; "+mend+": %w", ErrHistory, bad)
	case first > reached+1:
		return fmt.Errorf("%w: the log begins at index %d, snapshots end at %d; "+mend, ErrHistory, first, reached)
	case single && last < reached:
		return fmt.Errorf("%w: the log ends at index %d, before the snapshot of %d; restore raft.db", ErrHistory, last, reached)
	case first == 0:
		return nil
	}
	for index := first; index <= last; index++ {
		var entry raft.Log
		switch err := store.GetLog(index, &entry); {
		case errors.Is(err, raft.ErrLogNotFound) && index <= reached: // a snapshot that was sent took its place
		case errors.Is(err, raft.ErrLogNotFound):
			return fmt.Errorf("%w: entry %d is missing; "+mend, ErrHistory, index)
		case err != nil:
			return err
		}
	}
	return nil
}

func readable(snaps raft.SnapshotStore, meta *raft.SnapshotMeta, shelf ledger.Shelf) (err error) {
	_, r, err := snaps.Open(meta.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	state, err := ledger.Read(r, shelf)
	if err != nil {
		return err
	}
	if state.Index() > meta.Index {
		return fmt.Errorf("snapshot %s of index %d holds a ledger of index %d", meta.ID, meta.Index, state.Index())
	}
	return nil
}
