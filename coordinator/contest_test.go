package coordinator

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/partition/contest"
	"rescore/partition/job"
	"rescore/partition/wire"
)

var rivals = []job.Challenger{{Name: "a", UndersamplingBeta: 1}, {Name: "b", UndersamplingBeta: 1}}

// contestOf is what two made-up challengers say of so many rows of a task.
func contestOf(task int, rows int64) []*contest.Counts {
	list := []*contest.Counts{contest.New(), contest.New()}
	scale := contest.NewScale(job.Default().Policy.RiskBandCut)
	for i := range rows {
		p := float32(i+1) / float32(rows+int64(task))
		grades := make([]contest.Grade, 3)
		scale.Grade(grades, []float32{p / 2, p / 3, 1 - p/2})
		list[0].Add(grades[:1], grades[1:2])
		list[1].Add(grades[:1], grades[2:])
	}
	return list
}

// challenged is what an honest worker reports where there are challengers.
func (h *house) challenged(a wire.Assignment, rejected int64) job.Result {
	h.t.Helper()
	r := h.withRanks(a, rejected)
	if a.Kind == job.StageScore {
		r.Files = append(r.Files, h.stage(a, job.FileContest, "contest", contest.Encode(contestOf(a.Index, r.Counts.Scored))))
	}
	return r
}

func (h *house) doChallenged(a wire.Assignment, rejected int64) {
	h.t.Helper()
	if r := h.report(a, h.challenged(a, rejected)); r.Status != wire.OK {
		h.t.Fatalf("%s task %d: %s %s", a.Kind, a.Index, r.Status, r.Message)
	}
}

func TestChallengersFiguresAreThoseOfTheWholeBase(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{challengers: rivals})
	h.submitStages(job.StageSurvey, job.StageScore, job.StageSelect)
	h.doChallenged(h.takeOne(), 0)
	scores := h.take(8)
	want := []*contest.Counts{contest.New(), contest.New()}
	for _, i := range []int{2, 0, 1} {
		if models := []string{"model of a", "model of b"}; !slices.Equal(scores[i].Challengers, models) {
			t.Errorf("task %d is to be scored with %v", i, scores[i].Challengers)
		}
		h.doChallenged(scores[i], int64(i))
		for k, c := range contestOf(i, scores[i].Task.Rows-int64(i)) {
			if err := want[k].Merge(c); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, a := range h.take(8) {
		if len(a.Challengers) != 2 {
			t.Errorf("select task %d knows %v", a.Index, a.Challengers)
		}
		h.doChallenged(a, 0)
	}
	h.waitState(job.Published)
	_, m := h.version()
	for k, c := range []publish.Challenger{{Name: "a", Model: "model of a", Figures: want[0].Figures()}, {Name: "b", Model: "model of b", Figures: want[1].Figures()}} {
		if len(m.Challengers) != 2 || !reflect.DeepEqual(m.Challengers[k], c) {
			t.Errorf("challenger %d: %+v, want %+v", k, m.Challengers, c)
		}
	}
	if got := m.Models(); !slices.Equal(got, []string{"model", "model of a", "model of b"}) {
		t.Errorf("models %v", got)
	}
}

// What cannot be added up fails the job before it is sealed: afterwards it cannot.
func TestCountsOfChallengersThatCannotBeReadFailTheJobPlainly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(h *house, a wire.Assignment, r *job.Result)
		says   string
	}{
		"none staged": {func(_ *house, _ wire.Assignment, r *job.Result) { r.Files = r.Files[:2] }, "delete run.work"},
		"other bytes": {func(_ *house, _ wire.Assignment, r *job.Result) { r.Files[2].SHA256 = "0" }, "damaged"},
		"no counts": {func(h *house, a wire.Assignment, r *job.Result) {
			r.Files[2] = h.stage(a, job.FileContest, "odd", []byte{102, 1, 2, 0})
		}, "not counts"},
		"of one challenger": {func(h *house, a wire.Assignment, r *job.Result) {
			r.Files[2] = h.stage(a, job.FileContest, "one", contest.Encode(contestOf(1, 5)[:1]))
		}, "2 challengers"},
		"of other rows": {func(h *house, a wire.Assignment, r *job.Result) {
			r.Files[2] = h.stage(a, job.FileContest, "few", contest.Encode(contestOf(1, 5)))
		}, "were scored"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, options{challengers: rivals})
			h.submitStages(job.StageSurvey, job.StageScore, job.StageSelect)
			h.doChallenged(h.takeOne(), 0)
			for i, a := range h.take(8) {
				r := h.challenged(a, 0)
				if i == 1 {
					c.change(h, a, &r)
				}
				h.report(a, r)
			}
			for _, a := range h.take(8) {
				h.doChallenged(a, 0)
			}
			h.wait("the job to fail", func(j *ledger.Job) bool { return j.State == job.Failed })
			h.node.View(func(s *ledger.State) {
				if j := s.Job(theJob); !strings.Contains(j.FailReason, c.says) || j.Version != nil {
					t.Errorf("%q does not say %q", j.FailReason, c.says)
				}
			})
		})
	}
}
