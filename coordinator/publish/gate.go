package publish

import (
	"fmt"
	"strconv"

	"rescore/partition/job"
)

// Refusal is a gate that a version's rows do not pass.
type Refusal struct {
	Gate         string // the key in the job file, or what is missing
	Rows, In     int64
	Value, Limit float64 // shares; of gates.psi_max the indices
}

// String is the refusal with its figures.
func (r Refusal) String() string {
	if r.In == 0 {
		return fmt.Sprintf("%s: the propensity's PSI against the model's reference is %.6f, the limit is %g: the base has moved away from what the model was trained on", r.Gate, r.Value, r.Limit)
	}
	return fmt.Sprintf("%s: %d of %d rows are %.4f %%, the limit is %s %%", r.Gate, r.Rows, r.In, 100*r.Value, strconv.FormatFloat(100*r.Limit, 'g', 6, 64))
}

// Gate returns the gates that rows do not pass; stability is of what was watched for
// drift, nulls are the scored rows without a value by column.
//
// Of each table that events are read of, the share of those that are rejected is held to
// gates.reject_share_max too: a job that reads no time as it is written would find nobody
// to have complained.
//
// That rows are conserved and partitions cover the number space is no gate: a version
// where they are not cannot be sealed, and nobody can release it.
func Gate(rows job.Counts, stability []Stability, nulls map[string]int64, tables []Table, gates job.Gates) []Refusal {
	var refused []Refusal
	share := func(gate string, n int64, limit float64) {
		if s := float64(n) / float64(max(rows.In, 1)); s > limit {
			refused = append(refused, Refusal{gate, n, rows.In, s, limit})
		}
	}
	share("gates.reject_share_max", rows.Rejected, gates.RejectShareMax)
	share("gates.duplicate_share_max", rows.Duplicate, gates.DuplicateShareMax)
	for _, t := range tables {
		if s := float64(t.Rejected) / float64(max(t.In, 1)); s > gates.RejectShareMax {
			refused = append(refused, Refusal{"gates.reject_share_max of table " + t.Name, t.Rejected, t.In, s, gates.RejectShareMax})
		}
	}
	within := rows.In - rows.Excluded
	if s := float64(rows.Scored) / float64(max(within, 1)); s < gates.ScoredShareMin {
		refused = append(refused, Refusal{"gates.scored_share_min", rows.Scored, max(within, 1), s, gates.ScoredShareMin})
	}
	for _, column := range gates.Nulls() {
		limit := gates.NullShareMax[column]
		if s := float64(nulls[column]) / float64(max(rows.Scored, 1)); s > limit {
			refused = append(refused, Refusal{"gates.null_share_max." + column, nulls[column], max(rows.Scored, 1), s, limit})
		}
	}
	for _, s := range stability {
		if gates.PSIMax > 0 && s.Column == "propensity" && s.PSI > gates.PSIMax {
			refused = append(refused, Refusal{Gate: "gates.psi_max", Value: s.PSI, Limit: gates.PSIMax})
		}
	}
	return refused
}
