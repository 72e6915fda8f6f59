package sink

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"strconv"

	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/plain"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/worker/intake"
)

// Row groups and pages of a prepared base are cut by rows and by bytes, whichever comes
// first: how, follows from the rows alone (invariant I5).
const (
	baseGroupRows  = RowGroupRows
	baseGroupBytes = 32 << 20
	basePageRows   = 1 << 14
	basePageBytes  = 1 << 20
)

// A column is written by dictionary when it has few values, and they save something.
const (
	baseDictionaryMax      = 1 << 15
	baseDictionaryBytesMax = 1 << 20
)

// Base writes a partition of a prepared base: one Parquet file, the numbers first, as
// REQUIRED INT64 by delta; the other columns OPTIONAL, of the type and meaning they had,
// by dictionary where that is shorter. No column has bounds in the footer: they would
// name subscribers. It serves one goroutine.
type Base struct {
	refusals
	name    string
	out     *output
	fields  []intake.Field
	schema  string
	numbers []int64
	columns []baseColumn // without the number's
	bytes   int          // of all columns
	groups  []format.RowGroup
	cells   intake.Reader

	pages basePages
}

// CreateBase starts the file of an attempt. The fields are the columns, the number's
// first; schema is their fingerprint.
func CreateBase(ctx context.Context, st store.Store, a Attempt, fields []intake.Field, schema string) (*Base, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	codec, err := codecFor(a.Compression)
	if err != nil {
		return nil, fmt.Errorf("stage task %d of job %s: %w", a.Task, a.Job, err)
	}
	name := a.name("part", "parquet")
	w, err := st.Create(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("stage task %d of job %s: %w", a.Task, a.Job, err)
	}
	b := &Base{
		refusals: refusals{attempt: a, store: st}, name: name, out: newOutput(w),
		fields: fields, schema: schema, columns: make([]baseColumn, len(fields)-1),
	}
	for i := range b.columns {
		b.columns[i].typ = fields[i+1].Type
	}
	b.pages.open(b.out, codec)
	if _, err := b.out.Write(magic); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return b, nil
}

// Keep adds a row. Numbers do not fall.
func (b *Base) Keep(r *intake.Row) error {
	if n := len(b.numbers); n > 0 && b.numbers[n-1] > int64(r.Number) {
		return fmt.Errorf("write %s: %w: numbers fall", b.name, ErrContent)
	}
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
	if b.bytes += 8 + len(r.Cells); len(b.numbers) == baseGroupRows || b.bytes >= baseGroupBytes {
		return b.flush()
	}
	return nil
}

// flush writes the row group.
func (b *Base) flush() error {
	rows := len(b.numbers)
	if rows == 0 {
		return nil
	}
	g := format.RowGroup{NumRows: int64(rows), FileOffset: b.out.offset, Ordinal: int16(len(b.groups)), SortingColumns: []format.SortingColumn{{ColumnIdx: 0}}}
	take := func() {
		m := b.pages.meta
		g.Columns = append(g.Columns, format.ColumnChunk{MetaData: m})
		g.TotalByteSize += m.TotalUncompressedSize
		g.TotalCompressedSize += m.TotalCompressedSize
	}
	b.pages.column(b.fields[0].Name, format.Int64, rows)
	for from := 0; from < rows; from += basePageRows {
		page := b.numbers[from:min(from+basePageRows, rows)]
		var err error
		if b.pages.page, err = new(delta.BinaryPackedEncoding).EncodeInt64(b.pages.page[:0], page); err != nil {
			return err
		}
		if err := b.pages.data(len(page), format.DeltaBinaryPacked); err != nil {
			return err
		}
	}
	take()
	for i := range b.columns {
		c := &b.columns[i]
		b.pages.column(b.fields[i+1].Name, physical(c.typ), rows)
		if err := b.pages.add(c); err != nil {
			return fmt.Errorf("write column %s: %w", b.fields[i+1].Name, err)
		}
		take()
		c.reset()
	}
	b.groups = append(b.groups, g)
	b.numbers, b.bytes = b.numbers[:0], 0
	return nil
}

// Finish commits the files. They are not yet proven: whoever asked for them reads them
// again.
func (b *Base) Finish(ctx context.Context) (Output, error) {
	if err := b.finish(ctx); err != nil {
		return Output{}, b.undo(ctx, fmt.Errorf("finish %s: %w", b.name, err))
	}
	return b.result, nil
}

func (b *Base) finish(context.Context) error {
	if err := b.flush(); err != nil {
		return err
	}
	content := hex.EncodeToString(b.out.hash.Sum(nil)) // Sum leaves the state as it is
	if err := b.footer(); err != nil {
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

// createdByPrepare is fixed: a newer build of the same layout writes the same bytes.
const createdByPrepare = "rescore prepared base version 1.0.0"

// footer ends the file. The token takes 20 digits whatever it is.
func (b *Base) footer() error {
	meta := format.FileMetaData{
		Version:   2,
		Schema:    []format.SchemaElement{{Name: "base", NumChildren: thrift.New(int32(len(b.fields)))}},
		NumRows:   b.result.Counts.Scored,
		RowGroups: append([]format.RowGroup{}, b.groups...), // required, even when empty
		KeyValueMetadata: []format.KeyValue{
			{Key: keyJob, Value: string(b.attempt.Job)},
			{Key: keyMonth, Value: strconv.Itoa(int(b.attempt.Month))},
			{Key: keyPartition, Value: b.attempt.Range.String()},
			{Key: keySchema, Value: b.schema},
			{Key: keyToken, Value: fmt.Sprintf("%020d", b.attempt.Token)},
		},
		CreatedBy: createdByPrepare,
	}
	for i, f := range b.fields {
		var e format.SchemaElement
		if err := thrift.Unmarshal(new(thrift.CompactProtocol), []byte(f.Meaning), &e); err != nil {
			return fmt.Errorf("read the meaning of column %s: %w", f.Name, err)
		}
		e.Name, e.Type, e.RepetitionType = f.Name, thrift.New(physical(f.Type)), thrift.New(format.Optional)
		if i == 0 {
			e.RepetitionType = thrift.New(format.Required)
		}
		meta.Schema = append(meta.Schema, e)
		meta.ColumnOrders = append(meta.ColumnOrders, format.ColumnOrder{Value: new(format.TypeDefinedOrder)})
	}
	var footer bytes.Buffer
	if err := thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&footer)).Encode(&meta); err != nil {
		return fmt.Errorf("encode the footer: %w", err)
	}
	tail := binary.LittleEndian.AppendUint32(footer.Bytes(), uint32(footer.Len()))
	_, err := b.out.Write(append(tail, magic...))
	return err
}

func physical(t intake.Type) format.Type {
	return [...]format.Type{
		intake.Boolean: format.Boolean, intake.Int32: format.Int32, intake.Int64: format.Int64, intake.Float: format.Float,
		intake.Double: format.Double, intake.ByteArray: format.ByteArray,
	}[t]
}

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

// basePages writes the pages of one column of one row group after another.
type basePages struct {
	pageWriter

	table  [2 * baseDictionaryMax]int32 // by hash: one more than a code
	firsts []int32                      // by code: the first value that has it
	codes  []int32                      // by value
	levels rle.Encoding
	runs   []byte // levels, or codes
}

// add writes an optional column.
func (p *basePages) add(c *baseColumn) error {
	p.meta.Statistics.NullCount = int64(len(c.set) - c.n)
	coded := p.coded(c)
	if coded {
		if err := p.writeDictionary(c); err != nil {
			return err
		}
	}
	for row, value := 0, 0; row < len(c.set); {
		rows, values, size := 0, 0, 0
		for row+rows < len(c.set) && rows < basePageRows && size < basePageBytes {
			if c.set[row+rows] != 0 {
				if !coded {
					size += len(c.value(value+values)) + 4
				}
				values++
			}
			rows++
		}
		if err := p.level(c.set[row : row+rows]); err != nil {
			return err
		}
		encoding := format.Plain
		if coded {
			encoding = format.RLEDictionary
			if err := p.appendCodes(p.codes[value : value+values]); err != nil {
				return err
			}
		} else {
			p.appendPlain(c, value, values)
		}
		if err := p.data(rows, encoding); err != nil {
			return err
		}
		row, value = row+rows, value+values
	}
	return nil
}

// level begins a page with which rows have a value.
func (p *basePages) level(set []uint8) (err error) {
	p.levels.BitWidth = 1
	if p.runs, err = p.levels.EncodeLevels(p.runs[:0], set); err != nil {
		return err
	}
	p.page = append(binary.LittleEndian.AppendUint32(p.page[:0], uint32(len(p.runs))), p.runs...)
	return nil
}

// codeBits is the width of a code. A dictionary of one entry still takes a bit.
func (p *basePages) codeBits() int { return max(1, bits.Len(uint(len(p.firsts)-1))) }

func (p *basePages) appendCodes(codes []int32) (err error) {
	p.levels.BitWidth = p.codeBits()
	p.runs = p.runs[:0]
	if len(codes) > 0 {
		if p.runs, err = p.levels.EncodeInt32(p.runs, codes); err != nil {
			return err
		}
	}
	p.page = append(append(p.page, byte(p.levels.BitWidth)), p.runs...)
	return nil
}

// appendPlain appends n values from one on.
func (p *basePages) appendPlain(c *baseColumn, from, n int) {
	switch c.typ {
	case intake.ByteArray:
		for i := from; i < from+n; i++ {
			v := c.value(i)
			p.page = append(binary.LittleEndian.AppendUint32(p.page, uint32(len(v))), v...)
		}
	case intake.Boolean:
		at := len(p.page)
		p.page = append(p.page, make([]byte, (n+7)/8)...)
		for i := range n {
			p.page[at+i>>3] |= c.data[from+i] & 1 << (i & 7)
		}
	default:
		w := c.typ.Width()
		p.page = append(p.page, c.data[from*w:(from+n)*w]...)
	}
}

// coded gives every value a code, in the order in which they come first. It
// reports whether the column is shorter that way.
func (p *basePages) coded(c *baseColumn) bool {
	if c.n == 0 || c.typ == intake.Boolean {
		return false
	}
	clear(p.table[:])
	p.firsts, p.codes = p.firsts[:0], p.codes[:0]
	size := 0
	for i := range c.n {
		v := c.value(i)
		at := intake.Hash(partition.Number(len(v)), v)
		for {
			at &= uint64(len(p.table) - 1)
			code := p.table[at] - 1
			if code < 0 {
				size += len(v) + 4
				if len(p.firsts) == baseDictionaryMax || size > baseDictionaryBytesMax {
					return false
				}
				p.table[at] = int32(len(p.firsts)) + 1
				p.codes = append(p.codes, int32(len(p.firsts)))
				p.firsts = append(p.firsts, int32(i))
				break
			}
			if bytes.Equal(c.value(int(p.firsts[code])), v) {
				p.codes = append(p.codes, code)
				break
			}
			at++
		}
	}
	whole := len(c.data) + 4*len(c.ends)
	return size+c.n*p.codeBits()/8 < whole
}

func (p *basePages) writeDictionary(c *baseColumn) error {
	p.page = p.page[:0]
	for _, i := range p.firsts {
		v := c.value(int(i))
		if c.typ == intake.ByteArray {
			p.page = plain.AppendInt32(p.page, int32(len(v)))
		}
		p.page = append(p.page, v...)
	}
	return p.dictionary(len(p.firsts), false)
}
