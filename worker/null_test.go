package worker

import (
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/job"
)

func TestMissingValuesAreThoseOfScoredRows(t *testing.T) {
	t.Parallel()
	columns := []string{"fee_m0", "tenure_months", "fee_m1"}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: columns[0], Type: arrow.PrimitiveTypes.Int64}, {Name: columns[1], Type: arrow.PrimitiveTypes.Int16}, {Name: columns[2], Type: arrow.PrimitiveTypes.Int64},
	}, nil))
	defer b.Release()
	b.Field(0).(*array.Int64Builder).AppendValues([]int64{1, 0, 0, 4, 0}, []bool{true, false, false, true, false})
	b.Field(1).(*array.Int16Builder).AppendValues([]int16{1, 2, 3, 4, 5}, nil)
	b.Field(2).(*array.Int64Builder).AppendValues(make([]int64, 5), make([]bool, 5))
	record := b.NewRecord()
	defer record.Release()

	n := newNulls([]string{"fee_m0", "fee_m1", "tenure_months"}, columns)
	n.add(record, nil)
	if want := []int64{3, 5, 0}; !slices.Equal(n.counts, want) {
		t.Errorf("all rows: %v, want %v", n.counts, want)
	}
	n.add(record, []job.Reason{0, job.BadValue, 0, 0, 0})
	if want := []int64{5, 9, 0}; !slices.Equal(n.counts, want) {
		t.Errorf("and those but the second: %v, want %v", n.counts, want)
	}
	n.add(record.NewSlice(3, 5), []job.Reason{0, 0})
	if want := []int64{6, 11, 0}; !slices.Equal(n.counts, want) {
		t.Errorf("and the last two: %v, want %v", n.counts, want)
	}
	none := newNulls(nil, columns)
	if none.add(record, nil); len(none.counts) != 0 {
		t.Errorf("nothing is asked for: %v", none.counts)
	}
}
