package source

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/worker/kernel"
)

// lane is a Go type that a column of the record is made of.
type lane interface {
	uint8 | uint32 | uint64 | int16 | int32 | int64 | float64
}

// vector is one output column of a reader: a buffer that every batch writes
// again, and the validity bitmap of those batches that have nulls.
type vector struct {
	typ   arrow.FixedWidthDataType
	width int // bytes a value
	rows  int // of the longest batch
	base  *byte
	data  *memory.Buffer
	valid *memory.Buffer
	nulls bool // valid holds this batch's bitmap
	ever  bool // some batch had nulls: from then on each has a bitmap, so that its array stays
	nan   bool // null is NaN, and there is no bitmap

	wanted bool         // by dictionary, where all of a batch's rows can be; of a float64
	coded  kernel.Coded // the rows so far; no runs when they are values

	last arrow.Array // of the last batch
}

func newVector(typ arrow.DataType, rows int, alloc memory.Allocator) *vector {
	t := typ.(arrow.FixedWidthDataType)
	v := &vector{typ: t, width: t.BitWidth() / 8, nan: typ.ID() == arrow.FLOAT64}
	v.data = memory.NewResizableBuffer(alloc)
	v.data.Resize(rows * v.width)
	v.rows, v.base = rows, unsafe.SliceData(v.data.Bytes()) // never resized again
	v.valid = memory.NewResizableBuffer(alloc)
	v.valid.Resize((rows+7)/8 + wordSlack)
	return v
}

func (v *vector) release() {
	if v.last != nil {
		v.last.Release()
		v.last = nil
	}
	v.data.Release()
	v.valid.Release()
}

// lanes returns the vector's values as a slice of T, which must be its type.
func lanes[T lane](v *vector) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(v.base)), v.rows)
}

// begin starts a batch: no row is null until one is said to be.
func (v *vector) begin() { v.nulls, v.coded.Runs = false, v.coded.Runs[:0] }

// takes reports whether rows from at on, which follow those before, may be coded: a
// batch is by dictionary as a whole, or by value.
func (v *vector) takes(at int) bool { return v.wanted && (at == 0 || len(v.coded.Runs) > 0) }

// code says that rows at to at+n are in a dictionary, and returns their indices to be
// written.
func (v *vector) code(at, n int, d *kernel.Dictionary) []uint16 {
	if v.coded.Index == nil {
		v.coded.Index = make([]uint16, v.rows)
	}
	if last := len(v.coded.Runs) - 1; last >= 0 && v.coded.Runs[last].Dictionary == d {
		v.coded.Runs[last].Past = at + n
	} else {
		v.coded.Runs = append(v.coded.Runs, kernel.Run{Dictionary: d, Past: at + n})
	}
	v.coded.Index = v.coded.Index[:at+n]
	return v.coded.Index[at:]
}

// write makes values of the rows before at, of which all are coded or none.
func (v *vector) write(at int) {
	if len(v.coded.Runs) > 0 {
		v.coded.Values(lanes[float64](v)[:at], 0)
		v.coded.Runs = v.coded.Runs[:0]
	}
}

// allSet is the validity of rows without a null.
var allSet = bytes.Repeat([]byte{0xff}, 1<<10)

// bitmap returns the validity bitmap of this batch, all set when it is new.
func (v *vector) bitmap() []byte {
	b := v.valid.Bytes()
	if !v.nulls {
		v.nulls = true
		for left := b; len(left) > 0; {
			left = left[copy(left, allSet):]
		}
	}
	return b
}

// setNull makes row i null, and its value zero: what lies under a null is then
// the same on every run.
func (v *vector) setNull(i int) {
	switch {
	case v.nan:
		lanes[float64](v)[i] = nan
		return
	case v.width == 1:
		lanes[uint8](v)[i] = 0
	case v.width == 2:
		lanes[int16](v)[i] = 0
	case v.width == 4:
		lanes[uint32](v)[i] = 0
	default:
		lanes[uint64](v)[i] = 0
	}
	b := v.bitmap()
	b[i>>3] &^= 1 << (i & 7)
}

// setInt writes a value that fits the vector's integer type.
func (v *vector) setInt(i int, x int64) {
	switch v.width {
	case 1:
		lanes[uint8](v)[i] = uint8(x)
	case 2:
		lanes[int16](v)[i] = int16(x)
	case 4:
		lanes[uint32](v)[i] = uint32(x)
	default:
		lanes[uint64](v)[i] = uint64(x)
	}
}

// isNull reports whether row i is null.
func (v *vector) isNull(i int) bool {
	if v.nan {
		x := lanes[float64](v)[i]
		return x != x
	}
	return v.nulls && !bit(v.valid.Bytes(), i)
}

// array returns the first n rows as an Arrow array over the vector's memory.
// The array is the vector's: whoever keeps it retains it. The one of the last batch is
// given out again where it has as many rows, for memory is what it was.
func (v *vector) array(n int) arrow.Array {
	if v.ever = v.ever || v.nulls; v.ever {
		v.bitmap()
	}
	if a := v.last; a != nil && a.Len() == n && (len(a.NullBitmapBytes()) > 0) == v.ever {
		if v.ever {
			a.Data().(*array.Data).SetNullN(array.UnknownNullCount)
		}
		return a
	}
	buffers := []*memory.Buffer{nil, v.data}
	unknown := 0
	if v.ever {
		buffers[0], unknown = v.valid, array.UnknownNullCount
	}
	data := array.NewData(v.typ, n, buffers, nil, unknown, 0)
	defer data.Release()
	if v.last != nil {
		v.last.Release()
	}
	v.last = array.MakeFromData(data)
	return v.last
}

// join copies n rows from row j on of from, a vector of the same type, to row i on.
func (v *vector) join(i int, from *vector, j, n int) {
	w := v.width
	copy(unsafe.Slice(v.base, v.rows*w)[i*w:(i+n)*w], unsafe.Slice(from.base, from.rows*w)[j*w:])
	if from.nulls && countBits(from.valid.Bytes(), j, n) < n {
		copyBits(v.bitmap(), i, from.valid.Bytes(), j, n)
	}
}

// lack makes n rows from row i on null.
func (v *vector) lack(i, n int) {
	if v.nan {
		flood(lanes[float64](v)[i:i+n], nan)
		return
	}
	w := v.width
	clear(unsafe.Slice(v.base, v.rows*w)[i*w : (i+n)*w])
	setBits(v.bitmap(), i, n, false)
}

// invalidate makes null those of n rows from at on whose bit of words is clear. Their
// values are the caller's.
func (v *vector) invalidate(words []uint64, at, n int) {
	b, shift := v.bitmap()[at>>3:], at&7
	if shift == 0 { // rows that follow have not been written
		copy(b, bytesOf(words))
		if last := n & 63; last != 0 {
			b := b[8*(n>>6):]
			binary.LittleEndian.PutUint64(b, words[n>>6]|^uint64(0)<<last)
		}
		return
	}
	for i, w := range words {
		rows := ^uint64(0)
		if left := n - i<<6; left < 64 {
			rows = 1<<left - 1
		}
		here := b[8*i:][:9]
		binary.LittleEndian.PutUint64(here, binary.LittleEndian.Uint64(here)&^(rows<<shift)|w<<shift)
		here[8] = here[8]&^byte(rows>>(64-shift)) | byte(w>>(64-shift))
	}
}

// spread moves the first set values of dst to the rows whose bit of words is set, of which
// there are as many, and writes under to the others. It walks backwards, so that nothing
// is overwritten before it has moved.
func spread[T lane | uint16 | verdict](dst []T, set int, words []uint64, under T) {
	whole := len(dst) &^ 63
	if whole < len(dst) {
		last := words[whole>>6]
		for i := len(dst) - 1; i >= whole; i-- {
			if last>>(i&63)&1 != 0 {
				set--
				dst[i] = dst[set]
			} else {
				dst[i] = under
			}
		}
	}
	spreadWords(dst[:whole], set, words[:whole>>6], under)
}

// spreadNulls spreads the first set values of dst, rows from at on of v, to the rows that
// have one. The others are null.
func spreadNulls[T lane](v *vector, dst []T, set int, words []uint64, at int) {
	if set == len(dst) {
		return
	}
	under := T(0)
	if v.nan {
		x := nan
		under = T(x)
	} else {
		v.invalidate(words, at, len(dst))
	}
	spread(dst, set, words, under)
}

// spreadKeys is spreadNulls of keys.
func spreadKeys(numbers []uint64, why []verdict, set int, words []uint64) {
	if set < len(numbers) {
		spread(numbers, set, words, 0)
		spread(why, set, words, nullKey)
	}
}

// spreadPlain is spread in Go, of rows that fill the words.
func spreadPlain[T lane | uint16 | verdict](dst []T, set int, words []uint64, under T) {
	for k := len(words) - 1; k >= 0 && set < 64*(k+1); k-- { // the others are in their places
		word, rows := words[k], dst[64*k:64*k+64]
		for i := len(rows) - 1; i >= 0; i-- {
			x := under
			if word>>(i&63)&1 != 0 {
				set--
				x = dst[set]
			}
			rows[i] = x
		}
	}
}

// flood writes v to all of dst.
func flood[T lane](dst []T, v T) {
	if len(dst) < 16 {
		for i := range dst {
			dst[i] = v
		}
		return
	}
	floodMany(dst, v)
}

// floodPlain is floodMany in Go.
func floodPlain[T lane](dst []T, v T) {
	dst[0] = v
	for n := 1; n < len(dst); n *= 2 {
		copy(dst[n:], dst[:n])
	}
}

// handfulMax is how many entries of a dictionary two registers hold.
const handfulMax = 64

// handful are the values of a dictionary that has few, of one or two bytes each: they are
// fetched where they are unpacked. An index beyond them is some other entry until it was
// looked at.
type handful struct {
	value [2 * handfulMax]byte
	ready bool
}

// keepHandful makes a handful of the values of a dictionary, or of none.
func keepHandful[T lane](e *handful, vals []T) {
	size := int(unsafe.Sizeof(T(0)))
	if e.ready = vectors && len(vals) > 0 && size <= 2; e.ready {
		*e = handful{ready: true}
		copy(e.value[:], unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(vals))), size*len(vals)))
	}
}

// serve reports whether there are entries for indexes of width bits.
func (e *handful) serve(width int) bool { return e.ready && width >= 1 && width <= 8 }

// entry returns an entry.
func entry[T lane](e *handful, i uint32) T {
	return unsafe.Slice((*T)(unsafe.Pointer(&e.value)), handfulMax)[i%handfulMax]
}
