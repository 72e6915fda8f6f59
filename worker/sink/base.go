package sink

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/worker/intake"
)

// Row groups of a prepared base, which in Arrow are record batches, are cut by rows and by
// bytes, whichever comes first: how, follows from the rows alone (invariant I5).
const (
	baseGroupRows  = RowGroupRows
	baseGroupBytes = 32 << 20
)

// Base writes a partition of a prepared base: one file in one of the formats, the numbers
// first and each there; the other columns of the type and meaning they had, with nulls. It
// serves one goroutine.
type Base struct {
	refusals
	name    string
	out     *output
	file    baseFile
	numbers []int64
	last    partition.Number // of all row groups
	columns []baseColumn     // without the number's
	bytes   int              // of all columns, as the format counts them
	cells   intake.Reader
}

// baseFile is a prepared base's file in one of the formats.
type baseFile interface {
	// row returns the bytes that a row takes whose other columns are so many.
	row(cells int) int
	// group writes a row group, of one row at least.
	group(numbers []int64, columns []baseColumn) error
	// close ends the file, which has so many rows.
	close(rows int64) error
}

// CreateBase starts the file of an attempt in a format of job.Prepare. The fields are the
// columns, the number's first; schema is their fingerprint. It fails with store.ErrExist
// when the file is there, which only a repeated nonce can cause.
func CreateBase(ctx context.Context, st store.Store, a Attempt, format string, fields []intake.Field, schema string) (*Base, error) {
	b, err := createBase(ctx, st, a, format, fields, schema)
	if err != nil {
		return nil, fmt.Errorf("stage task %d of job %s: %w", a.Task, a.Job, err)
	}
	return b, nil
}

func createBase(ctx context.Context, st store.Store, a Attempt, format string, fields []intake.Field, schema string) (*Base, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	elements, err := meanings(fields)
	if err != nil {
		return nil, err
	}
	name := a.name("part", format)
	w, err := st.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	b := &Base{refusals: refusals{attempt: a, store: st}, name: name, out: newOutput(w), columns: make([]baseColumn, len(fields)-1)}
	for i := range b.columns {
		b.columns[i].typ = fields[i+1].Type
	}
	if format == job.FormatArrow {
		b.file, err = newArrowBase(b.out, a, fields, elements, schema)
	} else {
		b.file, err = newParquetBase(b.out, a, fields, elements, schema)
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return b, nil
}

// meanings decodes what the columns stand for beyond their types.
func meanings(fields []intake.Field) ([]format.SchemaElement, error) {
	list := make([]format.SchemaElement, len(fields))
	for i, f := range fields {
		if err := thrift.Unmarshal(new(thrift.CompactProtocol), []byte(f.Meaning), &list[i]); err != nil {
			return nil, fmt.Errorf("read the meaning of column %s: %w", f.Name, err)
		}
	}
	return list, nil
}

// Keep adds a row. The error is ErrContent when its number is below that of the row before,
// and intake.ErrRun when its cells are not of the columns: then the attempt is over.
func (b *Base) Keep(r *intake.Row) error {
	if err := b.take(r); err != nil {
		return fmt.Errorf("write %s: %w", b.name, err)
	}
	return nil
}

func (b *Base) take(r *intake.Row) error {
	if r.Number < b.last {
		return fmt.Errorf("%w: numbers fall", ErrContent)
	}
	b.last = r.Number
	if err := b.cells.Open(r.Cells, len(b.columns)); err != nil {
		return err
	}
	for i := range b.columns {
		c := &b.columns[i]
		c.add(b.cells.Next(c.typ))
	}
	if err := b.cells.Close(); err != nil {
		return err
	}
	b.numbers = append(b.numbers, int64(r.Number))
	b.keep(r.Number)
	b.result.Rows = b.result.Rows.AddHash(intake.Hash(r.Number, r.Cells))
	if b.bytes += b.file.row(len(r.Cells)); len(b.numbers) == baseGroupRows || b.bytes >= baseGroupBytes {
		return b.flush()
	}
	return nil
}

// flush writes the row group.
func (b *Base) flush() error {
	if len(b.numbers) == 0 {
		return nil
	}
	if err := b.file.group(b.numbers, b.columns); err != nil {
		return err
	}
	for i := range b.columns {
		b.columns[i].reset()
	}
	b.numbers, b.bytes = b.numbers[:0], 0
	return nil
}

// Finish commits the files. They are not yet proven: whoever asked for them reads them
// again. After an error nothing of the attempt is left that could be removed, once Close
// was called.
func (b *Base) Finish(ctx context.Context) (Output, error) {
	if err := b.finish(); err != nil {
		return Output{}, b.undo(ctx, fmt.Errorf("finish %s: %w", b.name, err))
	}
	return b.result, nil
}

func (b *Base) finish() error {
	if err := b.flush(); err != nil {
		return err
	}
	content := hex.EncodeToString(b.out.hash.Sum(nil)) // Sum leaves the state as it is
	if err := b.file.close(b.result.Counts.Scored); err != nil {
		return err
	}
	if err := b.commit(); err != nil {
		return err
	}
	if err := b.out.commit(); err != nil {
		return err
	}
	b.result.Files = append([]job.File{{
		Kind: job.FileBase, Path: b.name, Rows: b.result.Counts.Scored, Bytes: b.out.offset,
		SHA256: hex.EncodeToString(b.out.hash.Sum(nil)), Content: content,
	}}, b.result.Files...)
	return nil
}

// Close abandons what Finish did not commit. It may be called at any time.
func (b *Base) Close() error { return errors.Join(b.out.writer.Close(), b.abandon()) }

// baseColumn holds one column of the row group: the values that are there, one after
// another.
type baseColumn struct {
	typ  intake.Type
	set  []uint8 // by row: 1 with a value
	data []byte
	ends []uint32 // of values of any length, in data
	n    int      // values
}

func (c *baseColumn) add(value []byte, ok bool) {
	if !ok {
		c.set = append(c.set, 0)
		return
	}
	c.set = append(c.set, 1)
	c.data = append(c.data, value...)
	if c.typ == intake.ByteArray {
		c.ends = append(c.ends, uint32(len(c.data)))
	}
	c.n++
}

func (c *baseColumn) reset() {
	c.set, c.data, c.ends, c.n = c.set[:0], c.data[:0], c.ends[:0], 0
}

// value returns value i.
func (c *baseColumn) value(i int) []byte {
	if w := c.typ.Width(); w > 0 {
		return c.data[i*w : (i+1)*w]
	}
	from := uint32(0)
	if i > 0 {
		from = c.ends[i-1]
	}
	return c.data[from:c.ends[i]]
}
