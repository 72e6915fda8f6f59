package score

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// knots draws an isotonic curve.
func knots(r *rand.Rand) (x, y []float64) {
	for range 1 + r.IntN(12) {
		x, y = append(x, r.NormFloat64()), append(y, r.Float64())
	}
	slices.Sort(x)
	slices.Sort(y)
	x = slices.Compact(x)
	return x, y[:len(x)]
}

// straight is the isotonic curve as it is documented, knot after knot, in numbers that
// are not rounded.
func straight(x, y []float64, s float64) float64 {
	if s <= x[0] {
		return y[0]
	}
	for i := 1; i < len(x); i++ {
		if s > x[i] {
			continue
		}
		f := func(v float64) *big.Float { return new(big.Float).SetPrec(500).SetFloat64(v) }
		rise := new(big.Float).Mul(new(big.Float).Sub(f(s), f(x[i-1])), new(big.Float).Sub(f(y[i]), f(y[i-1])))
		at, _ := new(big.Float).Add(f(y[i-1]), rise.Quo(rise, new(big.Float).Sub(f(x[i]), f(x[i-1])))).Float64()
		return at
	}
	return y[len(y)-1]
}

func TestIsotonicFollowsTheLinesAndNeverFalls(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(21, 22))
	for range 3000 {
		x, y := knots(r)
		c := Calibration{Method: Isotonic, X: x, Y: y}
		s := []float64{math.Inf(-1), math.Inf(1), math.Copysign(0, -1)}
		for _, k := range x {
			s = append(s, k, math.Nextafter(k, math.Inf(-1)), math.Nextafter(k, math.Inf(1)))
		}
		for range 30 {
			s = append(s, r.NormFloat64())
		}
		slices.Sort(s)
		last := 0.0
		for _, v := range s {
			p := c.Apply(math.NaN(), v)
			if want := straight(x, y, v); math.Abs(p-want) > 1e-15 {
				t.Fatalf("%v is calibrated to %v, the line has %v", v, p, want)
			}
			if i, ok := slices.BinarySearch(x, v); ok && p != y[i] {
				t.Fatalf("at a knot %v instead of %v", p, y[i])
			}
			if p < last {
				t.Fatalf("the curve falls from %v to %v at %v", last, p, v)
			}
			last = p
		}
	}
}

func TestPlattIsScikitLearnsSigmoidAndRises(t *testing.T) {
	t.Parallel()
	// scipy.special.expit(-(a*s+b)), printed in full.
	for _, c := range []struct{ a, b, s, want float64 }{
		{-1, 0, 0, 0.5},
		{-1, 0, 1, 0.7310585786300049},
		{-2.5, 0.75, -1.2, 0.022977369910025615},
		{-4, 2, 0.9, 0.8320183851339245},
	} {
		k := Calibration{Method: Platt, A: c.a, B: c.b}
		if got := k.Apply(math.NaN(), c.s); math.Abs(got-c.want) > 1e-15 {
			t.Errorf("platt(%v) is %v, want %v", c.s, got, c.want)
		}
	}
	r := rand.New(rand.NewPCG(1, 9))
	for range 1000 {
		k := Calibration{Method: Platt, Raw: true, A: -math.Exp(r.NormFloat64()), B: 3 * r.NormFloat64()}
		s := []float64{math.Inf(-1), -1e300, 1e300, math.Inf(1)}
		for range 50 {
			s = append(s, 10*r.NormFloat64())
		}
		slices.Sort(s)
		for i, v := range s {
			p := k.Apply(v, math.NaN())
			if want := 1 / (1 + math.Exp(k.A*v+k.B)); math.Abs(p-want) > 1e-14 || !(p >= 0 && p <= 1) {
				t.Fatalf("platt(%v) is %v, want %v", v, p, want)
			}
			if i > 0 && p < k.Apply(s[i-1], 0) {
				t.Fatalf("the curve falls at %v", v)
			}
		}
	}
}

func TestWithoutCalibrationAProbabilityIsAsItWas(t *testing.T) {
	t.Parallel()
	for _, c := range []Calibration{{}, {Raw: true}} {
		if p := c.Apply(3, 0.25); p != 0.25 {
			t.Errorf("%+v: %v", c, p)
		}
	}
}
