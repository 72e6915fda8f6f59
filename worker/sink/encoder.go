package sink

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/snappy"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/plain"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/job"
)

const (
	// pageRows is how many rows a full data page holds.
	pageRows = 1 << 15
	// dictionaryDomainMax is how far apart the values of a dictionary column may
	// lie: yyyymm with 0 for none fits.
	dictionaryDomainMax = 1 << 18
)

// encoder lays row groups out as Parquet. It writes pages itself, from typed
// slices, with parquet-go's encodings, codecs and metadata: parquet-go's own
// writer takes values one by one, 24 bytes each, which costs several times as
// much as the whole of this (BenchmarkWriteParquetGo), and it would put bounds
// of the key column into the footer.
type encoder struct {
	out    *output
	groups []format.RowGroup
	chunk  *chunk
}

var codecs = map[string]compress.Codec{
	"":       &parquet.Uncompressed,
	"zstd":   &zstd.Codec{Level: zstd.SpeedFastest},
	"snappy": &snappy.Codec{},
	"none":   &parquet.Uncompressed,
}

func codecFor(compression string) (compress.Codec, error) {
	codec := codecs[compression]
	if codec == nil {
		return nil, fmt.Errorf("compression %q is not zstd, snappy or none", compression)
	}
	return codec, nil
}

// codecOf returns the codec of a file, by the number in its footer.
func codecOf(number format.CompressionCodec) (compress.Codec, error) {
	for _, name := range []string{"zstd", "snappy", "none"} {
		if codec := codecs[name]; codec.CompressionCodec() == number {
			return codec, nil
		}
	}
	return nil, fmt.Errorf("%w: compressed by %s", ErrLayout, number)
}

func newEncoder(out *output, codec compress.Codec) *encoder {
	e := &encoder{out: out, chunk: chunks.Get().(*chunk)}
	e.chunk.open(out, codec)
	return e
}

// chunks keeps their buffers from one attempt to the next.
var chunks = sync.Pool{New: func() any {
	return &chunk{codes8: make([]uint8, pageRows), codes16: make([]uint16, pageRows)}
}}

// release gives the buffers to the next attempt.
func (e *encoder) release() {
	e.chunk.out = nil
	chunks.Put(e.chunk)
	e.chunk = nil
}

var magic = []byte("PAR1")

// begin writes the magic number once.
func (e *encoder) begin() error {
	if e.out.offset > 0 {
		return nil
	}
	_, err := e.out.Write(magic)
	return err
}

// writeGroup writes a row group that is not empty and adds it to the tally.
func (e *encoder) writeGroup(g *group, t *job.Tally) error {
	if err := e.begin(); err != nil {
		return err
	}
	meta := format.RowGroup{
		NumRows:        int64(g.rows),
		FileOffset:     e.out.offset,
		Ordinal:        int16(len(e.groups)),
		SortingColumns: []format.SortingColumn{{ColumnIdx: 0}},
	}
	if err := e.writeColumns(&meta, g, 0, t); err != nil {
		return err
	}
	e.groups = append(e.groups, meta)
	return nil
}

// writeColumns writes a group's columns from one on and adds them to a row group
// of the footer and to the tally.
func (e *encoder) writeColumns(meta *format.RowGroup, g *group, from int, t *job.Tally) error {
	for i, column := range g.columns[from:] {
		name := g.layout.columns[from+i].Name
		e.chunk.begin(name, column.physical(), g.rows)
		if err := column.encode(e.chunk); err != nil {
			return err
		}
		if err := tally(t, name, e.chunk.dict, e.chunk.dictRows); err != nil {
			return err
		}
		meta.Columns = append(meta.Columns, format.ColumnChunk{MetaData: e.chunk.meta})
		meta.TotalByteSize += e.chunk.meta.TotalUncompressedSize
		meta.TotalCompressedSize += e.chunk.meta.TotalCompressedSize
	}
	return nil
}

// chunk writes one column of one row group: a dictionary page where there is
// one, then data pages.
type chunk struct {
	pageWriter

	tallied  bool     // whether rows are to be counted by value
	table    []uint32 // by value: first rows that hold it, then its code; zero between columns
	found    []int32  // values that are not zero there
	dict     []int32  // values, ascending; empty when there is no dictionary
	dictRows []int64  // rows that hold each, where they were counted
	codes8   []uint8
	codes16  []uint16
	bytes    []uint8 // a column's values, where they are small
}

func (c *chunk) begin(name string, typ format.Type, rows int) {
	c.column(name, typ, rows)
	c.tallied = tallies[name] != nil
	c.dict, c.dictRows = c.dict[:0], c.dictRows[:0]
}

// counts returns size counters, which are zero.
func (c *chunk) counts(size int) []uint32 {
	if len(c.table) < size {
		c.table = make([]uint32, size)
	}
	return c.table[:size]
}

// sorted makes the dictionary of the values that were found, whose counts are in counts;
// low is at 0.
func (c *chunk) sorted(low int, counts []uint32) {
	slices.Sort(c.found)
	c.dict = append(c.dict, c.found...)
	if c.tallied {
		for _, v := range c.found {
			c.dictRows = append(c.dictRows, int64(counts[int(v)-low]))
		}
	}
}

// forget makes the counters of the values that were found zero again: there may be many
// more that were not.
func (c *chunk) forget(low int) {
	for _, v := range c.found {
		c.table[int(v)-low] = 0
	}
	c.found = c.found[:0]
}

// fillUp makes the dictionary 0, 1, 2 … up to its highest value where codes take no
// more bits by that, so that values are their own codes, and reports whether it did.
func (c *chunk) fillUp() bool {
	known, high := len(c.dict), int(c.dict[len(c.dict)-1])
	if c.dict[0] < 0 || bits.Len(uint(high)) > c.codeBits() {
		return false
	}
	counted := len(c.dictRows) > 0
	for len(c.dict) <= high {
		c.dict = append(c.dict, 0)
		if counted {
			c.dictRows = append(c.dictRows, 0)
		}
	}
	for v := high; v >= 0; v-- {
		var rows int64
		if known > 0 && int(c.dict[known-1]) == v {
			known--
			if counted {
				rows = c.dictRows[known]
			}
		}
		c.dict[v] = int32(v)
		if counted {
			c.dictRows[v] = rows
		}
	}
	return true
}

func (c *chunk) writeDictionary() error {
	c.page, _ = new(plain.Encoding).EncodeInt32(c.page[:0], c.dict)
	return c.dictionary(len(c.dict), true)
}

// writeOne64 writes a column of one value: a dictionary of it, and pages of one run.
func (c *chunk) writeOne64(value int64, rows int) error {
	c.page = binary.LittleEndian.AppendUint64(c.page[:0], uint64(value))
	if err := c.dictionary(1, true); err != nil {
		return err
	}
	for ; rows > 0; rows -= pageRows {
		n := min(rows, pageRows)
		c.page = append(binary.AppendUvarint(append(c.page[:0], 1), uint64(n)<<1), 0)
		if err := c.data(n, format.RLEDictionary); err != nil {
			return err
		}
	}
	return nil
}

// codeBits is the width of a code. A dictionary of one entry still takes a bit,
// which a single run holds: not every reader knows codes without bits.
func (c *chunk) codeBits() int { return max(1, bits.Len(uint(len(c.dict)-1))) }

func (c *chunk) writeCodes8(codes []uint8) error {
	width := c.codeBits()
	c.page = appendCodes8(append(c.page[:0], byte(width)), codes, width)
	return c.data(len(codes), format.RLEDictionary)
}

func (c *chunk) writeCodes16(codes []uint16) error {
	width := c.codeBits()
	c.page = appendCodes16(append(c.page[:0], byte(width)), codes, width)
	return c.data(len(codes), format.RLEDictionary)
}

func (c *chunk) writePlain32(values []int32) (err error) {
	c.page, err = new(plain.Encoding).EncodeInt32(c.page[:0], values)
	if err != nil {
		return err
	}
	return c.data(len(values), format.Plain)
}

func (c *chunk) writePlainFloat(values []float32) (err error) {
	c.page, err = new(plain.Encoding).EncodeFloat(c.page[:0], values)
	if err != nil {
		return err
	}
	return c.data(len(values), format.Plain)
}

func (c *chunk) writeDelta64(values []int64) (err error) {
	c.page, err = new(delta.BinaryPackedEncoding).EncodeInt64(c.page[:0], values)
	if err != nil {
		return err
	}
	return c.data(len(values), format.DeltaBinaryPacked)
}

// bounds puts the smallest and largest value into the footer. It is never
// called for the key.
func (c *chunk) bounds(low, high []byte) {
	c.meta.Statistics = format.Statistics{MinValue: low, MaxValue: high}
}

func (c *chunk) bounds32(low, high int32) {
	c.bounds(binary.LittleEndian.AppendUint32(nil, uint32(low)), binary.LittleEndian.AppendUint32(nil, uint32(high)))
}
