package source

import (
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go/format"

	"rescore/worker/compact"
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
	w := compact.Walk{Rest: b, Structs: 64}
	has, err := w.Structure(0, func(id int16, t compact.Type) (bool, error) {
		switch id {
		case 1:
			return true, w.Int32(t, (*int32)(&h.kind))
		case 2:
			return true, w.Int32(t, &h.plain)
		case 3:
			return true, w.Int32(t, &h.packed)
		case 4:
			return true, w.Int32(t, &h.crc)
		case 5:
			s := &h.data
			var repetition int32
			return true, readShape(&w, t, s, dataFields, &s.values, (*int32)(&s.encoding), (*int32)(&s.levels), &repetition)
		case 7:
			s := &h.dict
			return true, readShape(&w, t, s, dictionaryFields, &s.values, (*int32)(&s.encoding))
		case 8:
			s := &h.second
			return true, readShape(&w, t, s, secondFields, &s.values, &s.nulls, &s.rows, (*int32)(&s.encoding), &s.def, &s.rep)
		}
		return false, nil
	})
	if err != nil {
		return 0, corrupt("%w", err)
	}
	if has&headerFields != headerFields {
		return 0, corrupt("a page header without its kind or sizes")
	}
	return len(b) - len(w.Rest), nil
}

// readShape reads a part of a header, whose fields from 1 on go to numbers.
func readShape(w *compact.Walk, t compact.Type, s *pageShape, must uint16, numbers ...*int32) error {
	if t != compact.Struct {
		return fmt.Errorf("a page header holds type %d where a structure belongs", t)
	}
	has, err := w.Structure(1, func(id int16, t compact.Type) (bool, error) {
		switch {
		case id >= 1 && int(id) <= len(numbers):
			return true, w.Int32(t, numbers[id-1])
		case id == 7 && must == secondFields:
			if t != compact.True && t != compact.False {
				return true, fmt.Errorf("a page header holds type %d where a boolean belongs", t)
			}
			s.loose = t == compact.False
			return true, nil
		}
		return false, nil
	})
	s.has = has
	if err == nil && has&must != must {
		err = errors.New("a page header without its counts or encodings")
	}
	return err
}
