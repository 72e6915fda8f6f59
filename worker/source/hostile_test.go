package source

import (
	"bytes"
	stdgzip "compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"

	"rescore/partition/store"
	"rescore/worker/compact"
)

// hostile is a Parquet file that is put together by hand, so that it can lie.
type hostile struct {
	body  []byte
	meta  format.FileMetaData
	group format.RowGroup
}

func newHostile(rows int64) *hostile {
	h := &hostile{body: []byte(magic)}
	h.meta = format.FileMetaData{Version: 2, NumRows: rows, Schema: []format.SchemaElement{{Name: "root"}}}
	h.group.NumRows = rows
	return h
}

// page is a header and what follows it.
type page struct {
	header format.PageHeader
	body   []byte
}

func marshal(v any) []byte {
	b, err := thrift.Marshal(new(thrift.CompactProtocol), v)
	if err != nil {
		panic(err)
	}
	return b
}

// column adds a column with these pages.
func (h *hostile) column(name string, kind format.Type, codec format.CompressionCodec, pages ...page) {
	first := int64(len(h.body))
	for _, p := range pages {
		h.body = append(h.body, marshal(&p.header)...)
		h.body = append(h.body, p.body...)
	}
	h.leaf(name, kind)
	h.group.Columns = append(h.group.Columns, format.ColumnChunk{MetaData: format.ColumnMetaData{
		Type: kind, Encoding: []format.Encoding{format.Plain}, PathInSchema: []string{name}, Codec: codec, NumValues: h.group.NumRows,
		DataPageOffset: first, TotalCompressedSize: int64(len(h.body)) - first, TotalUncompressedSize: int64(len(h.body)) - first,
	}})
}

func (h *hostile) leaf(name string, kind format.Type) {
	h.meta.Schema = append(h.meta.Schema, format.SchemaElement{Name: name, Type: thrift.New(kind), RepetitionType: thrift.New(format.Optional)})
	h.children(h.meta.Schema[0].NumChildren.V + 1)
}

func (h *hostile) children(n int32) { h.meta.Schema[0].NumChildren = thrift.New(n) }

func (h *hostile) bytes() []byte {
	meta := h.meta
	if len(h.group.Columns) > 0 {
		meta.RowGroups = append(slices.Clone(meta.RowGroups), h.group)
	}
	footer := marshal(&meta)
	b := append(slices.Clone(h.body), footer...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(footer)))
	return append(b, magic...)
}

// data is a page of version 1.
func data(values int, enc format.Encoding, plain int, body []byte) page {
	return page{format.PageHeader{
		Type: format.DataPage, UncompressedPageSize: int32(plain), CompressedPageSize: int32(len(body)),
		DataPageHeader: thrift.New(format.DataPageHeader{NumValues: int32(values), Encoding: enc, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE}),
	}, body}
}

func dictionary(values, plain int, body []byte) page {
	return page{format.PageHeader{
		Type: format.DictionaryPage, UncompressedPageSize: int32(plain), CompressedPageSize: int32(len(body)),
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(values), Encoding: format.Plain}),
	}, body}
}

// run is one run of RLE: count values that are v, of up to eight bits.
func run(count uint64, v byte) []byte { return append(binary.AppendUvarint(nil, count<<1), v) }

// levels are definition levels as a page of version 1 has them.
func levels(b []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// pack compresses a page.
func pack(t testing.TB, codec format.CompressionCodec, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	switch codec {
	case format.Snappy:
		return snappy.Encode(nil, b)
	case format.Zstd:
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		return w.EncodeAll(b, nil)
	case format.Gzip:
		w := stdgzip.NewWriter(&out)
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	case format.Lz4Raw:
		to := make([]byte, lz4.CompressBlockBound(len(b)))
		n, err := (&lz4.Compressor{}).CompressBlock(b, to)
		if err != nil || n == 0 {
			t.Fatalf("lz4: %d, %v", n, err)
		}
		return to[:n]
	}
	return b
}

// TestHostileFilesEndSoonAndSmall: each is small and asks for much. None may take more
// than a fraction of the memory that a worker may have, nor loop.
func TestHostileFilesEndSoonAndSmall(t *testing.T) {
	const many = compact.StructsMax >> 3
	files := map[string]func(t *testing.T) []byte{
		"levels: a run of 2^31": func(*testing.T) []byte {
			h := newHostile(100)
			body := append(levels(run(1<<31, 1)), make([]byte, 800)...)
			h.column("a", format.Int64, format.Uncompressed, data(100, format.Plain, len(body), body))
			return h.bytes()
		},
		"indexes: a run of 2^62": func(*testing.T) []byte {
			h := newHostile(100)
			body := append(levels(run(100, 1)), append([]byte{1}, run(1<<62, 0)...)...)
			h.column("a", format.Int64, format.Uncompressed, dictionary(1, 8, make([]byte, 8)), data(100, format.RLEDictionary, len(body), body))
			return h.bytes()
		},
		"a page of 2^31-1 rows": func(*testing.T) []byte {
			h := newHostile(math.MaxInt32)
			body := levels(run(math.MaxInt32, 0))
			h.column("a", format.Int64, format.Uncompressed, data(math.MaxInt32, format.Plain, len(body), body))
			return h.bytes()
		},
		"a dictionary of 2^31-1 numbers": func(*testing.T) []byte {
			h := newHostile(100)
			body := append(levels(run(100, 1)), append([]byte{1}, run(100, 0)...)...)
			h.column("a", format.Int64, format.Uncompressed, dictionary(math.MaxInt32, 8, make([]byte, 8)), data(100, format.RLEDictionary, len(body), body))
			return h.bytes()
		},
		"a dictionary of texts that are not there": func(*testing.T) []byte {
			h := newHostile(100)
			body := append(levels(run(100, 1)), append([]byte{1}, run(100, 0)...)...)
			h.column("a", format.ByteArray, format.Uncompressed, dictionary(1<<24, 8, []byte{255, 255, 255, 127, 0, 0, 0, 0}), data(100, format.RLEDictionary, len(body), body))
			return h.bytes()
		},
		"an index past the dictionary": func(*testing.T) []byte {
			h := newHostile(100)
			body := append(levels(run(100, 1)), append([]byte{8}, run(100, 200)...)...)
			h.column("a", format.Int64, format.Uncompressed, dictionary(1, 8, make([]byte, 8)), data(100, format.RLEDictionary, len(body), body))
			return h.bytes()
		},
		"deltas of 2^31 in a miniblock": func(*testing.T) []byte {
			h := newHostile(100)
			d := binary.AppendUvarint(nil, 1<<31) // values a block
			d = binary.AppendUvarint(d, 1)
			d = binary.AppendUvarint(d, 100)
			body := append(levels(run(100, 1)), append(d, make([]byte, 64)...)...)
			h.column("a", format.Int64, format.Uncompressed, data(100, format.DeltaBinaryPacked, len(body), body))
			return h.bytes()
		},
		"texts whose prefixes add up": func(*testing.T) []byte {
			// Each text is the one before and a byte more: n of them are n²/2 bytes.
			const n = 1 << 17
			h := newHostile(n)
			deltas := func(first, step int64) []byte { // n numbers, all steps the same
				b := binary.AppendUvarint(nil, 128)
				b = binary.AppendUvarint(b, 4)
				b = binary.AppendUvarint(b, n)
				b = binary.AppendVarint(b, first)
				for range n / 128 {
					b = append(binary.AppendVarint(b, step), 0, 0, 0, 0) // no bits
				}
				return b
			}
			body := append(levels(run(n, 1)), deltas(0, 1)...)
			body = append(body, deltas(1, 0)...)
			body = append(body, bytes.Repeat([]byte{'x'}, n)...)
			h.column("a", format.ByteArray, format.Uncompressed, data(n, format.DeltaByteArray, len(body), body))
			return h.bytes()
		},
		"a footer of 2^17 columns": func(*testing.T) []byte {
			h := newHostile(0)
			for range many {
				h.leaf("a", format.Int64)
			}
			return h.bytes()
		},
		"a footer of 2^17 row groups": func(*testing.T) []byte {
			h := newHostile(0)
			h.meta.RowGroups = make([]format.RowGroup, many-10)
			h.leaf("a", format.Int64)
			return h.bytes()
		},
		"row groups without columns": func(*testing.T) []byte {
			h := newHostile(many)
			h.leaf("a", format.Int64)
			for range 1000 {
				h.meta.RowGroups = append(h.meta.RowGroups, format.RowGroup{NumRows: 1 << 40})
			}
			return h.bytes()
		},
		"a schema 2^15 deep": func(*testing.T) []byte {
			h := newHostile(0)
			h.children(1)
			for range 1 << 15 {
				h.meta.Schema = append(h.meta.Schema, format.SchemaElement{Name: "g", NumChildren: thrift.New[int32](1)})
			}
			h.leaf("a", format.Int64)
			h.children(1)
			return h.bytes()
		},
		"a schema that claims 2^31-1 children": func(*testing.T) []byte {
			h := newHostile(0)
			h.leaf("a", format.Int64)
			h.children(math.MaxInt32)
			return h.bytes()
		},
		"a column that starts before the file": func(*testing.T) []byte {
			h := newHostile(100)
			h.column("a", format.Int64, format.Uncompressed, data(100, format.Plain, 800, make([]byte, 800)))
			h.group.Columns[0].MetaData.DataPageOffset = math.MinInt64
			return h.bytes()
		},
		"a column longer than any file": func(*testing.T) []byte {
			h := newHostile(100)
			h.column("a", format.Int64, format.Uncompressed, data(100, format.Plain, 800, make([]byte, 800)))
			h.group.Columns[0].MetaData.TotalCompressedSize = math.MaxInt64
			return h.bytes()
		},
		"columns that share one page": func(*testing.T) []byte {
			h := newHostile(100)
			body := append(levels(run(100, 1)), make([]byte, 800)...)
			h.column("a", format.Int64, format.Uncompressed, data(100, format.Plain, len(body), body))
			for i := range 1000 {
				name := fmt.Sprintf("a%d", i)
				h.leaf(name, format.Int64)
				c := h.group.Columns[0]
				c.MetaData.PathInSchema = []string{name}
				h.group.Columns = append(h.group.Columns, c)
			}
			return h.bytes()
		},
	}
	for _, codec := range []format.CompressionCodec{format.Snappy, format.Zstd, format.Gzip, format.Lz4Raw} {
		// It unpacks to 20 MB, says that it does to a kilobyte, or to more than is read.
		for name, says := range map[string]int{"humble": 1000, "boastful": pageBytesMax + 1} {
			files[fmt.Sprintf("a %s page, %s", strings.ToLower(codec.String()), name)] = func(t *testing.T) []byte {
				body := pack(t, codec, append(levels(run(100, 1)), make([]byte, 20<<20)...))
				h := newHostile(100)
				h.column("a", format.Int64, codec, data(100, format.Plain, says, body))
				return h.bytes()
			}
		}
	}
	// Each page is within bounds, and there are many columns.
	files["forty columns of large pages"] = func(t *testing.T) []byte {
		h := newHostile(100)
		plain := append(levels(run(100, 1)), make([]byte, 20<<20)...)
		body := pack(t, format.Zstd, plain)
		body = append(body, 0x50, 0x2a, 0x4d, 0x18, 0xf8, 0xff, 0, 0) // a frame that is passed over
		body = append(body, make([]byte, 0xfff8)...)
		for i := range 40 {
			h.column(fmt.Sprintf("a%d", i), format.Int64, format.Zstd, data(100, format.Plain, len(plain), body))
		}
		return h.bytes()
	}
	for name, build := range files {
		t.Run(name, func(t *testing.T) {
			b := build(t)
			read := memoryStore{"in.parquet": b}
			for _, st := range []store.Store{read, mappedStore{read}} {
				endsSoonAndSmall(t, b, func() error { _, err := devourParquet(st); return err })
			}
		})
	}
}

// Nobody reads a column of no rows, but for a look behind its last one: that is inside the
// file as well.
func TestAColumnOfNoRowsLiesInTheFileAsWell(t *testing.T) {
	h := newHostile(100)
	body := append(levels(run(100, 1)), make([]byte, 800)...)
	h.column("a", format.Int64, format.Uncompressed, data(100, format.Plain, len(body), body))
	empty := format.RowGroup{Columns: slices.Clone(h.group.Columns)}
	m := &empty.Columns[0].MetaData
	m.NumValues, m.DataPageOffset, m.TotalCompressedSize = 0, -100, 200
	h.meta.NumRows, h.meta.RowGroups = 200, []format.RowGroup{h.group, empty} // and one more of 100
	read := memoryStore{"in.parquet": h.bytes()}
	for _, st := range []store.Store{read, mappedStore{read}} {
		if _, err := devourParquet(st); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "outside the file") {
			t.Errorf("%T: %v", st, err)
		}
	}
}

// TestHostileTextsEndSoonAndSmall is the same of CSV, packed or not.
func TestHostileTextsEndSoonAndSmall(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	const head = "msisdn,fee_m0\n"
	long := bytes.Repeat([]byte{'x'}, 3*rowBytesMax)
	var wide bytes.Buffer
	for i := range 1 << 17 {
		fmt.Fprintf(&wide, "%d,", i)
	}
	for name, b := range map[string][]byte{
		"a header of 2^17 columns":     slices.Concat(wide.Bytes(), []byte("msisdn\n"), bytes.Repeat([]byte{','}, 1<<17), []byte("13800138000\n")),
		"a header without end":         long,
		"a row without end":            slices.Concat([]byte(head), long),
		"a quote that nobody closes":   slices.Concat([]byte(head+`13800138000,"`), long),
		"a row of empty cells":         slices.Concat([]byte(head), bytes.Repeat([]byte{','}, 3*rowBytesMax)),
		"a quote after every quote":    slices.Concat([]byte(head+`13800138000,"`), bytes.Repeat([]byte{'"'}, 3*rowBytesMax)),
		"lines without anything":       slices.Concat([]byte(head), bytes.Repeat([]byte{'\n'}, 3*rowBytesMax)),
		"bytes that are no text":       slices.Concat([]byte(head), bytes.Repeat([]byte{0xff}, 3*rowBytesMax)),
		"zeros":                        slices.Concat([]byte(head), make([]byte, 3*rowBytesMax)),
		"a gzip name without end":      slices.Concat([]byte{0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 255}, long),
		"gzip members without bytes":   bytes.Repeat(gzipped(t, nil), 1<<17),
		"zstd frames without bytes":    bytes.Repeat([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0, 1, 0, 0}, 1<<17),
		"a zstd window of 2 GiB":       {0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0},
		"a zstd frame of 2^63 bytes":   {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x80, 1, 0, 0},
		"a zstd frame to be passed by": {0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			endsSoonAndSmall(t, b, func() error {
				_, _, err := devourStore(func() (*Dataset, error) {
					s := spec("in.csv")
					s.Input.Format, s.Input.MakeNumbers = "csv", 13000000000
					return Open(context.Background(), memoryStore{"in.csv": b}, s)
				})
				return err
			})
		})
	}
}

// endsSoonAndSmall reads a file that is b.
func endsSoonAndSmall(t *testing.T, b []byte, read func() error) {
	t.Helper()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := read()
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if err != nil && !typed(err) {
		t.Errorf("untyped error %v", err)
	}
	grown := (after.TotalAlloc - before.TotalAlloc) >> 20
	if grown > 512 {
		t.Errorf("%d bytes of file allocated %d MB", len(b), grown)
	}
	if took > time.Minute { // a loaded machine takes a second, an endless loop for ever
		t.Errorf("%d bytes took %s", len(b), took)
	}
	t.Logf("%8d bytes: %s, %d MB, %v", len(b), took.Round(time.Millisecond), grown, err)
}

// FuzzPage has a dictionary and a page in a file that is right otherwise: what is behind
// a codec, and behind sizes that add up, is not found by flipping bits of whole files.
func FuzzPage(f *testing.F) {
	kinds := []format.Type{format.Boolean, format.Int32, format.Int64, format.Int96, format.Float, format.Double, format.ByteArray}
	encodings := []format.Encoding{format.Plain, format.RLEDictionary, format.RLE, format.DeltaBinaryPacked, format.DeltaLengthByteArray, format.DeltaByteArray, format.ByteStreamSplit}
	all, none := run(8, 1), []byte{}
	f.Add(uint8(2), uint8(0), false, false, uint16(8), none, all, make([]byte, 64))
	f.Add(uint8(1), uint8(1), true, true, uint16(8), []byte{2, 0, 0, 0, 3, 0, 0, 0}, run(1<<31, 1), append([]byte{1}, run(8, 1)...))
	f.Add(uint8(0), uint8(2), false, true, uint16(8), none, all, levels([]byte{3, 0xa5}))
	f.Add(uint8(2), uint8(3), true, false, uint16(8), none, all, []byte{128, 1, 4, 8, 2, 2, 3, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	f.Add(uint8(6), uint8(4), false, false, uint16(2), none, run(2, 1), []byte{128, 1, 4, 2, 2, 0, 0, 0, 0, 0, 'a', 'b'})
	f.Add(uint8(6), uint8(5), true, true, uint16(2), none, run(2, 1), []byte{128, 1, 4, 2, 0, 2, 0, 0, 0, 0, 128, 1, 4, 2, 2, 0, 0, 0, 0, 0, 'a', 'b'})
	f.Add(uint8(5), uint8(6), false, true, uint16(1), none, run(1, 1), make([]byte, 8))
	f.Add(uint8(6), uint8(1), true, false, uint16(8), []byte{2, 0, 0, 0, 'a', 'a', 1, 0, 0, 0, 'b'}, all, append([]byte{1}, 3, 0x55))
	f.Fuzz(func(t *testing.T, kind, enc uint8, packed, second bool, rows uint16, dict, def, body []byte) {
		k, e := kinds[int(kind)%len(kinds)], encodings[int(enc)%len(encodings)]
		codec := format.Uncompressed
		if packed {
			codec = format.Snappy
		}
		h := newHostile(int64(rows))
		var list []page
		if len(dict) > 0 {
			list = append(list, dictionary(int(dict[0]), len(dict), pack(t, codec, dict)))
		}
		p := data(int(rows), e, 4+len(def)+len(body), pack(t, codec, append(levels(def), body...)))
		if second {
			p.body = append(bytes.Clone(def), pack(t, codec, body)...)
			nulls := int32(0)
			if set, err := decodeLevels(make([]byte, (int(rows)+7)/8+wordSlack), int(rows), def); err == nil {
				nulls = int32(int(rows) - set)
			}
			p.header = format.PageHeader{
				Type: format.DataPageV2, UncompressedPageSize: int32(len(def) + len(body)), CompressedPageSize: int32(len(p.body)),
				DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{
					NumValues: int32(rows), NumRows: int32(rows), NumNulls: nulls, Encoding: e,
					DefinitionLevelsByteLength: int32(len(def)), IsCompressed: thrift.New(packed),
				}),
			}
		}
		h.column("a", k, codec, append(list, p)...)
		if err := devourBytes(h.bytes()); err != nil && !typed(err) {
			t.Fatalf("untyped error %v", err)
		}
	})
}
