package plan

import (
	"fmt"
	"slices"

	"rescore/partition"
	"rescore/partition/job"
)

// Divide cuts one task, which was planned over within, into at most n of even weight.
// They cover within exactly; a single one when within is one segment, or has no rows
// to tell its segments apart by.
func Divide(survey job.Survey, within partition.Range, n int) ([]job.Task, error) {
	if err := check(survey); err != nil {
		return nil, fmt.Errorf("divide: %w", err)
	}
	months := make([][]job.SegmentRows, len(survey.Segments))
	for k, runs := range survey.Segments {
		for _, run := range runs {
			if within.Contains(run.Segment.First()) {
				months[k] = append(months[k], run)
			}
		}
		slices.SortFunc(months[k], bySegment)
	}
	tasks := []job.Task{{}}
	if len(months) > 0 && len(months[0]) > 0 {
		var total int64
		for _, run := range months[0] {
			total += run.Rows
		}
		tasks = ranges(months[0], total, int64(n))
	}
	tasks[0].Range.First, tasks[len(tasks)-1].Range.Past = within.First, within.Past
	for k, runs := range months {
		fill(tasks, k, runs)
	}
	return tasks, nil
}
