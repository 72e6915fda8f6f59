package plan

import (
	"errors"
	"testing"

	"rescore/partition"
	"rescore/partition/job"
)

func exportOf(files ...int64) (in job.Intake) {
	for i, rows := range files {
		in.Files = append(in.Files, job.InputFile{Path: string(rune('a' + i)), Rows: rows})
		for first := int64(0); first < rows; first += 10 {
			n := min(10, rows-first)
			in.Chunks = append(in.Chunks, job.Chunk{
				Slice: job.Slice{File: i, First: first, Rows: n, Offset: first * 5, Bytes: n * 5}, Keys: partition.Sum{Lo: uint64(n)},
			})
		}
	}
	return in
}

func TestSlicesHoldEveryRowOnce(t *testing.T) {
	t.Parallel()
	in := exportOf(95, 7, 60)
	for _, each := range []int64{1, 25, 40, 1000} {
		tasks, err := Slices(in, each)
		if err != nil {
			t.Fatal(err)
		}
		var rows int64
		var keys partition.Sum
		next := map[int]int64{}
		for i, task := range tasks {
			var mine int64
			for _, s := range task.Slices {
				if s.First != next[s.File] || s.Offset != 5*s.First || s.Bytes != 5*s.Rows {
					t.Errorf("%d rows a task: task %d, slice %+v does not follow", each, i, s)
				}
				next[s.File] += s.Rows
				mine += s.Rows
			}
			if mine != task.Rows || task.Rows > each+9 || i+1 < len(tasks) && task.Rows < each {
				t.Errorf("%d rows a task: task %d has %d, its slices %d", each, i, task.Rows, mine)
			}
			rows, keys = rows+task.Rows, keys.Add(task.Keys)
		}
		if rows != 162 || keys.Lo != 162 {
			t.Errorf("%d rows a task: %d rows in all, sum %s", each, rows, keys)
		}
	}
}

func TestASurveyOfExportsThatLosesRowsIsRefused(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*job.Intake){
		"rows at the end": func(in *job.Intake) { in.Files[0].Rows++ },
		"a chunk":         func(in *job.Intake) { in.Chunks = append(in.Chunks[:2], in.Chunks[3:]...) },
		"its file":        func(in *job.Intake) { in.Chunks[1].File = 9 },
		"its rows":        func(in *job.Intake) { in.Chunks[1].Rows = 0 },
	} {
		in := exportOf(50)
		change(&in)
		if _, err := Slices(in, 20); !errors.Is(err, ErrSurvey) {
			t.Errorf("without %s: %v", what, err)
		}
	}
}

func TestRangesAreOfEvenWeight(t *testing.T) {
	t.Parallel()
	in := job.Intake{Files: []job.InputFile{{Path: "a"}}}
	for s := partition.Segment(1300000); s < 1300400; s += 2 {
		in.Segments = append(in.Segments, job.SegmentRows{Segment: s, Rows: 100})
	}
	ranges, err := Ranges(in, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if err := partition.CheckCover(partition.Whole, ranges); err != nil {
		t.Fatal(err)
	}
	if len(ranges) != 20 {
		t.Errorf("%d ranges of 20 000 rows, want 20", len(ranges))
	}
	for _, r := range ranges {
		n := int64(0)
		for _, s := range in.Segments {
			if r.Contains(s.Segment.First()) {
				n += s.Rows
			}
		}
		if n > 1100 {
			t.Errorf("%s has %d rows", r, n)
		}
	}
	in.Segments[3], in.Segments[4] = in.Segments[4], in.Segments[3]
	if _, err := Ranges(in, 1000); !errors.Is(err, ErrSurvey) {
		t.Errorf("segments out of order: %v", err)
	}
	in.Segments = nil
	if _, err := Ranges(in, 1000); !errors.Is(err, ErrEmpty) {
		t.Errorf("no row with a number: %v", err)
	}
}
