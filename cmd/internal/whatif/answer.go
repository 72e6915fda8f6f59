package whatif

import (
	"fmt"
	"slices"

	"rescore/cmd/internal/progress"
	"rescore/partition/job"
)

// Answer is what other rules would do. The names of its fields are a contract.
type Answer struct {
	Version string   `json:"version"`
	Job     job.ID   `json:"job"`
	Month   int32    `json:"month"`
	Mode    string   `json:"mode"` // exact, sampled
	Changed []Change `json:"changed"`
	Scored  int64    `json:"scored"` // rows of the version
	Sample  *Sample  `json:"sample"` // null when the answer is exact
	Rules   []Line   `json:"rules"`  // T1 … T14, then the users' own
	Warn    Line     `json:"warn"`   // at least one trigger
}

// Change is a key that was set to something else.
type Change struct {
	Key    string `json:"key"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// Sample says what a sampled answer rests on.
type Sample struct {
	Share    float64 `json:"share"` // of the scored rows
	Rows     int64   `json:"rows"`
	Segments int     `json:"segments"`
	Of       int     `json:"segments_in_all"`
}

// Line is what becomes of one rule. Low and High of a figure are the ends of its
// 95 % interval; in an exact answer they are the figure.
type Line struct {
	Rule          string `json:"rule"`
	Title         string `json:"title"`
	Before        int64  `json:"before"` // exact always, but of a user's rule in a sample
	After         Figure `json:"after"`
	Newly         Figure `json:"newly_warned"`
	NoLonger      Figure `json:"no_longer_warned"`
	UnknownBefore int64  `json:"unknown_before"`
	UnknownAfter  Figure `json:"unknown_after"`
}

// Figure is a number of subscribers.
type Figure struct {
	Count int64 `json:"count"`
	Low   int64 `json:"low"`
	High  int64 `json:"high"`
}

func exactly(n int64) Figure { return Figure{n, n, n} }

// rulesOf names the users' rules of two specs, those of the first first.
func rulesOf(before, after job.Spec) []string {
	var names []string
	for _, f := range slices.Concat(before.Custom, after.Custom) {
		if !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

func (p *pass) answer(counts []count) *Answer {
	m := p.v.Manifest
	a := &Answer{Version: m.Version, Job: m.Job, Month: m.Month, Mode: "exact", Changed: Differences(p.v.Spec, p.o.Spec), Scored: m.Rows.Scored, Rules: []Line{}}
	for k := range 14 + len(p.rules) + 1 {
		var l line
		for _, c := range counts {
			l = l.add(c.lines[k])
		}
		out := Line{
			Before: l.before, After: exactly(l.after), Newly: exactly(l.newly), NoLonger: exactly(l.noLonger),
			UnknownBefore: l.unknownBefore, UnknownAfter: exactly(l.unknownAfter),
		}
		switch {
		case k < 14:
			out.Rule, out.Title = fmt.Sprintf("T%d", k+1), progress.Triggers[k]
			out.Before, out.UnknownBefore = m.Tally.Fired[k], m.Tally.Unknown[k]
			a.Rules = append(a.Rules, out)
		case k < 14+len(p.rules):
			out.Rule, out.Title = p.rules[k-14], "own rule"
			a.Rules = append(a.Rules, out)
		default:
			out.Rule, out.Title, out.Before = "any", "at least one trigger", m.Tally.Warn
			a.Warn = out
		}
	}
	return a
}
