package province

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go"

	"rescore/partition/schema"
	"rescore/partition/synth"
)

// dirty is a small province in which every kind of dirt happens.
func dirty(subscribers int64) synth.Province {
	return synth.Province{
		Seed: 7, Subscribers: subscribers, Month: 202402,
		DuplicateRate: 0.01, NullKeyRate: 0.01, WrongNumberRate: 0.01, IoTRate: 0.01,
	}
}

func write(t *testing.T, m *memory, o Options) Summary {
	t.Helper()
	s, err := Write(context.Background(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// table is a file read back: a text per cell, "" for null.
type table map[string][]string

// readParquet reads a file with the library, which shares nothing with the
// writer but the structures of the footer, the metadata's counts too.
func readParquet(t *testing.T, b []byte) table {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	got := table{}
	for at, g := range f.RowGroups() {
		for i, chunk := range g.ColumnChunks() {
			field := f.Schema().Fields()[i]
			pages := chunk.Pages()
			rows := int64(0)
			var nulls int64
			for {
				page, err := pages.ReadPage()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v", field.Name(), err)
				}
				rows += page.NumRows()
				nulls += page.NumNulls()
				values := make([]parquet.Value, page.NumValues())
				if n, err := page.Values().ReadValues(values); n != len(values) || err != nil && !errors.Is(err, io.EOF) {
					t.Fatalf("%s: %d of %d values: %v", field.Name(), n, len(values), err)
				}
				for _, v := range values {
					cell := ""
					if !v.IsNull() {
						if v.Kind() == parquet.Int32 {
							cell = strconv.Itoa(int(v.Int32()))
						} else {
							cell = strconv.FormatInt(v.Int64(), 10)
						}
					}
					got[field.Name()] = append(got[field.Name()], cell)
				}
				parquet.Release(page)
			}
			if err := pages.Close(); err != nil {
				t.Fatal(err)
			}
			m := f.Metadata().RowGroups[at].Columns[i].MetaData
			if rows != g.NumRows() || rows != m.NumValues || nulls != m.Statistics.NullCount {
				t.Fatalf("%s: %d rows and %d nulls, the metadata says otherwise", field.Name(), rows, nulls)
			}
		}
	}
	return got
}

func readCSV(t *testing.T, b []byte) table {
	t.Helper()
	lines, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := table{}
	for c, name := range lines[0] {
		column, _ := schema.Find(schema.Subscriber, name)
		for _, l := range lines[1:] {
			cell := l[c]
			if cell != "" && column.Type != nil && column.Type.ID() == arrow.DATE32 {
				day, err := time.Parse(time.DateOnly, cell)
				if err != nil {
					t.Fatal(err)
				}
				cell = strconv.FormatInt(day.Unix()/86_400, 10)
			}
			got[name] = append(got[name], cell)
		}
	}
	return got
}

// expected is the province as synth makes it.
func expected(t *testing.T, p synth.Province, first, n int64) table {
	t.Helper()
	base, err := synth.New(p)
	if err != nil {
		t.Fatal(err)
	}
	b := synth.NewBatch()
	base.Fill(b, first, n)
	want := table{}
	for _, c := range b.Columns {
		for i := range b.Len {
			want[c.Name] = append(want[c.Name], cell(t, c.Name, c.Vector, i))
		}
	}
	return want
}

func cell(t *testing.T, column string, vector any, i int) string {
	t.Helper()
	switch v := vector.(type) {
	case *synth.Vector[uint8]:
		return print1(v, i)
	case *synth.Vector[int16]:
		return print1(v, i)
	case *synth.Vector[int32]:
		return print1(v, i)
	case *synth.Vector[uint32]:
		return print1(v, i)
	case *synth.Vector[int64]:
		return print1(v, i)
	case *synth.Vector[uint64]:
		return print1(v, i)
	}
	t.Fatalf("column %s is a %T, which this test cannot read", column, vector)
	return ""
}

func print1[T synth.Integer](v *synth.Vector[T], i int) string {
	if v.Null(i) {
		return ""
	}
	return strconv.FormatInt(int64(v.Values[i]), 10)
}

func same(t *testing.T, what string, got, want table) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d columns, want %d", what, len(got), len(want))
	}
	for name, w := range want {
		g := got[name]
		if len(g) != len(w) {
			t.Fatalf("%s: column %s has %d rows, want %d", what, name, len(g), len(w))
		}
		for i := range w {
			if g[i] != w[i] {
				t.Fatalf("%s: column %s row %d differs from what synth makes", what, name, i)
			}
		}
	}
}

func TestFilesHoldWhatSynthMakes(t *testing.T) {
	t.Parallel()
	const n = 20_011 // three pages, the last one odd
	want := expected(t, dirty(n), 0, n)
	for _, o := range []Options{
		{Format: "parquet", Compression: "none"}, {Format: "parquet"}, {Format: "parquet", Compression: "zstd"}, {Format: "csv"},
	} {
		t.Run(o.Format+o.Compression, func(t *testing.T) {
			t.Parallel()
			o.Province = dirty(n)
			m := newMemory()
			s := write(t, m, o)
			b := m.objects["base/part-00000."+o.Format]
			if o.Format == "csv" {
				same(t, "csv", readCSV(t, b), want)
			} else {
				same(t, "parquet", readParquet(t, b), want)
			}
			if s.Rows != s.Planted.Rows() || s.Rows != int64(len(want["msisdn"])) || s.Labels != n-s.Planted.Gone {
				t.Fatalf("%d rows and %d labels for %+v", s.Rows, s.Labels, s.Planted)
			}
		})
	}
}

func TestLabelsAreBesideTheBaseAndNeverInIt(t *testing.T) {
	t.Parallel()
	const n = 9_000
	base, err := synth.New(dirty(n))
	if err != nil {
		t.Fatal(err)
	}
	numbers, churned := base.Labels(nil, nil, 0, n)
	for _, format := range []string{"parquet", "csv"} {
		m := newMemory()
		write(t, m, Options{Province: dirty(n), Format: format, Files: 2})
		read := readParquet
		if format == "csv" {
			read = readCSV
		}
		at := 0
		for f := range 2 {
			got := read(t, m.objects[fmt.Sprintf("labels/part-%05d.%s", f, format)])
			if len(got) != 2 {
				t.Fatalf("labels have %d columns", len(got))
			}
			for i := range got["msisdn"] {
				if got["msisdn"][i] != strconv.FormatUint(numbers[at], 10) || got["churned"][i] != strconv.Itoa(int(churned[at])) {
					t.Fatalf("%s: label %d is wrong", format, at)
				}
				at++
			}
			for name := range read(t, m.objects[fmt.Sprintf("base/part-%05d.%s", f, format)]) {
				if strings.Contains(name, "churn") {
					t.Fatalf("the base has the column %s", name)
				}
			}
		}
		if at != len(numbers) {
			t.Fatalf("%d labels, want %d", at, len(numbers))
		}
	}
}

func TestBytesDoNotDependOnWorkers(t *testing.T) {
	t.Parallel()
	for _, layout := range []string{"wide", "months"} {
		one, four := newMemory(), newMemory()
		o := Options{Province: dirty(20_000), Layout: layout, Files: 5}
		a := write(t, one, o)
		o.Workers = 4
		b := write(t, four, o)
		if !maps.EqualFunc(one.objects, four.objects, bytes.Equal) {
			t.Fatalf("%s: other bytes with four workers", layout)
		}
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Fatalf("%s: summaries differ:\n%+v\n%+v", layout, a, b)
		}
		var size int64
		for _, x := range one.objects {
			size += int64(len(x))
		}
		if size != a.Bytes || len(a.Files) != len(one.objects) {
			t.Fatalf("%s: summary says %d bytes in %d files, there are %d in %d", layout, a.Bytes, len(a.Files), size, len(one.objects))
		}
	}
}

func TestFilesCoverTheSubscribersInOrder(t *testing.T) {
	t.Parallel()
	const n, files = 1_003, 7
	m := newMemory()
	write(t, m, Options{Province: dirty(n), Files: files})
	got := table{}
	for f := range files {
		for name, cells := range readParquet(t, m.objects[fmt.Sprintf("base/part-%05d.parquet", f)]) {
			got[name] = append(got[name], cells...)
		}
	}
	same(t, "files", got, expected(t, dirty(n), 0, n))
}

func TestMonthsJoinedAreTheWideLayout(t *testing.T) {
	t.Parallel()
	const n = 9_500
	for _, format := range []string{"parquet", "csv"} {
		m := newMemory()
		write(t, m, Options{Province: dirty(n), Layout: "months", Format: format})
		read := readParquet
		if format == "csv" {
			read = readCSV
		}
		want := expected(t, dirty(n), 0, n)
		for k, month := range []string{"202402", "202401", "202312", "202311", "202310", "202309"} {
			got := read(t, m.objects["base/month="+month+"/part-00000."+format])
			if _, ok := got["fee"]; !ok {
				t.Fatalf("%s: no column fee", month)
			}
			if _, ok := got["city_code"]; ok != (k == 0) {
				t.Fatalf("%s: city_code there is %v", month, ok)
			}
			row := map[string]int{}
			for i, number := range got["msisdn"] {
				if _, twice := row[number]; twice && k > 0 {
					t.Fatalf("%s: a number twice", month)
				}
				row[number] = i
			}
			for _, c := range schema.Subscriber {
				name := c.Name
				if c.Monthly {
					name = c.At(k)
				} else if k > 0 {
					continue
				}
				for i, w := range want[name] {
					if k == 0 {
						if got[c.Name][i] != w {
							t.Fatalf("%s: %s row %d differs", month, c.Name, i)
						}
						continue
					}
					number := want["msisdn"][i]
					if j, ok := row[number]; ok && got[c.Name][j] != w || !ok && w != "" && len(number) == 11 {
						t.Fatalf("%s: %s row %d differs", month, c.Name, i)
					}
				}
			}
		}
	}
}

func TestOneProvinceIsNotWrittenOverAnother(t *testing.T) {
	t.Parallel()
	m := newMemory()
	o := Options{Province: dirty(100)}
	write(t, m, o)
	m.objects["elsewhere/keep"] = []byte("x")
	before := maps.Clone(m.objects)
	o.Province.Seed = 8
	if _, err := Write(context.Background(), m, o); !errors.Is(err, ErrNotEmpty) {
		t.Fatalf("got %v", err)
	}
	if !maps.EqualFunc(before, m.objects, bytes.Equal) {
		t.Fatal("a refused write changed the store")
	}
	o.Force = true
	o.Format = "csv"
	write(t, m, o)
	if len(m.objects) != 3 || string(m.objects["elsewhere/keep"]) != "x" {
		t.Fatalf("after force there are %d objects", len(m.objects))
	}
}

func TestAFullDiskSaysSo(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.room = 100_000
	_, err := Write(context.Background(), m, Options{Province: dirty(30_000), Files: 3, Workers: 2})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free space") || !strings.Contains(err.Error(), "part-") {
		t.Fatalf("got %v", err)
	}
	for name, b := range m.objects {
		if len(readParquet(t, b)) == 0 {
			t.Fatalf("%s was committed broken", name)
		}
	}
}

func TestCancelStopsBetweenPages(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	var seen int64
	_, err := Write(ctx, newMemory(), Options{Province: dirty(100_000), Progress: func(rows int64) {
		seen = rows
		cancel()
	}})
	if !errors.Is(err, context.Canceled) || seen > 9_000 {
		t.Fatalf("got %v after %d rows", err, seen)
	}
}

func TestProgressEndsWithAllRows(t *testing.T) {
	t.Parallel()
	var last int64
	s := write(t, newMemory(), Options{Province: dirty(30_000), Files: 3, Workers: 3, Progress: func(rows int64) {
		if rows <= last {
			t.Errorf("progress went from %d to %d", last, rows)
		}
		last = rows
	}})
	if last != s.Rows {
		t.Fatalf("progress ended at %d of %d rows", last, s.Rows)
	}
}

func TestUnknownOptionsAreAllReported(t *testing.T) {
	t.Parallel()
	_, err := Write(context.Background(), newMemory(), Options{
		Province: dirty(10), Format: "xlsx", Layout: "long", Compression: "lzo", Files: -1, Workers: -1,
	})
	for _, word := range []string{"xlsx", "long", "lzo", "-1 files", "-1 workers"} {
		if err == nil || !errors.Is(err, ErrOption) || !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not reported in %v", word, err)
		}
	}
	if _, err := Write(context.Background(), newMemory(), Options{}); !errors.Is(err, synth.ErrProvince) {
		t.Errorf("an empty province gives %v", err)
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, o := range []Options{{Compression: "none"}, {Compression: "snappy"}, {Compression: "zstd"}, {Format: "csv"}} {
		b.Run(o.Format+o.Compression, func(b *testing.B) {
			const n = 200_000
			rows, size := int64(0), int64(0)
			for b.Loop() {
				o.Province = synth.Default(1, n, 202410)
				s, err := Write(context.Background(), newMemory(), o)
				if err != nil {
					b.Fatal(err)
				}
				rows += s.Rows
				size += s.Bytes
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(size)/float64(rows), "B/row")
		})
	}
}
