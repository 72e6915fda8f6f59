package model

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonCursor walks JSON as XGBoost writes it: with NaN, Infinity and -Infinity
// among the numbers.
type jsonCursor struct {
	data  []byte
	at    int
	open  []kind // objects and arrays that at is in
	first bool   // nothing of the innermost one was taken yet
	word  []byte // scratch for texts with escapes
}

func newJSON(data []byte) cursor { return &jsonCursor{data: data, open: make([]kind, 0, depthMax)} }

// peek returns the byte that follows blanks, 0 at the end.
func (c *jsonCursor) peek() byte {
	for c.at < len(c.data) {
		switch b := c.data[c.at]; b {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return b
		}
	}
	return 0
}

func (c *jsonCursor) kind() (kind, error) {
	switch b := c.peek(); {
	case b == '{':
		return kindObject, nil
	case b == '[':
		return kindArray, nil
	case b == '"':
		return kindText, nil
	case b == 't' || b == 'f':
		return kindFlag, nil
	case b == 'n':
		return kindNull, nil
	case b == '-' || b >= '0' && b <= '9' || b == 'N' || b == 'I':
		return kindNumber, nil
	case c.at == len(c.data):
		return 0, errCut
	}
	return 0, damaged("byte %d begins no JSON value", c.at)
}

func (c *jsonCursor) want(k kind) error {
	got, err := c.kind()
	if err == nil && got != k {
		err = errKind(k, got)
	}
	return err
}

func (c *jsonCursor) enter(k kind) error {
	if err := c.want(k); err != nil {
		return err
	}
	if len(c.open) == depthMax {
		return errDepth()
	}
	c.open = append(c.open, k)
	c.first = true
	c.at++
	return nil
}

func (c *jsonCursor) next() (bool, error) {
	b := c.peek()
	last := len(c.open) - 1
	switch {
	case c.at == len(c.data):
		return false, errCut
	case c.open[last] == kindObject && b == '}' || c.open[last] == kindArray && b == ']':
		c.at++
		c.open = c.open[:last]
		c.first = false
		return false, nil
	case c.first:
		c.first = false
		return true, nil
	case b == ',':
		c.at++
		return true, nil
	}
	return false, damaged("byte %d is not the comma or the bracket that should follow a JSON value", c.at)
}

func (c *jsonCursor) key() ([]byte, error) {
	name, err := c.text()
	if err != nil {
		return nil, err
	}
	if c.peek() != ':' {
		if c.at == len(c.data) {
			return nil, errCut
		}
		return nil, damaged("byte %d is not the colon that should follow a name", c.at)
	}
	c.at++
	return name, nil
}

func (c *jsonCursor) text() ([]byte, error) {
	raw, plain, err := c.quoted()
	if err != nil || plain {
		return raw, err
	}
	c.word = slices.Grow(c.word[:0], len(raw)) // no escape is shorter than what it stands for
	for len(raw) > 0 {
		n := bytes.IndexByte(raw, '\\')
		if n < 0 {
			n = len(raw)
		}
		c.word = append(c.word, raw[:n]...)
		if raw = raw[n:]; len(raw) > 0 {
			if raw, err = c.escape(raw[1:]); err != nil {
				return nil, err
			}
		}
	}
	return c.word, nil
}

func (c *jsonCursor) pass() error {
	_, _, err := c.quoted()
	return err
}

// quoted takes a text as it is written, and reports whether it has no escapes.
func (c *jsonCursor) quoted() (raw []byte, plain bool, err error) {
	if err := c.want(kindText); err != nil {
		return nil, false, err
	}
	start := c.at + 1
	plain = true
	for at := start; at < len(c.data); at++ {
		switch c.data[at] {
		case '"':
			c.at = at + 1
			return c.data[start:at], plain, nil
		case '\\':
			plain = false
			at++
		}
	}
	return nil, false, errCut
}

// escape writes what an escape stands for, and returns what follows it. There is
// one byte at least: the text ends in a quotation mark that is not escaped.
func (c *jsonCursor) escape(raw []byte) ([]byte, error) {
	if i := strings.IndexByte(`"\/bfnrt`, raw[0]); i >= 0 {
		c.word = append(c.word, "\"\\/\b\f\n\r\t"[i])
		return raw[1:], nil
	}
	if raw[0] != 'u' {
		return nil, damaged("a text has an escape that is not one of JSON")
	}
	r, ok := hex(raw[1:])
	if !ok {
		return nil, damaged("a text has an escape without four hexadecimal digits")
	}
	raw = raw[5:]
	if utf16.IsSurrogate(r) && bytes.HasPrefix(raw, []byte(`\u`)) {
		if low, ok := hex(raw[2:]); ok {
			r = utf16.DecodeRune(r, low)
			raw = raw[6:]
		}
	}
	c.word = utf8.AppendRune(c.word, r)
	return raw, nil
}

// hex reads four hexadecimal digits.
func hex(raw []byte) (rune, bool) {
	if len(raw) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[:4]), 16, 16)
	return rune(n), err == nil
}

// token takes the letters of a number or a literal.
func (c *jsonCursor) token(k kind) (string, error) {
	if err := c.want(k); err != nil {
		return "", err
	}
	start := c.at
	for c.at < len(c.data) {
		b := c.data[c.at]
		if b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9' || b == '-' || b == '+' || b == '.' {
			c.at++
			continue
		}
		break
	}
	if c.at-start > 64 {
		return "", damaged("a number of %d letters", c.at-start)
	}
	return string(c.data[start:c.at]), nil
}

func (c *jsonCursor) integer() (int64, error) {
	s, err := c.token(kindNumber)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, damaged("not an integer, or out of range")
	}
	return n, nil
}

func (c *jsonCursor) single() (float32, error) {
	s, err := c.token(kindNumber)
	if err != nil {
		return 0, err
	}
	switch s {
	case "NaN":
		return float32(math.NaN()), nil
	case "Infinity":
		return float32(math.Inf(1)), nil
	case "-Infinity":
		return float32(math.Inf(-1)), nil
	}
	if decimal([]byte(s)) {
		if x, err := strconv.ParseFloat(s, 32); err == nil {
			return float32(x), nil
		}
	}
	return 0, damaged("not a number that fits 32 bits")
}

func (c *jsonCursor) flag() (bool, error) {
	s, err := c.token(kindFlag)
	if err == nil && s != "true" && s != "false" {
		err = damaged("neither true nor false")
	}
	return s == "true", err
}

func (c *jsonCursor) null() error {
	s, err := c.token(kindNull)
	if err == nil && s != "null" {
		err = damaged("not null")
	}
	return err
}

// size counts commas up to the bracket: no element is shorter than one.
func (c *jsonCursor) size() int {
	end := bytes.IndexByte(c.data[c.at:], ']')
	if end < 0 {
		return 0
	}
	return bytes.Count(c.data[c.at:c.at+end], []byte{','}) + 1
}

func (c *jsonCursor) end() error {
	if c.peek(); c.at < len(c.data) {
		return damaged("%d bytes follow the end of the document", len(c.data)-c.at)
	}
	return nil
}

func (c *jsonCursor) fork() cursor {
	return &jsonCursor{data: c.data, at: c.at, open: slices.Clone(c.open), first: c.first}
}
