package program

import (
	"fmt"
	"math"
	"slices"

	"rescore/partition/job"
	"rescore/partition/psi"
	"rescore/worker/bundle"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// watched lists the bins of a package's card: those of the propensity first, under
// its name, then those of the features.
func watched(p *bundle.PSI) (bins []psi.Bins) {
	if p == nil {
		return nil
	}
	if p.Score != nil {
		score := *p.Score
		score.Name = propensityColumn
		bins = append(bins, score)
	}
	return append(bins, p.Features...)
}

const propensityColumn = "propensity"

// Drift counts the rows of a program's batches by the bins that its model's package
// has of the propensity and of features: how a base has moved away from training
// follows from the sums over all partitions (package psi). It serves one goroutine.
type Drift struct {
	bins   []psi.Bins
	column []*kernel.Vector // of the program
	counts [][]int64        // rows up to each edge, then rows that are not missing, then all
	x      [lane.Rows]float64
	known  lane.Mask
}

// Drift watches the columns that model m has bins of. m is the model that the program
// was planned with.
func (g *Program) Drift(m Model) (*Drift, error) {
	d := &Drift{bins: m.Bins}
	if len(m.Bins) == 0 {
		return d, nil
	}
	compiled, err := m.compiled()
	if err != nil {
		return nil, err
	}
	fields := m.fields(compiled)
	for i, b := range m.Bins {
		column := propensityColumn
		if i > 0 || b.Name != propensityColumn {
			column = fields[slices.Index(m.Features, b.Name)].Name
		}
		at := slices.IndexFunc(g.slots, func(s slot) bool { return s.field.Name == column })
		if at < 0 {
			return nil, fmt.Errorf("watch %s for drift: the program has no column %s", b.Name, column)
		}
		d.column = append(d.column, &g.slots[at].vector)
		d.counts = append(d.counts, make([]int64, len(b.Edges)+2))
	}
	return d, nil
}

// Add counts the n rows of the batch that was evaluated last, without those that drop
// has a reason for; nil drops none.
func (d *Drift) Add(n int, drop []job.Reason) {
	for lo := 0; lo < n && len(d.bins) > 0; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		var kept, m lane.Mask
		kept.Fill(true)
		if drop != nil {
			for i, r := range drop[lo:hi] {
				kept.Set(i, r == 0)
			}
		}
		all := int64(kept.Count(hi - lo))
		for c, b := range d.bins {
			x, counts := d.x[:hi-lo], d.counts[c]
			switch v := d.column[c]; {
			case v.F32 != nil:
				lane.Widen(x, v.F32[lo:hi])
			case v.Coded != nil:
				v.Coded.Values(x, lo)
			case v.F64 != nil:
				x = v.F64[lo:hi]
			default:
				d.known.Valid(v.Valid, lo, hi-lo)
				lane.Floats(x, v, lo, &d.known, math.NaN())
			}
			count := func() int64 {
				m.And(&m, &kept)
				return int64(m.Count(hi - lo))
			}
			for e, edge := range b.Edges {
				lane.AtMost(&m, x, edge)
				counts[e] += count()
			}
			lane.Known(&m, x)
			counts[len(b.Edges)] += count()
			counts[len(b.Edges)+1] += all
		}
	}
}

// Counts returns the rows by bin, for each column in the order of Model.Bins: what
// psi.Bins.Index takes.
func (d *Drift) Counts() [][]int64 {
	list := make([][]int64, len(d.bins))
	for c, upTo := range d.counts {
		list[c] = slices.Clone(upTo)
		for i := len(upTo) - 1; i > 0; i-- {
			list[c][i] -= upTo[i-1]
		}
	}
	return list
}
