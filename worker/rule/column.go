package rule

import (
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// columns lists the columns a kernel reads.
type columns []kernel.Field

// read adds a canonical column, of a monthly one the newest months, and returns
// its place: month m's, the older months following.
func (c *columns) read(name string, months int) int {
	first := len(*c)
	*c = append(*c, kernel.Columns(name, 0, months-1)...)
	return first
}

// add adds a column that another kernel makes.
func (c *columns) add(f kernel.Field) int {
	*c = append(*c, f)
	return len(*c) - 1
}

// chunk is the n rows of a batch from lo on, their columns named by place.
type chunk struct {
	in    []kernel.Vector
	lo, n int
}

func (c chunk) u8(column int) []uint8   { return c.in[column].U8[c.lo : c.lo+c.n] }
func (c chunk) i16(column int) []int16  { return c.in[column].I16[c.lo : c.lo+c.n] }
func (c chunk) i32(column int) []int32  { return c.in[column].I32[c.lo : c.lo+c.n] }
func (c chunk) i64(column int) []int64  { return c.in[column].I64[c.lo : c.lo+c.n] }
func (c chunk) u32(column int) []uint32 { return c.in[column].U32[c.lo : c.lo+c.n] }
func (c chunk) u64(column int) []uint64 { return c.in[column].U64[c.lo : c.lo+c.n] }

// known sets dst where a column holds a value.
func (c chunk) known(dst *lane.Mask, column int) {
	dst.Valid(c.in[column].Valid, c.lo, c.n)
}

// codes is a chunk of a coded column.
type codes struct {
	value []uint8
	known lane.Mask
}

func (k *codes) read(c chunk, column int) {
	k.value = c.u8(column)
	c.known(&k.known, column)
}

// is sets dst where the code is known to be this one.
func (k *codes) is(dst *lane.Mask, code uint8) {
	lane.Equal(dst, k.value, code)
	dst.And(dst, &k.known)
}

// either sets dst where the code is known to be one of two.
func (k *codes) either(dst *lane.Mask, a, b uint8) {
	var x lane.Mask
	k.is(&x, a)
	k.is(dst, b)
	dst.Or(dst, &x)
}

// given sets dst where there is a code: 0 stands for null.
func (k *codes) given(dst *lane.Mask) {
	lane.Equal(dst, k.value, 0)
	dst.AndNot(&k.known, dst)
}
