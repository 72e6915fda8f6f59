package province

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"

	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/schema"
	"rescore/partition/store"
	"rescore/partition/synth"
)

// Subscribers of a batch, rows of a page and pages of a row group. A batch is
// 0.8 MB of columns: between synth and the encoder it stays in a core's own
// cache. A row group waits encoded, about 25 MB.
const (
	batchSubscribers  = 1024
	pageRows          = 8192
	rowGroupPages     = 16
	compressionNone   = "none"
	compressionZstd   = "zstd"
	compressionSnappy = "snappy"
)

// encoder turns batches of one table into one file.
type encoder interface {
	// write appends n rows of the columns.
	write(columns []synth.Column, n int) error
	// finish writes what belongs at the end.
	finish() error
}

// output is one file being written.
type output struct {
	name    string
	w       store.Writer
	written int64
	encoder
}

// Write counts, and says what to do when the disk is full.
func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	o.written += int64(n)
	if errors.Is(err, syscall.ENOSPC) {
		err = fmt.Errorf("%w: free space or write fewer subscribers", err)
	}
	return n, err
}

var _ io.Writer = (*output)(nil)

func (p *printer) open(ctx context.Context, name string, columns []synth.Column) (*output, error) {
	w, err := p.store.Create(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	o := &output{name: name, w: w}
	switch p.options.Format {
	case "csv":
		o.encoder, err = newCSV(o, columns)
	case "arrow":
		o.encoder, err = newArrow(o, columns, p.options.Compression)
	default:
		codec := map[string]format.CompressionCodec{
			compressionNone: format.Uncompressed, compressionZstd: format.Zstd, compressionSnappy: format.Snappy,
		}[p.options.Compression]
		o.encoder, err = newParquet(o, columns, codec)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", name, err), w.Close())
	}
	return o, nil
}

// close finishes and commits the file.
func (o *output) close() error {
	if err := o.finish(); err != nil {
		return fmt.Errorf("write %s: %w", o.name, err)
	}
	if err := o.w.Commit(); err != nil {
		return fmt.Errorf("commit %s: %w", o.name, err)
	}
	return nil
}

// part writes the files of one run of consecutive subscribers.
func (p *printer) part(ctx context.Context, f int) (s Summary, err error) {
	total, files := p.options.Province.Subscribers, int64(p.options.Files)
	first, past := total/files*int64(f)+min(total%files, int64(f)), int64(0)
	past = first + total/files
	if int64(f) < total%files {
		past++
	}

	batch := synth.NewBatch()
	views := p.views(batch)
	label := newLabels()
	var open []*output
	defer func() {
		for _, o := range open {
			if closeErr := o.w.Close(); err == nil && closeErr != nil {
				err = fmt.Errorf("close %s: %w", o.name, closeErr)
			}
		}
	}()
	for _, v := range views {
		o, err := p.open(ctx, fmt.Sprintf("%s/%spart-%05d.%s", BaseFolder, v.folder, f, p.options.Format), v.columns)
		if err != nil {
			return s, err
		}
		open = append(open, o)
	}
	o, err := p.open(ctx, fmt.Sprintf("%s/part-%05d.%s", LabelFolder, f, p.options.Format), label.columns)
	if err != nil {
		return s, err
	}
	open = append(open, o)

	for at := first; at < past; at += batchSubscribers {
		if err := ctx.Err(); err != nil {
			return s, fmt.Errorf("write part %d: %w", f, context.Cause(ctx))
		}
		n := p.base.Fill(batch, at, min(batchSubscribers, past-at))
		s.Rows += int64(n)
		s.Planted = s.Planted.Add(batch.Planted)
		for k, v := range views {
			if err := open[k].write(v.columns, v.look(batch)); err != nil {
				return s, fmt.Errorf("write %s: %w", open[k].name, err)
			}
		}
		labelled := label.look(batch)
		s.Labels += int64(labelled)
		if err := o.write(label.columns, labelled); err != nil {
			return s, fmt.Errorf("write %s: %w", o.name, err)
		}
		p.progress(n)
	}
	for _, o := range open {
		if err := o.close(); err != nil {
			return s, err
		}
		s.Bytes += o.written
		s.Files = append(s.Files, o.name)
	}
	return s, nil
}

// views are the tables a batch is written as: itself, or one for each month.
func (p *printer) views(b *synth.Batch) []*view {
	if p.options.Layout == "wide" {
		v := &view{columns: b.Columns}
		if wanted := p.options.Columns; len(wanted) > 0 {
			v.columns = slices.DeleteFunc(slices.Clone(b.Columns), func(c synth.Column) bool { return !slices.Contains(wanted, c.Name) })
		}
		return []*view{v}
	}
	var views []*view
	for k := range schema.Months {
		views = append(views, newView(b, k, p.options.Province.Month))
	}
	return views
}
