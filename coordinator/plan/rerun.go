package plan

import (
	"fmt"
	"slices"

	"rescore/coordinator/ledger"
	"rescore/partition"
	"rescore/partition/job"
)

// Rerun is the plan of a score stage that stands on a published version: its
// partitions, cut where the base's are.
//
//	base     │ 0 │ 1 │ 2 │ 3 │ 4 │     ranges cover the number space
//	again            ▒▒▒▒▒             what was asked for
//	rerun    │ = │ = │ ▒ │ ▒ │ ! │     = kept   ▒ asked for   ! cannot be kept
type Rerun struct {
	Tasks []job.Task // by range
	Kept  []Kept     // by task
	Anew  []Anew     // the other tasks
}

// Kept is a task whose result is that of the base's task At of the same stage.
type Kept struct{ Task, At int }

// Anew is a task that is done again.
type Anew struct {
	Task   int
	Reason string // why it cannot be kept; "" = it was asked for
}

// Over plans a score stage over a base, of which the ranges of again are scored
// again; all of it when there are none. A partition is kept only when it would be
// read from the same rows of the same bytes, and unless bar says why not: bar is
// given the base's tasks that could be.
func Over(base *ledger.Job, again []partition.Range, survey job.Survey, bar func(*ledger.Task) string) (Rerun, error) {
	score := base.Score()
	order := score.ByRange()
	ranges := make([]partition.Range, len(order))
	for i, at := range order {
		ranges[i] = score.Tasks[at].Range
	}
	if err := partition.CheckCover(partition.Whole, ranges); err != nil {
		return Rerun{}, fmt.Errorf("plan a rerun of version %s: %w", base.Version.ID, err)
	}
	tasks, err := Within(survey, ranges)
	if err != nil {
		return Rerun{}, err
	}
	r := Rerun{Tasks: tasks}
	for i, at := range order {
		was := &score.Tasks[at]
		if meets(again, was.Range) {
			r.Anew = append(r.Anew, Anew{Task: i})
			continue
		}
		reason := moved(tasks[i], survey.Files, was.Plan(), base.Facts.Files)
		if reason == "" {
			reason = bar(was)
		}
		if reason != "" {
			r.Anew = append(r.Anew, Anew{Task: i, Reason: reason})
			continue
		}
		r.Kept = append(r.Kept, Kept{Task: i, At: at})
	}
	return r, nil
}

// moved says in what the rows of a partition differ from those it was made of; ""
// when they are the same rows of the same bytes.
func moved(is job.Task, files []job.InputFile, was job.Task, before []job.InputFile) string {
	for i := range max(len(is.Slices), len(was.Slices)) {
		switch {
		case i >= len(was.Slices):
			return fmt.Sprintf("input %s has rows of it, and had none", files[is.Slices[i].File].Path)
		case i >= len(is.Slices):
			return fmt.Sprintf("input %s had rows of it, and has none", before[was.Slices[i].File].Path)
		}
		a, b := is.Slices[i], was.Slices[i]
		f, g := files[a.File], before[b.File]
		a.File, b.File = 0, 0
		switch {
		case f.Path != g.Path || f.Month != g.Month:
			return fmt.Sprintf("it lies in input %s, and lay in %s", f.Path, g.Path)
		case (f.BLAKE3 == "") != (g.BLAKE3 == ""):
			return fmt.Sprintf("input %s has a digest of another kind (input.digest), which tells nothing of its bytes", f.Path)
		case f.SHA256 != g.SHA256 || f.BLAKE3 != g.BLAKE3:
			return fmt.Sprintf("input %s has other bytes", f.Path)
		case a != b:
			return fmt.Sprintf("input %s has its rows elsewhere", f.Path)
		}
	}
	if is.Rows != was.Rows || is.Keys != was.Keys {
		return fmt.Sprintf("it has %d rows of other numbers, and had %d", is.Rows, was.Rows)
	}
	return ""
}

// Placed returns the tasks of j's select stage that keep the base's: those of
// partitions that were kept, as long as everybody stands where he stood, which the
// digest of the base's ranks tells.
func Placed(j, base *ledger.Job, ranks string) []Kept {
	selected := base.Select()
	if selected == nil {
		return nil
	}
	at := map[partition.Range]int{}
	for i := range selected.Tasks {
		if t := &selected.Tasks[i]; t.State == ledger.Done && ranksOf(t) == ranks {
			at[t.Range] = i
		}
	}
	var kept []Kept
	for i := range j.Score().Tasks {
		t := &j.Score().Tasks[i]
		if k, ok := at[t.Range]; ok && t.From != "" {
			kept = append(kept, Kept{Task: i, At: k})
		}
	}
	return kept
}

// ranksOf returns the digest of the ranks that a select task works on.
func ranksOf(t *ledger.Task) string {
	if staged := t.Plan().Staged; len(staged) == 2 {
		return staged[1].SHA256
	}
	return ""
}

// meets reports whether a range meets any of the others; none stand for all.
func meets(ranges []partition.Range, r partition.Range) bool {
	return len(ranges) == 0 || slices.ContainsFunc(ranges, func(o partition.Range) bool { return !o.Intersect(r).Empty() })
}
