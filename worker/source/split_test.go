package source

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
)

// memory is an object in memory.
type memoryObject struct{ *bytes.Reader }

func (memoryObject) Close() error   { return nil }
func (m memoryObject) Size() int64  { return m.Reader.Size() }
func object(b []byte) *memoryObject { return &memoryObject{bytes.NewReader(b)} }

// splitRow is one row of the splitter, copied.
type splitRow struct {
	cells []string
	start int64
	bad   bool
}

func splitAll(t testing.TB, data []byte, delim byte, from, to int64) []splitRow {
	t.Helper()
	return splitDialect(t, data, dialect{delim: []byte{delim}, quotes: true}, from, to)
}

func splitDialect(t testing.TB, data []byte, d dialect, from, to int64) []splitRow {
	t.Helper()
	s := newSplitter(object(data), d)
	s.seek(from, to)
	var out []splitRow
	for {
		err := s.next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		r := splitRow{start: s.start, bad: s.bad != ""}
		for _, c := range s.cells() {
			r.cells = append(r.cells, string(c))
		}
		if s.bad == "" && !s.apart {
			starts := s.starts()
			if len(starts) != len(r.cells)+1 {
				t.Fatalf("row at %d has %d cells by starts, %d by width", s.start, len(starts)-1, len(r.cells))
			}
			for i, c := range r.cells {
				if got := s.line[starts[i] : int(starts[i+1])-len(s.delim)]; string(got) != c {
					t.Fatalf("cell %d of row at %d is %q by starts and %q alone", i, s.start, got, c)
				}
			}
		}
		out = append(out, r)
	}
}

// checkSplit compares with encoding/csv wherever that accepts the text, and
// checks that reading from any row's start gives the rest of the rows.
func checkSplit(t *testing.T, data []byte, delim byte) {
	t.Helper()
	got := splitAll(t, data, delim, 0, int64(len(data)))
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma, r.FieldsPerRecord = rune(delim), -1
	want, err := r.ReadAll()
	if err == nil {
		if len(got) != len(want) {
			t.Fatalf("%d rows of %q, encoding/csv reads %d", len(got), data, len(want))
		}
		for i := range want {
			if got[i].bad || !reflect.DeepEqual(got[i].cells, want[i]) {
				t.Fatalf("row %d of %q is %q, encoding/csv reads %q", i, data, got[i].cells, want[i])
			}
		}
	}
	for i, row := range got {
		if i%7 != 0 && len(got) > 50 {
			continue
		}
		if rest := splitAll(t, data, delim, row.start, int64(len(data))); !reflect.DeepEqual(rest, got[i:]) {
			t.Fatalf("from byte %d of %q: %v, want %v", row.start, data, rest, got[i:])
		}
		end := int64(len(data))
		if i+1 < len(got) {
			end = got[i+1].start
		}
		if one := splitAll(t, data, delim, row.start, end); !reflect.DeepEqual(one, got[i:i+1]) {
			t.Fatalf("bytes %d to %d of %q: %v, want %v", row.start, end, data, one, got[i:i+1])
		}
	}
}

var splitSeeds = []string{
	"", "\n", "a", "a,b\n", "a,b\r\nc,d\r\n", "\"a\"\n", "\"a,b\",c\n", "\"a\nb\",c\nd,e\n", "\"a\"\"b\"\n", "a\"b,c\n", "\"a\"b\n", "\"open\nx,y\n",
	"\r\n\r\na\r\n", "a\rb\n", "a\r", "\"\"", "\"a\r\nb\"\r\n", ",,\n,\n", "\"\n", "\"a\" ,b\n", "a,\"\"\n\"\",b", "\"x\"\r", "\"x\"\ry\n",
}

func TestSplitterAgreesWithEncodingCSV(t *testing.T) {
	t.Parallel()
	for _, s := range splitSeeds {
		checkSplit(t, []byte(s), ',')
		checkSplit(t, []byte(strings.ReplaceAll(s, ",", "|")), '|')
	}
	// Rows across block ends, quoted and not.
	var b strings.Builder
	for i := range 60_000 {
		switch i % 5 {
		case 0:
			fmt.Fprintf(&b, "%d,\"quoted, %d\",\"two\nlines\"\r\n", i, i)
		case 1:
			fmt.Fprintf(&b, "%d,,%s\n", i, strings.Repeat("x", i%300))
		default:
			fmt.Fprintf(&b, "%d,%d,\"\"\"\"\n", i, i*i)
		}
	}
	data := []byte(b.String())
	got := splitAll(t, data, ',', 0, int64(len(data)))
	r := csv.NewReader(bytes.NewReader(data))
	want, err := r.ReadAll()
	if err != nil || len(want) != len(got) {
		t.Fatalf("%d rows, want %d: %v", len(got), len(want), err)
	}
	for i := range want {
		if !reflect.DeepEqual(got[i].cells, want[i]) {
			t.Fatalf("row %d is %q, want %q", i, got[i].cells, want[i])
		}
	}
}

func TestAStrayQuoteCostsOneLine(t *testing.T) {
	t.Parallel()
	data := []byte("1,a\n2,\"b\n3,c\n4,d\n")
	got := splitAll(t, data, ',', 0, int64(len(data)))
	if len(got) != 4 || !got[1].bad || got[0].bad || got[2].bad || got[3].bad {
		t.Fatalf("rows %v", got)
	}
	long := append([]byte("1,\""), bytes.Repeat([]byte("x\n"), fieldBytesMax)...)
	got = splitAll(t, long, ',', 0, int64(len(long)))
	if !got[0].bad || len(got) != fieldBytesMax {
		t.Fatalf("%d rows, the first bad: %v", len(got), got[0].bad)
	}
}

func TestLongRowsAndFieldsAreBadAndBounded(t *testing.T) {
	t.Parallel()
	data := []byte("1,")
	data = append(data, bytes.Repeat([]byte{'x'}, 3*rowBytesMax)...)
	data = append(data, "\n2,b\n3,"...)
	data = append(data, bytes.Repeat([]byte{'y'}, fieldBytesMax+1)...)
	data = append(data, "\n4,c\n"...)
	s := newSplitter(object(data), dialect{delim: []byte(","), quotes: true})
	s.seek(0, int64(len(data)))
	var bad []bool
	for s.next() == nil {
		bad = append(bad, s.bad != "")
	}
	if !reflect.DeepEqual(bad, []bool{true, false, true, false}) {
		t.Fatalf("bad rows %v", bad)
	}
	if cap(s.buf) > 3*rowBytesMax {
		t.Fatalf("%d bytes were kept", cap(s.buf))
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range splitSeeds {
		f.Add([]byte(s), byte(','))
	}
	f.Fuzz(func(t *testing.T, data []byte, delim byte) {
		if delim == '"' || delim == '\n' || delim == '\r' || delim >= 0x80 || delim == 0 {
			t.Skip()
		}
		checkSplit(t, data, delim)
	})
}
