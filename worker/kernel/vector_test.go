package kernel

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

func TestAsVectorSeesASliceAsTheSlice(t *testing.T) {
	t.Parallel()
	alloc := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer alloc.AssertSize(t, 0)
	b := array.NewInt64Builder(alloc)
	defer b.Release()
	for i := range 100 {
		if i%3 == 0 {
			b.AppendNull()
		} else {
			b.Append(int64(i))
		}
	}
	a := b.NewInt64Array()
	defer a.Release()
	for _, from := range []int64{0, 1, 7, 8, 9, 50} {
		s := array.NewSlice(a, from, 77)
		v := AsVector(s)
		if len(v.I64) != int(77-from) {
			t.Fatalf("from %d: %d rows", from, len(v.I64))
		}
		for i := range v.I64 {
			row := i + int(from)
			if v.Valid.Get(i) != (row%3 != 0) || row%3 != 0 && v.I64[i] != int64(row) {
				t.Fatalf("from %d row %d: valid %v value %d", from, i, v.Valid.Get(i), v.I64[i])
			}
		}
		s.Release()
	}
	whole := array.NewSlice(a, 1, 3) // no nulls in here
	defer whole.Release()
	if !AsVector(whole).Valid.All() {
		t.Error("a slice without nulls has a bitmap")
	}
}

func TestAsVectorTakesEveryTypeAndArraysWithoutBitmapOrRows(t *testing.T) {
	t.Parallel()
	types := []arrow.DataType{
		arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
		arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64,
		arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64, arrow.FixedWidthTypes.Date32,
	}
	for _, dt := range types {
		width := dt.(arrow.FixedWidthDataType).Bytes()
		for _, n := range []int{0, 5} {
			raw := memory.NewBufferBytes(make([]byte, n*width))
			data := array.NewData(dt, n, []*memory.Buffer{nil, raw}, nil, array.UnknownNullCount, 0)
			a := array.MakeFromData(data)
			v := AsVector(a)
			if got := rows(v); got != n || !v.Valid.All() {
				t.Errorf("%s: %d rows, bitmap %v; want %d rows and none", dt, got, v.Valid, n)
			}
			a.Release()
			data.Release()
		}
		empty := array.NewData(dt, 0, []*memory.Buffer{nil, nil}, nil, 0, 0)
		a := array.MakeFromData(empty)
		if got := rows(AsVector(a)); got != 0 {
			t.Errorf("%s without buffers: %d rows", dt, got)
		}
		a.Release()
		empty.Release()
	}
	defer func() {
		if recover() == nil {
			t.Error("a type no vector holds: no panic")
		}
	}()
	b := array.NewBooleanBuilder(memory.DefaultAllocator)
	b.Append(true)
	AsVector(b.NewArray())
}

// rows is the length of whichever slice is set.
func rows(v Vector) int {
	return len(v.I8) + len(v.I16) + len(v.I32) + len(v.I64) + len(v.U8) + len(v.U16) + len(v.U32) + len(v.U64) + len(v.F32) + len(v.F64)
}
