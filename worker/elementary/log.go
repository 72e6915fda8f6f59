package elementary

import "math"

// Log1p returns ln(1+x) for x >= 0, within two units in the last place.
//
//	u = 1+x, rounded; c = what the rounding lost, exactly
func Log1p(x float64) float64 {
	if x != x || math.IsInf(x, 1) {
		return x
	}
	u := 1 + x
	c := x - (u - 1)
	if u > 2 {
		c = 1 - (u - x)
	}
	return log(u, c)
}

// Log returns ln x, within two units in the last place; NaN below 0.
func Log(x float64) float64 {
	switch {
	case x != x || math.IsInf(x, 1):
		return x
	case x < 0:
		return math.NaN()
	case x == 0:
		return math.Inf(-1)
	}
	return log(x, 0)
}

// Log10 returns the logarithm to base 10, exact for powers of 10.
func Log10(x float64) float64 {
	y := float64(Log(x) * (1 / math.Ln10))
	if n := math.RoundToEven(y); y != n && math.Abs(y-n) < 1e-12 && Pow(10, n) == x {
		return n
	}
	return y
}

// log returns ln(u+c), where u > 0 is finite and c is no more than rounding u lost.
//
//	u = 2**k · m, m from √½ to √2
//	s = (m-1)/(m+1); ln m = 2s + 2s³/3 + … + 2s²³/23     cut-off below 2**-60
//	ln(u+c) = k·ln2 + ln m + c/u
func log(u, c float64) float64 {
	const (
		ln2Hi = 0x1.62e42feep-01 // ends in 32 zero bits: k·ln2Hi is exact
		ln2Lo = 0x1.a39ef35793c76p-33
	)
	m, k := math.Frexp(u)
	if m < math.Sqrt2/2 {
		m, k = 2*m, k-1
	}
	f := m - 1 // exactly
	if k == 0 {
		f += c
		c = 0
		if f > -0x1p-29 && f < 0x1p-29 {
			return f - float64(0.5*float64(f*f))
		}
	}
	s := f / (2 + f)
	square := float64(s * s)
	p := 1.0 / 23
	for i := 21; i >= 3; i -= 2 {
		p = float64(p*square) + 1/float64(i)
	}
	// 2s = f - s·f, so that f, not s, carries the leading digits.
	tail := float64(s * (float64(2*float64(square*p)) - f))
	low := float64(float64(k)*ln2Lo) + c/u
	return float64(float64(k)*ln2Hi) + (f + (tail + low))
}
