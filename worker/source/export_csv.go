package source

import "bytes"

// decoded is cells of a CSV file as UTF-8. It serves one goroutine.
type decoded struct {
	text   charset
	bytes  []byte
	broken int64 // cells with bytes that are no text, in whose place U+FFFD stands
}

// utf8 returns a cell as UTF-8, valid until the next call.
func (d *decoded) utf8(cell []byte) []byte {
	if ascii(cell) == len(cell) {
		return cell
	}
	broken := 0
	if d.bytes, broken = d.text.appendText(d.bytes[:0], cell); broken > 0 {
		d.broken++
	}
	return d.bytes
}

func containsZero(b []byte) bool { return bytes.IndexByte(b, 0) >= 0 }

// cutter cuts rows of a CSV file into cells. It serves one goroutine.
type cutter struct {
	cells [][]byte
}

// cut returns the cells of the current row of s, which has as many as the file.
func (c *cutter) cut(s *splitter, f *inputFile) [][]byte {
	n := len(f.fields)
	c.cells = c.cells[:0]
	if s.apart {
		from := 0
		for _, end := range s.past {
			c.cells, from = append(c.cells, s.plain[from:end]), end
		}
		return c.cells
	}
	for k := range n {
		c.cells = append(c.cells, s.cell(k))
	}
	return c.cells
}
