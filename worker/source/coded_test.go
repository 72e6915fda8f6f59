package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"

	"rescore/worker/kernel"
)

// coding counts the batches of an extra column by dictionary and by value, the nulls
// among the coded rows, and the most dictionaries in a batch, after holding each to what
// another reader reads by value.
type coding struct{ with, without, nulls, runs int }

// codings reads all tasks of an input and looks at the columns score and city.
func codings(t *testing.T, dir string, batch int) map[string]coding {
	t.Helper()
	d := open(t, dir, subscriberSpec("in"))
	sv := survey(t, d)
	names := []string{"tenure_months", "score", "city"}
	out := make(map[string]coding)
	for _, task := range cut(sv, whole) {
		r, err := d.Reader(task, sv.Files, names, batch, memory.NewGoAllocator())
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		v, err := d.Reader(task, sv.Files, names, batch, memory.NewGoAllocator())
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		r.Code([]bool{false, true, true})
		kept := make(map[*kernel.Dictionary][]uint64) // a dictionary never changes
		for {
			b, err := r.Next(context.Background())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			byValue, err := v.Next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if len(b.Coded) != len(names) || b.Coded[0] != nil {
				t.Fatalf("%d columns, the canonical one is coded %v", len(b.Coded), b.Coded[0] != nil)
			}
			for i := 1; i < len(names); i++ {
				n, c := out[names[i]], b.Coded[i]
				want := byValue.Record.Column(i).(*array.Float64).Float64Values()
				values := b.Record.Column(i).(*array.Float64).Float64Values()
				if c == nil {
					n.without++
				} else {
					n.with++
					n.runs = max(n.runs, len(c.Runs))
					if len(c.Index) != b.Len || c.Runs[len(c.Runs)-1].Past != b.Len {
						t.Fatalf("%d rows have %d indices, and runs of %d", b.Len, len(c.Index), c.Runs[len(c.Runs)-1].Past)
					}
					values = make([]float64, b.Len)
					c.Values(values, 0)
				}
				for j, got := range values {
					if math.Float64bits(got) != math.Float64bits(want[j]) {
						t.Fatalf("%s, row %d: %v, by value %v", names[i], j, got, want[j])
					}
					if c != nil && math.IsNaN(got) {
						n.nulls++
					}
				}
				out[names[i]] = n
				if c == nil {
					continue
				}
				for _, run := range c.Runs {
					var bits []uint64
					for _, v := range run.Value {
						bits = append(bits, math.Float64bits(v))
					}
					if was, known := kept[run.Dictionary]; len(bits) > kernel.DictionaryMax || known && !slices.Equal(was, bits) {
						t.Fatalf("%s: the dictionary of an earlier batch has changed, or has %d values", names[i], len(bits))
					}
					kept[run.Dictionary] = bits
				}
			}
		}
		for d, was := range kept {
			for i, v := range d.Value {
				if math.Float64bits(v) != was[i] {
					t.Fatal("a dictionary changed after its batch")
				}
			}
		}
	}
	return out
}

// few makes subscribers whose scores are some distinct sound numbers, or null.
func few(seed uint64, rows, distinct int, nulls float64) []subscriber {
	r := rand.New(rand.NewPCG(seed, 5))
	list := subscribers(seed, rows, 0.1)
	for i := range list {
		list[i].Score = maybe(r, nulls, float64(r.IntN(distinct))/7-3)
		list[i].City = []string{"北京", "上海"}[r.IntN(2)]
	}
	return list
}

var byDictionary = encoded(map[parquet.Kind]encoding.Encoding{parquet.Double: &parquet.RLEDictionary, parquet.ByteArray: &parquet.RLEDictionary})

func TestColumnsByDictionarySayWhatTheirValuesSay(t *testing.T) {
	t.Parallel()
	for _, nulls := range []float64{0, 0.3, 1} {
		for _, pages := range []int{500, 1 << 20} {
			for _, batch := range []int{1, 97, 1000, 1024, 20000} {
				t.Run(fmt.Sprintf("nulls %v, pages of %d bytes, batches of %d", nulls, pages, batch), func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					for i := range 2 { // files, each of three chunks of 2000 rows
						rows := few(uint64(i), 5500, 40, nulls)
						for j := range rows {
							rows[j].Msisdn += int64(i) * 100_000_000
						}
						write(t, dir, fmt.Sprintf("in/%d.parquet", i), parquetBytes(t, rows, byDictionary, parquet.MaxRowsPerRowGroup(2000), parquet.PageBufferSize(pages)))
					}
					for name, n := range codings(t, dir, batch) {
						if n.with == 0 || n.without > 0 || batch == 1 && n.runs != 1 || batch == 20000 && n.runs != 6 {
							t.Errorf("%s: %+v", name, n)
						}
						if name == "score" && (n.nulls > 0) != (nulls > 0) {
							t.Errorf("%s: %+v", name, n)
						}
					}
				})
			}
		}
	}
}

func TestNoDictionaryIsHandedOverWhereItDoesNotPay(t *testing.T) {
	t.Parallel()
	plain := encoded(map[parquet.Kind]encoding.Encoding{parquet.Double: &parquet.Plain, parquet.ByteArray: &parquet.Plain})
	bad := few(1, 3000, 40, 0.1)
	bad[2999].Score = ptr(math.Inf(1))
	bad[2998].City = "x"
	many := few(1, 20000, 4096, 0)
	for i := range many {
		many[i].Score = ptr(float64(i % 4096))
	}
	for name, c := range map[string]struct {
		rows   []subscriber
		schema parquet.WriterOption
		score  bool
	}{
		"plain":         {few(1, 3000, 40, 0.1), plain, false},
		"a bad value":   {bad, byDictionary, false},
		"too many":      {many, byDictionary, false},
		"few rows each": {few(1, 100, 40, 0), byDictionary, false},
		"enough":        {few(1, 1000, 40, 0), byDictionary, true},
	} {
		dir := t.TempDir()
		write(t, dir, "in/a.parquet", parquetBytes(t, c.rows, c.schema))
		if n := codings(t, dir, 500)["score"]; n.with > 0 != c.score {
			t.Errorf("%s: %+v", name, n)
		}
	}
}

// A batch in which one chunk is worth its dictionary and another is not, or is of a CSV
// file, is by value from its first row on.
func TestABatchIsByDictionaryAsAWholeOrByValue(t *testing.T) {
	t.Parallel()
	v := newVector(arrow.PrimitiveTypes.Float64, 10, memory.NewGoAllocator())
	defer v.release()
	v.wanted = true
	a, b := &kernel.Dictionary{Value: []float64{1, nan}}, &kernel.Dictionary{Value: []float64{2, 3, nan}}
	for range 2 {
		v.begin()
		if !v.takes(0) {
			t.Fatal("the first rows are not taken")
		}
		copy(v.code(0, 4, a), []uint16{0, 1, 0, 0})
		copy(v.code(4, 2, a), []uint16{1, 0})
		if !v.takes(6) {
			t.Fatal("a second dictionary is not taken")
		}
		copy(v.code(6, 2, b), []uint16{2, 1})
		if len(v.coded.Runs) != 2 || v.coded.Runs[0].Past != 6 || v.coded.Runs[1].Past != 8 {
			t.Fatalf("runs %v", v.coded.Runs)
		}
		v.write(8)
		if v.takes(8) || len(v.coded.Runs) > 0 {
			t.Error("by dictionary though some rows are values")
		}
		for i, want := range []float64{1, nan, 1, 1, nan, 1, nan, 3} {
			if got := lanes[float64](v)[i]; math.Float64bits(got) != math.Float64bits(want) {
				t.Errorf("row %d is %v, want %v", i, got, want)
			}
		}
	}
}

func TestADictionaryChunkBesideAPlainOneIsReadByValue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain := encoded(map[parquet.Kind]encoding.Encoding{parquet.Double: &parquet.Plain, parquet.ByteArray: &parquet.Plain})
	for i, schema := range []parquet.WriterOption{byDictionary, plain, byDictionary} {
		rows := few(uint64(i), 3000, 40, 0.2)
		for j := range rows {
			rows[j].Msisdn += int64(i) * 100_000_000
		}
		write(t, dir, fmt.Sprintf("in/%d.parquet", i), parquetBytes(t, rows, schema))
	}
	for name, n := range codings(t, dir, 1000) {
		if n.with == 0 || n.without == 0 {
			t.Errorf("%s: %+v", name, n)
		}
	}
}

// BenchmarkCoded reports what an extra column costs to read by dictionary and by value, a
// third of its rows null or none, with what is handed over beside it.
func BenchmarkCoded(b *testing.B) {
	for _, distinct := range []int{40, 4000} {
		for _, nulls := range []float64{0, 0.3} {
			dir := b.TempDir()
			rows := few(1, 200_000, distinct, nulls)
			write(b, dir, "in/a.parquet", parquetBytes(b, rows, byDictionary))
			d := open(b, dir, subscriberSpec("in"))
			sv := survey(b, d)
			tasks := cut(sv, whole)
			for name, coded := range map[string]bool{"code": true, "value": false} {
				b.Run(fmt.Sprintf("%d/nulls %v/%s", distinct, nulls, name), func(b *testing.B) {
					for b.Loop() {
						for _, task := range tasks {
							r, err := d.Reader(task, sv.Files, []string{"score"}, 2048, memory.NewGoAllocator())
							if err != nil {
								b.Fatal(err)
							}
							r.Code([]bool{coded})
							for err == nil {
								_, err = r.Next(context.Background())
							}
							if !errors.Is(err, io.EOF) {
								b.Fatal(err)
							}
							if err := r.Close(); err != nil {
								b.Fatal(err)
							}
						}
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(rows)), "ns/row")
				})
			}
		}
	}
}
