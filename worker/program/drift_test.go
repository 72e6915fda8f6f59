package program

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/job"
	"rescore/partition/psi"
	"rescore/worker/kernel"
)

// TestDriftCountsEveryKeptRowInItsBin runs batches of odd sizes, rows dropped here and
// there, and counts each row's values one at a time.
func TestDriftCountsEveryKeptRowInItsBin(t *testing.T) {
	t.Parallel()
	spec, m := standard(t)
	rng := rand.New(rand.NewPCG(3, 9))
	m.Bins = []psi.Bins{{Name: "propensity", Edges: []float64{0.01, 0.1, 0.25, 0.5, 0.9}}}
	for _, f := range append(m.Features[:12:12], "balance_fen", "pay_mode", "birth_year") { // the last are integers
		b := psi.Bins{Name: f}
		for range rng.IntN(9) {
			b.Edges = append(b.Edges, []float64{-10, 0, 0.5, 1, 2, 3500, 9999.5, 1e6}[rng.IntN(8)])
		}
		slices.Sort(b.Edges)
		b.Edges = slices.Compact(b.Edges)
		m.Bins = append(m.Bins, b)
	}
	extra := slices.Index(m.Features, "region")
	if extra < 0 {
		t.Fatalf("no extra column among %v", m.Features)
	}
	m.Bins = append(m.Bins, psi.Bins{Name: "region", Edges: []float64{-100, 0, 100}})

	const size = 3000
	plan := planned(t, spec, m)
	everything, err := Everything(spec, m)
	if err != nil {
		t.Fatal(err)
	}
	r := draw(rng, everything, size)
	whole := everything.Program(size, memory.DefaultAllocator)
	defer whole.Release()
	g := plan.Program(size, memory.DefaultAllocator)
	defer g.Release()
	all, err := whole.Drift(m)
	if err != nil {
		t.Fatal(err)
	}
	rec := r.record(memory.DefaultAllocator, 0, size)
	defer rec.Release()
	want := make([][]int64, len(m.Bins))
	for c, b := range m.Bins {
		want[c] = make([]int64, b.Len())
	}
	for from := 0; from < size; {
		n := min(1+rng.IntN(1500), size-from)
		part := rec.NewSlice(int64(from), int64(from+n))
		answer, err := whole.Eval(part, r.key[from:from+n], r.bad[from:from+n])
		if err != nil {
			t.Fatal(err)
		}
		var drop []job.Reason
		if rng.IntN(3) > 0 {
			drop = make([]job.Reason, n)
			for i := range drop {
				if rng.IntN(4) == 0 {
					drop[i] = job.BadNumber
				}
			}
		}
		all.Add(n, drop)
		for c, b := range m.Bins {
			column := "propensity"
			if c > 0 {
				column = m.Bound[slices.Index(m.Features, b.Name)]
			}
			value := func(i int) float64 {
				if at := answer.Schema().FieldIndices(column); len(at) == 1 {
					switch a := answer.Column(at[0]).(type) {
					case *array.Float32:
						return float64(a.Value(i))
					case *array.Float64:
						return a.Value(i)
					}
				}
				return math.Float64frombits(r.columns[r.at[column]][from+i]) // an extra column, as it is read
			}
			for i := range n {
				if drop == nil || drop[i] == 0 {
					want[c][b.Find(value(i))]++
				}
			}
		}
		part.Release()
		from += n
	}
	for c, got := range all.Counts() {
		if !slices.Equal(got, want[c]) {
			t.Errorf("%s: %v, want %v", m.Bins[c].Name, got, want[c])
		}
	}
	// The job's own program has all of the columns too.
	if d, err := g.Drift(m); err != nil || len(d.Counts()) != len(m.Bins) {
		t.Error(err)
	}
	m.Bins = []psi.Bins{{Name: "propensity"}}
	features, _, err := ForFeatures(spec, []string{"fee_last"})
	if err != nil {
		t.Fatal(err)
	}
	f := features.Program(8, memory.DefaultAllocator)
	defer f.Release()
	if _, err := f.Drift(m); err == nil {
		t.Error("a program without a propensity is watched")
	}
}

func TestDriftCountsAColumnByDictionaryAsByValue(t *testing.T) {
	t.Parallel()
	const size = 3000
	bins := []psi.Bins{{Name: "region", Edges: []float64{-1, 0, 2.5}}}
	one, two := &kernel.Dictionary{Value: []float64{-2, 0, 7, math.NaN()}}, &kernel.Dictionary{Value: []float64{1, -1}}
	rng := rand.New(rand.NewPCG(3, 10))
	c := &kernel.Coded{Runs: []kernel.Run{{Dictionary: one, Past: 1000}, {Dictionary: two, Past: size}}, Index: make([]uint16, size)}
	x := make([]float64, size)
	for i := range c.Index {
		c.Index[i] = uint16(rng.IntN(2))
		if i < 1000 {
			c.Index[i] = uint16(rng.IntN(4))
		}
	}
	c.Values(x, 0)
	drop := make([]job.Reason, size)
	for i := range drop {
		drop[i] = []job.Reason{0, 0, job.BadNumber}[rng.IntN(3)]
	}
	var counts [2][][]int64
	for i, v := range []kernel.Vector{{F64: x}, {Coded: c}} {
		d := Drift{bins: bins, column: []*kernel.Vector{&v}, counts: [][]int64{make([]int64, len(bins[0].Edges)+2)}}
		d.Add(size, drop)
		counts[i] = d.Counts()
	}
	if !slices.Equal(counts[0][0], counts[1][0]) || slices.Contains(counts[0][0], 0) {
		t.Errorf("by value %v, by dictionary %v", counts[0], counts[1])
	}
}

// BenchmarkDrift is what a package with ten bins of each of forty features costs.
func BenchmarkDrift(b *testing.B) {
	const size = 2048
	spec, m := standard(b)
	m.Bins = []psi.Bins{{Name: "propensity", Edges: []float64{.1, .2, .3, .4, .5, .6, .7, .8, .9}}}
	for _, f := range m.Features {
		m.Bins = append(m.Bins, psi.Bins{Name: f, Edges: []float64{-4, -3, -2, -1, 0, 1, 2, 3, 4}})
	}
	plan := planned(b, spec, m)
	g := plan.Program(size, memory.DefaultAllocator)
	defer g.Release()
	r := draw(rand.New(rand.NewPCG(2, 2)), plan, size)
	rec := r.record(memory.DefaultAllocator, 0, size)
	defer rec.Release()
	if _, err := g.Eval(rec, r.key, r.bad); err != nil {
		b.Fatal(err)
	}
	d, err := g.Drift(m)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		d.Add(size, nil)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/size, "ns/row")
}
