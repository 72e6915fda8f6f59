package worker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/wire"
)

func TestACheckNamesTheJobAndWritesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	w := New(s.config(newCoordinator()))
	got := w.Check(t.Context(), wire.CheckRequest{Spec: s.spec.Canonical(), SpecBase: "base"})
	id, err := s.config(nil).Check(t.Context(), s.spec, "base")
	if err != nil {
		t.Fatal(err)
	}
	if got.Problem != "" || got.Job != id || !strings.HasPrefix(string(id), "201011-") || got.Segments != nil {
		t.Errorf("got %+v, want job %s", got, id)
	}
	if left := s.staged(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	s.model = []byte(strings.Replace(stump, "-1.25", "-1.75", 1))
	if other := w.Check(t.Context(), wire.CheckRequest{Spec: s.spec.Canonical()}); other.Job == id || other.Job == "" {
		t.Errorf("with another model it is job %q still", other.Job)
	}
}

func TestACheckSaysWhatIsWrongWithTheJob(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage func(*site)
		spec   string
		says   string
	}{
		"no spec":       {func(*site) {}, "{", "read the job's spec"},
		"no input":      {func(s *site) { _ = os.Remove(filepath.Join(s.input, "base.csv")) }, "", "base.csv"},
		"no model":      {func(s *site) { s.model = []byte("PK\x03\x04") }, "", "model.txt"},
		"other columns": {func(s *site) { s.model = []byte(strings.ReplaceAll(stump, "fee_last", "no_such_thing")) }, "", "no_such_thing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, newBase().text)
			c.damage(s)
			spec := s.spec.Canonical()
			if c.spec != "" {
				spec = []byte(c.spec)
			}
			got := New(s.config(newCoordinator())).Check(t.Context(), wire.CheckRequest{Spec: spec})
			if got.Job != "" || !strings.Contains(got.Problem, c.says) {
				t.Errorf("got %+v, want %q", got, c.says)
			}
			if _, err := wire.Encode(got); err != nil {
				t.Errorf("it does not fit on the wire: %v", err)
			}
		})
	}
}

func TestAPanicInACheckIsAProblemThatNamesItsPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	cfg := s.config(newCoordinator())
	cfg.Model = func(context.Context, string, string) ([]byte, error) { panic("a bug") }
	got := New(cfg).Check(t.Context(), wire.CheckRequest{Spec: s.spec.Canonical()})
	if !strings.HasPrefix(got.Problem, "check the job: panic in ") || got.Job != "" {
		t.Errorf("got %+v", got)
	}
}

// TestCitiesAreFoundBySegments holds the answer to the base's text, row by row: a
// city's subscribers are in any segment and in either of two files.
func TestCitiesAreFoundBySegments(t *testing.T) {
	t.Parallel()
	const segmentsOfBase, rowsOfSegment = 40, 25
	cityOf := func(segment, row int) int { return 755 + (segment*7+row/20)%9 }
	want := map[int]map[partition.Segment]bool{}
	texts := [2]string{"msisdn,city_code,fee_m0\n", "msisdn,city_code,fee_m0\n"}
	for s := range segmentsOfBase {
		segment := partition.Segment(1390000 + 3*s)
		for i := range rowsOfSegment {
			n := segment.First() + partition.Number(11*i)
			city := fmt.Sprint(cityOf(s, i))
			if i%10 == 3 {
				city = "" // unknown: lives nowhere
			} else {
				if want[cityOf(s, i)] == nil {
					want[cityOf(s, i)] = map[partition.Segment]bool{}
				}
				want[cityOf(s, i)][segment] = true
			}
			texts[s*2/segmentsOfBase] += n.Digits() + "," + city + ",100\n"
		}
	}
	site := newSite(t, texts[0])
	if err := os.WriteFile(filepath.Join(site.input, "later.csv"), []byte(texts[1]), 0o644); err != nil {
		t.Fatal(err)
	}
	site.spec.Input.Path = "*.csv"
	w := New(site.config(newCoordinator()))
	for _, cities := range [][]uint32{{755}, {757, 760}, {999}, {755, 756, 757, 758, 759, 760, 761, 762, 763}} {
		got := w.Check(t.Context(), wire.CheckRequest{Spec: site.spec.Canonical(), Cities: cities})
		if got.Problem != "" {
			t.Fatal(got.Problem)
		}
		var expect []partition.Segment
		for _, c := range cities {
			for s := range want[int(c)] {
				expect = append(expect, s)
			}
		}
		slices.Sort(expect)
		if expect = slices.Compact(expect); !slices.Equal(got.Segments, expect) {
			t.Errorf("cities %v: got %v, want %v", cities, got.Segments, expect)
		}
	}
	none := newSite(t, newBase().text)
	got := New(none.config(newCoordinator())).Check(t.Context(), wire.CheckRequest{Spec: none.spec.Canonical(), Cities: []uint32{755}})
	if !strings.Contains(got.Problem, "has no column city_code") {
		t.Errorf("an input without cities: %+v", got)
	}
}

func TestTasksOfWholeSegmentsCoverEveryRowOnce(t *testing.T) {
	t.Parallel()
	var survey job.Survey
	survey.Files = []job.InputFile{{Path: "a", Rows: 60}, {Path: "b", Rows: 30}}
	survey.Segments = [][]job.SegmentRows{{
		{Segment: 1, Rows: 10}, {Segment: 2, First: 10, Rows: 50}, {Segment: 2, File: 1, Rows: 5}, {Segment: 9, File: 1, First: 5, Rows: 25},
	}}
	for _, most := range []int64{1, 20, 64, 65, 1000} {
		var rows int64
		var last partition.Number
		for _, task := range bySegments(survey, most) {
			if task.Range.First < last || task.Range.Empty() {
				t.Errorf("%d rows a task: %s overlaps the one before", most, task.Range)
			}
			last = task.Range.Past
			var sum int64
			for _, s := range task.Slices {
				sum += s.Rows
			}
			if sum != task.Rows {
				t.Errorf("%d rows a task: %s has %d rows in slices of %d", most, task.Range, task.Rows, sum)
			}
			rows += task.Rows
		}
		if rows != 90 {
			t.Errorf("%d rows a task: %d rows in all", most, rows)
		}
	}
	if bySegments(job.Survey{}, 1) != nil {
		t.Error("a survey of nothing has tasks")
	}
}

func TestAComparisonOfWhatIsNotPublishedIsAProblem(t *testing.T) {
	t.Parallel()
	s := newSite(t, newBase().text)
	got := New(s.config(newCoordinator())).Compare(t.Context(), wire.CompareRequest{Output: "out", Old: "v0001", New: "v0002"})
	if !strings.Contains(got.Problem, "v0001") || len(got.Figures) > 0 {
		t.Errorf("got %+v", got)
	}
	if _, err := wire.Encode(got); err != nil {
		t.Errorf("it does not fit on the wire: %v", err)
	}
}
