package source

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
)

// csvFile is an open CSV file. It is read-only and safe for concurrent use.
type csvFile struct {
	text    store.Object // the file, or what it unpacks to
	packed  *unpacked    // the same, nil for a file that is not compressed
	dialect dialect
	fields  []field
	first   int64 // byte offset of the first row
}

// dialectOf reads how the job says the files are written.
func dialectOf(spec job.CSV) (d dialect, err error) {
	d = dialect{delim: []byte(spec.Delimiter), quotes: spec.Quote != "none", escape: spec.Escape == "backslash"}
	if len(d.delim) == 0 {
		d.delim = []byte{','}
	}
	odd := func(r rune) bool {
		return r >= utf8.RuneSelf || strings.ContainsRune("\"\n\r\x00", r) || d.escape && r == '\\'
	}
	if bytes.ContainsFunc(d.delim, odd) {
		return d, fmt.Errorf("csv.delimiter %q is not of ASCII characters other than a quote, a line end or what escapes: %w", spec.Delimiter, ErrMapping)
	}
	d.text, err = charsetOf(spec.Encoding)
	return d, err
}

var marks = [...]string{charsetUTF8: "\xef\xbb\xbf", charsetGBK: "", charsetGB18030: "\x84\x31\x95\x33"}

func openCSV(obj store.Object, spec job.CSV) (*csvFile, error) {
	d, err := dialectOf(spec)
	if err != nil {
		return nil, err
	}
	f := &csvFile{text: obj, dialect: d}
	head := obj // what the first row is read from
	cut := false
	if obj.Size() == 0 {
		return nil, fmt.Errorf("the file is empty; write it again, or move it out of the input: %w", ErrFormat)
	}
	front := make([]byte, min(4, obj.Size()))
	if err := readFull(obj, front, 0); err != nil {
		return nil, err
	}
	if p := packingOf(front); p != packedNot {
		f.packed = &unpacked{obj: obj, packing: p}
		f.text = f.packed
		text, all, err := f.packed.head()
		if err != nil {
			return nil, err
		}
		head, cut, front = headText{bytes.NewReader(text)}, !all, text
	}
	switch {
	case bytes.HasPrefix(front, []byte{0xff, 0xfe}), bytes.HasPrefix(front, []byte{0xfe, 0xff}):
		return nil, fmt.Errorf("the text is UTF-16; write it as UTF-8: %w", ErrFormat)
	case d.text != charsetUTF8 && bytes.HasPrefix(front, []byte(marks[charsetUTF8])):
		return nil, fmt.Errorf("the text begins with the mark of UTF-8, the job says %s; set input.csv.encoding to utf-8: %w", d.text, ErrFormat)
	case bytes.HasPrefix(front, []byte(marks[d.text])):
		f.first = int64(len(marks[d.text]))
	}
	s := newSplitter(head, d)
	s.seek(f.first, head.Size())
	switch err := s.next(); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("the file holds no row: %w", ErrFormat)
	case err != nil:
		return nil, err
	case cut && s.off() == head.Size():
		return nil, fmt.Errorf("the first row is longer than %d KiB: %w", packedHeadBytes>>10, ErrFormat)
	case s.bad != "":
		return nil, fmt.Errorf("the first row cannot be split: %s: %w", s.bad, ErrFormat)
	case d.text.broken(s.line) > 0 || bytes.IndexByte(s.line, 0) >= 0:
		return nil, fmt.Errorf("the first row is not %s text; %s: %w", d.text, d.text.remedy(s.line), ErrFormat)
	}
	for i, cell := range s.cells() {
		name := fmt.Sprintf("c%d", i)
		if spec.Header {
			text, _ := d.text.appendText(nil, trim(cell))
			name = string(text)
			// Names appear in messages, numbers never do (I8).
			if _, err := partition.ParseNumber(name); err == nil {
				return nil, fmt.Errorf("the first row holds a subscriber's number, not names; set csv.header to false: %w", ErrFormat)
			}
		}
		f.fields = append(f.fields, field{name: name, index: i, kind: kindText})
	}
	if spec.Header {
		f.first = s.off()
	}
	return f, nil
}

// size returns the length of the text. A compressed file is unpacked first.
func (f *csvFile) size(ctx context.Context) (int64, error) {
	if f.packed != nil {
		if err := f.packed.unpack(ctx); err != nil {
			return 0, err
		}
	}
	return f.text.Size(), nil
}

func (f *csvFile) close() error {
	if f.packed != nil {
		return f.packed.Close()
	}
	return nil
}

// splitter returns a new splitter of the file's text.
func (f *csvFile) splitter() *splitter { return newSplitter(f.text, f.dialect) }

// A chunk is so many rows that their cells are in the cache when the columns are read
// one after another.
const (
	chunkRows  = 32
	chunkBytes = 128 << 10
)

// csvRows streams rows of one CSV file into vectors. It serves one goroutine.
//
// A chunk of rows is cut into cells first; then each column converts its cells of all
// rows, in a loop that does one thing.
type csvRows struct {
	file  *csvFile
	split *splitter
	cols  []csvColumn

	rows   []csvRow
	starts []uint32 // of cells, in bytes of the row: stride for each row
	stride int      // one more than cells, where the last one ends
	apart  []byte   // text of rows that were cut by the slow path, and slack
	utf8   []byte   // of one cell
}

type csvColumn struct {
	index int // in the row
	out   int // in the vectors given to fill
	conv  *conversion
}

// csvRow is one row of a chunk. A dropped one reads as nulls.
type csvRow struct {
	text  []byte // with slack bytes behind it
	at    int    // of it in the splitter's held bytes, or in apart
	bytes int
	apart bool
	drop  bool
}

func newCSVRows(f *csvFile) *csvRows {
	r := &csvRows{file: f, split: f.splitter(), rows: make([]csvRow, 0, chunkRows), stride: len(f.fields) + 1}
	r.starts = make([]uint32, chunkRows*r.stride+slack+8)
	return r
}

// fill writes the next n rows.
func (r *csvRows) fill(out []*vector, at, n int, log []issue) ([]issue, error) {
	for n > 0 {
		var err error
		if log, err = r.chunk(at, min(n, chunkRows), log); err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%d rows are missing: %w", n-len(r.rows), ErrChanged)
			}
			return log, err
		}
		for k := range r.cols {
			c := &r.cols[k]
			v := out[c.out]
			switch {
			case v.nan:
				log = r.floats(c, v, at, log)
			case v.width == 1:
				log = readInts[uint8](r, c, v, at, log)
			case v.width == 2:
				log = readInts[int16](r, c, v, at, log)
			case v.width == 4:
				log = readInts[uint32](r, c, v, at, log)
			default:
				log = readInts[uint64](r, c, v, at, log)
			}
		}
		at, n = at+len(r.rows), n-len(r.rows)
	}
	return log, nil
}

// chunk cuts the next rows, at most n, into cells; the first is row at of the batch.
func (r *csvRows) chunk(at, n int, log []issue) ([]issue, error) {
	s := r.split
	r.rows, r.apart = r.rows[:0], r.apart[:0]
	s.hold = s.pos
	defer func() { s.hold = -1 }()
	for i := 0; i < n && s.pos-s.hold < chunkBytes; i++ {
		if err := s.next(); err != nil {
			return log, err
		}
		row := csvRow{apart: s.apart, bytes: len(s.line)}
		starts := r.starts[i*r.stride:]
		switch {
		case s.bad != "":
			row.drop = true
		case s.apart:
			row.drop = len(s.ends) != r.stride-1
			row.at, row.bytes = len(r.apart), len(s.plain)
			r.apart = append(r.apart, s.plain...)
			starts[0] = 0
			for k, end := range s.ends[:min(len(s.ends), r.stride-1)] {
				starts[k+1] = uint32(end)
			}
		default:
			row.at = int(s.start-s.base) - s.hold
			row.drop = s.starts(r.stride-1, starts) != r.stride-1
		}
		if !row.drop && bytes.IndexByte(s.line, 0) >= 0 { // one of another width the key pass dropped
			row.drop = true
			log = append(log, issue{at: int32(at + i), reject: true, field: r.nulField()})
		}
		r.rows = append(r.rows, row)
	}
	r.apart = slices.Grow(r.apart, slack)
	for i := range r.rows {
		row := &r.rows[i]
		from := s.buf[s.hold:]
		if row.apart {
			from = r.apart
		}
		if !row.drop {
			row.text = from[row.at : row.at+row.bytes+slack]
		}
	}
	return log, nil
}

// cell returns where the cell of a column in row i, which is not dropped, starts and
// how long it is.
func (r *csvRows) cell(i, index int) (from, n int) {
	at := r.starts[i*r.stride+index : i*r.stride+index+2 : i*r.stride+index+2]
	from, n = int(at[0]), int(at[1]-at[0])
	if !r.rows[i].apart {
		n -= len(r.file.dialect.delim)
	}
	return from, n
}

// readInts reads a column of integers into rows at and on.
func readInts[T uint8 | int16 | uint32 | uint64](r *csvRows, c *csvColumn, v *vector, at int, log []issue) []issue {
	out := lanes[T](v)[at : at+len(r.rows)]
	conv := c.conv
	delim := len(r.file.dialect.delim)
	starts := r.starts[c.index:]
	for i := range out {
		row := &r.rows[i]
		if row.drop {
			v.setNull(at + i)
			continue
		}
		cell := starts[i*r.stride:]
		from, n := int(cell[0]), int(cell[1]-cell[0])
		if !row.apart {
			n -= delim
		}
		if conv.digits && uint(n-1) < 8 { // digits, in line
			x := (binary.LittleEndian.Uint64(row.text[from:]) ^ zeros) << (64 - 8*n)
			if y := int64(eight(x)) * conv.num; digitBytes(x) && y >= conv.lo && y <= conv.hi {
				out[i] = T(y)
				continue
			}
		} else if conv.digits && uint(n-1) < 16 {
			x, ok := digits(row.text[from:], n)
			if y := int64(x) * conv.num; ok && int64(x) <= conv.inHi && y >= conv.lo && y <= conv.hi {
				out[i] = T(y)
				continue
			}
		} else if n == 0 && conv.blank {
			v.setNull(at + i)
			continue
		}
		x, o := r.text(conv, row.text[from:from+n])
		out[i] = T(x)
		if o != valueOK {
			v.setNull(at + i)
			if o != valueNull {
				log = append(log, issue{at: int32(at + i), reject: o == valueReject, field: r.file.fields[c.index].name})
			}
		}
	}
	return log
}

// floats reads an extra column into rows at and on.
func (r *csvRows) floats(c *csvColumn, v *vector, at int, log []issue) []issue {
	out := lanes[float64](v)[at : at+len(r.rows)]
	for i := range out {
		row := &r.rows[i]
		if row.drop {
			out[i] = nan
			continue
		}
		from, n := r.cell(i, c.index)
		cell := row.text[from : from+n]
		var x float64
		var o outcome
		if c.conv.codes != nil {
			var code int64
			code, o = r.text(c.conv, cell)
			x = float64(code)
		} else {
			x, o = c.conv.number(cell)
		}
		if o != valueOK {
			x = nan
			if o != valueNull {
				log = append(log, issue{at: int32(at + i), reject: o == valueReject, field: r.file.fields[c.index].name})
			}
		}
		out[i] = x
	}
	return log
}

// text converts a cell to an integer. What is broken is none of the texts that the job
// lists, and is not searched for words.
func (r *csvRows) text(conv *conversion, cell []byte) (int64, outcome) {
	if ascii(cell) < len(cell) {
		text := r.file.dialect.text
		if text == charsetUTF8 {
			if conv.tags != nil && !utf8.Valid(cell) {
				return 0, valueBad
			}
		} else {
			broken := 0
			if r.utf8, broken = text.appendText(r.utf8[:0], cell); broken > 0 && (conv.tags != nil || conv.codes != nil) {
				return 0, valueBad
			}
			cell = r.utf8
		}
	}
	return conv.text(cell)
}

// nulField returns the first field of the current row in which a zero byte is.
func (r *csvRows) nulField() string {
	for i := range r.file.fields {
		if bytes.IndexByte(r.split.cell(i), 0) >= 0 {
			return r.file.fields[i].name
		}
	}
	return ""
}

// csvKeys calls out with the key of every row from byte first to byte end, and
// where the row starts. index -1 says that rows have no key of their own.
func csvKeys(s *splitter, f *csvFile, index int, rule keyRule, out func(off int64, number uint64, why verdict) error) error {
	for {
		switch err := s.next(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		var number uint64
		why := goodKey
		switch {
		case s.width() != len(f.fields):
			why = badWidth
		case index >= 0:
			number, why = rule.text(s.cell(index))
		}
		if err := out(s.start, number, why); err != nil {
			return err
		}
	}
}
