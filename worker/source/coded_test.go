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

// coding counts the batches of an extra column with a dictionary and without, and the
// nulls among the coded rows, after holding each to the float64s beside it.
type coding struct{ with, without, nulls int }

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
		r.Code()
		kept := make(map[*kernel.Dictionary][]uint64) // a dictionary never changes
		for {
			b, err := r.Next(context.Background())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(b.Coded) != len(names) || b.Coded[0] != nil {
				t.Fatalf("%d columns, the canonical one is coded %v", len(b.Coded), b.Coded[0] != nil)
			}
			for i := 1; i < len(names); i++ {
				n, c := out[names[i]], b.Coded[i]
				if c == nil {
					n.without++
					out[names[i]] = n
					continue
				}
				n.with++
				if len(c.Index) != b.Len || len(c.Dictionary.Value) > kernel.DictionaryMax {
					t.Fatalf("%d rows have %d indices into %d values", b.Len, len(c.Index), len(c.Dictionary.Value))
				}
				values := b.Record.Column(i).(*array.Float64).Float64Values()
				for j, k := range c.Index {
					if got, want := c.Dictionary.Value[k], values[j]; math.Float64bits(got) != math.Float64bits(want) {
						t.Fatalf("%s, row %d: %v by dictionary, %v", names[i], j, got, want)
					}
					if math.IsNaN(values[j]) {
						n.nulls++
					}
				}
				out[names[i]] = n
				var bits []uint64
				for _, v := range c.Dictionary.Value {
					bits = append(bits, math.Float64bits(v))
				}
				if was, known := kept[c.Dictionary]; known && !slices.Equal(was, bits) {
					t.Fatalf("%s: the dictionary of an earlier batch has changed", names[i])
				}
				kept[c.Dictionary] = bits
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

func TestDictionariesAreHandedOverAndSayWhatTheValuesSay(t *testing.T) {
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
						// Batches that straddle the five borders between chunks have none.
						if batch <= 1024 && (n.with == 0 || n.without > 5) || batch == 20000 && n.with > 0 || batch == 1000 && n.with < 5 {
							t.Errorf("%s: %+v", name, n)
						}
						if name == "score" && batch <= 1024 && (n.nulls > 0) != (nulls > 0) {
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

// A column read as CSV has no dictionary, whatever the file before it had.
func TestADictionaryDoesNotReachAFileOfAnotherKind(t *testing.T) {
	t.Parallel()
	v := newVector(arrow.PrimitiveTypes.Float64, 10, memory.NewGoAllocator())
	defer v.release()
	v.wanted = true
	d := &kernel.Dictionary{Value: []float64{1, nan}}
	for _, c := range []struct {
		second *kernel.Dictionary
		want   bool
	}{{d, true}, {nil, false}, {&kernel.Dictionary{Value: []float64{1, nan}}, false}} {
		v.begin()
		v.code(0, 4, d)
		v.code(4, 6, c.second)
		v.code(10, 0, c.second)
		if got := v.coded.Dictionary != nil; got != c.want {
			t.Errorf("coded %v, want %v", got, c.want)
		}
		v.begin()
		v.code(0, 4, nil)
		v.code(4, 6, d)
		if v.coded.Dictionary != nil {
			t.Error("coded though its first rows were not")
		}
	}
}

// BenchmarkCoded reports what an extra column costs to read by dictionary, a third of
// its rows null or none, with what is handed over beside it.
func BenchmarkCoded(b *testing.B) {
	for _, nulls := range []float64{0, 0.3} {
		dir := b.TempDir()
		rows := few(1, 200_000, 40, nulls)
		write(b, dir, "in/a.parquet", parquetBytes(b, rows, byDictionary))
		d := open(b, dir, subscriberSpec("in"))
		sv := survey(b, d)
		tasks := cut(sv, whole)
		b.Run(fmt.Sprintf("nulls %v", nulls), func(b *testing.B) {
			for b.Loop() {
				for _, task := range tasks {
					r, err := d.Reader(task, sv.Files, []string{"score"}, 8192, memory.NewGoAllocator())
					if err != nil {
						b.Fatal(err)
					}
					r.Code()
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
