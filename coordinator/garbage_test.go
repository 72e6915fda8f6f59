package coordinator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
)

func (w *world) collector(keep int) Collector {
	return Collector{
		Ledger: w, Verify: func(context.Context) error { return nil }, Store: w.store, Dataset: "base", Keep: keep,
		Now: func() time.Time { return w.now },
	}
}

// abandon stages files of attempts that nobody accepted.
func (w *world) abandon(id job.ID, n int) {
	for i := range n {
		_ = w.store.Put(context.Background(), fmt.Sprintf("%szombie-%d-%d", id.StagingPrefix(), w.index, i), []byte("abandoned"))
	}
}

// stagedManifests is how many bytes the manifests have that publishing staged.
func (w *world) stagedManifests(t *testing.T) (sum int64) {
	t.Helper()
	all, err := w.store.List(t.Context(), "_staging/")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		if strings.Contains(o.Name, "/manifest-") {
			sum += o.Size
		}
	}
	return sum
}

func TestGarbageIsMarkedThenSweptAfterItsGrace(t *testing.T) {
	t.Parallel()
	w := newMemory(t)
	w.populate(40)
	first, _ := w.published(asking{model: "a"})
	second, _ := w.published(asking{model: "b"})
	w.abandon(first.ID, 2)
	w.abandon(second.ID, 1)
	w.abandon("202610-elsewhere000", 3) // of a job this ledger does not know
	running := w.submit(asking{model: "c"})
	w.step(running)
	w.abandon(running, 4)

	both := w.collector(2)
	g, err := both.Preview(t.Context())
	if err != nil || g.Files != 3+2 || g.Bytes != 3*int64(len("abandoned"))+w.stagedManifests(t) || g.Marked != nil {
		t.Fatalf("%+v, %v", g, err)
	}
	// With the newest version's files alone, those of the first job count no more.
	one := w.collector(1)
	objects := len(w.store.(memory).objects)
	g, err = one.Mark(t.Context())
	if err != nil || g.Files <= 3+2 || g.Marked == nil || g.Marked.Files != g.Files || len(w.store.(memory).objects) != objects+1 {
		t.Fatalf("%+v, %v", g, err)
	}
	if again, err := one.Mark(t.Context()); err != nil || again.Marked.Index != g.Marked.Index {
		t.Errorf("marked twice: %+v, %v", again.Marked, err)
	}
	if _, err := one.Sweep(t.Context(), Grace); !errors.Is(err, ErrGrace) {
		t.Fatalf("swept at once: %v", err)
	}
	w.now = w.now.Add(Grace)
	swept, err := one.Sweep(t.Context(), Grace)
	if err != nil || swept.Deleted != g.Files || swept.Spared != 0 || swept.Bytes != g.Bytes || len(w.store.(memory).objects) != objects-g.Files {
		t.Fatalf("%+v, %v", swept, err)
	}
	if marks := w.state.Marks("base"); len(marks) != 1 || marks[0].Swept == 0 || marks[0].Deleted != g.Files {
		t.Errorf("the ledger has %+v", marks)
	}
	if swept, err := one.Sweep(t.Context(), 0); err != nil || swept != (Swept{}) {
		t.Errorf("swept twice: %+v, %v", swept, err)
	}
	if g, err := one.Preview(t.Context()); err != nil || g.Files != 0 || g.Marked != nil {
		t.Errorf("afterwards there is %+v, %v", g, err)
	}
	// Both versions are all there, and a rerun of the first scores all of it again.
	for _, v := range w.state.Versions("base") {
		if err := publish.Readable(t.Context(), w.store, v); err != nil {
			t.Error(err)
		}
	}
	j, m := w.published(asking{model: "a", base: first.Version.ID, again: []partition.Range{segmentsFrom(1380000, 1380001)}})
	if j.Score().Totals().Kept != 0 || m.Digest != w.manifest(first.Version.ID).Digest {
		t.Errorf("kept %d", j.Score().Totals().Kept)
	}
}

// TestWhatIsNeededAgainIsSpared: a version that somebody goes back to, or a rerun stands
// on, between the mark and the sweep.
func TestWhatIsNeededAgainIsSpared(t *testing.T) {
	t.Parallel()
	for name, need := range map[string]func(*world, string){
		"rollback": func(w *world, version string) {
			w.must(ledger.Rollback{Dataset: "base", Version: version, Who: "w", Reason: "r"})
		},
		"rerun": func(w *world, version string) { w.submit(asking{model: "a", base: version}) },
	} {
		w := newMemory(t)
		w.populate(40)
		old, _ := w.published(asking{model: "a"})
		w.published(asking{model: "b"})
		c := w.collector(1)
		g, err := c.Mark(t.Context())
		if err != nil || g.Files == 0 {
			t.Fatalf("%s: %+v, %v", name, g, err)
		}
		need(w, old.Version.ID)
		swept, err := c.Sweep(t.Context(), 0)
		if err != nil || swept.Deleted != 2 || swept.Spared != g.Files-2 { // but for the manifests, whose adopted copies are the versions'
			t.Errorf("%s: %+v, %v", name, swept, err)
		}
	}
}

// TestNothingNewStandsOnWhatIsMarked: between the mark and the sweep a rerun keeps
// nothing that is on the list.
func TestNothingNewStandsOnWhatIsMarked(t *testing.T) {
	t.Parallel()
	w := newMemory(t)
	w.populate(40)
	old, _ := w.published(asking{model: "a"})
	w.published(asking{model: "b"})
	if g, err := w.collector(1).Mark(t.Context()); err != nil || g.Marked == nil {
		t.Fatalf("%+v, %v", g, err)
	}
	j, _ := w.published(asking{model: "a", base: old.Version.ID, again: []partition.Range{segmentsFrom(1380000, 1380001)}})
	if kept := j.Score().Totals().Kept; kept != 0 {
		t.Errorf("%d partitions stand on files that are marked", kept)
	}
}

// breaking is a store that fails at the n-th deletion.
type breaking struct {
	memory
	left *int
}

func (b breaking) Delete(ctx context.Context, name string) error {
	if *b.left--; *b.left < 0 {
		return errors.New("the store is away")
	}
	return b.memory.Delete(ctx, name)
}

// needed is the text of the decision record, an object at a time.
func (w *world) needed(name string, keep int) bool {
	parts := strings.Split(name, "/")
	if parts[0] != "_staging" {
		return parts[0] != "_garbage"
	}
	owner := w.state.Job(job.ID(parts[1]))
	if owner == nil || !owner.State.Over() {
		return true
	}
	for j := range w.state.Jobs() {
		if !w.counts(j, keep) {
			continue
		}
		for i := range j.Stages {
			for k := range j.Stages[i].Tasks {
				task := &j.Stages[i].Tasks[k]
				files := task.Plan().Staged
				if r := task.Result(); r != nil {
					files = append(files, r.Files...)
				}
				if slices.ContainsFunc(files, func(f job.File) bool { return f.Path == name }) {
					return true
				}
			}
		}
	}
	return false
}

func (w *world) counts(j *ledger.Job, keep int) bool {
	if !j.State.Over() {
		return true
	}
	newer := 0 // versions published after it ended
	for _, v := range w.state.Versions("base") {
		if j.State == job.Published && v.PublishIndex > j.Version.PublishIndex || j.State != job.Published && v.PublishIndex > j.FailIndex {
			newer++
		}
	}
	if newer < keep {
		return true
	}
	if j.Version == nil {
		return false
	}
	if current, _ := w.state.Current("base"); current.ID == j.Version.ID {
		return true
	}
	for _, r := range w.state.Rollbacks("base") {
		if r.Version == j.Version.ID && !r.Pointed {
			return true
		}
	}
	for other := range w.state.Jobs() {
		if !other.State.Over() && other.Base == j.Version.ID {
			return true
		}
	}
	return false
}

// TestNothingThatIsNeededIsEverCollected runs jobs, reruns, rollbacks, failures and
// retries beside marks and sweeps that are cut short, and lists that are stale or name
// what they should not.
func TestNothingThatIsNeededIsEverCollected(t *testing.T) {
	t.Parallel()
	seeds := uint64(25)
	if os.Getenv("RESCORE_LONG") != "" {
		seeds = 2000
	}
	deleted, spared, rolled := 0, 0, 0
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 11))
		disk := memory{map[string][]byte{}}
		w := newWorld(t, disk)
		w.populate(5 + rng.IntN(30))
		keep := rng.IntN(3)
		var jobs []job.ID
		versions := func() []ledger.Version { return w.state.Versions("base") }
		for op := range 60 {
			before := maps.Clone(disk.objects)
			sweeping := false
			switch rng.IntN(10) {
			case 0:
				jobs = append(jobs, w.submit(asking{model: fmt.Sprint("m", op)}))
			case 1:
				if all := versions(); len(all) > 0 {
					var again []partition.Range
					if rng.IntN(4) > 0 {
						first := partition.Segment(1380000 + rng.IntN(100))
						again = []partition.Range{segmentsFrom(first, first+50)}
					}
					jobs = append(jobs, w.submit(asking{model: fmt.Sprint("m", op), base: all[rng.IntN(len(all))].ID, again: again}))
				}
			case 2, 3:
				if len(jobs) > 0 {
					w.run(jobs[rng.IntN(len(jobs))])
				}
			case 4:
				if len(jobs) > 0 {
					id := jobs[rng.IntN(len(jobs))]
					for range rng.IntN(12) {
						w.step(id)
					}
					w.abandon(id, rng.IntN(3))
				}
			case 5:
				if len(jobs) > 0 {
					id := jobs[rng.IntN(len(jobs))]
					if rng.IntN(2) == 0 {
						_, _ = w.Propose(t.Context(), ledger.FailJob{Job: id, Reason: "bad luck"})
					} else {
						_, _ = w.Propose(t.Context(), ledger.Cancel{Job: id, Who: "w", Reason: "r"})
					}
				}
			case 6:
				if len(jobs) > 0 {
					id := jobs[rng.IntN(len(jobs))]
					_, _ = w.Propose(t.Context(), ledger.Retry{Job: id, FailIndex: w.state.Job(id).FailIndex})
				}
			case 7:
				if all := versions(); len(all) > 0 {
					v := all[rng.IntN(len(all))]
					if rng.IntN(2) == 0 { // its leader dies before the pointer
						_, _ = w.Propose(t.Context(), ledger.Rollback{Dataset: "base", Version: v.ID, Who: "w", Reason: "r"})
					} else if _, err := Rollback(t.Context(), w, w.store, ledger.Rollback{Dataset: "base", Version: v.ID, Who: "w", Reason: "r"}); err == nil {
						rolled++
					}
					if rng.IntN(2) == 0 {
						if err := w.term.Repoint(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
				}
			case 8:
				if rng.IntN(3) == 0 { // a deposed leader's list, or nobody's: it names anything
					var list []store.Info
					for _, name := range slices.Sorted(maps.Keys(disk.objects)) {
						if rng.IntN(2) == 0 {
							list = append(list, store.Info{Name: name, Size: 1})
						}
					}
					name, digest, err := publish.PutList(t.Context(), disk, w.index, list)
					if err != nil {
						t.Fatal(err)
					}
					w.must(ledger.Mark{Dataset: "base", List: name, SHA256: digest, Files: len(list)})
				} else if _, err := w.collector(keep).Mark(t.Context()); err != nil {
					t.Fatal(err)
				}
			case 9:
				sweeping = true
				c := w.collector(keep)
				left := rng.IntN(40)
				c.Store = breaking{disk, &left}
				if rng.IntN(5) == 0 {
					c.Verify = func(context.Context) error { return errors.New("deposed") }
				}
				swept, err := c.Sweep(t.Context(), 0)
				deleted, spared = deleted+swept.Deleted, spared+swept.Spared
				if err == nil && c.marked() != nil && c.marked().Index == swept.Index {
					t.Fatal("a sweep that went through is not noted")
				}
			}
			for name := range before {
				if _, there := disk.objects[name]; !there && (!sweeping || w.needed(name, keep)) {
					t.Fatalf("seed %d, op %d: %s was needed and is gone", seed, op, name)
				}
			}
		}
		for _, v := range versions() { // I4: down to the bytes
			p, err := publish.PointerTo(t.Context(), disk, v.ID)
			if err != nil {
				t.Fatal(err)
			}
			if missing, err := publish.Missing(t.Context(), disk, p, w.manifest(v.ID), true); err != nil || len(missing) > 0 {
				t.Fatalf("seed %d: version %s lacks %v, %v", seed, v.ID, missing, err)
			}
		}
		for _, id := range jobs { // what is not over can go on to its end
			if j := w.state.Job(id); !j.State.Over() && j.Retried == 0 {
				if j = w.run(id); j.State != job.Published {
					t.Fatalf("seed %d: job %s is %s: %s", seed, id, j.State, j.FailReason)
				}
			}
		}
	}
	if deleted < 100 || spared < 100 || rolled < 5 {
		t.Errorf("%d deleted, %d spared, %d rolled back: nothing was tested", deleted, spared, rolled)
	}
}

func TestOfTheListOfAMarkNothingElseIsBelieved(t *testing.T) {
	t.Parallel()
	w := newMemory(t)
	w.populate(20)
	w.published(asking{model: "a"})
	w.published(asking{model: "b"})
	g, err := w.collector(1).Mark(t.Context())
	if err != nil || g.Marked == nil {
		t.Fatal(err)
	}
	objects := w.store.(memory).objects
	whole := objects[g.Marked.List]
	for what, data := range map[string][]byte{"longer": append(slices.Clone(whole), "1 month=202610/x\n"...), "shorter": whole[:len(whole)/2]} {
		objects[g.Marked.List] = data
		before := len(objects)
		if _, err := w.collector(1).Sweep(t.Context(), 0); !errors.Is(err, publish.ErrDamaged) || len(objects) != before {
			t.Errorf("a %s list is swept: %v", what, err)
		}
	}
}
