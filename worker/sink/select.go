package sink

import (
	"context"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"reflect"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/partition/store"
)

// Selection is how the columns of the select stage are made of a score file.
type Selection struct {
	Scores    job.File // the partition's score file, as staged
	Columns   []string // of schema.Score, that Eval reads
	BatchRows int
	// Eval is given batches of Columns, at most BatchRows rows each, and returns as
	// many rows of schema.Selected, valid until the next call.
	Eval func(arrow.Record) (arrow.Record, error)
}

// Select writes the published file of a partition:
//
//	score file:      PAR1 │ pages of every row group │ footer
//	                      │ as they are              │
//	published file:  PAR1 │ pages of every row group │ pages of schema.Selected │ footer
//
// Parquet finds a column chunk by the footer, wherever in the file it is. So no row
// is scored again and no page is encoded again; and the bytes that are copied are
// held to the SHA-256 of those that the score stage verified. What is reported as
// Rows is the select stage's part of the row sum alone.
func Select(ctx context.Context, st store.Store, a Attempt, s Selection) (Output, error) {
	out, err := newSelection(ctx, st, a, s)
	if err != nil {
		return Output{}, fmt.Errorf("select from %s: %w", s.Scores.Path, err)
	}
	return out, nil
}

// copied is the part of a published file that was in the score file.
type copied struct {
	content string                 // SHA-256 of the bytes before end
	end     int64                  // where the score file's footer began
	columns [][]format.ColumnChunk // by row group
	layout  *layout                // of the published file
}

func newSelection(ctx context.Context, st store.Store, a Attempt, s Selection) (Output, error) {
	if err := a.check(); err != nil {
		return Output{}, err
	}
	codec, err := codecFor(a.Compression)
	if err != nil {
		return Output{}, err
	}
	o, err := st.Open(ctx, s.Scores.Path)
	if err != nil {
		return Output{}, err
	}
	defer o.Close()
	f, err := open(o)
	if err != nil {
		return Output{}, err
	}
	if err := f.isFrom(a); err != nil {
		return Output{}, err
	}
	name := a.name("part", "parquet")
	w, err := st.Create(ctx, name)
	if err != nil {
		return Output{}, err
	}
	defer w.Close() // abandons what was not committed
	to := newOutput(w)
	if err := f.copyTo(ctx, to, s.Scores); err != nil {
		return Output{}, err
	}
	result := Output{within: a.Range, copied: &copied{content: s.Scores.Content, end: f.end, layout: layoutsOf(a.Challengers).published}}
	enc := newEncoder(to, codec)
	if err := f.extend(ctx, enc, s, &result); err != nil {
		return Output{}, err
	}
	content := hex.EncodeToString(to.hash.Sum(nil))
	if err := enc.writeFooter(a, layoutsOf(a.Challengers).published, f.meta.NumRows); err != nil {
		return Output{}, err
	}
	if err := to.commit(); err != nil {
		return Output{}, err
	}
	result.Counts = job.Counts{In: f.meta.NumRows, Scored: f.meta.NumRows}
	result.Files = []job.File{{
		Kind: job.FileScores, Path: name, Rows: f.meta.NumRows, Bytes: to.offset,
		SHA256: hex.EncodeToString(to.hash.Sum(nil)), Content: content,
	}}
	return result, nil
}

// isFrom returns ErrContent unless the file is the score file of the attempt's
// partition.
func (f *scoreFile) isFrom(a Attempt) error {
	if f.layout != layoutsOf(a.Challengers).scored {
		return fmt.Errorf("%w: it is no score file of the job, or went through the select stage already", ErrLayout)
	}
	want := Provenance{Job: a.Job, ModelDigest: a.ModelDigest, RulesDigest: a.RulesDigest, Partition: a.Range.String(), Month: a.Month, Token: f.from.Token}
	if f.from != want {
		return fmt.Errorf("%w: it is a file of %+v, and partition %s of job %s is asked for", ErrContent, f.from, want.Partition, want.Job)
	}
	return nil
}

// copyTo copies the pages and checks every byte of the file, the footer too,
// against what the score stage verified.
func (f *scoreFile) copyTo(ctx context.Context, to *output, want job.File) error {
	buffer := make([]byte, outputBuffer)
	piece := func(w io.Writer, from, past int64) error {
		for from < past {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(int64(len(buffer)), past-from)
			if _, err := io.ReadFull(io.NewSectionReader(f.object, from, n), buffer[:n]); err != nil {
				return fmt.Errorf("%w: %w", ErrDamaged, err)
			}
			if _, err := w.Write(buffer[:n]); err != nil {
				return err
			}
			from += n
		}
		return nil
	}
	if err := piece(to, 0, f.end); err != nil {
		return err
	}
	content := hex.EncodeToString(to.hash.Sum(nil))
	whole, err := to.hash.(hash.Cloner).Clone()
	if err != nil {
		return err
	}
	if err := piece(whole, f.end, f.object.Size()); err != nil {
		return err
	}
	if f.object.Size() != want.Bytes || content != want.Content || hex.EncodeToString(whole.Sum(nil)) != want.SHA256 {
		return fmt.Errorf("%w: SHA-256 or length differs from what the score stage verified; delete run.work and run the job again", ErrDamaged)
	}
	return nil
}

// extend makes and writes the columns of the select stage, a row group at a time.
func (f *scoreFile) extend(ctx context.Context, enc *encoder, s Selection, result *Output) error {
	added := selected.full.Get().(*group)
	defer added.release()
	next := 0
	return f.groups(ctx, f.layout.only(s.Columns...), func(g *group) error {
		added.reset()
		if err := added.eval(g, s); err != nil {
			return err
		}
		result.Rows = result.Rows.Add(added.rowSum())
		meta := f.meta.RowGroups[next]
		next++
		result.copied.columns = append(result.copied.columns, meta.Columns)
		meta.Columns = append([]format.ColumnChunk(nil), meta.Columns...)
		if err := enc.writeColumns(&meta, added, 1, &result.Tally); err != nil {
			return err
		}
		enc.groups = append(enc.groups, meta)
		return nil
	})
}

// eval fills the group with the keys of scores and what s makes of its other
// columns.
func (g *group) eval(scores *group, s Selection) error {
	all := scores.record() // the key first
	rest := array.NewRecord(arrow.NewSchema(all.Schema().Fields()[1:], nil), all.Columns()[1:], all.NumRows())
	for from := 0; from < scores.rows; {
		n := min(s.BatchRows, scores.rows-from)
		made, err := s.Eval(rest.NewSlice(int64(from), int64(from+n)))
		if err != nil {
			return err
		}
		if err := checkSchema(made.Schema(), schema.Selected); err != nil {
			return err
		}
		if err := checkNulls(made); err != nil {
			return err
		}
		if made.NumRows() != int64(n) {
			return fmt.Errorf("%w: %d rows where %d were asked for", ErrBatch, made.NumRows(), n)
		}
		g.columns[0].take(all.Column(0).Data(), from, from+n)
		for i, column := range made.Columns() {
			g.columns[1+i].take(column.Data(), 0, n)
		}
		g.rows += n
		from += n
	}
	return nil
}

// verifySelected reads a published file again: its bytes, those that were copied
// apart; its footer, which must place the copied columns where the score file did;
// and every value the select stage added, beside its key.
func (o Output) verifySelected(ctx context.Context, st store.Store, file job.File) error {
	object, err := st.Open(ctx, file.Path)
	if err != nil {
		return err
	}
	defer object.Close()
	f, err := open(object)
	if err != nil {
		return err
	}
	whole, before, err := digest(ctx, object, o.copied.end, f.end)
	if err != nil {
		return err
	}
	if object.Size() != file.Bytes || whole != file.SHA256 || before[0] != o.copied.content || before[1] != file.Content {
		return fmt.Errorf("%w: SHA-256 or length differs from the one written", ErrDamaged)
	}
	if f.layout != o.copied.layout || len(f.meta.RowGroups) != len(o.copied.columns) {
		return fmt.Errorf("%w: it is not made of the score file it was made of", ErrLayout)
	}
	for i, columns := range o.copied.columns {
		if !reflect.DeepEqual([]format.ColumnChunk(f.meta.RowGroups[i].Columns[:len(columns)]), columns) {
			return fmt.Errorf("%w: the columns of row group %d are not where the score file had them", ErrLayout, i)
		}
	}
	var rows int64
	var sum partition.Sum // the keys are part of it
	err = f.groups(ctx, selected, func(g *group) error {
		rows, sum = rows+int64(g.rows), sum.Add(g.rowSum())
		return nil
	})
	if err == nil && (rows != o.Counts.Scored || rows != file.Rows || sum != o.Rows) {
		err = fmt.Errorf("%w: rows or sums differ from what was selected", ErrContent)
	}
	return err
}
