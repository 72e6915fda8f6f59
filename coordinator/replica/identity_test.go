package replica

import (
	"errors"
	"path/filepath"
	"testing"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// raft.BootstrapCluster writes the term and then the configuration; a process
// that was killed between the two left a folder that could not be opened again.
func TestACrashInsideTheBootstrapIsBegunAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		write map[string]uint64
		want  error
	}{
		"killed before the term":  {nil, nil},
		"killed after the term":   {map[string]uint64{"CurrentTerm": 1}, nil},
		"it has voted since":      {map[string]uint64{"CurrentTerm": 1, "LastVoteTerm": 1}, ErrIdentity},
		"it has seen later terms": {map[string]uint64{"CurrentTerm": 2}, ErrIdentity},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			store, err := raftboltdb.NewBoltStore(filepath.Join(dir, "raft.db"))
			if err != nil {
				t.Fatal(err)
			}
			for key, value := range c.write {
				if err := store.SetUint64([]byte(key), value); err != nil {
					t.Fatal(err)
				}
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			for range 2 { // begun, and opened
				r, err := Open(Config{Dir: dir})
				if !errors.Is(err, c.want) {
					t.Fatalf("open: %v, want %v", err, c.want)
				}
				if err != nil {
					return
				}
				if _, err := r.Lead(patient(t)); err != nil {
					t.Fatal(err)
				}
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
