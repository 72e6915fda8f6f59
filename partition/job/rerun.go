package job

import (
	"fmt"
	"strings"

	"rescore/partition"
)

// RerunID names a rerun: a job that is asked of a published version, to score some
// ranges again (all of them when none are given). id is what the job would be called
// without a base. The same question of the same version always has the same name,
// however the ranges were given.
func RerunID(id ID, base string, again []partition.Range) ID {
	var b strings.Builder
	fmt.Fprintf(&b, "rescore rerun 1\njob %s\nbase %s\n", id, base)
	for _, r := range partition.Join(again) {
		fmt.Fprintf(&b, "again %s\n", r)
	}
	month, _, _ := strings.Cut(string(id), "-")
	return ID(month + "-" + hexSum([]byte(b.String()))[:12])
}

// Beside reports what keeps rows that were judged as was says out of a version of
// rows that are judged as s says; "" when they can stand in one. Models, rules and
// formulas may differ: a version says of each partition how it was judged. What may
// not is what is compared or counted across partitions.
func (s Spec) Beside(was Spec) string {
	part := func(v any) string { return string(canonical(v)) }
	input := func(s Spec) Input {
		s.Input.Path = "" // what it leads to is compared file by file
		s.Input.Exclude.Segments, s.Input.Exclude.ServiceTypes = set(s.Input.Exclude.Segments), set(s.Input.Exclude.ServiceTypes)
		return s.Input
	}
	switch {
	case s.Name != was.Name:
		return "name: it is another dataset's"
	case s.Month != was.Month:
		return fmt.Sprintf("month: it is of %06d", was.Month)
	case part(input(s)) != part(input(was)):
		return "input: rows were read in another way"
	case part(s.Policy) != part(was.Policy):
		return "policy: rows were ranked in another way"
	case part(s.Model.Names()) != part(was.Model.Names()):
		return "model.challengers: rows have other columns"
	case len(s.Gates.NullShareMax) > 0 && part(s.Gates.Nulls()) != part(was.Gates.Nulls()):
		return "gates.null_share_max: missing values of other columns were counted"
	}
	return ""
}

// Judgement returns the digest of all that a row's values follow from but its input:
// models (by their SHA-256, the champion's first), rules, policy and formulas. Two
// specs with the same one judge a row alike.
func (s Spec) Judgement(models []string) string {
	s.Name, s.Gates, s.Output = "", Gates{}, Output{}
	return string(NewID(s, models, ""))
}
