package score

import (
	"testing"

	"rescore/worker/attribution"
	"rescore/worker/kernel"
)

func BenchmarkReasons100x31x40(b *testing.B) {
	w := write(11, 100, 31, 40, false, false, false).counted(3)
	const n = 2048
	e := w.load(b)
	by, err := attribution.NewPath(e)
	if err != nil {
		b.Fatal(err)
	}
	in := make([]kernel.Vector, w.features)
	for i := range in {
		in[i].F64 = make([]float64, n)
		for j := range in[i].F64 {
			in[i].F64[j] = float64((j*7919+i*104729)%4001)/100 - 20
		}
	}
	var code [Reasons][]uint16
	for i := range code {
		code[i] = make([]uint16, blockRows)
	}
	for _, p := range paths() {
		b.Run(p.name, func(b *testing.B) {
			f, err := newForest(e, p)
			if err != nil {
				b.Fatal(err)
			}
			r, err := newCredits(f, e, by)
			if err != nil {
				b.Fatal(err)
			}
			r = r.fresh(f)
			f.raw(in, 0, blockRows)
			b.ReportAllocs()
			for b.Loop() {
				r.explain(&code)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/blockRows, "ns/row")
		})
	}
}
