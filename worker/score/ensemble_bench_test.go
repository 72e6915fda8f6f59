package score

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"rescore/worker/attribution"
	"rescore/worker/kernel"
	"rescore/worker/model"
)

// baseline is the model that deploy carries.
const baseline = "../../deploy/model/baseline/model.txt"

// BenchmarkEnsemble reports nanoseconds a row, on every path: of all, of
// quantising (bins and planes), and of the trees. The best block says what the
// code can do where other work shares the cores.
func BenchmarkEnsemble(b *testing.B) {
	sizes := []struct {
		name                    string
		trees, leaves, features int
	}{{"100x31x40", 100, 31, 40}, {"500x31x60", 500, 31, 60}, {"500x64x60", 500, 64, 60}}
	for _, p := range paths() {
		b.Run(p.name, func(b *testing.B) {
			for _, s := range sizes {
				w := write(11, s.trees, s.leaves, s.features, false, false, false).typical()
				r := rand.New(rand.NewPCG(1, 1))
				benchmarkEnsemble(b, s.name, p, w.load(b), func(int) float64 {
					if r.IntN(20) == 0 {
						return math.NaN()
					}
					return r.NormFloat64() * 10
				})
			}
			e := modelAt(b, baseline)
			asked := make([][]float64, len(e.Features))
			for t := range e.Trees() {
				tree := e.Tree(t)
				for i, f := range tree.Feature {
					asked[f] = append(asked[f], tree.Threshold[i])
				}
			}
			r := rand.New(rand.NewPCG(1, 1))
			benchmarkEnsemble(b, "baseline", p, e, func(feature int) float64 {
				if len(asked[feature]) == 0 || r.IntN(5) == 0 {
					return 0
				}
				return asked[feature][r.IntN(len(asked[feature]))] * (0.9 + 0.2*r.Float64())
			})
		})
	}
}

// typical gives a made-up model the thresholds of a trained one: numbers of the
// same size, at most 254 for each feature (LightGBM's max_bin), NaN missing.
func (w written) typical() written {
	r := rand.New(rand.NewPCG(12, 12))
	w.asked = make([][]float64, w.features)
	for _, tree := range w.trees {
		for i, f := range tree.split {
			if len(w.asked[f]) < 254 {
				tree.threshold[i] = math.Round(r.NormFloat64()*1000) / 100
			} else {
				tree.threshold[i] = w.asked[f][r.IntN(254)]
			}
			tree.decision[i] = 2<<2 | r.IntN(2)<<1
			w.asked[f] = append(w.asked[f], tree.threshold[i])
		}
	}
	w.render()
	return w
}

func benchmarkEnsemble(b *testing.B, name string, p path, e *model.Ensemble, draw func(feature int) float64) {
	f, err := newForest(e, p)
	if err != nil {
		b.Fatal(err)
	}
	const rows = 4 * blockRows
	in := columns(len(e.Features), rows)
	for k := range in {
		for i := range in[k].F64 {
			in[k].F64[i] = draw(k)
		}
	}
	for _, part := range []struct {
		name string
		run  func(in []kernel.Vector, first, n int)
	}{
		{"all", f.raw},
		{"quantise", f.quantise},
		{"trees", func([]kernel.Vector, int, int) { f.sum() }},
	} {
		b.Run(name+"/"+part.name, func(b *testing.B) {
			b.ReportAllocs()
			best := time.Duration(math.MaxInt64)
			for b.Loop() {
				for first := 0; first < rows; first += blockRows {
					start := time.Now()
					part.run(in, first, blockRows)
					best = min(best, time.Since(start))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
			b.ReportMetric(float64(best.Nanoseconds())/blockRows, "best-ns/row")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkCompile makes a model ready to be scored and explained: once a job and worker,
// and so what a small base waits for.
func BenchmarkCompile(b *testing.B) {
	e := modelAt(b, baseline)
	for _, p := range paths() {
		b.Run(p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				why, err := attribution.NewPath(e)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := compileOn(e, why, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
