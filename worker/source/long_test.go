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
	w := parquet.NewGenericWriter[parquetEvent](&b, parquet.MaxRowsPerRowGroup(37), parquet.PageBufferSize(300))
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

// reference works out the columns of a number from all events of the file, by a map and
// the calendar alone.
func eventReference(number string, events []happened) []any {
	end := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC) // the tests score June
	type known struct {
		happened
		at time.Time
	}
	var mine []known
	for _, e := range events {
		if e.number == number && fate(e) == 0 {
			at, _ := time.Parse(eventLayout, e.when)
			mine = append(mine, known{e, at})
		}
	}
	slices.SortStableFunc(mine, func(a, b known) int { return a.at.Compare(b.at) })
	within := func(from, past time.Time, do func(known)) {
		for _, e := range mine {
			if !e.at.Before(from) && e.at.Before(past) {
				do(e)
			}
		}
	}
	whole := func(s string) (int64, bool) { // a code; what is none is missing
		r, ok := new(big.Rat).SetString(s)
		if !ok || !r.IsInt() {
			return 0, false
		}
		return r.Num().Int64(), true
	}
	var out []any
	codes := map[int64]bool{}
	within(end.AddDate(0, -2, 0), end, func(e known) {
		if v, ok := whole(e.code); ok {
			codes[v] = true
		}
	})
	out = append(out, int64(len(codes)))
	for k := range 6 {
		if k >= 5 {
			out = append(out, nil, nil)
			continue
		}
		count, sum := int64(0), int64(0)
		within(end.AddDate(0, -k-1, 0), end.AddDate(0, -k, 0), func(e known) {
			if e.kind == "投诉" || e.kind == "b" {
				count++
			}
			if e.amount != "" {
				sum += fen(e.amount)
			}
		})
		out = append(out, count, sum)
	}
	var result, date, flags, first any
	thirty, paid, spent := int64(0), 0, 0.0
	within(end.AddDate(0, -5, 0), end, func(e known) {
		if v, ok := map[string]int64{"投诉": 3, "b": 1, "c": 2}[e.kind]; ok {
			result = v
		}
		if e.kind == "c" {
			date = e.at.Unix() / 86400
		}
	})
	within(end.AddDate(0, 0, -30), end, func(known) { thirty++ })
	within(end.AddDate(0, -1, 0), end, func(e known) {
		if v, ok := whole(e.code); ok && (e.kind == "b" || e.kind == "c") && slices.Contains([]string{"1", "2", "8"}, e.code) {
			before, _ := flags.(int64)
			flags = before | v
		}
	})
	within(end.AddDate(0, 0, -90), end, func(e known) {
		if first == nil && e.amount != "" {
			first = real64(e.amount)
		}
	})
	for _, e := range events { // sums of floats go by the order of the rows
		at, err := time.Parse(eventLayout, e.when)
		if err == nil && e.number == number && fate(e) == 0 && e.amount != "" && !at.Before(end.AddDate(0, -5, 0)) && at.Before(end) {
			spent += real64(e.amount)
			paid++
		}
	}
	out = append(out, result, date, thirty, flags)
	if paid > 0 {
		return append(out, spent/float64(paid), first)
	}
	return append(out, nil, first)
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
			if want := eventReference(fmt.Sprint(n), events); !reflect.DeepEqual(got[i].values[1:], want) {
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
	alloc := memory.NewCheckedAllocator(memory.NewGoAllocator())
	r, err := d.Reader(task, s.Files, columns, batch, alloc)
	if err != nil {
		t.Fatal(err)
	}
	var out []row
	var told []Reject
	r.Tell(func(e Reject) error {
		told = append(told, e)
		return nil
	})
	for {
		b, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Len {
			x := row{key: b.Key[i]}
			for _, c := range b.Record.Columns() {
				x.values = append(x.values, cellOf(t, c, i))
			}
			out = append(out, x)
		}
	}
	counts := r.Tables()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if n := alloc.CurrentAlloc(); n != 0 {
		t.Errorf("%d bytes were not returned", n)
	}
	return out, told, counts[0]
}
