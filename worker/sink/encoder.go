package sink

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/snappy"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/plain"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/job"
	"rescore/worker/bitpack"
	"rescore/worker/freelist"
)

const (
	// pageRows is how many rows a full data page holds.
	pageRows = 1 << 15
	// dictionaryDomainMax is how far apart the values of a dictionary column may
	// lie: yyyymm with 0 for none fits.
	dictionaryDomainMax = 1 << 18
)

// encoder lays row groups out as Parquet. It writes pages itself, from typed
// slices, with parquet-go's codecs and metadata: parquet-go's own
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
	e := &encoder{out: out, chunk: chunks.Get()}
	e.chunk.open(out, codec)
	return e
}

// chunks keeps their buffers from one attempt to the next.
var chunks = freelist.List[chunk]{New: func() *chunk {
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
		if bitTallies[name] != nil {
			if err := tallyBits(t, name, &e.chunk.bitRows); err != nil {
				return err
			}
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

	tallied  bool      // whether rows are to be counted by value, as tallies says
	bits     bool      // whether they are to be counted by bit
	bitRows  [16]int64 // rows that have each
	seen     []uint8   // by value: whether it occurs; zero between columns
	codes    []uint16  // by value that occurs
	dict     []int32   // values, ascending; empty when there is no dictionary
	dictRows []int64   // rows that hold each, where they were counted
	codes8   []uint8
	codes16  []uint16
	bytes    []uint8 // a column's values, where they are small
}

func (c *chunk) begin(name string, typ format.Type, rows int) {
	c.column(name, typ, rows)
	c.tallied, c.bits = tallies[name] != nil, bitTallies[name] != nil
	c.bitRows = [16]int64{}
	c.dict, c.dictRows = c.dict[:0], c.dictRows[:0]
}

// domain returns a place for each of size values, which say that none occurs, and makes
// room for as many codes.
func (c *chunk) domain(size int) []uint8 {
	if len(c.seen) < size {
		size = (size + 7) &^ 7 // sorted looks at eight at once
		c.seen, c.codes = make([]uint8, size), make([]uint16, size)
	}
	return c.seen[:size]
}

// sorted makes the dictionary of the values that occur, the first of which is low, and
// empties their places.
func (c *chunk) sorted(low int, seen []uint8) {
	for at := 0; at < len(seen); at += 8 {
		eight := c.seen[at : at+8]
		if binary.LittleEndian.Uint64(eight) == 0 {
			continue
		}
		for i, is := range eight {
			if is != 0 {
				c.dict = append(c.dict, int32(low+at+i))
			}
		}
		clear(eight)
	}
	if c.tallied {
		for range c.dict {
			c.dictRows = append(c.dictRows, 1)
		}
	}
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
		if err := c.data(n, 0, format.RLEDictionary); err != nil {
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
	c.page = appendCodes(append(c.page[:0], byte(width)), codes, width)
	return c.data(len(codes), 0, format.RLEDictionary)
}

func (c *chunk) writeCodes16(codes []uint16) error {
	width := c.codeBits()
	c.page = appendCodes(append(c.page[:0], byte(width)), codes, width)
	return c.data(len(codes), 0, format.RLEDictionary)
}

func (c *chunk) writePlain32(values []int32) (err error) {
	c.page, err = new(plain.Encoding).EncodeInt32(c.page[:0], values)
	if err != nil {
		return err
	}
	return c.data(len(values), 0, format.Plain)
}

func (c *chunk) writePlainFloat(values []float32) (err error) {
	c.page, err = new(plain.Encoding).EncodeFloat(c.page[:0], values)
	if err != nil {
		return err
	}
	return c.data(len(values), 0, format.Plain)
}

func (c *chunk) writeDelta64(values []int64) error {
	c.page = bitpack.AppendDeltas(c.page[:0], values)
	return c.data(len(values), 0, format.DeltaBinaryPacked)
}

// bounds puts the smallest and largest value into the footer. It is never
// called for the key.
func (c *chunk) bounds(low, high []byte) {
	c.meta.Statistics = format.Statistics{MinValue: low, MaxValue: high}
}

func (c *chunk) bounds32(low, high int32) {
	c.bounds(binary.LittleEndian.AppendUint32(nil, uint32(low)), binary.LittleEndian.AppendUint32(nil, uint32(high)))
}
