package program

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/score"
)

// Places are where everybody of the whole base stands. To work them out takes a
// tenth of a second where two ranks are weighed; they never change afterwards, so
// any number of programs may look them up at once.
type Places struct{ priority, shortlist kernel.Kernel }

// Place works the places out. base counts the whole base by what the policy ranks.
func Place(spec job.Spec, base *ecdf.Histogram) (Places, error) {
	priority, err := score.NewPriority(base, spec.Policy)
	if err != nil {
		return Places{}, err
	}
	shortlist, err := score.NewShortlist(base, spec.Policy, spec.Model.Reasons)
	return Places{priority, shortlist}, err
}

// ForSelect plans the program of a job's select stage: what schema.Selected has, of
// the columns the score stage made, by the places in the whole base.
func ForSelect(spec job.Spec, places Places) (*Plan, error) {
	want := make([]kernel.Field, len(schema.Selected))
	for i, c := range schema.Selected {
		want[i] = kernel.Field{Name: c.Name, Type: c.Type}
	}
	return Select([]kernel.Kernel{score.NewAmount(spec.Policy), places.priority}, want, ofScores)
}

// ofScores says which columns the score stage made.
func ofScores(name string) (arrow.DataType, bool) {
	c, ok := schema.Find(schema.Score, name)
	return c.Type, ok
}
