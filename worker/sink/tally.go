package sink

import (
	"fmt"
	"math"

	"rescore/partition/job"
)

// tallies says what a column adds to the tally for n rows that hold a value, from its
// dictionary. A tally that does not know the value says false. Rows are counted by value
// where all values fit into a byte; of other columns n may be 1 whatever they are.
var tallies = map[string]func(t *job.Tally, value int32, n int64) bool{
	"warn": func(t *job.Tally, v int32, n int64) bool {
		t.Warn += int64(v) * n
		return v <= 1
	},
	"risk_band": func(t *job.Tally, v int32, n int64) bool {
		if v < 1 || int(v) >= len(t.Risk) {
			return false
		}
		t.Risk[v] += n
		return true
	},
	"retain_decision": func(t *job.Tally, v int32, n int64) bool {
		if v < 1 || int(v) >= len(t.Decision) {
			return false
		}
		t.Decision[v] += n
		return true
	},
	"action_priority_score": func(_ *job.Tally, v int32, _ int64) bool { return v <= 1000 || v == math.MaxUint16 },
	"action_priority": func(t *job.Tally, v int32, n int64) bool {
		if int(v) >= len(t.Priority) {
			return false
		}
		t.Priority[v] += n
		return true
	},
	"reason_method": func(t *job.Tally, v int32, n int64) bool { return t.Explained.Count(uint8(v), n) },
	"dq_bad_values": func(t *job.Tally, v int32, n int64) bool {
		t.BadValues += int64(v) * n
		return true
	},
}

// bitTallies are the tallies of columns of 16 bits by bit: how many rows have it.
var bitTallies = map[string]func(t *job.Tally) *[14]int64{
	"trg_fired":   func(t *job.Tally) *[14]int64 { return &t.Fired },
	"trg_unknown": func(t *job.Tally) *[14]int64 { return &t.Unknown },
}

// tallyBits books how many rows have each bit of a column.
func tallyBits(t *job.Tally, column string, rows *[16]int64) error {
	of := bitTallies[column](t)
	for i, n := range rows {
		if i < len(of) {
			of[i] += n
		} else if n > 0 {
			return fmt.Errorf("%w: %s has bit %d in %d rows", ErrValue, column, i, n)
		}
	}
	return nil
}

// tally books a dictionary with the rows that hold each entry.
func tally(t *job.Tally, column string, dict []int32, rows []int64) error {
	add := tallies[column]
	if add == nil {
		return nil
	}
	for i, v := range dict {
		if rows[i] > 0 && !add(t, v, rows[i]) {
			return fmt.Errorf("%w: %s is %d in %d rows", ErrValue, column, v, rows[i])
		}
	}
	return nil
}
