package lease

import (
	"cmp"
	"slices"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
)

// Division is a waiting task that is to be cut, so that more workers can be at it.
type Division struct {
	ledger.TaskRef
	Parts int // at least 2; where segments are large, fewer come of it
}

// Divisible returns what to divide when fewer tasks wait than the workers have slots:
// those would finish what they have and stand idle while the last tasks are worked
// on. The largest tasks are divided, into parts of at least Config.PartRows. Only a
// score task can be cut. It changes nothing.
func Divisible(st *ledger.State, slots int, cfg Config) (out []Division) {
	if cfg.PartRows == 0 {
		return nil
	}
	wait := 0
	for j, s := range running(st) {
		wait += j.Stages[s].Totals().Waiting
	}
	missing := slots - wait
	if wait == 0 || missing <= 0 {
		return nil
	}
	type large struct {
		ref  ledger.TaskRef
		rows int64
	}
	var tasks []large // no more than there are slots
	for j, s := range running(st) {
		stage := &j.Stages[s]
		if stage.Kind != job.StageScore {
			continue
		}
		for i := range stage.Waiting() {
			if rows := stage.Tasks[i].Rows; rows >= 2*cfg.PartRows {
				tasks = append(tasks, large{ledger.TaskRef{Job: j.ID, Stage: s, Task: i}, rows})
			}
		}
	}
	slices.SortStableFunc(tasks, func(a, b large) int { return cmp.Compare(b.rows, a.rows) })
	each := (slots-1)/wait + 1
	for _, t := range tasks {
		if missing <= 0 {
			break
		}
		parts := int(min(int64(min(each, missing+1)), t.rows/cfg.PartRows))
		out = append(out, Division{t.ref, parts})
		missing -= parts - 1
	}
	return out
}
