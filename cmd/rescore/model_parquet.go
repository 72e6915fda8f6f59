package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/matrix"
	"rescore/worker/bundle"
	"rescore/worker/source"
)

// sampleParquet is sample for a Parquet file, such as rescore features export writes:
// a column for each feature, by name, of numbers. Columns are read one after the other.
func (a *app) sampleParquet(cmd *cobra.Command, path string, b *bundle.Bundle, o matrix.Options, n int, cover bool) (s sampled, err error) {
	defer func() {
		if p := recover(); p != nil { // a damaged file may do that to its reader
			err = fmt.Errorf("%s: the file is damaged: %v", path, p)
		}
	}()
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, boot.WithCode(fmt.Errorf("read rows: %w", err), boot.NotFound, "name a file of rows: CSV, TSV, libsvm or Parquet")
	}
	if err != nil {
		return s, fmt.Errorf("read rows: %w", err)
	}
	defer func() { _ = file.Close() }() // opened for reading only
	info, err := file.Stat()
	if err != nil {
		return s, fmt.Errorf("read rows: %w", err)
	}
	if err := source.CheckFooter(io.NewSectionReader(file, 0, info.Size())); err != nil {
		return s, fmt.Errorf("read rows: %s: %w", path, err)
	}
	table, err := parquet.OpenFile(file, info.Size())
	if err != nil {
		return s, fmt.Errorf("read rows: %s: %w", path, err)
	}
	total := int(table.NumRows())
	if total == 0 {
		return s, boot.WithCode(fmt.Errorf("%s: there are no rows", path), boot.Failure, "give a file with a row a line")
	}
	var absent []string
	at := make([]int, len(b.Model.Features))
	for f, name := range b.Model.Features {
		leaf, ok := table.Schema().Lookup(name)
		if at[f] = leaf.ColumnIndex; !ok {
			absent = append(absent, name)
		}
	}
	if len(absent) > 0 {
		return s, fmt.Errorf("%s lacks %d of the model's features: %s", path, len(absent), strings.Join(absent[:min(len(absent), 10)], ", "))
	}
	each := func(column int, take func(row int, x float64)) error {
		row := 0
		for _, g := range table.RowGroups() {
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			if err := eachValue(g.ColumnChunks()[column], func(v parquet.Value) error {
				x, ok := numberOf(v)
				if !ok {
					return fmt.Errorf("%s: column %d holds no numbers", path, column)
				}
				for _, m := range o.Missing {
					if x == m {
						x = math.NaN()
					}
				}
				take(row, x)
				row++
				return nil
			}); err != nil {
				return fmt.Errorf("read rows: %w", err)
			}
		}
		if row != total {
			return fmt.Errorf("read rows: %s: column %d has %d values for %d rows", path, column, row, total)
		}
		return nil
	}
	var must []int
	if cover {
		for _, column := range at {
			first := -1
			if err := each(column, func(row int, x float64) {
				if first < 0 && x != x {
					first = row
				}
			}); err != nil {
				return s, err
			}
			if first >= 0 {
				must = append(must, first)
			}
		}
	}
	chosen := bundle.Spread(total, n, must)
	gather := func(column int) (values []float64, err error) {
		next := 0
		err = each(column, func(row int, x float64) {
			if next < len(chosen) && row == chosen[next] {
				values = append(values, x)
				next++
			}
		})
		return values, err
	}
	s = sampled{n: len(chosen), columns: make([][]float64, len(at)), beside: make([][]float64, len(o.Beside))}
	for f, column := range at {
		if s.columns[f], err = gather(column); err != nil {
			return s, err
		}
	}
	for i, name := range o.Beside {
		if leaf, ok := table.Schema().Lookup(name); ok && !slices.Contains(at, leaf.ColumnIndex) {
			if s.beside[i], err = gather(leaf.ColumnIndex); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// eachValue reads the values of a column chunk in order.
func eachValue(chunk parquet.ColumnChunk, take func(parquet.Value) error) (err error) {
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	var buffer [512]parquet.Value
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for values := page.Values(); ; {
			n, err := values.ReadValues(buffer[:])
			for _, v := range buffer[:n] {
				if err := take(v); err != nil {
					return err
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
		parquet.Release(page)
	}
}

// numberOf returns a value as a float64, NaN for a null.
func numberOf(v parquet.Value) (float64, bool) {
	if v.IsNull() {
		return math.NaN(), true
	}
	switch v.Kind() {
	case parquet.Boolean:
		if v.Boolean() {
			return 1, true
		}
		return 0, true
	case parquet.Int32:
		return float64(v.Int32()), true
	case parquet.Int64:
		return float64(v.Int64()), true
	case parquet.Float:
		return float64(v.Float()), true
	case parquet.Double:
		return v.Double(), true
	}
	return 0, false
}
