package comparison

import (
	"fmt"
	"math"
	"slices"

	"rescore/partition/contest"
	"rescore/partition/psi"
	"rescore/partition/schema"
)

// Figures are what two versions differ in. Shares and indexes are rounded to six
// decimals.
type Figures struct {
	Old  Side  `json:"old"`
	New  Side  `json:"new"`
	Both int64 `json:"both"` // rows of the same numbers
	// Identical says that the versions hold the same rows, to the last column: their
	// digests are equal.
	Identical bool `json:"identical"`
	// Columns are how rows of both moved: risk_band, action_priority, retain_decision.
	Columns []Matrix `json:"columns"`
	// PSI is the index of all of the new version's propensities against the old one's,
	// over its deciles; nil when one of them has no rows.
	PSI     *float64 `json:"psi"`
	Reading string   `json:"psi_reading,omitempty"` // stable, noticeable or major
	// Propensity compares the rows of both: the old version's in the champion's place.
	Propensity contest.Figures `json:"propensity"`
	Change     Change          `json:"change"`
	// Largest are the largest changes of the propensity; whose, nobody is told.
	Largest []Largest `json:"largest"`
}

// Side is one of the versions.
type Side struct {
	Version string `json:"version"`
	Job     string `json:"job"`
	Month   int32  `json:"month"`
	Digest  string `json:"digest"`
	Model   string `json:"model_digest"`
	Rules   string `json:"rules_digest"`
	Rows    int64  `json:"rows"` // scored
	Only    int64  `json:"only"` // of numbers that the other does not have
}

// Matrix counts the rows of both versions by what a column was and is.
type Matrix struct {
	Column string    `json:"column"`
	Labels []string  `json:"labels"`
	Rows   [][]int64 `json:"rows"` // by the old value, then the new, in the order of Labels
	Moved  int64     `json:"moved"`
}

// Change says how much the propensity of rows of both changed, without its sign.
type Change struct {
	Rows   int64   `json:"rows"` // with any change
	Mean   float64 `json:"mean"` // over all rows of both
	Median float64 `json:"p50"`  // at least so many changed by this or less; in steps of 0.001, as the next
	P90    float64 `json:"p90"`
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`
}

// Largest is a row whose propensity changed most.
type Largest struct {
	Old Row `json:"old"`
	New Row `json:"new"`
}

// Row is what a version says of a row.
type Row struct {
	Propensity float32  `json:"propensity"`
	RiskBand   uint8    `json:"risk_band"`
	Priority   string   `json:"action_priority"`
	Decision   string   `json:"retain_decision"`
	Reasons    []string `json:"reasons,omitempty"` // features that raise the propensity most, the first first
}

// figures works the figures out of what was counted of all numbers.
func (c *counts) figures(from, to Version) (Figures, error) {
	f := Figures{Old: from.side(), New: to.side(), Both: c.met, Identical: from.Digest == to.Digest, Propensity: c.moves.Figures()}
	for of, s := range []*Side{&f.Old, &f.New} {
		s.Only = c.rows[of] - c.met
		if c.rows[of] != s.Rows {
			return f, fmt.Errorf("version %s has %d rows, its manifest says %d: %w", s.Version, c.rows[of], s.Rows, ErrDamaged)
		}
	}
	bands := make([]schema.Code, contest.Bands)
	for i := range bands {
		bands[i] = schema.Code{Value: uint8(i + 1), Name: fmt.Sprint(i + 1)}
	}
	f.Columns = []Matrix{
		c.band.of("risk_band", bands),
		c.priority.of("action_priority", schema.Must(schema.Published, "action_priority").Codes),
		c.decision.of("retain_decision", schema.Must(schema.Published, "retain_decision").Codes),
	}
	if index, ok := contest.PSI(c.scores[0][:], c.scores[1][:]); ok {
		f.PSI, f.Reading = &index, psi.Reading(index)
	}
	f.Change = Change{Rows: c.changed, Median: c.quantile(0.5), P90: c.quantile(0.9), P99: c.quantile(0.99)}
	if c.met > 0 {
		f.Change.Mean = math.Round(float64(c.sum)/float64(c.met)) / 1e6
	}
	for i, x := range c.top {
		if i == 0 {
			f.Change.Max = math.Round(x.size*1e6) / 1e6
		}
		f.Largest = append(f.Largest, Largest{Old: x.was, New: x.is})
	}
	return f, nil
}

// of shows the counts of codes.
func (m *matrix) of(column string, codes []schema.Code) Matrix {
	out := Matrix{Column: column}
	for _, a := range codes {
		out.Labels = append(out.Labels, a.Name)
		var row []int64
		for _, b := range codes {
			n := m[a.Value][b.Value]
			row = append(row, n)
			if a != b {
				out.Moved += n
			}
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// quantile returns the change that a share of the rows of both does not exceed, in
// thousandths.
func (c *counts) quantile(share float64) float64 {
	var passed int64
	at := slices.IndexFunc(c.steps[:], func(n int64) bool {
		passed += n
		return float64(passed) >= share*float64(c.met)
	})
	return float64(max(at, 0)) / stepMax
}
