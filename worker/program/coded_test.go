package program

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/worker/formula"
	"rescore/worker/kernel"
)

// watcher copies an extra column and keeps what it was given.
type watcher struct {
	in     string
	seen   *kernel.Coded
	values []float64
}

func (w *watcher) Spec() kernel.Spec {
	f := arrow.PrimitiveTypes.Float64
	return kernel.Spec{Name: "test.watcher", In: []kernel.Field{{Name: w.in, Type: f}}, Out: []kernel.Field{{Name: "copy", Type: f}}}
}

func (w *watcher) Eval(n int, in, out []kernel.Vector) {
	w.seen, w.values = in[0].Coded, in[0].F64[:n]
	copy(out[0].F64, w.values)
}

func TestAKernelIsGivenTheDictionaryOfItsBatchAndNoOther(t *testing.T) {
	t.Parallel()
	w := &watcher{in: formula.Extra("region")}
	plan, err := Select([]kernel.Kernel{w}, w.Spec().Out, func(string) (arrow.DataType, bool) { return arrow.PrimitiveTypes.Float64, true })
	if err != nil {
		t.Fatal(err)
	}
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
	d := &kernel.Dictionary{Value: []float64{7, 8, 9}}
	a, b := &kernel.Coded{Dictionary: d, Index: []uint32{0, 1, 0}}, &kernel.Coded{Dictionary: d, Index: []uint32{1, 0, 2}}
	key := []uint64{1, 2, 3}
	for i, c := range []struct {
		rec   arrow.Record
		coded []*kernel.Coded
	}{
		{first, []*kernel.Coded{a}}, {first, []*kernel.Coded{a}}, {second, []*kernel.Coded{b}}, {second, []*kernel.Coded{nil}},
		{second, []*kernel.Coded{b}}, {second, nil}, {first, nil}, {first, []*kernel.Coded{a}}, {second, nil},
	} {
		out, err := g.EvalCoded(c.rec, c.coded, key, nil)
		if err != nil {
			t.Fatal(err)
		}
		var want *kernel.Coded
		if c.coded != nil {
			want = c.coded[0]
		}
		if w.seen != want {
			t.Fatalf("batch %d: the kernel was given %v, want %v", i, w.seen, want)
		}
		for j, x := range c.rec.Column(0).(*array.Float64).Float64Values() {
			if w.values[j] != x || out.Column(0).(*array.Float64).Value(j) != x || want != nil && d.Value[want.Index[j]] != x {
				t.Fatalf("batch %d, row %d: %v, want %v", i, j, w.values[j], x)
			}
		}
	}
	if _, err := g.EvalCoded(first, []*kernel.Coded{a, a}, key, nil); err == nil {
		t.Error("dictionaries of more columns than the record has were taken")
	}
	if _, err := g.Eval(first, key, nil); err != nil || w.seen != nil {
		t.Errorf("without dictionaries: %v, given %v", err, w.seen)
	}
}
