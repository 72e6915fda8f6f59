package score

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
	"rescore/worker/lane"
	"rescore/worker/model"
)

// lexicon makes a dictionary of n values, the last of them null.
func lexicon(n int, draw func() float64) *kernel.Dictionary {
	d := &kernel.Dictionary{Value: make([]float64, n)}
	for i := range n - 1 {
		d.Value[i] = draw()
	}
	d.Value[n-1] = math.NaN()
	return d
}

// code draws rows from dictionaries, a run of rows from each, and writes their values
// to x.
func code(r *rand.Rand, x []float64, dictionaries ...*kernel.Dictionary) *kernel.Coded {
	c := &kernel.Coded{Index: make([]uint16, len(x))}
	from := 0
	for i, d := range dictionaries {
		past := len(x)
		if i+1 < len(dictionaries) {
			past = from + r.IntN(len(x)-from+1) // perhaps no row
		}
		c.Runs = append(c.Runs, kernel.Run{Dictionary: d, Past: past})
		for i := from; i < past; i++ {
			k := r.IntN(len(d.Value))
			c.Index[i], x[i] = uint16(k), d.Value[k]
		}
		from = past
	}
	return c
}

// sizes are of dictionaries, about those that something depends on.
var sizes = []int{1, 2, 3, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, 4096}

// coder gives the columns of one batch after another: by dictionaries that stay, come
// and go, and meet inside a batch, or by value.
type coder struct {
	r    *rand.Rand
	last []*kernel.Dictionary // of each feature
	runs int                  // seen, of more than one dictionary
}

func (c *coder) column(k int, x []float64, draw func() float64) kernel.Vector {
	if c.last[k] == nil || c.r.IntN(8) == 0 {
		c.last[k] = lexicon(sizes[c.r.IntN(len(sizes))], draw)
	}
	switch c.r.IntN(8) {
	case 0:
		for i := range x {
			x[i] = draw()
		}
		return kernel.Vector{F64: x}
	case 1, 2, 3:
		c.runs++
		next := lexicon(sizes[c.r.IntN(len(sizes))], draw)
		v := kernel.Vector{Coded: code(c.r, x, c.last[k], next, next, c.last[k], next)}
		c.last[k] = next
		return v
	}
	return kernel.Vector{Coded: code(c.r, x, c.last[k])}
}

func TestEveryPathEqualsTheReferenceByDictionary(t *testing.T) {
	t.Parallel()
	againstReference(t, func(r *rand.Rand, w written, in []kernel.Vector, values [][]float64) {
		c := coder{r: r, last: make([]*kernel.Dictionary, len(in))}
		for k := range in {
			in[k] = c.column(k, values[k], func() float64 { return w.draw(r, k) })
		}
	})
}

// Sums of float32, and XGBoost's categories, which are rounded first.
func TestSinglesByDictionaryEqualTheModelBitForBit(t *testing.T) {
	t.Parallel()
	const pool = 3000
	for seed, leaves := range []int{2, 31, 64, 300} {
		e := writeXGBoost(t, uint64(seed), 9, leaves)
		forests := every(t, e)
		r := rand.New(rand.NewPCG(31, uint64(seed)))
		c := coder{r: r, last: make([]*kernel.Dictionary, len(e.Features))}
		in, values := make([]kernel.Vector, len(e.Features)), columns(len(e.Features), pool)
		want, row := make([]float64, pool), make([]float64, len(e.Features))
		for range 20 {
			for k := range in {
				in[k] = c.column(k, values[k].F64, func() float64 {
					switch r.IntN(8) {
					case 0:
						return []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e300, -1e300, math.Copysign(0, -1), 39.9999999999, -1e-300}[r.IntN(8)]
					case 1, 2, 3:
						return float64(r.IntN(50) - 3)
					}
					return r.NormFloat64()
				})
			}
			for i := range want {
				for k := range row {
					row[k] = known(values[k].F64[i])
				}
				want[i] = e.Raw(row)
			}
			for _, f := range forests {
				checkBlocks(t, r, f, in, want)
			}
		}
		if c.runs == 0 {
			t.Error("no batch had two dictionaries")
		}
	}
}

// Columns of integers, with nulls, of models that ask for numbers, zeroes and categories.
func TestIntegersAreTakenAsTheFloat64sTheyAre(t *testing.T) {
	t.Parallel()
	const rows = 3000
	r := rand.New(rand.NewPCG(23, 23))
	for name, e := range map[string]*model.Ensemble{"LightGBM": write(16, 6, 20, 8, true, true, false).load(t), "XGBoost": writeXGBoost(t, 5, 20, 31)} {
		features := len(e.Features)
		in, asFloats := make([]kernel.Vector, features), columns(features, rows)
		types := []arrow.DataType{
			arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
			arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64,
		}
		for k := range in {
			all := &in[k]
			*all = kerneltest.NewVector(types[k%8], rows)
			valid := kernel.Bitmap{Bits: make([]byte, rows/8+2), Offset: 1 + k}
			for i := range rows {
				x := r.IntN(100) >> r.IntN(7)
				if k%8 < 4 {
					x -= 3
				}
				all.I8, all.I16, all.I32, all.I64 = put(all.I8, i, x), put(all.I16, i, x), put(all.I32, i, x), put(all.I64, i, x)
				all.U8, all.U16, all.U32, all.U64 = put(all.U8, i, x), put(all.U16, i, x), put(all.U32, i, x), put(all.U64, i, x)
				asFloats[k].F64[i] = float64(x)
				if at := i + valid.Offset; r.IntN(5) > 0 || k == 0 {
					valid.Bits[at>>3] |= 1 << (at & 7)
				} else {
					asFloats[k].F64[i] = math.NaN()
				}
			}
			if k > 0 { // the first has no bitmap
				all.Valid = valid
			}
		}
		want, row := make([]float64, rows), make([]float64, features)
		for i := range want {
			for k := range row {
				row[k] = asFloats[k].F64[i]
			}
			want[i] = e.Raw(row)
		}
		for _, f := range every(t, e) {
			t.Run(name+" "+f.path.name, func(t *testing.T) { checkBlocks(t, r, f, in, want) })
		}
	}
}

func put[T lane.Integer](column []T, i, x int) []T {
	if column != nil {
		column[i] = T(x)
	}
	return column
}

// Whatever block a column is cut to, and whatever was in the last one.
func TestABlockMayHaveAnotherDictionaryThanTheLast(t *testing.T) {
	t.Parallel()
	w := write(16, 6, 20, 4, true, true, false)
	e := w.load(t)
	r := rand.New(rand.NewPCG(22, 22))
	for _, f := range every(t, e) {
		for n := blockRows; n > 0; n-- {
			first := r.IntN(9)
			values, in := columns(w.features, first+n), make([]kernel.Vector, w.features)
			for k := range in {
				d := lexicon(2+r.IntN(400), func() float64 { return w.draw(r, k) })
				in[k].Coded = code(r, values[k].F64, d)
			}
			f.raw(in, first, n)
			for i := range n {
				row := make([]float64, w.features)
				for k := range in {
					row[k] = known(values[k].F64[first+i])
				}
				if want := e.Raw(row); math.Float64bits(f.scores[0][i]) != math.Float64bits(want) {
					t.Fatalf("%s: row %d of %d from %d: %v, want %v", f.path.name, i, n, first, f.scores[0][i], want)
				}
			}
		}
	}
}

// A dictionary as long as one may be, and the longest that is looked up in registers,
// have every entry looked up.
func TestEveryEntryOfADictionaryIsLookedUp(t *testing.T) {
	t.Parallel()
	e := write(16, 40, 31, 1, false, false, false).load(t)
	for _, size := range []int{1, shortMax, shortMax + 1, kernel.DictionaryMax} {
		r := rand.New(rand.NewPCG(25, uint64(size)))
		d := lexicon(size, func() float64 { return r.NormFloat64() * 10 })
		rows := max(size, blockRows)
		in := []kernel.Vector{{Coded: &kernel.Coded{Runs: []kernel.Run{{Dictionary: d, Past: rows}}, Index: make([]uint16, rows)}}}
		want := make([]float64, rows)
		for i := range want {
			k := i % size
			in[0].Coded.Index[i] = uint16(k)
			want[i] = e.Raw(d.Value[k : k+1])
		}
		for _, f := range every(t, e) {
			checkBlocks(t, r, f, in, want)
		}
	}
}

// A dictionary is quantised once: values that change afterwards, as they never do, are
// not seen, on any path. Not so of the block in which two meet.
func TestEveryPathLearnsADictionaryOnce(t *testing.T) {
	t.Parallel()
	for _, categorical := range []bool{false, true} {
		e := write(16, 6, 20, 4, categorical, true, false).load(t)
		r := rand.New(rand.NewPCG(23, 23))
		for _, size := range []int{7, 300} {
			for _, f := range every(t, e) {
				values, in := columns(4, 4*blockRows), make([]kernel.Vector, 4)
				for k := range in {
					in[k].Coded = code(r, values[k].F64, lexicon(size, func() float64 { return float64(r.IntN(100)) }))
				}
				f.raw(in, 0, blockRows)
				want := f.scores[0]
				for k := range in {
					d := in[k].Coded.Runs[0].Dictionary
					for i := range d.Value {
						d.Value[i] = math.NaN()
					}
				}
				for range 3 {
					if f.raw(in, 0, blockRows); f.scores[0] != want {
						t.Fatalf("%s: a dictionary was read twice", f.path.name)
					}
				}
				for k := range in {
					in[k].Coded.Runs[0].Dictionary = &kernel.Dictionary{Value: in[k].Coded.Runs[0].Value}
				}
				if f.raw(in, 0, blockRows); f.scores[0] == want {
					t.Fatalf("%s: another dictionary was not read", f.path.name)
				}
			}
		}
	}
}

func TestScoringByDictionaryAllocatesNothing(t *testing.T) {
	e := write(16, 6, 20, 4, true, true, false).load(t)
	r := rand.New(rand.NewPCG(24, 24))
	in, values := make([]kernel.Vector, 4), columns(4, 2*blockRows)
	for _, f := range every(t, e) {
		for k := range in {
			in[k].Coded = code(r, values[k].F64, lexicon(300, r.NormFloat64), lexicon(2, r.NormFloat64), lexicon(250, r.NormFloat64))
		}
		run := func() {
			for first := 0; first < 2*blockRows; first += blockRows {
				f.raw(in, first, blockRows)
			}
		}
		run()
		if n := testing.AllocsPerRun(5, run); n != 0 {
			t.Errorf("%s: %v allocations a batch", f.path.name, n)
		}
	}
}

func TestWhatIsPreparedOrWeighedIsTakenByValue(t *testing.T) {
	t.Parallel()
	trees := write(41, 20, 15, 4, false, false, false).load(t)
	for name, c := range map[string]struct {
		e    *model.Ensemble
		want [4]bool
	}{
		"trees":           {trees, [4]bool{true, true, true, true}},
		"trees, prepared": {prepared(t, trees), [4]bool{false, true, true, false}}, // the first and the last are
		"weights":         {weighted(4), [4]bool{}},
	} {
		k, err := propensityOf(c.e, float64s(c.e.Features), Correction{Beta: 1}, bands, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range c.want {
			if got := k.(kernel.Coder).TakesCoded(i); got != want {
				t.Errorf("%s: feature %d is taken by dictionary: %v", name, i, got)
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
		for _, size := range []int{10, 256, 4096, kernel.DictionaryMax} {
			f, err := newForest(w.load(b), p)
			if err != nil {
				b.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, 1))
			byValue, coded := columns(features, rows), make([]kernel.Vector, features)
			for k := range coded {
				coded[k].Coded = code(r, byValue[k].F64, lexicon(size, func() float64 { return math.Round(r.NormFloat64()*1000) / 100 }))
			}
			for name, in := range map[string][]kernel.Vector{"value": byValue, "code": coded} {
				b.Run(fmt.Sprintf("%s/%d/%s", p.name, size, name), func(b *testing.B) {
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
				})
			}
		}
	}
}
