package kernel

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
)

// MoneyMax bounds the money columns a kernel is given: |fen| up to a hundred
// milliard yuan. Below it no product a rule forms leaves int64; beyond it the
// verdicts of money rules are not promised.
const MoneyMax = 10_000_000_000_000

// AsVector returns a view of an Arrow array, which must outlive it. An array
// without nulls has no bitmap in the view, whether or not it carries one. It
// panics on a type no Vector holds; which columns have such types is checked
// when a program is built.
func AsVector(a arrow.Array) Vector {
	data := a.Data()
	from, to := data.Offset(), data.Offset()+data.Len()
	var raw []byte
	if b := data.Buffers()[1]; b != nil { // nil: an array of length 0
		raw = b.Bytes()
	}
	var v Vector
	switch a.DataType().ID() {
	case arrow.INT8:
		v.I8 = arrow.Int8Traits.CastFromBytes(raw)[from:to]
	case arrow.INT16:
		v.I16 = arrow.Int16Traits.CastFromBytes(raw)[from:to]
	case arrow.INT32, arrow.DATE32:
		v.I32 = arrow.Int32Traits.CastFromBytes(raw)[from:to]
	case arrow.INT64:
		v.I64 = arrow.Int64Traits.CastFromBytes(raw)[from:to]
	case arrow.UINT8:
		v.U8 = raw[from:to]
	case arrow.UINT16:
		v.U16 = arrow.Uint16Traits.CastFromBytes(raw)[from:to]
	case arrow.UINT32:
		v.U32 = arrow.Uint32Traits.CastFromBytes(raw)[from:to]
	case arrow.UINT64:
		v.U64 = arrow.Uint64Traits.CastFromBytes(raw)[from:to]
	case arrow.FLOAT32:
		v.F32 = arrow.Float32Traits.CastFromBytes(raw)[from:to]
	case arrow.FLOAT64:
		v.F64 = arrow.Float64Traits.CastFromBytes(raw)[from:to]
	default:
		panic(fmt.Sprintf("kernel: a vector cannot hold %s", a.DataType()))
	}
	// v15 panics when asked to count the nulls of an array without a bitmap; and
	// unlike the values, the bitmap of a sliced array is not cut.
	if bitmap := a.NullBitmapBytes(); len(bitmap) > 0 && a.NullN() > 0 {
		v.Valid = Bitmap{Bits: bitmap, Offset: from}
	}
	return v
}

// NewVector returns a zeroed vector of n rows of the given type, without nulls.
// It panics on a type no Vector holds.
func NewVector(t arrow.DataType, n int) Vector {
	switch t.ID() {
	case arrow.INT8:
		return Vector{I8: make([]int8, n)}
	case arrow.INT16:
		return Vector{I16: make([]int16, n)}
	case arrow.INT32, arrow.DATE32:
		return Vector{I32: make([]int32, n)}
	case arrow.INT64:
		return Vector{I64: make([]int64, n)}
	case arrow.UINT8:
		return Vector{U8: make([]uint8, n)}
	case arrow.UINT16:
		return Vector{U16: make([]uint16, n)}
	case arrow.UINT32:
		return Vector{U32: make([]uint32, n)}
	case arrow.UINT64:
		return Vector{U64: make([]uint64, n)}
	case arrow.FLOAT32:
		return Vector{F32: make([]float32, n)}
	case arrow.FLOAT64:
		return Vector{F64: make([]float64, n)}
	}
	panic(fmt.Sprintf("kernel: a vector cannot hold %s", t))
}
