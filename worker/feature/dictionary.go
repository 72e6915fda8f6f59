package feature

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/schema"
)

// Entry describes a feature.
type Entry struct {
	Name    string
	Type    arrow.DataType // always float64
	Unit    schema.Unit
	Null    string // when the value is NaN; "" = never
	Formula string
	Sources []string // canonical flat columns it is worked out from
}

// Dictionary lists every feature there is, in a fixed order. In its formulas m
// is the scoring month and m-1 the month before it. Read only.
var Dictionary = entries()

// Find returns the entry of a feature.
func Find(name string) (Entry, bool) {
	i := slices.IndexFunc(Dictionary, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Entry{}, false
	}
	return Dictionary[i], true
}

func entries() []Entry {
	var list []Entry
	add := func(name string, unit schema.Unit, null, formula string, sources ...string) {
		list = append(list, Entry{Name: name, Type: arrow.PrimitiveTypes.Float64, Unit: unit, Null: null, Formula: formula, Sources: sources})
	}
	flat := func(column string, months int, more ...string) []string {
		return append(schema.Must(schema.Subscriber, column).Between(0, months-1), more...)
	}
	const joined = "activation_date"
	for _, m := range metrics {
		column := schema.Must(schema.Subscriber, m.column)
		for _, s := range stats6 {
			unit := s.unit
			if s.ofX {
				unit = column.Unit
			}
			add(m.column+"_"+s.suffix, unit, s.null, fmt.Sprintf("x = %s: %s", m.column, s.formula), flat(m.column, s.months, joined)...)
		}
	}
	add(outInRatio, schema.Ratio, "either mean is missing, or both are 0", "out_sec_avg3 / (out_sec_avg3 + in_sec_avg3)",
		append(flat("out_sec", 3), flat("in_sec", 3, joined)...)...)
	for _, s := range sums {
		add(s.name, schema.Count, "no month is there", fmt.Sprintf("sum of the months of %s from m-%d to m that are there", s.column, s.months-1), flat(s.column, s.months, joined)...)
	}
	add(daysToContractEnd, schema.Day, "no agreement", "contract_end - last day of m; negative once it has ended", "contract_end")
	add(hasContract, schema.None, "", "1 when contract_end is known, otherwise 0", "contract_end")
	add(tenure, schema.Month, "tenure unknown", "tenure_months, or the full calendar months since activation_date; at least 0", "tenure_months", joined)
	add(tenureBand, schema.None, "tenure unknown", "1: below 3 full months, 2: 3 to 5, 3: 6 to 11, 4: 12 to 23, 5: 24 to 59, 6: 60 and more", "tenure_months", joined)
	add(billShock, schema.None, "the bill is missing, or fewer than 2 of the three before it are there",
		"1 when fee[m] is at least bill_shock_pct % of the mean of fee[m-3..m-1] and at least bill_shock_fen above it, otherwise 0", flat("fee", 4, joined)...)
	return list
}
