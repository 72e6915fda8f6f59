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
