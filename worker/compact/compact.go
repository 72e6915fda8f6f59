// Package compact steps over values of Thrift's compact protocol, in which Parquet's footers
// and page headers are, before or instead of decoding them:
//
//	structure   field, field, …, stop      field: how far its number is from the last | type, value
//	list        how many | type, values    a decoder makes room for so many before it reads one
//
// A flipped bit could ask a decoder for terabytes. So every size is held to the bytes that
// are there, how deep structures nest and how many there are to limits; and nothing is
// allocated. Errors say what is wrong with the bytes; where they are from, the caller knows.
package compact

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Limits, far beyond any Parquet file.
const (
	DepthMax   = 64
	StructsMax = 1 << 20 // about 600 bytes each once decoded
)

// Type is what kind of value follows; of a field that is true or false, it is the value.
type Type byte

// The types of the protocol.
const (
	Stop Type = iota // the end of a structure
	True
	False
	I8
	I16
	I32
	I64
	Double
	Binary
	List
	Set
	Map
	Struct
	UUID
)

// Check steps over the structure that b begins with, and returns how many bytes it has, or
// with an error where it was.
func Check(b []byte) (int, error) {
	w := Walk{Rest: b, Structs: StructsMax}
	_, err := w.Structure(0, nothing)
	return len(b) - len(w.Rest), err
}

// Walk steps over values.
type Walk struct {
	Rest    []byte // what is still to come
	Structs int    // how many more structures may
}

var (
	errEnd    = errors.New("metadata ends early") // made once: what returns it is inlined
	errNumber = errors.New("metadata ends inside a number")
	errDeep   = fmt.Errorf("metadata nests deeper than %d", DepthMax)
)

func (w *Walk) uvarint() (uint64, error) {
	v, n := binary.Uvarint(w.Rest)
	if n <= 0 {
		return 0, errNumber
	}
	w.Rest = w.Rest[n:]
	return v, nil
}

func (w *Walk) skip(n uint64) error {
	if n > uint64(len(w.Rest)) {
		return fmt.Errorf("metadata states %d bytes where %d are left", n, len(w.Rest))
	}
	w.Rest = w.Rest[n:]
	return nil
}

func (w *Walk) byte() (byte, error) {
	if len(w.Rest) == 0 {
		return 0, errEnd
	}
	c := w.Rest[0]
	w.Rest = w.Rest[1:]
	return c, nil
}

// Int32 reads the number that a field of type t holds. An error is of another type, of more
// than 32 bits, or of bytes that end early; then to is as it was.
func (w *Walk) Int32(t Type, to *int32) error {
	if t != I32 {
		return fmt.Errorf("metadata holds type %d where a number belongs", t)
	}
	if len(w.Rest) > 0 && w.Rest[0] < 0x80 { // of one byte, as most are
		*to = int32(w.Rest[0]>>1) ^ -int32(w.Rest[0]&1)
		w.Rest = w.Rest[1:]
		return nil
	}
	v, n := binary.Varint(w.Rest)
	if n <= 0 {
		return errNumber
	}
	if v < math.MinInt32 || v > math.MaxInt32 {
		return fmt.Errorf("metadata holds %d where 32 bits belong", v)
	}
	w.Rest = w.Rest[n:]
	*to = int32(v)
	return nil
}

// Structure calls take with each field of a structure, which reads the field's value
// and returns true, or is not interested. depth is how many structures it is in. has gets
// a bit for each field that was taken, that of field 1 being 1<<1: take none beyond 15.
// An error is take's own, or of a size or type that cannot be.
func (w *Walk) Structure(depth int, take func(id int16, t Type) (bool, error)) (has uint16, err error) {
	if depth > DepthMax {
		return 0, errDeep
	}
	if w.Structs--; w.Structs < 0 {
		return 0, errors.New("metadata holds too many structures")
	}
	last := int16(0)
	for {
		h, err := w.byte()
		if err != nil {
			return 0, err
		}
		if h == byte(Stop) {
			return has, nil
		}
		if step := int16(h >> 4); step != 0 {
			last += step
		} else { // the field's number follows
			v, err := w.uvarint()
			if err != nil {
				return 0, err
			}
			last = int16(v>>1) ^ -int16(v&1)
		}
		t := Type(h & 0xf)
		taken, err := take(last, t)
		if err == nil && !taken && t != True && t != False {
			err = w.value(t, depth)
		}
		if err != nil {
			return 0, err
		}
		if taken {
			has |= 1 << (last & 15)
		}
	}
}

// nothing takes no field.
func nothing(int16, Type) (bool, error) { return false, nil }

func (w *Walk) value(t Type, depth int) error {
	if depth > DepthMax {
		return errDeep
	}
	switch t {
	case True, False, I8: // the first two in a list
		return w.skip(1)
	case I16, I32, I64:
		_, err := w.uvarint()
		return err
	case Double:
		return w.skip(8)
	case UUID:
		return w.skip(16)
	case Binary:
		n, err := w.uvarint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case List, Set:
		h, err := w.byte()
		if err != nil {
			return err
		}
		n := uint64(h >> 4)
		if n == 15 {
			if n, err = w.uvarint(); err != nil {
				return err
			}
		}
		return w.values(n, depth, Type(h&0xf))
	case Map:
		n, err := w.uvarint()
		if err != nil || n == 0 {
			return err
		}
		h, err := w.byte()
		if err != nil {
			return err
		}
		return w.values(n, depth, Type(h>>4), Type(h&0xf))
	case Struct:
		_, err := w.Structure(depth+1, nothing)
		return err
	case Stop:
	}
	return fmt.Errorf("metadata holds a value of unknown type %d", t)
}

// values steps over n times the values of a list or a map. Each takes a byte at least: n
// may be more than there are, but not be gone through.
func (w *Walk) values(n uint64, depth int, types ...Type) error {
	for range n {
		for _, t := range types {
			if err := w.value(t, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
