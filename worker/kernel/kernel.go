// Package kernel is the contract every kernel obeys.
//
// A kernel is a straight piece of arithmetic over one batch: row i of every
// output depends on row i of the inputs alone. It comes in two parts, one that
// knows columns and nulls (Eval) and one that knows arithmetic (a free function
// over plain slices). A program is a list of kernels run in order: a for loop.
//
// # Vectors and nulls
//
// A Vector is a view of an Arrow array: a typed slice and, where rows can be
// null, the validity bitmap with its bit offset. An array's offset is never
// zero by luck: kernels read bitmaps through lane.Mask.Valid alone.
//
// Canonical input columns are null by bitmap. Float64 columns made inside the
// program (features, model inputs) have one null, NaN, and no bitmap: arithmetic
// carries it along and a tree model reads it as missing (docs/decisions/0004).
// Output columns have no nulls at all.
//
// # Memory
//
// The program owns the output vectors and gives the same ones for every batch,
// with whatever the last batch left in them: a kernel writes every row of every
// output. Inputs are read-only and valid until Eval returns. Eval allocates
// nothing; scratch a kernel needs is made by its constructor, sized for the
// largest batch, so a kernel value serves one goroutine.
package kernel

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/schema"
)

// Field is a named, typed column.
type Field struct {
	Name string
	Type arrow.DataType
}

// Spec is what a kernel reads and writes.
type Spec struct {
	Name string // package.kernel, as in rule.trigger
	In   []Field
	Out  []Field
}

// Columns lists the months from to to of a canonical column as inputs, both
// included and counted back from the scoring month; 0 to 0 is also a column that is
// not monthly. Names stand in the code: it panics on one that does not exist.
func Columns(name string, from, to int) []Field {
	c := schema.Must(schema.Subscriber, name)
	var list []Field
	for _, flat := range c.Between(from, to) {
		list = append(list, Field{Name: flat, Type: c.Type})
	}
	return list
}

// Kernel computes output columns from input columns.
type Kernel interface {
	// Spec returns the same answer every time.
	Spec() Spec
	// Eval computes rows 0 to n-1: in[i] holds Spec().In[i], out[j] receives
	// Spec().Out[j]. Types were checked when the program was built, so Eval
	// cannot fail.
	Eval(n int, in, out []Vector)
}

// BatchRowsMax bounds a batch; kernels may size scratch by it.
const BatchRowsMax = 1 << 16

// Vector is one column of one batch. Exactly one of the slices is set, by the
// column's type; date32 columns are I32, booleans are U8. In place of F64, Coded is
// where the kernel takes that (Coder) and the column comes by dictionary.
type Vector struct {
	I8  []int8
	I16 []int16
	I32 []int32
	I64 []int64
	U8  []uint8
	U16 []uint16
	U32 []uint32
	U64 []uint64
	F32 []float32
	F64 []float64
	// Valid is the validity bitmap; the zero value says every row is valid.
	Valid Bitmap
	Coded *Coded
}
