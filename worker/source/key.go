package source

import (
	"math"

	"rescore/partition"
	"rescore/partition/job"
)

// verdict is what a row's key is, before the rows around it are looked at.
type verdict uint8

const (
	goodKey  verdict = iota
	nullKey          // no number
	badKey           // not an 11-digit number
	iotKey           // 13-digit IoT number, kept out by policy
	badWidth         // a CSV row whose fields cannot be told apart
)

// reason returns why a row with this key is not scored.
func (v verdict) reason() job.Reason {
	return [...]job.Reason{0, job.NullKey, job.BadNumber, job.IoTNumber, job.BadWidth}[v]
}

// keyRule reads numbers: exactly eleven digits, nothing stripped, nothing
// guessed. Other forms are for a preparation to read: intake.Numbers.
type keyRule struct {
	iot   bool     // 13-digit IoT numbers are excluded, not rejected
	nulls []string // texts that are null
}

func (r keyRule) integer(v int64) (uint64, verdict) {
	if n := partition.Number(v); n.Valid() && v >= 0 {
		return uint64(v), goodKey
	}
	// IoT blocks are 10646…, 10648…, 10649…, 1410…, 1440… and the like; 86138…
	// is a subscriber with the country code, and no IoT number.
	if r.iot && (v/1e11 == 10 || v/1e11 == 14) {
		return 0, iotKey
	}
	return 0, badKey
}

func (r keyRule) float(v float64) (uint64, verdict) {
	if v != v {
		return 0, nullKey
	}
	if v != math.Trunc(v) || v < 0 || v > 1e15 {
		return 0, badKey
	}
	return r.integer(int64(v))
}

func (r keyRule) text(b []byte) (uint64, verdict) {
	if len(b) == 11 || len(b) == 13 {
		var v int64
		for _, c := range b {
			d := c - '0'
			if d > 9 {
				v = -1
				break
			}
			v = v*10 + int64(d)
		}
		if v >= 1e10 && (len(b) == 11 || v >= 1e12) { // no leading zeros
			return r.integer(v)
		}
	}
	for _, n := range r.nulls {
		if string(b) == n {
			return 0, nullKey
		}
	}
	return 0, badKey
}
