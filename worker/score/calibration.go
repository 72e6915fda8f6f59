package score

import (
	"slices"

	"rescore/worker/elementary"
)

// Calibration turns what a model says into a probability that comes true as often
// as it says. It is the last step: after the link, and after the correction for
// undersampling. The zero value changes nothing.
//
// It gives the same bits on every processor, and it never falls as the score rises.
type Calibration struct {
	Raw    bool    // it goes by the raw score, and not by the corrected probability
	Method Method  // what it does with it
	A, B   float64 // Platt: 1/(1+exp(A·s+B)), A below 0
	X, Y   []float64
}

// Method is a way to calibrate.
type Method uint8

// Methods.
const (
	Uncalibrated Method = 0
	Platt        Method = 1
	// Isotonic follows straight lines between the knots (X, Y). Below the first and
	// above the last it keeps their Y. X increases, Y never falls, both have a value
	// for each knot, and there is one knot or more.
	Isotonic Method = 2
)

// Apply calibrates a row: its raw score, and its probability so far.
func (c *Calibration) Apply(raw, p float64) float64 {
	s := p
	if c.Raw {
		s = raw
	}
	switch c.Method {
	case Platt:
		return 1 / (1 + elementary.Exp(float64(c.A*s)+c.B))
	case Isotonic:
		return c.isotonic(s)
	case Uncalibrated:
	}
	return p
}

func (c *Calibration) isotonic(s float64) float64 {
	at, found := slices.BinarySearch(c.X, s)
	switch {
	case found:
		return c.Y[at]
	case at == 0:
		return c.Y[0]
	case at == len(c.X):
		return c.Y[at-1]
	}
	low, high := c.Y[at-1], c.Y[at]
	share := (s - c.X[at-1]) / (c.X[at] - c.X[at-1])
	return min(low+float64(share*(high-low)), high) // rounding may not lift it above the next knot
}
