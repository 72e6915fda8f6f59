package coordinator

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"rescore/coordinator/ledger"
	"rescore/coordinator/plan"
	"rescore/coordinator/publish"
	"rescore/partition"
	"rescore/partition/job"
)

// populate gives the input so many segments.
func (w *world) populate(n int) {
	for i := range n {
		w.bytes[partition.Segment(1380000+7*i)] = uint64(i)
	}
}

func newMemory(t *testing.T) *world { return newWorld(t, memory{map[string][]byte{}}) }

// full is the digest of a job over the same input in a world of its own.
func (w *world) full(t *testing.T, model string, partitionRows int64) string {
	t.Helper()
	fresh := newMemory(t)
	fresh.begin(partitionRows)
	fresh.bytes = w.bytes
	_, m := fresh.published(asking{model: model})
	return m.Digest
}

func segmentsFrom(first, past partition.Segment) partition.Range {
	return partition.Range{First: first.First(), Past: past.First()}
}

func TestARerunWithNothingChangedGivesTheSameVersionAndKeepsWhatWasNotAskedFor(t *testing.T) {
	t.Parallel()
	w := newMemory(t)
	w.populate(95) // 950 rows, ten partitions
	base, was := w.published(asking{model: "a"})
	again := []partition.Range{segmentsFrom(1380000, 1380001), segmentsFrom(1380300, 1380301)}
	j, m := w.published(asking{model: "a", base: base.Version.ID, again: again})
	if m.Digest != was.Digest || m.Version == was.Version {
		t.Errorf("version %s has digest %s, its base %s", m.Version, m.Digest, was.Digest)
	}
	if got := j.Score().Totals(); got.Kept != 8 || got.Tasks != 10 {
		t.Errorf("%d of %d partitions kept", got.Kept, got.Tasks)
	}
	// Ranks are what they were, so that the partitions that were kept stay placed.
	if got := j.Select().Totals(); got.Kept != 8 {
		t.Errorf("%d of them stay placed", got.Kept)
	}
	var others []string
	for i, p := range m.Partitions {
		if p.Job != "" {
			others = append(others, string(p.Job))
			if !slices.Equal(p.Files, was.Partitions[i].Files) {
				t.Errorf("partition %s was kept and has other files", p.Range)
			}
		}
	}
	if len(others) != 8 || slices.Compact(others)[0] != string(base.ID) || len(m.Origins) != 1 || m.Origins[0].Job != base.ID || m.Rerun.Base != base.Version.ID {
		t.Errorf("partitions are of %v, origins %+v", others, m.Origins)
	}
	// Asked again, it is the same job.
	if id := w.submit(asking{model: "a", base: base.Version.ID, again: []partition.Range{again[1], again[0], again[0]}}); id != j.ID {
		t.Errorf("the same question is job %s and %s", id, j.ID)
	}
	// The old version stays readable, and a rerun of the rerun knows whose its rows are.
	_, m = w.published(asking{model: "a", base: m.Version, again: again[:1]})
	if m.Digest != was.Digest || len(m.Origins) != 2 {
		t.Errorf("the third version has digest %s and %d origins", m.Digest, len(m.Origins))
	}
}

func TestARerunWithAnotherModelSaysWhoseEachPartitionIs(t *testing.T) {
	t.Parallel()
	w := newMemory(t)
	w.populate(95)
	base, was := w.published(asking{model: "a"})
	again := []partition.Range{segmentsFrom(1380000, 1380100)}
	j, m := w.published(asking{model: "b", base: base.Version.ID, again: again})
	if m.Model != "b" || m.Digest == was.Digest {
		t.Errorf("model %s, digest %s", m.Model, m.Digest)
	}
	// Ranks moved, so that everybody is placed anew.
	if score, placed := j.Score().Totals(), j.Select().Totals(); score.Kept == 0 || score.Kept == score.Tasks || placed.Kept != 0 {
		t.Errorf("kept %d of %d, placed %d", score.Kept, score.Tasks, placed.Kept)
	}
	for _, p := range m.Partitions {
		r, err := partition.ParseRange(p.Range)
		if err != nil {
			t.Fatal(err)
		}
		by, err := m.By(p)
		if err != nil {
			t.Fatal(err)
		}
		want := "a"
		if !r.Intersect(again[0]).Empty() {
			want = "b"
		}
		if by.Model != want || by.Features[0] != "feature of "+want {
			t.Errorf("partition %s was scored by %s %v, want %s", p.Range, by.Model, by.Features, want)
		}
	}
	// Everything again, by either model: as if there had been no base.
	for _, model := range []string{"a", "b"} {
		if _, m := w.published(asking{model: model, base: m.Version}); m.Digest != w.full(t, model, 250) || len(m.Origins) != 0 {
			t.Errorf("all of it again by %s: digest %s", model, m.Digest)
		}
	}
}

// TestExactReasonsOfARerun: rows may be explained again by the model that scored
// them, and only by that one.
func TestExactReasonsOfARerun(t *testing.T) {
	t.Parallel()
	exact := func(s *job.Spec) { s.Model.Reasons.Exact = "contact" }
	for _, model := range []string{"a", "b"} {
		w := newMemory(t)
		w.populate(40)
		base, _ := w.published(asking{model: "a", edit: exact})
		j, _ := w.published(asking{model: model, base: base.Version.ID, again: []partition.Range{segmentsFrom(1380000, 1380001)}, edit: exact})
		for i := range j.Score().Tasks {
			made, placed := &j.Score().Tasks[i], &j.Select().Tasks[i]
			explained := len(placed.Plan().Slices) > 0
			if want := made.From == "" || model == "a"; explained != want {
				t.Errorf("model %s, partition %s of %q: explained anew %v", model, made.Range, made.From, explained)
			}
		}
	}
}

func TestWhatCannotBeKeptIsScoredAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*world)
		edit   func(*job.Spec)
		kept   bool // some
	}{
		"nothing":          {kept: true},
		"other rules":      {edit: func(s *job.Spec) { s.Rules.T2DropPct++ }, kept: true},
		"a file's bytes":   {change: func(w *world) { w.bytes[1380000], w.bytes[1380007] = 77, 78 }},
		"a new subscriber": {change: func(w *world) { w.bytes[1380001] = 5 }},
		"another policy":   {edit: func(s *job.Spec) { s.Policy.Priority = "clv" }},
		"read otherwise":   {edit: func(s *job.Spec) { s.Input.Exclude.Segments = []uint32{1389999} }},
		"its files are gone": {change: func(w *world) {
			for name := range w.store.(memory).objects {
				if strings.Contains(name, "/ranks-0") {
					delete(w.store.(memory).objects, name)
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMemory(t)
			w.populate(40)
			base, _ := w.published(asking{model: "a"})
			if c.change != nil {
				c.change(w)
			}
			j, m := w.published(asking{model: "a", base: base.Version.ID, again: []partition.Range{segmentsFrom(1380000, 1380001)}, edit: c.edit})
			if got := j.Score().Totals().Kept > 0; got != c.kept {
				t.Errorf("kept %d of %d", j.Score().Totals().Kept, j.Score().Totals().Tasks)
			}
			if c.edit == nil && m.Digest != w.full(t, "a", 130) {
				t.Error("the digest is not that of a full run")
			}
		})
	}
}

// TestRandomRerunsComposeToTheVersionOfAFullRun: whatever is asked again and whatever
// changes in between, a version over one model is that of a run without a base.
func TestRandomRerunsComposeToTheVersionOfAFullRun(t *testing.T) {
	t.Parallel()
	kept, again := 0, 0
	seeds := uint64(15)
	if os.Getenv("RESCORE_LONG") != "" {
		seeds = 1000
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 5))
		w := newMemory(t)
		w.populate(1 + rng.IntN(80))
		w.begin(1 + rng.Int64N(200))
		base, _ := w.published(asking{model: "a"})
		versions := []string{base.Version.ID}
		for range 5 {
			if rng.IntN(3) == 0 { // the input changes
				w.bytes[partition.Segment(1380000+rng.IntN(600))] = rng.Uint64N(5)
			}
			var ranges []partition.Range
			for range rng.IntN(4) {
				first := partition.Segment(1379990 + rng.IntN(600))
				ranges = append(ranges, segmentsFrom(first, first+partition.Segment(1+rng.IntN(100))))
			}
			w.begin(1 + rng.Int64N(200)) // partitions are the base's, whoever leads
			j, m := w.published(asking{model: "a", base: versions[rng.IntN(len(versions))], again: partition.Join(ranges)})
			versions = append(versions, m.Version)
			kept, again = kept+j.Score().Totals().Kept, again+j.Score().Totals().Tasks-j.Score().Totals().Kept
			if want := w.full(t, "a", 1+rng.Int64N(300)); m.Digest != want {
				t.Fatalf("seed %d: version %s of %v over %s has digest %s, a full run %s", seed, m.Version, j.Again, j.Base, m.Digest, want)
			}
		}
	}
	if kept < 50 || again < 50 {
		t.Errorf("only %d partitions were kept and %d scored again: nothing was tested", kept, again)
	}
}

// TestAPreviewIsWhatTheRerunDoes: the same partitions, rows, and the time they took.
func TestAPreviewIsWhatTheRerunDoes(t *testing.T) {
	t.Parallel()
	w := newMemory(t)
	w.populate(95)
	base, _ := w.published(asking{model: "a"})
	for _, ranges := range [][]partition.Range{{segmentsFrom(1380050, 1380200)}, {segmentsFrom(1380000, 1380001), segmentsFrom(1380500, 1380900)}, nil} {
		p, err := plan.NewPreview(base, plan.Want{Ranges: ranges})
		if err != nil {
			t.Fatal(err)
		}
		j, _ := w.published(asking{model: "a", base: p.Base, again: p.Again})
		var done []string
		var rows int64
		for i := range j.Score().Tasks {
			if task := &j.Score().Tasks[i]; task.From == "" {
				done = append(done, task.Range.String())
				rows += task.Rows
			}
		}
		var said []string
		for _, part := range p.Partitions {
			said = append(said, part.Range.String())
		}
		if n := float64(len(done)); !slices.Equal(said, done) || p.Rows != rows || p.Kept != j.Score().Totals().Kept || p.Seconds != 7*n || p.PlacingSeconds != 2*float64(p.Kept) {
			t.Errorf("previewed %v, %d rows, %v s and %v s; done %v, %d rows", said, p.Rows, p.Seconds, p.PlacingSeconds, done, rows)
		}
		if (ranges == nil) != (p.Again == nil) {
			t.Errorf("of %v, %v is asked for", ranges, p.Again)
		}
	}
}

func TestAPreviewOfWhatFailedIsWhatARetryDoes(t *testing.T) {
	t.Parallel()
	w := newMemory(t)
	w.populate(40) // four partitions
	id := w.submit(asking{model: "a"})
	for w.state.Job(id).Score().Totals().Done < 1 {
		w.step(id)
	}
	w.must(ledger.FailJob{Job: id, Reason: "bad luck"})
	j := w.state.Job(id)
	if _, err := plan.NewPreview(j, plan.Want{}); !errors.Is(err, ledger.ErrState) {
		t.Errorf("a rerun of a job without a version: %v", err)
	}
	p, err := plan.NewPreview(j, plan.Want{Failed: true})
	if err != nil || len(p.Partitions) != 3 || p.Kept != 1 || p.Base != "" || p.Again != nil {
		t.Fatalf("%+v, %v", p, err)
	}
	if p.Seconds != 5*float64(p.Rows)/float64(p.KeptRows) { // by what a row took
		t.Errorf("%v s for %d rows, where %d took 5", p.Seconds, p.Rows, p.KeptRows)
	}
	w.must(ledger.Retry{Job: id, FailIndex: j.FailIndex})
	if j = w.run(id); j.State != job.Published {
		t.Fatalf("%s: %s", j.State, j.FailReason)
	}
	for what, want := range map[string]plan.Want{"failed": {Failed: true}, "nowhere": {Ranges: []partition.Range{{First: 5, Past: 6}}}} {
		if _, err := plan.NewPreview(j, want); !errors.Is(err, plan.ErrNothing) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestMissingFilesAreFoundAndMended: what was lost of a version is what a rerun does
// again, and the new one has the same digest.
func TestMissingFilesAreFoundAndMended(t *testing.T) {
	t.Parallel()
	w := newMemory(t)
	w.populate(60)
	base, m := w.published(asking{model: "a"})
	objects := w.store.(memory).objects
	dir := publish.VersionPath(m.Month, m.Version) + "/"
	delete(objects, dir+m.Partitions[1].Files[0].Path)                  // lost
	objects[dir+m.Partitions[3].Files[1].Path] = []byte("cut")          // cut short
	damaged := slices.Clone(objects[dir+m.Partitions[4].Files[0].Path]) // another bit
	damaged[0] ^= 1
	objects[dir+m.Partitions[4].Files[0].Path] = damaged
	pointer, err := publish.PointerTo(t.Context(), w.store, m.Version)
	if err != nil {
		t.Fatal(err)
	}
	for deep, want := range map[bool][]int{false: {1, 3}, true: {1, 3, 4}} {
		missing, err := publish.Missing(t.Context(), w.store, pointer, m, deep)
		if err != nil || len(missing) != len(want) {
			t.Fatalf("deep %v: %v, %v", deep, missing, err)
		}
		for i, at := range want {
			if missing[i].String() != m.Partitions[at].Range {
				t.Errorf("deep %v: %s is missing, want %s", deep, missing[i], m.Partitions[at].Range)
			}
		}
		if !deep {
			continue
		}
		p, err := plan.NewPreview(base, plan.Want{Ranges: missing})
		if err != nil || len(p.Partitions) != 3 {
			t.Fatalf("%+v, %v", p, err)
		}
		_, mended := w.published(asking{model: "a", base: p.Base, again: p.Again})
		if err := publish.Readable(t.Context(), w.store, w.state.Versions("base")[1]); err != nil || mended.Digest != m.Digest {
			t.Errorf("digest %s, want %s: %v", mended.Digest, m.Digest, err)
		}
	}
}

// unread is a store that does not answer reads of some names.
type unread struct {
	memory
	prefix string
}

var errAway = errors.New("host is down")

func (u unread) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	if strings.HasPrefix(name, u.prefix) {
		return nil, errAway
	}
	return u.memory.Get(ctx, name, limit)
}

// TestAStoreThatIsAwayMakesNothingBeScoredAgain: a rerun is planned when the store
// answers, and keeps what it would have kept.
func TestAStoreThatIsAwayMakesNothingBeScoredAgain(t *testing.T) {
	t.Parallel()
	w := newMemory(t)
	w.populate(40)
	base, _ := w.published(asking{model: "a"})
	rerun := asking{model: "a", base: base.Version.ID, again: []partition.Range{segmentsFrom(1380000, 1380001)}}
	id := w.submit(rerun)
	j := w.state.Job(id)
	for next(j) != stepPlan || j.Stages[j.Stage()].Kind != job.StageScore {
		if !w.step(id) {
			t.Fatal("the rerun does not come to its score stage")
		}
	}
	there := w.store.(memory)
	w.store = unread{there, base.ID.StagingPrefix() + "survey"}
	if err := w.term.Step(t.Context(), id); !errors.Is(err, errAway) || next(j) != stepPlan || j.State != job.Running {
		t.Fatalf("the job is %s, its next step %s: %v", j.State, next(j), err)
	}
	w.store = there
	if j, _ := w.published(rerun); j.Score().Totals().Kept == 0 {
		t.Error("nothing was kept")
	}
}
