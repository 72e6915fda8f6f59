package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.uber.org/goleak"

	"rescore/coordinator/ledger"
	"rescore/coordinator/shelf"
	"rescore/partition/job"
)

// patience bounds every wait, so that a replica that does nothing fails its test and
// does not hang it. No wait needs a hundredth of it.
const patience = 2 * time.Minute

// patient returns the context of a wait.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// await waits for a channel to be closed.
func await(t *testing.T, closed <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func submit(n int) ledger.Submit {
	return ledger.Submit{
		Job: job.ID(fmt.Sprintf("job-%04d", n)), Name: "base", Spec: []byte("{}"), SpecDigest: "d", Epoch: 1,
		Stages: []job.StageKind{job.StageSurvey, job.StageScore}, MaxAttempts: 3,
	}
}

func mustOpen(t *testing.T, cfg Config) *Replica {
	t.Helper()
	r, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, r) })
	if _, err := r.Lead(patient(t)); err != nil {
		t.Fatal(err)
	}
	return r
}

func mustClose(t testing.TB, r *Replica) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func propose(t *testing.T, r *Replica, cmd ledger.Command) ledger.Reply {
	t.Helper()
	reply, err := r.Propose(patient(t), cmd)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func digest(t testing.TB, r *Replica) string {
	t.Helper()
	var sum string
	r.View(func(s *ledger.State) {
		h, err := s.Hash()
		if err != nil {
			t.Error(err)
		}
		sum = fmt.Sprintf("%d jobs %x", len(jobs(s)), h)
	})
	return sum
}

func jobs(s *ledger.State) []job.ID {
	var ids []job.ID
	for j := range s.Jobs() {
		ids = append(ids, j.ID)
	}
	return ids
}

// small takes snapshots early and keeps almost no log behind them.
func small(rc *raft.Config) { rc.TrailingLogs = 1 }

func TestRestartKeepsTheLedger(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := mustOpen(t, Config{Dir: dir})
	for n := range 5 {
		if !propose(t, r, submit(n)).(ledger.SubmitReply).New {
			t.Errorf("job %d is not new", n)
		}
	}
	want := digest(t, r)
	mustClose(t, r)

	r = mustOpen(t, Config{Dir: dir})
	if got := digest(t, r); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if propose(t, r, submit(3)).(ledger.SubmitReply).New {
		t.Error("job 3 was forgotten")
	}
}

func TestAKilledReplicaReopensWithEverythingItAnswered(t *testing.T) {
	t.Parallel()
	dir, killed := t.TempDir(), filepath.Join(t.TempDir(), "killed")
	r := mustOpen(t, Config{Dir: dir, tune: small})
	for n := range 5 {
		propose(t, r, submit(n))
		if n == 2 {
			if err := r.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
	}
	// What is in the files now is what a kill would leave.
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, Config{Dir: killed})
	if got, want := digest(t, again), digest(t, r); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSnapshotCutLogAndRestartGiveTheSameLedger(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := mustOpen(t, Config{Dir: dir, tune: small})
	for n := range 10 {
		propose(t, r, submit(n))
	}
	if err := r.Snapshot(); err != nil {
		t.Fatal(err)
	}
	if err := r.Snapshot(); err != nil { // nothing new is no error
		t.Fatal(err)
	}
	if first, err := r.store.FirstIndex(); err != nil || first < 10 {
		t.Fatalf("the log was not cut: it begins at %d, %v", first, err)
	}
	propose(t, r, submit(10))
	want := digest(t, r)
	mustClose(t, r)
	if got := digest(t, mustOpen(t, Config{Dir: dir})); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// history builds a folder with two snapshots and a log cut behind the second
// (trailing 1) or not at all (trailing 100).
func history(t *testing.T, trailing uint64) (dir, want string) {
	t.Helper()
	dir = t.TempDir()
	r := mustOpen(t, Config{Dir: dir, ID: "me", tune: func(rc *raft.Config) { rc.TrailingLogs = trailing }})
	for n := range 12 {
		propose(t, r, submit(n))
		if n == 8 || n == 10 { // of two digits both, so that names sort by index
			if err := r.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
	}
	want = digest(t, r)
	mustClose(t, r)
	return dir, want
}

// states returns the snapshots' files, oldest first.
func states(t *testing.T, dir, name string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "snapshots", "*", name))
	if err != nil || len(files) != 2 {
		t.Fatalf("%d snapshots: %v", len(files), err)
	}
	return files
}

func flip(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenRefusesAFolderWithPartOfItsHistory(t *testing.T) {
	t.Parallel()
	write := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		spoil func(*testing.T, string)
		id    string
		want  error
	}{
		"server-id missing":    {func(t *testing.T, dir string) { remove(t, dir, idFile) }, "", ErrIdentity},
		"server-id given":      {func(t *testing.T, dir string) { remove(t, dir, idFile) }, "me", ErrIdentity},
		"server-id empty":      {write(idFile, ""), "", ErrIdentity},
		"server-id cut":        {write(idFile, "m"), "", ErrIdentity},
		"server-id garbage":    {write(idFile, "a b\n"), "", ErrIdentity},
		"server-id of another": {write(idFile, "you\n"), "me", ErrIdentity},
		"log missing":          {func(t *testing.T, dir string) { remove(t, dir, "raft.db") }, "", ErrHistory},
		"log and snapshots":    {func(t *testing.T, dir string) { remove(t, dir, "raft.db", "snapshots") }, "", ErrHistory},
		"log garbage":          {write("raft.db", strings.Repeat("garbage!", 1<<13)), "", ErrHistory},
		"snapshots missing":    {func(t *testing.T, dir string) { remove(t, dir, "snapshots") }, "", ErrHistory},
		"both snapshots broken": {func(t *testing.T, dir string) {
			flip(t, states(t, dir, "state.bin")[0])
			flip(t, states(t, dir, "state.bin")[1])
		}, "", ErrHistory},
		"newest one broken": {func(t *testing.T, dir string) { flip(t, states(t, dir, "state.bin")[1]) }, "", ErrHistory},
		"newest one's meta gone": {func(t *testing.T, dir string) {
			if err := os.Remove(states(t, dir, "meta.json")[1]); err != nil {
				t.Fatal(err)
			}
		}, "", ErrHistory},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _ := history(t, 1)
			c.spoil(t, dir)
			r, err := Open(Config{Dir: dir, ID: c.id})
			if err == nil {
				mustClose(t, r)
			}
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestABrokenSnapshotIsNotMissedWhileTheLogReachesBehindIt(t *testing.T) {
	t.Parallel()
	dir, want := history(t, 100)
	flip(t, states(t, dir, "state.bin")[1])
	if got := digest(t, mustOpen(t, Config{Dir: dir})); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestACrashBeforeTheNameIsWrittenIsMended(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := raftboltdb.NewBoltStore(filepath.Join(dir, "raft.db"))
	if err != nil {
		t.Fatal(err)
	}
	snaps, err := raft.NewFileSnapshotStoreWithLogger(dir, 2, newLog(nil))
	if err != nil {
		t.Fatal(err)
	}
	rc := raft.DefaultConfig()
	rc.Logger = newLog(nil)
	_, trans := raft.NewInmemTransport("self")
	log, err := newDisk(store, time.Minute, func(err error) { t.Error(err) }, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := identity(Config{Dir: dir, ID: "first"}, rc, log, snaps, trans); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	remove(t, dir, idFile)

	if r, err := Open(Config{Dir: dir, ID: "second"}); !errors.Is(err, ErrIdentity) {
		t.Errorf("another name was taken: %v", err)
		mustClose(t, r)
	}
	mustOpen(t, Config{Dir: dir})
	if data, err := os.ReadFile(filepath.Join(dir, idFile)); err != nil || string(data) != "first\n" {
		t.Errorf("the name is %q, %v", data, err)
	}
}

func TestOpenRefusesAFolderThatIsOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mustOpen(t, Config{Dir: dir})
	if r, err := Open(Config{Dir: dir}); !errors.Is(err, ErrLocked) {
		t.Errorf("opened twice: %v", err)
		mustClose(t, r)
	}
}

func TestOpenRefusesANameThatCouldNotBeReadBack(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a b", "a\nb", strings.Repeat("x", 129)} {
		if r, err := Open(Config{Dir: t.TempDir(), ID: id}); !errors.Is(err, ErrIdentity) {
			t.Errorf("%q: %v", id, err)
			mustClose(t, r)
		}
	}
}

func TestTheLedgersRefusalIsAnAnswer(t *testing.T) {
	t.Parallel()
	r := mustOpen(t, Config{Dir: t.TempDir()})
	_, err := r.Propose(patient(t), ledger.Seal{Job: "nobody"})
	if !errors.Is(err, ledger.ErrNoJob) || errors.Is(err, ErrUnknownOutcome) {
		t.Error(err)
	}
	if _, err := r.Propose(patient(t), nil); !errors.Is(err, ledger.ErrUnknownCommand) {
		t.Error(err)
	}
}

func TestProposeTellsSurelyNotFromUnknown(t *testing.T) {
	t.Parallel()
	follower, err := Open(Config{Dir: t.TempDir(), tune: func(rc *raft.Config) {
		rc.HeartbeatTimeout, rc.ElectionTimeout = time.Hour, time.Hour // never stands for election
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := follower.Propose(patient(t), submit(1)); !errors.Is(err, ErrNotLeader) || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("on a follower: %v", err)
	}
	ctx, cancel := context.WithCancel(patient(t))
	cancel()
	if _, err := follower.Lead(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a follower leads: %v", err)
	}
	mustClose(t, follower)

	r := mustOpen(t, Config{Dir: t.TempDir()})
	// Applying waits for the view, so the command is in the log and not answered.
	r.View(func(*ledger.State) {
		if _, err := r.Propose(ctx, submit(1)); !errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
			t.Errorf("nobody waited: %v", err)
		}
	})
	propose(t, r, submit(1)) // sent again, as callers do
	mustClose(t, r)
	if _, err := r.Propose(patient(t), submit(2)); !errors.Is(err, ErrNotLeader) || !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

func TestLeadershipEndsWithClose(t *testing.T) {
	t.Parallel()
	r := mustOpen(t, Config{Dir: t.TempDir()})
	leads, err := r.Lead(patient(t))
	if err != nil || leads.Err() != nil {
		t.Fatal(err, leads.Err())
	}
	mustClose(t, r)
	await(t, leads.Done(), "the end of the leadership")
	if cause := context.Cause(leads); !errors.Is(cause, ErrClosed) && !errors.Is(cause, errLost) {
		t.Error(cause)
	}
	if _, err := r.Lead(patient(t)); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// Raft that is stopped forgets what it queued for the ledger. Here entries of the life
// before are still applied when the replica closes, and its barrier is behind them.
func TestCloseWaitsForNothingThatRaftForgot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := mustOpen(t, Config{Dir: dir})
	propose(t, r, submit(1))
	mustClose(t, r)
	for range 8 { // raft forgets half of the time
		applying, goOn := make(chan struct{}), make(chan struct{})
		r, err := Open(Config{Dir: dir, Watch: func(uint64, []ledger.Event) { close(applying); <-goOn }})
		if err != nil {
			t.Fatal(err)
		}
		await(t, applying, "the first entry")
		closed := make(chan error, 1)
		go func() { closed <- r.Close() }()
		<-r.life.Done()
		for end := time.Now().Add(50 * time.Millisecond); r.raft.State() != raft.Shutdown && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		close(goOn)
		select {
		case err := <-closed:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			t.Fatal("the replica does not close")
		}
	}
}

func TestALeadershipLostAndWonAgainIsANewOne(t *testing.T) {
	t.Parallel()
	r := mustOpen(t, Config{Dir: t.TempDir()})
	// The same raft, watched over signals of our own: raft drops a false that
	// nobody has read yet, so that true follows true.
	w := &Replica{raft: r.raft, store: r.store, changed: make(chan struct{}), stopped: make(chan struct{})}
	w.life, w.stop = context.WithCancel(t.Context())
	signals := make(chan bool, 3)
	go w.watch(signals)
	signals <- true
	first, err := w.Lead(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	signals <- true
	await(t, first.Done(), "the end of the first leadership")
	if !errors.Is(context.Cause(first), errLost) {
		t.Error(context.Cause(first))
	}
	second, err := w.Lead(patient(t))
	if err != nil || second.Err() != nil {
		t.Fatal(err, second.Err())
	}
	signals <- false
	await(t, second.Done(), "the end of the second leadership")
	w.stop()
	await(t, w.stopped, "the end of the watch")
}

// Raft may lose a leadership and win the next before its word of either is taken: the
// new term has no barrier yet.
func TestALeadershipOfAnotherTermIsNotVerified(t *testing.T) {
	t.Parallel()
	r := mustOpen(t, Config{Dir: t.TempDir()})
	propose(t, r, submit(1))
	if err := r.Verify(patient(t)); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.term--
	r.mu.Unlock()
	if err := r.Verify(patient(t)); !errors.Is(err, ErrNotLeader) {
		t.Errorf("got %v", err)
	}
}

func TestEveryProposalIsSeenOnceByWatchAndWakesTheWaiting(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[job.ID]int{}
	r := mustOpen(t, Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Watch: func(_ uint64, events []ledger.Event) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			seen[e.Job]++
		}
	}})
	const n = 40
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		for {
			changed := r.Changed()
			have := 0
			r.View(func(s *ledger.State) { have = len(jobs(s)) })
			if have == n {
				return
			}
			<-changed
		}
	}()
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			if _, err := r.Propose(patient(t), submit(i)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	await(t, waited, "the last job")
	mustClose(t, r)
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != n {
		t.Errorf("%d jobs were seen", len(seen))
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s was seen %d times", id, times)
		}
	}
}

func TestAnEntryThatCannotBeReadStopsTheNode(t *testing.T) {
	t.Parallel()
	good, err := ledger.EncodeCommand(submit(1))
	if err != nil {
		t.Fatal(err)
	}
	unknown := append([]byte{200}, good[1:]...)
	for name, entries := range map[string][]raft.Log{
		"garbage":         {{Index: 1, Data: []byte("garbage")}},
		"empty":           {{Index: 1}},
		"unknown command": {{Index: 1, Data: unknown}},
		"same index":      {{Index: 1, Data: good}, {Index: 1, Data: good}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFSM(inMemory, nil, nil)
			last := len(entries) - 1
			for i := range last {
				f.Apply(&entries[i])
			}
			defer func() {
				if recover() == nil {
					t.Error("it went on")
				}
			}()
			f.Apply(&entries[last])
		})
	}
}

func TestTwentyLivesLeaveNoGoroutine(t *testing.T) {
	dir := t.TempDir()
	ignore := goleak.IgnoreCurrent()
	for n := range 20 {
		r, err := Open(Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Lead(patient(t)); err != nil {
			t.Fatal(err)
		}
		propose(t, r, submit(n))
		mustClose(t, r)
	}
	goleak.VerifyNone(t, ignore)
}

func BenchmarkOpenLeadClose(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		r, err := Open(Config{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Lead(b.Context()); err != nil {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPropose(b *testing.B) {
	r, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if _, err := r.Lead(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := r.Propose(b.Context(), submit(1)); err != nil {
			b.Fatal(err)
		}
	}
}

func inMemory() ledger.Shelf { return shelf.New(nil, nil) }
