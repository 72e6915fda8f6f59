package worker

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"rescore/partition"
	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/partition/wire"
	"rescore/worker/sink"
)

// put stages bytes as a file of a kind.
func (s *site) put(t *testing.T, kind job.FileKind, name string, data []byte) job.File {
	t.Helper()
	if err := s.disk.Put(t.Context(), name, data); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return job.File{Kind: kind, Path: name, Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
}

// places is the select stage that follows from the reports of the score stage, as
// the coordinator would plan it.
func (s *site) places(t *testing.T, scores []wire.Assignment, reports []wire.Report) (list []wire.Assignment, base *ecdf.Histogram) {
	t.Helper()
	base = ecdf.New(ecdf.Amounts)
	for i, r := range reports {
		if r.Failure != nil {
			t.Fatal(r.Failure.Reason)
		}
		a := scores[i]
		a.Stage, a.Kind, a.Files = 2, job.StageSelect, nil
		a.Task = job.Task{Range: a.Task.Range, Rows: r.Result.Counts.Scored}
		for _, f := range r.Result.Files {
			switch f.Kind {
			case job.FileScores:
				a.Task.Staged = append(a.Task.Staged, f)
			case job.FileRanks:
				data, err := s.disk.Get(t.Context(), f.Path, f.Bytes)
				if err != nil {
					t.Fatal(err)
				}
				part, err := ecdf.Decode(data)
				if err != nil {
					t.Fatal(err)
				}
				if err := base.Merge(part); err != nil {
					t.Fatal(err)
				}
			default: // rejects are not selected from
			}
		}
		list = append(list, a)
	}
	ranks := s.put(t, job.FileRanks, "_staging/"+string(jobID)+"/ranks-base.bin", base.Encode())
	for i := range list {
		list[i].Task.Staged = append(list[i].Task.Staged, ranks)
	}
	return list, base
}

// placesOf is the select stage of a whole base, scored by a worker of its own.
func (s *site) placesOf(t *testing.T, c *coordinator) ([]wire.Assignment, *ecdf.Histogram) {
	t.Helper()
	scores := s.scores(s.surveyed(t))
	return s.places(t, scores, c.await(t, c.give(scores...)))
}

func TestEveryScoredRowIsPlacedInTheWholeBase(t *testing.T) {
	s := newSite(t, newBase().text)
	c := newCoordinator()
	start(t, s.config(c))
	places, base := s.placesOf(t, c)
	if base.Total() == 0 {
		t.Fatal("nobody is eligible: the test proves nothing")
	}
	var tally job.Tally
	var rows int64
	first := c.await(t, c.give(places...))
	for i, r := range first {
		if r.Failure != nil {
			t.Fatal(r.Failure.Reason)
		}
		res := r.Result
		if want := (job.Counts{In: perSegment, Scored: perSegment}); res.Counts != want || len(res.Files) != 1 || res.Files[0].Kind != job.FileScores {
			t.Fatalf("task %d: %+v", i, res)
		}
		if res.Timing.Score == 0 || res.Timing.Write == 0 || res.Timing.Verify == 0 {
			t.Errorf("task %d: no time was spent: %+v", i, res.Timing)
		}
		whole, err := sink.Verify(t.Context(), s.disk, res.Files[0])
		if err != nil || whole.From.Token != r.Lease.Token || whole.Rows != perSegment {
			t.Fatalf("task %d: %+v, %v", i, whole, err)
		}
		s.check(t, res.Files[0].Path, partition.Segment(1380000+7*i)) // as newBase numbers them
		tally = tally.Add(res.Tally)
		rows += res.Counts.Scored
		column := func(r arrow.Record, name string) arrow.Array { return r.Column(r.Schema().FieldIndices(name)[0]) }
		columns := []string{"expected_loss_fen", "retain_decision", "action_priority_score", "action_priority"}
		if err := sink.Scan(t.Context(), s.disk, res.Files[0].Path, columns, func(_ []uint64, r arrow.Record) error {
			loss, decision := column(r, "expected_loss_fen").(*array.Int64), column(r, "retain_decision").(*array.Uint8)
			score, class := column(r, "action_priority_score").(*array.Uint16), column(r, "action_priority").(*array.Uint8)
			for i := range int(r.NumRows()) {
				eligible := decision.Value(i) == 1 || decision.Value(i) == 9
				if none := loss.Value(i) < 0; none != (class.Value(i) == 0) || none != (score.Value(i) == 65535) || !none && eligible == (class.Value(i) == 5) {
					t.Fatalf("loss %d, decision %d: score %d, class %d", loss.Value(i), decision.Value(i), score.Value(i), class.Value(i))
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	var classes int64
	for _, n := range tally.Priority {
		classes += n
	}
	if classes != rows {
		t.Errorf("%d rows by class, %d placed", classes, rows)
	}
	// Every attempt gives the same but for the token (I5).
	for i, r := range c.await(t, c.give(places...)) {
		if r.Failure != nil || r.Result.Rows != first[i].Result.Rows || r.Result.Files[0].Content != first[i].Result.Files[0].Content {
			t.Errorf("task %d again: %+v", i, r.Failure)
		}
	}
}

func TestASelectTaskThatCannotBeDoneSaysWhy(t *testing.T) {
	s := newSite(t, newBase().text)
	c := newCoordinator()
	start(t, s.config(c))
	places, _ := s.placesOf(t, c)
	scores, ranks := places[0].Task.Staged[0], places[0].Task.Staged[1]
	other := scores
	other.SHA256 = strings.Repeat("0", 64)
	moved := ranks
	moved.SHA256 = other.SHA256
	odd := s.put(t, job.FileRanks, "odd.bin", []byte("no ranks"))
	gone := ranks
	gone.Path, gone.SHA256 = "gone.bin", "1"
	for name, c2 := range map[string]struct {
		staged []job.File
		says   string
		fatal  bool
	}{
		"nothing staged":           {nil, "needs a score file", true},
		"scores alone":             {[]job.File{scores}, "needs a score file", true},
		"the wrong way round":      {[]job.File{ranks, scores}, "needs a score file", true},
		"another partition's file": {[]job.File{places[1].Task.Staged[0], ranks}, "invariant", false},
		"other bytes of scores":    {[]job.File{other, ranks}, "damaged", false},
		"other bytes of ranks":     {[]job.File{scores, moved}, "damaged", false},
		"ranks that are none":      {[]job.File{scores, odd}, "histogram", false},
		"ranks that are gone":      {[]job.File{scores, gone}, "not exist", false},
	} {
		a := places[0]
		a.Task.Staged = c2.staged
		before := s.staged(t)
		r := c.await(t, c.give(a))[0]
		if r.Failure == nil || r.Failure.Fatal != c2.fatal || !strings.Contains(r.Failure.Reason, c2.says) {
			t.Errorf("%s: %+v", name, r.Failure)
		}
		if left := s.staged(t); !slices.Equal(left, before) {
			t.Errorf("%s: left %d files", name, len(left)-len(before))
		}
	}
	if r := c.await(t, c.give(places[0]))[0]; r.Failure != nil {
		t.Errorf("and then: %s", r.Failure.Reason)
	}
}

func TestThePlacesInTheBaseAreWorkedOutOnceAJob(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	p := &prepared{spec: s.spec, output: s.disk}
	base := ecdf.New(ecdf.Amounts)
	base.Add(7)
	file := s.put(t, job.FileRanks, "ranks-1.bin", base.Encode())
	first, err := p.ranks.get(t.Context(), p, file)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.ranks.get(t.Context(), p, file); err != nil || again != first {
		t.Errorf("the second task has places of its own, %v", err)
	}
	base.Add(8)
	if other, err := p.ranks.get(t.Context(), p, s.put(t, job.FileRanks, "ranks-2.bin", base.Encode())); err != nil || other == first {
		t.Errorf("another base has the same places, %v", err)
	}
}
