package sink

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/encoding/plain"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/store"
	"rescore/worker/bitpack"
)

// pageBytesMax bounds a page before compression: a dictionary as long as
// dictionaryDomainMax allows, or pageRows values of 64 bits with their headers.
const pageBytesMax = 4*dictionaryDomainMax + 4096

// chunkBytesMax bounds a column chunk of so many rows: no page holds more than
// eight bytes a row, its header, and what a codec adds to what it cannot compress.
func chunkBytesMax(rows int) int64 { return 2 * (pageBytesMax + int64(rows)*8) }

// cursor goes through the pages of one column chunk. It walks pages itself because
// parquet-go's reader makes room for whatever size a damaged header claims, up to 2
// GiB a page; here a page is inside its chunk, the chunk inside the file, and
// nothing is decoded before its checksum agrees.
type cursor struct {
	codec  compress.Codec
	raw    []byte // the chunk, where it had to be read
	shared bool   // whether the chunk lies in an image
	rest   []byte // its pages that were not read
}

// load reads a chunk of so many rows; pages of the file end at end.
func (c *cursor) load(object store.Object, end int64, meta *format.ColumnMetaData, rows int) (err error) {
	if c.codec, err = codecOf(meta.Codec); err != nil {
		return err
	}
	at, size := meta.DataPageOffset, meta.TotalCompressedSize
	if meta.DictionaryPageOffset != 0 {
		at = meta.DictionaryPageOffset
	}
	if at < int64(len(magic)) || size < 0 || at > end || size > end-at {
		return fmt.Errorf("%w: pages outside the file", ErrDamaged)
	}
	if size > chunkBytesMax(rows) {
		return fmt.Errorf("%w: more bytes than %d rows take", ErrDamaged, rows)
	}
	c.rest, c.shared, err = look(object, at, size, &c.raw)
	return err
}

// pageReader decodes the pages this package writes and refuses all others.
type pageReader struct {
	page []byte // one page, decompressed

	own      []byte // a page that was copied
	unpacked []byte
	packed   []byte
	ints     []int32
	codes    []uint16
	small    []uint8
	amounts  []int64
}

// read appends one column of one row group to a column.
func (r *pageReader) read(c *cursor, to column, rows int) error {
	for len(c.rest) > 0 {
		if err := r.next(c, to, rows-to.len()); err != nil {
			return err
		}
	}
	if to.len() != rows {
		return fmt.Errorf("%w: %d values in %d rows", ErrDamaged, to.len(), rows)
	}
	return nil
}

// next appends the values of the next data page to a column: at most most. It also
// reads a dictionary page before it.
func (r *pageReader) next(c *cursor, to column, most int) error {
	for first := true; ; first = false {
		var h pageHeader
		if err := r.take(c, &h); err != nil {
			return err
		}
		n := int(h.values)
		switch {
		case h.kind == format.DataPage:
			if n < 1 || n > pageRows || n > most {
				return fmt.Errorf("%w: more values than rows", ErrDamaged)
			}
			return to.decode(r, h.encoding, n)
		case !first:
			return fmt.Errorf("%w: a second dictionary", ErrLayout)
		}
		if err := to.dictionary(r, n); err != nil {
			return fmt.Errorf("dictionary: %w", err)
		}
	}
}

// take takes a page off its chunk: its header goes to h, its bytes, decompressed, to
// r.page.
func (r *pageReader) take(c *cursor, h *pageHeader) (err error) {
	header, err := h.read(c.rest)
	if err != nil {
		return err
	}
	data := c.rest[header:]
	packed, size := int(h.packed), int(h.size)
	if packed < 0 || packed > len(data) || size < 0 || size > pageBytesMax {
		return fmt.Errorf("%w: a page longer than it can be", ErrDamaged)
	}
	data, c.rest = data[:packed], data[packed:]
	plain := c.codec.CompressionCodec() == format.Uncompressed
	if c.shared && (!plain || h.encoding == format.DeltaBinaryPacked) {
		r.own = append(r.own[:0], data...)
		data = r.own
	}
	if crc32.ChecksumIEEE(data) != uint32(h.crc) {
		return fmt.Errorf("%w: a page's checksum does not agree", ErrDamaged)
	}
	if plain {
		r.page = data
	} else {
		if cap(r.unpacked) < size {
			r.unpacked = make([]byte, size)
		}
		r.page, err = c.codec.Decode(r.unpacked[:size], data)
		if err != nil {
			return fmt.Errorf("%w: decompress a page: %w", ErrDamaged, err)
		}
	}
	if len(r.page) != size {
		return fmt.Errorf("%w: a page of %d bytes where its header says %d", ErrDamaged, len(r.page), size)
	}
	return nil
}

// width takes the width of a page's codes, below known, off the page.
func (r *pageReader) width(most int) (int, error) {
	if len(r.page) > 0 {
		if width := int(r.page[0]); width >= 1 && width <= most {
			r.page = r.page[1:]
			return width, nil
		}
	}
	return 0, fmt.Errorf("%w: codes without a width", ErrDamaged)
}

// one returns the code of a page of n codes that are all one, below known, and whether it
// is such a page.
func (r *pageReader) one(n, known int) (code int, is bool) {
	page := r.page
	width, err := r.width(codeBitsMax)
	if err != nil {
		return 0, false
	}
	code, is = oneRun(r.page, width, n)
	r.page = page
	return code, is && code < known
}

// codes8 decodes dictionary codes of a byte at most, which are to be below known.
func (r *pageReader) codes8(codes []uint8, known int) error {
	width, err := r.width(8)
	if err != nil {
		return err
	}
	if err := readCodes(codes, r.page, width, &r.packed); err != nil {
		return err
	}
	if 1<<width > known && anyFrom(codes, known, width) {
		return errCode
	}
	return nil
}

// anyFrom reports whether any code, below 1<<width, is not below known, which is.
func anyFrom(codes []uint8, known, width int) bool {
	if width == 8 || chosen == avx512 {
		_, most := bounds(codes)
		return int(most) >= known
	}
	var all uint64
	over := uint64(1<<7-known) * ones8 // lifts those that are not below known to 1<<7
	for ; len(codes) >= 8; codes = codes[8:] {
		all |= binary.LittleEndian.Uint64(codes) + over
	}
	for _, c := range codes {
		all |= uint64(c) + over&0xff
	}
	return all&(ones8<<7) != 0
}

// bytes decodes n dictionary codes of a byte at most, which are to be below known.
func (r *pageReader) bytes(n, known int) ([]uint8, error) {
	if cap(r.small) < n {
		r.small = make([]uint8, pageRows+slack)
	}
	return r.small[:n], r.codes8(r.small[:n], known)
}

// codes16 decodes n dictionary codes, which are to be below known.
func (r *pageReader) codes16(n, known int) ([]uint16, error) {
	width, err := r.width(codeBitsMax)
	if err != nil {
		return nil, err
	}
	if cap(r.codes) < n {
		r.codes = make([]uint16, pageRows+slack)
	}
	codes := r.codes[:n]
	if err := readCodes(codes, r.page, width, &r.packed); err != nil {
		return nil, err
	}
	if 1<<width > known {
		if _, most := bounds(codes); int(most) >= known {
			return nil, errCode
		}
	}
	return codes, nil
}

var errCode = fmt.Errorf("%w: a code past the end of its dictionary", ErrDamaged)

// plain32 decodes n plain values.
func (r *pageReader) plain32(n int) (values []int32, err error) {
	r.ints, err = new(plain.Encoding).DecodeInt32(r.ints[:0], r.page)
	return exactly(r.ints, n, 0, err)
}

// plain64 decodes n plain values.
func (r *pageReader) plain64(n int) (values []int64, err error) {
	r.amounts, err = new(plain.Encoding).DecodeInt64(r.amounts[:0], r.page)
	return exactly(r.amounts, n, 0, err)
}

// delta64 decodes as many delta-coded values as there are to be.
func (r *pageReader) delta64(values []int64) error {
	rest, err := bitpack.ReadDeltas(values, r.page)
	if err != nil {
		return fmt.Errorf("%w: decode a page: %w", ErrDamaged, err)
	}
	if len(rest) > 0 {
		return fmt.Errorf("%w: bytes behind the values of a page", ErrDamaged)
	}
	return nil
}

// plainFloat decodes n plain values, into the room there is where that is enough.
func (r *pageReader) plainFloat(room []float32, n int) (values []float32, err error) {
	values, err = new(plain.Encoding).DecodeFloat(room[:0], r.page)
	return exactly(values, n, 0, err)
}

// exactly returns n values, or ErrDamaged when there are fewer, or more than
// the padding.
func exactly[T any](values []T, n, padding int, err error) ([]T, error) {
	if err != nil {
		return nil, fmt.Errorf("%w: decode a page: %w", ErrDamaged, err)
	}
	if len(values) < n || len(values) > n+padding {
		return nil, fmt.Errorf("%w: %d values in a page of %d", ErrDamaged, len(values), n)
	}
	return values[:n], nil
}
