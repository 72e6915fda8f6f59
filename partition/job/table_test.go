package job

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// tabled is the small job with tables.
func tabled(list string) string {
	return strings.Replace(small, "  path: base.parquet\n", "  path: base.parquet\n  tables: "+list+"\n", 1)
}

const complaints = `[{name: complaint, path: c/*.csv, time: at, zone: "+08:00", control: {suffix: .chk, fields: [rows]}, csv: {delimiter: "|", header: false}, columns: {
    complaint_cnt: {function: count, where: {kind: [a, b], "x y": [""]}},
    complaint_result: {function: last, column: result, values: {满意: 1, 不满意: 3}},
    recharge_fen: {function: sum, column: amount, unit: yuan, empty: 0},
    fault_cnt_30d: {function: count, days: 30},
    complaint_tags: {function: bit_or, column: text, keywords: true, months: 3},
    contract_end: {function: max, column: until, format: 02/01/2006},
    spent: {function: avg, column: amount}}}]`

func TestTablesAreReadWrittenAndKept(t *testing.T) {
	t.Parallel()
	s := decoded(t, tabled(complaints))
	if len(s.Input.Tables) != 1 || len(s.Input.Tables[0].Columns) != 7 {
		t.Fatalf("%+v", s.Input.Tables)
	}
	table := s.Input.Tables[0]
	if table.Number != "msisdn" || table.Months != 6 || table.CSV.Delimiter != "|" || table.CSV.Quote != "double" || table.Offset() != 8*3600 {
		t.Errorf("%+v", table)
	}
	for name, text := range map[string]string{"YAML": string(s.YAML(true)), "YAML without comments": string(s.YAML(false))} {
		if back := decoded(t, text); !reflect.DeepEqual(back.Input.Tables, s.Input.Tables) || back.Digest() != s.Digest() {
			t.Errorf("%s reads back as %+v", name, back.Input.Tables)
		}
	}
	back, err := ParseCanonical(s.Canonical())
	if err != nil || !reflect.DeepEqual(back.Input.Tables, s.Input.Tables) {
		t.Errorf("%v, %+v", err, back.Input.Tables)
	}
	if got := s.Input.Extras(); !slices.Equal(got, []string{"spent"}) {
		t.Errorf("extra columns %v", got)
	}
	if strings.Contains(string(decoded(t, small).Canonical()), "tables") {
		t.Error("a job without tables is another than it was")
	}
}

func TestAJobsNameDependsOnItsTablesAndNotOnWhereTheyLie(t *testing.T) {
	t.Parallel()
	s := decoded(t, tabled(complaints))
	id := NewID(s, []string{"m"}, "i")
	if moved := decoded(t, tabled(strings.Replace(complaints, "c/*.csv", "d", 1))); NewID(moved, []string{"m"}, "i") != id {
		t.Error("another path is another job")
	}
	if s.Input.Tables[0].Path != "c/*.csv" {
		t.Error("NewID changed the caller's spec")
	}
	for _, change := range [][2]string{{"days: 30", "days: 31"}, {"unit: yuan", "unit: fen"}, {"[a, b]", "[b]"}, {"+08:00", "+09:00"}, {"empty: 0", "empty: 1"}, {".chk", ".ok"}} {
		if other := decoded(t, tabled(strings.Replace(complaints, change[0], change[1], 1))); NewID(other, []string{"m"}, "i") == id {
			t.Errorf("%s is the same job", change[1])
		}
	}
}

func TestWhatIsWrongWithATableIsSaidByItsPlace(t *testing.T) {
	t.Parallel()
	one := func(column, aggregate string) string {
		return "[{name: a, path: p, time: at, columns: {" + column + ": " + aggregate + "}}]"
	}
	const at = "input.tables[0]"
	for name, c := range map[string]struct{ list, path, word string }{
		"no name":            {"[{path: p, time: at, columns: {x: {function: count}}}]", at + ".name", "no name"},
		"name of a digit":    {"[{name: 2x, path: p, time: at, columns: {x: {function: count}}}]", at + ".name", "letters, digits and _"},
		"name twice":         {"[{name: a, path: p, time: at, columns: {x: {function: count}}}, {name: a, path: p, time: at, columns: {y: {function: count}}}]", "input.tables[1].name", "twice"},
		"no path":            {"[{name: a, time: at, columns: {x: {function: count}}}]", at + ".path", "no path"},
		"months in a path":   {"[{name: a, path: 'p/{month}', time: at, columns: {x: {function: count}}}]", at + ".path", "no template"},
		"no time":            {"[{name: a, path: p, columns: {x: {function: count}}}]", at + ".time", "no time"},
		"no columns":         {"[{name: a, path: p, time: at}]", at + ".columns", "fills no column"},
		"bad zone":           {"[{name: a, path: p, time: at, zone: CST, columns: {x: {function: count}}}]", at + ".zone", "+08:00"},
		"bad time format":    {"[{name: a, path: p, time: at, time_format: '15:04', columns: {x: {function: count}}}]", at + ".time_format", "year, month and day"},
		"bad delimiter":      {"[{name: a, path: p, time: at, csv: {delimiter: ''}, columns: {x: {function: count}}}]", at + ".csv.delimiter", "one to eight"},
		"seven months":       {"[{name: a, path: p, time: at, months: 7, columns: {x: {function: count}}}]", at + ".months", "from 1 to 6"},
		"control of nothing": {"[{name: a, path: p, time: at, control: {suffix: .chk}, columns: {x: {function: count}}}]", at + ".control.fields", "nothing in the control file"},
		"unknown key":        {"[{name: a, path: p, tme: at, columns: {x: {function: count}}}]", at + ".tme", "did you mean time?"},

		"no function":        {one("x", "{column: c}"), at + ".columns.x.function", "no function"},
		"unknown function":   {one("x", "{function: median, column: c}"), at + ".columns.x.function", "not known"},
		"count of a column":  {one("x", "{function: count, column: c}"), at + ".columns.x.column", "counts events"},
		"sum of nothing":     {one("x", "{function: sum}"), at + ".columns.x.column", "no column"},
		"the number":         {one("msisdn", "{function: count}"), at + ".columns.msisdn", "joined by"},
		"a month":            {one("fee_m2", "{function: count}"), at + ".columns.fee_m2", "write fee"},
		"count of money":     {one("fee", "{function: count}"), at + ".columns.fee.function", "in fen"},
		"sum of codes":       {one("complaint_result", "{function: sum, column: c}"), at + ".columns.complaint_result.function", "a code"},
		"sum of dates":       {one("contract_end", "{function: sum, column: c}"), at + ".columns.contract_end.function", "a date"},
		"last of flags":      {one("event_flags", "{function: last, column: c}"), at + ".columns.event_flags.function", "bit_or"},
		"bits of an extra":   {one("x", "{function: bit_or, column: c}"), at + ".columns.x.function", "flags"},
		"unit of an extra":   {one("x", "{function: sum, column: c, unit: yuan}"), at + ".columns.x.unit", "no unit"},
		"wrong unit":         {one("fee", "{function: sum, column: c, unit: minute}"), at + ".columns.fee.unit", "fen"},
		"code too large":     {one("complaint_result", "{function: last, column: c, values: {x: 999}}"), at + ".columns.complaint_result.values.x", "does not fit"},
		"days of a month":    {one("fee", "{function: sum, column: c, days: 3}"), at + ".columns.fee", "a value a month"},
		"days and months":    {one("x", "{function: count, days: 3, months: 2}"), at + ".columns.x.days", "both"},
		"too many months":    {"[{name: a, path: p, time: at, months: 2, columns: {x: {function: count, months: 3}}}]", at + ".columns.x.months", "holds 2 months"},
		"too many days":      {one("x", "{function: count, days: 9999}"), at + ".columns.x.days", "3660"},
		"filter of nothing":  {one("x", "{function: count, where: {kind: []}}"), at + ".columns.x.where.kind", "no texts"},
		"filter twice":       {one("x", "{function: count, where: {kind: [a, a]}}"), at + ".columns.x.where.kind[1]", "twice"},
		"empty out of range": {one("complaint_result", "{function: last, column: c, empty: -1}"), at + ".columns.complaint_result.empty", "does not fit"},
		"empty date":         {one("contract_end", "{function: max, column: c, empty: 1}"), at + ".columns.contract_end.empty", "no date"},
		"keywords elsewhere": {one("event_flags", "{function: bit_or, column: c, keywords: true}"), at + ".columns.event_flags.keywords", "complaint_tags"},
		"filled twice": {
			"[{name: a, path: p, time: at, columns: {fee: {function: sum, column: c}}}, {name: b, path: p, time: at, columns: {fee: {function: sum, column: c}}}]",
			"input.tables[1].columns.fee", "input.tables[0].columns.fee fills",
		},
		"mapped too": {one("fee", "{function: sum, column: c}") + "\n  columns: {fee: {column: 'f{k}'}}", at + ".columns.fee", "input.columns.fee fills"},
		"extra too":  {one("x", "{function: count}") + "\n  extra: [{name: x}]", at + ".columns.x", "input.extra[0] fills"},
	} {
		found := false
		for _, p := range problemsOf(t, tabled(c.list)) {
			found = found || p.Path == c.path && strings.Contains(p.Message+p.Remedy, c.word) && p.Remedy != ""
		}
		if !found {
			t.Errorf("%s: %v", name, problemsOf(t, tabled(c.list)))
		}
	}
}

func TestTheLastDayOfAMonth(t *testing.T) {
	t.Parallel()
	for month, day := range map[int32]string{202402: "2024-02-29", 202302: "2023-02-28", 202412: "2024-12-31", 200003: "2000-03-31"} {
		if got := time.Unix(AsOf(month)*86400, 0).UTC().Format(time.DateOnly); got != day {
			t.Errorf("%d ends on %s, want %s", month, got, day)
		}
	}
}
