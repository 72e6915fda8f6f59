package source

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
)

// happened is an event of a test table: what stands in its file. "" is null.
type happened struct{ number, when, amount, kind, code string }

// parquetEvent is the same in Parquet, with a time that is a timestamp of milliseconds
// in UTC, eight hours behind the calendar.
type parquetEvent struct {
	Number *string `parquet:"msisdn,optional,dict"`
	When   *int64  `parquet:"at,optional,timestamp(millisecond)"`
	Amount *string `parquet:"amount,optional"`
	Kind   *string `parquet:"kind,optional,dict"`
	Code   *string `parquet:"code,optional"`
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

const eventLayout = "2006-01-02 15:04:05"

// write returns the table's file in one of the formats.
func eventFile(t testing.TB, format string, list []happened) []byte {
	t.Helper()
	var b bytes.Buffer
	if format == "csv" {
		b.WriteString("msisdn|at|amount|kind|code\n")
		for _, e := range list {
			fmt.Fprintf(&b, "%s|%s|%s|%s|%s\n", e.number, e.when, e.amount, e.kind, e.code)
		}
		return b.Bytes()
	}
	options := []parquet.WriterOption{parquet.MaxRowsPerRowGroup(37), parquet.PageBufferSize(300)}
	if format == "large" {
		options = nil
	}
	w := parquet.NewGenericWriter[parquetEvent](&b, options...)
	for _, e := range list {
		p := parquetEvent{Number: orNull(e.number), Amount: orNull(e.amount), Kind: orNull(e.kind), Code: orNull(e.code)}
		if at, err := time.Parse(eventLayout, e.when); err == nil {
			ms := at.Add(-8 * time.Hour).UnixMilli()
			p.When = &ms
		}
		if _, err := w.Write([]parquetEvent{p}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// eventTable declares what the tests make of events.
func eventTable(format string) job.Table {
	nothing := int64(0)
	table := job.Table{
		Name: "ev", Path: "ev*", Format: format, Number: "msisdn", Time: "at", Months: 5,
		CSV: job.CSV{Delimiter: "|", Header: true},
		Columns: map[string]job.Aggregate{
			"complaint_cnt":    {Function: job.Count, Where: map[string][]string{"kind": {"投诉", "b"}}},
			"recharge_fen":     {Function: job.Sum, Column: "amount", Unit: "yuan", Empty: &nothing},
			"complaint_result": {Function: job.Last, Column: "kind", Values: map[string]int64{"投诉": 3, "b": 1, "c": 2}},
			"complaint_date":   {Function: job.Max, Column: "at", Where: map[string][]string{"kind": {"c"}}},
			"fault_cnt_30d":    {Function: job.Count, Days: 30},
			"city_cnt":         {Function: job.CountDistinct, Column: "code", Months: 2},
			"event_flags":      {Function: job.BitOr, Column: "code", Months: 1, Where: map[string][]string{"kind": {"b", "c"}, "code": {"1", "2", "8"}}},
			"spent":            {Function: job.Avg, Column: "amount"},
			"first_spent":      {Function: job.First, Column: "amount", Days: 90},
		},
	}
	if format == "parquet" {
		table.Zone = "+08:00"
	}
	return table
}

// eventColumns are those that eventTable fills, in the order in which the tests ask.
func eventColumns() []string {
	names := []string{"city_cnt"}
	for k := range 6 {
		names = append(names, fmt.Sprintf("complaint_cnt_m%d", k), fmt.Sprintf("recharge_fen_m%d", k))
	}
	return append(names, "complaint_result", "complaint_date", "fault_cnt_30d", "event_flags", "spent", "first_spent")
}

// known is an event of eventTable as its values are read: nil is null.
type known struct {
	number                   string
	at                       time.Time
	counted, closed, flagged bool // by the filters of complaint_cnt, complaint_date, event_flags
	fen, result, code, flag  *int64
	amount, first            *float64
}

// read reads the events of a test by what they are in full.
func read(events []happened) (list []known) {
	result := map[string]int64{"投诉": 3, "b": 1, "c": 2}
	for _, e := range events {
		if fate(e) != 0 {
			continue
		}
		k := known{number: e.number, counted: e.kind == "投诉" || e.kind == "b", closed: e.kind == "c"}
		k.at, _ = time.Parse(eventLayout, e.when)
		k.flagged = (e.kind == "b" || e.kind == "c") && slices.Contains([]string{"1", "2", "8"}, e.code)
		if e.amount != "" {
			sum, x := fen(e.amount), real64(e.amount)
			k.fen, k.amount, k.first = &sum, &x, &x
		}
		if v, ok := result[e.kind]; ok {
			k.result = &v
		}
		if r, ok := new(big.Rat).SetString(e.code); ok && r.IsInt() { // a code; what is none is missing
			v := r.Num().Int64()
			k.code, k.flag = &v, &v
		}
		list = append(list, k)
	}
	return list
}

// reckon works out the columns of a number from all events, in the order of the rows, by
// the calendar and numbers of any size alone.
func reckon(number string, events []known) []any {
	end := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC) // the tests score June
	within := func(from, past time.Time, do func(known)) {
		for _, e := range events {
			if e.number == number && !e.at.Before(from) && e.at.Before(past) {
				do(e)
			}
		}
	}
	months := func(n int) time.Time { return end.AddDate(0, -n, 0) }
	var out []any
	add := func(name string, v *big.Int) { // what the column cannot hold is missing
		c, _ := schema.Find(schema.Subscriber, name)
		lo, hi := bounds(c.Type)
		if v == nil || v.Cmp(big.NewInt(lo)) < 0 || v.Cmp(big.NewInt(hi)) > 0 {
			out = append(out, nil)
		} else {
			out = append(out, v.Int64())
		}
	}
	codes := map[int64]bool{}
	within(months(2), end, func(e known) {
		if e.code != nil {
			codes[*e.code] = true
		}
	})
	add("city_cnt", big.NewInt(int64(len(codes))))
	for k := range 6 {
		if k >= 5 {
			out = append(out, nil, nil)
			continue
		}
		count, sum := int64(0), new(big.Int)
		within(months(k+1), months(k), func(e known) {
			if e.counted {
				count++
			}
			if e.fen != nil {
				sum.Add(sum, big.NewInt(*e.fen))
			}
		})
		add("complaint_cnt", big.NewInt(count))
		add("recharge_fen", sum)
	}
	var result, date, first *known
	var flags *big.Int
	thirty, paid, spent := int64(0), 0, 0.0
	within(months(5), end, func(e known) {
		if e.result != nil && (result == nil || !e.at.Before(result.at)) {
			result = &e
		}
		if e.closed && (date == nil || e.at.After(date.at)) {
			date = &e
		}
		if e.amount != nil { // sums of floats go by the order of the rows
			spent += *e.amount
			paid++
		}
	})
	within(end.AddDate(0, 0, -30), end, func(known) { thirty++ })
	within(months(1), end, func(e known) {
		if e.flagged && e.flag != nil {
			if flags == nil {
				flags = new(big.Int)
			}
			flags.Or(flags, big.NewInt(*e.flag))
		}
	})
	within(end.AddDate(0, 0, -90), end, func(e known) {
		if e.first != nil && (first == nil || e.at.Before(first.at)) {
			first = &e
		}
	})
	if result != nil {
		add("complaint_result", big.NewInt(*result.result))
	} else {
		add("complaint_result", nil)
	}
	if date != nil {
		midnight := time.Date(date.at.Year(), date.at.Month(), date.at.Day(), 0, 0, 0, 0, time.UTC)
		add("complaint_date", big.NewInt(midnight.Unix()/86400))
	} else {
		add("complaint_date", nil)
	}
	add("fault_cnt_30d", big.NewInt(thirty))
	add("event_flags", flags)
	real := func(x float64, ok bool) {
		if ok && x-x == 0 {
			out = append(out, x)
		} else {
			out = append(out, nil)
		}
	}
	real(spent/float64(paid), paid > 0)
	if first == nil {
		return append(out, nil)
	}
	real(*first.first, true)
	return out
}

func real64(s string) float64 {
	r, _ := new(big.Rat).SetString(s)
	x, _ := r.Float64()
	return x
}

// fen is an amount in yuan, rounded half to even.
func fen(s string) int64 {
	r, _ := new(big.Rat).SetString(s)
	r.Mul(r, big.NewRat(100, 1))
	floor, rest := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	twice := new(big.Int).Lsh(rest, 1)
	if d := twice.Cmp(r.Denom()); d > 0 || d == 0 && floor.Bit(0) != 0 {
		floor.Add(floor, big.NewInt(1))
	}
	return floor.Int64()
}

// fate is why an event is rejected, 0 when it is not.
func fate(e happened) job.Reason {
	switch {
	case e.number == "":
		return job.NullKey
	case len(e.number) != 11:
		return job.BadNumber
	case e.when == "" || e.when == "soon" || e.amount == "zz" || e.code == "q":
		return job.BadValue
	}
	return 0
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// randomEvents are in the order of their numbers, those of the base and others, with
// some that no number can be read of in between.
func randomEvents(r *rand.Rand, numbers []uint64, format string, n int) []happened {
	list := make([]happened, n)
	keys := make([]uint64, n)
	for i := range keys {
		keys[i] = numbers[r.IntN(len(numbers))]
		if r.IntN(5) == 0 {
			keys[i] = 13_800_000_000 + r.Uint64N(40_000)
		}
	}
	slices.Sort(keys)
	for i := range list {
		at := time.Date(2026, 7, 3, 0, 0, 0, 0, time.UTC).Add(-time.Duration(r.Int64N(210*24*3600)) * time.Second)
		if r.IntN(4) == 0 {
			at = time.Date(2026, time.Month(1+r.IntN(7)), 1, 0, 0, 0, 0, time.UTC).Add(-time.Duration(r.IntN(2)) * time.Second)
		}
		e := happened{fmt.Sprint(keys[i]), at.Format(eventLayout), pick(r, "", "1", "12.345", "0.005", "-3.5", "100000"), pick(r, "投诉", "b", "c", "d", ""), pick(r, "1", "2", "8", "7.5", "", "3")}
		switch r.IntN(25) {
		case 0:
			e.number = ""
		case 1:
			e.number = pick(r, "12345", "abc")
		case 2:
			e.when = ""
		case 3:
			e.amount = "zz"
		case 4:
			e.code = "q"
		}
		if format == "csv" && r.IntN(40) == 0 && e.when != "" {
			e.when = "soon"
		}
		list[i] = e
	}
	return list
}

func TestATableIsWhatAllItsEventsComeTo(t *testing.T) {
	t.Parallel()
	rounds := 60
	if os.Getenv("RESCORE_LONG") != "" {
		rounds = 6000
	}
	r := rand.New(rand.NewPCG(51, 3))
	for round := range rounds {
		format := pick(r, "csv", "parquet")
		var base bytes.Buffer
		var numbers []uint64
		base.WriteString("msisdn,fee_m0\n")
		for range 1 + r.IntN(60) {
			numbers = append(numbers, 13_800_000_000+r.Uint64N(40_000))
			if r.IntN(5) == 0 { // a number that stands twice
				numbers = append(numbers, numbers[len(numbers)-1])
			}
		}
		slices.Sort(numbers)
		var rows []uint64
		for _, n := range numbers {
			if r.IntN(10) == 0 {
				base.WriteString("x,1\n")
				rows = append(rows, 0)
			}
			fmt.Fprintf(&base, "%d,%s\n", n, pick(r, "1", "1", "zz"))
			rows = append(rows, n)
		}
		events := randomEvents(r, numbers, format, r.IntN(400))
		st := memoryStore{"base.csv": base.Bytes()}
		tables := memoryStore{}
		files, rest := r.IntN(3), events
		for i := range files {
			n := len(rest) / (files - i + 1)
			for n > 0 && n < len(rest) && rest[n].number < rest[n-1].number { // files do not overlap
				n++
			}
			tables[fmt.Sprintf("ev%d.%s", i, format)] = eventFile(t, format, rest[:n])
			rest = rest[n:]
		}
		tables["ev9."+format] = eventFile(t, format, rest)
		s := spec("base.csv")
		s.Input.Tables = []job.Table{eventTable(format)}
		d, err := Open(context.Background(), st, s, tables)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		sv, err := d.Survey(context.Background(), 2, nil)
		if errors.Is(err, ErrUnsorted) {
			_ = d.Close() // a file that begins with rows of no number, sorted by those behind
			continue
		}
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		group := pick(r, whole, func(s partition.Segment) int { return int(s) }, func(s partition.Segment) int { return int(s) / 2 })
		var got []row
		var counts job.TableCounts
		var rejects []Reject
		tasks := cut(sv, group)
		slices.SortFunc(tasks, func(a, b job.Task) int { return cmp.Compare(a.Range.First, b.Range.First) })
		for _, task := range tasks {
			part, told, c := readEvents(t, d, sv, task, append([]string{"fee_m0"}, eventColumns()...), 1+r.IntN(50))
			got, counts, rejects = append(got, part...), counts.Add(c), append(rejects, told...)
		}
		if len(got) != len(rows) {
			t.Fatalf("round %d: %d rows, want %d", round, len(got), len(rows))
		}
		for i, n := range rows {
			if n == 0 {
				continue
			}
			if want := reckon(fmt.Sprint(n), read(events)); !reflect.DeepEqual(got[i].values[1:], want) {
				t.Fatalf("round %d, %s, row %d:\n got %v\nwant %v", round, format, i, got[i].values[1:], want)
			}
		}
		if want := wantedCounts(events, numbers); counts.In != want.In || counts.Within != want.Within || counts.Outside != want.Outside || counts.Orphan != want.Orphan || counts.Rejected != want.Rejected || !counts.Conserved() {
			t.Fatalf("round %d: %+v, want %+v", round, counts, want)
		}
		if int64(len(rejects)) != counts.Rejected {
			t.Fatalf("round %d: %d events were told of, %d rejected", round, len(rejects), counts.Rejected)
		}
		for _, reject := range rejects {
			data := tables[strings.TrimPrefix(reject.File, "ev:")]
			if format == "csv" {
				line := strings.Split(string(data), "\n")[reject.Row+1]
				cells := strings.Split(line, "|")
				if why := fate(happened{cells[0], cells[1], cells[2], cells[3], cells[4]}); why != reject.Reason {
					t.Fatalf("%s row %d, %q: %s, want %s", reject.File, reject.Row, line, reject.Reason, why)
				}
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func wantedCounts(events []happened, numbers []uint64) job.TableCounts {
	end := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	c := job.TableCounts{In: int64(len(events))}
	for _, e := range events {
		at, _ := time.Parse(eventLayout, e.when)
		switch {
		case fate(e) != 0:
			c.Rejected++
		case !slices.ContainsFunc(numbers, func(n uint64) bool { return fmt.Sprint(n) == e.number }):
			c.Orphan++
		case at.Before(end) && !at.Before(end.AddDate(0, -5, 0)):
			c.Within++
		default:
			c.Outside++
		}
	}
	return c
}

// readEvents reads a task to its end, and hears of rejected events.
func readEvents(t testing.TB, d *Dataset, s job.Survey, task job.Task, columns []string, batch int) ([]row, []Reject, job.TableCounts) {
	t.Helper()
	rows, told, counts, err := tryEvents(t, d, s, task, columns, batch)
	if err != nil {
		t.Fatal(err)
	}
	return rows, told, counts
}

// tryEvents is readEvents of a file that need not be sound behind its survey.
func tryEvents(t testing.TB, d *Dataset, s job.Survey, task job.Task, columns []string, batch int) (out []row, told []Reject, counts job.TableCounts, err error) {
	t.Helper()
	alloc := memory.NewCheckedAllocator(memory.NewGoAllocator())
	r, err := d.Reader(task, s.Files, columns, batch, alloc)
	if err != nil {
		return nil, nil, counts, err
	}
	defer func() {
		if e := r.Close(); e != nil {
			t.Error(e)
		}
		if n := alloc.CurrentAlloc(); n != 0 {
			t.Errorf("%d bytes were not returned", n)
		}
	}()
	r.Tell(func(e Reject) error {
		told = append(told, e)
		return nil
	})
	for {
		b, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return out, told, r.Tables()[0], nil
		}
		if err != nil {
			return nil, nil, counts, err
		}
		for i := range b.Len {
			x := row{key: b.Key[i]}
			for _, c := range b.Record.Columns() {
				x.values = append(x.values, cellOf(t, c, i))
			}
			out = append(out, x)
		}
	}
}

// tabled opens a base of one row with a table over files.
func tabled(table job.Table, files memoryStore) (*Dataset, error) {
	s := spec("base.csv")
	s.Input.Tables = []job.Table{table}
	return Open(context.Background(), memoryStore{"base.csv": []byte("msisdn,fee_m0\n13800000005,1\n")}, s, files)
}

func TestWhatIsWrongWithATableNamesItAndItsFile(t *testing.T) {
	t.Parallel()
	const header = "msisdn|at|amount|kind|code\n"
	change := func(edit func(*job.Table)) job.Table {
		table := eventTable("csv")
		edit(&table)
		return table
	}
	usual := memoryStore{"ev.csv": []byte(header + "13800000005|2026-06-01|1|b|2\n")}
	for name, c := range map[string]struct {
		table job.Table
		files memoryStore
		is    error
		words string
	}{
		"no file":        {eventTable("csv"), memoryStore{}, ErrNoInput, "table ev: "},
		"no such column": {change(func(t *job.Table) { t.Time = "att" }), usual, ErrMapping, `table ev: |time: ev.csv has no column "att" (did you mean "at"?)`},
		"no such number": {change(func(t *job.Table) { t.Number = "n" }), usual, ErrMapping, `number: ev.csv has no column "n"`},
		"no such filter": {change(func(t *job.Table) {
			t.Columns["x"] = job.Aggregate{Function: job.Count, Where: map[string][]string{"knd": {"a"}}}
		}), usual, ErrMapping, `columns.x.where.knd: ev.csv has no column "knd"`},
		"zone of text":       {change(func(t *job.Table) { t.Zone = "+08:00" }), usual, ErrMapping, "remove zone"},
		"the base has it":    {change(func(t *job.Table) { t.Columns["fee"] = job.Aggregate{Function: job.Sum, Column: "amount"} }), usual, ErrMapping, `tables.ev.columns.fee: base.csv has a column "fee_m0"`},
		"out of order":       {eventTable("csv"), memoryStore{"ev.csv": []byte(header + "13800000005|2026-06-01|1|b|2\n13800000004|2026-06-01|1|b|2\n")}, ErrUnsorted, "read ev:ev.csv: row 1: |rescore prepare"},
		"files that overlap": {eventTable("csv"), memoryStore{"ev1.csv": []byte(header + "13800000005|2026-06-01|1|b|2\n13800000009|2026-06-01|1|b|2\n"), "ev2.csv": []byte(header + "13800000006|2026-06-01|1|b|2\n")}, ErrUnsorted, "read ev:ev2.csv: row 0: |overlap"},
	} {
		d, err := tabled(c.table, c.files)
		if err == nil {
			_, err = d.Survey(context.Background(), 1, nil)
			_ = d.Close()
		}
		if !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for word := range strings.SplitSeq(c.words, "|") {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v does not say %q", name, err, word)
			}
		}
		if strings.Contains(err.Error(), "1380000000") {
			t.Errorf("%s: a number is told: %v", name, err)
		}
	}
}

func TestATableThatChangedAfterTheSurveyIsFound(t *testing.T) {
	t.Parallel()
	const header = "msisdn|at|amount|kind|code\n"
	before := memoryStore{"ev.csv": []byte(header + "13800000005|2026-06-01|1|b|2\n")}
	d, err := tabled(eventTable("csv"), before)
	if err != nil {
		t.Fatal(err)
	}
	sv := survey(t, d)
	fingerprint, err := d.Fingerprint(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"longer":         header + "13800000005|2026-06-01|1|b|2\n13800000005|2026-06-01|1|b|2\n",
		"another number": header + "14800000005|2026-06-01|1|b|2\n",
	} {
		d, err := tabled(eventTable("csv"), memoryStore{"ev.csv": []byte(data)})
		if err != nil {
			t.Fatal(err)
		}
		if now, err := d.Fingerprint(context.Background()); err != nil || now == fingerprint {
			t.Errorf("%s: the fingerprint is the same, %v", name, err)
		}
		err = d.Check(sv.Files)
		if err == nil {
			_, err = readTask(t, d, sv, cut(sv, whole)[0], []string{"complaint_cnt_m0"}, 10)
		}
		if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "ev") {
			t.Errorf("%s: %v", name, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What is found of one number, anywhere in the files, comes to what its partition does.
func TestANumberIsFoundWithItsEvents(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(51, 4))
	for round := range 20 {
		format := pick(r, "csv", "parquet")
		var base bytes.Buffer
		base.WriteString("msisdn\n")
		var numbers []uint64
		for range 30 {
			numbers = append(numbers, 13_800_000_000+r.Uint64N(40_000))
		}
		slices.Sort(numbers)
		numbers = slices.Compact(numbers)
		for _, n := range numbers {
			fmt.Fprintf(&base, "%d\n", n)
		}
		events := randomEvents(r, numbers, format, 300)
		s := spec("base.csv")
		s.Input.Tables = []job.Table{eventTable(format)}
		d, err := Open(context.Background(), memoryStore{"base.csv": base.Bytes()}, s, memoryStore{"ev." + format: eventFile(t, format, events)})
		if err != nil {
			t.Fatal(err)
		}
		sv := survey(t, d)
		for _, n := range numbers[:10] {
			task, err := d.Find(context.Background(), sv.Files, partition.Number(n))
			if err != nil {
				t.Fatal(err)
			}
			got, _, _ := readEvents(t, d, sv, task, eventColumns(), 7)
			if want := reckon(fmt.Sprint(n), read(events)); len(got) != 1 || !reflect.DeepEqual(got[0].values, want) {
				t.Fatalf("round %d, %s:\n got %v\nwant %v", round, format, got, want)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTimesAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format, zone, text, want string
	}{
		{"", "", "2026-06-30 23:59:59", "2026-06-30 23:59:59"},
		{"", "", "2026-06-30T23:59:59.5", "2026-06-30 23:59:59.5"},
		{"", "", "2026-06-30 23:59", "2026-06-30 23:59:00"},
		{"", "", "2026/6/3 7:05:09.123456789", "2026-06-03 07:05:09.123456"},
		{"", "", "20260630", "2026-06-30 00:00:00"},
		{"", "", "20260630235959", "2026-06-30 23:59:59"},
		{"", "", "2016-12-31 23:59:60", "2016-12-31 23:59:59"},
		{"", "", "2026-06-31", ""}, {"", "", "2026-06-30 24:00:00", ""}, {"", "", "2026-06-30 ", ""}, {"", "", "2026-06-30 12", ""},
		{"", "", "2026-06-30 12:00:00Z", ""}, {"", "", "soon", ""}, {"", "", "20260630245959", ""}, {"", "", "2026-06-30 1:2:3:4", ""},
		{"02.01.2006 15:04", "", "30.06.2026 23:59", "2026-06-30 23:59:00"},
		{"2006-01-02T15:04:05Z07:00", "", "2026-06-30T20:00:00+02:00", "2026-06-30 20:00:00"},
		{"2006-01-02T15:04:05Z07:00", "+08:00", "2026-06-30T20:00:00+02:00", "2026-07-01 02:00:00"},
		{"unix", "", "1782863999", "2026-06-30 23:59:59"},
		{"unix", "+08:00", "1782863999", "2026-07-01 07:59:59"},
		{"unix_ms", "-03:30", "1782863999250", "2026-06-30 20:29:59.25"},
		{"unix", "", "99999999999999999", ""}, {"unix", "", "1.5", ""},
	} {
		at, o := newClock(job.Table{TimeFormat: c.format, Zone: c.zone}).text([]byte(c.text))
		got := ""
		if o == valueOK {
			got = time.UnixMicro(at).UTC().Format("2006-01-02 15:04:05.999999")
		}
		if got != c.want {
			t.Errorf("%q as %q in %q is %q, want %q", c.text, c.format, c.zone, got, c.want)
		}
	}
	for v, want := range map[int64]string{20260630: "2026-06-30 00:00:00", 20260630235959: "2026-06-30 23:59:59", 20261301: "", 5: "", -20260630: "", 202606302359: ""} {
		at, ok := newClock(job.Table{}).integer(kindI64, 0, v)
		if got := time.UnixMicro(at).UTC().Format("2006-01-02 15:04:05"); ok != (want != "") || ok && got != want {
			t.Errorf("%d is %q, want %q", v, got, want)
		}
	}
	for unit, perDay := range map[int64]int64{1e3: 86400e3, 1e6: 86400e6, 1e9: 86400e9} {
		at, ok := newClock(job.Table{Zone: "+08:00"}).integer(kindStamp, perDay, 1782863999*unit)
		if got := time.UnixMicro(at).UTC().Format("2006-01-02 15:04:05"); !ok || got != "2026-07-01 07:59:59" {
			t.Errorf("%d a second: %q", unit, got)
		}
	}
}

// A table that was damaged anywhere ends in an error, or every event is accounted for.
func TestADamagedTableEndsInAnErrorOrAccountsForEveryEvent(t *testing.T) {
	t.Parallel()
	rounds := 300
	if os.Getenv("RESCORE_LONG") != "" {
		rounds = 100_000
	}
	seeds := []string{
		"13800000005|2026-06-01|1|b|2\n13800000005|2026-05-01 10:00:00|0.005|c|7.5\n",
		"x|y\n|||||\n13800000004|20260601|zz|b|q\n13800000006|20260601000000|-1e3||8\n",
		"1380000000000|1782863999|1|b|2\n13800000005|1|1|b|2\n",
	}
	r := rand.New(rand.NewPCG(51, 6))
	for range rounds {
		rows := []byte(pick(r, seeds...))
		for range 1 + r.IntN(6) {
			at := r.IntN(len(rows))
			switch r.IntN(4) {
			case 0:
				rows[at] = byte(r.IntN(256))
			case 1:
				rows[at] = pick(r, []byte("0123456789|\n\r -:.\"")...)
			case 2:
				rows = slices.Insert(rows, at, rows[r.IntN(len(rows))])
			case 3:
				rows = append(slices.Delete(rows, at, at+1), '\n')
			}
		}
		table := eventTable("csv")
		table.TimeFormat = pick(r, "", "", "unix", "unix_ms")
		d, err := tabled(table, memoryStore{"ev.csv": append([]byte("msisdn|at|amount|kind|code\n"), rows...)})
		if err != nil {
			t.Fatalf("%q: %v", rows, err) // the header is as it was
		}
		if sv, err := d.Survey(context.Background(), 1, nil); err == nil {
			accounted(t, d, sv)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// accounted reads all tasks of a base of one row, and counts the events.
func accounted(t *testing.T, d *Dataset, sv job.Survey) {
	t.Helper()
	var events, in int64
	for _, file := range sv.Files[1:] {
		events += file.Rows
	}
	for _, task := range cut(sv, whole) {
		got, told, counts := readEvents(t, d, sv, task, eventColumns(), 3)
		if len(got) != 1 || int64(len(told)) != counts.Rejected || !counts.Conserved() {
			t.Fatalf("%d rows, %d told of, %+v", len(got), len(told), counts)
		}
		in += counts.In
	}
	if in != events {
		t.Fatalf("%d events of %d", in, events)
	}
}

// BenchmarkEvents reads twenty events a subscriber into six columns, in Parquet.
func BenchmarkEvents(b *testing.B) {
	r := rand.New(rand.NewPCG(51, 5))
	const subscribers = 10_000
	var base bytes.Buffer
	base.WriteString("msisdn\n")
	numbers := make([]uint64, subscribers)
	for i := range numbers {
		numbers[i] = 13_800_000_000 + 4*uint64(i)
		fmt.Fprintf(&base, "%d\n", numbers[i])
	}
	events := randomEvents(r, numbers, "parquet", 20*subscribers)
	s := spec("base.csv")
	s.Input.Tables = []job.Table{eventTable("parquet")}
	d, err := Open(context.Background(), memoryStore{"base.csv": base.Bytes()}, s, memoryStore{"ev.parquet": eventFile(b, "large", events)})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	sv := survey(b, d)
	task := cut(sv, whole)[0]
	columns := []string{"city_cnt", "complaint_cnt_m0", "recharge_fen_m0", "complaint_result", "fault_cnt_30d", "spent"}
	b.ReportAllocs()
	for b.Loop() {
		reader, err := d.Reader(task, sv.Files, columns, 2048, memory.NewGoAllocator())
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = reader.Next(context.Background())
		}
		if !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
		if err := reader.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*20*subscribers), "ns/event")
}
