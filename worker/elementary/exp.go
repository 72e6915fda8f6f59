// Package elementary has the functions that scores are made with: exponential,
// logarithm, power, and the distributions that link a raw score to a probability.
//
// Each gives the same bits on every processor (invariant I5), which the standard
// library's do not: some processors have an assembly of their own, amd64's takes
// another path where there is fused multiply-add, and elsewhere the compiler may
// fuse. Here every product is rounded by an explicit conversion, so that each step
// is one IEEE 754 operation.
package elementary

import "math"

// Exp returns e**x, within 0.7 units in the last place:
//
//	x = k·ln2 + r, |r| <= ln2/2, with ln2 in two parts so that r is good to
//	                the last bit (hi is exact: ln2Hi ends in 32 zero bits)
//	e**r = 1 + r + r²·(1/2! + r/3! + … + r¹¹/13!)     cut-off below 2**-57
//	e**x = 2**k · e**r
func Exp(x float64) float64 {
	const (
		ln2Hi = 0x1.62e42feep-01
		ln2Lo = 0x1.a39ef35793c76p-33
		log2e = 0x1.71547652b82fep+00
		xMax  = 0x1.62e42fefa39efp+09 // ln of the largest float64
		xMin  = -746                  // below it the result is 0
	)
	switch {
	case x != x:
		return x
	case x > xMax:
		return math.Inf(1)
	case x < xMin:
		return 0
	}
	k := math.RoundToEven(float64(x * log2e))
	hi := x - float64(k*ln2Hi)
	lo := float64(k * ln2Lo)
	r := hi - lo
	tail := (hi - r) - lo // what rounding r lost

	p := 1.0 / 6227020800
	p = float64(p*r) + 1.0/479001600
	p = float64(p*r) + 1.0/39916800
	p = float64(p*r) + 1.0/3628800
	p = float64(p*r) + 1.0/362880
	p = float64(p*r) + 1.0/40320
	p = float64(p*r) + 1.0/5040
	p = float64(p*r) + 1.0/720
	p = float64(p*r) + 1.0/120
	p = float64(p*r) + 1.0/24
	p = float64(p*r) + 1.0/6
	p = float64(p*r) + 1.0/2
	square := float64(r * r)

	sum := 1 + r
	lost := r - (sum - 1) // exactly
	return math.Ldexp(sum+(lost+(float64(square*p)+tail)), int(k))
}
