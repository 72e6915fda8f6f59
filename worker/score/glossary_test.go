package score

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"rescore/worker/kernel"
	"rescore/worker/model"
)

// codeColumn gives a column a dictionary of values, the last of them null, and rows
// drawn from it.
func codeColumn(r *rand.Rand, v *kernel.Vector, value []float64) {
	d := &kernel.Dictionary{Value: append(slices.Clone(value), math.NaN())}
	v.Coded = &kernel.Coded{Dictionary: d, Index: make([]uint32, len(v.F64))}
	for i := range v.F64 {
		k := uint32(r.IntN(len(d.Value)))
		v.Coded.Index[i], v.F64[i] = k, d.Value[k]
	}
}

func TestForestByDictionaryEqualsTheModelBitForBit(t *testing.T) {
	t.Parallel()
	rows := 1_000_000
	if os.Getenv("RESCORE_LONG") != "" {
		rows = 10_000_000
	}
	shapes := shapes()
	for name, w := range shapes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := w.load(t)
			forests := every(t, e)
			r := rand.New(rand.NewPCG(21, uint64(len(w.text))))
			const pool = 3000
			in, want, row := columns(w.features, pool), make([]float64, pool), make([]float64, w.features)
			sizes := []int{1, 2, 63, 511, 512, 513, kernel.DictionaryMax - 1}
			for batch := 0; batch*pool < rows/len(shapes); batch++ {
				for k := range in {
					if batch%4 == 3 && r.IntN(2) == 0 { // dictionaries come and go, and stay while rows change
						in[k].Coded = nil
						for i := range in[k].F64 {
							in[k].F64[i] = w.draw(r, k)
						}
						continue
					}
					value := make([]float64, sizes[r.IntN(len(sizes))])
					for i := range value {
						value[i] = w.draw(r, k)
					}
					codeColumn(r, &in[k], value)
				}
				for i := range pool {
					for k := range in {
						if row[k] = in[k].F64[i]; math.IsInf(row[k], 0) {
							row[k] = math.NaN()
						}
					}
					want[i] = e.Raw(row)
				}
				for _, f := range forests {
					checkBlocks(t, r, f, in, want)
				}
			}
		})
	}
}

// The same column coded and not coded has the same planes whatever block it is cut to,
// and what a dictionary left does not outlive it.
func TestABlockMayHaveAnotherDictionaryThanTheLast(t *testing.T) {
	t.Parallel()
	w := write(16, 6, 20, 4, false, true, false)
	e := w.load(t)
	r := rand.New(rand.NewPCG(22, 22))
	for _, f := range every(t, e) {
		for n := blockRows; n > 0; n-- {
			first := r.IntN(9)
			in := columns(w.features, first+n)
			for k := range in {
				value := make([]float64, 1+r.IntN(40))
				for i := range value {
					value[i] = w.draw(r, k)
				}
				codeColumn(r, &in[k], value)
			}
			f.raw(in, first, n)
			for i := range n {
				row := make([]float64, w.features)
				for k := range in {
					if row[k] = in[k].F64[first+i]; math.IsInf(row[k], 0) {
						row[k] = math.NaN()
					}
				}
				if want := e.Raw(row); math.Float64bits(f.scores[0][i]) != math.Float64bits(want) {
					t.Fatalf("%s: row %d of %d from %d: %v, want %v", f.path.name, i, n, first, f.scores[0][i], want)
				}
			}
		}
	}
}

// The bins of the index are what is read, not the float64s behind it: else the tests
// above could not fail.
func TestPathsWithDictionariesReadThem(t *testing.T) {
	t.Parallel()
	e := write(16, 6, 20, 4, false, true, false).load(t)
	r := rand.New(rand.NewPCG(23, 23))
	in, other := columns(4, blockRows), columns(4, blockRows)
	for k := range in {
		codeColumn(r, &in[k], []float64{-1e7, -3, -1, 0.5, 2, 1e7})
		other[k] = in[k]
		other[k].F64 = make([]float64, blockRows)
		for i := range other[k].F64 {
			other[k].F64[i] = math.NaN()
		}
	}
	for _, f := range every(t, e) {
		f.raw(in, 0, blockRows)
		want := f.scores[0]
		f.raw(other, 0, blockRows)
		if same := f.scores[0] == want; same != f.path.dictionaries {
			t.Errorf("%s: the dictionary is read: %v", f.path.name, same)
		}
	}
}

func TestScoringByDictionaryAllocatesOnceAScale(t *testing.T) {
	w := write(16, 6, 20, 4, false, true, false)
	e := w.load(t)
	r := rand.New(rand.NewPCG(24, 24))
	in := columns(w.features, blockRows)
	for _, f := range every(t, e) {
		for range 3 {
			for k := range in {
				codeColumn(r, &in[k], []float64{1, 2, 3})
			}
			f.raw(in, 0, blockRows)
			if n := testing.AllocsPerRun(5, func() { f.raw(in, 0, blockRows) }); n != 0 {
				t.Errorf("%s: %v allocations a block", f.path.name, n)
			}
		}
	}
}

// BenchmarkDictionary reports nanoseconds to quantise a value, as a float64 and by
// dictionaries of several sizes.
func BenchmarkDictionary(b *testing.B) {
	const features, rows = 40, 8 * blockRows
	w := write(11, 100, 31, features, false, false, false).typical()
	for _, p := range paths() {
		for _, size := range []int{0, 10, 250, kernel.DictionaryMax - 1} {
			b.Run(fmt.Sprintf("%s/%d", p.name, size), func(b *testing.B) {
				benchmarkDictionary(b, p, w.load(b), columns(features, rows), size)
			})
		}
	}
}

// benchmarkDictionary draws values from a dictionary in any case: size 0 is the same
// as 250, by float64.
func benchmarkDictionary(b *testing.B, p path, e *model.Ensemble, in []kernel.Vector, size int) {
	f, err := newForestOn(e, p)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for k := range in {
		value := make([]float64, size)
		if size == 0 {
			value = make([]float64, 250)
		}
		for i := range value {
			value[i] = math.Round(r.NormFloat64()*1000) / 100
		}
		codeColumn(r, &in[k], value)
		if size == 0 {
			in[k].Coded = nil
		}
	}
	rows := len(in[0].F64)
	best := time.Duration(math.MaxInt64)
	b.ReportAllocs()
	for b.Loop() {
		for first := 0; first < rows; first += blockRows {
			start := time.Now()
			f.quantise(in, first, blockRows)
			best = min(best, time.Since(start))
		}
	}
	b.ReportMetric(float64(best.Nanoseconds())/blockRows/float64(len(f.scales)), "best-ns/value")
}
