package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
)

// Limits on what a Parquet file may ask for before anything is allocated.
const (
	footerBytesMax   = 32 << 20
	footerStructsMax = 1 << 20 // about 600 bytes each once decoded
	pageBytesMax     = 256 << 20
	pageHeaderMax    = 1 << 20
	// pageRatioMax bounds how far a page larger than pageRatioFrom may expand.
	// Runs of one value compress a thousandfold and more, but only small pages do.
	pageRatioMax  = 1 << 12
	pageRatioFrom = 16 << 20
)

const magic = "PAR1"

// Sized is bytes that can be read anywhere, and how many there are.
type Sized interface {
	io.ReaderAt
	Size() int64
}

// CheckFooter reads the end of a Parquet file and walks its metadata without
// building it: list sizes are bounded by the bytes that are there, so that a
// footer of a hundred bytes cannot ask for a gigabyte.
func CheckFooter(obj Sized) error {
	size := obj.Size()
	if size == 0 {
		return fmt.Errorf("the file is empty; write it again, or move it out of the input: %w", ErrFormat)
	}
	if size < int64(len(magic)+8) {
		return fmt.Errorf("%d bytes are too few for a Parquet file: %w", size, ErrFormat)
	}
	var head [4]byte
	if err := readFull(obj, head[:], 0); err != nil {
		return err
	}
	var tail [8]byte
	if err := readFull(obj, tail[:], size-8); err != nil {
		return err
	}
	if string(head[:]) == "PARE" || string(tail[4:]) == "PARE" {
		return fmt.Errorf("encrypted Parquet is not read, decrypt it first: %w", ErrFormat)
	}
	if string(head[:]) != magic {
		return fmt.Errorf("no Parquet magic at the start, so it is no Parquet file; write it again, or set input.format: %w", ErrFormat)
	}
	if string(tail[4:]) != magic {
		return fmt.Errorf("no Parquet magic at the end, the file may be truncated; copy it again, whole: %w", ErrFormat)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if n > size-int64(len(magic)+8) {
		return corrupt("a footer of %d bytes in a file of %d", n, size)
	}
	if n > footerBytesMax {
		return corrupt("a footer of %d bytes, at most %d are read", n, footerBytesMax)
	}
	b := make([]byte, n)
	if err := readFull(obj, b, size-8-n); err != nil {
		return err
	}
	w := thriftWalk{b: b, structs: footerStructsMax}
	_, err := w.structure(0, nothing)
	if err == nil {
		err = checkOutline(b)
	}
	if err != nil {
		return fmt.Errorf("footer: %w", err)
	}
	return nil
}

// outline is the part of a footer that decides how much is made of it: the path of
// every column has as many names as it is deep, and every column has a place in every
// row group.
type outline struct {
	Schema []struct {
		Children thrift.Null[int32] `thrift:"5,optional"`
	} `thrift:"2,required"`
	RowGroups []struct {
		Columns []struct{} `thrift:"1,required"`
	} `thrift:"4,required"`
}

// checkOutline refuses a schema that is no tree, or a deep one, and row groups that
// lack columns. CheckFooter has walked the footer, so its lists are as long as they say.
func checkOutline(footer []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = corrupt("decoder panicked: %v", p)
		}
	}()
	var o outline
	if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(bytes.NewReader(footer))).Decode(&o); err != nil {
		return corrupt("%v", err)
	}
	leaves := 0
	open := []int32{1} // children to come of each element above
	for _, e := range o.Schema {
		for len(open) > 0 && open[len(open)-1] == 0 {
			open = open[:len(open)-1]
		}
		if len(open) == 0 {
			return corrupt("the schema has elements that belong to none")
		}
		open[len(open)-1]--
		switch {
		case e.Children.V < 0 || int(e.Children.V) >= len(o.Schema):
			return corrupt("the schema states %d children in %d elements", e.Children.V, len(o.Schema))
		case e.Children.V == 0:
			leaves++
		case len(open) > thriftDepthMax:
			return corrupt("the schema nests deeper than %d", thriftDepthMax)
		default:
			open = append(open, e.Children.V)
		}
	}
	for _, n := range open {
		if n > 0 {
			return corrupt("the schema lacks elements")
		}
	}
	for i, g := range o.RowGroups {
		if len(g.Columns) != leaves {
			return corrupt("row group %d has %d columns where the schema has %d", i, len(g.Columns), leaves)
		}
	}
	return nil
}

// thriftWalk steps over a value of the Thrift compact protocol and checks that
// every size it states fits into the bytes that are left.
type thriftWalk struct {
	b       []byte
	structs int // how many more structs may come
}

const thriftDepthMax = 64

func (w *thriftWalk) uvarint() (uint64, error) {
	v, n := binary.Uvarint(w.b)
	if n <= 0 {
		return 0, corrupt("metadata ends inside a number")
	}
	w.b = w.b[n:]
	return v, nil
}

func (w *thriftWalk) skip(n uint64) error {
	if n > uint64(len(w.b)) {
		return corrupt("metadata states %d bytes where %d are left", n, len(w.b))
	}
	w.b = w.b[n:]
	return nil
}

// errMetadata is made once, so that what returns it is small enough to be inlined.
var errMetadata = corrupt("metadata ends early")

func (w *thriftWalk) byte() (byte, error) {
	if len(w.b) == 0 {
		return 0, errMetadata
	}
	c := w.b[0]
	w.b = w.b[1:]
	return c, nil
}

// structure calls take with each field of a structure, which reads the field's value
// and returns true, or is not interested. has gets a bit for each field that was taken.
func (w *thriftWalk) structure(depth int, take func(id int16, t thrift.Type) (bool, error)) (has uint16, err error) {
	if depth > thriftDepthMax {
		return 0, corrupt("metadata nests deeper than %d", thriftDepthMax)
	}
	if w.structs--; w.structs < 0 {
		return 0, corrupt("metadata holds too many structures")
	}
	last := int16(0)
	for {
		h, err := w.byte()
		if err != nil {
			return 0, err
		}
		if h == byte(thrift.STOP) {
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
		t := thrift.Type(h & 0xf)
		taken, err := take(last, t)
		if err == nil && !taken && t != thrift.TRUE && t != thrift.FALSE { // those are the value
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
func nothing(int16, thrift.Type) (bool, error) { return false, nil }

func (w *thriftWalk) value(t thrift.Type, depth int) error {
	if depth > thriftDepthMax {
		return corrupt("metadata nests deeper than %d", thriftDepthMax)
	}
	switch t {
	case thrift.TRUE, thrift.FALSE, thrift.I8:
		return w.skip(1)
	case thrift.I16, thrift.I32, thrift.I64:
		_, err := w.uvarint()
		return err
	case thrift.DOUBLE:
		return w.skip(8)
	case thrift.UUID:
		return w.skip(16)
	case thrift.BINARY:
		n, err := w.uvarint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case thrift.LIST, thrift.SET:
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
		if n > uint64(len(w.b)) {
			return corrupt("metadata states a list of %d where %d bytes are left", n, len(w.b))
		}
		for range n {
			if err := w.value(thrift.Type(h&0xf), depth+1); err != nil {
				return err
			}
		}
		return nil
	case thrift.MAP:
		n, err := w.uvarint()
		if err != nil || n == 0 {
			return err
		}
		h, err := w.byte()
		if err != nil {
			return err
		}
		if n > uint64(len(w.b)) {
			return corrupt("metadata states a map of %d where %d bytes are left", n, len(w.b))
		}
		for range n {
			if err := w.value(thrift.Type(h>>4), depth+1); err != nil {
				return err
			}
			if err := w.value(thrift.Type(h&0xf), depth+1); err != nil {
				return err
			}
		}
		return nil
	case thrift.STRUCT:
		_, err := w.structure(depth+1, nothing)
		return err
	}
	return corrupt("metadata holds a value of unknown type %d", t)
}

// readFull fills p from off, or says that the file ends early.
func readFull(obj Sized, p []byte, off int64) error {
	n, err := obj.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || n < len(p) && off+int64(len(p)) > obj.Size() {
		return corrupt("the file ends at byte %d", off+int64(n))
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("read %d bytes at %d: %w: the file was cut: %w", len(p), off, err, ErrChanged)
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(p), off, err)
}
