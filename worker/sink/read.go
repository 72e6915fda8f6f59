package sink

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/store"
	"rescore/worker/compact"
	"rescore/worker/freelist"
)

// scoreFile is an open score file whose footer has been read.
type scoreFile struct {
	object store.Object
	meta   *format.FileMetaData
	end    int64 // of the pages: where the footer begins
	layout *layout
	from   Provenance
}

// open reads the footer and checks what it says.
func open(o store.Object) (f *scoreFile, err error) {
	defer recovered(&err)
	f = &scoreFile{object: o}
	if f.meta, f.end, err = readFooter(o); err != nil {
		return nil, err
	}
	if f.from, f.layout, err = provenance(f.meta); err != nil {
		return nil, err
	}
	if err := f.layout.check(f.meta.Schema); err != nil {
		return nil, err
	}
	var rows int64
	for _, rg := range f.meta.RowGroups {
		if rg.NumRows < 1 || rg.NumRows > RowGroupRows || len(rg.Columns) != len(f.layout.columns) {
			return nil, fmt.Errorf("%w: a row group of %d rows and %d columns", ErrLayout, rg.NumRows, len(rg.Columns))
		}
		rows += rg.NumRows
	}
	if rows != f.meta.NumRows {
		return nil, fmt.Errorf("%w: %d rows where the footer promises %d", ErrDamaged, rows, f.meta.NumRows)
	}
	return f, nil
}

// recovered turns a decoder's panic into an error: decoders panic on some
// malformed bytes, and one damaged file must not take the process along. It must
// be deferred itself.
func recovered(err *error) {
	if r := recover(); r != nil {
		if e, ok := r.(runtime.Error); ok {
			*err = fmt.Errorf("%w: decoder: %w", ErrDamaged, e)
		} else {
			*err = fmt.Errorf("%w: decoder: %v", ErrDamaged, r)
		}
	}
}

// groups gives every row group to visit, in order, with the columns of want. It
// takes memory by what the file holds, never by what its headers claim.
func (f *scoreFile) groups(ctx context.Context, want *layout, visit func(*group) error) error {
	g := want.full.Get()
	defer g.release()
	r := readers.Get()
	defer readers.Put(r)
	var rows int64
	for i := range f.meta.RowGroups {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.decode(r, g, &f.meta.RowGroups[i]); err != nil {
			return fmt.Errorf("from row %d: %w", rows, err)
		}
		rows += int64(g.rows)
		if err := visit(g); err != nil {
			return err
		}
	}
	return nil
}

// reader is what reading takes memory for.
type reader struct {
	pages   pageReader
	cursors []cursor
}

var readers = freelist.List[reader]{New: func() *reader { return new(reader) }}

// on returns n cursors.
func (r *reader) on(n int) []cursor {
	if len(r.cursors) < n {
		r.cursors = append(r.cursors, make([]cursor, n-len(r.cursors))...)
	}
	return r.cursors[:n]
}

// decode reads the columns of one row group.
func (f *scoreFile) decode(r *reader, g *group, rg *format.RowGroup) (err error) {
	defer recovered(&err)
	g.reset()
	for i, c := range g.layout.columns {
		if err := f.column(r, &rg.Columns[f.layout.find(c.Name)].MetaData, g.columns[i], int(rg.NumRows)); err != nil {
			return fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	g.rows = int(rg.NumRows)
	return nil
}

// column appends a chunk to a column.
func (f *scoreFile) column(r *reader, meta *format.ColumnMetaData, to column, rows int) error {
	cursor := &r.on(1)[0]
	if err := cursor.load(f.object, f.end, meta, rows); err != nil {
		return err
	}
	return r.pages.read(cursor, to, rows)
}

// slabs gives every page of rows of row groups from to past-1, whose bytes o has, to visit, in
// order, and which row is its first: less memory than groups takes, so that it stays near
// the processor. Pages end where those of the first column do.
func (f *scoreFile) slabs(ctx context.Context, o store.Object, from, past int, visit func(g *group, first int64) error) error {
	g := f.layout.slab.Get()
	defer g.release()
	r := readers.Get()
	defer readers.Put(r)
	cursors := r.on(len(f.layout.columns))
	var rows int64
	for i := range f.meta.RowGroups[:past] {
		rg := &f.meta.RowGroups[i]
		if i < from {
			rows += rg.NumRows
			continue
		}
		for k, c := range f.layout.columns {
			if err := cursors[k].load(o, f.end, &rg.Columns[k].MetaData, int(rg.NumRows)); err != nil {
				return fmt.Errorf("from row %d: column %s: %w", rows, c.Name, err)
			}
		}
		for left := int(rg.NumRows); left > 0; left -= g.rows {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := r.slab(g, cursors, left); err != nil {
				return fmt.Errorf("from row %d: %w", rows, err)
			}
			if err := visit(g, rows); err != nil {
				return err
			}
			rows += int64(g.rows)
		}
		for k, c := range f.layout.columns {
			if len(cursors[k].rest) > 0 {
				return fmt.Errorf("column %s: %w: more pages than rows", c.Name, ErrDamaged)
			}
		}
	}
	return nil
}

// slab reads the next page of every column: of as many rows as the first has, and
// no more than left.
func (r *reader) slab(g *group, cursors []cursor, left int) (err error) {
	defer recovered(&err)
	g.reset()
	for i, c := range g.columns {
		if err := r.pages.next(&cursors[i], c, left); err != nil {
			return fmt.Errorf("column %s: %w", g.layout.columns[i].Name, err)
		}
		if g.rows = g.columns[0].len(); c.len() != g.rows {
			return fmt.Errorf("column %s: %w: a page of %d rows beside one of %d", g.layout.columns[i].Name, ErrLayout, c.len(), g.rows)
		}
	}
	return nil
}

// readFooter returns the footer and where it begins.
func readFooter(o store.Object) (*format.FileMetaData, int64, error) {
	at, err := footerOffset(o)
	if err != nil {
		return nil, 0, err
	}
	data := make([]byte, o.Size()-8-at)
	if _, err := io.ReadFull(io.NewSectionReader(o, at, int64(len(data))), data); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if _, err := compact.Check(data); err != nil {
		return nil, 0, fmt.Errorf("%w: footer: %w", ErrDamaged, err)
	}
	meta := new(format.FileMetaData)
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), data, meta); err != nil {
		return nil, 0, fmt.Errorf("%w: footer: %w", ErrDamaged, err)
	}
	return meta, at, nil
}
