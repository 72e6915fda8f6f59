package formula

import (
	"fmt"
	"math"
	"strings"

	"rescore/partition/schema"
)

// bases are the units that others are products of.
var bases = [...]schema.Unit{schema.Fen, schema.Second, schema.KB, schema.Count, schema.Month, schema.Day}

// unit is the unit of a number: a product of powers of the bases, a date, or
// bare. A ratio has all powers 0.
type unit struct {
	powers [len(bases)]int8
	bare   bool // a plain number: takes the unit of what it meets
	date   bool // days since 1970-01-01
}

var (
	bare  = unit{bare: true}
	ratio = unit{}
	date  = unit{date: true}
	days  = unitOf(schema.Day)
)

// powerMax keeps powers from running over.
const powerMax = 9

func unitOf(u schema.Unit) unit {
	var v unit
	for i, base := range bases {
		if base == u {
			v.powers[i] = 1
		}
	}
	return v
}

// String returns fen, fen/second, ratio, number (bare) or date.
func (u unit) String() string {
	switch {
	case u.bare:
		return "number"
	case u.date:
		return "date"
	}
	var over, under []string
	for i, p := range u.powers {
		word := string(bases[i])
		if p > 1 || p < -1 {
			word = fmt.Sprintf("%s^%d", word, max(p, -p))
		}
		switch {
		case p > 0:
			over = append(over, word)
		case p < 0:
			under = append(under, word)
		}
	}
	switch {
	case len(over)+len(under) == 0:
		return string(schema.Ratio)
	case len(under) == 0:
		return strings.Join(over, "·")
	case len(over) == 0:
		over = []string{"1"}
	}
	return strings.Join(over, "·") + "/" + strings.Join(under, "/")
}

// times returns the unit of u·v (sign 1) or u/v (sign -1); not ok when the powers
// leave reason.
func (u unit) times(v unit, sign int8) (unit, bool) {
	if u.bare && v.bare {
		return bare, true
	}
	u.bare = false
	for i := range u.powers {
		u.powers[i] += sign * v.powers[i]
		if u.powers[i] > powerMax || u.powers[i] < -powerMax {
			return ratio, false
		}
	}
	return u, true
}

// root returns the unit of the square root.
func (u unit) root() (unit, bool) {
	for i := range u.powers {
		if u.powers[i]%2 != 0 {
			return ratio, false
		}
		u.powers[i] /= 2
	}
	return u, true
}

// measure is a function that gives a number its unit: yuan(35) is 3500 fen.
type measure struct {
	unit  schema.Unit
	scale float64
}

var units = map[string]measure{
	"fen": {schema.Fen, 1}, "yuan": {schema.Fen, 100},
	"seconds": {schema.Second, 1}, "minutes": {schema.Second, 60}, "hours": {schema.Second, 3600},
	"kb": {schema.KB, 1}, "mb": {schema.KB, 1024}, "gb": {schema.KB, 1024 * 1024},
	"months": {schema.Month, 1}, "days": {schema.Day, 1},
}

// whole returns v, or the whole number that v misses by no more than rounding
// makes: 0.29 yuan are 29 fen.
func whole(v float64) float64 {
	if r := math.Round(v); math.Abs(v-r) <= 1e-9*math.Max(1, math.Abs(v)) {
		return r
	}
	return v
}
