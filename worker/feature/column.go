package feature

import (
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// AsFeature is the name under which a canonical column is a float64 feature:
// a model's feature bound to fee_m0 reads f64(fee_m0).
func AsFeature(column string) string { return "f64(" + column + ")" }

// FromFeature returns the column that AsFeature made a name of; ok is false of other names.
func FromFeature(name string) (column string, ok bool) {
	column, ok = strings.CutPrefix(name, "f64(")
	return strings.TrimSuffix(column, ")"), ok
}

// Column makes a column of the input a feature: the same value as float64, NaN
// where it is null. Integers beyond 2^53 round to the nearest float64. A float64
// column has its NaN already and is copied, so that it can be an output.
type Column struct {
	in    kernel.Field
	known lane.Mask
}

// NewColumn returns the kernel for a column of the input record.
func NewColumn(name string, typ arrow.DataType) (*Column, error) {
	switch typ.ID() {
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64, arrow.DATE32, arrow.FLOAT64:
		return &Column{in: kernel.Field{Name: name, Type: typ}}, nil
	}
	return nil, fmt.Errorf("column %s of type %s cannot be a feature", name, typ)
}

// Spec implements kernel.Kernel.
func (c *Column) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "feature.column",
		In:   []kernel.Field{c.in},
		Out:  []kernel.Field{{Name: AsFeature(c.in.Name), Type: arrow.PrimitiveTypes.Float64}},
	}
}

// Eval implements kernel.Kernel.
func (c *Column) Eval(n int, in, out []kernel.Vector) {
	if c.in.Type.ID() == arrow.FLOAT64 {
		copy(out[0].F64[:n], in[0].F64)
		if valid := in[0].Valid; !valid.All() {
			for i := range n {
				if !valid.Get(i) {
					out[0].F64[i] = nan
				}
			}
		}
		return
	}
	for lo := 0; lo < n; lo += chunk {
		hi := min(lo+chunk, n)
		c.known.Valid(in[0].Valid, lo, hi-lo)
		lane.Floats(out[0].F64[lo:hi], &in[0], lo, &c.known, nan)
	}
}

// A monthly column is of signed integers, of 16 bits or more.

// add adds the rows from lo on of a monthly column where known.
func add(dst []float64, v *kernel.Vector, lo int, known *lane.Mask) {
	hi := lo + len(dst)
	switch {
	case v.I64 != nil:
		lane.AddFloat(dst, v.I64[lo:hi], known)
	case v.I32 != nil:
		lane.AddFloat(dst, v.I32[lo:hi], known)
	default:
		lane.AddFloat(dst, v.I16[lo:hi], known)
	}
}
