package feature

import (
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// columnTypes are the types a column of the input can have, in equal parts of
// the million rows of this test.
var columnTypes = []arrow.DataType{
	arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64, arrow.FixedWidthTypes.Date32,
	arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64, arrow.PrimitiveTypes.Float64,
}

func column(t *testing.T, name string, typ arrow.DataType) kernel.Kernel {
	t.Helper()
	k, err := NewColumn(name, typ)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAColumnIsItselfAsAFeature(t *testing.T) {
	for i, typ := range columnTypes {
		t.Run(typ.Name(), func(t *testing.T) {
			kerneltest.Random{
				New:  func(int) kernel.Kernel { return column(t, "x", typ) },
				Rows: 1_000_000 / len(columnTypes), Seed: uint64(i),
				Max: map[string]int64{"x": math.MaxInt64},
				Reference: func(in *kerneltest.In, out *kerneltest.Out) {
					v := math.NaN()
					switch {
					case typ.ID() == arrow.FLOAT64:
						v = in.Float("x")
					case in.Int("x") == nil:
					case typ.ID() == arrow.UINT64:
						v = float64(uint64(*in.Int("x")))
					default:
						v = float64(*in.Int("x"))
					}
					out.Float("f64(x)", v)
				},
			}.Run(t)
		})
	}
}

func TestAColumnsEndsAreExactAndNullIsNaN(t *testing.T) {
	for _, c := range []struct {
		typ  arrow.DataType
		in   any
		want float64
	}{
		{arrow.PrimitiveTypes.Int64, math.MinInt64, -9223372036854775808},
		{arrow.PrimitiveTypes.Int64, 1<<53 + 1, 1 << 53}, // halves to even
		{arrow.PrimitiveTypes.Uint64, 35_000_000_000_001, 35_000_000_000_001},
		{arrow.PrimitiveTypes.Uint8, 255, 255},
		{arrow.FixedWidthTypes.Date32, -1, -1},
		{arrow.PrimitiveTypes.Int64, nil, math.NaN()},
		{arrow.PrimitiveTypes.Float64, math.Inf(-1), math.Inf(-1)},
		{arrow.PrimitiveTypes.Float64, math.NaN(), math.NaN()},
	} {
		kerneltest.Run(t, column(t, "x", c.typ), []kerneltest.Row{{"x": c.in}}, []kerneltest.Row{{"f64(x)": c.want}})
	}
}

func TestOnlyNumbersAreFeatures(t *testing.T) {
	t.Parallel()
	for _, typ := range []arrow.DataType{arrow.BinaryTypes.String, arrow.PrimitiveTypes.Float32, arrow.FixedWidthTypes.Boolean} {
		if _, err := NewColumn("x", typ); err == nil || !strings.Contains(err.Error(), "column x") {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func BenchmarkColumn(b *testing.B) {
	for _, typ := range []arrow.DataType{arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float64} {
		b.Run(typ.Name(), func(b *testing.B) {
			k, err := NewColumn("x", typ)
			if err != nil {
				b.Fatal(err)
			}
			kerneltest.Benchmark(b, k, nil)
		})
	}
}
