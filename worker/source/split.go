package source

import (
	"bytes"
	"io"

	"rescore/partition/store"
)

// Limits on CSV rows.
const (
	fieldBytesMax = 1 << 20
	rowBytesMax   = 8 << 20
	blockBytes    = 256 << 10
)

// splitter cuts a range of a CSV file into rows and rows into cells, by RFC
// 4180. Rows without a quote, nearly all, are cut with IndexByte and Count;
// the others take a slow path. Empty lines are no rows, as in encoding/csv.
//
// A row whose quotes do not close, or that is too long, is one line and bad:
// a stray quote costs its own line and never swallows the file. Memory is
// bounded by rowBytesMax.
type splitter struct {
	obj   store.Object
	delim byte

	buf  []byte
	pos  int   // of the next unread byte in buf
	base int64 // file offset of buf[0]
	end  int64 // file offset where the range ends

	// The current row, valid until next.
	start  int64  // file offset of its first byte
	line   []byte // as it is in the file, without its end
	bad    string // why it cannot be split, "" when it can
	quoted bool   // cells were made by the slow path
	cells  [][]byte
	plain  []byte // unquoted text of cells
	ends   []int  // in plain, by cell
}

func newSplitter(obj store.Object, delim byte) *splitter { return &splitter{obj: obj, delim: delim} }

// seek makes the row at byte first the next one and ends the range at end.
func (s *splitter) seek(first, end int64) {
	s.base, s.pos, s.end, s.buf = first, 0, end, s.buf[:0]
}

// off returns the file offset of the next unread byte.
func (s *splitter) off() int64 { return s.base + int64(s.pos) }

// more reads another block behind the unread bytes, which move to the front of
// buf. It reports false at the end of the range.
func (s *splitter) more() (bool, error) {
	at := s.base + int64(len(s.buf))
	if at >= s.end {
		return false, nil
	}
	keep := copy(s.buf, s.buf[s.pos:])
	s.base, s.pos = s.base+int64(s.pos), 0
	n := int(min(int64(max(blockBytes, keep)), s.end-at))
	if cap(s.buf) < keep+n {
		grown := make([]byte, keep, keep+n)
		copy(grown, s.buf[:keep])
		s.buf = grown
	}
	s.buf = s.buf[:keep+n]
	if err := readFull(s.obj, s.buf[keep:], at); err != nil {
		s.buf = s.buf[:keep]
		return false, err
	}
	return true, nil
}

// next makes the next row the current one, or returns io.EOF.
func (s *splitter) next() error {
	s.quoted, s.bad = false, ""
	seen := 0 // bytes without a line end
	for {
		rest := s.buf[s.pos:]
		i := bytes.IndexByte(rest[seen:], '\n')
		if i < 0 {
			seen = len(rest)
			if len(rest) > rowBytesMax {
				return s.skipLine()
			}
			ok, err := s.more()
			if err != nil {
				return err
			}
			if ok {
				continue
			}
			if len(rest) == 0 {
				return io.EOF
			}
			i = len(rest) // the last line has no end
		} else {
			i += seen
		}
		s.start = s.off()
		s.line = rest[:i]
		if bytes.IndexByte(s.line, '"') >= 0 {
			done, err := s.slow(i)
			if err != nil || done {
				return err
			}
			rest = s.buf[s.pos:] // slow may have moved it
			s.line = rest[:i]
		}
		s.pos += min(i+1, len(rest))
		if n := len(s.line); n > 0 && s.line[n-1] == '\r' {
			s.line = s.line[:n-1]
		}
		if len(s.line) > fieldBytesMax && s.bad == "" && s.longCell() {
			s.bad = "a field is too long"
		}
		if len(s.line) > 0 {
			return nil
		}
		seen = 0
		s.bad = ""
	}
}

// longCell reports whether a cell of the current row, which has no quotes, is
// too long.
func (s *splitter) longCell() bool {
	s.split()
	for _, c := range s.cells {
		if len(c) > fieldBytesMax {
			return true
		}
	}
	return false
}

// skipLine passes over a line longer than rowBytesMax.
func (s *splitter) skipLine() error {
	s.start, s.bad, s.line, s.quoted = s.off(), "the row is too long", nil, true
	s.cells = s.cells[:0]
	for {
		if i := bytes.IndexByte(s.buf[s.pos:], '\n'); i >= 0 {
			s.pos += i + 1
			return nil
		}
		s.pos = len(s.buf)
		if ok, err := s.more(); err != nil || !ok {
			return err
		}
	}
}

// slow reads a row that holds quotes; its first line is lineBytes long. It
// reports false when the row is malformed and only its first line is taken.
func (s *splitter) slow(lineBytes int) (bool, error) {
	for {
		n, verdict := s.parse(s.buf[s.pos:], s.base+int64(len(s.buf)) >= s.end)
		switch {
		case verdict == parsedRow:
			s.line = s.buf[s.pos : s.pos+n]
			s.pos += n
			s.quoted = true
			return true, nil
		case verdict == parsedShort && len(s.buf)-s.pos <= rowBytesMax:
			if _, err := s.more(); err != nil {
				return false, err
			}
		default:
			s.bad = "its quotes do not close"
			return false, nil
		}
	}
}

const (
	parsedRow   = iota // a whole row
	parsedShort        // more bytes are needed to tell
	parsedBad          // no row by RFC 4180
)

// parse splits the row at the front of b and returns its length, line end
// included; last says that nothing follows b.
func (s *splitter) parse(b []byte, last bool) (n, verdict int) {
	s.plain, s.ends = s.plain[:0], s.ends[:0]
	i := 0
	for { // one cell a turn
		if i < len(b) && b[i] == '"' {
			open := i
			i++
			for {
				j := bytes.IndexByte(b[i:], '"')
				if j < 0 || i+j-open > fieldBytesMax {
					if j < 0 && !last && len(b)-open <= fieldBytesMax {
						return 0, parsedShort
					}
					return 0, parsedBad
				}
				s.appendQuoted(b[i : i+j])
				i += j + 1
				if i == len(b) && !last {
					return 0, parsedShort
				}
				if i == len(b) || b[i] != '"' {
					break
				}
				s.plain = append(s.plain, '"')
				i++
			}
			s.ends = append(s.ends, len(s.plain))
			switch {
			case i == len(b):
				return i, parsedRow
			case b[i] == s.delim:
				i++
				continue
			case b[i] == '\n':
				return i + 1, parsedRow
			case b[i] == '\r' && i+1 == len(b) && !last:
				return 0, parsedShort
			case b[i] == '\r' && i+1 == len(b):
				return i + 1, parsedRow
			case b[i] == '\r' && b[i+1] == '\n':
				return i + 2, parsedRow
			}
			return 0, parsedBad
		}
		j := i
		for j < len(b) && b[j] != s.delim && b[j] != '\n' {
			j++
		}
		if j == len(b) && !last {
			return 0, parsedShort
		}
		cell := b[i:j]
		if j == len(b) || b[j] == '\n' {
			if k := len(cell); k > 0 && cell[k-1] == '\r' {
				cell = cell[:k-1]
			}
		}
		s.plain = append(s.plain, cell...)
		s.ends = append(s.ends, len(s.plain))
		if j == len(b) {
			return j, parsedRow
		}
		i = j + 1
		if b[j] == '\n' {
			return i, parsedRow
		}
	}
}

// appendQuoted appends text of a quoted cell, line ends as \n.
func (s *splitter) appendQuoted(b []byte) {
	for {
		i := bytes.Index(b, crlf)
		if i < 0 {
			s.plain = append(s.plain, b...)
			return
		}
		s.plain = append(s.plain, b[:i]...)
		b = b[i+1:]
	}
}

var crlf = []byte("\r\n")

// width returns how many cells the current row has, 0 for a bad one.
func (s *splitter) width() int {
	switch {
	case s.bad != "":
		return 0
	case s.quoted:
		return len(s.ends)
	}
	return bytes.Count(s.line, []byte{s.delim}) + 1
}

// cell returns cell i of the current row, which has it.
func (s *splitter) cell(i int) []byte {
	if s.quoted {
		from := 0
		if i > 0 {
			from = s.ends[i-1]
		}
		return s.plain[from:s.ends[i]]
	}
	b := s.line
	for ; i > 0; i-- {
		b = b[bytes.IndexByte(b, s.delim)+1:]
	}
	if j := bytes.IndexByte(b, s.delim); j >= 0 {
		b = b[:j]
	}
	return b
}

// split makes cells the cells of the current row.
func (s *splitter) split() {
	s.cells = s.cells[:0]
	switch {
	case s.bad != "":
	case s.quoted:
		from := 0
		for _, end := range s.ends {
			s.cells = append(s.cells, s.plain[from:end])
			from = end
		}
	default:
		b := s.line
		for {
			j := bytes.IndexByte(b, s.delim)
			if j < 0 {
				s.cells = append(s.cells, b)
				return
			}
			s.cells = append(s.cells, b[:j])
			b = b[j+1:]
		}
	}
}
