package feature

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// monthly is a chunk of a monthly column's newest months, whatever its type.
type monthly interface {
	open(columns []kernel.Vector, lo, n int)
	load(dst []float64, k int, known *lane.Mask)                // NaN where not known
	zero(dst *lane.Mask, k int)                                 // behind nulls set or not
	positive(dst *lane.Mask, k int)                             // likewise
	mean(dst []float64, of presence, least float64)             // of as many months as of tells
	change(dst []float64, of presence, w *factors)              // per day
	compare(dst *lane.Compared, n int, of presence, w *factors) // likewise
}

// factors are what months are multiplied by to compare them, newest first.
type factors [schema.Months]float64

// newMonthly returns the months of a column of so many bits: monthly columns are
// of signed integers, of 16 or more.
func newMonthly(t arrow.DataType) monthly {
	switch t.ID() {
	case arrow.INT64:
		return &monthlyOf[int64]{of: func(v *kernel.Vector) []int64 { return v.I64 }}
	case arrow.INT32:
		return &monthlyOf[int32]{of: func(v *kernel.Vector) []int32 { return v.I32 }}
	default:
		return &monthlyOf[int16]{of: func(v *kernel.Vector) []int16 { return v.I16 }}
	}
}

type monthlyOf[T lane.Monthly] struct {
	of func(*kernel.Vector) []T
	x  [schema.Months][]T
}

func (m *monthlyOf[T]) open(columns []kernel.Vector, lo, n int) {
	for k := range columns {
		m.x[k] = m.of(&columns[k])[lo : lo+n]
	}
}

func (m *monthlyOf[T]) load(dst []float64, k int, known *lane.Mask) {
	lane.Float(dst, m.x[k], known, nan)
}

func (m *monthlyOf[T]) zero(dst *lane.Mask, k int) { lane.Equal(dst, m.x[k], 0) }

func (m *monthlyOf[T]) positive(dst *lane.Mask, k int) {
	lane.AtMost(dst, m.x[k], 0)
	dst.Not(dst)
}

func (m *monthlyOf[T]) mean(dst []float64, of presence, least float64) {
	lane.Mean(dst, m.x[:len(of)], of, least)
}

func (m *monthlyOf[T]) change(dst []float64, of presence, w *factors) {
	lane.Change(dst, m.x[:2], of, (*[schema.Months]float64)(w))
}

func (m *monthlyOf[T]) compare(dst *lane.Compared, n int, of presence, w *factors) {
	lane.Compare(dst, n, m.x[:], of, (*[schema.Months]float64)(w))
}
