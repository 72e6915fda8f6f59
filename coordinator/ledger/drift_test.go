package ledger

import (
	"slices"
	"testing"
)

func TestRowsWatchedForDriftAreTheScoredOnesAndAddUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned(theJob, 2)
	if got := f.st.Job(theJob).Drift(); got != nil {
		t.Errorf("before anything is done: %v", got)
	}
	var want [2][3]int64
	for task := range 2 {
		lease := f.grant(score(task))
		r := resultOf(f.task(score(task)).Plan())
		n := r.Counts.Scored
		for name, bad := range map[string][][]int64{
			"a row too few":  {{n, 0, 0}, {n - 1, 0, 0}},
			"a row too many": {{n, 1, 0}},
			"a negative bin": {{n + 1, -1, 0}},
		} {
			r.Drift = bad
			if f.refuse(Complete{Lease: lease, Result: r}, ErrCounts); f.task(score(task)).State != Leased {
				t.Errorf("%s is taken", name)
			}
		}
		r.Drift = [][]int64{{n - 1, 0, 1}, {0, n, 0}}
		want[0][0], want[0][2], want[1][1] = want[0][0]+n-1, want[0][2]+1, want[1][1]+n
		f.ok(Complete{Lease: lease, Result: r})
		if reply := f.ok(Complete{Lease: lease, Result: r}).(CompleteReply); !reply.Repeat {
			t.Error("the same report is another one")
		}
		other := r
		other.Drift = [][]int64{{n, 0, 0}, {0, n, 0}}
		f.refuse(Complete{Lease: lease, Result: other}, ErrFenced)
	}
	got := f.st.Job(theJob).Drift()
	if len(got) != 2 || !slices.Equal(got[0], want[0][:]) || !slices.Equal(got[1], want[1][:]) {
		t.Errorf("%v, want %v", got, want)
	}
}
