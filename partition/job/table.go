package job

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"rescore/partition/lazy"
	"rescore/partition/schema"
)

// Functions of an aggregate.
const (
	Count         = "count"          // events
	CountDistinct = "count_distinct" // values that differ
	Sum           = "sum"
	Avg           = "avg"
	Min           = "min"
	Max           = "max"
	First         = "first" // by time; of the same time, in the order of the rows
	Last          = "last"
	BitOr         = "bit_or" // the bits of all
)

// Limits of input.tables.
const (
	TablesMax       = 16
	tableColumnsMax = 64
	daysMax         = 3660
)

// Extras returns the names of the extra columns: those of the base, then what tables
// fill beside the canonical columns.
func (i Input) Extras() []string {
	var names []string
	for _, x := range i.Extra {
		names = append(names, x.Name)
	}
	for _, t := range i.Tables {
		for _, name := range slices.Sorted(maps.Keys(t.Columns)) {
			if _, canonical := schema.Find(schema.Subscriber, name); !canonical {
				names = append(names, name)
			}
		}
	}
	return names
}

var (
	tableShape = lazy.Regexp(`^[A-Za-z][A-Za-z0-9_]*$`)
	zoneShape  = lazy.Regexp(`^[+-](0\d|1[0-4]):[0-5]\d$`)
)

// Offset returns the seconds that the calendar of a zone is ahead of UTC, 0 of none.
func (t Table) Offset() int64 {
	if !zoneShape().MatchString(t.Zone) {
		return 0
	}
	hours, _ := strconv.ParseInt(t.Zone[1:3], 10, 64) // digits by the pattern
	minutes, _ := strconv.ParseInt(t.Zone[4:], 10, 64)
	seconds := 3600*hours + 60*minutes
	if t.Zone[0] == '-' {
		return -seconds
	}
	return seconds
}

// Epoch reports whether times are whole numbers since 1970, and how many a second.
func (t Table) Epoch() (perSecond int64, ok bool) {
	switch t.TimeFormat {
	case "unix":
		return 1, true
	case "unix_ms":
		return 1000, true
	}
	return 0, false
}

func (c *checker) tables(s Spec) {
	list := s.Input.Tables
	if len(list) > 0 && s.Prepares() {
		c.add("input.tables", "a preparation has one input", "prepare each table by a job of its own, with prepare.keep: all")
		return
	}
	if n := len(list); n > TablesMax {
		c.add("input.tables", fmt.Sprintf("there are %d tables", n), fmt.Sprintf("keep %d", TablesMax))
	}
	names := map[string]bool{}
	filled := map[string]string{} // by column: where
	for name := range s.Input.Columns {
		filled[name] = join("input.columns", name)
	}
	for i, x := range s.Input.Extra {
		filled[x.Name] = fmt.Sprintf("input.extra[%d]", i)
	}
	for i, t := range list {
		at := fmt.Sprintf("input.tables[%d]", i)
		switch {
		case t.Name == "":
			c.add(at+".name", "the table has no name", "write name: with letters, digits and _, starting with a letter")
		case len(t.Name) > challengerNameMax || !tableShape().MatchString(t.Name):
			c.add(at+".name", fmt.Sprintf("%q is not the name of a table", clip(t.Name)), fmt.Sprintf("use letters, digits and _, starting with a letter, %d at most", challengerNameMax))
		case names[t.Name]:
			c.add(at+".name", fmt.Sprintf("%s stands here twice", t.Name), "give every table a name of its own")
		}
		names[t.Name] = true
		c.table(at, t)
		for _, name := range slices.Sorted(maps.Keys(t.Columns)) {
			here := join(at+".columns", name)
			if before, twice := filled[name]; twice {
				c.add(here, fmt.Sprintf("%s fills %s already", before, clip(name)), "keep one of the two")
			} else {
				filled[name] = here
			}
			c.aggregate(here, name, t, t.Columns[name])
		}
	}
}

// table checks where a table is and when its events were.
func (c *checker) table(at string, t Table) {
	switch {
	case t.Path == "":
		c.add(at+".path", "the table has no path", "write the file, folder or glob of its events")
	case strings.ContainsRune(t.Path, 0):
		c.add(at+".path", "the path holds a zero byte", "remove it")
	case braces().MatchString(t.Path):
		c.add(at+".path", "the path of a table has no template", "name the one file or folder of all months")
	default:
		if _, err := path.Match(t.Path, ""); err != nil {
			c.add(at+".path", "the glob cannot be read", "close the bracket [, or write \\[ for the character itself")
		}
	}
	c.csv(at+".csv", t.CSV)
	c.control(at+".control", t.Control)
	if t.Number == "" {
		c.add(at+".number", "the value is empty", "name the column of the subscriber's number, or leave the key out for "+schema.Key)
	}
	if t.Time == "" {
		c.add(at+".time", "the table has no time", "name the column that says when an event was")
	}
	if _, epoch := t.Epoch(); t.TimeFormat != "" && !epoch && !datesRoundTrip(t.TimeFormat) {
		c.add(at+".time_format", fmt.Sprintf("%q does not say year, month and day", clip(t.TimeFormat)), "write unix, unix_ms, or how 2 January 2006 would look: 2006-01-02 15:04:05")
	}
	if t.Zone != "" && !zoneShape().MatchString(t.Zone) {
		c.add(at+".zone", fmt.Sprintf("%q is not a zone", clip(t.Zone)), "write hours and minutes ahead of UTC, such as +08:00")
	}
	switch n := len(t.Columns); {
	case n == 0:
		c.add(at+".columns", "the table fills no column", "write the columns it fills, such as complaint_cnt: {function: count}")
	case n > tableColumnsMax:
		c.add(at+".columns", fmt.Sprintf("the table fills %d columns", n), fmt.Sprintf("keep %d", tableColumnsMax))
	}
}

// aggregate checks one column of a table.
func (c *checker) aggregate(at, name string, t Table, a Aggregate) {
	col, canonical := schema.Find(schema.Subscriber, name)
	switch {
	case name == "":
		c.add(at, "the column has no name", "write a canonical column, or a name that a feature or the model reads")
	case name == schema.Key:
		c.add(at, "the number is what rows are joined by", "remove the line")
	case !canonical:
		if base, month, found := cutMonth(name); found {
			c.add(at, fmt.Sprintf("%s is month %s of %s", clip(name), month, base), fmt.Sprintf("write %s: every month is filled by its own events", base))
		}
	}
	if a.Function == "" {
		c.add(at+".function", "the column has no function", "write count, count_distinct, sum, avg, min, max, first, last or bit_or")
	}
	if canonical {
		c.suits(at, col, a)
		if a.Function != Count {
			c.reading(at, col, Mapping{Column: a.Column, Unit: a.Unit, Values: a.Values, Format: a.Format})
		}
	} else {
		if a.Unit != "" {
			c.add(at+".unit", "an extra column has no unit", "remove the unit")
		}
		if a.Format != "" {
			c.add(at+".format", "an extra column is no date", "remove format")
		}
		if a.Function == BitOr {
			c.add(at+".function", "an extra column has no flags", "write bit_or under a canonical column of flags, such as complaint_tags")
		}
	}
	switch {
	case a.Function == Count && a.Column != "":
		c.add(at+".column", "count counts events, whatever they hold", "remove column; write count_distinct, or where, to count values")
	case a.Function == Count && (a.Unit != "" || a.Values != nil || a.Format != ""):
		c.add(at, "count reads no column", "remove unit, values and format")
	case a.Function != "" && a.Function != Count && a.Column == "":
		c.add(at+".column", fmt.Sprintf("%s has no column", a.Function), "name a column of the table")
	}
	if a.Keywords && (name != "complaint_tags" || a.Function != BitOr || a.Values != nil) {
		c.add(at+".keywords", "keywords make tags of text", "write them under complaint_tags, with function: bit_or and no values")
	}
	switch {
	case col.Monthly && (a.Months != 0 || a.Days != 0):
		c.add(at, fmt.Sprintf("%s has a value a month, each of its own month's events", name), "remove months and days")
	case a.Months != 0 && a.Days != 0:
		c.add(at+".days", "months and days are both given", "keep one of the two")
	case a.Months > t.Months:
		c.add(at+".months", fmt.Sprintf("the table holds %d months", t.Months), "write no more, or more under the table's months")
	}
	for _, column := range slices.Sorted(maps.Keys(a.Where)) {
		texts := a.Where[column]
		here := join(at+".where", column)
		if column == "" || len(texts) == 0 {
			c.add(here, "no event can hold one of no texts", "name a column of the table, and list texts: {kind: [fault]}")
		}
		c.twice(here, texts, "keep one of the two")
	}
	if a.Empty != nil {
		low, high := int64(-1<<53), int64(1<<53)
		if canonical {
			low, high = span(col)
		}
		switch {
		case canonical && col.Type.Name() == dateType:
			c.add(at+".empty", "who has no event has no date of one", "remove empty")
		case *a.Empty < low || *a.Empty > high:
			c.add(at+".empty", fmt.Sprintf("%d does not fit the column", *a.Empty), fmt.Sprintf("write a whole number from %d to %d", low, high))
		}
	}
}

// suits checks that a function makes what a canonical column means.
func (c *checker) suits(at string, col schema.Column, a Aggregate) {
	isDate, flags := col.Type.Name() == dateType, len(col.Flags) > 0
	remedy := ""
	switch a.Function {
	case Count, CountDistinct:
		if col.Unit != schema.Count {
			remedy = "fill a column whose unit is count, or an extra column"
		}
	case Sum, Avg:
		if col.Unit == schema.None {
			remedy = "write min, max, first or last"
		}
	case Min, Max, First, Last:
		if flags {
			remedy = "write bit_or"
		}
	case BitOr:
		if !flags {
			remedy = "bit_or is for columns of flags, such as complaint_tags and event_flags"
		}
	}
	if remedy == "" {
		return
	}
	what := "a code"
	switch {
	case isDate:
		what = "a date"
	case flags:
		what = "flags"
	case col.Unit != schema.None:
		what = "in " + string(col.Unit)
	}
	c.add(at+".function", fmt.Sprintf("%s is %s, and no %s", col.Name, what, a.Function), remedy)
}

// Table returns which of the job's tables a slice is of, -1 for one of the base.
func (s Slice) Table() int { return max(s.Month-schema.Months, -1) }

// AsOf returns the last day of the scoring month, in days since 1970.
func AsOf(month int32) int64 {
	next := time.Date(int(month/100), time.Month(month%100)+1, 1, 0, 0, 0, 0, time.UTC)
	return next.Unix()/86400 - 1
}
