package replica

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"rescore/partition/job"
)

// flipEntry flips a bit in the command that submits a job.
func flipEntry(t *testing.T, file string, of job.ID) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rest := data; ; n++ { // bbolt leaves old copies behind; all of them
		at := bytes.Index(rest, []byte(of))
		if at < 0 {
			break
		}
		rest[at+len(of)-1] ^= 1
		rest = rest[at+len(of):]
	}
	if n == 0 {
		t.Fatal("there is no such command")
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// reopened returns the ledger that a folder opens with, by the log's own order:
// what raft does with a folder of one voter, without the time an election takes.
func reopened(t *testing.T, dir string) (string, error) {
	t.Helper()
	cfg := Config{Dir: dir, Stall: time.Minute}
	r := &Replica{failed: make(chan struct{})}
	store, snaps, err := r.openFolder(cfg, hclog.NewNullLogger())
	if err != nil {
		return "", err
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, trans := raft.NewInmemTransport("self")
	if _, _, err := identity(cfg, raft.DefaultConfig(), store, snaps, trans); err != nil {
		return "", err
	}
	metas, err := snaps.List()
	if err != nil {
		t.Fatal(err)
	}
	r.fsm = newFSM(inMemory, nil, hclog.NewNullLogger())
	var reached uint64
	for _, meta := range metas {
		if readable(snaps, meta, inMemory()) == nil {
			_, from, err := snaps.Open(meta.ID)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(r.fsm.Restore(from), from.Close()); err != nil {
				t.Fatal(err)
			}
			reached = meta.Index
			break
		}
	}
	last, err := store.LastIndex()
	if err != nil {
		t.Fatal(err)
	}
	for index := reached + 1; index <= last; index++ {
		var entry raft.Log
		if err := store.GetLog(index, &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Type == raft.LogCommand {
			r.fsm.Apply(&entry)
		}
	}
	term, err := store.GetUint64(currentTerm)
	if err != nil {
		t.Fatal(err)
	}
	vote, err := store.Get(lastVoteCand)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s, term %d, vote for %s", digest(t, r), term, vote), nil
}

// Whatever bit of a folder is flipped and wherever a file is cut, the folder is
// refused or it holds the same ledger, term and vote; and the process lives.
func TestAnyDamageIsRefusedOrDoesNotMatter(t *testing.T) {
	t.Parallel()
	for name, trailing := range map[string]uint64{"of a log that was cut": 1, "of one that was not": 100} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			anyDamage(t, trailing)
		})
	}
}

func anyDamage(t *testing.T, trailing uint64) {
	whole, _ := history(t, trailing)
	want, err := reopened(t, whole)
	if err != nil {
		t.Fatal(err)
	}
	every := map[string]int{"raft.db": 487, "server-id": 1} // so many bytes between two flips
	for _, name := range []string{"state.bin", "meta.json"} {
		for _, file := range states(t, whole, name) {
			rel, err := filepath.Rel(whole, file)
			if err != nil {
				t.Fatal(err)
			}
			every[rel] = 37
		}
	}
	if os.Getenv("RESCORE_LONG") != "" {
		for name := range every {
			every[name] = min(every[name], 11)
		}
	}
	var refused, same int
	damage := func(name, what string, data []byte) {
		dir := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := reopened(t, dir)
		switch {
		case errors.Is(err, ErrHistory), errors.Is(err, ErrIdentity):
			refused++
		case err != nil:
			t.Errorf("%s %s: %v", name, what, err)
		case got != want && name != idFile:
			t.Errorf("%s %s: it opened with %s, want %s", name, what, got, want)
		default:
			same++
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	for name, step := range every {
		data, err := os.ReadFile(filepath.Join(whole, name))
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(data); at += step {
			flipped := bytes.Clone(data)
			flipped[at] ^= 1 << (at / step % 8)
			damage(name, fmt.Sprintf("with byte %d of %d flipped", at, len(data)), flipped)
		}
		for _, part := range []int{0, 1, 5, 9} {
			at := len(data) * part / 10
			damage(name, fmt.Sprintf("cut at byte %d of %d", at, len(data)), data[:at])
		}
	}
	t.Logf("%d refused, %d did not matter", refused, same)
	if refused == 0 || same == 0 { // bbolt leaves much behind that nobody reads
		t.Error("all damage came to the same")
	}
}

// Every byte that is in use is covered: the test above flips some, this one all those
// of the votes.
func TestAFlippedVoteIsRefused(t *testing.T) {
	t.Parallel()
	whole, _ := history(t, 4)
	data, err := os.ReadFile(filepath.Join(whole, "raft.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range [][]byte{currentTerm, lastVoteTerm, lastVoteCand} {
		for bit := range 8 * 16 { // of the value, and of its sum
			flipped := bytes.Clone(data)
			found := false
			for at := 0; ; {
				next := bytes.Index(flipped[at:], key)
				if next < 0 {
					break
				}
				at += next + len(key)
				if value := at + bit/8; value < len(flipped) {
					flipped[value] ^= 1 << (bit % 8)
					found = true
				}
			}
			if !found {
				t.Fatalf("there is no %s", key)
			}
			if bytes.Equal(key, lastVoteCand) && bit >= 8*(len("self")+sumSize) {
				continue // behind the value
			}
			if bit%8 != 3 && os.Getenv("RESCORE_LONG") == "" {
				continue
			}
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "raft.db"), flipped, 0o644); err != nil {
				t.Fatal(err)
			}
			if got, err := reopened(t, dir); !errors.Is(err, ErrHistory) {
				t.Errorf("bit %d of %s: %s, %v", bit, key, got, err)
			}
		}
	}
}
