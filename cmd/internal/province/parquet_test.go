package province

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/schema"
	"rescore/partition/store"
	"rescore/partition/synth"
)

// vectorOf makes a vector of n draws; null of the time it is null.
func vectorOf[T synth.Integer](r *rand.Rand, n int, null float64, draw func() T) *synth.Vector[T] {
	v := &synth.Vector[T]{Values: make([]T, n), Valid: make([]byte, (n+7)/8)}
	for i := range n {
		if r.Float64() >= null {
			v.Values[i] = draw()
			v.Valid[i>>3] |= 1 << (i & 7)
		}
	}
	return v
}

// TestParquetKeepsEveryValue writes columns of every type, with few and many
// different values, inside and outside what a dictionary takes, with no, some
// and only nulls, over several pages and row groups of odd sizes.
func TestParquetKeepsEveryValue(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	types := arrow.PrimitiveTypes
	shapes := []struct {
		name string
		kind arrow.DataType
		make func(n int, null float64, group int) any
	}{
		{"u8_one", types.Uint8, func(n int, null float64, _ int) any {
			return vectorOf(r, n, null, func() uint8 { return 3 })
		}},
		{"u8_all", types.Uint8, func(n int, null float64, _ int) any {
			return vectorOf(r, n, null, func() uint8 { return uint8(r.Uint32()) })
		}},
		{"i16_negative", types.Int16, func(n int, null float64, _ int) any {
			return vectorOf(r, n, null, func() int16 { return int16(r.Uint32()) })
		}},
		{"i16_small", types.Int16, func(n int, null float64, _ int) any {
			return vectorOf(r, n, null, func() int16 { return int16(r.IntN(5)) })
		}},
		{"i32_edge", types.Int32, func(n int, null float64, group int) any {
			return vectorOf(r, n, null, func() int32 { return int32(65_530 + r.IntN(4+3*group)) })
		}},
		{"u32_large", types.Uint32, func(n int, null float64, group int) any {
			if group == 1 {
				return vectorOf(r, n, null, func() uint32 { return 7 })
			}
			return vectorOf(r, n, null, func() uint32 { return r.Uint32() >> 1 })
		}},
		{"day", arrow.FixedWidthTypes.Date32, func(n int, null float64, _ int) any {
			return vectorOf(r, n, null, func() int32 { return int32(15_000 + r.IntN(5000)) })
		}},
		{"i64", types.Int64, func(n int, null float64, _ int) any {
			return vectorOf(r, n, null, func() int64 { return int64(r.Uint64()) })
		}},
		{"i64_near", types.Int64, func(n int, null float64, _ int) any {
			return vectorOf(r, n, null, func() int64 { return -50 + int64(r.IntN(100)) })
		}},
		{"other_ld_sec", types.Int64, func(n int, null float64, group int) any { // places; plain in the second row group
			return vectorOf(r, n, null, func() int64 { return int64(r.Uint64N(4096)) >> (r.IntN(20)) << (40 * (group & 1)) })
		}},
		{"u64", types.Uint64, func(n int, null float64, _ int) any {
			return vectorOf(r, n, null, func() uint64 { return r.Uint64() >> 1 })
		}},
	}
	for _, codec := range []format.CompressionCodec{format.Uncompressed, format.Snappy, format.Zstd} {
		for _, null := range []float64{0, 0.01, 0.5, 1} {
			t.Run(fmt.Sprint(codec, null), func(t *testing.T) {
				columns := make([]synth.Column, len(shapes))
				for i, s := range shapes {
					columns[i] = synth.Column{Name: s.name, Source: schema.Column{Name: s.name, Type: s.kind}}
				}
				var file bytes.Buffer
				f, err := newParquet(&file, columns, codec)
				if err != nil {
					t.Fatal(err)
				}
				want := table{}
				for group, pages := range [][]int{{1, 7, 8, 9}, {1000}, {4096, 4097, 63}} {
					for _, n := range pages {
						for i, s := range shapes {
							columns[i].Vector = s.make(n, null, group)
							for row := range n {
								want[s.name] = append(want[s.name], cell(t, s.name, columns[i].Vector, row))
							}
						}
						if err := f.write(columns, n); err != nil {
							t.Fatal(err)
						}
					}
					if err := f.split(); err != nil {
						t.Fatal(err)
					}
				}
				if err := f.finish(); err != nil {
					t.Fatal(err)
				}
				same(t, "read back", readParquet(t, file.Bytes()), want)
			})
		}
	}
}

// TestTheKeyAloneHasBounds: they are what readers skip row groups by.
func TestTheKeyAloneHasBounds(t *testing.T) {
	t.Parallel()
	const n = 150_000 // two row groups
	m := newMemory()
	write(t, m, Options{Province: dirty(n)})
	b := m.objects["base/part-00000.parquet"]
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	base, err := synth.New(dirty(n))
	if err != nil {
		t.Fatal(err)
	}
	var numbers []uint64 // 0 for null
	for batch, at := synth.NewBatch(), int64(0); at < n; at += 1000 {
		base.Fill(batch, at, 1000)
		numbers = append(numbers, batch.Columns[0].Vector.(*synth.Vector[uint64]).Values...)
	}
	if len(f.Metadata().RowGroups) != 2 {
		t.Fatalf("%d row groups", len(f.Metadata().RowGroups))
	}
	for _, g := range f.Metadata().RowGroups {
		var low, high uint64
		for _, x := range numbers[:g.NumRows] {
			if x != 0 && (low == 0 || x < low) {
				low = x
			}
			high = max(high, x)
		}
		numbers = numbers[g.NumRows:]
		for _, c := range g.Columns {
			s := c.MetaData.Statistics
			if c.MetaData.PathInSchema[0] != schema.Key {
				if s.MinValue != nil || s.MaxValue != nil {
					t.Fatalf("%s has bounds", c.MetaData.PathInSchema[0])
				}
			} else if binary.LittleEndian.Uint64(s.MinValue) != low || binary.LittleEndian.Uint64(s.MaxValue) != high {
				t.Fatal("wrong bounds of the key")
			}
		}
	}
}

func TestSomeColumnsAreThoseOfTheWholeRecord(t *testing.T) {
	t.Parallel()
	wanted := []string{"msisdn", "fee_m0", "fee_m3", "pay_mode"}
	whole, part := t.TempDir(), t.TempDir()
	for dir, columns := range map[string][]string{whole: nil, part: wanted} {
		st, err := store.NewFile(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Write(t.Context(), st, Options{Province: synth.Default(1, 500, 202610), Columns: columns}); err != nil {
			t.Fatal(err)
		}
	}
	type row struct {
		Number *int64 `parquet:"msisdn"`
		Pay    *int32 `parquet:"pay_mode"`
		Fee0   *int64 `parquet:"fee_m0"`
		Fee3   *int64 `parquet:"fee_m3"`
	}
	rows := func(dir string) (list []row, columns int) {
		data, err := os.ReadFile(filepath.Join(dir, "base", "part-00000.parquet"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		list, err = parquet.Read[row](bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		return list, len(f.Schema().Columns())
	}
	all, _ := rows(whole)
	some, columns := rows(part)
	if columns != len(wanted) || len(some) < 500 || !reflect.DeepEqual(all, some) {
		t.Errorf("%d columns of %d rows, which are those of the whole: %t", columns, len(some), reflect.DeepEqual(all, some))
	}
	st, err := store.NewFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{Columns: []string{"fee_m0"}}, {Columns: wanted, Layout: "months"}} {
		o.Province = synth.Default(1, 500, 202610)
		if _, err := Write(t.Context(), st, o); !errors.Is(err, ErrOption) {
			t.Errorf("%v of layout %s: %v", o.Columns, o.Layout, err)
		}
	}
}
