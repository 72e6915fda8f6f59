package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
)

// csvFile is an open CSV file. It is read-only and safe for concurrent use.
type csvFile struct {
	obj    store.Object
	delim  byte
	fields []field
	first  int64 // byte offset of the first row
}

func openCSV(obj store.Object, spec job.CSV) (*csvFile, error) {
	f := &csvFile{obj: obj, delim: ','}
	switch spec.Delimiter {
	case "":
	case `\t`:
		f.delim = '\t'
	default:
		f.delim = spec.Delimiter[0]
		if len(spec.Delimiter) != 1 || f.delim == '"' || f.delim == '\n' || f.delim == '\r' || f.delim >= utf8.RuneSelf {
			return nil, fmt.Errorf("csv.delimiter %q is not one ASCII character other than a quote or line end: %w", spec.Delimiter, ErrMapping)
		}
	}
	if obj.Size() == 0 {
		return nil, fmt.Errorf("the file is empty; write it again, or move it out of the input: %w", ErrFormat)
	}
	var bom [3]byte
	if obj.Size() >= 3 {
		if err := readFull(obj, bom[:], 0); err != nil {
			return nil, err
		}
		if string(bom[:]) == "\xef\xbb\xbf" {
			f.first = 3
		}
	}
	if bom[0] == 0xff && bom[1] == 0xfe || bom[0] == 0xfe && bom[1] == 0xff {
		return nil, fmt.Errorf("the text is UTF-16; write it as UTF-8: %w", ErrFormat)
	}
	s := newSplitter(obj, f.delim)
	s.seek(f.first, obj.Size())
	switch err := s.next(); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("the file holds no row: %w", ErrFormat)
	case err != nil:
		return nil, err
	case s.bad != "":
		return nil, fmt.Errorf("the first row cannot be split: %s: %w", s.bad, ErrFormat)
	}
	s.split()
	if !utf8.Valid(s.line) || bytes.IndexByte(s.line, 0) >= 0 {
		return nil, fmt.Errorf("the first row is not UTF-8 text: %w", ErrFormat)
	}
	for i, cell := range s.cells {
		name := fmt.Sprintf("c%d", i)
		if spec.Header {
			name = string(trim(cell))
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

// csvRows streams rows of one CSV file into vectors. It serves one goroutine.
type csvRows struct {
	file  *csvFile
	split *splitter
	cols  []csvColumn // by position in the row
}

type csvColumn struct {
	index int // in the row
	out   int // in the vectors given to fill
	conv  *conversion
}

// fill writes the next n rows.
func (r *csvRows) fill(out []*vector, at, n int, log []issue) ([]issue, error) {
	width := len(r.file.fields)
	for i := at; i < at+n; i++ {
		if err := r.split.next(); err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%d rows are missing: %w", at+n-i, ErrChanged)
			}
			return log, err
		}
		if r.split.width() != width {
			for _, c := range r.cols { // the key pass dropped this row
				out[c.out].setNull(i)
			}
			continue
		}
		r.split.split()
		if bytes.IndexByte(r.split.line, 0) >= 0 {
			log = append(log, issue{at: int32(i), reject: true, field: r.nulField()})
			for _, c := range r.cols {
				out[c.out].setNull(i)
			}
			continue
		}
		for k := range r.cols {
			c := &r.cols[k]
			v := out[c.out]
			var o outcome
			if v.nan {
				var x float64
				x, o = c.conv.number(r.split.cells[c.index])
				lanes[float64](v)[i] = x
			} else {
				var x int64
				x, o = c.conv.text(r.split.cells[c.index])
				v.setInt(i, x)
			}
			if o != valueOK {
				v.setNull(i)
				if o != valueNull {
					log = append(log, issue{at: int32(i), reject: o == valueReject, field: r.file.fields[c.index].name})
				}
			}
		}
	}
	return log, nil
}

func (r *csvRows) nulField() string {
	for i, cell := range r.split.cells {
		if bytes.IndexByte(cell, 0) >= 0 {
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
