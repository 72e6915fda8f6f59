package feature

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
)

// AsUnit is the name under which a feature is one in another unit: a model that was
// trained in yuan and is bound to fee_last reads yuan(fee_last).
func AsUnit(feature string, unit schema.Unit) string { return string(unit) + "(" + feature + ")" }

// FromUnit takes a name that AsUnit made apart.
func FromUnit(name string) (feature string, unit schema.Unit, ok bool) {
	word, rest, found := strings.Cut(name, "(")
	if _, known := sizes[schema.Unit(word)]; !found || !known {
		return "", "", false
	}
	return strings.TrimSuffix(rest, ")"), schema.Unit(word), true
}

// sizes are the units, in the smallest of their kind.
var sizes = map[schema.Unit]float64{
	schema.Fen: 1, schema.Yuan: 100,
	schema.Second: 1, schema.Minute: 60,
	schema.Byte: 1, schema.KB: 1 << 10, schema.MB: 1 << 20, schema.GB: 1 << 30,
	schema.Count: 1, schema.Month: 1, schema.Day: 1, schema.Ratio: 1,
}

// conversion is a feature in another unit: multiplied or divided by a whole number,
// rounded once. NaN stays NaN.
type conversion struct {
	in, out  string
	mul, div float64 // one of them is 1
}

// NewConversion returns the kernel that makes AsUnit(feature, to) of a float64 feature
// in another unit. It is an error when the one cannot be turned into the other.
func NewConversion(feature string, from, to schema.Unit) (kernel.Kernel, error) {
	if !slices.Contains(job.Units(from), to) {
		return nil, fmt.Errorf("%s is in %s, which cannot be turned into %s", feature, from, to)
	}
	c := &conversion{in: feature, out: AsUnit(feature, to), mul: 1, div: 1}
	if sizes[from] < sizes[to] {
		c.div = sizes[to] / sizes[from]
	} else {
		c.mul = sizes[from] / sizes[to]
	}
	return c, nil
}

// Spec implements kernel.Kernel.
func (c *conversion) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "feature.unit",
		In:   []kernel.Field{{Name: c.in, Type: arrow.PrimitiveTypes.Float64}},
		Out:  []kernel.Field{{Name: c.out, Type: arrow.PrimitiveTypes.Float64}},
	}
}

// Eval implements kernel.Kernel.
func (c *conversion) Eval(n int, in, out []kernel.Vector) {
	x, y := in[0].F64[:n], out[0].F64[:n]
	if c.div != 1 {
		for i, v := range x {
			y[i] = v / c.div
		}
		return
	}
	for i, v := range x {
		y[i] = v * c.mul
	}
}
