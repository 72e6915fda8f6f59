// Package matrix reads the rows of a model's features from text, a line a row:
// CSV, TSV, fields parted by blanks, or libsvm.
//
//	line ─► cells ─► values, in the order of the model's features
//
// Lines are read one at a time, so that memory does not grow with the file. A row
// that is not understood is an error that names file, line and field and never
// shows what the field holds, which may be a subscriber's.
//
// # What is missing
//
// An empty field, one that says na, nan or null, and what a libsvm line leaves out
// are NaN, the model's missing value. A category that the model's pandas column
// never had is missing too, as LightGBM itself has it.
package matrix

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"rescore/worker/model"
)

// Formats and Headers list the values of Options.Format and Options.Header. Auto
// is told by the file's first line.
var (
	Formats = []string{"auto", "csv", "tsv", "blank", "libsvm"}
	Headers = []string{"auto", "yes", "no"}
)

// lineMax is how long a line may be, in bytes.
const lineMax = 16 << 20

// Options say how a file is to be read. The zero value tells by the content.
type Options struct {
	Format  string    // one of Formats; "" is auto
	Header  string    // one of Headers; "" is auto
	Label   string    // column to leave out: its name, or its number from 0; "" for none
	Missing []float64 // numbers that are missing too
	// Beside are columns that are read beside the features where the header has them,
	// such as a library's own predictions.
	Beside []string
}

// Error says what of a file was not understood.
type Error struct {
	File    string
	Line    int // from 1
	Field   int // from 1; 0 when no field is to blame
	Name    string
	Problem string
	Remedy  string
}

func (e *Error) Error() string {
	at := fmt.Sprintf("%s:%d", e.File, e.Line)
	if e.Field > 0 {
		at += fmt.Sprintf(":%d", e.Field)
	}
	if e.Name != "" {
		at += fmt.Sprintf(" (%s)", e.Name)
	}
	return at + ": " + e.Problem
}

// Hint returns the remedy.
func (e *Error) Hint() string { return e.Remedy }

// Reader reads rows. It is for one goroutine.
type Reader struct {
	file    string
	lines   *bufio.Scanner
	line    int    // number of the line read last
	first   []byte // a line that was looked at and is still to be read
	blank   int    // number of the first of the blank lines just passed over; 0 for none
	format  string
	options Options
	model   *model.Ensemble
	codes   []codes // by feature; its zero value for a number

	names []string // of the columns; nil without a header
	from  []int    // column of each feature; nil for libsvm
	width int      // columns
	cells [][]byte
	quote []byte // room for fields that were quoted
	given []bool // of a libsvm line's features
	row   []float64

	besideFrom []int // column of each of Options.Beside; -1 where there is none
	beside     []float64
}

// NewReader reads the first line of r, tells what the file is, and binds its
// columns to the features of e. name is what errors call the file.
func NewReader(name string, r io.Reader, e *model.Ensemble, o Options) (*Reader, error) {
	d := &Reader{file: name, lines: bufio.NewScanner(r), options: o, model: e, format: o.Format, codes: codesOf(e),
		row: make([]float64, len(e.Features)), given: make([]bool, len(e.Features)),
		besideFrom: slices.Repeat([]int{-1}, len(o.Beside)), beside: make([]float64, len(o.Beside))}
	d.lines.Buffer(make([]byte, 64<<10), lineMax)
	line, err := d.next()
	if errors.Is(err, io.EOF) {
		return d, nil // no rows
	}
	if err != nil {
		return nil, err
	}
	line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	if d.format == "" || d.format == "auto" {
		d.format = recognise(name, line)
	}
	d.first = line
	if d.format == "libsvm" {
		if o.Label != "" {
			return nil, d.fault(0, "a libsvm line begins with its label, which is left out by itself", "leave --label out")
		}
		return d, nil
	}
	return d, d.bind(line)
}

// Next returns the next row, the values of the model's features in their order,
// until the next call; io.EOF after the last.
func (d *Reader) Next() ([]float64, error) {
	line := d.first
	if d.first = nil; line == nil {
		var err error
		if line, err = d.next(); err != nil {
			return nil, err
		}
	}
	if d.format == "libsvm" {
		return d.row, d.sparse(line)
	}
	return d.row, d.dense(line)
}

// Has reports whether the file has column i of Options.Beside.
func (d *Reader) Has(i int) bool { return d.besideFrom[i] >= 0 }

// Beside returns the values of Options.Beside in the row that Next gave, until the
// next call; NaN where the file has no such column.
func (d *Reader) Beside() []float64 { return d.beside }

// next returns the next line that holds anything. Blank lines are the file's end,
// or one of them is a mistake: were they passed over, the rows behind them would
// change places. In a table of one column a blank line is a missing value.
func (d *Reader) next() ([]byte, error) {
	for d.lines.Scan() {
		d.line++
		line := d.lines.Bytes()
		if len(bytes.TrimSpace(line)) == 0 && d.width != 1 {
			if d.blank == 0 {
				d.blank = d.line
			}
			continue
		}
		if d.blank > 0 {
			d.line = d.blank
			return nil, d.fault(0, "the line is blank, and others follow", "take it out; a row of missing values is a line of separators, or of a label alone in libsvm")
		}
		return line, nil
	}
	if err := d.lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		d.line++
		return nil, d.fault(0, fmt.Sprintf("the line is longer than %d MiB", lineMax>>20), "give a text file with a row a line: CSV, TSV or libsvm")
	} else if err != nil {
		return nil, fmt.Errorf("read %s: %w", d.file, err)
	}
	return nil, io.EOF
}

// fault returns an error at a field, from 1; 0 when none is to blame.
func (d *Reader) fault(field int, problem, remedy string) *Error {
	e := &Error{File: d.file, Line: d.line, Field: field, Problem: problem, Remedy: remedy}
	if field > 0 && field <= len(d.names) {
		e.Name = d.names[field-1]
	}
	return e
}

// recognise tells a file's format by its first line, and by its name when that
// line is a libsvm row's label alone.
func recognise(name string, line []byte) string {
	fields := bytes.Fields(line)
	pairs := 0
	for i, f := range fields {
		if _, _, ok := pair(f); ok || bytes.HasPrefix(f, []byte("qid:")) {
			pairs++
		} else if i > 0 {
			pairs = -len(fields)
		}
	}
	for _, end := range []string{".libsvm", ".svm", ".svmlight"} {
		if strings.HasSuffix(name, end) && len(fields) == 1 {
			pairs = 1
		}
	}
	switch {
	case pairs > 0:
		return "libsvm"
	case bytes.IndexByte(line, '\t') >= 0:
		return "tsv"
	case bytes.IndexByte(line, ',') >= 0 || len(fields) < 2:
		return "csv"
	}
	return "blank"
}

// number returns the number a field holds, NaN where it is missing.
func (d *Reader) number(cell []byte) (float64, string) {
	x, ok := parse(cell)
	for _, m := range d.options.Missing {
		if x == m || d.model.Single && float32(x) == float32(m) {
			x = math.NaN()
		}
	}
	switch {
	case !ok:
		return 0, "this is no number"
	case d.model.Library == "XGBoost" && math.IsInf(float64(float32(x)), 0):
		return 0, "the value is infinite as a float32, which XGBoost refuses"
	}
	return x, ""
}
