package sink

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"reflect"
	"runtime/debug"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/partition/store"
	"rescore/worker/freelist"
)

// Selection is how the columns of the select stage are made of a score file.
type Selection struct {
	Scores    job.File // the partition's score file, as staged
	Columns   []string // of schema.Score, that Eval reads
	BatchRows int      // 1 or more
	// Eval is given batches of Columns, at most BatchRows rows each, and returns as
	// many rows of schema.Selected, valid until the next call.
	Eval func(arrow.Record) (arrow.Record, error)
	// Explained are the rows whose reasons are written anew, by number, in order. A
	// number that the file does not have is an error.
	Explained []Explained
}

// Explained are the reasons of a row, worked out anew.
type Explained struct {
	Number uint64
	Code   [3]uint16 // reason1 to reason3; 0: none
	Method uint8     // reason_method
}

// Scan reads columns of a staged score file: visit is given the numbers and a record
// of the columns, at most RowGroupRows rows each, valid until it returns. The bytes
// are held to those that were verified when Select goes on from them. It returns ErrDamaged or
// ErrLayout for what is no score file, and the errors of visit.
func Scan(ctx context.Context, st store.Store, name string, columns []string, visit func(keys []uint64, rows arrow.Record) error) (err error) {
	f, err := openStaged(ctx, st, name, func(*scoreFile) error { return nil })
	if err == nil {
		defer f.object.Close()
		defer store.Faults(debug.SetPanicOnFault(true), &err, errCut)
		err = f.groups(ctx, f.layout.only(columns...), func(g *group) error {
			r := g.withoutKey()
			defer r.Release()
			return visit(g.keys(), r)
		})
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// openStaged opens a staged score file that check finds good. Another attempt may extend
// it meanwhile, so that its footer, which is read here alone, is gone: then it is
// there for whoever opens it again.
func openStaged(ctx context.Context, st store.Store, name string, check func(*scoreFile) error) (*scoreFile, error) {
	try := func() (f *scoreFile, err error) {
		o, err := st.Open(ctx, name)
		if err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, o.Close())
			}
		}()
		defer store.Faults(debug.SetPanicOnFault(true), &err, errCut)
		if f, err = open(imageOf(o)); err != nil {
			return nil, err
		}
		return f, check(f)
	}
	f, err := try()
	if errors.Is(err, ErrDamaged) {
		f, err = try()
	}
	return f, err
}

// withoutKey returns the rows as a record of the other columns.
func (g *group) withoutKey() arrow.Record {
	all := g.record()
	defer all.Release()
	return array.NewRecord(arrow.NewSchema(all.Schema().Fields()[1:], nil), all.Columns()[1:], all.NumRows())
}

// Select writes the published file of a partition:
//
//	score file:      PAR1 │ pages of every row group │ footer
//	                      │ as they are              │
//	published file:  PAR1 │ pages of every row group │ pages of schema.Selected │ footer
//
// Parquet finds a column chunk by the footer, wherever in the file it is. So no row
// is scored again and no page is encoded again; a store that can extend the score file
// does not even copy them. Either way they are held to those that the score stage
// verified, by the score file's seal. A row group with rows
// that are explained anew has its pages of schema.Reasons written again, and its
// footer no longer names the old ones. What is reported as Rows is the select
// stage's part of the row sum alone: with new reasons, less the old ones. So is
// what is reported of their methods in the tally.
//
// The file is committed and proven as Finish does it, and nothing is left of it after an
// error that could be removed.
func Select(ctx context.Context, st store.Store, a Attempt, s Selection) (Output, error) {
	out, err := newSelection(ctx, st, a, s)
	if err != nil {
		return Output{}, fmt.Errorf("select from %s: %w", s.Scores.Path, err)
	}
	out.release()
	return out, nil
}

// carried is the part of a published file that was in the score file.
type carried struct {
	end     int64                  // where the score file's footer began
	columns [][]format.ColumnChunk // by row group: of the score file, and those in their place
	layout  *layout                // of the published file
	taken   partition.Sum          // of the reasons that were written anew, as they were
	keys    []*group               // by row group: of every row, as they were read beside what the added columns are made of
}

func newSelection(ctx context.Context, st store.Store, a Attempt, s Selection) (_ Output, err error) {
	if err := a.check(); err != nil {
		return Output{}, err
	}
	codec, err := codecFor(a.Compression)
	if err != nil {
		return Output{}, err
	}
	var sealed seal
	f, err := openStaged(ctx, st, s.Scores.Path, func(f *scoreFile) (err error) {
		if a, err = f.judged(a, s.Scores.Path); err != nil {
			return err
		}
		sealed, err = f.sealed(ctx, s.Scores)
		return err
	})
	if err != nil {
		return Output{}, err
	}
	defer f.object.Close()
	defer store.Faults(debug.SetPanicOnFault(true), &err, errCut)
	rest := pendings.Get()
	defer pendings.Put(rest)
	rest.Reset()
	result := Output{
		Counts: job.Counts{In: f.meta.NumRows, Scored: f.meta.NumRows}, within: a.Range, spare: a.spare,
		carried: &carried{end: f.end, layout: layoutsOf(a.Challengers).published},
	}
	file := job.File{Kind: job.FileScores, Path: a.name("part", "parquet"), Rows: f.meta.NumRows}
	write := func() error {
		to, err := f.follow(ctx, sealed, rest)
		if err != nil {
			return err
		}
		enc := newEncoder(to, codec)
		defer enc.release()
		if err := f.extend(ctx, enc, s, &result); err != nil {
			return err
		}
		file.Content = hex.EncodeToString(to.hash.Sum(nil))
		if err := enc.writeFooter(a, result.carried.layout, f.meta.NumRows); err != nil {
			return err
		}
		if err := to.end(); err != nil {
			return err
		}
		file.Bytes, file.SHA256 = to.offset, hex.EncodeToString(to.hash.Sum(nil))
		result.whole, result.Files = to.place(), []job.File{file}
		return a.written(ctx)
	}
	// The disk is waited for while there is something to do: it takes as long as half of
	// what a task of half a million rows makes.
	var w store.Writer
	err = both(write, func() (err error) {
		w, err = f.begin(ctx, st, s.Scores, file.Path)
		return err
	})
	if w != nil {
		defer w.Close() // abandons what was not committed
	}
	if err != nil {
		return Output{}, err
	}
	if _, err := rest.WriteTo(w); err != nil {
		return Output{}, err
	}
	return result, settle(ctx, st, w, file.Path, func(o store.Object) error { return result.verify(ctx, o, file) })
}

// judged returns the attempt as its file is to say it: with the models and rules that
// judged the rows. They are the attempt's own, unless the job is a rerun that kept the
// score file of an earlier job, where that one staged it. The error is ErrLayout for
// other columns than a score file of the job has, and ErrContent unless it is that of the
// attempt's partition.
func (f *scoreFile) judged(a Attempt, name string) (Attempt, error) {
	if f.layout != layoutsOf(a.Challengers).scored {
		return a, fmt.Errorf("%w: it is no score file of the job, or went through the select stage already", ErrLayout)
	}
	want := Provenance{Job: a.Job, ModelDigest: a.ModelDigest, RulesDigest: a.RulesDigest, Partition: a.Range.String(), Month: a.Month, Token: f.from.Token}
	if f.from.Job != a.Job && path.Dir(name)+"/" == f.from.Job.StagingPrefix() {
		want.Job, want.ModelDigest, want.RulesDigest = f.from.Job, f.from.ModelDigest, f.from.RulesDigest
		a.ModelDigest, a.RulesDigest, a.Features = f.from.ModelDigest, f.from.RulesDigest, f.features()
	}
	if f.from != want {
		return a, fmt.Errorf("%w: it is a file of %+v, and partition %s of job %s is asked for", ErrContent, f.from, want.Partition, want.Job)
	}
	return a, nil
}

// pending keeps what comes behind the pages of a score file, a few bytes a row, until all
// of it is there: a task that waits for the store has given its slot back.
type pending struct{ bytes.Buffer }

// Commit implements store.Writer.
func (*pending) Commit() error { return nil }

// Close implements store.Writer.
func (*pending) Close() error { return nil }

// pendings keeps their memory from one task to the next.
var pendings = freelist.List[pending]{New: func() *pending { return new(pending) }}

// follow returns the output of what comes behind the pages of the score file, once it has
// proven these to be the ones that the score stage verified.
func (f *scoreFile) follow(ctx context.Context, sealed seal, rest *pending) (*output, error) {
	to := newOutput(rest)
	if err := pieces(ctx, f.object, 0, f.end, to.checks.Write); err != nil {
		return nil, err
	}
	if to.checks != sealed.checks {
		return nil, errAltered
	}
	so, err := sealed.resume()
	to.hash, to.offset = so, f.end
	return to, err
}

// begin starts the published file with the pages of the score file: they stay where they
// are, or are copied.
func (f *scoreFile) begin(ctx context.Context, st store.Store, scores job.File, name string) (store.Writer, error) {
	if in, can := st.(store.Extender); can {
		w, err := in.Extend(ctx, scores.Path, scores.Bytes, f.end, name)
		if !errors.Is(err, errors.ErrUnsupported) {
			return w, err
		}
	}
	w, err := st.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := pieces(ctx, f.object, 0, f.end, w.Write); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// extend makes and writes the columns of the select stage, a row group at a time.
func (f *scoreFile) extend(ctx context.Context, enc *encoder, s Selection, result *Output) error {
	added := selected.full.Get()
	defer added.release()
	next := 0
	left := s.Explained
	err := f.groups(ctx, f.layout.only(s.Columns...), func(g *group) error {
		keys := g.keys()
		added.reset()
		defer added.borrow(keys)()
		if err := added.eval(g, s); err != nil {
			return err
		}
		result.Rows = result.Rows.Add(added.rowSum(0))
		meta := f.meta.RowGroups[next]
		next++
		meta.Columns = append([]format.ColumnChunk(nil), meta.Columns...)
		n := 0
		for n < len(left) && left[n].Number <= keys[len(keys)-1] {
			n++
		}
		if n > 0 {
			if err := f.explain(enc, &meta, left[:n], result); err != nil {
				return err
			}
			left = left[n:]
		}
		result.carried.columns = append(result.carried.columns, append([]format.ColumnChunk(nil), meta.Columns...))
		if err := enc.writeColumns(&meta, added, 1, &result.Tally); err != nil {
			return err
		}
		enc.groups = append(enc.groups, meta)
		result.carried.keys = append(result.carried.keys, g.giveKeys())
		return nil
	})
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%w: %d rows to be explained are not in it", ErrContent, len(left))
	}
	return err
}

// explain writes the reasons of a row group anew, and puts them in the place of the
// old ones in meta.
func (f *scoreFile) explain(enc *encoder, meta *format.RowGroup, rows []Explained, result *Output) error {
	g := explained.full.Get()
	defer g.release()
	r := readers.Get()
	defer readers.Put(r)
	if err := f.decode(r, g, meta); err != nil {
		return err
	}
	old := g.rowSum(0)
	var code [3][]uint16
	for k := range code {
		code[k] = g.columns[1+k].(*narrow[uint16]).all()
	}
	method := g.columns[4].(*small[uint8]).all()
	change := &result.Tally.Explained
	at, keys := 0, g.keys()
	for _, r := range rows {
		i, found := slices.BinarySearch(keys[at:], r.Number)
		if at += i; !found {
			return fmt.Errorf("%w: a row to be explained is not in it", ErrContent)
		}
		if !change.Count(method[at], -1) || !change.Count(r.Method, 1) {
			return fmt.Errorf("%w: reason_method is none that there is", ErrValue)
		}
		code[0][at], code[1][at], code[2][at], method[at] = r.Code[0], r.Code[1], r.Code[2], r.Method
	}
	result.Rows = result.Rows.Add(g.rowSum(0)).Sub(old)
	result.carried.taken = result.carried.taken.Add(old)
	var anew format.RowGroup
	if err := enc.writeColumns(&anew, g, 1, new(job.Tally)); err != nil { // their tally is the change
		return err
	}
	for i, chunk := range anew.Columns {
		at := &meta.Columns[f.layout.find(schema.Reasons[i].Name)]
		meta.TotalByteSize += chunk.MetaData.TotalUncompressedSize - at.MetaData.TotalUncompressedSize
		meta.TotalCompressedSize += chunk.MetaData.TotalCompressedSize - at.MetaData.TotalCompressedSize
		*at = chunk
	}
	return nil
}

// eval adds to the keys, which are those of scores, what s makes of its other columns.
func (g *group) eval(scores *group, s Selection) error {
	rest := scores.withoutKey()
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
		whole := []span{{0, n}}
		for i, column := range made.Columns() {
			g.columns[1+i].take(column.Data(), whole)
		}
		g.rows += n
		from += n
	}
	return nil
}

// keyed is the layout of the key alone.
var keyed = selected.only()

// giveKeys takes the keys out of a group, which is then to be reset.
func (g *group) giveKeys() *group {
	keys := keyed.full.Get()
	keys.columns[0], g.columns[0] = g.columns[0], keys.columns[0]
	keys.rows = g.rows
	return keys
}

// release gives back the memory that verify takes: nothing is verified after it.
func (o Output) release() {
	for _, keys := range o.carried.keys {
		keys.release()
	}
	o.carried.keys = nil
}

// verifySelected reads a published file again: its bytes, those of the score file
// too, which came from the bytes that the score stage verified; its footer, which must
// place its columns where the score file did; and every value the select stage
// added, beside the key it was made for.
func (o Output) verifySelected(ctx context.Context, object store.Object, file job.File) (err error) {
	defer store.Faults(debug.SetPanicOnFault(true), &err, errCut)
	all := imageOf(object)
	parts := [...]func() error{
		func() error { return o.sameBytes(ctx, &witness{image: all}, file) },
		func() error { return o.verifyAdded(ctx, all, file) },
	}
	return o.each(len(parts), func(i int) error { return parts[i]() })
}

// verifyAdded holds what the select stage added to a file to what it meant to.
func (o Output) verifyAdded(ctx context.Context, all image, file job.File) error {
	f, err := open(all)
	if err != nil {
		return err
	}
	if f.layout != o.carried.layout || len(f.meta.RowGroups) != len(o.carried.columns) {
		return fmt.Errorf("%w: it is not made of the score file it was made of", ErrLayout)
	}
	for i, columns := range o.carried.columns {
		if !reflect.DeepEqual([]format.ColumnChunk(f.meta.RowGroups[i].Columns[:len(columns)]), columns) {
			return fmt.Errorf("%w: the columns of row group %d are not where the score file had them", ErrLayout, i)
		}
	}
	if f.meta.NumRows != o.Counts.Scored || f.meta.NumRows != file.Rows {
		return fmt.Errorf("%w: %d rows where others were selected", ErrContent, f.meta.NumRows)
	}
	var sum partition.Sum // the keys are part of it
	for i := range f.meta.RowGroups {
		if err := ctx.Err(); err != nil {
			return err
		}
		rg, keys := &f.meta.RowGroups[i], o.carried.keys[i].keys()
		if rg.NumRows != int64(len(keys)) {
			return fmt.Errorf("%w: %d rows in row group %d where others were selected", ErrContent, rg.NumRows, i)
		}
		of, err := f.added(rg, keys, o.carried.end)
		if err != nil {
			return fmt.Errorf("row group %d: %w", i, err)
		}
		sum = sum.Add(of)
	}
	if sum.Sub(o.carried.taken) != o.Rows {
		return fmt.Errorf("%w: sums differ from what was selected", ErrContent)
	}
	return nil
}

// added sums up what the select stage wrote of a row group, behind the score file's
// pages: its columns beside the keys, and the reasons that it wrote anew.
func (f *scoreFile) added(rg *format.RowGroup, keys []uint64, end int64) (sum partition.Sum, err error) {
	defer recovered(&err)
	g := selected.full.Get()
	defer g.release()
	r := readers.Get()
	defer readers.Put(r)
	defer g.borrow(keys)()
	for i, c := range selected.columns[1:] {
		if err := f.column(r, &rg.Columns[f.layout.find(c.Name)].MetaData, g.columns[1+i], len(keys)); err != nil {
			return sum, fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	g.rows = len(keys)
	sum = g.rowSum(0)
	if rg.Columns[f.layout.find(schema.Reasons[0].Name)].MetaData.DataPageOffset < end {
		return sum, nil // the reasons are as the score stage verified them
	}
	anew := explained.full.Get()
	defer anew.release()
	if err := f.decode(r, anew, rg); err != nil {
		return sum, err
	}
	return sum.Add(anew.rowSum(0)), nil
}
