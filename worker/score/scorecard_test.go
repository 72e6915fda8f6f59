package score

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"rescore/worker/kernel"
	"rescore/worker/model"
)

// scorecard writes one of a few sizes of characteristics: numbers with a bin for each
// of 1, 2, …, and codes in sets.
func scorecard(t testing.TB, r *rand.Rand) *model.Ensemble {
	t.Helper()
	var text strings.Builder
	text.WriteString("scorecard: 1\nhigher_is: safer\nbase: 0.1\nscaling: {offset: 3, factor: 7}\ncharacteristics:\n")
	for i, bins := range []int{1, 5, 17, 70, 254} {
		fmt.Fprintf(&text, "- feature: number_%d\n  bins:\n", i)
		for k := range bins {
			fmt.Fprintf(&text, "  - {upto: %d, points: %v}\n", k+1, r.NormFloat64())
		}
		fmt.Fprintf(&text, "  - {above: %d, points: %v}\n  - {missing: true, points: %v}\n", bins, r.NormFloat64(), r.NormFloat64())
	}
	for i, sets := range []int{0, 1, 4, 40} {
		fmt.Fprintf(&text, "- feature: code_%d\n  bins:\n  - {missing: true, points: %v}\n  - {other: true, points: %v}\n", i, r.NormFloat64(), r.NormFloat64())
		for k := range sets {
			fmt.Fprintf(&text, "  - {categories: [%d, %d], points: %v}\n", 2*k, 7*k+301, r.NormFloat64())
		}
	}
	e, err := model.Load([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestScorecardsOnEveryPathEqualRawBitForBit(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(12, 12))
	for range 5 {
		e := scorecard(t, r)
		const rows = 4000
		in, want, row := columns(len(e.Features), rows), make([]float64, rows), make([]float64, len(e.Features))
		for i := range rows {
			for f := range row {
				x := float64(r.IntN(260))
				switch r.IntN(8) {
				case 0:
					x = math.NaN()
				case 1:
					x = math.Nextafter(x, math.Inf(2*r.IntN(2)-1))
				case 2:
					x = r.NormFloat64() * 300
				case 3:
					x = float64(r.IntN(12))
				}
				in[f].F64[i], row[f] = x, x
			}
			want[i] = e.Raw(row)
		}
		for _, f := range every(t, e) {
			checkBlocks(t, r, f, in, want)
		}
		raw, _, err := Raw(e, floats(in), rows)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range raw {
			if math.Float64bits(x) != math.Float64bits(want[i]) {
				t.Fatalf("row %d scores %v, want %v", i, x, want[i])
			}
		}
	}
}

func floats(in []kernel.Vector) [][]float64 {
	var list [][]float64
	for _, v := range in {
		list = append(list, v.F64)
	}
	return list
}
