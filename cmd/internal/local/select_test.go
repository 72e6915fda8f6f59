package local

import (
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"rescore/cmd/internal/province"
	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/worker/sink"
)

// TestC10PrioritiesAreThoseOfTheWholeSortedBase works every published priority out
// again from the published losses of all partitions, and finds the same ones however
// the base was cut.
func TestC10PrioritiesAreThoseOfTheWholeSortedBase(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(40_000)})
	var digests []string
	for _, rows := range []int64{fewest(), 9000, 1_000_000} {
		out := run(t, options(t, dir, func(s *job.Spec) { s.Run.PartitionRows, s.Run.Workers = rows, 2 }))
		digests = append(digests, out.Digest)
		if rows != 9000 {
			continue
		}
		var loss, bins []int64
		var decision, class []uint8
		var score []uint16
		column := func(r arrow.Record, name string) arrow.Array { return r.Column(r.Schema().FieldIndices(name)[0]) }
		folder, err := store.NewFile(out.Path)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range read(t, out).manifest.Partitions {
			columns := []string{"expected_loss_fen", "retain_decision", "action_priority_score", "action_priority"}
			if err := sink.Scan(t.Context(), folder, part.Files[0].Path, columns, func(_ []uint64, r arrow.Record) error {
				loss = append(loss, column(r, "expected_loss_fen").(*array.Int64).Int64Values()...)
				decision = append(decision, column(r, "retain_decision").(*array.Uint8).Uint8Values()...)
				score = append(score, column(r, "action_priority_score").(*array.Uint16).Uint16Values()...)
				class = append(class, column(r, "action_priority").(*array.Uint8).Uint8Values()...)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		var sorted []int64
		for i, l := range loss {
			bins = append(bins, int64(ecdf.Bin(l)))
			if (decision[i] == 1 || decision[i] == 9) && l >= 0 {
				sorted = append(sorted, bins[i])
			}
		}
		slices.Sort(sorted)
		n := len(sorted)
		tally := [6]int64{}
		for i, l := range loss {
			lower, _ := slices.BinarySearch(sorted, bins[i])
			past, _ := slices.BinarySearch(sorted, bins[i]+1)
			wantScore, wantClass := (1000*(lower+past)+n)/(2*n), 4
			switch first := 100 * (2*n - lower - past); {
			case first <= 2*n:
				wantClass = 1
			case first <= 10*n:
				wantClass = 2
			case first <= 40*n:
				wantClass = 3
			}
			switch {
			case l < 0:
				wantScore, wantClass = 65535, 0
			case decision[i] != 1 && decision[i] != 9:
				wantClass = 5
			}
			if l == 0 {
				wantScore = 0
			}
			if int(score[i]) != wantScore || int(class[i]) != wantClass {
				t.Fatalf("row %d loses %d, decision %d: score %d class %d, want %d and %d", i, l, decision[i], score[i], class[i], wantScore, wantClass)
			}
			tally[class[i]]++
		}
		if tally != out.Tally.Priority || tally[1] == 0 || tally[5] == 0 || tally[0] == 0 {
			t.Errorf("by class %v, the tally says %v", tally, out.Tally.Priority)
		}
	}
	if digests[0] != digests[1] || digests[1] != digests[2] {
		t.Errorf("the digest depends on how the base is cut: %.12q", digests)
	}
}

// TestAmbiguity17_TheDigestDependsOnThePriorityAndNotOnThePartitions runs every
// option over one base, cut in two ways.
func TestAmbiguity17_TheDigestDependsOnThePriorityAndNotOnThePartitions(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(10_000)})
	seen := map[string]string{}
	for _, priority := range []string{"expected_loss", "weighted", "clv", "uplift"} {
		var first Outcome
		for i, rows := range []int64{fewest(), 1_000_000} {
			out := run(t, options(t, dir, func(s *job.Spec) {
				s.Run.PartitionRows, s.Policy.Priority, s.Policy.HorizonMonths = rows, priority, 60
			}))
			if i == 0 {
				first = out
			}
			if out.Digest != first.Digest || out.Tally.Priority != first.Tally.Priority {
				t.Errorf("%s: the digest depends on how the base is cut", priority)
			}
		}
		if other, taken := seen[first.Digest]; taken {
			t.Errorf("%s and %s rank alike", priority, other)
		}
		seen[first.Digest] = priority
		of := first.Tally.Priority
		if all := of[1] + of[2] + of[3] + of[4]; of[1] == 0 || of[1] > all/50 || of[0] == 0 || of[5] == 0 {
			t.Errorf("%s: by class %v", priority, of)
		}
	}
}
