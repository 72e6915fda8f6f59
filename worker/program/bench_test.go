package program

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"
)

// BenchmarkProgram is the default job with a model of 100 trees of 31 leaves
// over forty features: the whole program, then each of its steps, in
// nanoseconds a row of one core. One value in fifty is null.
func BenchmarkProgram(b *testing.B) {
	const size = 2048
	spec, _ := standard(b)
	m, err := LoadModel(spec, lightGBM(100, 31, forty))
	if err != nil {
		b.Fatal(err)
	}
	plan := planned(b, spec, m)
	g := plan.Program(size, memory.DefaultAllocator)
	defer g.Release()
	rng := rand.New(rand.NewPCG(2, 2))
	r := draw(rng, plan, size)
	for c := range r.null {
		for i := range r.null[c] {
			r.null[c][i] = rng.IntN(50) == 0
		}
	}
	rec := r.record(memory.DefaultAllocator, 0, size)
	defer rec.Release()
	eval := func(b *testing.B) {
		if _, err := g.Eval(rec, r.key, r.bad); err != nil {
			b.Fatal(err)
		}
	}
	perRow := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/size, "ns/row")
	}
	b.Run("whole", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			eval(b)
		}
		perRow(b)
	})
	eval(b) // bound, and every column between the steps filled
	for i := range g.steps {
		s := &g.steps[i]
		b.Run(fmt.Sprintf("%02d-%s", i+1, s.kernel.Spec().Name), func(b *testing.B) {
			for b.Loop() {
				s.kernel.Eval(size, s.in, s.out)
			}
			perRow(b)
		})
	}
}
