package bundle

import (
	"slices"

	"rescore/partition/psi"
	"rescore/worker/score"
)

// psiBins is into how many bins of even weight a column is cut.
const psiBins = 10

// Reference cuts a reference base into bins: n rows of a column for each feature,
// before policies, and the propensity that would be published of them where the model
// predicts one.
func (b *Bundle) Reference(columns [][]float64, n int) (*PSI, error) {
	scored, _, err := b.Score(columns, n)
	if err != nil {
		return nil, err
	}
	p := &PSI{}
	if scored.Propensity != nil {
		published := make([]float64, n)
		for i, x := range scored.Propensity {
			published[i] = float64(score.Published(x))
		}
		bins := psi.Fit(published, psiBins)
		p.Score = &bins
	}
	for f, name := range b.Model.Features {
		if name == "" || slices.Contains(b.Model.Features[:f], name) {
			continue // it could not be named
		}
		bins := psi.Fit(slices.Clone(columns[f]), psiBins)
		bins.Name = name
		p.Features = append(p.Features, bins)
	}
	return p, nil
}
