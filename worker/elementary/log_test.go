package elementary

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

func TestLog1pIsWithinTwoUnitsOfTheLibrarys(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(31, 3))
	worst := uint64(0)
	for i := range 1_000_000 {
		x := math.Exp(r.Float64()*1500 - 760)
		if i < 4 {
			x = []float64{0, math.MaxFloat64, 1, math.SmallestNonzeroFloat64}[i]
		}
		d := ulps(Log1p(x), math.Log1p(x))
		if d > 2 {
			t.Fatalf("log1p(%v) = %v, the library says %v: %d units apart", x, Log1p(x), math.Log1p(x), d)
		}
		worst = max(worst, d)
	}
	if y := Log1p(math.Inf(1)); y != math.Inf(1) {
		t.Errorf("log1p(+Inf) = %v", y)
	}
	if y := Log1p(math.NaN()); y == y {
		t.Errorf("log1p(NaN) = %v", y)
	}
	t.Logf("at most %d units from the library's", worst)
}

func TestLogIsWithinTwoUnitsOfTheLibrarys(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(31, 4))
	for i := range 500_000 {
		x := math.Exp(r.Float64()*1400 - 700) // amd64's own is wrong below the normal numbers
		if i%2 == 0 {
			x = 1 + (r.Float64()-0.5)*math.Pow(2, -float64(r.IntN(52)))
		}
		if d := ulps(Log(x), math.Log(x)); d > 2 {
			t.Fatalf("ln %v = %v, the library says %v: %d units apart", x, Log(x), math.Log(x), d)
		}
		if a, b := Log10(x), math.Log10(x); math.Abs(a-b) > 1e-15*math.Abs(b)+1e-17 {
			t.Fatalf("log10 %v = %v, the library says %v", x, a, b)
		}
	}
	for n := -300; n <= 300; n++ {
		x, _ := new(big.Float).SetMantExp(big.NewFloat(1), n).Float64()
		if want := float64(n) * math.Ln2; math.Abs(Log(x)-want) > 1e-15*math.Abs(want) {
			t.Errorf("ln 2**%d = %v", n, Log(x))
		}
	}
	for n, x := 0, 1.0; n <= 22; n, x = n+1, x*10 {
		if got := Log10(x); got != float64(n) {
			t.Errorf("log10 %v = %v, want %d", x, got, n)
		}
	}
	for _, c := range [][2]float64{{0, math.Inf(-1)}, {math.Inf(1), math.Inf(1)}, {1, 0}} {
		if got := Log(c[0]); got != c[1] {
			t.Errorf("ln %v = %v", c[0], got)
		}
	}
	for _, x := range []float64{-1, math.NaN(), math.Inf(-1)} {
		if y := Log(x); y == y {
			t.Errorf("ln %v = %v, want NaN", x, y)
		}
	}
}

func TestPowIsTheLibrarysToTwelveDigits(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(31, 5))
	for i := range 500_000 {
		x, y := math.Exp(r.Float64()*20-10), r.Float64()*40-20
		switch i % 4 {
		case 0:
			y = math.Trunc(y)
		case 1:
			x, y = -x, math.Trunc(y)
		}
		got, want := Pow(x, y), math.Pow(x, y)
		if math.Abs(got-want) > 1e-12*math.Abs(want) {
			t.Fatalf("%v**%v = %v, the library says %v", x, y, got, want)
		}
	}
	for _, c := range [][3]float64{
		{0, 0, 1}, {math.NaN(), 0, 1}, {2, 10, 1024}, {2, -1, 0.5}, {-2, 3, -8}, {0, 2, 0}, {0, 0.5, 0}, {0, -0.5, math.Inf(1)},
		{10, 22, 1e22}, {4, 0.5, 2}, {1, 1e300, 1}, {-1, 1025, -1}, {-1, 1026, 1}, {2, 1024, math.Inf(1)},
	} {
		if got := Pow(c[0], c[1]); got != c[2] {
			t.Errorf("%v**%v = %v, want %v", c[0], c[1], got, c[2])
		}
	}
	for _, c := range [][2]float64{{-2, 0.5}, {math.NaN(), 1}, {2, math.NaN()}} {
		if got := Pow(c[0], c[1]); got == got {
			t.Errorf("%v**%v = %v, want NaN", c[0], c[1], got)
		}
	}
}

func TestDistributionsAreTheLibrarys(t *testing.T) {
	t.Parallel()
	for i := -40_000; i <= 40_000; i++ {
		x := float64(i) / 1000
		if got, want := Normal(x), math.Erfc(-x/math.Sqrt2)/2; math.Abs(got-want) > 1e-15 || want > 0x1p-1000 && math.Abs(got-want) > 2e-12*want {
			t.Fatalf("the normal distribution at %v is %v, the library says %v", x, got, want)
		}
		if got, want := Cauchy(x), 0.5+math.Atan(x)/math.Pi; math.Abs(got-want) > 1e-15 {
			t.Fatalf("the Cauchy distribution at %v is %v, the library says %v", x, got, want)
		}
	}
	for _, f := range []func(float64) float64{Normal, Cauchy} {
		if f(0) != 0.5 || f(math.Inf(1)) != 1 || f(math.Inf(-1)) != 0 || f(math.NaN()) == f(math.NaN()) {
			t.Errorf("at 0, infinity, minus infinity and NaN: %v, %v, %v, %v", f(0), f(math.Inf(1)), f(math.Inf(-1)), f(math.NaN()))
		}
	}
	if got := Cauchy(-1e12); math.Abs(got-1/(math.Pi*1e12)) > 1e-27 {
		t.Errorf("the Cauchy distribution at -1e12 is %v", got)
	}
}
