package sink

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition"
	"rescore/partition/store"
)

// Find returns the row of one number of a score file as a record of one row, or
// nil when the file has none. Row groups are searched by halves, and only the
// one that holds the number is read whole.
func Find(ctx context.Context, st store.Store, name string, n partition.Number) (arrow.Record, Provenance, error) {
	o, err := st.Open(ctx, name)
	if err != nil {
		return nil, Provenance{}, err
	}
	defer o.Close()
	row, from, err := find(o, n)
	if err != nil {
		return nil, Provenance{}, fmt.Errorf("read %s: %w", name, err)
	}
	return row, from, nil
}

func find(o store.Object, n partition.Number) (row arrow.Record, from Provenance, err error) {
	defer recovered(&err)
	f, err := open(o)
	if err != nil {
		return nil, from, err
	}
	from = f.from
	var r reader
	var g *group
	var at int // row group that g holds the numbers of
	load := func(i int) error {
		rows := int(f.meta.RowGroups[i].NumRows)
		g, at = newGroup(f.layout, rows, nil), i
		g.rows = rows
		return f.column(&r, &f.meta.RowGroups[i].Columns[0].MetaData, g.columns[0], rows)
	}
	// The first row group whose last number is not smaller.
	i := sort.Search(len(f.meta.RowGroups), func(i int) bool {
		if err == nil {
			err = load(i)
		}
		return err != nil || g.keys()[g.rows-1] >= uint64(n)
	})
	if err != nil || i == len(f.meta.RowGroups) {
		return nil, from, err
	}
	if at != i {
		if err := load(i); err != nil {
			return nil, from, err
		}
	}
	k, found := slices.BinarySearch(g.keys(), uint64(n))
	if !found {
		return nil, from, nil
	}
	for c := 1; c < len(g.columns); c++ {
		if err := f.column(&r, &f.meta.RowGroups[i].Columns[c].MetaData, g.columns[c], g.rows); err != nil {
			return nil, from, fmt.Errorf("column %s: %w", f.layout.columns[c].Name, err)
		}
	}
	whole := g.record()
	defer whole.Release()
	return whole.NewSlice(int64(k), int64(k)+1), from, nil
}
