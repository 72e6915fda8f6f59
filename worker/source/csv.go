package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
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
	case d.text.broken(s.line) > 0 || containsZero(s.line):
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

// A chunk is so many rows, at most 64, that what is touched of their cells is in the cache
// when the columns are read one after another.
const (
	chunkRows  = 64
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

	// The chunk. Rows are kept apart that the slow path cut, whose cells' text is not in
	// one piece; dropped ones read as nulls.
	n      int
	text   []byte            // with slack bytes behind it
	plain  uint64            // a bit for each row that is neither dropped nor kept apart
	drop   uint64            // a bit for each dropped row
	at     [chunkRows]uint32 // where in text, or in apart, rows are
	starts []uint32          // of cells, in bytes of the row: stride for each row
	stride int               // one more than cells, where the last one ends
	apart  []byte            // text of rows kept apart, and slack
	utf8   []byte            // of one cell
}

type csvColumn struct {
	index int // in the row
	out   int // in the vectors given to fill
	conv  *conversion
	known *knownTexts // of a column of text
}

func newCSVRows(f *csvFile) *csvRows {
	r := &csvRows{file: f, split: f.splitter(), stride: len(f.fields) + 1}
	r.starts = make([]uint32, chunkRows*r.stride)
	return r
}

// fill writes the next n rows.
func (r *csvRows) fill(out []*vector, at, n int, log []issue) ([]issue, error) {
	for n > 0 {
		var err error
		if log, err = r.chunk(at, min(n, chunkRows), log); err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%d rows are missing: %w", n-r.n, ErrChanged)
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
		at, n = at+r.n, n-r.n
	}
	return log, nil
}

// chunk cuts the next rows, at most n, into cells; the first is row at of the batch.
func (r *csvRows) chunk(at, n int, log []issue) ([]issue, error) {
	s := r.split
	r.n, r.plain, r.drop, r.apart = 0, 0, 0, r.apart[:0]
	s.hold = s.pos
	defer func() { s.hold = -1 }()
	for ; r.n < n && s.pos-s.hold < chunkBytes; r.n++ {
		if err := s.next(); err != nil {
			return log, err
		}
		starts := r.starts[r.n*r.stride:][:r.stride]
		row := uint64(1) << r.n
		switch {
		case s.width() != r.stride-1: // which the key pass dropped
			r.drop |= row
		case s.zero || s.apart && containsZero(s.line):
			r.drop |= row
			log = append(log, issue{at: int32(at + r.n), reject: true, field: r.nulField()})
		case s.apart:
			r.at[r.n] = uint32(len(r.apart))
			r.apart = append(r.apart, s.plain...)
			starts[0] = 0
			for k, end := range s.past {
				starts[k+1] = uint32(end)
			}
		default:
			r.plain |= row
			r.at[r.n] = uint32(int(s.start-s.base) - s.hold)
			copy(starts, s.starts())
		}
	}
	r.apart = slices.Grow(r.apart, slack)
	r.text = s.buf[s.hold : len(s.buf) : len(s.buf)+slack]
	return log, nil
}

// cell returns the text of column index in row i, which is not dropped, with slack bytes
// behind its n.
func (r *csvRows) cell(i, index int) (text []byte, n int) {
	at := r.starts[i*r.stride+index:][:2]
	from, end := int(at[0])+int(r.at[i]), int(at[1])+int(r.at[i])
	if r.plain>>i&1 == 0 {
		return r.apart[from : end+slack], end - from
	}
	end -= len(r.file.dialect.delim)
	return r.text[from : end+slack], end - from
}

// readInts reads a column of integers into rows at and on.
func readInts[T uint8 | int16 | uint32 | uint64](r *csvRows, c *csvColumn, v *vector, at int, log []issue) []issue {
	out := lanes[T](v)[at : at+r.n]
	rest := ^uint64(0) >> (64 - r.n)
	if c.conv.digits {
		got := cellsOf(out, r, c.index, &c.conv.table)
		rest &^= got.done
		if got.empty &= rest; got.empty != 0 && c.conv.blank {
			rest &^= got.empty
			v.invalidate([]uint64{^got.empty}, at, r.n)
		}
	}
	for ; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		if r.drop>>i&1 != 0 {
			v.setNull(at + i)
			if c.conv.goal == goalKey { // the columns of a table have no pass of their own for keys
				log = append(log, issue{at: int32(at + i), reject: true})
			}
			continue
		}
		x, o := r.integer(c, i)
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

// integer converts a cell to an integer.
func (r *csvRows) integer(c *csvColumn, i int) (int64, outcome) {
	text, n := r.cell(i, c.index)
	conv := c.conv
	switch {
	case n == 0 && conv.blank:
		return 0, valueNull
	case conv.digits && n <= 16 && n > 0:
		x, ok := digits(text, n)
		if y := int64(x) * conv.num; ok && int64(x) <= conv.inHi && y >= conv.lo && y <= conv.hi {
			return y, valueOK
		}
	case (conv.codes != nil || conv.tags != nil) && n <= knownBytesMax:
		if c.known == nil {
			c.known = new(knownTexts)
		}
		x, o, known := c.known.find(text, n)
		if !known {
			*x, *o = r.convert(conv, text[:n])
		}
		return *x, *o
	}
	return r.convert(conv, text[:n])
}

// floats reads an extra column into rows at and on.
func (r *csvRows) floats(c *csvColumn, v *vector, at int, log []issue) []issue {
	out := lanes[float64](v)[at : at+r.n]
	for i := range out {
		if r.drop>>i&1 != 0 {
			out[i] = nan
			continue
		}
		var x float64
		var o outcome
		if c.conv.codes != nil {
			var code int64
			code, o = r.integer(c, i)
			x = float64(code)
		} else {
			text, n := r.cell(i, c.index)
			x, o = c.conv.number(text[:n])
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

// convert converts text to an integer. What is broken is none of the texts that the job
// lists, and is not searched for words.
func (r *csvRows) convert(conv *conversion, cell []byte) (int64, outcome) {
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
		if containsZero(r.split.cell(i)) {
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
