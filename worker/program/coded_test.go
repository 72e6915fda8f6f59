package program

import (
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/worker/formula"
	"rescore/worker/kernel"
)

// watcher copies an extra column and keeps how it came.
type watcher struct {
	in, out string
	takes   bool
	coded   int
}

func (w *watcher) Spec() kernel.Spec {
	f := arrow.PrimitiveTypes.Float64
	return kernel.Spec{Name: "test." + w.out, In: []kernel.Field{{Name: w.in, Type: f}}, Out: []kernel.Field{{Name: w.out, Type: f}}}
}

func (w *watcher) TakesCoded(int) bool { return w.takes }

func (w *watcher) Eval(n int, in, out []kernel.Vector) {
	if in[0].Coded == nil {
		copy(out[0].F64, in[0].F64[:n])
		return
	}
	w.coded++
	if in[0].F64 != nil {
		panic("both values and a dictionary")
	}
	in[0].Coded.Values(out[0].F64[:n], 0)
}

// watching selects a program of watchers.
func watching(t *testing.T, list ...*watcher) *Plan {
	t.Helper()
	var catalogue []kernel.Kernel
	var want []kernel.Field
	for _, w := range list {
		catalogue, want = append(catalogue, w), append(want, w.Spec().Out...)
	}
	plan, err := Select(catalogue, want, func(string) (arrow.DataType, bool) { return arrow.PrimitiveTypes.Float64, true })
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestAColumnComesByDictionaryWhereEveryReaderTakesIt(t *testing.T) {
	t.Parallel()
	a, b := formula.Extra("a"), formula.Extra("b")
	plan := watching(t, &watcher{in: a, out: "1", takes: true}, &watcher{in: b, out: "2", takes: true}, &watcher{in: a, out: "3"})
	if got := plan.Coded(); !slices.Equal(plan.Columns(), []string{"a", "b"}) || !slices.Equal(got, []bool{false, true}) {
		t.Errorf("columns %v by dictionary: %v", plan.Columns(), got)
	}
}

func TestAKernelIsGivenTheDictionaryOfItsBatchAndNoOther(t *testing.T) {
	t.Parallel()
	w := &watcher{in: formula.Extra("region"), out: "copy", takes: true}
	plan := watching(t, w)
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	g := plan.Program(3, mem)
	defer g.Release()
	build := array.NewFloat64Builder(mem)
	defer build.Release()
	build.AppendValues([]float64{7, 8, 7, 9}, nil)
	whole := build.NewFloat64Array()
	defer whole.Release()
	fields := []arrow.Field{{Name: "region", Type: arrow.PrimitiveTypes.Float64}}
	batch := func(from, past int64) arrow.Record {
		part := array.NewSlice(whole, from, past)
		defer part.Release()
		return array.NewRecord(arrow.NewSchema(fields, nil), []arrow.Array{part}, past-from)
	}
	first, second := batch(0, 3), batch(1, 4) // the second begins at an offset
	defer first.Release()
	defer second.Release()
	// Dictionaries say other values than the records, so that it shows which is read.
	d, e := &kernel.Dictionary{Value: []float64{70, 80, 90}}, &kernel.Dictionary{Value: []float64{10, 20}}
	one := &kernel.Coded{Runs: []kernel.Run{{Dictionary: d, Past: 3}}, Index: []uint16{0, 1, 0}}
	two := &kernel.Coded{Runs: []kernel.Run{{Dictionary: d, Past: 1}, {Dictionary: e, Past: 3}}, Index: []uint16{2, 0, 1}}
	key := []uint64{1, 2, 3}
	for i, c := range []struct {
		rec   arrow.Record
		coded []*kernel.Coded
		want  []float64
	}{
		{first, []*kernel.Coded{one}, []float64{70, 80, 70}}, {first, []*kernel.Coded{one}, []float64{70, 80, 70}},
		{second, []*kernel.Coded{two}, []float64{90, 10, 20}}, {second, []*kernel.Coded{nil}, []float64{8, 7, 9}},
		{second, []*kernel.Coded{two}, []float64{90, 10, 20}}, {second, nil, []float64{8, 7, 9}}, {first, nil, []float64{7, 8, 7}},
		{first, []*kernel.Coded{one}, []float64{70, 80, 70}}, {second, nil, []float64{8, 7, 9}},
	} {
		w.coded = 0
		out, err := g.EvalCoded(c.rec, c.coded, key, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := c.coded != nil && c.coded[0] != nil; w.coded > 0 != want {
			t.Errorf("batch %d came by dictionary: %v", i, !want)
		}
		if got := out.Column(0).(*array.Float64).Float64Values(); !slices.Equal(got, c.want) {
			t.Errorf("batch %d: %v, want %v", i, got, c.want)
		}
	}
	if _, err := g.EvalCoded(first, []*kernel.Coded{one, one}, key, nil); err == nil {
		t.Error("dictionaries of more columns than the record has were taken")
	}
	plain := watching(t, &watcher{in: formula.Extra("region"), out: "copy"}).Program(3, mem)
	defer plain.Release()
	if _, err := plain.EvalCoded(first, []*kernel.Coded{one}, key, nil); err == nil {
		t.Error("a dictionary was taken for a kernel that reads values")
	}
}
