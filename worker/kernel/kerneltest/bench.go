package kerneltest

import (
	"math/rand/v2"
	"testing"

	"rescore/worker/kernel"
)

// BatchRows is the size of a benchmark's batches, the default of a job.
const BatchRows = 2048

// Benchmark measures a kernel made for BatchRows rows, in nanoseconds a row on
// one core. One value in fifty is null, and typical gives a column's values, by
// name as in Random.Edges, drawn evenly; without it they are 0 to 9999, cut to
// the type. Float columns are 0 to 1.
func Benchmark(b *testing.B, k kernel.Kernel, typical map[string][]int64) {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	spec := k.Spec()
	in, out := make([]kernel.Vector, len(spec.In)), make([]kernel.Vector, len(spec.Out))
	for j, f := range spec.In {
		kind := kindOf(f.Type)
		in[j] = NewVector(f.Type, BatchRows)
		values := typical[f.Name]
		if values == nil {
			values = typical[base(f.Name)]
		}
		for i := range BatchRows {
			switch {
			case kind.float:
				kind.storeAt(&in[j], i, kind.floatBits(rng.Float64()))
			case values != nil:
				kind.storeAt(&in[j], i, uint64(values[rng.IntN(len(values))]))
			default:
				kind.storeAt(&in[j], i, uint64(rng.IntN(10_000)))
			}
		}
		if !kind.float && f != kernel.History && f != kernel.HistoryCompare && f != kernel.HistoryDepth && f != kernel.HistoryTenure {
			bitmap := make([]byte, BatchRows/8)
			for i := range BatchRows {
				if rng.IntN(50) > 0 {
					bitmap[i>>3] |= 1 << (i & 7)
				}
			}
			in[j].Valid = kernel.Bitmap{Bits: bitmap}
		}
	}
	for j, f := range spec.Out {
		out[j] = NewVector(f.Type, BatchRows)
	}
	b.ReportAllocs()
	for b.Loop() {
		k.Eval(BatchRows, in, out)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/BatchRows, "ns/row")
}
