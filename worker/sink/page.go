package sink

import (
	"fmt"
	"hash/crc32"

	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/format"
)

// pageWriter writes the pages of one column of one row group after another, and
// books them in the column's metadata. Its buffers serve every column in turn.
type pageWriter struct {
	out   *output
	codec compress.Codec
	meta  format.ColumnMetaData

	page   []byte // encoded
	packed []byte // compressed
	header []byte
}

// open says where the pages go.
func (p *pageWriter) open(out *output, codec compress.Codec) {
	p.out, p.codec = out, codec
}

// column begins a column of so many rows.
func (p *pageWriter) column(name string, typ format.Type, rows int) {
	p.meta = format.ColumnMetaData{
		Type: typ, PathInSchema: []string{name}, Codec: p.codec.CompressionCodec(), NumValues: int64(rows),
	}
}

// dictionary writes p.page as the dictionary page.
func (p *pageWriter) dictionary(entries int, sorted bool) error {
	p.meta.DictionaryPageOffset = p.out.offset
	return p.write(pageHeader{kind: format.DictionaryPage, values: int32(entries), encoding: format.Plain, sorted: sorted})
}

// data writes p.page as a data page. Version 1 is what every reader has, and
// without repetition it differs from version 2 by little more than its header. So many
// of its rows are null.
func (p *pageWriter) data(rows, nulls int, encoding format.Encoding) error {
	if p.meta.DataPageOffset == 0 {
		p.meta.DataPageOffset = p.out.offset
	}
	return p.write(pageHeader{kind: format.DataPage, values: int32(rows), nulls: int64(nulls), encoding: encoding})
}

// write compresses p.page and writes it behind its header.
func (p *pageWriter) write(h pageHeader) (err error) {
	packed := p.page
	if p.meta.Codec != format.Uncompressed {
		if p.packed, err = p.codec.Encode(p.packed[:0], p.page); err != nil {
			return fmt.Errorf("compress a page of %s: %w", p.meta.PathInSchema[0], err)
		}
		packed = p.packed
	}
	h.size, h.packed, h.crc = int32(len(p.page)), int32(len(packed)), int32(crc32.ChecksumIEEE(packed))
	p.header = h.append(p.header[:0])
	p.meta.TotalUncompressedSize += int64(len(p.header) + len(p.page))
	p.meta.TotalCompressedSize += int64(len(p.header) + len(packed))
	p.count(h.kind, h.encoding)
	if _, err := p.out.Write(p.header); err != nil {
		return err
	}
	_, err = p.out.Write(packed)
	return err
}

// count books a page in the column's metadata.
func (p *pageWriter) count(page format.PageType, encoding format.Encoding) {
	for i := range p.meta.EncodingStats {
		if s := &p.meta.EncodingStats[i]; s.PageType == page && s.Encoding == encoding {
			s.Count++
			return
		}
	}
	p.meta.EncodingStats = append(p.meta.EncodingStats, format.PageEncodingStats{PageType: page, Encoding: encoding, Count: 1})
	p.meta.Encoding = append(p.meta.Encoding, encoding)
}
