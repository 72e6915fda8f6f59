package publish

import "rescore/partition/psi"

// Stability says how far a column has moved from what the model was trained on.
type Stability struct {
	Column  string  `json:"column"` // propensity, or a feature as the model has it
	PSI     float64 `json:"psi"`
	Reading string  `json:"reading"` // stable below 0.1, noticeable up to 0.25, major above
	Rows    []int64 `json:"rows"`    // by bin of the model's package, the missing ones last
}

// Stabilities works the indices out of what was counted, for each of the bins of the
// model's package. There are none of a version without rows.
func Stabilities(bins []psi.Bins, counts [][]int64) []Stability {
	var list []Stability
	for i, b := range bins {
		if i >= len(counts) || len(counts[i]) != b.Len() {
			return nil // no row was scored
		}
		if index, ok := b.Index(counts[i]); ok {
			list = append(list, Stability{b.Name, index, psi.Reading(index), counts[i]})
		}
	}
	return list
}
