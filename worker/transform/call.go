package transform

import (
	"math"
	"slices"

	"rescore/worker/elementary"
)

// Functions of one operand, of two, and those of any number, which take in one
// after the other. Truth is 1, and what is not 0 is true.
var (
	unary = map[string]func(x float64) float64{
		"log10": elementary.Log10,
		"ln":    elementary.Log,
		"ln1p":  func(x float64) float64 { return elementary.Log(1 + x) },
		"sqrt":  math.Sqrt,
		"abs":   math.Abs,
		"exp":   elementary.Exp,
		"floor": math.Floor,
		"ceil":  math.Ceil,
		"round": round,
		"rint":  math.RoundToEven,
		"not":   func(x float64) float64 { return truth(x == 0) },

		"float": func(x float64) float64 { return float64(float32(x)) },
	}
	binary = map[string]func(a, b float64) float64{
		"+":              func(a, b float64) float64 { return a + b },
		"-":              func(a, b float64) float64 { return a - b },
		"*":              func(a, b float64) float64 { return a * b },
		"/":              func(a, b float64) float64 { return a / b },
		"pow":            elementary.Pow,
		"threshold":      func(a, b float64) float64 { return truth(a > b) },
		"equal":          func(a, b float64) float64 { return truth(a == b) },
		"notEqual":       func(a, b float64) float64 { return truth(a != b) },
		"lessThan":       func(a, b float64) float64 { return truth(a < b) },
		"lessOrEqual":    func(a, b float64) float64 { return truth(a <= b) },
		"greaterThan":    func(a, b float64) float64 { return truth(a > b) },
		"greaterOrEqual": func(a, b float64) float64 { return truth(a >= b) },
	}
	aggregate = map[string]func(sum, x float64) float64{
		"sum":     func(sum, x float64) float64 { return sum + x },
		"product": func(product, x float64) float64 { return product * x },
		"min":     func(least, x float64) float64 { return min(least, x) },
		"max":     func(most, x float64) float64 { return max(most, x) },
	}
	other = map[string]Function{
		"avg":          average{},
		"isMissing":    presence{absent: 1},
		"isNotMissing": presence{present: 1},
		"and":          connective{decides: 0},
		"or":           connective{decides: 1},
		"isIn":         membership{in: 1},
		"isNotIn":      membership{out: 1},
	}
)

// Calls lists the names of PMML that Call knows.
func Calls() []string {
	names := []string{"if"}
	for name := range unary {
		if name != "float" {
			names = append(names, name)
		}
	}
	for name := range binary {
		names = append(names, name)
	}
	for name := range aggregate {
		names = append(names, name)
	}
	for name := range other {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Call returns the function that PMML knows by a name, or false when there is
// none that takes so many operands. Beside PMML's, float rounds to a float32.
//
// A result is missing where an operand is, but
//   - sum, product, min, max and avg pass over missing operands, unless all are;
//   - and, or decide where the operands that are known do;
//   - isMissing and isNotMissing ask for it;
//   - if needs its condition, and the operand that it chooses: if(c, a) is missing
//     where c is false;
//   - isIn and isNotIn compare with those of their further operands that are known.
//
// round rounds halves up, rint to even.
func Call(name string, operands int) (Function, bool) {
	if f, ok := unary[name]; ok {
		return mapping(f), operands == 1
	}
	if f, ok := binary[name]; ok {
		return operation(f), operands == 2
	}
	if f, ok := aggregate[name]; ok {
		return aggregation(f), operands >= 1
	}
	switch f := other[name]; name {
	case "if":
		return choice{}, operands == 2 || operands == 3
	case "isMissing", "isNotMissing":
		return f, operands == 1
	case "and", "or", "isIn", "isNotIn":
		return f, operands >= 2
	case "avg":
		return f, operands >= 1
	}
	return nil, false
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// round rounds to the nearest whole number, halves up.
func round(x float64) float64 {
	whole := math.Floor(x)
	if x-whole >= 0.5 { // exactly
		whole++
	}
	return whole
}

// absent reports whether a value is missing.
func absent(x float64) bool { return x-x != 0 }

// finite returns a result, NaN for one that is not finite.
func finite(x float64) float64 {
	if absent(x) {
		return math.NaN()
	}
	return x
}

type mapping func(float64) float64

func (f mapping) fill(dst []float64, in [][]float64) {
	for i, x := range in[0] {
		if dst[i] = math.NaN(); !absent(x) {
			dst[i] = finite(f(x))
		}
	}
}

type operation func(a, b float64) float64

func (f operation) fill(dst []float64, in [][]float64) {
	b := in[1]
	for i, x := range in[0] {
		y := b[i]
		if dst[i] = math.NaN(); !absent(x) && !absent(y) {
			dst[i] = finite(f(x, y))
		}
	}
}

type aggregation func(sum, x float64) float64

func (f aggregation) fill(dst []float64, in [][]float64) {
	for i := range dst {
		sum, known := math.NaN(), false
		for _, column := range in {
			switch x := column[i]; {
			case absent(x):
			case known:
				sum = f(sum, x)
			default:
				sum, known = x, true
			}
		}
		dst[i] = finite(sum)
	}
}

type average struct{}

func (average) fill(dst []float64, in [][]float64) {
	for i := range dst {
		sum, known := 0.0, 0
		for _, column := range in {
			if x := column[i]; !absent(x) {
				sum += x
				known++
			}
		}
		dst[i] = finite(sum / float64(known))
	}
}

type presence struct{ absent, present float64 }

func (p presence) fill(dst []float64, in [][]float64) {
	for i, x := range in[0] {
		if dst[i] = p.present; absent(x) {
			dst[i] = p.absent
		}
	}
}

// connective is "and", which one false operand decides, or "or".
type connective struct{ decides float64 }

func (c connective) fill(dst []float64, in [][]float64) {
	for i := range dst {
		y := 1 - c.decides
		for _, column := range in {
			x := column[i]
			if absent(x) {
				y = math.NaN()
			} else if truth(x != 0) == c.decides {
				y = c.decides
				break
			}
		}
		dst[i] = y
	}
}

type choice struct{}

func (choice) fill(dst []float64, in [][]float64) {
	for i, c := range in[0] {
		y := math.NaN()
		switch {
		case absent(c):
		case c != 0:
			y = in[1][i]
		case len(in) > 2:
			y = in[2][i]
		}
		dst[i] = finite(y)
	}
}

type membership struct{ in, out float64 }

func (m membership) fill(dst []float64, in [][]float64) {
	for i, x := range in[0] {
		y := m.out
		if absent(x) {
			y = math.NaN()
		}
		for _, column := range in[1:] {
			if column[i] == x {
				y = m.in
			}
		}
		dst[i] = y
	}
}
