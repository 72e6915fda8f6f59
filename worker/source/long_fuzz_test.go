package source

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/job"
)

// fuzzedNumbers are those of the base that a fuzzed table stands beside.
var fuzzedNumbers = []uint64{13_800_000_005, 13_800_000_006, 13_800_000_006, 13_800_010_001, 13_900_000_000}

// arrowEvents is eventFile in Arrow: texts, a dictionary, and times that are text.
func arrowEvents(t testing.TB, list []happened) []byte {
	t.Helper()
	kind := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "msisdn", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, {Name: "at", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "amount", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "kind", Type: kind, Nullable: true}, {Name: "code", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	}, nil)
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	text := func(i int, s string) {
		switch f := b.Field(i).(type) {
		case *array.StringBuilder:
			f.Append(s)
		case *array.BinaryDictionaryBuilder:
			if err := f.AppendString(s); err != nil {
				t.Fatal(err)
			}
		case *array.Int64Builder:
			v, _ := strconv.ParseInt(s, 10, 64) // what is no number is 0, which no subscriber has
			f.Append(v)
		case *array.Float64Builder:
			v, _ := strconv.ParseFloat(s, 64)
			f.Append(v)
		}
	}
	for _, e := range list {
		for i, s := range []string{e.number, e.when, e.amount, e.kind, e.code} {
			if s == "" {
				b.Field(i).AppendNull()
			} else {
				text(i, s)
			}
		}
	}
	record := b.NewRecord()
	defer record.Release()
	if err := w.Write(record); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// FuzzTable: whatever a table's file holds, and however the job says that it is read, it is
// refused with a type; or every event of it is accounted for, and the columns are what a
// reading of one value after another comes to, however batches and tasks are cut.
func FuzzTable(f *testing.F) {
	r := rand.New(rand.NewPCG(51, 7))
	events := randomEvents(r, fuzzedNumbers, "csv", 40)
	f.Add(eventFile(f, "csv", events), uint16(0))
	f.Add(eventFile(f, "parquet", randomEvents(r, fuzzedNumbers, "parquet", 40)), uint16(1))
	f.Add(arrowEvents(f, events), uint16(2))
	f.Add([]byte("msisdn|at|amount|kind|code\n13800000005|1780000000|1e2|b|8\n13800000006|1782863999|-0.005|c|1\n"), uint16(3|1<<2))
	f.Add([]byte("code|msisdn|at|kind|amount\r\n\r\n2|13800000005|2026-06-30 23:59:59.999|投诉|9.995\r\n|1410000000000|20260601||\n"), uint16(3|5<<4))
	f.Fuzz(func(t *testing.T, data []byte, how uint16) {
		format := []string{"csv", "parquet", "arrow", "csv"}[how&3]
		table := eventTable(format)
		table.TimeFormat = []string{"", "unix", "unix_ms", "2006-01-02T15:04:05Z07:00"}[how>>2&3]
		table.Zone = []string{table.Zone, "+08:00", "-03:30", ""}[how>>4&3]
		table.CSV.Quote = []string{"none", "double"}[how>>6&1]
		table.CSV.Encoding = []string{"utf-8", "gb18030"}[how>>7&1]
		batch := 1 + int(how>>8&15)
		var base strings.Builder
		base.WriteString("msisdn,fee_m0\n")
		for _, n := range fuzzedNumbers {
			fmt.Fprintf(&base, "%d,1\n", n)
		}
		s := spec("base.csv")
		s.Input.Tables = []job.Table{table}
		d, err := Open(context.Background(), memoryStore{"base.csv": []byte(base.String())}, s, memoryStore{"ev." + format: bytes.Clone(data)})
		if err != nil {
			if !typed(err) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		defer d.Close()
		if f := d.tables[0].files[0]; f.table != nil && f.table.count() > 1<<16 { // a claim that takes time
			return
		}
		sv, err := d.Survey(context.Background(), 1, nil)
		if err != nil {
			if !typed(err) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		list, rejected, sound := oneByOne(t, d)
		became := becameOf(list, rejected)
		var want []row
		for _, group := range []string{"one", "each"} {
			var got []row
			var counts job.TableCounts
			var told []Reject
			for _, task := range cut(sv, groupers[group]) {
				rows, rejects, c, err := tryEvents(t, d, sv, task, eventColumns(), batch)
				if err != nil {
					if !typed(err) {
						t.Fatalf("untyped error %v", err)
					}
					return
				}
				got, told, counts = append(got, rows...), append(told, rejects...), counts.Add(c)
				batch = 17 - batch
			}
			slices.SortStableFunc(got, func(a, b row) int { return int(a.key) - int(b.key) })
			if !counts.Conserved() || counts.Rejected != int64(len(told)) || counts.In != sv.Files[1].Rows {
				t.Fatalf("%+v of %d events, %d told of", counts, sv.Files[1].Rows, len(told))
			}
			if want == nil {
				want = got
			} else if !reflect.DeepEqual(want, got) {
				t.Fatalf("cut %s:\n got %v\nwant %v", group, got, want)
			}
			if is := (job.TableCounts{In: counts.In, Within: counts.Within, Outside: counts.Outside, Orphan: counts.Orphan, Rejected: counts.Rejected}); sound && is != became {
				t.Fatalf("of the events became %+v, one by one %+v", is, became)
			}
		}
		if len(want) != len(fuzzedNumbers) {
			t.Fatalf("%d rows of %d", len(want), len(fuzzedNumbers))
		}
		for i, n := range fuzzedNumbers {
			if one := reckon(fmt.Sprint(n), list); sound && !reflect.DeepEqual(want[i].values, one) {
				t.Fatalf("number %d:\n got %v\nwant %v", i, want[i].values, one)
			}
		}
	})
}

// oneByOne reads the table a row at a time, and each of its cells by itself: CSV by
// splitting its text, other formats as cells are in the file, without what reads a batch.
// It returns the events that are not rejected, and how many are. What one by one need not
// tell apart, as quotes, is not sound.
func oneByOne(t *testing.T, d *Dataset) (list []known, rejected int64, sound bool) {
	t.Helper()
	l := d.tables[0]
	f := l.files[0]
	var rows [][]cell
	if f.csv != nil {
		rows, sound = splitByHand(f, l.asked.CSV)
	} else {
		rows, sound = cellsByHand(f)
	}
	if !sound {
		return nil, 0, false
	}
	for _, cells := range rows {
		if cells == nil {
			rejected++
			continue
		}
		ok := true
		read := func(c *column) (v int64, x float64, there bool) {
			i := f.byName[c.field]
			v, x, o := cells[i].as(c.convs[f.name], f.fields[i])
			ok = ok && o != valueReject
			return v, x, o == valueOK
		}
		whole := func(name string) *int64 {
			if v, _, there := read(l.values[name]); there {
				return &v
			}
			return nil
		}
		real := func(name string) *float64 {
			if _, x, there := read(l.values[name]); there {
				return &x
			}
			return nil
		}
		kept := func(name string) bool {
			all := true
			for _, c := range l.keep[name] {
				v, _, there := read(c)
				all = all && there && v == 1
			}
			return all
		}
		number, _, isNumber := read(l.number)
		at, _, isTime := read(l.time)
		e := known{
			number: fmt.Sprint(number), at: time.UnixMicro(at).UTC(),
			counted: kept("complaint_cnt"), closed: kept("complaint_date"), flagged: kept("event_flags"),
			fen: whole("recharge_fen"), result: whole("complaint_result"), code: whole("city_cnt"), flag: whole("event_flags"),
			amount: real("spent"), first: real("first_spent"),
		}
		if !ok || !isNumber || !isTime {
			rejected++
			continue
		}
		list = append(list, e)
	}
	return list, rejected, true
}

// becameOf counts what becomes of events: who has them, and whether any column counts them.
func becameOf(list []known, rejected int64) job.TableCounts {
	end := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	c := job.TableCounts{In: int64(len(list)) + rejected, Rejected: rejected}
	for _, e := range list {
		switch {
		case !slices.ContainsFunc(fuzzedNumbers, func(n uint64) bool { return fmt.Sprint(n) == e.number }):
			c.Orphan++
		case e.at.Before(end) && !e.at.Before(end.AddDate(0, -5, 0)):
			c.Within++
		default:
			c.Outside++
		}
	}
	return c
}

// cell is a value as it is in a file.
type cell struct {
	null bool
	bits uint64
	text []byte
}

// as converts a cell by itself.
func (c cell) as(conv *conversion, fd field) (v int64, x float64, o outcome) {
	fits := func(v int64, ok bool) (int64, float64, outcome) {
		if !ok {
			return 0, 0, valueBad
		}
		return v, 0, valueOK
	}
	switch {
	case c.null:
		return 0, 0, valueNull
	case fd.kind == kindText && conv.goal == goalFloat:
		x, o = conv.number(c.text)
		return 0, x, o
	case fd.kind == kindText:
		v, o = conv.text(c.text)
		return v, 0, o
	case fd.kind == kindF32 || fd.kind == kindF64:
		x = math.Float64frombits(c.bits)
		if fd.kind == kindF32 {
			x = float64(math.Float32frombits(uint32(c.bits)))
		}
		if conv.goal != goalFloat {
			return fits(conv.float(x))
		}
		if x-x != 0 {
			return 0, 0, valueBad
		}
		return 0, x, valueOK
	case conv.goal == goalFloat:
		x = float64(int64(c.bits))
		if conv.unsigned {
			x = float64(c.bits)
		}
		return 0, x / float64(conv.den), valueOK
	}
	return fits(conv.integer(int64(c.bits)))
}

// splitByHand splits a CSV file's text; nil is a row that cannot be split into its cells.
func splitByHand(f *inputFile, how job.CSV) (rows [][]cell, sound bool) {
	if f.csv.packed != nil || how.Encoding != "utf-8" || how.Quote != "none" {
		return nil, false
	}
	text := make([]byte, f.csv.text.Size()-f.csv.first)
	if err := readFull(f.csv.text, text, f.csv.first); err != nil {
		return nil, false
	}
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			continue
		}
		parts := bytes.Split(line, []byte(how.Delimiter))
		if len(parts) != len(f.fields) || bytes.IndexByte(line, 0) >= 0 {
			rows = append(rows, nil)
			continue
		}
		cells := make([]cell, len(parts))
		for i, p := range parts {
			cells[i].text = p
		}
		rows = append(rows, cells)
	}
	return rows, true
}

// cellsByHand reads the cells of a table as they are.
func cellsByHand(f *inputFile) (rows [][]cell, sound bool) {
	var c codecs
	defer c.close()
	rows = make([][]cell, f.table.count())
	for i, fd := range f.fields {
		if fd.refused != "" {
			continue
		}
		col := f.table.column(fd, nil, &c)
		col.seek(0)
		for k := range rows {
			var v cells
			if err := col.cells(1, &v); err != nil {
				col.close()
				return nil, false
			}
			if rows[k] == nil {
				rows[k] = make([]cell, len(f.fields))
			}
			rows[k][i] = cell{null: v.null[0], bits: v.fixed[0], text: bytes.Clone(v.text(0))}
		}
		col.close()
	}
	return rows, true
}
