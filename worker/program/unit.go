package program

import (
	"errors"
	"fmt"
	"slices"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/bundle"
	"rescore/worker/feature"
	"rescore/worker/formula"
	"rescore/worker/kernel"
)

// units maps the flat names of the subscriber record to their units.
var units = func() map[string]schema.Unit {
	list := make(map[string]schema.Unit)
	for _, c := range schema.Subscriber {
		for _, name := range c.Names() {
			list[name] = c.Unit
		}
	}
	return list
}()

// unitOf returns the unit of a column that a feature can be bound to; false for an
// extra column, of which nobody knows.
func unitOf(spec job.Spec, column string) (schema.Unit, bool) {
	if _, ok := extraName(column); ok {
		return "", false
	}
	if flat, ok := feature.FromFeature(column); ok {
		return units[flat], true
	}
	if own, ok := ownName(column); ok {
		for _, f := range formula.Describe(spec) {
			if !f.Rule && f.Name == own {
				return schema.Unit(f.Unit), true
			}
		}
	}
	e, _ := feature.Find(column)
	return e.Unit, true
}

// convert binds features to their columns in the unit that training had. What cannot
// be converted is all reported.
func (m *Model) convert(spec job.Spec, features []bundle.Feature) error {
	var problems []error
	for _, f := range features {
		at := slices.Index(m.Features, f.Name)
		unit, known := unitOf(spec, m.Bound[at])
		if f.Unit == schema.None || !known || f.Unit == unit {
			continue
		}
		if _, err := feature.NewConversion(m.Bound[at], unit, f.Unit); err != nil {
			problems = append(problems, fmt.Errorf("feature %s: %w; correct unit in the package's card, or bind the feature to another column", f.Name, err))
			continue
		}
		m.Bound[at] = feature.AsUnit(m.Bound[at], f.Unit)
	}
	return errors.Join(problems...)
}

// conversions returns the kernels of the columns that are in another unit, and the
// columns with these replaced by what they are made of.
func conversions(spec job.Spec, bound []string) (list []kernel.Kernel, inner []string, err error) {
	made := make(map[string]bool)
	for _, name := range bound {
		column, to, ok := feature.FromUnit(name)
		if !ok {
			inner = append(inner, name)
			continue
		}
		inner = append(inner, column)
		if made[name] {
			continue
		}
		made[name] = true
		from, _ := unitOf(spec, column)
		k, err := feature.NewConversion(column, from, to)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, k)
	}
	return list, inner, nil
}
