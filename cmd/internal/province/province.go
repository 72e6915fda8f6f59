// Package province writes a synthetic province (partition/synth) to a store:
// the base as a data warehouse would hand it over, and the labels of the month
// after it beside the base, never in it.
//
//	<store>/base/part-00000.parquet            layout wide
//	<store>/base/month=202410/part-00000.parquet   layout months
//	<store>/labels/part-00000.parquet          msisdn, churned (0 or 1)
//
// A file holds consecutive subscribers and is written by one worker from first
// byte to last, so the bytes do not depend on how many workers there are.
//
// Under layout months a subscriber has a row in the months it was on network;
// what is not monthly, and the dirt rows, are in the scoring month. Joined by
// number it is the wide layout again.
package province

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"rescore/partition/schema"
	"rescore/partition/store"
	"rescore/partition/synth"
)

// Folders of the store.
const (
	BaseFolder  = "base"
	LabelFolder = "labels"
)

var (
	// ErrNotEmpty is returned by Write when there is a province already.
	ErrNotEmpty = errors.New("the folder is not empty")
	// ErrOption is returned by Write for an option it does not know.
	ErrOption = errors.New("unknown option")
)

// Options say what to write and how.
type Options struct {
	Province synth.Province

	Format      string // parquet (default), arrow or csv
	Layout      string // wide (default) or months
	Compression string // of Parquet: snappy (default), zstd or none; of Arrow: none (default) or zstd
	Files       int    // files of consecutive subscribers; default one per million begun
	Workers     int    // files written at a time; default 1
	Force       bool   // delete the province that is there first
	// Columns are what is written of layout wide, by their names in the file and in the
	// canonical order; nil for all.
	Columns []string

	// Progress is told, one call at a time, how many rows of the scoring month
	// are written so far. May be nil.
	Progress func(rows int64)
}

// Summary is what was written.
type Summary struct {
	Rows    int64         `json:"rows"`   // of the scoring month: subscribers and dirt rows
	Labels  int64         `json:"labels"` // subscribers in the base at the end of m
	Bytes   int64         `json:"bytes"`
	Files   []string      `json:"files"` // names in the store, in order of subscribers, labels last
	Planted synth.Planted `json:"planted"`
}

// Write makes the province and writes it into st. When it returns an error,
// files may be missing, but every one that is there is whole.
func Write(ctx context.Context, st store.Store, o Options) (Summary, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Summary{}, err
	}
	base, err := synth.New(o.Province)
	if err != nil {
		return Summary{}, err
	}
	if err := clearTarget(ctx, st, o.Force); err != nil {
		return Summary{}, err
	}
	p := &printer{options: o, base: base, store: st}
	parts := make([]Summary, o.Files)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(o.Workers)
	for f := range o.Files {
		g.Go(func() error {
			var err error
			parts[f], err = p.part(ctx, f)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return Summary{}, err
	}
	return join(parts), nil
}

func (o Options) withDefaults() (Options, error) {
	if o.Format == "" {
		o.Format = "parquet"
	}
	if o.Layout == "" {
		o.Layout = "wide"
	}
	if o.Compression == "" {
		o.Compression = compressionSnappy
		if o.Format == "arrow" { // which is to be looked at where it lies
			o.Compression = compressionNone
		}
	}
	if o.Files == 0 {
		o.Files = int(max(1, (o.Province.Subscribers+999_999)/1_000_000))
	}
	if o.Workers == 0 {
		o.Workers = 1
	}
	var errs []error
	for _, c := range []struct{ name, value, known string }{
		{"format", o.Format, "parquet, arrow, csv"},
		{"layout", o.Layout, "wide, months"},
		{"compression", o.Compression, "snappy, zstd, none"},
	} {
		known := false
		for k := range strings.SplitSeq(c.known, ", ") {
			known = known || k == c.value
		}
		if !known {
			errs = append(errs, fmt.Errorf("%w: %s %q is none of %s", ErrOption, c.name, c.value, c.known))
		}
	}
	if o.Format == "arrow" && o.Compression == compressionSnappy {
		errs = append(errs, fmt.Errorf("%w: Arrow knows no snappy; use zstd or none", ErrOption))
	}
	if o.Files < 1 || int64(o.Files) > max(1, o.Province.Subscribers) {
		errs = append(errs, fmt.Errorf("%w: %d files for %d subscribers", ErrOption, o.Files, o.Province.Subscribers))
	}
	if o.Workers < 1 {
		errs = append(errs, fmt.Errorf("%w: %d workers", ErrOption, o.Workers))
	}
	if len(o.Columns) > 0 && (o.Layout != "wide" || !slices.Contains(o.Columns, schema.Key)) {
		errs = append(errs, fmt.Errorf("%w: some columns only, of layout %s: it takes layout wide and the column %s", ErrOption, o.Layout, schema.Key))
	}
	return o, errors.Join(errs...)
}

// clearTarget refuses a store that holds a province already, or empties it.
// Only the two folders of a province are ever looked at or deleted from.
func clearTarget(ctx context.Context, st store.Store, force bool) error {
	for _, folder := range []string{BaseFolder, LabelFolder} {
		there, err := st.List(ctx, folder+"/")
		if err != nil {
			return fmt.Errorf("list %s of %s: %w", folder, st, err)
		}
		if len(there) > 0 && !force {
			return fmt.Errorf("write a province to %s: %s holds %d files: %w; choose another folder or force", st, folder, len(there), ErrNotEmpty)
		}
		for _, o := range there {
			if err := st.Delete(ctx, o.Name); err != nil {
				return fmt.Errorf("delete %s: %w", o.Name, err)
			}
		}
	}
	return nil
}

func join(parts []Summary) Summary {
	var s Summary
	var labels []string
	for _, p := range parts {
		s.Rows += p.Rows
		s.Labels += p.Labels
		s.Bytes += p.Bytes
		s.Planted = s.Planted.Add(p.Planted)
		last := len(p.Files) - 1
		s.Files = append(s.Files, p.Files[:last]...)
		labels = append(labels, p.Files[last])
	}
	s.Files = append(s.Files, labels...)
	return s
}

// printer is one Write.
type printer struct {
	options Options
	base    *synth.Base
	store   store.Store

	mu   sync.Mutex
	rows int64
}

func (p *printer) progress(rows int) {
	if p.options.Progress == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows += int64(rows)
	p.options.Progress(p.rows)
}
