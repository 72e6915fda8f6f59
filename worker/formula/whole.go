package formula

import (
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// whole numbers of one type: the steps that read a column as it is.
type wholeSteps interface {
	compare(dst *lane.Mask, v *kernel.Vector, lo, n, rel int, c float64)
	match(dst *lane.Mask, v, w *kernel.Vector, lo, n, rel int)
	bit(dst *lane.Mask, v *kernel.Vector, lo, n, k int)
	float(dst []float64, v *kernel.Vector, lo int, known *lane.Mask, otherwise float64)
	// span is the least and the greatest number that the type and a float64 hold.
	span() (low, high float64)
}

// wholes returns the steps of a column's type.
func wholes(t arrow.DataType) wholeSteps {
	switch t.ID() {
	case arrow.INT8:
		return of[int8]{func(v *kernel.Vector) []int8 { return v.I8 }, math.MinInt8, math.MaxInt8}
	case arrow.INT16:
		return of[int16]{func(v *kernel.Vector) []int16 { return v.I16 }, math.MinInt16, math.MaxInt16}
	case arrow.INT32, arrow.DATE32:
		return of[int32]{func(v *kernel.Vector) []int32 { return v.I32 }, math.MinInt32, math.MaxInt32}
	case arrow.INT64:
		return of[int64]{func(v *kernel.Vector) []int64 { return v.I64 }, math.MinInt64, math.Nextafter(math.MaxInt64, 0)}
	case arrow.UINT8:
		return of[uint8]{func(v *kernel.Vector) []uint8 { return v.U8 }, 0, math.MaxUint8}
	case arrow.UINT16:
		return of[uint16]{func(v *kernel.Vector) []uint16 { return v.U16 }, 0, math.MaxUint16}
	case arrow.UINT32:
		return of[uint32]{func(v *kernel.Vector) []uint32 { return v.U32 }, 0, math.MaxUint32}
	case arrow.UINT64:
		return of[uint64]{func(v *kernel.Vector) []uint64 { return v.U64 }, 0, math.Nextafter(math.MaxUint64, 0)}
	}
	panic(fmt.Sprintf("formula: a column of %s holds no whole numbers", t))
}

type of[T lane.Integer] struct {
	slice     func(*kernel.Vector) []T
	low, high float64
}

func (o of[T]) span() (low, high float64) { return o.low, o.high }

func (o of[T]) compare(dst *lane.Mask, v *kernel.Vector, lo, n, rel int, c float64) {
	x := o.slice(v)[lo : lo+n]
	switch rel {
	case less:
		lane.Less(dst, x, T(c))
	case atMost:
		lane.AtMost(dst, x, T(c))
	default:
		lane.Equal(dst, x, T(c))
	}
}

func (o of[T]) match(dst *lane.Mask, v, w *kernel.Vector, lo, n, rel int) {
	x, y := o.slice(v)[lo:lo+n], o.slice(w)[lo:lo+n]
	switch rel {
	case less:
		lane.LessThan(dst, x, y)
	case atMost: // not y < x
		lane.LessThan(dst, y, x)
		dst.Not(dst)
	default:
		lane.EqualTo(dst, x, y)
	}
}

func (o of[T]) bit(dst *lane.Mask, v *kernel.Vector, lo, n, k int) {
	lane.Bit(dst, o.slice(v)[lo:lo+n], uint(k))
}

func (o of[T]) float(dst []float64, v *kernel.Vector, lo int, known *lane.Mask, otherwise float64) {
	lane.Float(dst, o.slice(v)[lo:lo+len(dst)], known, otherwise)
}
