package province

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unsafe"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/synth"
)

// chunk gathers the compressed pages of one column of a row group.
//
// Counts and codes are their own places in a dictionary of 0, 1, 2 and so on, as
// long as they are below 16384; days and areas are found in one with gaps by one
// look-up in a table, as long as they lie in 0 to 65534; what goes beyond is
// plain from there on. Amounts of 64 bits are delta encoded, a third of their
// plain size.
//
// A column whose first page does not shrink by half is not compressed: packed bits of
// amounts do not, and every reader is spared the work too. What the first page
// says holds for the whole file: the library takes a column's codec from its
// first chunk.
type chunk struct {
	file     *parquetFile
	name     string
	physical format.Type

	pages     []byte // headers and bodies
	values    int64
	size      int64 // as if not compressed
	codec     format.CompressionCodec
	begun     bool // the codec is settled
	index     pageIndex
	encodings [format.RLEDictionary + 1]bool

	entries []uint16 // the dictionary, in order of appearance
	place   []uint16 // 1 + where a value stands in entries; 0 = nowhere
	count   bool     // entries are 0, 1, 2 and so on
	spilled bool     // a value did not fit: plain from here on

	raw      []byte // a page before compression
	packed   []byte
	indices  []uint16
	gathered any // []T of the column's type
	header   bytes.Buffer
}

const (
	dictionaryMax = 1<<16 - 1
	countMax      = 1 << 14
)

// page encodes the first n rows of a vector as a data page.
func page[T synth.Integer](c *chunk, v *synth.Vector[T], n int) error {
	nulls := v.Nulls(n)
	c.raw = appendLevels(c.raw[:0], v.Valid, n, n-nulls)
	values := v.Values[:n]
	if nulls > 0 {
		values = present(c, v, n)
	}
	low, high := bounds(values)

	encoding := format.Plain
	switch {
	case unsafe.Sizeof(low) == 8:
		encoding = format.DeltaBinaryPacked
		// Same size and layout: a T of eight bytes is an int64 or a uint64.
		amounts := unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(values))), len(values))
		c.raw = appendDeltas(c.raw, amounts)
	case c.count && !c.spilled && low >= 0 && int64(high) < countMax:
		encoding = format.RLEDictionary
		for x := len(c.entries); x <= int(high); x++ {
			c.entries = append(c.entries, uint16(x))
		}
		c.raw = appendIndices(c.raw, values, low, high)
	case !c.count && !c.spilled && int64(low) >= 0 && int64(high) < dictionaryMax:
		encoding = format.RLEDictionary
		c.lookUp(len(values), unsafe.Sizeof(low))
		for i, x := range values {
			p := c.place[x]
			if p == 0 {
				p = c.enter(uint16(x))
			}
			c.indices[i] = p - 1
		}
		first, last := bounds(c.indices)
		c.raw = appendIndices(c.raw, c.indices, first, last)
	default:
		c.spilled = true
		for _, x := range values {
			c.raw = binary.LittleEndian.AppendUint32(c.raw, uint32(x))
		}
	}
	c.encodings[encoding] = true
	return c.add(format.PageHeader{
		Type: format.DataPage,
		DataPageHeader: thrift.New(format.DataPageHeader{
			NumValues: int32(n), Encoding: encoding,
			DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
		}),
	}, n, nulls, bound(c, low, len(values)), bound(c, high, len(values)))
}

// present gathers the values that are not null.
func present[T synth.Integer](c *chunk, v *synth.Vector[T], n int) []T {
	out, _ := c.gathered.([]T)
	if len(out) < n+8 {
		out = make([]T, n+n/8+8)
		c.gathered = out
	}
	return out[:gather(out, v.Values[:n], v.Valid)]
}

// lookUp makes room for the places of n values of a type of size bytes.
func (c *chunk) lookUp(n int, size uintptr) {
	if c.place == nil {
		c.place = make([]uint16, min(dictionaryMax, 1<<(8*size)))
	}
	if cap(c.indices) < n {
		c.indices = make([]uint16, n+n/8)
	}
	c.indices = c.indices[:n]
}

// enter puts a new value into the dictionary.
func (c *chunk) enter(x uint16) uint16 {
	c.entries = append(c.entries, x)
	p := uint16(len(c.entries))
	c.place[x] = p
	return p
}

// bound is a value as statistics hold it; nil when there is none.
func bound[T synth.Integer](c *chunk, x T, present int) []byte {
	switch {
	case present == 0:
		return nil
	case c.physical == format.Int64:
		return binary.LittleEndian.AppendUint64(nil, uint64(x))
	}
	return binary.LittleEndian.AppendUint32(nil, uint32(x))
}

// add compresses c.raw and appends it as a page.
func (c *chunk) add(h format.PageHeader, n, nulls int, low, high []byte) error {
	body := c.compress(c.raw)
	if !c.begun && len(body) > len(c.raw)/2 {
		c.codec, body = format.Uncompressed, c.raw
	}
	c.begun = true
	h.UncompressedPageSize, h.CompressedPageSize = int32(len(c.raw)), int32(len(body))
	head, err := c.head(&h)
	if err != nil {
		return err
	}
	x := &c.index
	x.offset.PageLocations = append(x.offset.PageLocations, format.PageLocation{
		Offset: int64(len(c.pages)), CompressedPageSize: int32(len(head) + len(body)), FirstRowIndex: c.values,
	})
	x.column.NullPages = append(x.column.NullPages, low == nil)
	x.column.MinValues = append(x.column.MinValues, low)
	x.column.MaxValues = append(x.column.MaxValues, high)
	x.column.NullCounts = append(x.column.NullCounts, int64(nulls))
	if c.pages == nil { // room for a row group of pages like this one, so that it is not grown by halves
		c.pages = make([]byte, 0, (len(head)+len(body))*(rowGroupPages+2))
	}
	c.pages = append(append(c.pages, head...), body...)
	c.size += int64(len(head) + len(c.raw))
	c.values += int64(n)
	return nil
}

func (c *chunk) compress(b []byte) []byte {
	if c.codec == format.Uncompressed {
		return b
	}
	c.packed = c.file.compress(c.packed, b)
	return c.packed
}

func (c *chunk) head(h *format.PageHeader) ([]byte, error) {
	c.header.Reset()
	err := thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&c.header)).Encode(h)
	return c.header.Bytes(), err
}

// flush writes the chunk to the file and starts the next one.
func (c *chunk) flush() (format.ColumnChunk, error) {
	f := c.file
	m := format.ColumnMetaData{
		Type: c.physical, PathInSchema: []string{c.name}, Codec: c.codec, NumValues: c.values,
		Encoding: []format.Encoding{format.RLE},
	}
	start := f.offset
	if c.encodings[format.RLEDictionary] {
		c.encodings[format.Plain] = true // the dictionary itself
	}
	for e, used := range c.encodings {
		if used {
			m.Encoding = append(m.Encoding, format.Encoding(e))
		}
	}
	if c.encodings[format.RLEDictionary] {
		m.DictionaryPageOffset = f.offset
		c.raw = c.raw[:0]
		for _, e := range c.entries {
			c.raw = binary.LittleEndian.AppendUint32(c.raw, uint32(e))
		}
		body := c.compress(c.raw)
		head, err := c.head(&format.PageHeader{
			Type: format.DictionaryPage, UncompressedPageSize: int32(len(c.raw)), CompressedPageSize: int32(len(body)),
			DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(len(c.entries)), Encoding: format.Plain}),
		})
		if err != nil {
			return format.ColumnChunk{}, err
		}
		if err := f.emit(head); err != nil {
			return format.ColumnChunk{}, err
		}
		if err := f.emit(body); err != nil {
			return format.ColumnChunk{}, err
		}
		c.size += int64(len(head) + len(c.raw))
	}
	m.DataPageOffset = f.offset
	for i := range c.index.offset.PageLocations {
		c.index.offset.PageLocations[i].Offset += f.offset
	}
	if err := f.emit(c.pages); err != nil {
		return format.ColumnChunk{}, err
	}
	m.TotalUncompressedSize, m.TotalCompressedSize = c.size, f.offset-start
	m.Statistics = c.statistics()
	if !c.count {
		for _, e := range c.entries { // also when a value did not fit on the first page
			c.place[e] = 0
		}
	}
	f.indexes = append(f.indexes, c.index)

	*c = chunk{
		file: f, name: c.name, physical: c.physical, codec: c.codec, begun: c.begun, count: c.count, pages: c.pages[:0], entries: c.entries[:0],
		place: c.place, raw: c.raw, packed: c.packed, indices: c.indices, gathered: c.gathered, header: c.header,
	}
	return format.ColumnChunk{FileOffset: start, MetaData: m}, nil
}

// statistics folds the pages' bounds. Every signed column is compared signed;
// the unsigned ones hold nothing above their signed maximum.
func (c *chunk) statistics() (s format.Statistics) {
	value := func(b []byte) int64 {
		if len(b) == 8 {
			return int64(binary.LittleEndian.Uint64(b))
		}
		return int64(int32(binary.LittleEndian.Uint32(b)))
	}
	x := &c.index.column
	for i, n := range x.NullCounts {
		s.NullCount += n
		if x.NullPages[i] {
			continue
		}
		if low := x.MinValues[i]; s.MinValue == nil || value(low) < value(s.MinValue) {
			s.MinValue = low
		}
		if high := x.MaxValues[i]; s.MaxValue == nil || value(high) > value(s.MaxValue) {
			s.MaxValue = high
		}
	}
	return s
}

// appendLevels writes the definition levels of n rows: one run when all or none
// are present, the bitmap as it is otherwise.
func appendLevels(dst, valid []byte, n, present int) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	switch present {
	case n:
		dst = append(binary.AppendUvarint(dst, uint64(n)<<1), 1)
	case 0:
		dst = append(binary.AppendUvarint(dst, uint64(n)<<1), 0)
	default:
		groups := (n + 7) / 8
		dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
		dst = append(dst, valid[:groups]...)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// appendIndices writes places in a dictionary, none above high: their width,
// then one run when all are the same, packed bits otherwise.
func appendIndices[T integer](dst []byte, indices []T, low, high T) []byte {
	width := max(1, bits.Len(uint(high)))
	dst = append(dst, byte(width))
	if len(indices) == 0 {
		return dst
	}
	if low == high {
		dst = binary.AppendUvarint(dst, uint64(len(indices))<<1)
		dst = append(dst, byte(low))
		if width > 8 {
			dst = append(dst, byte(uint16(low)>>8))
		}
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(indices)+7)/8<<1|1)
	return appendPacked(dst, indices, width)
}
