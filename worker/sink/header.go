package sink

import (
	"encoding/binary"
	"fmt"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// pageHeader is what stands before a page that this package writes: in Thrift's compact
// protocol, without anything optional but these. There are hundreds in a row group: so it is
// written, and read, without looking up what a structure is.
type pageHeader struct {
	kind     format.PageType // a data page, or a dictionary
	size     int32           // of the page
	packed   int32           // in the file
	crc      int32           // 0 stands nowhere
	values   int32
	nulls    int64 // of a data page
	encoding format.Encoding
	sorted   bool // of a dictionary
}

// Fields of Parquet's PageHeader.
const (
	fieldKind = 1 + iota
	fieldSize
	fieldPacked
	fieldCRC
	fieldData
	_
	fieldDictionary
)

// Fields of its DataPageHeader, and of the Statistics there.
const (
	fieldStatistics = 5
	fieldNulls      = 3
)

// append appends the header.
func (h *pageHeader) append(b []byte) []byte {
	w := fieldWriter{b: b}
	w.number(fieldKind, int32(h.kind))
	w.number(fieldSize, h.size)
	w.number(fieldPacked, h.packed)
	if h.crc != 0 {
		w.number(fieldCRC, h.crc)
	}
	if h.kind == format.DictionaryPage {
		w.field(fieldDictionary, thrift.STRUCT)
	} else {
		w.field(fieldData, thrift.STRUCT)
	}
	w.last = 0
	w.number(1, h.values)
	w.number(2, int32(h.encoding))
	switch {
	case h.kind != format.DictionaryPage: // the encodings of levels, whether there are any or not
		w.number(3, int32(format.RLE))
		w.number(4, int32(format.RLE))
		w.field(fieldStatistics, thrift.STRUCT)
		w.last = 0
		w.field(fieldNulls, thrift.I64)
		w.b = append(binary.AppendVarint(w.b, h.nulls), 0) // it ends
	case h.sorted:
		w.field(3, thrift.TRUE)
	}
	return append(w.b, 0, 0) // both end
}

// fieldWriter appends fields of a structure, in order.
type fieldWriter struct {
	b    []byte
	last byte
}

func (w *fieldWriter) field(id byte, t thrift.Type) {
	w.b = append(w.b, (id-w.last)<<4|byte(t))
	w.last = id
}

func (w *fieldWriter) number(id byte, v int32) {
	w.field(id, thrift.I32)
	w.b = binary.AppendVarint(w.b, int64(v))
}

// read reads the header that b begins with, and returns its size. It returns ErrLayout for a
// page of another kind, and ErrDamaged for what append does not append.
func (h *pageHeader) read(b []byte) (size int, err error) {
	*h = pageHeader{}
	r := fieldReader{b: b}
	h.kind = format.PageType(r.number(fieldKind))
	if !r.bad && h.kind != format.DataPage && h.kind != format.DictionaryPage {
		return 0, fmt.Errorf("%w: a page of type %s", ErrLayout, h.kind)
	}
	h.size, h.packed = r.number(fieldSize), r.number(fieldPacked)
	if r.next(fieldCRC, thrift.I32) {
		h.crc = r.number(fieldCRC)
	}
	if h.kind == format.DictionaryPage {
		r.field(fieldDictionary, thrift.STRUCT)
	} else {
		r.field(fieldData, thrift.STRUCT)
	}
	r.last = 0
	h.values, h.encoding = r.number(1), format.Encoding(r.number(2))
	if h.kind == format.DictionaryPage {
		if h.sorted = r.next(3, thrift.TRUE); h.sorted {
			r.field(3, thrift.TRUE)
		}
	} else {
		for id := range byte(2) {
			r.bad = r.number(3+id) != int32(format.RLE) || r.bad
		}
		r.field(fieldStatistics, thrift.STRUCT)
		r.last = 0
		r.field(fieldNulls, thrift.I64)
		h.nulls = r.varint()
		r.end()
	}
	r.end()
	r.end()
	if r.bad {
		return 0, fmt.Errorf("%w: page header", ErrDamaged)
	}
	return len(b) - len(r.b), nil
}

// fieldReader takes fields of a structure off bytes, those that are expected; bad says
// that another came, or nothing.
type fieldReader struct {
	b    []byte
	last byte
	bad  bool
}

// next reports whether a field comes next.
func (r *fieldReader) next(id byte, t thrift.Type) bool {
	return len(r.b) > 0 && r.b[0] == (id-r.last)<<4|byte(t)
}

func (r *fieldReader) field(id byte, t thrift.Type) {
	if r.bad = r.bad || !r.next(id, t); !r.bad {
		r.b, r.last = r.b[1:], id
	}
}

func (r *fieldReader) number(id byte) int32 {
	r.field(id, thrift.I32)
	v := r.varint()
	r.bad = r.bad || int64(int32(v)) != v
	return int32(v)
}

// varint takes the value of a field that is a number.
func (r *fieldReader) varint() int64 {
	if r.bad {
		return 0
	}
	v, n := binary.Varint(r.b)
	if r.bad = n <= 0; r.bad {
		return 0
	}
	r.b = r.b[n:]
	return v
}

// end takes the end of a structure.
func (r *fieldReader) end() {
	if r.bad = r.bad || len(r.b) == 0 || r.b[0] != 0; !r.bad {
		r.b = r.b[1:]
	}
}
