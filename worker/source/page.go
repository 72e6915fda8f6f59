package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"

	"rescore/partition/store"
)

// pageRowsMax bounds the values of one page: a run of a few bytes may claim
// billions. Writers cut pages at about a megabyte, and rarely past a million
// values.
const pageRowsMax = 1 << 25

// plainDictionary is the name of dictionary encoding in files of format 1.0, for
// data pages and dictionary pages alike.
const plainDictionary = format.PlainDictionary //nolint:staticcheck // deprecated for those who write

// windowBytes is how much of a column chunk is read at once.
const windowBytes = 64 << 10

// window is a piece of a file, read ahead.
type window struct {
	obj store.Object
	off int64
	buf []byte
}

// at returns n bytes from off, reading ahead but never past end.
func (w *window) at(off int64, n int, end int64) ([]byte, error) {
	if off < w.off || off+int64(n) > w.off+int64(len(w.buf)) {
		size := int(min(max(int64(n), windowBytes), end-off))
		if n > size {
			return nil, corrupt("a page reaches past the end of its column at byte %d", end)
		}
		grow(&w.buf, size)
		w.off = off
		if err := readFull(w.obj, w.buf, off); err != nil {
			w.buf = w.buf[:0]
			return nil, err
		}
	}
	return w.buf[off-w.off:][:n], nil
}

// values are decoded values of one page or dictionary, nulls left out. The
// slice that is set is the one of the column's physical type: booleans are
// i32 0 and 1, INT96 are i32 days since 1970.
type values struct {
	i32 []int32
	i64 []int64
	f32 []float32
	f64 []float64
	txt text
}

// chunk is one column of one row group.
type chunk struct {
	first, end int64 // bytes of its pages
	rows       int64
	codec      format.CompressionCodec
	kind       format.Type
	optional   bool
}

// pages reads the pages of one column chunk in order. All memory is its own and
// reused; what it decodes is valid until the next page.
type pages struct {
	win     window
	codecs  *codecs
	chunk   chunk
	off     int64 // of the next page header
	left    int64 // rows of pages not yet read
	dict    values
	hasDict bool

	// The current page.
	rows   int    // rows in it
	set    int    // of them not null
	pos    int    // rows consumed
	dense  int    // values consumed
	levels []byte // validity bitmap; nil when no row is null
	coded  bool   // values are index, into dict
	index  []uint32
	vals   values

	bitmap       []byte
	plain        []byte // decompressed page
	whole        []byte // values put together from BYTE_STREAM_SPLIT
	intsA, intsB []int32
}

func (p *pages) open(obj store.Object, c chunk) {
	if p.win.obj != obj {
		p.win.obj, p.win.buf = obj, p.win.buf[:0]
	}
	p.chunk, p.off, p.left = c, c.first, c.rows
	p.hasDict = false
	p.rows, p.set, p.pos, p.dense, p.levels = 0, 0, 0, 0, nil
}

// header reads the page header at off and returns where its body starts.
func (p *pages) header() (h format.PageHeader, body int64, err error) {
	for n := 512; ; n *= 8 {
		n = int(min(int64(n), p.chunk.end-p.off))
		b, err := p.win.at(p.off, n, p.chunk.end)
		if err != nil {
			return h, 0, err
		}
		w := thriftWalk{b: b, structs: 64}
		if err := w.fields(0); err != nil {
			if int64(n) < p.chunk.end-p.off && n < pageHeaderMax {
				continue
			}
			return h, 0, fmt.Errorf("page header at byte %d: %w", p.off, err)
		}
		size := len(b) - len(w.b)
		var protocol thrift.CompactProtocol
		if err := thrift.Unmarshal(&protocol, b[:size], &h); err != nil {
			return h, 0, corrupt("page header at byte %d: %v", p.off, err)
		}
		return h, p.off + int64(size), nil
	}
}

// next makes the next data page the current one; skip is how many rows the
// caller does not want: pages that hold nothing else are passed over undecoded.
// It returns io.EOF after the last row of the chunk.
func (p *pages) next(skip *int64) error {
	for p.left > 0 {
		if p.off >= p.chunk.end {
			return corrupt("pages end %d rows before the footer's count", p.left)
		}
		h, body, err := p.header()
		if err != nil {
			return err
		}
		if err := p.checkSizes(&h, body); err != nil {
			return fmt.Errorf("page at byte %d: %w", p.off, err)
		}
		page := p.off
		p.off = body + int64(h.CompressedPageSize)
		var rows int32
		switch {
		case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
			if p.hasDict {
				return corrupt("page at byte %d: a second dictionary", page)
			}
			err := p.readDictionary(&h, body)
			if err != nil {
				return fmt.Errorf("dictionary at byte %d: %w", page, err)
			}
			continue
		case h.Type == format.DataPage && h.DataPageHeader.Valid:
			rows = h.DataPageHeader.V.NumValues
		case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
			rows = h.DataPageHeaderV2.V.NumValues
			if h.DataPageHeaderV2.V.NumRows != rows {
				return corrupt("page at byte %d: %d values in %d rows", page, rows, h.DataPageHeaderV2.V.NumRows)
			}
		case h.Type == format.IndexPage:
			continue
		default:
			return corrupt("page at byte %d: unknown kind %d", page, h.Type)
		}
		if rows < 0 || int64(rows) > p.left || rows > pageRowsMax {
			return corrupt("page at byte %d: %d rows where %d are left (at most %d a page are read)", page, rows, p.left, pageRowsMax)
		}
		p.left -= int64(rows)
		if rows == 0 {
			continue
		}
		if *skip >= int64(rows) {
			*skip -= int64(rows)
			continue
		}
		if err := p.readData(&h, body, int(rows)); err != nil {
			return fmt.Errorf("page at byte %d: %w", page, err)
		}
		return nil
	}
	return p.trailing()
}

// trailing looks at what follows the last row the footer counts: data there
// would be rows that nobody reads. It returns io.EOF when all is well.
func (p *pages) trailing() error {
	if p.off >= p.chunk.end {
		return io.EOF
	}
	h, _, err := p.header()
	if err != nil {
		return io.EOF // padding
	}
	if h.DataPageHeader.Valid && h.DataPageHeader.V.NumValues > 0 || h.DataPageHeaderV2.Valid && h.DataPageHeaderV2.V.NumValues > 0 {
		return corrupt("pages go on at byte %d after the last row the footer counts", p.off)
	}
	return io.EOF
}

func (p *pages) checkSizes(h *format.PageHeader, body int64) error {
	packed, plain := h.CompressedPageSize, h.UncompressedPageSize
	switch {
	case packed < 0 || plain < 0:
		return corrupt("negative size")
	case int64(packed) > p.chunk.end-body:
		return corrupt("%d bytes reach past the column's end", packed)
	case plain > pageBytesMax || packed > pageBytesMax:
		return corrupt("%d bytes, at most %d are read", max(plain, packed), pageBytesMax)
	case plain > pageRatioFrom && int64(plain) > int64(packed)*pageRatioMax:
		return corrupt("%d bytes claim to expand to %d", packed, plain)
	}
	return nil
}

// body returns the page's bytes as they are in the file, checksum verified.
func (p *pages) body(h *format.PageHeader, off int64) ([]byte, error) {
	b, err := p.win.at(off, int(h.CompressedPageSize), p.chunk.end)
	if err != nil {
		return nil, err
	}
	if h.CRC != 0 && crc32.ChecksumIEEE(b) != uint32(h.CRC) {
		return nil, corrupt("checksum mismatch")
	}
	return b, nil
}

func (p *pages) readDictionary(h *format.PageHeader, off int64) error {
	b, err := p.body(h, off)
	if err != nil {
		return err
	}
	if b, err = p.codecs.decompress(&p.plain, b, int(h.UncompressedPageSize), p.chunk.codec); err != nil {
		return err
	}
	d := h.DictionaryPageHeader.V
	if d.Encoding != format.Plain && d.Encoding != plainDictionary {
		return corrupt("encoding %v", d.Encoding)
	}
	if d.NumValues < 0 || d.NumValues > pageRowsMax {
		return corrupt("%d values", d.NumValues)
	}
	p.hasDict = true
	return p.decode(&p.dict, int(d.NumValues), b, format.Plain)
}

func (p *pages) readData(h *format.PageHeader, off int64, rows int) error {
	b, err := p.body(h, off)
	if err != nil {
		return err
	}
	p.rows, p.set, p.pos, p.dense, p.levels = rows, rows, 0, 0, nil
	var levels []byte
	var enc format.Encoding
	if h.Type == format.DataPage {
		d := &h.DataPageHeader.V
		enc = d.Encoding
		if b, err = p.codecs.decompress(&p.plain, b, int(h.UncompressedPageSize), p.chunk.codec); err != nil {
			return err
		}
		if p.chunk.optional {
			if d.DefinitionLevelEncoding != format.RLE {
				return corrupt("definition levels in encoding %v", d.DefinitionLevelEncoding)
			}
			if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
				return corrupt("definition levels end early")
			}
			n := binary.LittleEndian.Uint32(b)
			levels, b = b[4:4+n], b[4+n:]
		}
	} else {
		d := &h.DataPageHeaderV2.V
		enc = d.Encoding
		rep, def := int64(d.RepetitionLevelsByteLength), int64(d.DefinitionLevelsByteLength)
		if rep < 0 || def < 0 || rep+def > int64(len(b)) || rep+def > int64(h.UncompressedPageSize) {
			return corrupt("levels of %d and %d bytes in a page of %d", rep, def, len(b))
		}
		if !p.chunk.optional && d.NumNulls != 0 {
			return corrupt("%d nulls in a required column", d.NumNulls)
		}
		levels, b = b[rep:rep+def], b[rep+def:]
		if !d.IsCompressed.Valid || d.IsCompressed.V {
			size := int(int64(h.UncompressedPageSize) - rep - def)
			if size > 0 || len(b) > 0 {
				if b, err = p.codecs.decompress(&p.plain, b, size, p.chunk.codec); err != nil {
					return err
				}
			}
		}
	}
	if p.chunk.optional {
		bitmap := grow(&p.bitmap, (rows+7)/8)
		if p.set, err = decodeLevels(bitmap, rows, levels); err != nil {
			return err
		}
		if h.Type == format.DataPageV2 && int(h.DataPageHeaderV2.V.NumNulls) != rows-p.set {
			return corrupt("%d nulls where the header states %d", rows-p.set, h.DataPageHeaderV2.V.NumNulls)
		}
		if p.set < rows {
			p.levels = bitmap
		}
	}
	p.coded = enc == format.RLEDictionary || enc == plainDictionary
	if !p.coded {
		return p.decode(&p.vals, p.set, b, enc)
	}
	if !p.hasDict {
		return corrupt("indexes without a dictionary")
	}
	index := grow(&p.index, p.set)
	if p.set == 0 {
		return nil
	}
	if len(b) == 0 {
		return corrupt("indexes are missing")
	}
	if err := decodeRuns(index, b[1:], int(b[0])); err != nil {
		return err
	}
	var top uint32
	for _, i := range index {
		top = max(top, i)
	}
	if int64(top) >= int64(p.dictLen()) {
		return corrupt("index %d into a dictionary of %d", top, p.dictLen())
	}
	return nil
}

func (p *pages) dictLen() int {
	switch p.chunk.kind {
	case format.Int64:
		return len(p.dict.i64)
	case format.Float:
		return len(p.dict.f32)
	case format.Double:
		return len(p.dict.f64)
	case format.ByteArray:
		return p.dict.txt.len()
	}
	return len(p.dict.i32)
}

// decode reads n values in the column's physical type.
func (p *pages) decode(v *values, n int, b []byte, enc format.Encoding) error {
	switch p.chunk.kind {
	case format.Boolean:
		return p.decodeBooleans(grow(&v.i32, n), b, enc)
	case format.Int32:
		out := grow(&v.i32, n)
		switch enc {
		case format.Plain, format.ByteStreamSplit:
			b, err := p.unsplit(b, n, 4, enc)
			if err != nil {
				return err
			}
			for i := range out {
				out[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
			}
			return nil
		case format.DeltaBinaryPacked:
			_, err := decodeDelta(out, b)
			return err
		}
	case format.Int64:
		out := grow(&v.i64, n)
		switch enc {
		case format.Plain, format.ByteStreamSplit:
			b, err := p.unsplit(b, n, 8, enc)
			if err != nil {
				return err
			}
			for i := range out {
				out[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
			}
			return nil
		case format.DeltaBinaryPacked:
			_, err := decodeDelta(out, b)
			return err
		}
	case format.Float:
		if enc == format.Plain || enc == format.ByteStreamSplit {
			b, err := p.unsplit(b, n, 4, enc)
			if err != nil {
				return err
			}
			out := grow(&v.f32, n)
			for i := range out {
				out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
			}
			return nil
		}
	case format.Double:
		if enc == format.Plain || enc == format.ByteStreamSplit {
			b, err := p.unsplit(b, n, 8, enc)
			if err != nil {
				return err
			}
			out := grow(&v.f64, n)
			for i := range out {
				out[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
			}
			return nil
		}
	case format.Int96:
		if enc == format.Plain {
			if len(b) < 12*n {
				return corrupt("%d values in %d bytes", n, len(b))
			}
			const julian1970 = 2440588
			out := grow(&v.i32, n)
			for i := range out {
				out[i] = int32(binary.LittleEndian.Uint32(b[12*i+8:])) - julian1970
			}
			return nil
		}
	case format.ByteArray:
		switch enc {
		case format.Plain:
			return v.txt.decodePlain(n, b)
		case format.DeltaLengthByteArray:
			return v.txt.decodeDeltaLength(n, b, &p.intsA)
		case format.DeltaByteArray:
			return v.txt.decodeDeltaText(n, b, &p.intsA, &p.intsB)
		}
	}
	return fmt.Errorf("%v values in encoding %v are not read: %w", p.chunk.kind, enc, ErrFormat)
}

// unsplit returns the bytes of n values of size bytes in PLAIN encoding.
func (p *pages) unsplit(b []byte, n, size int, enc format.Encoding) ([]byte, error) {
	if len(b) < n*size {
		return nil, corrupt("%d values in %d bytes", n, len(b))
	}
	if enc == format.Plain {
		return b, nil
	}
	out := grow(&p.whole, n*size)
	return out, decodeSplit(out, b, size)
}

func (p *pages) decodeBooleans(out []int32, b []byte, enc format.Encoding) error {
	switch enc {
	case format.Plain:
		if len(b) < (len(out)+7)/8 {
			return corrupt("%d values in %d bytes", len(out), len(b))
		}
		unpack(out, b, 1)
		return nil
	case format.RLE:
		if len(out) == 0 {
			return nil
		}
		if len(b) < 4 {
			return corrupt("booleans end early")
		}
		index := grow(&p.index, len(out))
		if err := decodeRuns(index, b[4:], 1); err != nil {
			return err
		}
		for i, v := range index {
			out[i] = int32(v & 1)
		}
		return nil
	}
	return fmt.Errorf("booleans in encoding %v are not read: %w", enc, ErrFormat)
}

// codecs decompress pages. Output is bounded by what the page header promised,
// which checkSizes has bounded before. A codecs value serves one goroutine.
type codecs struct {
	zstd   *zstd.Decoder
	gzip   *gzip.Reader
	brotli *brotli.Reader
}

// decompress returns src decompressed to exactly size bytes, in *buf; or src
// itself when it is not compressed.
func (c *codecs) decompress(buf *[]byte, src []byte, size int, codec format.CompressionCodec) ([]byte, error) {
	if codec == format.Uncompressed {
		return src, nil
	}
	dst := grow(buf, size)
	var n int
	switch codec {
	case format.Snappy:
		want, err := snappy.DecodedLen(src)
		if err != nil || want != size {
			return nil, corrupt("snappy states %d bytes where the header states %d", want, size)
		}
		out, err := snappy.Decode(dst, src)
		if err != nil {
			return nil, corrupt("decompress: %v", err)
		}
		return out, nil
	case format.Zstd:
		if c.zstd == nil {
			d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxMemory(pageBytesMax), zstd.WithDecodeAllCapLimit(true))
			if err != nil {
				return nil, err
			}
			c.zstd = d
		}
		out, err := c.zstd.DecodeAll(src, dst[:0:size])
		if err != nil {
			return nil, corrupt("decompress: %v", err)
		}
		n = len(out)
	case format.Gzip:
		in := bytes.NewReader(src)
		var err error
		if c.gzip == nil {
			c.gzip, err = gzip.NewReader(in)
		} else {
			err = c.gzip.Reset(in)
		}
		if err != nil {
			c.gzip = nil
			return nil, corrupt("decompress: %v", err)
		}
		if n, err = fill(c.gzip, dst); err != nil {
			return nil, err
		}
	case format.Brotli:
		if c.brotli == nil {
			c.brotli = brotli.NewReader(nil)
		}
		if err := c.brotli.Reset(bytes.NewReader(src)); err != nil {
			return nil, corrupt("decompress: %v", err)
		}
		var err error
		if n, err = fill(c.brotli, dst); err != nil {
			return nil, err
		}
	case format.Lz4Raw:
		var err error
		if n, err = lz4.UncompressBlock(src, dst); err != nil {
			return nil, corrupt("decompress: %v", err)
		}
	default:
		return nil, fmt.Errorf("compression %v is not read; use zstd, snappy, gzip, brotli, lz4_raw or none: %w", codec, ErrFormat)
	}
	if n != size {
		return nil, corrupt("a page of %d bytes decompressed to %d", size, n)
	}
	return dst, nil
}

// fill reads len(dst) bytes and checks that r has no more.
func fill(r io.Reader, dst []byte) (int, error) {
	n, err := io.ReadFull(r, dst)
	if err == nil || errors.Is(err, io.EOF) && len(dst) == 0 {
		var more [1]byte
		if k, _ := io.ReadFull(r, more[:]); k > 0 {
			return n, corrupt("a page decompresses to more than %d bytes", len(dst))
		}
		return n, nil
	}
	return n, corrupt("decompress: %v", err)
}

func (c *codecs) close() {
	if c.zstd != nil {
		c.zstd.Close()
		c.zstd = nil
	}
}
