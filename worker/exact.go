package worker

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/job"
	"rescore/partition/wire"
	"rescore/worker/kernel"
	"rescore/worker/program"
	"rescore/worker/sink"
	"rescore/worker/source"
)

// exact finds exact reasons for the rows of a partition that the whole base's ranks
// put on the shortlist:
//
//	score file ─► shortlist ─► numbers ─┐
//	input ─► rows as they were scored ──┴─► features ─► Shapley values ─► reasons
//
// It depends on rows alone: not on the partition they are in, nor on the worker. A
// task that brings no rows of the input was scored by an earlier job with another
// model, whose reasons stay as they are.
func (p *prepared) exact(ctx context.Context, a wire.Assignment, places program.Places, batchRows int, clock *stopwatch, spent *job.Timing) ([]sink.Explained, error) {
	if !p.model.Exact || len(a.Task.Slices) == 0 {
		return nil, nil
	}
	numbers, err := p.shortlisted(ctx, a.Task.Staged[0], places)
	clock.lap(&spent.Read)
	if err != nil || len(numbers) == 0 {
		return nil, err
	}
	list := make([]sink.Explained, 0, len(numbers))
	by, err := program.NewExactly(p.model)
	if err != nil {
		return nil, fatal(err)
	}
	err = p.again(ctx, a, batchRows, clock, spent, func(keys []uint64, drop []job.Reason, features func() ([]kernel.Vector, error)) error {
		var columns []kernel.Vector
		for i, key := range keys {
			if len(list) == len(numbers) || key != numbers[len(list)] || drop != nil && drop[i] != 0 {
				continue
			}
			if columns == nil {
				if columns, err = features(); err != nil {
					return err
				}
			}
			e := sink.Explained{Number: key}
			e.Code, e.Method = by.Reasons(columns, i)
			list = append(list, e)
		}
		return nil
	})
	if err == nil && len(list) < len(numbers) {
		err = fmt.Errorf("explain partition %s: %w: %d rows that were scored are not in it any more", a.Task.Range, source.ErrChanged, len(numbers)-len(list))
	}
	return list, err
}

// shortlisted returns the numbers on the shortlist, in order.
func (p *prepared) shortlisted(ctx context.Context, scores job.File, places program.Places) (numbers []uint64, err error) {
	plan, err := program.ForShortlist(p.spec, places)
	if err != nil {
		return nil, fatal(err)
	}
	prog := plan.Program(sink.RowGroupRows, memory.NewGoAllocator())
	defer prog.Release()
	keyless := make([]uint64, sink.RowGroupRows) // no kernel here reads numbers
	err = sink.Scan(ctx, p.output, scores.Path, plan.Columns(), func(keys []uint64, rows arrow.Record) error {
		out, err := prog.Eval(rows, keyless[:len(keys)], nil)
		if err != nil {
			return err
		}
		for i, in := range out.Column(0).(*array.Uint8).Uint8Values() {
			if in == 1 {
				numbers = append(numbers, keys[i])
			}
		}
		return nil
	})
	return numbers, err
}

// again reads a partition as the score stage did, for the columns that are read
// decide what becomes of a row. visit is given each batch's numbers, in order, what
// keeps rows out, and how to work out the columns of the model's features.
func (p *prepared) again(ctx context.Context, a wire.Assignment, batchRows int, clock *stopwatch, spent *job.Timing, visit func([]uint64, []job.Reason, func() ([]kernel.Vector, error)) error) (err error) {
	whole, err := program.ForJob(p.spec, p.model)
	if err != nil {
		return fatal(err)
	}
	plan, err := program.ForModel(p.spec, p.model)
	if err != nil {
		return fatal(err)
	}
	prog := plan.Program(batchRows, memory.NewGoAllocator())
	defer prog.Release()
	task := a.Task
	task.Rows = 0
	for _, s := range task.Slices {
		if s.Month == 0 {
			task.Rows += s.Rows
		}
	}
	reader, err := p.dataset.Reader(task, a.Files, whole.Columns(), batchRows, memory.NewGoAllocator())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	part := narrowed{names: plan.Columns()}
	defer part.release()
	for {
		batch, err := reader.Next(ctx)
		clock.lap(&spent.Read)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = visit(batch.Key, batch.Drop, func() ([]kernel.Vector, error) {
			out, err := prog.Eval(part.of(batch.Record), batch.Key, batch.Bad)
			if err != nil {
				return nil, err
			}
			columns := make([]kernel.Vector, out.NumCols())
			for i, c := range out.Columns() {
				columns[i] = kernel.AsVector(c)
			}
			return columns, nil
		})
		clock.lap(&spent.Score)
		if err != nil {
			return err
		}
	}
}

// narrowed is some columns of a record, as long as readers hand over the same one.
type narrowed struct {
	names     []string
	from, rec arrow.Record
}

func (n *narrowed) of(rec arrow.Record) arrow.Record {
	if rec == n.from {
		return n.rec
	}
	n.release()
	fields, columns := make([]arrow.Field, len(n.names)), make([]arrow.Array, len(n.names))
	for i, name := range n.names {
		at := rec.Schema().FieldIndices(name)[0] // ForModel reads no column that ForJob's does not
		fields[i], columns[i] = rec.Schema().Field(at), rec.Column(at)
	}
	n.from, n.rec = rec, array.NewRecord(arrow.NewSchema(fields, nil), columns, rec.NumRows())
	return n.rec
}

func (n *narrowed) release() {
	if n.rec != nil {
		n.rec.Release()
		n.rec = nil
	}
}
