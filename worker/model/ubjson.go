package model

import (
	"encoding/binary"
	"math"
	"slices"
)

// ubjCursor walks UBJSON as XGBoost writes it: integers of any width, floats of
// 32 and 64 bits, arrays with a count, with a type, or up to a bracket. Big
// endian. Objects with a count, characters, numbers in letters and no-ops XGBoost
// neither writes nor reads.
type ubjCursor struct {
	data []byte
	at   int
	open []ubjOpen
}

// ubjOpen is an object or an array that a cursor is in.
type ubjOpen struct {
	kind   kind
	left   int  // elements to come; -1 when a bracket ends them
	marker byte // of every element; 0 when each has its own
}

func newUBJ(data []byte) cursor { return &ubjCursor{data: data, open: make([]ubjOpen, 0, depthMax)} }

// marker returns the type of the value that follows, and whether it stands before
// it.
func (c *ubjCursor) marker() (marker byte, written bool, err error) {
	if n := len(c.open); n > 0 && c.open[n-1].marker != 0 {
		return c.open[n-1].marker, false, nil
	}
	if c.at == len(c.data) {
		return 0, false, errCut
	}
	return c.data[c.at], true, nil
}

func kindOf(marker byte) (kind, bool) {
	switch marker {
	case '{':
		return kindObject, true
	case '[':
		return kindArray, true
	case 'S':
		return kindText, true
	case 'T', 'F':
		return kindFlag, true
	case 'Z':
		return kindNull, true
	case 'i', 'U', 'I', 'l', 'L', 'd', 'D':
		return kindNumber, true
	}
	return 0, false
}

func (c *ubjCursor) kind() (kind, error) {
	m, _, err := c.marker()
	if err != nil {
		return 0, err
	}
	k, ok := kindOf(m)
	if !ok {
		return 0, damaged("byte %d begins no UBJSON value", c.at)
	}
	return k, nil
}

// take takes the marker of a value that must be of a kind.
func (c *ubjCursor) take(want kind) (byte, error) {
	got, err := c.kind()
	if err != nil {
		return 0, err
	}
	if got != want {
		return 0, errKind(want, got)
	}
	m, written, _ := c.marker()
	if written {
		c.at++
	}
	return m, nil
}

// bytes takes n bytes.
func (c *ubjCursor) bytes(n int) ([]byte, error) {
	if n > len(c.data)-c.at {
		return nil, errCut
	}
	c.at += n
	return c.data[c.at-n : c.at], nil
}

// width returns how many bytes a value takes after its marker, 0 when that is
// not fixed.
func width(marker byte) int {
	switch marker {
	case 'i', 'U':
		return 1
	case 'I':
		return 2
	case 'l', 'd':
		return 4
	case 'L', 'D':
		return 8
	}
	return 0
}

func (c *ubjCursor) number(marker byte) (int64, error) {
	b, err := c.bytes(width(marker))
	if err != nil {
		return 0, err
	}
	switch marker {
	case 'i':
		return int64(int8(b[0])), nil
	case 'U':
		return int64(b[0]), nil
	case 'I':
		return int64(int16(binary.BigEndian.Uint16(b))), nil
	case 'l':
		return int64(int32(binary.BigEndian.Uint32(b))), nil
	case 'L':
		return int64(binary.BigEndian.Uint64(b)), nil
	}
	return 0, damaged("a fraction stands where an integer should")
}

// length takes a length: an integer with its marker, at most most.
func (c *ubjCursor) length(most int) (int, error) {
	if c.at == len(c.data) {
		return 0, errCut
	}
	marker := c.data[c.at]
	if k, ok := kindOf(marker); !ok || k != kindNumber {
		return 0, damaged("byte %d begins no length", c.at)
	}
	c.at++
	n, err := c.number(marker)
	switch {
	case err != nil:
		return 0, err
	case n < 0:
		return 0, damaged("a length is negative")
	case n > int64(most):
		return 0, damaged("a length of %d goes past the end of the file: it is cut short", n)
	}
	return int(n), nil
}

func (c *ubjCursor) enter(k kind) error {
	if _, err := c.take(k); err != nil {
		return err
	}
	if len(c.open) == depthMax {
		return errDepth()
	}
	o := ubjOpen{kind: k, left: -1}
	if k == kindArray && c.at < len(c.data) && c.data[c.at] == '$' {
		c.at++
		b, err := c.bytes(1)
		if err != nil {
			return err
		}
		if o.marker = b[0]; width(o.marker) == 0 {
			return damaged("byte %d is no type that an array can have", c.at-1)
		}
		if c.at < len(c.data) && c.data[c.at] != '#' {
			return damaged("byte %d is not the count that an array of one type needs", c.at)
		}
	}
	if k == kindArray && c.at < len(c.data) && c.data[c.at] == '#' {
		c.at++
		var err error
		if o.left, err = c.length((len(c.data) - c.at) / max(width(o.marker), 1)); err != nil {
			return err
		}
	} else if o.marker != 0 {
		return errCut
	}
	c.open = append(c.open, o)
	return nil
}

func (c *ubjCursor) next() (bool, error) {
	o := &c.open[len(c.open)-1]
	end := false
	switch {
	case o.left == 0:
		end = true
	case o.left > 0:
		o.left--
	case c.at == len(c.data):
		return false, errCut
	case o.kind == kindObject && c.data[c.at] == '}' || o.kind == kindArray && c.data[c.at] == ']':
		c.at++
		end = true
	}
	if end {
		c.open = c.open[:len(c.open)-1]
	}
	return !end, nil
}

func (c *ubjCursor) key() ([]byte, error) {
	n, err := c.length(len(c.data) - c.at)
	if err != nil {
		return nil, err
	}
	return c.bytes(n)
}

func (c *ubjCursor) text() ([]byte, error) {
	if _, err := c.take(kindText); err != nil {
		return nil, err
	}
	return c.key()
}

func (c *ubjCursor) pass() error {
	_, err := c.text()
	return err
}

func (c *ubjCursor) integer() (int64, error) {
	m, err := c.take(kindNumber)
	if err != nil {
		return 0, err
	}
	return c.number(m)
}

func (c *ubjCursor) single() (float32, error) {
	m, err := c.take(kindNumber)
	if err != nil {
		return 0, err
	}
	if m != 'd' && m != 'D' {
		n, err := c.number(m)
		return float32(n), err
	}
	b, err := c.bytes(width(m))
	if err != nil {
		return 0, err
	}
	if m == 'd' {
		return math.Float32frombits(binary.BigEndian.Uint32(b)), nil
	}
	return float32(math.Float64frombits(binary.BigEndian.Uint64(b))), nil
}

func (c *ubjCursor) flag() (bool, error) {
	m, err := c.take(kindFlag)
	return m == 'T', err
}

func (c *ubjCursor) null() error {
	_, err := c.take(kindNull)
	return err
}

func (c *ubjCursor) size() int { return max(c.open[len(c.open)-1].left, 0) }

func (c *ubjCursor) end() error {
	if c.at < len(c.data) {
		return damaged("%d bytes follow the end of the document", len(c.data)-c.at)
	}
	return nil
}

func (c *ubjCursor) fork() cursor {
	return &ubjCursor{data: c.data, at: c.at, open: slices.Clone(c.open)}
}
