package program

import (
	"math"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/attribution"
	"rescore/worker/feature"
	"rescore/worker/kernel"
	"rescore/worker/model"
	"rescore/worker/score"
)

// explain prepares the attributions that are asked for, and how the model is compiled
// with them. A model of which one says nothing is scored all the same, and its rows go
// without those reasons.
func (f *Frozen) explain(asked job.Explanation) {
	var err error
	if asked.Method == "path" {
		if f.path, err = attribution.NewPath(f.bundle.Model); err != nil {
			f.Unexplained = err.Error()
		}
	}
	if asked.Exactly() {
		if _, err = attribution.NewShap(f.bundle.Model); err != nil {
			f.Unexplained = err.Error()
		}
		f.Exact = err == nil
	}
	e, why := f.bundle.Model, f.path
	f.compiled = sync.OnceValues(func() (*score.Compiled, error) { return score.Compile(e, why) })
}

// ByPath reports whether every row gets reasons by path attribution.
func (m Model) ByPath() bool { return m.path != nil }

// ForShortlist plans the program of who is explained exactly: score.Shortlisted, of
// the columns the score stage made, by the places in the whole base.
func ForShortlist(spec job.Spec, places Places) (*Plan, error) {
	return Select([]kernel.Kernel{score.NewAmount(spec.Policy), places.shortlist}, []kernel.Field{{Name: score.Shortlisted, Type: arrow.PrimitiveTypes.Uint8}}, ofScores)
}

// ForModel plans the program of what the champion reads: its columns, each once, by
// the job's own kernels. It reads no column that ForJob's does not.
func ForModel(spec job.Spec, m Model) (*Plan, error) {
	var want []kernel.Field
	for _, column := range m.columns() {
		if !slices.ContainsFunc(want, func(f kernel.Field) bool { return f.Name == column }) {
			want = append(want, kernel.Field{Name: column, Type: arrow.PrimitiveTypes.Float64})
		}
	}
	list, err := common(spec, m.columns())
	if err != nil {
		return nil, err
	}
	return Select(list, want, input(spec))
}

// columns are what the features read, made by kernels: an output must be the
// program's own memory.
func (m Model) columns() []string {
	columns := slices.Clone(m.Bound)
	for i, column := range columns {
		if _, extra := extraName(column); extra {
			columns[i] = feature.AsFeature(column)
		}
	}
	return columns
}

// Exactly explains single rows by exact Shapley values. It is for one goroutine.
type Exactly struct {
	model  *model.Ensemble
	place  []int // of each feature, in the answer of ForModel's program
	by     *attribution.Shap
	row    []float64
	shares []float64
}

// NewExactly prepares a model whose Exact is set.
func NewExactly(m Model) (*Exactly, error) {
	by, err := attribution.NewShap(m.bundle.Model)
	if err != nil {
		return nil, err
	}
	x := &Exactly{model: m.bundle.Model, by: by, row: make([]float64, len(m.Features)), shares: make([]float64, by.Len())}
	var seen []string
	for _, column := range m.columns() {
		at := slices.Index(seen, column)
		if at < 0 {
			at = len(seen)
			seen = append(seen, column)
		}
		x.place = append(x.place, at)
	}
	return x, nil
}

// Reasons returns the codes and the method of row i of an answer of ForModel's
// program. A row that the model refuses has no reasons.
func (x *Exactly) Reasons(columns []kernel.Vector, i int) (code [score.Reasons]uint16, method uint8) {
	for f, at := range x.place {
		x.row[f] = columns[at].F64[i]
	}
	if !known(x.model, x.row) {
		return code, score.Unexplained
	}
	x.by.Into(x.shares, x.row)
	return score.Largest(x.shares[:len(x.row)]), score.Exact
}

// known makes a row what the model sees, an infinite value being missing (C09). It
// reports whether the model scores it.
func known(e *model.Ensemble, row []float64) bool {
	for f, x := range row {
		if x-x != 0 {
			row[f] = math.NaN()
		}
	}
	raw := e.Raw(row)
	return raw == raw
}

// Shares says why a row scores what it does, by a method of reason_method.
type Shares struct {
	Method   uint8
	Raw      float64   // the score
	Expected float64   // of it, before anything is known of the row
	Features []float64 // what each contributes
}

// Code returns the codes of the largest contributions, as they are published.
func (s *Shares) Code() [score.Reasons]uint16 { return score.Largest(s.Features) }

// Shares explains one row of values of the features: by path attribution, and exactly
// when exact is set. Ways that say nothing of the model are left out, and a row that
// it refuses has none.
func (m Model) Shares(row []float64, exact bool) (list []Shares) {
	row = slices.Clone(row)
	if !known(m.bundle.Model, row) {
		return nil
	}
	add := func(method uint8, by interface {
		Len() int
		Into(dst, row []float64)
	}) {
		all := make([]float64, by.Len())
		by.Into(all, row)
		list = append(list, Shares{Method: method, Raw: m.bundle.Model.Raw(row), Expected: all[len(row)], Features: all[:len(row)]})
	}
	if m.path != nil {
		add(score.ByPath, m.path)
	}
	if exact && m.Exact {
		if by, err := attribution.NewShap(m.bundle.Model); err == nil { // as it was when the model was loaded
			add(score.Exact, by)
		}
	}
	return list
}
