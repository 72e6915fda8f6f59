package lane

import (
	"math"
	"testing"

	"rescore/worker/kernel"
)

// BenchmarkStep measures whole chunks, whose columns stay in the L1 cache.
func BenchmarkStep(b *testing.B) {
	i8, i16, i32, i64 := make([]int8, Rows), make([]int16, Rows), make([]int32, Rows), make([]int64, Rows)
	u8, u16, u32, u64 := make([]uint8, Rows), make([]uint16, Rows), make([]uint32, Rows), make([]uint64, Rows)
	w64, f, g, h := make([]int64, Rows), make([]float64, Rows), make([]float64, Rows), make([]float64, Rows)
	u, v := make([]float64, Rows), make([]float64, Rows)
	v8, f32 := make([]uint8, Rows), make([]float32, Rows)
	var table [64]uint8
	bitmap := kernel.Bitmap{Bits: make([]byte, Rows/8+1), Offset: 3}
	for i := range Rows {
		v := uint64(i) * 0x9e3779b97f4a7c15
		i8[i], i16[i], i32[i], i64[i] = int8(v>>40), int16(v>>40), int32(v>>20), int64(v)
		u8[i], u16[i], u32[i], u64[i] = uint8(v>>40), uint16(v>>40), uint32(v>>20), v
		f[i], g[i] = float64(v>>50), 1+float64(v>>40&1023)
		bitmap.Bits[i>>3] |= byte(v>>50&1) << (i & 7)
	}
	var m, n, o Mask
	m.Valid(bitmap, 0, Rows)
	n.Not(&m)
	s, t := Truth{Is: m, Not: n}, Truth{Is: n, Not: m}
	masks := make([]*Mask, 14)
	for k := range masks {
		masks[k] = &Mask{uint64(k)}
	}
	months, factor := [][]int64{i64, w64, i64, w64, i64, w64}, [6]float64{1, 1, 1, 1, 1, 1}
	nan := math.NaN()
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"Less/uint8", func() { Less(&o, u8, 100) }},
		{"Less/int16", func() { Less(&o, i16, 100) }},
		{"Less/int32", func() { Less(&o, i32, 100) }},
		{"Less/int64", func() { Less(&o, i64, 100) }},
		{"Less/float64", func() { Less(&o, f, 100) }},
		{"AtMost/float64", func() { AtMost(&o, f, 100) }},
		{"Equal/uint8", func() { Equal(&o, u8, 100) }},
		{"Equal/int64", func() { Equal(&o, i64, 100) }},
		{"LessThan/int64", func() { LessThan(&o, i64, w64) }},
		{"LessThan/float64", func() { LessThan(&o, f, g) }},
		{"EqualTo/uint32", func() { EqualTo(&o, u32, u32) }},
		{"Known", func() { Known(&o, f) }},
		{"Bit/uint8", func() { Bit(&o, u8, 3) }},
		{"Bit/uint16", func() { Bit(&o, u16, 3) }},
		{"Float/int8", func() { Float(h, i8, &m, nan) }},
		{"Float/int16", func() { Float(h, i16, &m, nan) }},
		{"Float/int32", func() { Float(h, i32, &m, nan) }},
		{"Float/int64", func() { Float(h, i64, &m, nan) }},
		{"Float/uint8", func() { Float(h, u8, &m, nan) }},
		{"Float/uint32", func() { Float(h, u32, &m, nan) }},
		{"Float/uint64", func() { Float(h, u64, &m, nan) }},
		{"Int/uint8", func() { Int(w64, u8, &m, 0) }},
		{"Int/int64", func() { Int(w64, i64, &m, 0) }},
		{"Code/uint8", func() { Code(u8, u8, &m) }},
		{"Code/int16", func() { Code(i16, i16, &m) }},
		{"Select/uint8", func() { Select(u8, &m, u8, u8) }},
		{"Select/float64", func() { Select(h, &m, f, g) }},
		{"Put/uint8", func() { Put(u8, &m, 5) }},
		{"Put/float64", func() { Put(h, &m, 5) }},
		{"Count", func() { Count(u8, &m) }},
		{"Flag/uint8", func() { Flag(u8, &m) }},
		{"Flag/float64", func() { Flag(h, &m) }},
		{"Look", func() { Look(v8, u8, &table) }},
		{"Round", func() { Round(w64, f) }},
		{"Widen", func() { Widen(h, f32) }},
		{"Narrow", func() { Narrow(f32, h) }},
		{"Pack/uint8", func() { Pack(u8, masks[:8]) }},
		{"Pack/uint16", func() { Pack(u16, masks) }},
		{"Unpack/uint8", func() { Unpack(masks[:8], u8) }},
		{"Unpack/uint16", func() { Unpack(masks, u16) }},
		{"Add/int64", func() { Add(w64, i64, w64) }},
		{"Add/float64", func() { Add(h, f, g) }},
		{"Sub/float64", func() { Sub(h, f, g) }},
		{"Mul", func() { Mul(h, f, g) }},
		{"Div", func() { Div(h, f, g) }},
		{"Min", func() { Min(h, f, g) }},
		{"Max", func() { Max(h, f, g) }},
		{"AddTo/float64", func() { AddTo(h, f, 3) }},
		{"Scale/int64", func() { Scale(w64, i64, 3) }},
		{"Scale/float64", func() { Scale(h, f, 3) }},
		{"Abs", func() { Abs(h, f) }},
		{"Sqrt", func() { Sqrt(h, f) }},
		{"Exp", func() { Exp(h, f) }},
		{"AddFloat/int32", func() { AddFloat(h, i32, &m) }},
		{"AddFloat/int64", func() { AddFloat(h, i64, &m) }},
		{"Mean/3", func() { Mean(h, months[:3], masks[:3], 2) }},
		{"Mean/6", func() { Mean(h, months, masks[:6], 3) }},
		{"Change", func() { Change(h, months[:2], masks[:2], &factor) }},
		{"MeanChange", func() { Compare(&Compared{MeanChange: h}, Rows, months, masks, &factor) }},
		{"Slope", func() { Compare(&Compared{Slope: h}, Rows, months, masks, &factor) }},
		{"Variation", func() { Compare(&Compared{Variation: h}, Rows, months, masks, &factor) }},
		{"Compare", func() { Compare(&Compared{g, h, u, v}, Rows, months, masks, &factor) }},
		{"Valid", func() { o.Valid(bitmap, 2, Rows) }},
		{"And", func() { o.And(&m, &n) }},
		{"Truth.And", func() { s.And(&s, &t) }},
		{"Mask.Count", func() { o.Count(Rows) }},
	} {
		for _, p := range paths() {
			b.Run(step.name+"/"+p.String(), func(b *testing.B) {
				best := chosen
				chosen = p
				defer func() { chosen = best }()
				for b.Loop() {
					step.do()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/Rows, "ns/row")
			})
		}
	}
}
