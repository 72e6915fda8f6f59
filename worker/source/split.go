package source

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/bits"

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
// nothing but cells and delimiters, nearly all, are cut 64 bytes at a time; rows with a
// quote or a backslash that escapes take a slow path. Empty lines are no rows, as in
// encoding/csv.
//
// A row whose quotes do not close, or that is too long, is one line and bad:
// a stray quote costs its own line and never swallows the file. Memory is
// bounded by rowBytesMax.
type splitter struct {
	dialect
	src  store.Object
	lurk bool
	buf  []byte // slack bytes of its capacity are never used
	pos  int    // of the next unread byte in buf
	hold int    // read bytes from here on stay in buf, -1: none do
	base int64  // file offset of the next byte to be read, less len(buf)
	end  int64  // file offset where the range ends

	// The current row, valid until next.
	start int64  // file offset of its first byte
	line  []byte // as it is in the file, without its end
	bad   string // why it cannot be split, "" when it can
	apart bool   // cells were made by the slow path
	count int    // of cells, when the row was cut with care; 0 when it was not
	cut   []uint32
	plain []byte // text of its cells
	ends  []int  // in plain, by cell
}

// slack is how many bytes behind a row may be looked at.
const slack = 64

func newSplitter(src store.Object, d dialect) *splitter {
	return &splitter{src: src, dialect: d, lurk: d.lurks(), hold: -1}
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

// next makes the next row the current one, or returns io.EOF.
func (s *splitter) next() error {
	s.apart, s.bad, s.count = false, "", 0
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
		if s.hard() {
			done, err := s.slow()
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
		if s.bad == "" && (len(s.delim) > 1 || s.lurk && ascii(s.line) < len(s.line)) {
			s.care()
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

// hard reports whether the line takes the slow path.
func (s *splitter) hard() bool {
	return s.quotes && bytes.IndexByte(s.line, '"') >= 0 || s.escape && bytes.IndexByte(s.line, '\\') >= 0
}

// longCell reports whether a cell of the line, which is not hard, is too long.
func (s *splitter) longCell() bool {
	if s.count > 0 {
		for i := range s.count {
			if len(s.cell(i)) > fieldBytesMax {
				return true
			}
		}
		return false
	}
	for b := s.line; ; {
		i := bytes.IndexByte(b, s.delim[0])
		if i < 0 {
			return len(b) > fieldBytesMax
		}
		if i > fieldBytesMax {
			return true
		}
		b = b[i+1:]
	}
}

// skipLine passes over a line longer than rowBytesMax.
func (s *splitter) skipLine() error {
	s.start, s.bad, s.line, s.apart = s.off(), "the row is too long", nil, true
	s.ends = s.ends[:0]
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
	s.plain, s.ends = s.plain[:0], s.ends[:0]
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
		s.ends = append(s.ends, len(s.plain))
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
		return len(s.ends)
	case s.count > 0:
		return s.count
	}
	return bytes.Count(s.line, s.delim) + 1
}

// cell returns cell i of the current row, which has it.
func (s *splitter) cell(i int) []byte {
	if s.apart {
		from := 0
		if i > 0 {
			from = s.ends[i-1]
		}
		return s.plain[from:s.ends[i]]
	}
	if s.count > 0 {
		return s.line[s.cut[i] : int(s.cut[i+1])-len(s.delim)]
	}
	b := s.line
	for ; i > 0; i-- {
		b = b[bytes.IndexByte(b, s.delim[0])+1:]
	}
	if j := bytes.IndexByte(b, s.delim[0]); j >= 0 {
		b = b[:j]
	}
	return b
}

// cells returns the cells of the current row, none of a bad one.
func (s *splitter) cells() [][]byte {
	out := make([][]byte, s.width())
	for i := range out {
		out[i] = s.cell(i)
	}
	return out
}

const (
	lowBits = 0x0101010101010101
	lowest7 = 0x7f7f7f7f7f7f7f7f
	gather  = 0x0102040810204080 // brings the lowest bits of eight bytes to the highest byte
)

// starts writes where each cell of the current row, which was not set apart, starts to
// out, in bytes of line, and behind the last where one more would. It returns how many
// cells there are, or n+1 when there are more than n. out has n+1+slack+8 elements.
func (s *splitter) starts(n int, out []uint32) int {
	if s.count == 0 {
		return s.marks(n, out)
	}
	if s.count > n {
		return n + 1
	}
	copy(out, s.cut[:s.count+1])
	return s.count
}

// care cuts the line where the first byte of a delimiter need not be one: the others are
// missing, or it is in a character.
func (s *splitter) care() {
	n := bytes.Count(s.line, s.delim[:1]) + 1
	out := grow(&s.cut, n+1+slack+8)
	n = s.marks(n, out)
	s.count = 1
	from := 0
	for _, past := range out[1:n] {
		at := int(past) - 1
		if at < from || len(s.delim) > 1 && !bytes.HasPrefix(s.line[at:], s.delim) || s.lurk && !s.between(from, at) {
			continue
		}
		from = at + len(s.delim)
		out[s.count] = uint32(from)
		s.count++
	}
	out[s.count] = uint32(len(s.line) + len(s.delim))
}

// between reports whether a character of line begins at at; one begins at from.
func (s *splitter) between(from, at int) bool {
	b := s.line
	if at == from || b[at-1] < 0x80 && (b[at] < '0' || b[at] > '9') {
		return true // ASCII, or the end of a character
	}
	for from < at {
		if b[from] < 0x80 {
			from++
		} else {
			from += s.text.step(b[from:])
		}
	}
	return from == at
}

// marks is starts for delimiters that are wherever their first byte is.
//
// Sixty-four bytes at a time become a word with a bit for each that is a delimiter. The
// bits' places are written eight at a time, more than there are, so that hardly a branch
// depends on the data.
func (s *splitter) marks(n int, out []uint32) int {
	line := s.line
	block := line[: len(line)+slack : len(line)+slack] // what lies behind the line is cut off below
	pattern := uint64(s.delim[0]) * lowBits
	out[0] = 0
	k := 1
	for i := 0; i < len(line); i += 64 {
		b := block[i : i+64 : i+64]
		var mask uint64
		for j := range 8 {
			x := binary.LittleEndian.Uint64(b[8*j:]) ^ pattern
			zero := ^(x&lowest7 + lowest7 | x | lowest7) >> 7 // lowest bit of each byte that is zero
			mask |= zero * gather >> 56 << (8 * j)
		}
		if past := len(line) - i; past < 64 {
			mask &= 1<<past - 1
		}
		count := bits.OnesCount64(mask)
		for w := k; w < k+count; w += 8 {
			o := out[w : w+8 : w+8]
			for j := range o {
				o[j] = uint32(i+bits.TrailingZeros64(mask)) + 1
				mask &= mask - 1
			}
		}
		if k += count; k > n {
			return n + 1
		}
	}
	out[k] = uint32(len(line)) + 1
	return k
}
