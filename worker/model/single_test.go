package model

import (
	"math"
	"math/rand/v2"
	"testing"
)

// singles are float32s worth being thresholds.
func singles(r *rand.Rand) []float32 {
	list := []float32{
		0, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, 2 * math.SmallestNonzeroFloat32,
		math.MaxFloat32, -math.MaxFloat32, float32(inf), 1, -1, 0x1p-126, -0x1p-126, 0x1p-127, 0x1.fffffep-127, 0x1p24, 0x1p127, -0x1p127, 0.1, -0.1, 265.5,
	}
	for len(list) < 300_000 {
		if x := math.Float32frombits(r.Uint32()); x == x && x != float32(-inf) {
			list = append(list, x)
		}
	}
	return list
}

// Rounding does not fall as x grows, so that what holds at below(t) and not at the
// next float64 holds up to it and nowhere above.
func TestBelowIsTheLastFloat64LessThanAFloat32(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(31, 1))
	for _, s := range singles(r) {
		b := below(s)
		if !(float32(b) < s) {
			t.Fatalf("below(%v) = %v, whose float32 is not less", s, b)
		}
		if next := math.Nextafter(b, inf); float32(next) < s {
			t.Fatalf("below(%v) = %v, and %v is still less", s, b, next)
		}
		for _, x := range []float64{-inf, -math.MaxFloat64, inf, math.MaxFloat64, 0, math.Copysign(0, -1), float64(s), 1e-320, -1e-320, r.NormFloat64(), math.Float64frombits(r.Uint64())} {
			if (float32(x) < s) != (x <= b) {
				t.Fatalf("float32(%v) < %v is %v, and x <= %v is not", x, s, float32(x) < s, b)
			}
		}
	}
	for _, s := range []float32{float32(nan), float32(-inf)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("below(%v) did not panic", s)
				}
			}()
			below(s)
		}()
	}
}

// The values are the C library's (glibc 2.36). That all of 44 million float32s
// agree was proved when the functions were written; here they are held to the
// truth, from which the C library is half a unit and a little off.
func TestSinglesAreTheCLibrarys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		f       func(float32) float32
		x, want float32
	}{
		{"exp", expSingle, 0, 1},
		{"exp", expSingle, -0.84729785, 0.42857143},
		{"exp", expSingle, 88.72284, float32(inf)},
		{"exp", expSingle, -104, 0},
		{"exp", expSingle, float32(inf), float32(inf)},
		{"exp", expSingle, float32(-inf), 0},
		{"log", logSingle, 0, float32(-inf)},
		{"log", logSingle, 1, 0},
		{"log", logSingle, float32(inf), float32(inf)},
		{"log", logSingle, 0.3, -1.2039728},
	} {
		if got := c.f(c.x); got != c.want {
			t.Errorf("%s(%v) = %v, want %v", c.name, c.x, got, c.want)
		}
	}
	for _, x := range []float32{float32(nan), -1, -math.SmallestNonzeroFloat32} {
		if y := logSingle(x); y == y {
			t.Errorf("log(%v) = %v, want NaN", x, y)
		}
	}
	if y := expSingle(float32(nan)); y == y {
		t.Errorf("exp(NaN) = %v", y)
	}
	off := func(got float32, want float64) float64 { // in units in the last place
		step := math.Abs(float64(math.Nextafter32(got, float32(inf))) - float64(got))
		return math.Abs(float64(got)-want) / step
	}
	for _, x := range singles(rand.New(rand.NewPCG(31, 2))) {
		if want := math.Exp(float64(x)); want < math.MaxFloat32 && want > 0x1p-126 {
			if d := off(expSingle(x), want); d > 0.51 {
				t.Fatalf("exp(%v) = %v, %v units off", x, expSingle(x), d)
			}
		}
		if want := math.Log(float64(x)); x > 0 && want != 0 && want < math.MaxFloat64 {
			if d := off(logSingle(x), want); d > 0.82 {
				t.Fatalf("log(%v) = %v, %v units off", x, logSingle(x), d)
			}
		}
	}
}
