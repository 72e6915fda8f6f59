package plan

import (
	"math/rand/v2"
	"testing"

	"rescore/partition"
	"rescore/partition/job"
)

// TestDividedTasksAreTheWholeI1I2: over any base, cut and divided, the parts cover
// what the task covered, hold its rows and numbers, and are as even as segments allow.
func TestDividedTasksAreTheWholeI1I2(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 7))
	for range 200 {
		s := job.Survey{Files: []job.InputFile{{Path: "a"}, {Path: "b", Month: 1}}, Segments: make([][]job.SegmentRows, 2)}
		for i := range 40 {
			for k := range 2 {
				rows := rng.Int64N(50)
				if rows == 0 {
					continue
				}
				s.Segments[k] = append(s.Segments[k], job.SegmentRows{
					Segment: partition.Segment(1380000 + i), File: k, First: s.Files[k].Rows, Rows: rows, Keys: partition.Sum{}.AddHash(rng.Uint64()),
				})
				s.Files[k].Rows += rows
			}
		}
		tasks, err := Cut(s, 300)
		if err != nil {
			t.Fatal(err)
		}
		divider, err := NewDivider(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, whole := range tasks {
			n := 2 + rng.IntN(4)
			parts := divider.Divide(whole.Range, n)
			var cover []partition.Range
			var sum job.Task
			slices := map[int]int64{}
			for _, p := range parts {
				cover = append(cover, p.Range)
				sum.Rows += p.Rows
				sum.Keys = sum.Keys.Add(p.Keys)
				for _, r := range p.Slices {
					slices[r.File] += r.Rows
				}
				if p.Rows > whole.Rows/int64(n)+50 {
					t.Errorf("a part of %d rows of %d in %d parts", p.Rows, whole.Rows, n)
				}
			}
			if err := partition.CheckCover(whole.Range, cover); err != nil || len(parts) > n {
				t.Fatalf("%d parts of %d: %v", len(parts), n, err)
			}
			for _, r := range whole.Slices {
				slices[r.File] -= r.Rows
			}
			if sum.Rows != whole.Rows || sum.Keys != whole.Keys || slices[0] != 0 || slices[1] != 0 {
				t.Fatalf("parts hold %d rows of %d, or other rows", sum.Rows, whole.Rows)
			}
		}
	}
}

func TestASegmentIsNotDividedI8(t *testing.T) {
	t.Parallel()
	s := job.Survey{
		Files:    []job.InputFile{{Path: "a", Rows: 9}},
		Segments: [][]job.SegmentRows{{{Segment: 1380000, Rows: 9}}},
	}
	one := partition.Range{First: partition.Segment(1380000).First(), Past: partition.Segment(1380000).Past()}
	for _, within := range []partition.Range{one, partition.Whole, {First: partition.Segment(1390000).First(), Past: partition.PastNumber}} {
		divider, err := NewDivider(s)
		if err != nil {
			t.Fatal(err)
		}
		parts := divider.Divide(within, 4)
		if len(parts) != 1 || parts[0].Range != within {
			t.Errorf("%s is divided into %v", within, parts)
		}
	}
}
