package sink

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"

	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition"
	"rescore/worker/bitpack"
	"rescore/worker/intake"
)

// Pages are cut by rows and by bytes, as row groups are.
const (
	basePageRows  = 1 << 14
	basePageBytes = 1 << 20
)

// A column is written by dictionary when it has few values, and they save something.
const (
	baseDictionaryMax      = 1 << 15
	baseDictionaryBytesMax = 1 << 20
)

// parquetBase is a prepared base in Parquet: the numbers as REQUIRED INT64 by delta; the
// other columns OPTIONAL, by dictionary where that is shorter. No column has bounds in the
// footer: they would name subscribers.
type parquetBase struct {
	out      *output
	attempt  Attempt
	fields   []intake.Field
	elements []format.SchemaElement
	schema   string
	groups   []format.RowGroup
	pages    basePages
}

func newParquetBase(out *output, a Attempt, fields []intake.Field, elements []format.SchemaElement, schema string) (*parquetBase, error) {
	codec, err := codecFor(a.Compression)
	if err != nil {
		return nil, err
	}
	p := &parquetBase{out: out, attempt: a, fields: fields, elements: elements, schema: schema}
	p.pages.open(out, codec)
	_, err = out.Write(magic)
	return p, err
}

func (*parquetBase) row(cells int) int { return 8 + cells }

func (p *parquetBase) group(numbers []int64, columns []baseColumn) error {
	rows := len(numbers)
	g := format.RowGroup{NumRows: int64(rows), FileOffset: p.out.offset, Ordinal: int16(len(p.groups)), SortingColumns: []format.SortingColumn{{ColumnIdx: 0}}}
	take := func() {
		m := p.pages.meta
		g.Columns = append(g.Columns, format.ColumnChunk{MetaData: m})
		g.TotalByteSize += m.TotalUncompressedSize
		g.TotalCompressedSize += m.TotalCompressedSize
	}
	p.pages.column(p.fields[0].Name, format.Int64, rows)
	for from := 0; from < rows; from += basePageRows {
		page := numbers[from:min(from+basePageRows, rows)]
		p.pages.page = bitpack.AppendDeltas(p.pages.page[:0], page)
		if err := p.pages.data(len(page), 0, format.DeltaBinaryPacked); err != nil {
			return err
		}
	}
	take()
	for i := range columns {
		c := &columns[i]
		p.pages.column(p.fields[i+1].Name, physical(c.typ), rows)
		if err := p.pages.add(c); err != nil {
			return fmt.Errorf("column %s: %w", p.fields[i+1].Name, err)
		}
		take()
	}
	p.groups = append(p.groups, g)
	return nil
}

// createdByPrepare is fixed: a newer build of the same layout writes the same bytes.
const createdByPrepare = "rescore prepared base version 1.0.0"

// close writes the footer. The token takes 20 digits whatever it is.
func (p *parquetBase) close(rows int64) error {
	meta := format.FileMetaData{
		Version:   2,
		Schema:    []format.SchemaElement{{Name: "base", NumChildren: thrift.New(int32(len(p.fields)))}},
		NumRows:   rows,
		RowGroups: append([]format.RowGroup{}, p.groups...), // required, even when empty
		KeyValueMetadata: []format.KeyValue{
			{Key: keyJob, Value: string(p.attempt.Job)},
			{Key: keyMonth, Value: strconv.Itoa(int(p.attempt.Month))},
			{Key: keyPartition, Value: p.attempt.Range.String()},
			{Key: keySchema, Value: p.schema},
			{Key: keyToken, Value: fmt.Sprintf("%020d", p.attempt.Token)},
		},
		CreatedBy: createdByPrepare,
	}
	for i, f := range p.fields {
		e := p.elements[i]
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
	_, err := p.out.Write(append(tail, magic...))
	return err
}

func physical(t intake.Type) format.Type {
	return [...]format.Type{
		intake.Boolean: format.Boolean, intake.Int32: format.Int32, intake.Int64: format.Int64, intake.Float: format.Float,
		intake.Double: format.Double, intake.ByteArray: format.ByteArray,
	}[t]
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
		if err := p.data(rows, rows-values, encoding); err != nil {
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
	p.page = appendSized(p.page[:0], p.runs)
	return nil
}

// appendSized appends bytes behind their length.
func appendSized(dst, b []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(dst, uint32(len(b))), b...)
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
			p.page = appendSized(p.page, c.value(i))
		}
	case intake.Boolean:
		p.page = appendBits(p.page, c.data[from:from+n])
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
		p.appendPlain(c, int(i), 1)
	}
	return p.dictionary(len(p.firsts), false)
}
