package plan

import (
	"fmt"
	"strings"

	"rescore/partition"
	"rescore/partition/job"
)

// Slices returns the tasks of an exchange stage: runs of the exports' rows, of about
// rowsPerTask rows each, every row in one.
func Slices(in job.Intake, rowsPerTask int64) ([]job.Task, error) {
	var tasks []job.Task
	next := make([]int64, len(in.Files))
	for i, c := range in.Chunks {
		if c.File < 0 || c.File >= len(in.Files) || c.First != next[c.File] || c.Rows < 1 {
			return nil, fmt.Errorf("%w: chunk %d does not follow the one before", ErrSurvey, i)
		}
		next[c.File] += c.Rows
		if n := len(tasks); n == 0 || tasks[n-1].Rows >= rowsPerTask {
			tasks = append(tasks, job.Task{Range: partition.Whole})
		}
		t := &tasks[len(tasks)-1]
		t.Rows, t.Keys = t.Rows+c.Rows, t.Keys.Add(c.Keys)
		if n := len(t.Slices); n == 0 || !t.Slices[n-1].Join(c.Slice) {
			t.Slices = append(t.Slices, c.Slice)
		}
	}
	for i, f := range in.Files {
		if next[i] != f.Rows {
			return nil, fmt.Errorf("%w: %s has %d rows, its chunks %d", ErrSurvey, f.Path, f.Rows, next[i])
		}
	}
	if len(tasks) > TasksMax {
		return nil, fmt.Errorf("cut into %d slices: %w: limit %d, make partition_rows larger", len(tasks), ErrTooMany, TasksMax)
	}
	return tasks, nil
}

// Ranges cuts the number space into ranges of even weight, of about rowsPerPartition
// of the rows that have a number.
func Ranges(in job.Intake, rowsPerPartition int64) ([]partition.Range, error) {
	var total int64
	for i, s := range in.Segments {
		if !s.Segment.First().Valid() || s.Rows < 1 || i > 0 && s.Segment <= in.Segments[i-1].Segment {
			return nil, fmt.Errorf("%w: segment %d of the list is out of order or has no rows", ErrSurvey, i)
		}
		total += s.Rows
	}
	if total == 0 {
		var names []string
		for _, f := range in.Files[:min(3, len(in.Files))] {
			names = append(names, f.Path)
		}
		return nil, fmt.Errorf("no row of %s has a number: %w; name their column under input.columns.msisdn", strings.Join(names, ", "), ErrEmpty)
	}
	n := (total-1)/max(rowsPerPartition, 1) + 1
	if n > TasksMax {
		return nil, fmt.Errorf("cut %d rows into partitions of %d: %w: limit %d, make partition_rows larger", total, rowsPerPartition, ErrTooMany, TasksMax)
	}
	tasks := ranges(in.Segments, total, n, 0)
	list := make([]partition.Range, len(tasks))
	for i := range tasks {
		list[i] = tasks[i].Range
	}
	return list, nil
}
