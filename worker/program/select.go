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
// the columns the score stage made. base counts the losses of the whole base.
func ForSelect(spec job.Spec, base *ecdf.Histogram) (*Plan, error) {
	want := make([]kernel.Field, len(schema.Selected))
	for i, c := range schema.Selected {
		want[i] = kernel.Field{Name: c.Name, Type: c.Type}
	}
	return Select([]kernel.Kernel{score.NewPriority(base, spec.Policy)}, want, func(name string) (arrow.DataType, bool) {
		c, ok := schema.Find(schema.Score, name)
		return c.Type, ok
	})
}
