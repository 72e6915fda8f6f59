// Package explain says of one subscriber why a version says what it says.
//
//	number ─► score file, by halves ─► the published row ───────────┐
//	       └► input, by halves ─► the job's own reader ─► one row ──┤ equal?
//	                              the job's own kernels ────────────┘
//	                              └─► record, features, triggers, decision, offer, in words
//
// Nothing is worked out a second way: every figure is a column that a kernel
// made of the row, with the rules in the version's manifest. The row goes through
// the program anew and is held to the published one; a difference is an error,
// because it would mean that a version cannot be made again. What is written
// here are words, and which columns belong to which of them.
//
// An answer masks the number, and the handset's, unless it is asked not to.
package explain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/cmd/internal/local"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/program"
	"rescore/worker/source"
)

var (
	// ErrAbsent is returned for a number that the version's input does not have.
	ErrAbsent = errors.New("the version's input has no row of this number")
	// ErrDiffers is returned when the program does not say of the row what was
	// published.
	ErrDiffers = errors.New("the published row is not what the same program makes of the same input; this must not happen, please report it with the version's manifest")
)

// rowsMax bounds how often one number may stand in the input.
const rowsMax = 4096

// row is one subscriber's: all columns by flat name, of the input and of the
// kernels.
type row struct {
	spec     job.Spec
	number   partition.Number
	reason   job.Reason // 0: scored
	rows     int64      // of the number, in the scoring month
	events   int64      // of the number, in the job's tables
	places   []place
	present  map[string]bool // canonical columns the input has
	record   map[string]cell // canonical and extra columns
	made     map[string]cell // by kernels
	score    map[string]cell // published
	program  *program.Plan
	features map[string]bool // columns the model reads
	model    program.Model
	values   []float64 // of the model's features, NaN where missing
	shares   []program.Shares
}

// place is where a month's row lies.
type place struct {
	Month int32  `json:"month"`
	File  string `json:"file"`
	Row   int64  `json:"row"` // 0-based; in CSV the byte at which it begins
}

// cell is one value.
type cell struct {
	known bool
	whole int64
	real  float64
	float bool
}

// Ask finds out everything about a number.
func Ask(ctx context.Context, v *local.Version, n partition.Number, o Options) (_ *Answer, err error) {
	v, err = v.Of(n)
	if err != nil {
		return nil, err
	}
	r := &row{spec: v.Spec, number: n}
	published, _, err := v.Row(ctx, n)
	if err != nil {
		return nil, err
	}
	if published != nil {
		defer published.Release()
	}
	model, err := v.Model(ctx)
	if err != nil {
		return nil, err
	}
	dataset, err := v.Input(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dataset.Close()) }()
	task, err := dataset.Find(ctx, v.Manifest.Input, n)
	switch {
	case err != nil:
		return nil, err
	case task.Rows == 0 && published == nil:
		return nil, fmt.Errorf("version %s: %w", v.Manifest.Version, ErrAbsent)
	case task.Rows == 0:
		return nil, fmt.Errorf("version %s has the number and its input does not: %w", v.Manifest.Version, local.ErrChanged)
	case task.Rows > rowsMax:
		return nil, fmt.Errorf("the number has %d rows in the input, at most %d are read", task.Rows, rowsMax)
	}
	r.rows = task.Rows
	for _, s := range task.Slices {
		if s.Month >= schema.Months {
			r.events += s.Rows
			continue
		}
		at := s.First
		if s.Bytes > 0 {
			at = s.Offset
		}
		r.places = append(r.places, place{job.MonthBack(v.Spec.Month, s.Month), v.Manifest.Input[s.File].Path, at})
	}
	if err := r.evaluate(ctx, v, dataset, task, model); err != nil {
		return nil, err
	}
	switch {
	case r.reason != 0 && published != nil:
		return nil, fmt.Errorf("the number is published, and now %s: %w", r.reason, ErrDiffers)
	case r.reason == 0 && published == nil:
		return nil, fmt.Errorf("the number is not published, and nothing keeps it out: %w", ErrDiffers)
	case r.reason == 0:
		if err := r.explain(cells(published)); err != nil {
			return nil, err
		}
		if err := r.compare(published); err != nil {
			return nil, err
		}
	}
	return answer(v, r, o), nil
}

// evaluate reads the number's row as the job does and runs every kernel on it.
func (r *row) evaluate(ctx context.Context, v *local.Version, dataset *source.Dataset, task job.Task, model program.Model) error {
	// The columns the job reads decide what becomes of the row and how many of its
	// values are bad; the others are read apart, to be shown.
	read, err := program.ForJob(v.Spec, model)
	if err != nil {
		return err
	}
	jobs, err := readRows(ctx, dataset, task, v.Manifest.Input, read.Columns())
	if err != nil {
		return err
	}
	defer jobs.record.Release()
	all, err := readRows(ctx, dataset, task, v.Manifest.Input, columns(v.Spec))
	if err != nil {
		return err
	}
	defer all.record.Release()
	at := -1
	for i, key := range jobs.key {
		if key != uint64(r.number) {
			continue
		}
		if jobs.drop[i] == 0 {
			at, r.reason = i, 0
			break
		}
		if at < 0 {
			at, r.reason = i, jobs.drop[i]
		}
	}
	if at < 0 {
		return fmt.Errorf("the rows found are not the number's: %w", source.ErrChanged)
	}
	one := all.record.NewSlice(int64(at), int64(at)+1)
	defer one.Release()
	r.record = cells(one)
	r.present = map[string]bool{}
	present, _ := dataset.Columns()
	for _, name := range present {
		r.present[name] = true
	}
	if r.reason != 0 {
		return nil
	}
	plan, err := program.Everything(v.Spec, model)
	if err != nil {
		return err
	}
	var fields []arrow.Field
	var arrays []arrow.Array
	for _, name := range plan.Columns() {
		i := one.Schema().FieldIndices(name)[0]
		fields, arrays = append(fields, one.Schema().Field(i)), append(arrays, one.Column(i))
	}
	input := array.NewRecord(arrow.NewSchema(fields, nil), arrays, 1)
	defer input.Release()
	prog := plan.Program(1, memory.NewGoAllocator())
	defer prog.Release()
	made, err := prog.Eval(input, []uint64{uint64(r.number)}, jobs.bad[at:at+1])
	if err != nil {
		return err
	}
	r.made, r.program = cells(made), plan
	r.features, r.model = map[string]bool{}, model
	for _, name := range model.Bound {
		r.features[name] = true
	}
	return nil
}

// columns are the names of all columns the job can read but the number.
func columns(spec job.Spec) []string {
	var names []string
	for _, c := range schema.Subscriber {
		if c.Name != schema.Key {
			names = append(names, c.Names()...)
		}
	}
	return append(names, spec.Input.Extras()...)
}

// rows are what a reader delivers of a task, copied.
type rows struct {
	record arrow.Record
	key    []uint64
	drop   []job.Reason
	bad    []uint8
}

func readRows(ctx context.Context, d *source.Dataset, task job.Task, files []job.InputFile, columns []string) (_ *rows, err error) {
	reader, err := d.Reader(task, files, columns, int(task.Rows), memory.NewGoAllocator())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	b, err := reader.Next(ctx) // all of them: a batch is as long as the task
	if err != nil {
		return nil, err
	}
	out := &rows{record: b.Record, key: append([]uint64{}, b.Key...), drop: make([]job.Reason, b.Len), bad: make([]uint8, b.Len)}
	out.record.Retain() // its memory is the garbage collector's, and the reader writes it no more
	copy(out.drop, b.Drop)
	copy(out.bad, b.Bad)
	if _, err := reader.Next(ctx); !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("the number's rows go on: %w", source.ErrChanged), err)
	}
	return out, nil
}

// compare holds the published row to what the kernels say.
func (r *row) compare(published arrow.Record) error {
	r.score = cells(published)
	var differ []string
	for _, c := range schema.PublishedWith(r.spec.Model.Names()) {
		if made, ok := r.made[c.Name]; ok && made != r.score[c.Name] {
			differ = append(differ, c.Name)
		}
	}
	if len(differ) > 0 {
		return fmt.Errorf("columns %s: %w", strings.Join(differ, ", "), ErrDiffers)
	}
	return nil
}

// cells returns the first row of a record.
func cells(rec arrow.Record) map[string]cell {
	out := make(map[string]cell, rec.NumCols())
	for i, a := range rec.Columns() {
		var c cell
		c.known = !a.IsNull(0)
		switch a := a.(type) {
		case *array.Uint8:
			c.whole = int64(a.Value(0))
		case *array.Int8:
			c.whole = int64(a.Value(0))
		case *array.Uint16:
			c.whole = int64(a.Value(0))
		case *array.Int16:
			c.whole = int64(a.Value(0))
		case *array.Uint32:
			c.whole = int64(a.Value(0))
		case *array.Int32:
			c.whole = int64(a.Value(0))
		case *array.Date32:
			c.whole = int64(a.Value(0))
		case *array.Uint64:
			c.whole = int64(a.Value(0))
		case *array.Int64:
			c.whole = a.Value(0)
		case *array.Float32:
			c.real, c.float = float64(a.Value(0)), true
		case *array.Float64:
			c.real, c.float = a.Value(0), true
		default:
			panic(fmt.Sprintf("explain: a column of type %s", a.DataType())) // the record's types are few and fixed
		}
		if c.float && c.real != c.real {
			c.known, c.real = false, 0 // NaN is the null of the program's own columns
		}
		if !c.known {
			c.whole = 0
		}
		out[rec.ColumnName(i)] = c
	}
	return out
}
