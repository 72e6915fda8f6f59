//go:build unix

package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"rescore/partition/job"
	"rescore/partition/schema"
)

// wideFile writes rows with n monthly columns of the canonical record as a
// producer would: int64 metrics, dictionary where values repeat.
func wideFile(b *testing.B, rows int, nulls float64) ([]byte, []string) {
	var names []string
	root := parquet.Group{schema.Key: parquet.Encoded(parquet.Leaf(parquet.Int64Type), &parquet.DeltaBinaryPacked)}
	for _, c := range schema.Subscriber {
		if c.Monthly && len(names) < 100 {
			for _, name := range c.Names() {
				if len(names) == 100 {
					break
				}
				n := parquet.Leaf(parquet.Int64Type)
				if len(names)%2 == 0 {
					n = parquet.Encoded(n, &parquet.RLEDictionary)
				}
				if nulls >= 0 {
					n = parquet.Optional(n)
				}
				root[name] = n
				names = append(names, name)
			}
		}
	}
	s := parquet.NewSchema("wide", root)
	var out bytes.Buffer
	w := parquet.NewGenericWriter[any](&out, s, parquet.Compression(&parquet.Snappy))
	r := rand.New(rand.NewPCG(1, 1))
	num := int64(13800130000)
	order := s.Columns()
	for range rows {
		num += 1 + int64(r.IntN(3))
		row := make(parquet.Row, 0, len(order))
		for i, path := range order {
			v := parquet.Int64Value(int64(r.IntN(200)))
			def := 0
			if path[0] == schema.Key {
				v = parquet.Int64Value(num)
			} else if nulls >= 0 {
				def = 1
				if r.Float64() < nulls {
					v, def = parquet.NullValue(), 0
				}
			}
			row = append(row, v.Level(0, def, i))
		}
		if _, err := w.WriteRows([]parquet.Row{row}); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return out.Bytes(), names
}

// cpuNanos is the processor time of this process: what a benchmark costs where
// others share the machine.
func cpuNanos(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

func benchRead(b *testing.B, name string, data []byte, columns []string, rows int) {
	benchSpec(b, spec(name), data, columns, rows)
}

func benchSpec(b *testing.B, s job.Spec, data []byte, columns []string, rows int) {
	d, err := Open(context.Background(), memoryStore{s.Input.Path: data}, s)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	sv, err := d.Survey(context.Background(), 1, nil)
	if err != nil {
		b.Fatal(err)
	}
	task := cut(sv, whole)[0]
	b.ReportAllocs()
	cpu := cpuNanos(b)
	for b.Loop() {
		r, err := d.Reader(task, sv.Files, columns, 2048, memory.DefaultAllocator)
		if err != nil {
			b.Fatal(err)
		}
		for {
			if _, err = r.Next(context.Background()); err != nil {
				break
			}
		}
		if !errors.Is(err, io.EOF) || r.Counts().Scored != int64(rows) {
			b.Fatal(err)
		}
		r.Close()
	}
	ns := (cpuNanos(b) - cpu) / float64(b.N) / float64(rows)
	b.ReportMetric(ns, "cpu-ns/row")
	b.ReportMetric(ns/float64(len(columns)), "cpu-ns/value")
	b.ReportMetric(float64(len(data))/float64(rows)/ns*1e3, "MB/cpu-s")
}

func BenchmarkParquetWide100(b *testing.B) {
	const rows = 100_000
	for _, nulls := range []float64{-1, 0, 0.1} {
		data, names := wideFile(b, rows, nulls)
		label := map[float64]string{-1: "required", 0: "optional, no nulls", 0.1: "10% nulls"}[nulls]
		b.Run(label, func(b *testing.B) { benchRead(b, "in.parquet", data, names, rows) })
	}
}

func BenchmarkCSVWide100(b *testing.B) {
	const rows = 20_000
	var names []string
	for _, c := range schema.Subscriber {
		if c.Monthly {
			names = append(names, c.Names()...)
		}
	}
	names = names[:100]
	var text strings.Builder
	text.WriteString(schema.Key + "," + strings.Join(names, ",") + "\n")
	r := rand.New(rand.NewPCG(1, 1))
	for i := range rows {
		fmt.Fprintf(&text, "%d", 13800130000+i)
		for range names {
			fmt.Fprintf(&text, ",%d", r.IntN(200))
		}
		text.WriteByte('\n')
	}
	benchRead(b, "in.csv", []byte(text.String()), names, rows)
}

// recordText is the whole canonical record as an export writes it: brand, sex and city in
// words, money in yuan with two places, and a cell in twenty left empty.
func recordText(b testing.TB, rows int) (text string, s job.Spec, columns []string) {
	s = spec("in.csv")
	s.Input.Columns = map[string]job.Mapping{
		"sex":   {Column: "sex", Values: map[string]int64{"男": 1, "女": 2}},
		"brand": {Column: "brand_m{k}", Values: map[string]int64{"全球通": 3, "动感地带": 2, "神州行": 1}},
	}
	r := rand.New(rand.NewPCG(1, 1))
	var kinds []func() string
	number := func(past int64) func() string { return func() string { return fmt.Sprint(r.Int64N(past)) } }
	for _, c := range schema.Subscriber {
		for _, name := range c.Names() {
			if name == schema.Key {
				continue
			}
			f := number(20_000)
			switch {
			case c.Name == "sex":
				f = func() string { return []string{"男", "女"}[r.IntN(2)] }
			case c.Name == "brand":
				f = func() string { return []string{"全球通", "动感地带", "神州行"}[r.IntN(3)] }
			case c.Type.ID() == arrow.DATE32:
				f = func() string { return fmt.Sprintf("20%02d-%02d-%02d", r.IntN(26), 1+r.IntN(12), 1+r.IntN(28)) }
			case c.Name == "imei":
				f = number(1e14)
			case c.Name == "data_kb", c.Name == "bb_flow_kb":
				f = number(40_000_000)
			case c.Unit == schema.Count, c.Type.ID() == arrow.UINT8, c.Type.ID() == arrow.INT16:
				f = number(30)
			}
			if c.Unit == schema.Fen {
				s.Input.Columns[c.Name] = job.Mapping{Unit: schema.Yuan}
				f = func() string { return fmt.Sprintf("%d.%02d", r.IntN(200), r.IntN(100)) }
			}
			kinds, columns = append(kinds, f), append(columns, name)
		}
	}
	var out strings.Builder
	out.WriteString(schema.Key + "," + strings.Join(columns, ",") + ",地市\n")
	for i := range rows {
		fmt.Fprint(&out, 13800130000+i)
		for _, f := range kinds {
			out.WriteByte(',')
			if r.IntN(20) > 0 {
				out.WriteString(f())
			}
		}
		out.WriteString(",石家庄\n")
	}
	return out.String(), s, columns
}

// BenchmarkCSVRecord reads all columns of the record, as a task does: the numbers first,
// then the columns into batches.
func BenchmarkCSVRecord(b *testing.B) {
	const rows = 10_000
	text, s, columns := recordText(b, rows)
	for _, c := range []struct {
		name, delim string
		text        charset
	}{{"utf-8", ",", charsetUTF8}, {"utf-8 by |@|", "|@|", charsetUTF8}, {"gb18030", ",", charsetGB18030}, {"gb18030 by |", "|", charsetGB18030}, {"utf-8 in quotes", `","`, charsetUTF8}} {
		b.Run(c.name, func(b *testing.B) {
			text, delim := strings.ReplaceAll(text, ",", c.delim), c.delim
			if delim == `","` { // every cell
				text, delim = `"`+strings.ReplaceAll(text[:len(text)-1], "\n", "\"\n\"")+"\"\n", ","
			}
			data := inCharset(b, c.text, text)
			s.Input.CSV.Delimiter, s.Input.CSV.Encoding = delim, c.text.String()
			benchSpec(b, s, data, columns, rows)
		})
	}
}

func BenchmarkSurvey(b *testing.B) {
	const rows = 200_000
	data, _ := wideFile(b, rows, -1)
	d, err := Open(context.Background(), memoryStore{"in.parquet": data}, job.Spec{Month: 202606, Input: job.Input{Path: "in.parquet", Digest: "footer"}})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	cpu := cpuNanos(b)
	for b.Loop() {
		if _, err := d.Survey(context.Background(), 1, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((cpuNanos(b)-cpu)/float64(b.N)/rows, "cpu-ns/row")
}
