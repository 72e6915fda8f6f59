package feature

import (
	"testing"

	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

func TestAFeatureInAnotherUnitIsConvertedWithOneRounding(t *testing.T) {
	for i, c := range []struct {
		from, to schema.Unit
		times    float64 // or
		by       float64
	}{
		{schema.Fen, schema.Yuan, 1, 100}, {schema.Yuan, schema.Fen, 100, 1}, {schema.Second, schema.Minute, 1, 60}, {schema.Minute, schema.Second, 60, 1},
		{schema.KB, schema.MB, 1, 1024}, {schema.KB, schema.GB, 1, 1024 * 1024}, {schema.KB, schema.Byte, 1024, 1}, {schema.GB, schema.MB, 1024, 1}, {schema.Count, schema.Count, 1, 1},
	} {
		kerneltest.Random{
			New: func(int) kernel.Kernel {
				k, err := NewConversion("x", c.from, c.to)
				if err != nil {
					t.Fatal(err)
				}
				return k
			},
			Rows: 1_000_000 / 9, Seed: uint64(i),
			Reference: func(in *kerneltest.In, out *kerneltest.Out) {
				out.Float(AsUnit("x", c.to), in.Float("x")*c.times/c.by)
			},
		}.Run(t)
	}
}

func TestWhatIsOfAnotherKindIsNotConverted(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]schema.Unit{{schema.Fen, schema.Second}, {schema.Count, schema.Day}, {schema.None, schema.Fen}, {schema.Fen, schema.None}} {
		if _, err := NewConversion("x", c[0], c[1]); err == nil {
			t.Errorf("%s is turned into %s", c[0], c[1])
		}
	}
	if f, u, ok := FromUnit("yuan(f64(fee_m0))"); !ok || f != "f64(fee_m0)" || u != schema.Yuan {
		t.Error(f, u, ok)
	}
	for _, name := range []string{"fee_last", "f64(fee_m0)", "extra(yuan)", "formula(x)"} {
		if _, _, ok := FromUnit(name); ok {
			t.Errorf("%s is in a unit", name)
		}
	}
}
