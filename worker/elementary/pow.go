package elementary

import "math"

// powMax is the largest whole exponent that is multiplied out.
const powMax = 1 << 10

// Pow returns x**y. A whole y up to 1024 is multiplied out, which takes at most 20
// roundings; any other goes through logarithm and exponential, and is off by as
// many units in the last place as |y·ln x| has, and a few. x**0 is 1; a negative x
// has no power that is not whole.
func Pow(x, y float64) float64 {
	switch {
	case y == 0 || x == 1:
		return 1
	case x != x || y != y:
		return math.NaN()
	case y == math.Trunc(y) && math.Abs(y) <= powMax:
		p := whole(x, int(math.Abs(y)))
		if y < 0 {
			return 1 / p
		}
		return p
	case x == 0:
		if y < 0 {
			return math.Inf(1)
		}
		return 0
	case x < 0:
		if y != math.Trunc(y) {
			return math.NaN()
		}
		p := Exp(float64(y * Log(-x)))
		if math.Mod(y, 2) != 0 {
			return -p
		}
		return p
	}
	return Exp(float64(y * Log(x)))
}

// whole returns x**n by squaring.
func whole(x float64, n int) float64 {
	p := 1.0
	for {
		if n&1 != 0 {
			p = float64(p * x)
		}
		if n >>= 1; n == 0 {
			return p
		}
		x = float64(x * x)
	}
}
