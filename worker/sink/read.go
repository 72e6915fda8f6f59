package sink

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/schema"
	"rescore/partition/store"
)

// Read reads a score file row group by row group: batch is called with records
// of schema.Score columns, valid until it returns, at most RowGroupRows rows
// each. Rows are counted against the footer and pages carry checksums; Verify
// also compares the whole file with its digest.
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

// decode gives every row group of a score file to visit, in order. It takes
// memory by what the file holds, never by what its headers claim.
func decode(ctx context.Context, o store.Object, visit func(*group) error) (_ Provenance, err error) {
	visiting := false
	defer func() {
		if !visiting { // else it is a panic of the caller's own
			damaged(recover(), &err)
		}
	}()
	meta, end, from, err := open(o)
	if err != nil {
		return Provenance{}, err
	}
	g := groups.Get().(*group)
	defer func() {
		g.reset()
		groups.Put(g)
	}()
	var rows int64
	r := pageReader{object: o, end: end}
	for _, rg := range meta.RowGroups {
		if err := ctx.Err(); err != nil {
			return Provenance{}, err
		}
		if g.rows, err = groupRows(&rg); err != nil {
			return Provenance{}, err
		}
		for i, c := range g.columns {
			c.reset()
			if err := r.read(&rg.Columns[i].MetaData, c, g.rows); err != nil {
				return Provenance{}, fmt.Errorf("column %s from row %d: %w", schema.Score[i].Name, rows, err)
			}
		}
		rows += rg.NumRows
		visiting = true
		err := visit(g)
		visiting = false
		if err != nil {
			return Provenance{}, err
		}
	}
	if rows != meta.NumRows {
		return Provenance{}, fmt.Errorf("%w: %d rows where the footer promises %d", ErrDamaged, rows, meta.NumRows)
	}
	return from, nil
}

// open reads and checks what a score file says of itself; pages end at end.
func open(o store.Object) (meta *format.FileMetaData, end int64, from Provenance, err error) {
	if meta, end, err = readFooter(o); err != nil {
		return nil, 0, from, err
	}
	if from, err = provenance(meta.KeyValueMetadata); err != nil {
		return nil, 0, from, err
	}
	return meta, end, from, checkLayout(meta.Schema)
}

// groupRows returns how many rows a row group has, when it can be one of ours.
func groupRows(g *format.RowGroup) (int, error) {
	if g.NumRows < 1 || g.NumRows > RowGroupRows || len(g.Columns) != len(schema.Score) {
		return 0, fmt.Errorf("%w: a row group of %d rows and %d columns", ErrLayout, g.NumRows, len(g.Columns))
	}
	return int(g.NumRows), nil
}

// damaged makes a decoder's panic an error: they panic on some malformed bytes,
// and one damaged file must not take the process along.
func damaged(panicked any, err *error) {
	switch e := panicked.(type) {
	case nil:
	case runtime.Error:
		*err = fmt.Errorf("%w: decoder: %w", ErrDamaged, e)
	default:
		*err = fmt.Errorf("%w: decoder: %v", ErrDamaged, e)
	}
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
	if err := checkCompact(data); err != nil {
		return nil, 0, fmt.Errorf("%w: footer: %w", ErrDamaged, err)
	}
	meta := new(format.FileMetaData)
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), data, meta); err != nil {
		return nil, 0, fmt.Errorf("%w: footer: %w", ErrDamaged, err)
	}
	return meta, at, nil
}

// checkLayout returns ErrLayout unless the file's columns are schema.Score's,
// required, with the types this package writes.
func checkLayout(elements []format.SchemaElement) error {
	if len(elements) != 1+len(schema.Score) {
		return fmt.Errorf("%w: %d columns where schema.Score has %d", ErrLayout, len(elements)-1, len(schema.Score))
	}
	for i, c := range newGroup(0).columns {
		e := elements[1+i]
		if e.Name != schema.Score[i].Name || e.Type != thrift.New(c.physical()) || e.RepetitionType != thrift.New(format.Required) {
			return fmt.Errorf("%w: column %d is not a required %s of type %s", ErrLayout, i, schema.Score[i].Name, c.physical())
		}
	}
	return nil
}
