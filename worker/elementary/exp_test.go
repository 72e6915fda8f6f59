package elementary

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// Two units, because amd64's library function is itself up to 1.4 units off the
// truth; the test below is the strict one.
func TestExpIsWithinTwoUnitsOfTheLibrarys(t *testing.T) {
	t.Parallel()
	worst := uint64(0)
	differ, all := 0, 0
	check := func(x float64) {
		d := ulps(Exp(x), math.Exp(x))
		if d > 2 {
			t.Fatalf("exp(%v) = %v, the library says %v: %d units apart", x, Exp(x), math.Exp(x), d)
		}
		worst = max(worst, d)
		all++
		if d > 0 {
			differ++
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for x := -708.0; x < 709; x += 1.0 / 512 { // above, amd64 overflows early
		check(x)
	}
	for range 500_000 { // the scores a propensity is made of
		check(r.Float64()*80 - 40)
		check((r.Float64() - 0.5) * math.Pow(2, -float64(r.IntN(60))))
	}
	t.Logf("%d of %d values differ from the library's on this processor, by %d at most", differ, all, worst)
}

// The truth, from the series in 200-bit arithmetic: e**x = (e**(x/2**12))**(2**12).
func TestExpIsWithinSevenTenthsOfAUnitOfTheTruth(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	const precision = 200
	newFloat := func(x float64) *big.Float { return new(big.Float).SetPrec(precision).SetFloat64(x) }
	worst := 0.0
	for i := range 6_000 {
		x := r.Float64()*1400 - 700
		if i%2 == 0 {
			x = r.Float64()*80 - 40 // the scores a propensity is made of
		}
		small := newFloat(x)
		small.SetMantExp(small, -12)
		term, truth := newFloat(1), newFloat(1)
		for i := 1; i < 40; i++ {
			term.Mul(term, small).Quo(term, newFloat(float64(i)))
			truth.Add(truth, term)
		}
		for range 12 {
			truth.Mul(truth, truth)
		}
		got := Exp(x)
		off := new(big.Float).SetPrec(precision).Sub(newFloat(got), truth)
		unit := math.Nextafter(got, math.Inf(1)) - got
		d, _ := off.Quo(off, newFloat(unit)).Float64()
		worst = max(worst, math.Abs(d))
	}
	if worst >= 0.7 {
		t.Errorf("off by %.3f units in the last place", worst)
	}
	t.Logf("off by %.3f units in the last place at most", worst)
}

// The bits themselves, so that another processor or compiler must give them.
func TestExpGivesTheseBits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ x, want float64 }{
		{0, 1},
		{math.Copysign(0, -1), 1},
		{1, math.E},
		{math.Inf(1), math.Inf(1)},
		{math.Inf(-1), 0},
		{710, math.Inf(1)},
		{-750, 0},
		{-745.13, 5e-324},
	} {
		if got := Exp(c.x); got != c.want {
			t.Errorf("exp(%v) = %v, want %v", c.x, got, c.want)
		}
	}
	if got := Exp(math.NaN()); got == got {
		t.Errorf("exp(NaN) = %v", got)
	}
	// FNV over the bits of a sweep.
	h := uint64(14695981039346656037)
	for i := -60_000; i <= 60_000; i++ {
		h = (h ^ math.Float64bits(Exp(float64(i)/1000))) * 1099511628211
	}
	if want := uint64(0xf1e27b81de6c2920); h != want {
		t.Errorf("the sweep's bits hash to %#x, want %#x", h, want)
	}
}

// ulps returns how many float64s lie between two.
func ulps(a, b float64) uint64 {
	order := func(x float64) int64 {
		i := int64(math.Float64bits(x))
		if i < 0 {
			i = math.MinInt64 - i
		}
		return i
	}
	d := order(a) - order(b)
	if d < 0 {
		d = -d
	}
	return uint64(d)
}
