package bundle

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Limits of golden rows.
const (
	GoldenBytesMax = 64 << 20
	goldenCellsMax = 4 << 20
)

// Rows are golden rows: the features' values, and what they score.
type Rows struct {
	N          int
	Features   [][]float64 // by feature of the model, then by row; NaN where missing
	Raw        []float64   // nil where it is not known
	Prediction []float64
	Propensity []float64
}

// ReadRows reads golden rows: CSV with a header that has a column for each feature,
// by name, and those that g names. Other columns are left.
func ReadRows(name string, data []byte, features []string, g Golden) (*Rows, error) {
	if len(data) > GoldenBytesMax {
		return nil, fmt.Errorf("%s is larger than %d MiB; a thousand rows are enough", name, GoldenBytesMax>>20)
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("%s has no header: %w", name, withoutText(err))
	}
	header = slices.Clone(header)
	rows := &Rows{Features: make([][]float64, len(features))}
	type column struct {
		at  int
		dst *[]float64
	}
	var columns []column
	var absent []string
	find := func(title string, dst *[]float64) {
		at := slices.Index(header, title)
		if at < 0 {
			absent = append(absent, strconv.Quote(title))
			return
		}
		columns = append(columns, column{at, dst})
	}
	for i, title := range titles(features) {
		find(title, &rows.Features[i])
	}
	for _, k := range []struct {
		known *Known
		dst   *[]float64
	}{{g.Raw, &rows.Raw}, {g.Prediction, &rows.Prediction}, {g.Propensity, &rows.Propensity}} {
		if k.known != nil {
			find(k.known.Column, k.dst)
		}
	}
	if len(absent) > 0 {
		more := ""
		if len(absent) > 10 {
			more = fmt.Sprintf(" and %d more", len(absent)-10)
			absent = absent[:10]
		}
		return nil, fmt.Errorf("%s lacks the columns %s%s", name, strings.Join(absent, ", "), more)
	}
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, withoutText(err))
		}
		rows.N++
		if rows.N*len(columns) > goldenCellsMax {
			return nil, fmt.Errorf("%s has more than %d values; a thousand rows are enough", name, goldenCellsMax)
		}
		for _, c := range columns {
			x := math.NaN()
			if cells[c.at] != "" {
				if x, err = strconv.ParseFloat(cells[c.at], 64); err != nil {
					line, _ := r.FieldPos(c.at)
					return nil, fmt.Errorf("%s:%d: %s is no number; leave the field empty where the value is missing", name, line, header[c.at])
				}
			}
			*c.dst = append(*c.dst, x)
		}
	}
	if rows.N == 0 {
		return nil, fmt.Errorf("%s has no rows", name)
	}
	return rows, nil
}

// titles are the columns' names: the features', and a number where a model has none
// or has it twice.
func titles(features []string) []string {
	list := slices.Clone(features)
	for i, f := range features {
		if f == "" || slices.Contains(features[:i], f) {
			list[i] = "#" + strconv.Itoa(i)
		}
	}
	return list
}

// withoutText returns a CSV error's place and kind.
func withoutText(err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return fmt.Errorf("line %d: %w", p.Line, p.Err)
	}
	return err
}

// CSV writes the rows as ReadRows reads them, with 17 significant digits, so that
// every value comes back with the same bits. Columns of nil are left out.
func (r *Rows) CSV(features []string, g Golden) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	header := titles(features)
	columns := slices.Clone(r.Features)
	for _, k := range []struct {
		known  *Known
		values []float64
	}{{g.Raw, r.Raw}, {g.Prediction, r.Prediction}, {g.Propensity, r.Propensity}} {
		if k.known != nil {
			header, columns = append(header, k.known.Column), append(columns, k.values)
		}
	}
	_ = w.Write(header) // a bytes.Buffer takes everything
	line := make([]string, len(columns))
	for i := range r.N {
		for c, values := range columns {
			line[c] = ""
			if x := values[i]; x == x {
				line[c] = strconv.FormatFloat(x, 'g', 17, 64)
			}
		}
		_ = w.Write(line)
	}
	w.Flush()
	return b.Bytes()
}
