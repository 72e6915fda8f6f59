package model

import "math"

// XGBoost computes in float32. What it compares, this package compares in float64
// and gets the same answer; what it adds and transforms, this package adds and
// transforms in float32.

// below returns the largest float64 that is less than t once rounded to float32,
// so that float32(x) < t is x <= below(t) for every float64 x. Rounding never
// falls as x grows, so there is one such number:
//
//	float32s    ──p─────────────t──          p the next below t
//	float64s    ──┴──────┬──────┴──          their middle is a float64; it is a tie,
//	               below │ above             which goes to the one of p and t whose
//	               it: p │ it: t             last bit is 0
//
// It panics when t is NaN or negative infinity, than which nothing is less.
func below(t float32) float64 {
	if t != t || math.IsInf(float64(t), -1) {
		panic("model: nothing is less than NaN or negative infinity")
	}
	// What lies past the largest float32 rounds to infinity from half a step on, as
	// if infinity were 2**128.
	next := func(x float32) float64 {
		switch {
		case math.IsInf(float64(x), 1):
			return 0x1p128
		case math.IsInf(float64(x), -1):
			return -0x1p128
		}
		return float64(x)
	}
	middle := (next(math.Nextafter32(t, float32(math.Inf(-1)))) + next(t)) / 2 // exactly
	if float32(middle) < t {
		return middle
	}
	return math.Nextafter(middle, math.Inf(-1))
}

// expSingle and logSingle give the bits of the C library's expf and logf, which
// XGBoost calls (glibc since 2.27, musl: ARM's optimized routines by Szabolcs
// Nagy, MIT licence). They work in float64, by explicitly rounded steps, and round
// once at the end.

// expSingle returns e**x.
func expSingle(x float32) float32 {
	switch {
	case x != x:
		return x
	case x > 0x1.62e42ep6: // ln of the largest float32
		return float32(math.Inf(1))
	case x < -0x1.9fe368p6: // rounds to 0
		return 0
	}
	// x·32/ln2 = k + r, |r| <= 1/2; e**x = 2**(k/32) · 2**(r/32)
	z := float64(float64(x) * (0x1.71547652b82fep+0 * 32))
	k := math.RoundToEven(z)
	r := z - k
	n := int(k)
	power := root32[n&31] * math.Float64frombits(uint64(n>>5+1023)<<52) // exactly
	y := float64(float64(0x1.c6af84b912394p-5/32/32/32*r) + 0x1.ebfce50fac4f3p-3/32/32)
	y = float64(y*float64(r*r)) + (float64(0x1.62e42ff0c52d6p-1/32*r) + 1)
	return float32(y * power)
}

// root32 is 2**(i/32).
var root32 = [32]float64{
	0x1p+0, 0x1.059b0d3158574p+0, 0x1.0b5586cf9890fp+0, 0x1.11301d0125b51p+0,
	0x1.172b83c7d517bp+0, 0x1.1d4873168b9aap+0, 0x1.2387a6e756238p+0, 0x1.29e9df51fdee1p+0,
	0x1.306fe0a31b715p+0, 0x1.371a7373aa9cbp+0, 0x1.3dea64c123422p+0, 0x1.44e086061892dp+0,
	0x1.4bfdad5362a27p+0, 0x1.5342b569d4f82p+0, 0x1.5ab07dd485429p+0, 0x1.6247eb03a5585p+0,
	0x1.6a09e667f3bcdp+0, 0x1.71f75e8ec5f74p+0, 0x1.7a11473eb0187p+0, 0x1.82589994cce13p+0,
	0x1.8ace5422aa0dbp+0, 0x1.93737b0cdc5e5p+0, 0x1.9c49182a3f090p+0, 0x1.a5503b23e255dp+0,
	0x1.ae89f995ad3adp+0, 0x1.b7f76f2fb5e47p+0, 0x1.c199bdd85529cp+0, 0x1.cb720dcef9069p+0,
	0x1.d5818dcfba487p+0, 0x1.dfc97337b9b5fp+0, 0x1.ea4afa2a490dap+0, 0x1.f50765b6e4540p+0,
}

// logSingle returns the natural logarithm of x.
func logSingle(x float32) float32 {
	switch {
	case x != x || x < 0:
		return float32(math.NaN())
	case x == 0:
		return float32(math.Inf(-1))
	case math.IsInf(float64(x), 1):
		return x
	case x == 1:
		return 0
	}
	bits := math.Float32bits(x)
	if bits < 0x00800000 { // below the smallest normal number
		bits = math.Float32bits(x*0x1p23) - 23<<23
	}
	// x = 2**k · z, z from 0x1.66p-1 to twice that; ln x = k·ln2 + ln c + ln(z/c), c the
	// middle of the sixteenth z is in
	from := bits - 0x3f330000
	i := from >> 19 & 15
	k := int32(from) >> 23
	z := float64(math.Float32frombits(bits - from&(0x1ff<<23)))
	r := float64(z*logTable[i].inverse) - 1
	y0 := logTable[i].log + float64(float64(k)*0x1.62e42fefa39efp-1)
	square := float64(r * r)
	y := float64(0x1.5575b0be00b6ap-2*r) + -0x1.ffffef20a4123p-2
	y = float64(-0x1.00ea348b88334p-2*square) + y
	y = float64(y*square) + (y0 + r)
	return float32(y)
}

// logTable has 1/c and ln c for the sixteenths of logSingle.
var logTable = [16]struct{ inverse, log float64 }{
	{0x1.661ec79f8f3bep+0, -0x1.57bf7808caadep-2},
	{0x1.571ed4aaf883dp+0, -0x1.2bef0a7c06ddbp-2},
	{0x1.49539f0f010bp+0, -0x1.01eae7f513a67p-2},
	{0x1.3c995b0b80385p+0, -0x1.b31d8a68224e9p-3},
	{0x1.30d190c8864a5p+0, -0x1.6574f0ac07758p-3},
	{0x1.25e227b0b8eap+0, -0x1.1aa2bc79c81p-3},
	{0x1.1bb4a4a1a343fp+0, -0x1.a4e76ce8c0e5ep-4},
	{0x1.12358f08ae5bap+0, -0x1.1973c5a611cccp-4},
	{0x1.0953f419900a7p+0, -0x1.252f438e10c1ep-5},
	{0x1p+0, 0x0p+0},
	{0x1.e608cfd9a47acp-1, 0x1.aa5aa5df25984p-5},
	{0x1.ca4b31f026aap-1, 0x1.c5e53aa362eb4p-4},
	{0x1.b2036576afce6p-1, 0x1.526e57720db08p-3},
	{0x1.9c2d163a1aa2dp-1, 0x1.bc2860d22477p-3},
	{0x1.886e6037841edp-1, 0x1.1058bc8a07ee1p-2},
	{0x1.767dcf5534862p-1, 0x1.4043057b6ee09p-2},
}
