package elementary

import "math"

// Normal returns the standard normal distribution at x, to 1e-15, and to twelve
// digits in both tails.
//
//	|x| < 3    ½ + φ(x)·(x + x³/3 + x⁵/(3·5) + x⁷/(3·5·7) + …)
//	beyond     φ(x)/(x + 1/(x + 2/(x + 3/(x + …))))          of the tail
func Normal(x float64) float64 {
	if x != x {
		return x
	}
	a := math.Abs(x)
	density := float64(Exp(-float64(float64(a*a)/2)) / math.Sqrt(2*math.Pi))
	if a < 3 {
		term, sum := x, x
		square := float64(x * x)
		for n := 3.0; math.Abs(term) > math.Abs(sum)*0x1p-55; n += 2 {
			term = float64(term*square) / n
			sum += term
		}
		return 0.5 + float64(density*sum)
	}
	tail := 0.0
	if density > 0 {
		bottom := a
		for n := 120.0; n > 0; n-- {
			bottom = a + n/bottom
		}
		tail = density / bottom
	}
	if x < 0 {
		return tail
	}
	return 1 - tail
}

// Cauchy returns the standard Cauchy distribution at x, ½ + arctan(x)/π, to 1e-15.
func Cauchy(x float64) float64 {
	if x < -1 { // without the cancellation
		return float64(arctan(-1/x) / math.Pi)
	}
	return 0.5 + float64(arctan(x)/math.Pi)
}

// arctan returns the angle whose tangent is x.
//
//	arctan x = π/2 - arctan 1/x = 2·arctan(x/(1+√(1+x²)))     three times: below 0.1
//	arctan z = z - z³/3 + z⁵/5 - … - z¹⁹/19                    cut-off below 2**-60
func arctan(x float64) float64 {
	if x > 1 {
		return math.Pi/2 - arctan(1/x)
	}
	if x < -1 {
		return -math.Pi/2 - arctan(1/x)
	}
	z := x
	for range 3 {
		z /= 1 + math.Sqrt(1+float64(z*z))
	}
	square := float64(z * z)
	p := 1.0 / 21
	for i := 19; i >= 1; i -= 2 {
		p = 1/float64(i) - float64(p*square)
	}
	return float64(8 * float64(z*p))
}
