package coordinator

import (
	"context"
	"fmt"
	"sync"

	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/partition/contest"
	"rescore/partition/job"
)

// contest adds up what the partitions counted of the challengers, and works out
// their figures, in the spec's order. Like the ranks it follows from the ledger and
// from files that never change.
func (t *Term) contest(ctx context.Context, j *ledger.Job, spec job.Spec) ([]contest.Figures, error) {
	challengers := spec.Model.Challengers
	if len(challengers) == 0 {
		return nil, nil
	}
	st, err := t.output(j, spec)
	if err != nil {
		return nil, err
	}
	if len(j.Facts.Challengers) != len(challengers) {
		return nil, fmt.Errorf("the job has %d challengers and its survey found %d models of theirs; delete run.work and run the job again", len(challengers), len(j.Facts.Challengers))
	}
	base := make([]*contest.Counts, len(challengers))
	for i := range base {
		base[i] = contest.New()
	}
	var adding sync.Mutex
	err = t.eachCounted(ctx, st, j, job.FileContest, func(data []byte) error {
		part, err := contest.Decode(data, len(base))
		if err != nil {
			return err
		}
		adding.Lock()
		defer adding.Unlock()
		for i, c := range base {
			if err := c.Merge(part[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	figures := make([]contest.Figures, len(base))
	for i, c := range base {
		if scored := j.Totals().Counts.Scored; c.Rows() != scored {
			return nil, fmt.Errorf("challenger %s was counted over %d rows, %d were scored: %w", challengers[i].Name, c.Rows(), scored, publish.ErrDamaged)
		}
		figures[i] = c.Figures()
	}
	return figures, nil
}
