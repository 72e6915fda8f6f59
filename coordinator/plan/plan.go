// Package plan cuts a surveyed input into tasks: ranges of subscriber numbers
// of even weight, each with the runs of rows that lie in it. It is a function
// of the survey and one number, so that a leader that takes over halfway cuts
// the same plan.
//
// # Where it cuts
//
//	rows  ▂ ▇ ▁   ▅ █ ▃ ▂ ▆     one bar a segment; about three in ten are empty
//	     ├─────────┼────┼──────┤
//	FirstNumber            PastNumber
//
// By rows of the scoring month and never by numbers: segments are filled very
// unevenly. With n tasks over T rows, cut k stands at the segment's start where the rows
// that have passed are nearest to k·T/n, the earlier of two. So a task holds at most T/n
// rows and half a segment more at either end, and T/n is at most what was asked for. n is
// a number that many divide, for tasks to end together on as many cores as there happen
// to be: of five tasks on two cores the last would leave one of them idle. Of twelve and more the
// last four are cut in halves, for where the number of cores does not divide n. None of
// it depends on the cores: the same base is cut into the same files anywhere (I5). A
// segment is never split: ranges are printed and logged, and a cut inside one would name
// a subscriber (I8).
//
// # What it checks
//
// Nothing that comes out is less than what went in (I2): every file's runs must
// add up to the file's rows, lie within it and not overlap. The ranges cover
// the number space exactly (I1), so that a row whose segment has no other row
// has a place too, as has one of an earlier month whose subscriber has left.
package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rescore/partition"
	"rescore/partition/job"
)

var (
	// ErrEmpty is returned when the scoring month has no row.
	ErrEmpty = errors.New("the scoring month has no rows")
	// ErrSurvey is returned for a survey that contradicts itself.
	ErrSurvey = errors.New("survey contradicts itself")
	// ErrTooMany is returned when there would be more than TasksMax tasks.
	ErrTooMany = errors.New("too many partitions")
)

// Limits of what is planned. Within them no product overflows.
const (
	TasksMax = 1 << 20
	RowsMax  = 1 << 40
)

// PartRows is how many rows are worth a task of their own where a slot would stand idle.
const PartRows = 50_000

// Cut returns the tasks of a score stage in the order of their ranges, of about
// rowsPerPartition rows of the scoring month each: at most that and one segment
// more. It does not keep or change the survey.
func Cut(survey job.Survey, rowsPerPartition int64) ([]job.Task, error) {
	if rowsPerPartition < 1 {
		return nil, fmt.Errorf("cut into partitions of %d rows: at least 1 is needed", rowsPerPartition)
	}
	if err := check(survey); err != nil {
		return nil, fmt.Errorf("cut: %w", err)
	}
	months := make([][]job.SegmentRows, len(survey.Segments))
	for k, runs := range survey.Segments {
		months[k] = slices.SortedFunc(slices.Values(runs), bySegment)
	}
	var total int64
	if len(months) > 0 {
		for _, run := range months[0] {
			total += run.Rows
		}
	}
	if total == 0 {
		var names []string
		for _, f := range survey.Files {
			if f.Month == 0 && len(names) < 3 {
				names = append(names, f.Path)
			}
		}
		return nil, fmt.Errorf("%s: %w; give input.path files that hold subscribers", strings.Join(names, ", "), ErrEmpty)
	}
	n := count(total, rowsPerPartition)
	if n > TasksMax {
		return nil, fmt.Errorf("cut %d rows into partitions of %d: %w: limit %d, make partition_rows larger",
			total, rowsPerPartition, ErrTooMany, TasksMax)
	}
	tasks := ranges(months[0], total, n, halved(total, n))
	for k, runs := range months {
		fill(tasks, k, runs)
	}
	return tasks, nil
}

// count is how many tasks so many rows are cut into: as few as have the rows that each
// may have, and then some more, to the next of 2, 4, 6 and the multiples of 12, for the
// last to end together; but none for that smaller than PartRows.
func count(total, rowsPerPartition int64) int64 {
	n := (total-1)/rowsPerPartition + 1
	even := (n + 11) / 12 * 12
	for _, few := range [...]int64{2, 4, 6} {
		if n <= few {
			even = few
			break
		}
	}
	return max(n, min(even, total/PartRows, TasksMax))
}

// halved returns how many of n tasks are cut in halves, the last of them.
func halved(total, n int64) int64 {
	if n < 12 || n > TasksMax-4 || total/(2*n) < PartRows {
		return 0
	}
	return 4
}

// Within returns the tasks of given ranges, which are in order and do not overlap:
// the partitions of a version that was planned before, or some segments of its
// base. A row whose segment is in none of them is in no task.
func Within(survey job.Survey, ranges []partition.Range) ([]job.Task, error) {
	if err := check(survey); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	tasks := make([]job.Task, len(ranges))
	last := partition.FirstNumber
	for i, r := range ranges {
		if r.Empty() || r.First < last || r.First != r.First.Segment().First() || r.Past != r.Past.Segment().First() {
			return nil, fmt.Errorf("plan: range %d, %s, is empty, out of order or no whole segments", i, r)
		}
		tasks[i].Range, last = r, r.Past
	}
	for k, runs := range survey.Segments {
		fill(tasks, k, slices.SortedFunc(slices.Values(runs), bySegment))
	}
	return tasks, nil
}

// ranges cuts the number space into at most n ranges of even weight, of which the last
// ones are cut in halves, so many of them and not all; runs are sorted by segment.
func ranges(runs []job.SegmentRows, total, n, halves int64) []job.Task {
	tasks := make([]job.Task, 0, n+halves)
	first := partition.FirstNumber
	var passed, cut int64 = 0, 2 // cut is in halves of a range
	for len(runs) > 0 {
		s, rows := runs[0].Segment, int64(0)
		for len(runs) > 0 && runs[0].Segment == s {
			rows += runs[0].Rows
			runs = runs[1:]
		}
		// Behind the middle of this segment, its end is nearer.
		if middle := 2*passed + rows; passed > 0 && cut*total <= middle*n {
			tasks = append(tasks, job.Task{Range: partition.Range{First: first, Past: s.First()}})
			first = s.First()
			cut = middle * n / total
			if cut < 2*(n-halves) {
				cut |= 1 // to the end of a whole range
			}
			cut++
		}
		passed += rows
	}
	return append(tasks, job.Task{Range: partition.Range{First: first, Past: partition.PastNumber}})
}

// fill gives every task its runs of one month; both are sorted.
func fill(tasks []job.Task, month int, runs []job.SegmentRows) {
	for i := range tasks {
		t := &tasks[i]
		for len(runs) > 0 && runs[0].Segment.First() < t.Range.First {
			runs = runs[1:] // of no task
		}
		n := 0
		for n < len(runs) && runs[n].Segment.First() < t.Range.Past {
			n++
		}
		mine := runs[:n]
		runs = runs[n:]
		if month == 0 {
			for _, run := range mine {
				t.Rows += run.Rows
				t.Keys = t.Keys.Add(run.Keys)
			}
		}
		t.Slices = append(t.Slices, merge(month, mine)...)
	}
}

// merge joins the runs that follow each other in the same file.
func merge(month int, runs []job.SegmentRows) []job.Slice {
	var out []job.Slice
	for _, run := range slices.SortedFunc(slices.Values(runs), byRow) {
		s := job.Slice{Month: month, File: run.File, First: run.First, Rows: run.Rows, Offset: run.Offset, Bytes: run.Bytes}
		if n := len(out); n == 0 || !out[n-1].Join(s) {
			out = append(out, s)
		}
	}
	return out
}

func bySegment(a, b job.SegmentRows) int {
	return cmp.Or(cmp.Compare(a.Segment, b.Segment), byRow(a, b))
}

func byRow(a, b job.SegmentRows) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.First, b.First))
}

// check refuses a survey whose rows would be lost or counted twice.
func check(s job.Survey) error {
	runs := make([][]job.SegmentRows, len(s.Files))
	for k, month := range s.Segments {
		for i, run := range month {
			switch {
			case run.File < 0 || run.File >= len(s.Files):
				return fmt.Errorf("%w: month %d run %d is of file %d of %d", ErrSurvey, k, i, run.File, len(s.Files))
			case s.Files[run.File].Month != k:
				return fmt.Errorf("%w: month %d run %d is of %s, a file of month %d", ErrSurvey, k, i, s.Files[run.File].Path, s.Files[run.File].Month)
			case run.Rows < 1 || run.First < 0 || run.Offset < 0 || run.Bytes < 0:
				return fmt.Errorf("%w: month %d run %d has %d rows from %d", ErrSurvey, k, i, run.Rows, run.First)
			case !run.Segment.First().Valid():
				return fmt.Errorf("%w: month %d run %d is of segment %d, outside the number space", ErrSurvey, k, i, run.Segment)
			}
			runs[run.File] = append(runs[run.File], run)
		}
	}
	var total int64
	for i, f := range s.Files {
		if f.Month < 0 || f.Rows < 0 || f.Rows > RowsMax || total > RowsMax-f.Rows {
			return fmt.Errorf("%w: %s has %d rows, months back %d", ErrSurvey, f.Path, f.Rows, f.Month)
		}
		total += f.Rows
		var next int64
		for _, run := range slices.SortedFunc(slices.Values(runs[i]), byRow) {
			if run.First != next || run.Rows > f.Rows-next {
				return fmt.Errorf("%w: %s: row %d does not follow row %d", ErrSurvey, f.Path, run.First, next-1)
			}
			next += run.Rows
		}
		if next != f.Rows {
			return fmt.Errorf("%w: %s has %d rows, its segments %d", ErrSurvey, f.Path, f.Rows, next)
		}
	}
	return nil
}
