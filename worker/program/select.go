package program

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/score"
)

// ForSelect plans the program of a job's select stage: what schema.Selected has, of
// the columns the score stage made. base counts the whole base by what
// the policy ranks.
func ForSelect(spec job.Spec, base *ecdf.Histogram) (*Plan, error) {
	want := make([]kernel.Field, len(schema.Selected))
	for i, c := range schema.Selected {
		want[i] = kernel.Field{Name: c.Name, Type: c.Type}
	}
	priority, err := score.NewPriority(base, spec.Policy)
	if err != nil {
		return nil, err
	}
	return Select([]kernel.Kernel{score.NewAmount(spec.Policy), priority}, want, func(name string) (arrow.DataType, bool) {
		c, ok := schema.Find(schema.Score, name)
		return c.Type, ok
	})
}
