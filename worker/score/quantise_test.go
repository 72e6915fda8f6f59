package score

import (
	"encoding/binary"
	"maps"
	"math"
	"math/bits"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"rescore/worker/model"
)

// hostile are thresholds placed to crowd buckets, overflow a scale's arithmetic, or
// lie a bit apart.
func hostile(r *rand.Rand) map[string]func(i int) float64 {
	next := func(x float64, n int) float64 {
		for range n {
			x = math.Nextafter(x, math.Inf(1))
		}
		return x
	}
	return map[string]func(i int) float64{
		"even":             func(i int) float64 { return float64(i) + 0.5 },
		"a bit apart":      func(i int) float64 { return next(1, i) },
		"two and two":      func(i int) float64 { return next(float64(i/2), i%2) },
		"subnormal":        func(i int) float64 { return math.Float64frombits(uint64(i)) },
		"around zero":      func(i int) float64 { return float64(i-100) * 5e-324 },
		"powers of two":    func(i int) float64 { return math.Ldexp(1, 4*i-500) },
		"powers, negative": func(i int) float64 { return -math.Ldexp(1, 500-4*i) },
		"half powers":      func(i int) float64 { return math.Exp2(float64(i)/20) - 1 },
		"huge":             func(i int) float64 { return -1.7e308 + float64(i)*1.3e306 },
		"tiny":             func(i int) float64 { return float64(i) * 1e-300 },
		"below 2^1017":     func(i int) float64 { return math.Ldexp(1+float64(i)/256, 1016) },
		"spread":           func(i int) float64 { return math.Copysign(math.Pow(10, r.Float64()*600-300), r.NormFloat64()) },
		"outliers":         func(i int) float64 { return r.NormFloat64() / math.Abs(r.NormFloat64()) },
		"far outlier":      func(i int) float64 { return math.Ldexp(float64(i), i/254*900) },
		"money":            func(i int) float64 { return math.Round(math.Exp(r.NormFloat64()*2+8)) + 0.5 },
		"normal":           func(i int) float64 { return r.NormFloat64() * 100 },
		"hundredths":       func(i int) float64 { return math.Round(r.NormFloat64()*1000) / 100 },
		"counts":           func(i int) float64 { return max(model.ZeroMax, float64(i)+0.5) },
		"float32 counts":   func(i int) float64 { return (float64(i) + float64(math.Nextafter32(float32(i), -1))) / 2 },
		"infinite":         func(i int) float64 { return math.Ldexp(-1, 1023+i%2*1) },
		"beyond all":       func(i int) float64 { return math.Ldexp(float64(i), i%5/4*1023) },
		"just below zero":  func(i int) float64 { return float64(i)*5 - model.ZeroMax }, // lost in all but the first
		"just above zero":  func(i int) float64 { return max(float64(i)*5, model.ZeroMax) },
		"about zero": func(i int) float64 {
			return [...]float64{-model.ZeroMax, model.ZeroMax, 0}[i%3] + float64(i/3*(i%2*2-1))
		},
		"negative zero":   func(i int) float64 { return math.Copysign(float64(i), -1) },
		"all of the line": func(i int) float64 { return math.Float64frombits(r.Uint64() &^ (1 << 62)) },
	}
}

// laid is a scale with planes of its own.
type laid struct {
	scale
	planes []plane
	desk   desk
}

func laidOut(zero bool, thresholds []float64, left, right bool) *laid {
	l := &laid{scale: newScale(axis{zero: zero}, thresholds, left, right, plain)}
	l.planes = make([]plane, l.settle(never+1))
	l.planes[l.low] = full
	l.chart = newChart(l.threshold[:l.thresholds])
	return l
}

// check lays values out on every path and compares what each node would send right
// with the definition: what is above the threshold, and missing values where the
// node wants them.
func (l *laid) check(t *testing.T, values []float64) {
	t.Helper()
	var bins [thresholdsMax + 1]plane // rows by bin
	var absent plane
	for i, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) || l.zero && math.Abs(v) <= model.ZeroMax {
			absent[i/64] |= 1 << (i % 64)
			continue
		}
		from, to := 0, l.thresholds // the bin is between
		for from < to {
			if mid := (from + to) / 2; l.threshold[mid] < v {
				from = mid + 1
			} else {
				to = mid
			}
		}
		bins[from][i/64] |= 1 << (i % 64)
	}
	var rows plane
	for i := range values {
		rows[i/64] |= 1 << (i % 64)
	}
	for _, p := range paths() {
		for i := range l.planes { // what another path left
			if uint32(i) != l.low && i != never {
				l.planes[i] = plane{0x5555555555555555, 0x3333333333333333}
			}
		}
		p.quantise(l.planes, l.desk.block(values), &l.scale, &l.desk)
		var above plane
		for k := l.thresholds; k > 0; k-- {
			for w := range above {
				above[w] |= bins[k][w]
			}
			for side, missingLeft := range [2]bool{true, false} {
				if asked := [2]bool{l.left, l.right}; !asked[side] {
					continue
				}
				want := above
				if !missingLeft {
					for w := range want {
						want[w] |= absent[w]
					}
				}
				got := l.answer(l.node(k, missingLeft))
				for w := range got {
					wrong := (got[w] ^ want[w]) & rows[w]
					if wrong == 0 {
						continue
					}
					i := w*64 + bits.TrailingZeros64(wrong)
					t.Fatalf("%s, row %d of %d: %v against %v, number %d of %d; missing values go left %v, zeroes are missing %v: right %v",
						p.name, i, len(values), values[i], l.threshold[k-1], k, l.thresholds, missingLeft, l.zero, got[w]>>(i%64)&1 == 1)
				}
			}
		}
	}
}

// answer returns the rows that a node sends right.
func (l *laid) answer(n node) plane {
	at, low := n.at/planeSize, n.low/planeSize
	var rows plane
	for w := range rows {
		rows[w] = l.planes[at][w] | l.planes[at-1][w]&l.planes[low][w]
	}
	return rows
}

// ask collects n thresholds.
func ask(n int, at func(i int) float64) []float64 {
	var q question
	for i := range n {
		if x := at(i); !math.IsNaN(x) {
			q.ask(limit(x), true)
		}
	}
	return q.sorted()
}

func TestPlanesAnswerWhateverTheThresholds(t *testing.T) {
	t.Parallel()
	rows := 1_000_000
	if os.Getenv("RESCORE_LONG") != "" {
		rows = 10_000_000
	}
	counts := []int{1, 2, 3, 4, 5, 8, 15, 16, 17, 40, 63, 64, 100, 127, 128, 200, 253, thresholdsMax}
	special := []float64{math.NaN(), math.Float64frombits(0x7ff0000000000001), math.Float64frombits(0xffffffffffffffff), math.Inf(1), math.Inf(-1), 0,
		math.Copysign(0, -1), 5e-324, -5e-324, 1e-310, model.ZeroMax, -model.ZeroMax, math.Nextafter(model.ZeroMax, 1), math.Nextafter(-model.ZeroMax, -1),
		1, -1, 0x1p1016, 0x1p1017, -0x1p1017, math.MaxFloat64, -math.MaxFloat64}
	sets := hostile(rand.New(rand.NewPCG(9, 9)))
	names := slices.Sorted(maps.Keys(sets))
	charts, none := 0, 0
	for _, name := range names {
		for _, n := range counts {
			l := laidOut(n%2 == 0, ask(n, sets[name]), n%3 != 0, n%3 != 1)
			if l.chart != nil {
				charts++
			} else {
				none++
			}
			r := rand.New(rand.NewPCG(10, uint64(n)))
			draw := func() float64 {
				x := l.threshold[r.IntN(l.thresholds)]
				switch r.IntN(10) {
				case 0, 1:
					return x
				case 2:
					return math.Nextafter(x, math.Inf(1))
				case 3:
					return math.Nextafter(x, math.Inf(-1))
				case 4:
					return special[r.IntN(len(special))]
				case 5:
					return x * (1 + r.NormFloat64()/1000)
				case 6:
					return math.Round(x) + float64(r.IntN(3)-1)
				case 7:
					return math.Float64frombits(r.Uint64())
				}
				return x + (l.threshold[l.thresholds-1]-l.threshold[0])*r.NormFloat64()/50
			}
			values := make([]float64, blockRows+1)
			for done := 0; done < rows/len(names)/len(counts); done += blockRows {
				for i := range values {
					values[i] = draw()
				}
				at := r.IntN(2)
				l.check(t, values[at:at+blockRows])
			}
			// All alike: what is rare in other blocks is the rule.
			alike := draw()
			for i := range values {
				values[i] = alike
			}
			l.check(t, values[:blockRows])
		}
	}
	if charts < 200 || none < 20 {
		t.Errorf("%d scales with charts and %d without: too few of a kind to test both", charts, none)
	}
}

func TestShortBlocksAreLaidOutFromAnyOffset(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(11, 11))
	for _, zero := range []bool{false, true} {
		for _, name := range []string{"normal", "subnormal"} { // with a chart, without
			l := laidOut(zero, ask(40, hostile(r)[name]), true, true)
			values := make([]float64, blockRows+8)
			for i := range values {
				values[i] = l.threshold[r.IntN(40)] + float64(r.IntN(3)-1)*l.threshold[0]
				if r.IntN(5) == 0 {
					values[i] = [...]float64{math.NaN(), 0, math.Inf(1), math.Inf(-1)}[r.IntN(4)]
				}
			}
			for n := 1; n <= blockRows; n++ {
				at := r.IntN(8)
				l.check(t, values[at:at+n])
			}
		}
	}
}

// What models of people ask has a chart, with few thresholds to a bucket.
func TestChartsServeWhatModelsAsk(t *testing.T) {
	t.Parallel()
	sets := hostile(rand.New(rand.NewPCG(12, 12)))
	for name, most := range map[string]int{"even": 3, "normal": 5, "hundredths": 5, "counts": 3, "float32 counts": 3, "money": 5} {
		for _, n := range []int{1, 10, 31, 63, 127, thresholdsMax} {
			c := newChart(ask(n, sets[name]))
			switch {
			case c == nil:
				t.Errorf("%s: no chart of %d thresholds", name, n)
			case c.crowd > most:
				t.Errorf("%s: of %d thresholds, %d share a bucket, more than %d", name, n, c.crowd, most)
			}
		}
	}
}

// The first byte says how many of the float64s that follow are thresholds; the values
// are all of them, and what is next to them.
func FuzzPlanesAnswer(f *testing.F) {
	seed := func(n byte, numbers ...float64) {
		data := []byte{n}
		for _, x := range numbers {
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(x))
		}
		f.Add(data)
	}
	seed(1, 0.5, 1, math.NaN())
	seed(2, -math.MaxFloat64, math.MaxFloat64, math.Inf(1))
	seed(5, 0, model.ZeroMax, 1.5, 2.5, 1e300, 3, math.Copysign(0, -1))
	seed(7, -3, -2.5, 1e-300, 1, 1+1e-16, 2, 4)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 9 {
			return
		}
		var numbers []float64
		for at := 1; at+8 <= len(data); at += 8 {
			numbers = append(numbers, math.Float64frombits(binary.LittleEndian.Uint64(data[at:])))
		}
		n := min(1+int(data[0]), len(numbers), thresholdsMax)
		thresholds := ask(n, func(i int) float64 { return numbers[i] })
		if len(thresholds) == 0 {
			return
		}
		var values []float64
		for _, x := range numbers {
			values = append(values, x, math.Nextafter(x, math.Inf(1)), math.Nextafter(x, math.Inf(-1)), x+1, x/2)
		}
		for _, zero := range []bool{false, true} {
			l := laidOut(zero, thresholds, true, true)
			for block := range slices.Chunk(values, blockRows) {
				l.check(t, block)
			}
		}
	})
}
