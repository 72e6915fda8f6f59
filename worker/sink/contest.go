package sink

import (
	"sync"

	"rescore/partition/contest"
)

// contests keeps empty counts, 0.3 megabytes each, from one attempt to the next.
var contests = sync.Pool{New: func() any { return contest.New() }}

// newContest returns empty counts for so many challengers.
func newContest(challengers int) []*contest.Counts {
	var list []*contest.Counts
	for range challengers {
		list = append(list, contests.Get().(*contest.Counts))
	}
	return list
}

func releaseContest(list []*contest.Counts) {
	for _, c := range list {
		c.Reset()
		contests.Put(c)
	}
}

// countContest counts every row from first on, as champion and challengers say: the challengers'
// columns stand behind those that every score file has.
func (g *group) countContest(first int, list []*contest.Counts, scale *contest.Scale) {
	if len(list) == 0 {
		return
	}
	var champion, challenger [sumBlock]contest.Grade
	all := g.columns[propensityColumn].(*real).values
	for from := first; from < g.rows; from += sumBlock {
		past := min(from+sumBlock, g.rows)
		scale.Grade(champion[:], all[from:past])
		for i, counts := range list {
			scale.Grade(challenger[:], g.columns[len(scored.columns)+i].(*real).values[from:past])
			counts.Add(champion[:past-from], challenger[:past-from])
		}
	}
}
