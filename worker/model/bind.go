package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Bind finds the column of every feature of e, in order. mapping is the job
// file's model.features: feature to column; a feature it does not name is bound
// to the column of its own name. available says whether a column exists, and
// known lists names worth suggesting.
//
// The error lists every feature without a column and every name in mapping that
// the model does not have, and wraps ErrFeature.
func Bind(e *Ensemble, mapping map[string]string, available func(name string) bool, known ...string) ([]string, error) {
	columns := make([]string, len(e.Features))
	var faults []string
	for i, feature := range e.Features {
		column, mapped := mapping[feature]
		if !mapped {
			column = feature
		}
		columns[i] = column
		switch {
		case available(column):
		case mapped:
			faults = append(faults, fmt.Sprintf("feature %q is bound to %q, which is no column%s", feature, column, suggest(column, known)))
		default:
			faults = append(faults, fmt.Sprintf("feature %q has no column%s", feature, suggest(feature, known)))
		}
	}
	var strangers []string
	for feature := range mapping {
		if !slices.Contains(e.Features, feature) {
			strangers = append(strangers, feature)
		}
	}
	slices.Sort(strangers)
	for _, feature := range strangers {
		faults = append(faults, fmt.Sprintf("model.features names %q, which the model does not have%s", feature, suggest(feature, e.Features)))
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("%w:\n  %s\nremedy: under model.features in the job file, bind each name of the model to a feature, a canonical column or an extra column",
			ErrFeature, strings.Join(faults, "\n  "))
	}
	return columns, nil
}

// suggest returns the names closest to name as a clause, "" when none is close.
func suggest(name string, names []string) string {
	type near struct {
		name     string
		distance int
	}
	var list []near
	for _, n := range names {
		if d := distance(plain(name), plain(n)); d <= max(2, len(name)/3) {
			list = append(list, near{n, d})
		}
	}
	if len(list) == 0 {
		return ""
	}
	slices.SortFunc(list, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})
	list = slices.CompactFunc(list, func(a, b near) bool { return a.name == b.name })
	var quoted []string
	for _, n := range list[:min(3, len(list))] {
		quoted = append(quoted, fmt.Sprintf("%q", n.name))
	}
	return " (closest: " + strings.Join(quoted, ", ") + ")"
}

// plain returns a name without what people write differently.
func plain(name string) []rune {
	return []rune(strings.NewReplacer("_", "", "-", "", " ", "", ".", "").Replace(strings.ToLower(name)))
}

// distance returns how many letters to insert, delete or replace to make b of a.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		corner := row[0]
		row[0] = i + 1
		for j := range b {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
