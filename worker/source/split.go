package source

import (
	"bytes"
	"io"
	"unicode/utf8"

	"rescore/partition/store"
)

// Limits on CSV rows.
const (
	fieldBytesMax = 1 << 20
	rowBytesMax   = 8 << 20
	blockBytes    = 256 << 10
)

// dialect is how a CSV file is written.
type dialect struct {
	delim  []byte
	quotes bool // a cell may stand in double quotes, as in RFC 4180
	escape bool // a backslash takes what follows it for text
	text   charset
}

// lurks reports whether a delimiter, or what looks like one, may be inside a character.
func (d *dialect) lurks() bool { return d.text.trails(d.delim[0]) }

// splitter cuts a range of a CSV file into rows and rows into cells. Rows that are
// nothing but cells and delimiters, nearly all, are cut 64 bytes at a time in one go over
// their bytes; rows with a quote or a backslash that escapes take a slow path. Empty lines are no rows, as in
// encoding/csv.
//
// A row whose quotes do not close, or that is too long, is one line and bad:
// a stray quote costs its own line and never swallows the file. Memory is
// bounded by rowBytesMax.
type splitter struct {
	dialect
	src  store.Object
	ends lineMarks
	over bool   // what is like a delimiter may be none: it overlaps another, or is longer
	buf  []byte // slack bytes of its capacity are never used
	pos  int    // of the next unread byte in buf
	hold int    // read bytes from here on stay in buf, -1: none do
	base int64  // file offset of the next byte to be read, less len(buf)
	end  int64  // file offset where the range ends

	// The current row, valid until next.
	start int64  // file offset of its first byte
	line  []byte // as it is in the file, without its end
	bad   string // why it cannot be split, "" when it can
	high  bool   // not all of the line is ASCII
	zero  bool   // there is a zero byte in the line
	count int    // of cells, when they were not set apart
	cuts  []uint32
	room  int // of cuts, for delimiters
	doubt []uint32
	apart bool   // cells were made by the slow path
	plain []byte // text of its cells
	past  []int  // where each ends in plain
}

// slack is how many bytes behind a row may be looked at.
const slack = 64 + 8

func newSplitter(src store.Object, d dialect) *splitter {
	s := &splitter{src: src, dialect: d, hold: -1, buf: make([]byte, 0, slack), ends: marksOf(d)}
	s.over = len(d.delim) > len(s.ends.delim)
	for n := 1; n < len(d.delim); n++ {
		s.over = s.over || bytes.HasPrefix(d.delim, d.delim[n:])
	}
	s.makeRoom(64)
	return s
}

// seek makes the row at byte first the next one and ends the range at end.
func (s *splitter) seek(first, end int64) {
	s.base, s.pos, s.hold, s.end, s.buf = first, 0, -1, end, s.buf[:0]
}

// off returns the file offset of the next unread byte.
func (s *splitter) off() int64 { return s.base + int64(s.pos) }

// more reads another block behind the bytes that are unread or held, which move to the
// front of buf. It reports false at the end of the range.
func (s *splitter) more() (bool, error) {
	at := s.base + int64(len(s.buf))
	if at >= s.end {
		return false, nil
	}
	from := s.pos
	if s.hold >= 0 {
		from, s.hold = s.hold, 0
	}
	keep := copy(s.buf, s.buf[from:])
	s.base, s.pos = s.base+int64(from), s.pos-from
	n := int(min(int64(max(blockBytes, keep)), s.end-at))
	if cap(s.buf) < keep+n+slack {
		grown := make([]byte, keep, keep+n+slack)
		copy(grown, s.buf[:keep])
		s.buf = grown
	}
	s.buf = s.buf[:keep+n]
	if err := readFull(s.src, s.buf[keep:], at); err != nil {
		s.buf = s.buf[:keep]
		return false, err
	}
	return true, nil
}

// makeRoom makes room for n delimiters of a row.
func (s *splitter) makeRoom(n int) {
	s.room = n
	s.cuts = make([]uint32, 1+n+slack)
	if s.lurks() {
		s.doubt = make([]uint32, n+slack)
	}
}

// next makes the next row the current one, or returns io.EOF.
func (s *splitter) next() error {
	for {
		rest := s.buf[s.pos:]
		n, delims, doubts, seen := cutLine(rest, &s.ends, s.cuts[1:], s.doubt, s.room)
		if delims > s.room {
			s.makeRoom(delims)
			continue
		}
		next := n + 1
		if n < 0 {
			if len(rest) > rowBytesMax {
				return s.skipLine()
			}
			switch ok, err := s.more(); {
			case err != nil:
				return err
			case ok:
				continue
			case len(rest) == 0:
				return io.EOF
			}
			n, next = len(rest), len(rest) // the last line has no end
		}
		if n > 0 && rest[n-1] == '\r' {
			n--
		}
		if n == 0 {
			s.pos += next
			continue
		}
		s.start, s.line = s.off(), rest[:n]
		s.apart, s.bad, s.zero, s.high = false, "", false, seen&seenHigh != 0
		s.settle(delims, doubts)
		if seen&seenCare != 0 {
			s.zero = bytes.IndexByte(s.line, 0) >= 0
			if s.hard() && !s.unquote() {
				if done, err := s.slow(); err != nil || done {
					return err
				}
				s.line = s.buf[s.pos : s.pos+n] // slow may have moved it
			}
		}
		s.pos += next
		if n > fieldBytesMax && s.bad == "" && s.longCell() {
			s.bad = "a field is too long"
		}
		return nil
	}
}

// hard reports whether the line takes the slow path.
func (s *splitter) hard() bool {
	return s.quotes && bytes.IndexByte(s.line, '"') >= 0 || s.escape && bytes.IndexByte(s.line, '\\') >= 0
}

// unquote takes the quotes off the line where it stands, when all there are stand around
// cells. It reports false, and the cuts are nothing any more, when there are others.
func (s *splitter) unquote() bool {
	if s.escape && bytes.IndexByte(s.line, '\\') >= 0 {
		return false
	}
	quotes, from := 0, 0
	for i, next := range s.cuts[1 : s.count+1] {
		end := int(next) - len(s.delim)
		if end-from >= 2 && s.line[from] == '"' && s.line[end-1] == '"' {
			quotes += 2
		}
		from, s.cuts[i+1] = int(next), next-uint32(quotes)
	}
	if bytes.Count(s.line, quote) != quotes {
		return false
	}
	s.line = s.line[:without(s.line, quote[0])]
	return true
}

var quote = []byte{'"'}

// longCell reports whether a cell of the line, which is not hard, is too long.
func (s *splitter) longCell() bool {
	for i := range s.count {
		if len(s.cell(i)) > fieldBytesMax {
			return true
		}
	}
	return false
}

// skipLine passes over a line longer than rowBytesMax.
func (s *splitter) skipLine() error {
	s.start, s.bad, s.line, s.apart = s.off(), "the row is too long", nil, true
	s.high, s.zero, s.past = false, false, s.past[:0]
	for {
		if i := bytes.IndexByte(s.buf[s.pos:], '\n'); i >= 0 {
			s.pos += i + 1
			return nil
		}
		s.base += int64(len(s.buf) - s.pos) // drop them, whatever is held before them
		s.buf = s.buf[:s.pos]
		if ok, err := s.more(); err != nil || !ok {
			return err
		}
	}
}

// slow reads a row that is not only cells and delimiters. It reports false when the row
// is malformed and only its first line is taken.
func (s *splitter) slow() (bool, error) {
	for {
		n, verdict := s.parse(s.buf[s.pos:], s.base+int64(len(s.buf)) >= s.end)
		switch {
		case verdict == parsedRow:
			s.line = s.buf[s.pos : s.pos+n]
			s.pos += n
			s.apart = true
			return true, nil
		case verdict == parsedShort && len(s.buf)-s.pos <= rowBytesMax:
			if _, err := s.more(); err != nil {
				return false, err
			}
		case verdict == parsedLong:
			s.bad = "a field is too long"
			return false, nil
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
	parsedLong         // a cell is longer than fieldBytesMax
)

// parse splits the row at the front of b and returns its length, line end
// included; last says that nothing follows b.
func (s *splitter) parse(b []byte, last bool) (n, verdict int) {
	s.plain, s.past = s.plain[:0], s.past[:0]
	i := 0
	for { // one cell a turn
		var verdict int
		if s.quotes && i < len(b) && b[i] == '"' {
			i, verdict = s.quoted(b, i+1, last)
		} else {
			i, verdict = s.bare(b, i, last)
		}
		if verdict != parsedRow {
			return 0, verdict
		}
		s.past = append(s.past, len(s.plain))
		switch {
		case i == len(b):
			return i, parsedRow
		case bytes.HasPrefix(b[i:], s.delim):
			i += len(s.delim)
			if i == len(b) && !last {
				return 0, parsedShort
			}
		case b[i] == '\n':
			return i + 1, parsedRow
		default: // \r\n, or \r at the very end
			return min(i+2, len(b)), parsedRow
		}
	}
}

// quoted appends the cell whose first byte behind the quote is b[i] to plain, and
// returns where it ends: at a delimiter, a line end or the end of b.
func (s *splitter) quoted(b []byte, i int, last bool) (end, verdict int) {
	open := i
	for {
		n, short := s.untilQuote(b[i:], last)
		if i+n-open > fieldBytesMax {
			return 0, parsedBad
		}
		s.appendQuoted(b[i : i+n])
		i += n
		switch {
		case !last && (short || i+1 >= len(b)):
			return 0, parsedShort
		case i+1 == len(b) && b[i] == '"': // and nothing follows
			return i + 1, parsedRow
		case i+1 >= len(b):
			return 0, parsedBad
		case b[i] == '\\':
			if !last && len(b)-i <= stepMax {
				return 0, parsedShort
			}
			i = s.unescape(b, i+1)
			continue
		case b[i+1] == '"':
			s.plain = append(s.plain, '"')
			i += 2
			continue
		}
		i++
		switch {
		case b[i] == '\n', bytes.HasPrefix(b[i:], s.delim):
			return i, parsedRow
		case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n', b[i] == '\r' && i+1 == len(b) && last:
			return i, parsedRow
		case !last && (b[i] == '\r' && i+1 == len(b) || len(b)-i < len(s.delim) && bytes.HasPrefix(s.delim, b[i:])):
			return 0, parsedShort
		}
		return 0, parsedBad
	}
}

// untilQuote returns how many bytes of b are before a quote or a backslash that escapes;
// short says that a character at the end of b may go on behind it.
func (s *splitter) untilQuote(b []byte, last bool) (n int, short bool) {
	if !s.escape { // no character has a quote in it
		if i := bytes.IndexByte(b, '"'); i >= 0 {
			return i, false
		}
		return len(b), true
	}
	for n < len(b) && b[n] != '"' && b[n] != '\\' {
		switch {
		case b[n] < 0x80:
			n++
		case !last && len(b)-n < stepMax:
			return n, true
		default:
			n += s.text.step(b[n:])
		}
	}
	return n, false
}

// bare appends the cell at b[i], which is not quoted, to plain, and returns where it ends.
func (s *splitter) bare(b []byte, i int, last bool) (end, verdict int) {
	from, at := i, len(s.plain)
	first := s.delim[0]
	for i < len(b) && b[i] != '\n' {
		switch {
		case b[i] == first && bytes.HasPrefix(b[i:], s.delim):
			return s.close(b[from:i], i, at)
		case b[i] >= 0x80 && !last && len(b)-i < stepMax:
			return 0, parsedShort
		case b[i] >= 0x80:
			i += s.text.step(b[i:])
		case !s.escape || b[i] != '\\':
			i++
		case !last && len(b)-i <= stepMax:
			return 0, parsedShort
		case i+1 == len(b): // a backslash that ends the file is text
			i++
		case b[i+1] == 'N' && i == from && len(s.plain) == at: // \N, which means null
			i += 2
		default:
			s.plain = append(s.plain, b[from:i]...)
			i = s.unescape(b, i+1)
			from = i
		}
		if i-from > fieldBytesMax {
			return 0, parsedLong
		}
	}
	if i == len(b) && !last {
		return 0, parsedShort
	}
	cell := b[from:i]
	if k := len(cell); k > 0 && cell[k-1] == '\r' {
		cell, i = cell[:k-1], i-1
	}
	return s.close(cell, i, at)
}

// close ends the cell that began at at in plain with its last text.
func (s *splitter) close(cell []byte, i, at int) (end, verdict int) {
	s.plain = append(s.plain, cell...)
	if len(s.plain)-at > fieldBytesMax {
		return 0, parsedLong
	}
	return i, parsedRow
}

// unescape appends the character at b[i], which stands behind a backslash, to plain and
// returns where what follows it is.
func (s *splitter) unescape(b []byte, i int) int {
	n := 1
	switch c := b[i]; {
	case c == 'n':
		s.plain = append(s.plain, '\n')
	case c == 'r':
		s.plain = append(s.plain, '\r')
	case c == 't':
		s.plain = append(s.plain, '\t')
	case c >= 0x80:
		n = s.text.step(b[i:])
		fallthrough
	default:
		s.plain = append(s.plain, b[i:i+n]...)
	}
	return i + n
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
	case s.apart:
		return len(s.past)
	}
	return s.count
}

// cell returns cell i of the current row, which has it.
func (s *splitter) cell(i int) []byte {
	if s.apart {
		from := 0
		if i > 0 {
			from = s.past[i-1]
		}
		return s.plain[from:s.past[i]]
	}
	return s.line[s.cuts[i] : int(s.cuts[i+1])-len(s.delim)]
}

// cells returns the cells of the current row, none of a bad one.
func (s *splitter) cells() [][]byte {
	out := make([][]byte, s.width())
	for i := range out {
		out[i] = s.cell(i)
	}
	return out
}

// starts returns where each cell of the current row, which was not set apart, starts in
// bytes of line, and behind the last where one more would.
func (s *splitter) starts() []uint32 { return s.cuts[:s.count+1] }

// settle makes the line's cells of what is like a delimiter in it.
func (s *splitter) settle(delims, doubts int) {
	for delims > 0 && int(s.cuts[delims]) > len(s.line) { // what lies behind the text goes on with it
		delims--
	}
	for doubts > 0 && int(s.doubt[doubts-1]) >= delims {
		doubts--
	}
	s.count = delims + 1
	if doubts > 0 || s.over {
		s.resolve(s.doubt[:doubts])
	}
	s.cuts[s.count] = uint32(len(s.line) + len(s.delim))
}

// resolve goes over the line's cuts where what is like a delimiter need not be one: it
// overlaps one before, or only begins like one, or may be in a character, as those of
// doubt. Nearly always all of them are.
func (s *splitter) resolve(doubt []uint32) {
	size := uint32(len(s.delim))
	good := len(s.delim) <= len(s.ends.delim)
	if s.over {
		apart := uint32(0) // its sign is set where two are too near
		last := s.cuts[0]
		for _, end := range s.cuts[1:s.count] {
			apart |= end - last - size
			last = end
		}
		good = good && int32(apart) >= 0
	}
	for i := 0; i < len(doubt) && good; i++ {
		before := s.cuts[doubt[i]:][:2]
		good = s.between(int(before[0]), int(before[1]-size))
	}
	if !good {
		s.choose(doubt)
	}
}

// choose leaves only true delimiters in the line's cuts.
func (s *splitter) choose(doubt []uint32) {
	cuts := s.cuts[1:s.count]
	from, n := 0, 0
	compared := int(s.ends.more) + 1
	for i, end := range cuts {
		unsure := len(doubt) > 0 && int(doubt[0]) == i
		if unsure {
			doubt = doubt[1:]
		}
		at := int(end) - compared
		if at < from || !bytes.HasPrefix(s.line[at:], s.delim) || unsure && !s.between(from, at) {
			continue
		}
		from = at + len(s.delim)
		cuts[n] = uint32(from)
		n++
	}
	s.count = n + 1
}

// between reports whether a character of line begins at at; one begins at from.
func (s *splitter) between(from, at int) bool {
	for b := s.line; from < at; {
		if b[from] < utf8.RuneSelf {
			from++
		} else {
			from += s.text.step(b[from:])
		}
	}
	return from == at
}
