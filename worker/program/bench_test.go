package program

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/job"
)

// BenchmarkProgram is the default job: every kernel, the model that deploy carries and
// path reasons, in nanoseconds a row of one core. One value in fifty is null. Kernels
// run in their order, a batch after another, so that each finds its columns where the
// kernels before have left them; of each batch size it prints what every kernel took in
// its best batch, the dearest first.
func BenchmarkProgram(b *testing.B) {
	spec := job.Default()
	spec.Name, spec.Month, spec.Model.Path = "bench", month, "model.txt"
	text, err := os.ReadFile("../../deploy/model/baseline/model.txt")
	if err != nil {
		b.Fatal(err)
	}
	m, err := LoadModel(spec, text)
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{512, 1024, 2048, 4096} {
		b.Run(fmt.Sprint(size), func(b *testing.B) { benchmarkProgram(b, planned(b, spec, m), size) })
	}
}

func benchmarkProgram(b *testing.B, plan *Plan, size int) {
	g := plan.Program(size, memory.DefaultAllocator)
	defer g.Release()
	rng := rand.New(rand.NewPCG(2, 2))
	r := draw(rng, plan, size)
	for c := range r.null {
		for i := range r.null[c] {
			r.null[c][i] = rng.IntN(50) == 0
		}
	}
	rec := r.recordAt(memory.DefaultAllocator, 0, size, 0) // as readers do
	defer rec.Release()
	if _, err := g.Eval(rec, r.key, r.bad); err != nil { // bound
		b.Fatal(err)
	}
	best := make([]time.Duration, len(g.steps))
	for i := range best {
		best[i] = time.Hour
	}
	whole := time.Hour
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		before := start
		for i := range g.steps {
			s := &g.steps[i]
			s.kernel.Eval(size, s.in, s.out)
			now := time.Now()
			best[i], before = min(best[i], now.Sub(before)), now
		}
		whole = min(whole, before.Sub(start))
	}
	perRow := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(size) }
	b.ReportMetric(perRow(whole), "best-ns/row")
	b.ReportMetric(perRow(b.Elapsed())/float64(b.N), "ns/row")
	b.ReportMetric(0, "ns/op")
	order := make([]int, len(best))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(best[y], best[x]) })
	for _, i := range order {
		fmt.Fprintf(os.Stderr, "%6d %8.2f  %s\n", size, perRow(best[i]), g.steps[i].kernel.Spec().Name) // b.Log leaves out what is past ten lines
	}
}
