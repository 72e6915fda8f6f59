package sink

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// TestPageHeadersAreThoseOfParquetGo, and are read as they were written; others are refused.
func TestPageHeadersAreThoseOfParquetGo(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(24, 1))
	number := func() int32 { return int32(r.Uint32() >> r.UintN(32)) }
	for i := range 5000 {
		h := pageHeader{
			kind: format.DataPage, size: number(), packed: number(), crc: int32(r.Uint32()), values: number(),
			encoding: []format.Encoding{format.Plain, format.RLEDictionary, format.DeltaBinaryPacked}[i%3],
		}
		if i%10 == 0 {
			h.crc = 0
		}
		theirs := format.PageHeader{UncompressedPageSize: h.size, CompressedPageSize: h.packed, CRC: h.crc}
		if i%2 == 0 {
			h.kind, h.sorted = format.DictionaryPage, i%4 == 0
			theirs.DictionaryPageHeader = thrift.New(format.DictionaryPageHeader{NumValues: h.values, Encoding: h.encoding, IsSorted: h.sorted})
		} else {
			h.nulls = int64(r.Uint64() >> r.UintN(64))
			theirs.DataPageHeader = thrift.New(format.DataPageHeader{
				NumValues: h.values, Encoding: h.encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
				Statistics: format.Statistics{NullCount: h.nulls},
			})
		}
		theirs.Type = h.kind
		want, err := thrift.Marshal(new(thrift.CompactProtocol), &theirs)
		check(t, err)
		got := h.append([]byte("before"))[len("before"):]
		if !bytes.Equal(got, want) {
			t.Fatalf("%+v is written %x, not %x", h, got, want)
		}
		var back pageHeader
		size, err := back.read(append(bytes.Clone(got), "behind"...))
		check(t, err)
		same(t, "the size of a header", size, len(got))
		same(t, "a header", back, h)
		if _, err := back.read(got[:r.IntN(len(got))]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("a header that is cut: %v", err)
		}
		bad := bytes.Clone(got)
		bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
		if size, err := back.read(bad); err == nil && (back == h || size > len(bad)) || err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrLayout) {
			t.Fatalf("%x, of which a bit was flipped, is %+v: %v", bad, back, err)
		}
	}
	var h pageHeader
	second, err := thrift.Marshal(new(thrift.CompactProtocol), &format.PageHeader{Type: format.DataPageV2})
	check(t, err)
	if _, err := h.read(second); !errors.Is(err, ErrLayout) {
		t.Errorf("a page of version 2: %v", err)
	}
}
