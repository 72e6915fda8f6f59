package plan

import (
	"reflect"
	"testing"

	"rescore/partition"
	"rescore/partition/job"
)

func segments(first, last partition.Segment) partition.Range {
	return partition.Range{First: first.First(), Past: last.Past()}
}

func TestWithinTheRangesOfACutIsTheCut(t *testing.T) {
	t.Parallel()
	for _, rows := range []int64{5, 20, 30, 100} {
		want, err := Cut(base(), rows)
		if err != nil {
			t.Fatal(err)
		}
		var ranges []partition.Range
		for _, task := range want {
			ranges = append(ranges, task.Range)
		}
		got, err := Within(base(), ranges)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
		}
	}
}

func TestWithinSomeSegmentsAreTheirRowsAlone(t *testing.T) {
	t.Parallel()
	got, err := Within(base(), []partition.Range{segments(1380001, 1380001), segments(1380003, 1380004)})
	want := []job.Task{
		{
			Range: segments(1380001, 1380001), Rows: 20, Keys: partition.Sum{Hi: 2},
			Slices: []job.Slice{{Month: 0, File: 0, First: 10, Rows: 20, Offset: 108, Bytes: 200}, {Month: 1, File: 1, First: 10, Rows: 20, Offset: 108, Bytes: 200}},
		},
		{Range: segments(1380003, 1380004)},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
	for _, bad := range [][]partition.Range{
		{segments(1380001, 1380001), segments(1380000, 1380000)}, {segments(1380001, 1380003), segments(1380003, 1380004)}, {{First: 13800010001, Past: 13800020000}}, {{}},
	} {
		if _, err := Within(base(), bad); err == nil {
			t.Errorf("%v is planned", bad)
		}
	}
}
