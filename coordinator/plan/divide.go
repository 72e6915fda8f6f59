package plan

import (
	"fmt"
	"slices"

	"rescore/partition"
	"rescore/partition/job"
)

// Divider cuts tasks that were planned from one survey into smaller ones.
type Divider struct {
	months [][]job.SegmentRows // as in the survey, sorted by segment
}

// NewDivider checks and sorts a survey, which it does not change; that takes the time,
// not the cutting.
func NewDivider(survey job.Survey) (Divider, error) {
	if err := check(survey); err != nil {
		return Divider{}, fmt.Errorf("divide: %w", err)
	}
	d := Divider{months: make([][]job.SegmentRows, len(survey.Segments))}
	for k, runs := range survey.Segments {
		d.months[k] = slices.SortedFunc(slices.Values(runs), bySegment)
	}
	return d, nil
}

// Divide cuts one task, which was planned over within, into at most n of even weight.
// They cover within exactly; a single one when within is one segment, or has no rows
// to tell its segments apart by.
func (d Divider) Divide(within partition.Range, n int) []job.Task {
	months := make([][]job.SegmentRows, len(d.months))
	for k, runs := range d.months {
		before := func(run job.SegmentRows, n partition.Number) int {
			if run.Segment.First() < n {
				return -1
			}
			return 1
		}
		first, _ := slices.BinarySearchFunc(runs, within.First, before)
		past, _ := slices.BinarySearchFunc(runs, within.Past, before)
		months[k] = runs[first:past]
	}
	tasks := []job.Task{{}}
	if len(months) > 0 && len(months[0]) > 0 {
		var total int64
		for _, run := range months[0] {
			total += run.Rows
		}
		tasks = ranges(months[0], total, int64(n), 0)
	}
	tasks[0].Range.First, tasks[len(tasks)-1].Range.Past = within.First, within.Past
	for k, runs := range months {
		fill(tasks, k, runs)
	}
	return tasks
}
