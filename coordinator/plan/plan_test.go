package plan

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rescore/partition"
	"rescore/partition/job"
)

// base is a small survey by hand: one file of the scoring month, two of the
// month before it, and a segment (1900000) that only the past has.
func base() job.Survey {
	return job.Survey{
		Files: []job.InputFile{
			{Path: "m0.csv", Month: 0, Rows: 60},
			{Path: "m1a.csv", Month: 1, Rows: 30},
			{Path: "m1b.csv", Month: 1, Rows: 5},
		},
		Segments: [][]job.SegmentRows{
			{
				{Segment: 1380000, File: 0, First: 0, Rows: 10, Offset: 8, Bytes: 100, Keys: partition.Sum{Hi: 1}},
				{Segment: 1380001, File: 0, First: 10, Rows: 20, Offset: 108, Bytes: 200, Keys: partition.Sum{Hi: 2}},
				{Segment: 1380007, File: 0, First: 30, Rows: 30, Offset: 308, Bytes: 300, Keys: partition.Sum{Hi: 4}},
			},
			{
				{Segment: 1380000, File: 1, First: 0, Rows: 10, Offset: 8, Bytes: 100},
				{Segment: 1380001, File: 1, First: 10, Rows: 20, Offset: 108, Bytes: 200},
				{Segment: 1900000, File: 2, First: 0, Rows: 5, Offset: 8, Bytes: 50},
			},
		},
	}
}

func TestCutByHand(t *testing.T) {
	t.Parallel()
	got, err := Cut(base(), 30)
	if err != nil {
		t.Fatal(err)
	}
	want := []job.Task{
		{
			Range: partition.Range{First: partition.FirstNumber, Past: 13800070000}, Rows: 30, Keys: partition.Sum{Hi: 3},
			Slices: []job.Slice{
				{Month: 0, File: 0, First: 0, Rows: 30, Offset: 8, Bytes: 300},
				{Month: 1, File: 1, First: 0, Rows: 30, Offset: 8, Bytes: 300},
			},
		},
		{
			Range: partition.Range{First: 13800070000, Past: partition.PastNumber}, Rows: 30, Keys: partition.Sum{Hi: 4},
			Slices: []job.Slice{
				{Month: 0, File: 0, First: 30, Rows: 30, Offset: 308, Bytes: 300},
				{Month: 1, File: 2, First: 0, Rows: 5, Offset: 8, Bytes: 50},
			},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestCutOfOneHugeSegmentIsOneTask(t *testing.T) {
	t.Parallel()
	s := job.Survey{
		Files:    []job.InputFile{{Rows: 10000}},
		Segments: [][]job.SegmentRows{{{Segment: 1300000, Rows: 10000}}},
	}
	tasks, err := Cut(s, 1)
	if err != nil || len(tasks) != 1 || tasks[0].Range != partition.Whole {
		t.Errorf("%v %v", tasks, err)
	}
}

func TestCutOfNothingIsErrEmpty(t *testing.T) {
	t.Parallel()
	past := base()
	past.Files[0].Rows, past.Segments[0] = 0, nil
	for name, s := range map[string]job.Survey{
		"nothing":      {},
		"empty file":   {Files: []job.InputFile{{Path: "x"}}, Segments: [][]job.SegmentRows{nil}},
		"only history": past,
	} {
		if _, err := Cut(s, 10); !errors.Is(err, ErrEmpty) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCutRefusesASurveyThatContradictsItself(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*job.Survey){
		"row lost at the end":     func(s *job.Survey) { s.Files[0].Rows++ },
		"row too many":            func(s *job.Survey) { s.Files[0].Rows-- },
		"row lost in the middle":  func(s *job.Survey) { s.Segments[0][1].First++ },
		"row counted twice":       func(s *job.Survey) { s.Segments[0][1].First-- },
		"run of no file":          func(s *job.Survey) { s.Segments[0][0].File = 3 },
		"run of file -1":          func(s *job.Survey) { s.Segments[0][0].File = -1 },
		"run of another month":    func(s *job.Survey) { s.Segments[0][0].File = 1 },
		"run of no rows":          func(s *job.Survey) { s.Segments[0][0].Rows = 0 },
		"run before row 0":        func(s *job.Survey) { s.Segments[0][0].First = -1 },
		"run before byte 0":       func(s *job.Survey) { s.Segments[0][0].Offset = -1 },
		"run of negative bytes":   func(s *job.Survey) { s.Segments[0][0].Bytes = -1 },
		"segment below the space": func(s *job.Survey) { s.Segments[0][0].Segment = 1299999 },
		"segment above the space": func(s *job.Survey) { s.Segments[0][0].Segment = 2000000 },
		"month in the future":     func(s *job.Survey) { s.Files[2].Month = -1; s.Files[2].Rows = 0; s.Segments[1] = s.Segments[1][:2] },
		"file of too many rows":   func(s *job.Survey) { s.Files[0].Rows = RowsMax + 1; s.Segments[0][2].Rows = RowsMax - 29 },
		"sum of too many rows":    func(s *job.Survey) { s.Files[0].Rows = RowsMax; s.Segments[0][2].Rows = RowsMax - 30 },
		"month without segments":  func(s *job.Survey) { s.Segments = s.Segments[:1] },
		"run's rows overflow":     func(s *job.Survey) { s.Segments[0][2].Rows = 1<<63 - 1 },
	} {
		s := base()
		spoil(&s)
		if _, err := Cut(s, 10); !errors.Is(err, ErrSurvey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCutRefusesPartitionsOfNoRowsAndTooMany(t *testing.T) {
	t.Parallel()
	if _, err := Cut(base(), 0); err == nil {
		t.Error("partitions of 0 rows")
	}
	s := base()
	s.Files[0].Rows, s.Segments[0][2].Rows = TasksMax+1, TasksMax+1-30
	if _, err := Cut(s, 1); !errors.Is(err, ErrTooMany) || !strings.Contains(err.Error(), "partition_rows") {
		t.Error(err)
	}
}

// TestCutKeepsEveryRow: whatever the survey and the size, the plan covers the
// space, holds every row of every month once in a range its segment lies in,
// and is even up to one segment.
func TestCutKeepsEveryRow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := survey(t)
		size := rapid.Int64Range(1, 200).Draw(t, "rows per partition")
		tasks, err := Cut(s, size)
		if errors.Is(err, ErrEmpty) {
			if rowsOf(s, 0) != 0 {
				t.Fatalf("empty with %d rows", rowsOf(s, 0))
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		covers(t, tasks)
		conserves(t, s, tasks)
		even(t, s, tasks, size)

		// The order in which the survey lists its runs means nothing.
		shuffled := job.Survey{Files: s.Files}
		rng := rand.New(rand.NewPCG(1, uint64(size)))
		for _, runs := range s.Segments {
			runs = slices.Clone(runs)
			rng.Shuffle(len(runs), func(i, j int) { runs[i], runs[j] = runs[j], runs[i] })
			shuffled.Segments = append(shuffled.Segments, runs)
		}
		if again, err := Cut(shuffled, size); err != nil || !reflect.DeepEqual(tasks, again) {
			t.Fatalf("another order of runs gives another plan: %v", err)
		}
	})
}

func TestAsManyTasksAsEndTogether(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ total, rows, want int64 }{
		{1_001_365, 250_000, 6}, // and not five
		{5_006_800, 250_000, 24},
		{1_000_000, 250_000, 4},
		{200_000, 250_000, 2},
		{1_500_000, 250_000, 6},
		{1_800_000, 250_000, 12},
		{50_000_000, 250_000, 204},
		{90_000, 1_000_000, 1}, // no smaller than is worth it
		{300_000, 60_000, 6},
		{49_999, 10_000, 5}, // but as was asked for
		{TasksMax * 100_000, 100_000, TasksMax},
		{TasksMax*100_000 + 1, 100_000, TasksMax + 1}, // which Cut refuses
	} {
		if got := count(c.total, c.rows); got != c.want {
			t.Errorf("%d rows, at most %d a task: %d tasks, want %d", c.total, c.rows, got, c.want)
		}
	}
	for _, c := range []struct{ total, n, want int64 }{
		{5_006_800, 12, 4}, {50_000_000, 108, 4},
		{5_006_800, 6, 0},
		{1_199_999, 12, 0}, // a half would not be worth it
		{1_200_000, 12, 4},
		{RowsMax, TasksMax - 4, 4},
		{RowsMax, TasksMax - 3, 0}, // they would be too many
	} {
		if got := halved(c.total, c.n); got != c.want {
			t.Errorf("%d rows in %d tasks: %d are halved, want %d", c.total, c.n, got, c.want)
		}
	}
	of := func(segments int) (s job.Survey) {
		s.Files = []job.InputFile{{Path: "m0.csv", Rows: int64(segments) * 10_000}}
		s.Segments = [][]job.SegmentRows{nil}
		for i := range segments {
			s.Segments[0] = append(s.Segments[0], job.SegmentRows{Segment: partition.FirstNumber.Segment() + partition.Segment(i), First: int64(i) * 10_000, Rows: 10_000})
		}
		return s
	}
	for _, c := range []struct {
		segments int
		rows     int64
		want     []int64 // segments of each task
	}{
		{40, 150_000, []int64{10, 10, 10, 10}},
		{240, 200_000, []int64{20, 20, 20, 20, 20, 20, 20, 20, 10, 10, 10, 10, 10, 10, 10, 10}},
		{250, 210_000, []int64{21, 21, 20, 21, 21, 21, 21, 21, 10, 10, 11, 10, 11, 10, 11, 10}}, // 20.8 and 10.4
	} {
		tasks, err := Cut(of(c.segments), c.rows)
		var got []int64
		for _, task := range tasks {
			got = append(got, task.Rows/10_000)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%d segments are cut into %v, want %v: %v", c.segments, got, c.want, err)
		}
	}
}

func survey(t *rapid.T) job.Survey {
	var s job.Survey
	for month := range rapid.IntRange(1, 4).Draw(t, "months") {
		s.Segments = append(s.Segments, nil)
		for range rapid.IntRange(0, 3).Draw(t, "files") {
			file := len(s.Files)
			csv := rapid.Bool().Draw(t, "csv")
			var row, offset int64
			for range rapid.IntRange(0, 25).Draw(t, "runs") {
				run := job.SegmentRows{
					Segment: partition.Segment(rapid.OneOf(rapid.Uint32Range(1380000, 1380020), rapid.Uint32Range(1300000, 1999999)).Draw(t, "segment")),
					File:    file, First: row, Rows: rapid.OneOf(rapid.Int64Range(1, 30), rapid.Int64Range(1, 1000)).Draw(t, "rows"),
					Keys: partition.Sum{Hi: rapid.Uint64().Draw(t, "hi"), Lo: rapid.Uint64().Draw(t, "lo")},
				}
				if csv {
					offset += rapid.Int64Range(0, 1).Draw(t, "gap") // blank lines, say
					run.Offset, run.Bytes = offset, run.Rows*12
					offset += run.Bytes
				}
				row += run.Rows
				s.Segments[month] = append(s.Segments[month], run)
			}
			s.Files = append(s.Files, job.InputFile{Month: month, Rows: row})
		}
	}
	return s
}

func rowsOf(s job.Survey, month int) int64 {
	var n int64
	for _, f := range s.Files {
		if f.Month == month {
			n += f.Rows
		}
	}
	return n
}

func covers(t *rapid.T, tasks []job.Task) {
	var ranges []partition.Range
	for _, task := range tasks {
		ranges = append(ranges, task.Range)
		if task.Rows == 0 {
			t.Fatalf("task %s has no rows", task.Range)
		}
		if task.Range.First%partition.LinesPerSegment != 0 || task.Range.Past%partition.LinesPerSegment != 0 {
			t.Fatalf("task %s is cut inside a segment", task.Range)
		}
	}
	if err := partition.CheckCover(partition.Whole, ranges); err != nil {
		t.Fatal(err)
	}
}

// conserves walks from every row of every file to the task that has it.
func conserves(t *rapid.T, s job.Survey, tasks []job.Task) {
	owner := make([][]int, len(s.Files)) // by file, by row: the task, or -1
	for i, f := range s.Files {
		owner[i] = slices.Repeat([]int{-1}, int(f.Rows))
	}
	for i, task := range tasks {
		var rows int64
		for k, sl := range task.Slices {
			if k > 0 {
				p := task.Slices[k-1]
				if c := slices.Compare([]int64{int64(p.Month), int64(p.File), p.First + p.Rows - 1}, []int64{int64(sl.Month), int64(sl.File), sl.First}); c >= 0 {
					t.Fatalf("slices %+v and %+v are out of order", p, sl)
				}
				if p.File == sl.File && p.First+p.Rows == sl.First && p.Offset+p.Bytes == sl.Offset {
					t.Fatalf("slices %+v and %+v were not merged", p, sl)
				}
			}
			if s.Files[sl.File].Month != sl.Month {
				t.Fatalf("slice %+v is of another month's file", sl)
			}
			for r := sl.First; r < sl.First+sl.Rows; r++ {
				if owner[sl.File][r] != -1 {
					t.Fatalf("file %d row %d is in two tasks", sl.File, r)
				}
				owner[sl.File][r] = i
			}
			if sl.Month == 0 {
				rows += sl.Rows
			}
		}
		if rows != task.Rows {
			t.Fatalf("task %d says %d rows, its slices %d", i, task.Rows, rows)
		}
	}
	keys := make([]partition.Sum, len(tasks))
	bytes := map[int]int64{}
	for month, runs := range s.Segments {
		for _, run := range runs {
			bytes[run.File] += run.Bytes
			i := owner[run.File][run.First]
			for r := run.First; r < run.First+run.Rows; r++ {
				if at := owner[run.File][r]; at < 0 || at != i || !tasks[at].Range.Contains(run.Segment.First()) {
					t.Fatalf("file %d row %d of segment %d is in task %d", run.File, r, run.Segment, at)
				}
			}
			if month == 0 {
				keys[i] = keys[i].Add(run.Keys)
			}
		}
	}
	for i, task := range tasks {
		if task.Keys != keys[i] {
			t.Fatalf("task %d: keys %s, want %s", i, task.Keys, keys[i])
		}
		for _, sl := range task.Slices {
			bytes[sl.File] -= sl.Bytes
		}
	}
	for file, left := range bytes {
		if left != 0 {
			t.Fatalf("file %d: %d bytes are in no task", file, left)
		}
	}
}

// even: a task exceeds its share by no more than half of its first segment and half of its
// last one.
func even(t *rapid.T, s job.Survey, tasks []job.Task, size int64) {
	for i, task := range tasks {
		weight := map[partition.Segment]int64{}
		first, last := partition.PastNumber.Segment(), partition.Segment(0)
		for _, run := range s.Segments[0] {
			if task.Range.Contains(run.Segment.First()) {
				weight[run.Segment] += run.Rows
				first, last = min(first, run.Segment), max(last, run.Segment)
			}
		}
		if 2*task.Rows > 2*size+weight[first]+weight[last] {
			t.Fatalf("task %d has %d rows, %d of them in its first segment and %d in its last, and %d were asked for", i, task.Rows, weight[first], weight[last], size)
		}
	}
	if total := rowsOf(s, 0); int64(len(tasks)) > (total-1)/size+1 {
		t.Fatalf("%d tasks for %d rows of %d", len(tasks), total, size)
	}
}

func BenchmarkCutProvince(b *testing.B) {
	// 50 000 segments of 1 000 rows, six months in one file each.
	var s job.Survey
	for month := range 6 {
		var runs []job.SegmentRows
		for i := range int64(50_000) {
			runs = append(runs, job.SegmentRows{Segment: partition.Segment(1300000 + i*14), File: month, First: i * 1000, Rows: 1000})
		}
		s.Segments = append(s.Segments, runs)
		s.Files = append(s.Files, job.InputFile{Month: month, Rows: 50_000_000})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Cut(s, 250_000); err != nil {
			b.Fatal(err)
		}
	}
}
