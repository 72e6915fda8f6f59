package sink

import (
	"fmt"
	"math"

	"rescore/partition/job"
)

// tallies says what a column adds to the tally for n rows that hold a value.
// Counting rows by value comes free with making a dictionary, so a tally costs
// as much as the dictionary is long. A tally that does not know the value says
// false.
var tallies = map[string]func(t *job.Tally, value int32, n int64) bool{
	"trg_fired":   func(t *job.Tally, v int32, n int64) bool { return tallyBits(&t.Fired, v, n) },
	"trg_unknown": func(t *job.Tally, v int32, n int64) bool { return tallyBits(&t.Unknown, v, n) },
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

func tallyBits(by *[14]int64, v int32, n int64) bool {
	for i := range by {
		by[i] += int64(v>>i&1) * n
	}
	return v>>len(by) == 0
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
