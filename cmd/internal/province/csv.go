package province

import (
	"io"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/synth"
)

// csvFile writes UTF-8 text: a header, commas, line feeds, an empty field for
// null, days as 2006-01-02. No value needs quotes.
type csvFile struct {
	w   io.Writer
	buf []byte
}

func newCSV(w io.Writer, columns []synth.Column) (*csvFile, error) {
	f := &csvFile{w: w}
	for i, c := range columns {
		if i > 0 {
			f.buf = append(f.buf, ',')
		}
		f.buf = append(f.buf, c.Name...)
	}
	f.buf = append(f.buf, '\n')
	_, err := w.Write(f.buf)
	return f, err
}

func (f *csvFile) write(columns []synth.Column, n int) error {
	f.buf = f.buf[:0]
	for i := range n {
		for k := range columns {
			if k > 0 {
				f.buf = append(f.buf, ',')
			}
			f.field(&columns[k], i)
		}
		f.buf = append(f.buf, '\n')
		if len(f.buf) >= 1<<20 {
			if _, err := f.w.Write(f.buf); err != nil {
				return err
			}
			f.buf = f.buf[:0]
		}
	}
	_, err := f.w.Write(f.buf)
	return err
}

func (f *csvFile) field(c *synth.Column, i int) {
	switch v := c.Vector.(type) {
	case *synth.Vector[uint8]:
		text(f, v, i)
	case *synth.Vector[int16]:
		text(f, v, i)
	case *synth.Vector[int32]:
		if c.Source.Type.ID() == arrow.DATE32 {
			if !v.Null(i) {
				f.buf = time.Unix(int64(v.Values[i])*86_400, 0).UTC().AppendFormat(f.buf, time.DateOnly)
			}
			return
		}
		text(f, v, i)
	case *synth.Vector[uint32]:
		text(f, v, i)
	case *synth.Vector[int64]:
		text(f, v, i)
	case *synth.Vector[uint64]:
		text(f, v, i)
	}
}

// text writes a value; every one fits in an int64.
func text[T synth.Integer](f *csvFile, v *synth.Vector[T], i int) {
	if !v.Null(i) {
		f.buf = strconv.AppendInt(f.buf, int64(v.Values[i]), 10)
	}
}

func (f *csvFile) finish() error { return nil }
