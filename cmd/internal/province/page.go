package province

import (
	"bytes"
	"encoding/binary"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/synth"
)

// column encodes one column of a file.
type column interface {
	// take adds the first n rows of a vector to the open page.
	take(vector any, n int)
	// closePage ends the open page.
	closePage()
	// flush writes the pages since the last one as a column chunk.
	flush() (format.ColumnChunk, error)
}

// newColumn chooses how a column is encoded.
//
// Counts, codes, days and areas are places in a dictionary (places); amounts of
// 64 bits are delta encoded (amounts), a third of their plain size. Seconds
// through another operator are 0 but for one row in thirty: as places they are
// runs.
func newColumn(p pages, c synth.Column) column {
	switch c.Source.Type.ID() {
	case arrow.UINT8:
		return &places[uint8]{pages: p, count: true}
	case arrow.INT16:
		return &places[int16]{pages: p, count: true}
	case arrow.INT32:
		return &places[int32]{pages: p, count: true}
	case arrow.DATE32:
		return &places[int32]{pages: p}
	case arrow.UINT32:
		return &places[uint32]{pages: p}
	case arrow.INT64:
		if c.Source.Name == "other_ld_sec" {
			return &places[int64]{pages: p, count: true}
		}
		return &amounts[int64]{pages: p}
	}
	return &amounts[uint64]{pages: p}
}

// pages are the finished pages of a column chunk and the levels of the open one.
//
// A column whose first page does not shrink by half is not compressed: packed
// bits of amounts do not, and every reader is spared the work too. What the
// first page says holds for the whole file: the library takes a column's codec
// from its first chunk.
type pages struct {
	levels
	file     *parquetFile
	name     string
	physical format.Type
	codec    format.CompressionCodec
	begun    bool // the codec is settled

	finished   []byte // headers and bodies
	values     int64  // rows of the finished pages, nulls included
	nullValues int64
	size       int64 // as if not compressed
	encodings  [format.RLEDictionary + 1]bool
	statistics format.Statistics
}

// add appends the open page, its values encoded in body.
func (p *pages) add(encoding format.Encoding, body []byte) {
	f := p.file
	f.levels = p.levels.append(f.levels[:0])
	size := len(f.levels) + len(body)
	compressed := size
	if p.codec != format.Uncompressed {
		f.raw = append(append(f.raw[:0], f.levels...), body...)
		f.packed = f.compress(f.packed, f.raw)
		if compressed = len(f.packed); !p.begun && compressed > size/2 {
			p.codec, compressed = format.Uncompressed, size
		}
	}
	p.begun = true
	if p.finished == nil { // room for a row group of pages like this one, so that it is not grown by halves
		p.finished = make([]byte, 0, (compressed+64)*(rowGroupPages+2))
	}
	start := len(p.finished)
	p.finished = appendHeader(p.finished, p.rows, size, compressed, encoding)
	p.size += int64(len(p.finished) - start + size)
	if p.codec == format.Uncompressed {
		p.finished = append(append(p.finished, f.levels...), body...)
	} else {
		p.finished = append(p.finished, f.packed...)
	}
	p.encodings[encoding] = true
	p.values += int64(p.rows)
	p.nullValues += int64(p.nulls)
	p.levels.reset()
}

// appendHeader writes the header of a data page as the library would, in
// Thrift's compact protocol, without its reflection: there are a thousand a
// second and more.
func appendHeader(dst []byte, rows, size, compressed int, encoding format.Encoding) []byte {
	const integer, structure, end = 0x15, 0x0c, 0x00 // the next field, an i32; any field
	dst = append(dst, integer)
	dst = binary.AppendVarint(dst, int64(format.DataPage))
	dst = append(dst, integer)
	dst = binary.AppendVarint(dst, int64(size))
	dst = append(dst, integer)
	dst = binary.AppendVarint(dst, int64(compressed))
	dst = append(dst, 2<<4|structure) // field 5, two on
	dst = append(dst, integer)
	dst = binary.AppendVarint(dst, int64(rows))
	dst = append(dst, integer)
	dst = binary.AppendVarint(dst, int64(encoding))
	dst = append(dst, integer)
	dst = binary.AppendVarint(dst, int64(format.RLE)) // definition levels
	dst = append(dst, integer)
	dst = binary.AppendVarint(dst, int64(format.RLE)) // repetition levels
	return append(dst, end, end)
}

// flush writes the chunk to the file, its dictionary of plain values first when
// there is one, and starts the next.
func (p *pages) flush(dictionary []byte, entries int) (format.ColumnChunk, error) {
	f := p.file
	m := format.ColumnMetaData{
		Type: p.physical, PathInSchema: []string{p.name}, Codec: p.codec, NumValues: p.values,
		Encoding: []format.Encoding{format.RLE},
	}
	start := f.offset
	if p.encodings[format.RLEDictionary] {
		p.encodings[format.Plain] = true // the dictionary itself
		m.DictionaryPageOffset = f.offset
		body := dictionary
		if p.codec != format.Uncompressed {
			f.packed = f.compress(f.packed, dictionary)
			body = f.packed
		}
		var head bytes.Buffer
		err := thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&head)).Encode(&format.PageHeader{
			Type: format.DictionaryPage, UncompressedPageSize: int32(len(dictionary)), CompressedPageSize: int32(len(body)),
			DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(entries), Encoding: format.Plain}),
		})
		if err != nil {
			return format.ColumnChunk{}, err
		}
		p.size += int64(head.Len() + len(dictionary))
		if err := f.emit(append(head.Bytes(), body...)); err != nil {
			return format.ColumnChunk{}, err
		}
	}
	for e, used := range p.encodings {
		if used {
			m.Encoding = append(m.Encoding, format.Encoding(e))
		}
	}
	m.DataPageOffset = f.offset
	if err := f.emit(p.finished); err != nil {
		return format.ColumnChunk{}, err
	}
	m.TotalUncompressedSize, m.TotalCompressedSize = p.size, f.offset-start
	p.statistics.NullCount = p.nullValues
	m.Statistics = p.statistics

	p.finished = p.finished[:0]
	p.values, p.nullValues, p.size = 0, 0, 0
	p.encodings, p.statistics = [format.RLEDictionary + 1]bool{}, format.Statistics{}
	return format.ColumnChunk{FileOffset: start, MetaData: m}, nil
}
