package plan

import (
	"errors"
	"fmt"

	"rescore/coordinator/ledger"
	"rescore/partition"
	"rescore/partition/job"
)

// Want says what of a job is to be done again.
type Want struct {
	// Ranges are whole segments; none stand for everything.
	Ranges []partition.Range
	// Failed asks for what a job has not done, whose partitions failed, instead of
	// what a version holds: it is a Retry of the job, not another one.
	Failed bool
}

// ErrNothing is returned when what is wanted meets no partition.
var ErrNothing = errors.New("nothing is to be done again")

// Preview is what a rerun would do, before it is asked for. What it cannot know is
// whether the input has changed since: partitions whose input has are scored again
// as well.
type Preview struct {
	Dataset string            `json:"dataset"`
	Job     job.ID            `json:"job"`             // whose partitions these are
	Base    string            `json:"base,omitempty"`  // its version; "" of a job that has none
	Again   []partition.Range `json:"again,omitempty"` // for Submit.Again; none when everything is
	// Partitions that are scored again, by range.
	Partitions []Part `json:"partitions"`
	Rows       int64  `json:"rows"` // in them
	Kept       int    `json:"kept"` // partitions that are not scored again
	KeptRows   int64  `json:"kept_rows"`
	// Seconds of one core, by what the same work took: the survey, and the partitions.
	Seconds float64 `json:"seconds"`
	// PlacingSeconds come on top when the ranks of the base move, so that those that
	// are kept have to be placed anew.
	PlacingSeconds float64 `json:"placing_seconds"`
}

// Part is a partition that would be scored again.
type Part struct {
	Range   partition.Range `json:"segments"`
	Rows    int64           `json:"rows"`
	Seconds float64         `json:"seconds"` // of one core
}

// NewPreview works out what doing again what is wanted of a job would take.
func NewPreview(j *ledger.Job, want Want) (Preview, error) {
	p := Preview{Dataset: j.Name, Job: j.ID}
	switch {
	case want.Failed && (j.State == job.Sealed || j.State == job.Published):
		return p, fmt.Errorf("job %s is %s and all of it is done: %w", j.ID, j.State, ErrNothing)
	case !want.Failed && j.State != job.Published:
		return p, fmt.Errorf("job %s is %s, and a rerun stands on a version: %w", j.ID, j.State, ledger.ErrState)
	}
	if j.Version != nil {
		p.Base = j.Version.ID
	}
	for i := range j.Stages { // a rerun looks at the input first of all; a retry has done so
		if st := &j.Stages[i]; st.Kind == job.StageSurvey && !want.Failed {
			p.Seconds += st.Totals().Timing.Seconds()
		}
	}
	score, selected := j.Score(), j.Select()
	done := score.Totals()
	rate := done.Timing.Seconds() / float64(max(done.DoneRows, 1)) // of a partition that was never done
	ranges := partition.Join(want.Ranges)
	for _, i := range score.ByRange() {
		t := &score.Tasks[i]
		var placing float64
		if selected != nil && i < len(selected.Tasks) {
			placing = took(&selected.Tasks[i])
		}
		if want.Failed && t.State == ledger.Done || !meets(ranges, t.Range) {
			p.Kept++
			p.KeptRows += t.Rows
			p.PlacingSeconds += placing
			continue
		}
		part := Part{Range: t.Range, Rows: t.Rows, Seconds: placing + float64(rate*float64(t.Rows))}
		if t.State == ledger.Done {
			part.Seconds = placing + took(t)
		}
		p.Partitions = append(p.Partitions, part)
		p.Rows += t.Rows
		p.Seconds += part.Seconds
		p.Again = append(p.Again, t.Range)
	}
	if len(p.Partitions) == 0 {
		return p, fmt.Errorf("job %s: %w: no partition is in what was asked for", j.ID, ErrNothing)
	}
	if p.Again = partition.Join(p.Again); p.Kept == 0 {
		p.Again = nil
	}
	if want.Failed {
		p.Again = nil
	}
	return p, nil
}

// Segments are the ranges of segments.
func Segments(segments []partition.Segment) []partition.Range {
	ranges := make([]partition.Range, len(segments))
	for i, s := range segments {
		ranges[i] = partition.Range{First: s.First(), Past: s.Past()}
	}
	return partition.Join(ranges)
}

// took returns how long a done task took; 0 of another.
func took(t *ledger.Task) float64 {
	if r := t.Result(); r != nil {
		return r.Timing.Seconds()
	}
	return 0
}
