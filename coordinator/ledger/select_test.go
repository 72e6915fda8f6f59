package ledger

import (
	"testing"

	"rescore/partition"
	"rescore/partition/job"
)

func TestASelectStageFollowsTheScoreStage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, kinds := range map[string][]job.StageKind{
		"before the score stage": {job.StageSurvey, job.StageSelect, job.StageScore},
		"twice":                  {job.StageScore, job.StageSelect, job.StageSelect},
		"alone":                  {job.StageSurvey, job.StageSelect},
	} {
		c := submitOf(theJob)
		c.Stages = kinds
		t.Log(name)
		f.refuse(c, ErrCommand)
	}
	f.ok(selectSubmit(theJob))
}

func TestASelectPlanIsOverExactlyWhatWasScored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ok(selectSubmit(theJob))
	f.ok(surveyPlan(theJob))
	f.ok(Complete{Lease: f.grant(TaskRef{Job: theJob})})
	f.ok(scorePlan(theJob, 3))
	var results []job.Result
	for i := range 3 {
		tasks, _ := cut(3)
		results = append(results, resultOf(tasks[i]))
		results[i].Files[0].Path += string(rune('0' + i))
	}
	f.refuse(selectPlanOf(theJob, results), ErrNotDone)
	for i, r := range results {
		f.ok(Complete{Lease: f.grant(score(i)), Result: r})
	}
	f.refuse(Seal{Job: theJob}, ErrNotDone)
	changed := func(want error, change func(p *Plan)) {
		t.Helper()
		p := selectPlanOf(theJob, results)
		change(&p)
		f.refuse(p, want)
	}
	changed(ErrCover, func(p *Plan) { p.Tasks = p.Tasks[:2] })
	changed(ErrCover, func(p *Plan) { p.Tasks[0].Range, p.Tasks[1].Range = p.Tasks[1].Range, p.Tasks[0].Range })
	changed(ErrCounts, func(p *Plan) { p.Tasks[1].Rows-- })
	changed(ErrCommand, func(p *Plan) { p.Tasks[1].Staged = nil })
	changed(ErrCommand, func(p *Plan) { p.Tasks[1].Staged = p.Tasks[1].Staged[:1] })
	changed(ErrCommand, func(p *Plan) { p.Tasks[1].Staged[0] = p.Tasks[0].Staged[0] })
	changed(ErrCommand, func(p *Plan) { p.Tasks[1].Staged[0].SHA256 = "other" })
	changed(ErrCommand, func(p *Plan) { p.Tasks[1].Staged[1].SHA256 = "other ranks" })
	changed(ErrCommand, func(p *Plan) { p.Tasks[1].Staged[1].Kind = job.FileRejects })

	cutTasks, _ := cut(3)
	again := func(p *Plan) { // all rows are read once more
		for i := range p.Tasks {
			p.Tasks[i].Slices, p.Tasks[i].Keys = cutTasks[i].Slices, cutTasks[i].Keys
		}
	}
	changed(ErrCover, func(p *Plan) { again(p); p.Tasks[1].Keys = p.Tasks[1].Keys.AddHash(1) })
	changed(ErrCover, func(p *Plan) { again(p); p.Tasks[1].Slices = p.Tasks[0].Slices })

	p := selectPlanOf(theJob, results)
	again(&p)
	f.ok(p)
	f.unchanged(p)
	for i, r := range results {
		l := f.grant(TaskRef{theJob, 2, i})
		lost := selectResultOf(r.Counts.Scored)
		lost.Counts.Scored, lost.Counts.Rejected = lost.Counts.Scored-1, 1
		f.refuse(Complete{Lease: l, Result: lost}, ErrCounts)
		f.refuse(Complete{Lease: l, Result: selectResultOf(r.Counts.Scored - 1)}, ErrCounts)
		f.ok(Complete{Lease: l, Result: selectResultOf(r.Counts.Scored)})
		f.unchanged(Complete{Lease: l, Result: selectResultOf(r.Counts.Scored)})
	}
}

// The score stage says which rows came and went, the select stage adds its columns.
func TestASealedJobIsTheScoreStagesRowsWithWhatTheSelectStageAdded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	results := f.scored(theJob, 3)
	f.ok(selectPlanOf(theJob, results))
	var counts job.Counts
	var digest partition.Sum
	var scored int64
	for i, r := range results {
		added := selectResultOf(r.Counts.Scored)
		l := f.grant(TaskRef{theJob, 2, i})
		f.refuse(Complete{Lease: Lease{TaskRef{theJob, 2, i}, l.Token - 1}, Result: added}, ErrFenced) // a zombie of this stage as of the other
		f.ok(Complete{Lease: l, Result: added})
		counts, digest, scored = counts.Add(r.Counts), digest.Add(r.Rows).Add(added.Rows), scored+r.Counts.Scored
	}
	v := f.ok(Seal{Job: theJob}).(SealReply).Version
	if v.Counts != counts || v.Digest != digest || v.Tasks != 3 {
		t.Errorf("sealed %+v, want %+v of digest %s", v, counts, digest)
	}
	total := f.st.Job(theJob).Totals()
	if total.Tasks != 3 || total.Tally.Priority != [6]int64{3, 0, 0, 0, scored - 3, 0} || total.Tally.Warn == 0 {
		t.Errorf("%+v", total)
	}
}
