package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go"

	"rescore/partition/schema"
	"rescore/partition/store"
)

// Read reads a score file row group by row group: batch is called with records
// of schema.Score columns, valid until it returns, at most RowGroupRows rows
// each. Rows are counted against the footer. Bytes are not compared with any
// digest; Verify does that.
func Read(ctx context.Context, st store.Store, name string, batch func(arrow.Record) error) (Provenance, error) {
	o, err := st.Open(ctx, name)
	if err != nil {
		return Provenance{}, err
	}
	defer o.Close()
	p, err := decode(ctx, o, func(g *group) error {
		r := g.record()
		defer r.Release()
		return batch(r)
	})
	if err != nil {
		return Provenance{}, fmt.Errorf("read %s: %w", name, err)
	}
	return p, nil
}

// decode gives every row group of a score file to visit, in order.
func decode(ctx context.Context, o store.Object, visit func(*group) error) (_ Provenance, err error) {
	visiting := false
	defer func() {
		if visiting {
			return // a panic of the caller's own
		}
		// parquet-go panics on some malformed files; one damaged file must not take
		// the process along.
		if r := recover(); r != nil {
			if e, ok := r.(runtime.Error); ok {
				err = fmt.Errorf("%w: decoder: %w", ErrDamaged, e)
			} else {
				err = fmt.Errorf("%w: decoder: %v", ErrDamaged, r)
			}
		}
	}()
	f, err := parquet.OpenFile(o, o.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(256<<10))
	if err != nil {
		return Provenance{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	from, err := provenance(f.Lookup)
	if err != nil {
		return Provenance{}, err
	}
	if err := checkLayout(f); err != nil {
		return Provenance{}, err
	}
	g := groups.Get().(*group)
	defer func() {
		g.reset()
		groups.Put(g)
	}()
	var rows int64
	for _, rg := range f.RowGroups() {
		if err := ctx.Err(); err != nil {
			return Provenance{}, err
		}
		if n := rg.NumRows(); n < 1 || n > RowGroupRows {
			return Provenance{}, fmt.Errorf("%w: a row group of %d rows", ErrLayout, n)
		}
		g.reset()
		for i, c := range rg.ColumnChunks() {
			if err := decodeChunk(c, g.columns[i], rg.NumRows()); err != nil {
				return Provenance{}, fmt.Errorf("column %s from row %d: %w", schema.Score[i].Name, rows, err)
			}
		}
		g.rows = int(rg.NumRows())
		rows += rg.NumRows()
		visiting = true
		err := visit(g)
		visiting = false
		if err != nil {
			return Provenance{}, err
		}
	}
	if rows != f.NumRows() {
		return Provenance{}, fmt.Errorf("%w: %d rows where the footer promises %d", ErrDamaged, rows, f.NumRows())
	}
	return from, nil
}

// decodeChunk reads all pages of one column of one row group.
func decodeChunk(from parquet.ColumnChunk, to column, rows int64) error {
	pages := from.Pages()
	defer pages.Close()
	for {
		p, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if int64(to.len())+p.NumValues() > rows {
			err = fmt.Errorf("%w: more values than rows", ErrDamaged)
		} else {
			err = to.decode(p)
		}
		parquet.Release(p)
		if err != nil {
			return err
		}
	}
	if int64(to.len()) != rows {
		return fmt.Errorf("%w: %d values in %d rows", ErrDamaged, to.len(), rows)
	}
	return nil
}

// checkLayout returns ErrLayout unless the file's columns are schema.Score's,
// required, with the types this package writes.
func checkLayout(f *parquet.File) error {
	columns := f.Root().Columns()
	if len(columns) != len(schema.Score) {
		return fmt.Errorf("%w: %d columns where schema.Score has %d", ErrLayout, len(columns), len(schema.Score))
	}
	want := newGroup(0).columns
	for i, c := range columns {
		if c.Name() != schema.Score[i].Name || !c.Leaf() || !c.Required() || int(c.Type().Kind()) != int(want[i].physical()) {
			return fmt.Errorf("%w: column %d is not a required %s of type %s", ErrLayout, i, schema.Score[i].Name, want[i].physical())
		}
	}
	return nil
}
