package program

import (
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/feature"
	"rescore/worker/formula"
	"rescore/worker/kernel"
	"rescore/worker/score"
)

// Everything plans the program that makes every column a job's kernels can make,
// whether the score record has it or not: all features, the history columns,
// what rules and decisions went by. The kernels are the job's own, so its columns
// are the ones the job would have made. The number comes first.
func Everything(spec job.Spec, m Model) (*Plan, error) {
	var features []string
	for _, e := range feature.Dictionary {
		features = append(features, e.Name)
	}
	for _, f := range spec.Features {
		features = append(features, formula.Column(f.Name))
	}
	list, err := catalogue(spec, m, features)
	if err != nil {
		return nil, err
	}
	list = append(list, score.NewRanks(spec.Policy))
	want := []kernel.Field{{Name: schema.Key, Type: arrow.PrimitiveTypes.Uint64}, {Name: BadValues, Type: arrow.PrimitiveTypes.Uint8}}
	for _, k := range list {
		want = append(want, k.Spec().Out...)
	}
	return Select(list, want, input(spec))
}

// ForRules plans the program of the fourteen triggers and the users' own rules
// alone: trg_fired, trg_unknown and, where there are rules, rule_fired and
// rule_unknown. model is called only when a rule reads what a model makes.
func ForRules(spec job.Spec, model func() (Model, error)) (*Plan, error) {
	u16, u64 := arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint64
	want := []kernel.Field{{Name: "trg_fired", Type: u16}, {Name: "trg_unknown", Type: u16}}
	rules, err := formula.NewRules(spec)
	if err != nil {
		return nil, err
	}
	if len(spec.Custom) > 0 {
		want = append(want, kernel.Field{Name: formula.Fired, Type: u64}, kernel.Field{Name: formula.Unknown, Type: u64})
	}
	list, err := common(spec, inputs(rules))
	if err != nil {
		return nil, err
	}
	p, err := Select(append(list, rules), want, input(spec))
	if !errors.Is(err, errNoMaker) {
		return p, err
	}
	m, err := model()
	if err != nil {
		return nil, fmt.Errorf("a rule reads what the model makes: %w", err)
	}
	if list, err = catalogue(spec, m, nil); err != nil {
		return nil, err
	}
	return Select(list, want, input(spec))
}

// Wanted returns the columns of the program's answer, in order.
func (p *Plan) Wanted() []kernel.Field { return slices.Clone(p.want) }
