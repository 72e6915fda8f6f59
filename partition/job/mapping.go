package job

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"rescore/partition/schema"
)

// dimensions are the units that can be turned into one another.
var dimensions = [][]schema.Unit{
	{schema.Fen, schema.Yuan},
	{schema.Second, schema.Minute},
	{schema.Byte, schema.KB, schema.MB, schema.GB},
	{schema.Count},
	{schema.Month},
	{schema.Day},
	{schema.Ratio},
}

// Units returns the units a column with the canonical unit u can be read
// from, itself included; none for codes and identifiers.
func Units(u schema.Unit) []schema.Unit {
	for _, d := range dimensions {
		if slices.Contains(d, u) {
			return d
		}
	}
	return nil
}

// defaultColumn is the input name a canonical column is looked up under when
// the job file names none.
func defaultColumn(canonical, layout string) string {
	if col, ok := schema.Find(schema.Subscriber, canonical); ok && col.Monthly && layout != "months" {
		return canonical + "_m{k}"
	}
	return canonical
}

// columns checks every mapping of the input.
func (c *checker) columns(in Input) {
	names := make([]string, len(schema.Subscriber))
	for i, col := range schema.Subscriber {
		names[i] = col.Name
	}
	for _, key := range slices.Sorted(maps.Keys(in.Columns)) {
		at := join("input.columns", key)
		col, ok := schema.Find(schema.Subscriber, key)
		if !ok {
			remedy := "see `rescore config default` for the canonical columns; anything else goes under input.extra"
			if base, month, found := cutMonth(key); found {
				remedy = fmt.Sprintf("map all months at once: %s: {column: \"…{k}\"} or {months: […]}, here for month %s", base, month)
			} else if near, ok := Closest(key, names); ok {
				remedy = fmt.Sprintf("did you mean %s?", near)
			}
			c.add(at, "there is no such canonical column", remedy)
			continue
		}
		c.place(at, col, in.Columns[key], in.Layout)
		c.reading(at, col, in.Columns[key])
	}
}

// cutMonth splits fee_m3 into fee and 3, for a monthly canonical column.
func cutMonth(key string) (base, month string, ok bool) {
	i := strings.LastIndex(key, "_m")
	if i < 0 {
		return "", "", false
	}
	base, month = key[:i], key[i+2:]
	col, found := schema.Find(schema.Subscriber, base)
	return base, month, found && col.Monthly && len(month) == 1 && month[0] >= '0' && month[0] < '0'+schema.Months
}

// place checks where a column comes from.
func (c *checker) place(at string, col schema.Column, m Mapping, layout string) {
	given := []string{}
	if m.Column != "" {
		given = append(given, "column")
	}
	if m.Months != nil {
		given = append(given, "months")
	}
	if m.Constant != nil {
		given = append(given, "constant")
	}
	if len(given) != 1 {
		message := "the mapping names no column"
		if len(given) > 1 {
			message = strings.Join(given, " and ") + " are both given"
		}
		c.add(at, message, "give exactly one of column, months and constant")
		return
	}
	month, k := strings.Count(m.Column, "{month}"), strings.Count(m.Column, "{k}")
	switch {
	case m.Constant != nil:
		switch low, high := span(col); {
		case col.Name == schema.Key:
			c.add(at+".constant", "subscribers cannot all have the same number", "name the column, or number the rows with input.make_numbers")
		case *m.Constant < low || *m.Constant > high:
			c.add(at+".constant", fmt.Sprintf("%d does not fit the column", *m.Constant), fmt.Sprintf("write a whole number from %d to %d", low, high))
		}
	case m.Months != nil:
		switch {
		case !col.Monthly:
			c.add(at+".months", fmt.Sprintf("%s has one value, not one a month", col.Name), "write column: instead")
		case layout == "months":
			c.add(at+".months", "under layout months every month's file has the same columns", "write column: instead")
		case len(m.Months) == 0 || len(m.Months) > schema.Months:
			c.add(at+".months", fmt.Sprintf("%d months are listed", len(m.Months)), fmt.Sprintf("list one to %d, the scoring month first", schema.Months))
		case !slices.ContainsFunc(m.Months, func(s string) bool { return s != "" }):
			c.add(at+".months", "every month is absent", "name a column, or leave the mapping out")
		}
		for i, s := range m.Months {
			if strings.Contains(s, "{month}") || strings.Contains(s, "{k}") {
				c.add(fmt.Sprintf("%s.months[%d]", at, i), "a listed month is a plain name", "write column: for a template")
			}
		}
	case layout == "months" && month+k > 0:
		c.add(at+".column", "under layout months every month's file has the same columns", "write the name without {month} or {k}")
	case layout == "months":
	case col.Monthly && month == 0 && k == 0:
		c.add(at+".column", fmt.Sprintf("%s has a value a month, and the name has no place for the month", col.Name), "write {month} (yyyymm) or {k} (months back, 0 the scoring month) in it, or list the names under months:")
	case col.Monthly && month > 0 && k > 0:
		c.add(at+".column", "the name holds both {month} and {k}", "use one of the two")
	case !col.Monthly && month+k > 0:
		c.add(at+".column", fmt.Sprintf("%s has one value, not one a month", col.Name), "write the name without {month} or {k}")
	}
}

// reading checks how a column's values are read.
func (c *checker) reading(at string, col schema.Column, m Mapping) {
	units, isDate := Units(col.Unit), col.Type.Name() == dateType
	if m.Unit != "" && !slices.Contains(units, m.Unit) {
		words := make([]string, len(units))
		for i, u := range units {
			words[i] = string(u)
		}
		switch {
		case len(units) == 0:
			c.add(at+".unit", fmt.Sprintf("%s has no unit, so it cannot be in %q", col.Name, clip(string(m.Unit))), "remove the unit")
		default:
			c.add(at+".unit", fmt.Sprintf("%q is not a unit of %s", clip(string(m.Unit)), col.Name), writeOneOf(string(m.Unit), words))
		}
	}
	if len(m.Values) > 0 {
		low, high := span(col)
		switch {
		case isDate:
			c.add(at+".values", "a date has no codes", "write format: for its layout")
		case m.Constant != nil:
			c.add(at+".values", "a constant reads no text", "remove values")
		case m.Unit != "":
			c.add(at+".values", "codes have no unit", "remove values or unit")
		}
		for _, text := range slices.Sorted(maps.Keys(m.Values)) {
			if v := m.Values[text]; v < low || v > high {
				c.add(join(at+".values", text), fmt.Sprintf("the code %d does not fit the column", v), fmt.Sprintf("write a whole number from %d to %d", low, high))
			}
		}
	}
	switch {
	case m.Format == "":
	case !isDate:
		c.add(at+".format", fmt.Sprintf("%s is not a date", col.Name), "remove format")
	case m.Constant != nil:
		c.add(at+".format", "a constant reads no text", "remove format")
	case !datesRoundTrip(m.Format):
		c.add(at+".format", fmt.Sprintf("%q does not say year, month and day", clip(m.Format)), "write how 2 January 2006 would look: 2006-01-02, 02/01/2006, 20060102")
	}
}

// datesRoundTrip reports whether a Go layout tells days apart.
func datesRoundTrip(layout string) bool {
	for _, day := range []time.Time{
		time.Date(1998, 11, 23, 0, 0, 0, 0, time.UTC),
		time.Date(2031, 4, 7, 0, 0, 0, 0, time.UTC),
	} {
		back, err := time.Parse(layout, day.Format(layout))
		if err != nil || back.Year() != day.Year() || back.YearDay() != day.YearDay() {
			return false
		}
	}
	return true
}

// dateType is the name of the type of dates.
const dateType = "date32"

// span is the range of whole numbers a column's type holds, as far as an int64
// can say it.
func span(col schema.Column) (low, high int64) {
	switch col.Type.Name() {
	case "uint8":
		return 0, math.MaxUint8
	case "uint16":
		return 0, math.MaxUint16
	case "uint32":
		return 0, math.MaxUint32
	case "uint64":
		return 0, math.MaxInt64
	case "int8":
		return math.MinInt8, math.MaxInt8
	case "int16":
		return math.MinInt16, math.MaxInt16
	case "int32", dateType:
		return math.MinInt32, math.MaxInt32
	case "int64":
		return math.MinInt64, math.MaxInt64
	}
	panic(fmt.Sprintf("job: column %s holds no whole number: %s", col.Name, col.Type))
}
