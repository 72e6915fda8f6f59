package source

import (
	"encoding/binary"
	"math"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// pageHeader is what stands before a page. A file has one for every few thousand
// values of every column: it is read here, into a value of our own, for the price of
// walking over it.
type pageHeader struct {
	kind   format.PageType
	plain  int32 // bytes when decompressed
	packed int32 // bytes in the file
	crc    int32 // 0 when there is none
	data   pageShape
	dict   pageShape
	second pageShape // of a data page of version 2
}

// pageShape is the part of a header that is of one kind of page.
type pageShape struct {
	has      uint16 // bit of each field that was there; none, no shape
	values   int32
	nulls    int32
	rows     int32
	encoding format.Encoding
	levels   format.Encoding // of definition
	def, rep int32           // bytes of levels
	loose    bool            // not compressed, whatever the column is
}

func (s *pageShape) given() bool { return s.has != 0 }

// Fields that a header and its parts have to have.
const (
	headerFields     = 1<<1 | 1<<2 | 1<<3
	dataFields       = 1<<1 | 1<<2 | 1<<3 | 1<<4
	dictionaryFields = 1<<1 | 1<<2
	secondFields     = 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5 | 1<<6
)

// readHeader reads the header that b starts with, and returns its size.
func readHeader(h *pageHeader, b []byte) (int, error) {
	*h = pageHeader{}
	w := thriftWalk{b: b, structs: 64}
	has, err := w.structure(0, func(id int16, t thrift.Type) (bool, error) {
		switch id {
		case 1:
			return true, w.int32(t, (*int32)(&h.kind))
		case 2:
			return true, w.int32(t, &h.plain)
		case 3:
			return true, w.int32(t, &h.packed)
		case 4:
			return true, w.int32(t, &h.crc)
		case 5:
			s := &h.data
			var repetition int32
			return true, w.shape(t, s, dataFields, &s.values, (*int32)(&s.encoding), (*int32)(&s.levels), &repetition)
		case 7:
			s := &h.dict
			return true, w.shape(t, s, dictionaryFields, &s.values, (*int32)(&s.encoding))
		case 8:
			s := &h.second
			return true, w.shape(t, s, secondFields, &s.values, &s.nulls, &s.rows, (*int32)(&s.encoding), &s.def, &s.rep)
		}
		return false, nil
	})
	if err != nil {
		return 0, err
	}
	if has&headerFields != headerFields {
		return 0, corrupt("a page header without its kind or sizes")
	}
	return len(b) - len(w.b), nil
}

// shape reads a part of a header, whose fields from 1 on go to numbers.
func (w *thriftWalk) shape(t thrift.Type, s *pageShape, must uint16, numbers ...*int32) error {
	if t != thrift.STRUCT {
		return corrupt("a page header holds a %v where a structure belongs", t)
	}
	has, err := w.structure(1, func(id int16, t thrift.Type) (bool, error) {
		switch {
		case id >= 1 && int(id) <= len(numbers):
			return true, w.int32(t, numbers[id-1])
		case id == 7 && must == secondFields:
			if t != thrift.TRUE && t != thrift.FALSE {
				return true, corrupt("a page header holds a %v where a boolean belongs", t)
			}
			s.loose = t == thrift.FALSE
			return true, nil
		}
		return false, nil
	})
	s.has = has
	if err == nil && has&must != must {
		err = corrupt("a page header without its counts or encodings")
	}
	return err
}

// int32 reads a number of 32 bits.
func (w *thriftWalk) int32(t thrift.Type, to *int32) error {
	if t != thrift.I32 {
		return corrupt("a page header holds a %v where a number belongs", t)
	}
	if len(w.b) > 0 && w.b[0] < 0x80 { // of one byte, as most are
		*to = int32(w.b[0]>>1) ^ -int32(w.b[0]&1)
		w.b = w.b[1:]
		return nil
	}
	v, n := binary.Varint(w.b)
	if n <= 0 {
		return corrupt("metadata ends inside a number")
	}
	if v < math.MinInt32 || v > math.MaxInt32 {
		return corrupt("a page header holds %d where 32 bits belong", v)
	}
	w.b = w.b[n:]
	*to = int32(v)
	return nil
}
