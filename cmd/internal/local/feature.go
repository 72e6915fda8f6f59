package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"rescore/coordinator/plan"
	"rescore/worker/feature"
	"rescore/worker/program"
)

// ExportFeatures writes what a model is trained on: msisdn, then the features
// as float64 with NaN for missing, computed by the kernels that will score. The
// features are those named, or every one of the dictionary, of the job's own and
// every extra column when none is. Rows that a job would not score are left out. The file is
// Parquet and must not exist.
//
// It carries real numbers, as the base does.
func ExportFeatures(ctx context.Context, o Options, path string, features []string) (rows int64, err error) {
	dataset, err := openInput(ctx, o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, dataset.Close()) }()
	if len(features) == 0 {
		for _, e := range feature.Dictionary {
			features = append(features, e.Name)
		}
		for _, f := range o.Spec.Features {
			features = append(features, f.Name)
		}
		features = append(features, o.Spec.Input.Extras()...)
	}
	steps, names, err := program.ForFeatures(o.Spec, features)
	if err != nil {
		return 0, inputError(err)
	}
	survey, err := dataset.Survey(ctx, o.Spec.Run.Workers, func(int64) {})
	if err != nil {
		return 0, inputError(err)
	}
	tasks, err := plan.Cut(survey, o.Spec.Run.PartitionRows)
	if err != nil {
		return 0, inputError(err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return 0, fmt.Errorf("export features: %w", err)
	}
	buffer := bufio.NewWriterSize(file, 1<<20)
	defer func() {
		if err = errors.Join(err, buffer.Flush(), file.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	out := newFeatureFile(buffer, names)
	mem := memory.NewGoAllocator()
	prog := steps.Program(o.Spec.Run.BatchRows, mem)
	defer prog.Release()
	for _, task := range tasks {
		reader, err := dataset.Reader(task, survey.Files, steps.Columns(), o.Spec.Run.BatchRows, mem)
		if err != nil {
			return rows, err
		}
		for {
			batch, err := reader.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return rows, errors.Join(err, reader.Close())
			}
			values, err := prog.Eval(batch.Record, batch.Key, batch.Bad)
			if err != nil {
				return rows, errors.Join(err, reader.Close())
			}
			for i := range batch.Len {
				if batch.Drop != nil && batch.Drop[i] != 0 {
					continue
				}
				rows++
				if err := out.write(values, i); err != nil {
					return rows, errors.Join(err, reader.Close())
				}
			}
		}
		if err := reader.Close(); err != nil {
			return rows, err
		}
	}
	return rows, out.Close()
}

// featureFile writes rows of float64 columns after a key.
type featureFile struct {
	*parquet.Writer
	order []int // column of the file → column of the record
	row   []parquet.Row
}

func newFeatureFile(w io.Writer, names []string) *featureFile {
	group := parquet.Group{}
	for i, name := range names {
		if i == 0 {
			group[name] = parquet.Leaf(parquet.Int64Type)
		} else {
			group[name] = parquet.Leaf(parquet.DoubleType)
		}
	}
	layout := parquet.NewSchema("feature", group)
	f := &featureFile{Writer: parquet.NewWriter(w, layout, parquet.Compression(&parquet.Snappy)), row: []parquet.Row{make(parquet.Row, len(names))}}
	at := make(map[string]int, len(names))
	for i, name := range names {
		at[name] = i
	}
	for _, column := range layout.Columns() { // a group's columns are sorted by name
		f.order = append(f.order, at[column[0]])
	}
	return f
}

func (f *featureFile) write(rec arrow.Record, i int) error {
	row := f.row[0]
	for c, from := range f.order {
		switch column := rec.Column(from).(type) {
		case *array.Uint64:
			row[c] = parquet.Int64Value(int64(column.Value(i))).Level(0, 0, c)
		case *array.Float64:
			v := column.Value(i)
			if v != v {
				v = math.NaN() // one NaN, so that the file is the same wherever it is written
			}
			row[c] = parquet.DoubleValue(v).Level(0, 0, c)
		}
	}
	if _, err := f.WriteRows(f.row); err != nil {
		return fmt.Errorf("write features: %w", err)
	}
	return nil
}
