package coordinator

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"testing"

	"rescore/coordinator/ledger"
	"rescore/partition"
	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/partition/wire"
)

// ranksOf is the histogram of a task's made-up losses.
func ranksOf(task int) *ecdf.Histogram {
	h := ecdf.New(ecdf.Amounts)
	for i := range 5 + task {
		h.Add(100*task + 7*i)
	}
	return h
}

// withRanks is what an honest worker reports of a score or a select task.
func (h *house) withRanks(a wire.Assignment, rejected int64) job.Result {
	h.t.Helper()
	if a.Kind != job.StageSelect {
		r := h.perform(a, rejected)
		if a.Kind == job.StageScore {
			r.Files = append(r.Files, h.stage(a, job.FileRanks, "ranks", ranksOf(a.Index).Encode()))
		}
		return r
	}
	return job.Result{
		Counts: job.Counts{In: a.Task.Rows, Scored: a.Task.Rows}, Rows: partition.Sum{}.AddHash(uint64(1000 + a.Index)),
		Files: []job.File{h.stage(a, job.FileScores, "final", []byte("final "+a.Task.Range.String()))},
		Tally: job.Tally{Priority: [6]int64{0, 1, 0, 0, a.Task.Rows - 1, 0}},
	}
}

func (h *house) doRanked(a wire.Assignment, rejected int64) {
	h.t.Helper()
	if r := h.report(a, h.withRanks(a, rejected)); r.Status != wire.OK {
		h.t.Fatalf("%s task %d: %s %s", a.Kind, a.Index, r.Status, r.Message)
	}
}

// Rows that are explained exactly are read once more: the task says which, and which
// files they are in.
func TestASelectTaskOfExactReasonsKnowsItsRowsInTheInput(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{exact: true})
	h.submitStages(job.StageSurvey, job.StageScore, job.StageSelect)
	h.doRanked(h.takeOne(), 0)
	scores := h.take(8)
	for _, a := range scores {
		h.doRanked(a, 0)
	}
	for i, a := range h.take(8) {
		want := scores[i]
		if a.Kind != job.StageSelect || len(want.Task.Slices) == 0 || !slices.Equal(a.Task.Slices, want.Task.Slices) || a.Task.Keys != want.Task.Keys || !slices.Equal(a.Files, want.Files) || len(a.Task.Staged) != 2 {
			t.Fatalf("task %d is %+v, of files %+v", i, a.Task, a.Files)
		}
		h.doRanked(a, 0)
	}
	h.waitState(job.Published)
}

// scored brings a job with a select stage to its last score report.
func (h *house) scored() {
	h.t.Helper()
	h.submitStages(job.StageSurvey, job.StageScore, job.StageSelect)
	h.doRanked(h.takeOne(), 0)
	scores := h.take(8)
	for _, i := range []int{2, 0, 1} {
		h.doRanked(scores[i], int64(i))
	}
}

func TestTheSelectStageGetsTheRanksOfTheWholeBase(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	h.scored()
	want := ecdf.New(ecdf.Amounts)
	for i := range tasksEach {
		if err := want.Merge(ranksOf(i)); err != nil {
			t.Fatal(err)
		}
	}
	places := h.take(8)
	if len(places) != tasksEach {
		t.Fatalf("%d select tasks", len(places))
	}
	for i, a := range places {
		if a.Kind != job.StageSelect || a.Index != i || a.Stage != 2 || a.Model != "model" || len(a.Files) != 0 || len(a.Task.Slices) != 0 ||
			len(a.Task.Staged) != 2 || a.Task.Staged[0].Kind != job.FileScores || a.Task.Staged[1] != places[0].Task.Staged[1] {
			t.Fatalf("task %d is %+v", i, a)
		}
		scores, err := h.out.Get(t.Context(), a.Task.Staged[0].Path, 1<<20)
		if err != nil || string(scores) != a.Task.Range.String() {
			t.Errorf("task %d works on the score file of %s: %v", i, scores, err)
		}
	}
	ranks := places[0].Task.Staged[1]
	data, err := h.out.Get(t.Context(), ranks.Path, ranks.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ecdf.Decode(data); err != nil || !bytes.Equal(data, want.Encode()) || ranks.Rows != want.Total() {
		t.Errorf("the ranks of %d rows are not those of all partitions together: %v", ranks.Rows, err)
	}
	for _, i := range []int{1, 2, 0} {
		h.doRanked(places[i], 0)
	}
	h.waitState(job.Published)
	_, m := h.version()
	if m.Rows.Rejected != 3 || m.Tally.Priority != [6]int64{0, 3, 0, 0, m.Rows.Scored - 3, 0} {
		t.Errorf("rows %+v, priorities %v", m.Rows, m.Tally.Priority)
	}
	for i, p := range m.Partitions {
		names := []string{}
		for _, f := range p.Files {
			names = append(names, strings.SplitN(path.Base(f.Path), "-", 2)[0])
		}
		want := []string{"final"}
		if i > 0 {
			want = append(want, "rejects")
		}
		if !slices.Equal(names, want) || p.Token != places[i].Token || p.RowSum != (partition.Sum{}).AddHash(uint64(i)).AddHash(uint64(1000+i)) {
			t.Errorf("partition %d has %v of token %d, row sum %s", i, names, p.Token, p.RowSum)
		}
	}
}

// Whoever leads merges the same ranks into the same file and plans the same tasks.
func TestTheSelectStageIsPlannedOnceWhoeverLeads(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	h.scored()
	h.restart()
	first := h.takeOne()
	var j *ledger.Job
	h.node.View(func(s *ledger.State) { j = s.Job(theJob).Clone() })
	again, _, err := h.node.Term().planSelect(t.Context(), j, spec()) // as a leader that was deposed in between
	if err != nil {
		t.Fatal(err)
	}
	if len(again) != tasksEach || again[0].Staged[1] != first.Task.Staged[1] {
		t.Errorf("planned again: %+v", again)
	}
	infos, err := h.out.List(t.Context(), theJob.StagingPrefix()+"ranks-")
	if err != nil || len(infos) != tasksEach+1 {
		t.Errorf("%d ranks are staged, want one a partition and the base's: %v", len(infos), err)
	}
}

func TestRanksThatCannotBeReadFailTheJobPlainly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(h *house, a wire.Assignment, r *job.Result)
		says   string
	}{
		"none staged": {func(_ *house, _ wire.Assignment, r *job.Result) { r.Files = r.Files[:1] }, "delete run.work"},
		"other bytes": {func(_ *house, _ wire.Assignment, r *job.Result) { r.Files[1].SHA256 = "0" }, "damaged"},
		"no ranks": {func(h *house, a wire.Assignment, r *job.Result) {
			r.Files[1] = h.stage(a, job.FileRanks, "odd", []byte{101, 2, 1, 0})
		}, "histogram"},
		"other ranks": {func(h *house, a wire.Assignment, r *job.Result) {
			r.Files[1] = h.stage(a, job.FileRanks, "pairs", ecdf.New(ecdf.Pairs).Encode())
		}, "of kind 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, options{})
			h.submitStages(job.StageSurvey, job.StageScore, job.StageSelect)
			h.doRanked(h.takeOne(), 0)
			for i, a := range h.take(8) {
				r := h.withRanks(a, 0)
				if i == 1 {
					c.change(h, a, &r)
				}
				h.report(a, r)
			}
			h.wait("the job to fail", func(j *ledger.Job) bool { return j.State == job.Failed || j.Stages[2].Planned })
			h.node.View(func(s *ledger.State) {
				if reason := s.Job(theJob).FailReason; !strings.Contains(reason, c.says) {
					t.Errorf("%q does not say %q", reason, c.says)
				}
			})
		})
	}
}
