package capacity

import (
	"cmp"
	"math"
	"slices"
)

// Keep puts figures into a list: in the place of those of the same machine, job and
// size, in an order that does not depend on when they came.
func Keep(list []Measured, m Measured) []Measured {
	kept := slices.DeleteFunc(slices.Clone(list), func(old Measured) bool { return order(old, m) == 0 })
	kept = append(kept, m)
	slices.SortFunc(kept, order)
	return kept
}

func order(a, b Measured) int {
	return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.ModelDigest, b.ModelDigest), cmp.Compare(a.Record, b.Record), cmp.Compare(a.Subscribers, b.Subscribers))
}

// Find chooses the figures of a machine, a model and a record that are nearest to a
// base in size: by how many times the one is the other.
func Find(list []Measured, host, digest, record string, rows int64) (found Measured, ok bool) {
	nearest := math.Inf(1)
	for _, m := range list {
		if m.Host != host || m.ModelDigest != digest || m.Record != record || m.check() != nil || rows < 1 {
			continue
		}
		if far := math.Abs(math.Log(float64(rows) / float64(m.Subscribers))); far < nearest {
			found, nearest, ok = m, far, true
		}
	}
	return found, ok
}
