package sink

import (
	"fmt"
	"hash/crc32"
	"io"

	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/plain"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/store"
)

// pageBytesMax bounds a page before compression: a dictionary as long as
// dictionaryDomainMax allows, or pageRows values of 64 bits with their headers.
const pageBytesMax = 4*dictionaryDomainMax + 4096

// pageReader reads the pages this package writes and refuses all others. It
// walks pages itself because parquet-go's reader makes room for whatever size a
// damaged header claims, up to 2 GiB a page; here a page is inside its chunk,
// the chunk inside the file, and nothing is decoded before its checksum agrees.
type pageReader struct {
	object store.Object
	end    int64 // pages end here, where the footer begins

	raw     []byte // one column chunk
	page    []byte // one page, decompressed
	dict    []int32
	codes   []int32
	amounts []int64
	reals   []float32
}

// read appends one column of one row group to a column.
func (r *pageReader) read(meta *format.ColumnMetaData, to column, rows int) error {
	codec, err := codecOf(meta.Codec)
	if err != nil {
		return err
	}
	at, size := meta.DataPageOffset, meta.TotalCompressedSize
	if meta.DictionaryPageOffset != 0 {
		at = meta.DictionaryPageOffset
	}
	if at < int64(len(magic)) || size < 0 || at > r.end || size > r.end-at {
		return fmt.Errorf("%w: pages outside the file", ErrDamaged)
	}
	if int64(cap(r.raw)) < size {
		r.raw = make([]byte, size)
	}
	r.raw = r.raw[:size]
	if _, err := io.ReadFull(io.NewSectionReader(r.object, at, size), r.raw); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	r.dict = r.dict[:0]
	for rest := r.raw; len(rest) > 0; {
		var h format.PageHeader
		if rest, err = r.next(rest, &h, codec); err != nil {
			return err
		}
		switch {
		case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid && len(r.dict) == 0:
			if r.dict, err = new(plain.Encoding).DecodeInt32(r.dict, r.page); err != nil {
				return fmt.Errorf("%w: dictionary: %w", ErrDamaged, err)
			}
		case h.Type == format.DataPage && h.DataPageHeader.Valid:
			n := int(h.DataPageHeader.V.NumValues)
			if n < 1 || n > pageRows || to.len()+n > rows {
				return fmt.Errorf("%w: more values than rows", ErrDamaged)
			}
			if err := to.decode(r, h.DataPageHeader.V.Encoding, n); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%w: a page of type %s", ErrLayout, h.Type)
		}
	}
	if to.len() != rows {
		return fmt.Errorf("%w: %d values in %d rows", ErrDamaged, to.len(), rows)
	}
	return nil
}

// next takes a page off data: its header goes to h, its decompressed bytes to
// r.page.
func (r *pageReader) next(data []byte, h *format.PageHeader, codec compress.Codec) (rest []byte, err error) {
	header := new(thrift.CompactProtocol).NewReaderFromBytes(data)
	if err := thrift.NewDecoder(header).Decode(h); err != nil {
		return nil, fmt.Errorf("%w: page header: %w", ErrDamaged, err)
	}
	data = data[header.BytesRead():]
	packed, size := int(h.CompressedPageSize), int(h.UncompressedPageSize)
	if packed < 0 || packed > len(data) || size < 0 || size > pageBytesMax {
		return nil, fmt.Errorf("%w: a page longer than it can be", ErrDamaged)
	}
	if crc32.ChecksumIEEE(data[:packed]) != uint32(h.CRC) {
		return nil, fmt.Errorf("%w: a page's checksum does not agree", ErrDamaged)
	}
	if cap(r.page) < size {
		r.page = make([]byte, 0, size)
	}
	r.page, err = codec.Decode(r.page[:size], data[:packed])
	if err != nil {
		return nil, fmt.Errorf("%w: decompress a page: %w", ErrDamaged, err)
	}
	if len(r.page) != size {
		return nil, fmt.Errorf("%w: a page of %d bytes where its header says %d", ErrDamaged, len(r.page), size)
	}
	return data[packed:], nil
}

// codes32 decodes n dictionary codes.
func (r *pageReader) codes32(n int) (codes []int32, err error) {
	if len(r.page) == 0 || r.page[0] > 32 {
		return nil, fmt.Errorf("%w: codes without a width", ErrDamaged)
	}
	r.codes, err = new(rle.DictionaryEncoding).DecodeInt32(r.codes[:0], r.page)
	return exactly(r.codes, n, 7, err) // bits are packed in eights
}

// plain32 decodes n plain values.
func (r *pageReader) plain32(n int) (values []int32, err error) {
	r.codes, err = new(plain.Encoding).DecodeInt32(r.codes[:0], r.page)
	return exactly(r.codes, n, 0, err)
}

// delta64 decodes n delta-coded values.
func (r *pageReader) delta64(n int) (values []int64, err error) {
	r.amounts, err = new(delta.BinaryPackedEncoding).DecodeInt64(r.amounts[:0], r.page)
	return exactly(r.amounts, n, 0, err)
}

// plainFloat decodes n plain values.
func (r *pageReader) plainFloat(n int) (values []float32, err error) {
	r.reals, err = new(plain.Encoding).DecodeFloat(r.reals[:0], r.page)
	return exactly(r.reals, n, 0, err)
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
