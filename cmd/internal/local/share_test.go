package local

import (
	"bytes"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"

	"rescore/cmd/internal/province"
	"rescore/partition/job"
	"rescore/partition/synth"
)

// heard is a log that a test may read while it is written.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heard) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (h *heard) times(what string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Count(h.text.String(), what)
}

// TestATaskThatIsSharedIsTheSame (I5): one partition, which two slots score together, gives
// the files that one slot makes of it, byte by byte, and the same counts of everything.
func TestATaskThatIsSharedIsTheSame(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: synth.Default(3, 60_000, month)})
	pack(t, dir, nil)
	change := func(workers int) func(*job.Spec) {
		return func(s *job.Spec) {
			byPackage(s)
			s.Run.Workers, s.Run.PartitionRows = workers, 1<<20
			s.Model.Challengers = []job.Challenger{{Name: "half", Path: "builtin:baseline", UndersamplingBeta: 0.5}}
		}
	}
	var first Outcome
	for _, workers := range []int{1, 2, 3} {
		var said heard
		o := options(t, dir, change(workers))
		o.Log = said.log()
		out := run(t, o)
		if n := said.times("helps"); (n > 0) != (workers > 1) {
			t.Errorf("%d slots help each other %d times", workers, n)
		}
		if workers == 1 {
			first = out
			if out.Rows.Rejected == 0 || out.Rows.Duplicate == 0 || out.Rows.Excluded == 0 || len(out.Stability) != 2 {
				t.Fatalf("%+v, %+v", out.Rows, out.Stability)
			}
			continue
		}
		if out.Digest != first.Digest || out.Rows != first.Rows || out.Tally != first.Tally ||
			!reflect.DeepEqual(out.Stability, first.Stability) || !reflect.DeepEqual(out.Challengers, first.Challengers) {
			t.Errorf("%d slots:\n%+v\none:\n%+v", workers, out, first)
		}
		a, b := read(t, first), read(t, out)
		for i, part := range a.manifest.Partitions {
			for k, f := range part.Files {
				other := b.manifest.Partitions[i].Files[k]
				if f.Content != other.Content || f.Rows != other.Rows || f.Bytes != other.Bytes {
					t.Errorf("%d slots: file %d of partition %d: %+v, of one slot %+v", workers, k, i, other, f)
				}
			}
		}
	}

	// Missing values too are counted by whoever has their rows.
	var refusals []string
	for _, workers := range []int{1, 2} {
		o := options(t, dir, change(workers), func(s *job.Spec) { s.Gates.NullShareMax = map[string]float64{"contract_end": 1e-6} })
		_, err := Run(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), "contract_end") {
			t.Fatalf("%d slots: %v", workers, err)
		}
		refusals = append(refusals, strings.Split(err.Error(), ";")[0])
	}
	if refusals[0] != refusals[1] {
		t.Errorf("one slot: %s; two: %s", refusals[0], refusals[1])
	}
}
