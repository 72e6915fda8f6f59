package feature

import (
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
)

// AsFeature is the name under which a canonical column is a float64 feature:
// a model's feature bound to fee_m0 reads f64(fee_m0).
func AsFeature(column string) string { return "f64(" + column + ")" }

// Column makes a column of the input a feature: the same value as float64, NaN
// where it is null. Integers beyond 2^53 round to the nearest float64. A float64
// column has its NaN already and is copied, so that it can be an output.
type Column struct {
	in kernel.Field
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
	dst := out[0].F64[:n]
	switch v := &in[0]; c.in.Type.ID() {
	case arrow.INT8:
		widen(dst, v.I8)
	case arrow.INT16:
		widen(dst, v.I16)
	case arrow.INT32, arrow.DATE32:
		widen(dst, v.I32)
	case arrow.INT64:
		widen(dst, v.I64)
	case arrow.UINT8:
		widen(dst, v.U8)
	case arrow.UINT16:
		widen(dst, v.U16)
	case arrow.UINT32:
		widen(dst, v.U32)
	case arrow.UINT64:
		widen(dst, v.U64)
	case arrow.FLOAT64:
		copy(dst, v.F64)
	}
	if valid := in[0].Valid; !valid.All() {
		for i := range dst {
			if !valid.Get(i) {
				dst[i] = math.NaN()
			}
		}
	}
}

func widen[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](dst []float64, src []T) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = float64(src[i])
	}
}
