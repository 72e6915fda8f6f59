package whatif

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"rescore/partition/job"
	"rescore/partition/lazy"
	"rescore/worker/formula"
)

// ErrRules is returned for a change that is none of the rules'.
var ErrRules = errors.New("not a change of the rules")

// short is a trigger's key as it is said: t2.drop_pct.
var short = lazy.Regexp(`^t\d+\.`)

// others are the keys of rules that triggers go by besides their own, t1 to t14.
var others = []string{"hold_suppresses", "exclude_partial_first_month", "fee_normalise_days"}

// key reads a key in one of its forms: t2.drop_pct, t2_drop_pct and
// rules.t2_drop_pct are the same. One that no trigger goes by is an error that
// names the nearest.
func key(text string) (string, error) {
	name := strings.TrimPrefix(text, "rules.")
	if short().MatchString(name) {
		name = strings.Replace(name, ".", "_", 1)
	}
	var known []string
	for _, v := range job.Default().Values() {
		if k, ok := strings.CutPrefix(v.Path, "rules."); ok && (regexp.MustCompile(`^t\d`).MatchString(k) || slices.Contains(others, k)) {
			known = append(known, k)
		}
	}
	if slices.Contains(known, name) {
		return "rules." + name, nil
	}
	hint := "the keys are those of rules in the job file that begin with t1 to t14, " + strings.Join(others, ", ")
	if near, ok := job.Closest(name, known); ok {
		hint = "did you mean " + near + "?"
	}
	return "", fmt.Errorf("no trigger goes by %s: %w; %s", text, ErrRules, hint)
}

// Changed puts the rules of a file in place of those the users of a version wrote,
// and lays the file's thresholds and then single keys over the version's. The error is ErrRules, or job.Problems with file and line.
func Changed(spec job.Spec, file *job.Text, sets []string) (job.Spec, error) {
	if file != nil {
		spec.Custom = nil
		d, err := job.DecodeAlone(job.Beside{Rules: file}, spec)
		if err != nil {
			return spec, err
		}
		spec = d.Spec
		if problems := formula.Check(spec); len(problems) > 0 {
			return spec, problems
		}
	}
	var overlays []job.Overlay
	for _, set := range sets {
		name, value, ok := strings.Cut(set, "=")
		if !ok || value == "" {
			return spec, fmt.Errorf("--set %s has no key and value: %w; write it as --set t2.drop_pct=30", set, ErrRules)
		}
		path, err := key(name)
		if err != nil {
			return spec, err
		}
		overlays = append(overlays, job.Overlay{Path: path, Text: value, Source: "flag --set " + name})
	}
	if len(overlays) == 0 {
		return spec, nil
	}
	plain := spec // a manifest's spec as a job file, to which keys can be set
	plain.Files, plain.Features, plain.Custom = job.Files{}, nil, nil
	d, err := job.Decode("manifest", plain.YAML(false), overlays...)
	if err != nil {
		return spec, err
	}
	spec.Rules = d.Spec.Rules
	return spec, nil
}

// Differences lists the keys and users' rules that two specs have differently.
func Differences(before, after job.Spec) []Change {
	list := []Change{}
	values := func(s job.Spec) ([]string, map[string]string) {
		var paths []string
		texts := map[string]string{}
		for _, v := range s.Values() {
			if strings.HasPrefix(v.Path, "rules.") || strings.HasPrefix(v.Path, "custom_rules") {
				paths = append(paths, v.Path)
				texts[v.Path] = v.Text
			}
		}
		return paths, texts
	}
	paths, was := values(before)
	more, is := values(after)
	for _, p := range slices.Concat(paths, more) {
		if was[p] != is[p] && !slices.ContainsFunc(list, func(c Change) bool { return c.Key == p }) {
			list = append(list, Change{p, was[p], is[p]})
		}
	}
	return list
}
