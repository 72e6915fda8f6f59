package lane

import (
	"math"
	"math/rand/v2"
	"testing"

	"rescore/worker/elementary"
)

// exponents are what Exp is asked: scores, the two ends and what lies around them,
// and bits of any kind.
func exponents(r *rand.Rand, dst []float64) {
	ends := []float64{0x1.62e42fefa39efp+09, -0x1.6232bdd7abcd2p+09, -746, -745.14, -708.4, 709, 1000, -1000, 1e300, -1e300, 0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 5e-324}
	for i := range dst {
		switch r.IntN(6) {
		case 0: // at an end, or a few values from it
			x := ends[r.IntN(len(ends))]
			for range r.IntN(4) {
				x = math.Nextafter(x, float64(r.IntN(3)-1)*1e308)
			}
			dst[i] = x
		case 1: // where answers have fewer bits
			dst[i] = -708 - 40*r.Float64()
		case 2: // where k changes
			dst[i] = (float64(r.IntN(2000)-1000) + 0.5) * math.Ln2
		case 3:
			dst[i] = math.Float64frombits(r.Uint64())
		default:
			dst[i] = r.Float64()*80 - 40
		}
	}
}

func TestExpIsTheElementaryOneOfEveryRow(t *testing.T) {
	onEachPath(t, func(t *testing.T, b *bed, r *rand.Rand, n int) {
		x := take[float64](b, n)
		exponents(r, x)
		two(t, b, "Exp", x, Exp, elementary.Exp)
	})
}

func TestExpOfAMillionRowsIsTheElementaryOne(t *testing.T) {
	best := chosen
	defer func() { chosen = best }()
	x, got := make([]float64, Rows), make([]float64, Rows)
	for _, p := range paths()[1:] {
		chosen = p
		r := rand.New(rand.NewPCG(5, uint64(p)))
		for range 1_000_000 / Rows {
			exponents(r, x)
			Exp(got, x)
			same(t, p.String()+" Exp", got, func(i int) float64 { return elementary.Exp(x[i]) })
		}
	}
}

func TestFloatsAreNarrowed(t *testing.T) {
	onEachPath(t, func(t *testing.T, b *bed, r *rand.Rand, n int) {
		x, dst := column[float64](b, r, n), take[float32](b, n)
		for i := range x {
			if r.IntN(2) == 0 { // halfway between two, now and then
				x[i] = float64(math.Float32frombits(r.Uint32())) * (1 + 0x1p-24)
			}
		}
		Narrow(dst, x)
		for i, got := range dst {
			if want := float32(x[i]); math.Float32bits(got) != math.Float32bits(want) && got == got {
				t.Fatalf("Narrow, row %d of %d: %v, want %v", i, n, got, want)
			} else if got != got && x[i] == x[i] {
				t.Fatalf("Narrow of %v is NaN", x[i])
			}
		}
	})
}
