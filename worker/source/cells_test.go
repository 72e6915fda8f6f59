package source

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/job"
)

// lineByByte is what cutLine is to find.
func lineByByte(text []byte, d dialect, room int) (length, count, doubts int, seen uint64, out, doubtful []uint32) {
	length = bytes.IndexByte(text, '\n')
	line := text
	if length >= 0 {
		line = text[:length]
	}
	delim := d.delim[:min(len(d.delim), 8)]
	for i, c := range line {
		if c == 0 || d.quotes && c == '"' || d.escape && c == '\\' {
			seen |= seenCare
		}
		if c >= 0x80 {
			seen |= seenHigh
		}
		if bytes.HasPrefix(line[i:], delim) {
			if i > 0 && line[i-1] >= 0x80 {
				doubtful = append(doubtful, uint32(count))
				doubts++
			}
			out = append(out, uint32(i+len(delim)))
			count++
		}
	}
	return length, count, doubts, seen, out[:min(len(out), room)], doubtful[:min(len(doubtful), room)]
}

// withAndWithout runs f with the instructions of this processor, and without any.
func withAndWithout(f func(how string)) {
	kept := vectors
	defer func() { vectors = kept }()
	for _, vectors = range []bool{false, true} {
		if kept || !vectors {
			f(fmt.Sprintf("vectors %v", vectors))
		}
	}
}

// Lines of any bytes, with one that ends and without, are cut as one byte at a time.
func TestLinesAreCutAsByteByByte(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 1))
	dialects := []dialect{
		{delim: []byte(","), quotes: true},
		{delim: []byte("|"), quotes: true, escape: true},
		{delim: []byte("\x01")},
		{delim: []byte("||"), quotes: true},
		{delim: []byte("|@|")},
		{delim: []byte("12345678")},
		{delim: []byte("||||||||||")},
	}
	n := 200_000
	if testing.Short() {
		n = 20_000
	}
	buf := make([]byte, 400+slack)
	for trial := range n {
		d := dialects[trial%len(dialects)]
		text := buf[:r.IntN(1+trial%300):len(buf)]
		for i := range buf {
			switch k := r.IntN(16); {
			case k < 6:
				buf[i] = d.delim[i%len(d.delim)]
			case k < 8:
				buf[i] = byte(0x80 + r.IntN(128))
			case k == 8 && trial%4 == 0:
				buf[i] = "\"\\\n\x00\r"[r.IntN(5)]
			case k == 9 && r.IntN(8) == 0:
				buf[i] = '\n'
			default:
				buf[i] = byte('a' + r.IntN(20))
			}
		}
		room := []int{1, 40, 400}[trial%3]
		marks := marksOf(d)
		length, count, doubts, seen, out, doubtful := lineByByte(text, d, room)
		withAndWithout(func(how string) {
			cuts, unsure := make([]uint32, room+slack), make([]uint32, room+slack)
			l, c, k, s := cutLine(text, &marks, cuts, unsure, room)
			for l < 0 && c > 0 && c <= room && int(cuts[c-1]) > len(text) { // what lies behind the text went on with it
				c--
			}
			if c > room || count > room {
				if c < count || c != count && l >= 0 {
					t.Fatalf("%s: %d and %d delimiters in %q by %q", how, c, count, text, d.delim)
				}
				return
			}
			k = min(k, doubts) // the last may be of what was dropped
			if l != length || c != count || k != doubts || s != seen || !slices.Equal(cuts[:c], out) || !slices.Equal(unsure[:k], doubtful) {
				t.Fatalf("%s: %q by %q: %d %d %d %d %v %v, want %d %d %d %d %v %v", how, text, d.delim, l, c, k, s, cuts[:c], unsure[:k], length, count, doubts, seen, out, doubtful)
			}
		})
	}
}

func TestBytesAreTakenOutOfATextAndNothingElseMoves(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 1))
	for trial := range 5000 {
		all := make([]byte, 400)
		for i := range all {
			all[i] = "\"abcdefg"[r.IntN(1+trial%8)]
		}
		from, past := r.IntN(100), 100+r.IntN(300)
		want := bytes.ReplaceAll(all[from:past], []byte(`"`), nil)
		withAndWithout(func(how string) {
			got := bytes.Clone(all)
			n := without(got[from:past], '"')
			if !bytes.Equal(got[from:from+n], want) || !bytes.Equal(got[:from], all[:from]) || !bytes.Equal(got[past:], all[past:]) {
				t.Fatalf("%s: %q without quotes is %q", how, all[from:past], got[from:from+n])
			}
		})
	}
}

// cellText is a cell as an export may write it, and as none should.
func cellText(r *rand.Rand) string {
	number := func() string { return fmt.Sprint(r.Uint64() >> (r.IntN(64))) }
	switch r.IntN(24) {
	case 0, 1:
		return ""
	case 2:
		return fmt.Sprintf("%d.%02d", r.IntN(100_000), r.IntN(100))
	case 3:
		return fmt.Sprintf("%d.%d", r.IntN(1000), r.IntN(1000))
	case 4:
		return []string{".", "..", "5.", ".5", "0.", "1.2.3", "1..2", "-", "+", "00000000", "99999999", "0000000.", "1e3", " 7", "7 "}[r.IntN(15)]
	case 5:
		return "-" + number()
	case 6:
		return []string{"NULL", `\N`, "男", "石家庄", "全球通", "nan", "0x1f", "½", "１２"}[r.IntN(9)]
	case 7:
		b := []byte(number())
		b[r.IntN(len(b))] = "/:;. x\x1f\x10\x80\xb0"[r.IntN(10)]
		return string(b)
	case 8, 9, 10, 11:
		return number()
	case 12:
		return fmt.Sprintf("%0*d", 1+r.IntN(20), r.IntN(1000))
	}
	return fmt.Sprint(r.IntN([]int{10, 300, 40_000, 100_000_000}[r.IntN(4)]))
}

// Cells of every type, unit and length become what each would by itself.
func TestCellsAreReadAsOneByOne(t *testing.T) {
	const width = 12
	rows := 4000
	if testing.Short() {
		rows = 1000
	}
	r := rand.New(rand.NewPCG(22, 1))
	types := []arrow.DataType{arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64}
	nums := []int64{1, 1, 100, 60, 1024, 1 << 20}
	for _, delim := range []string{",", "|@|"} {
		var text strings.Builder
		var cells [][]string
		for range rows {
			row := make([]string, width)
			for i := range row {
				row[i] = cellText(r)
				if i == 0 && row[i] == "" {
					row[i] = "0" // an empty line is no row
				}
			}
			cells = append(cells, row)
			text.WriteString(strings.Join(row, delim) + "\n")
		}
		d, err := dialectOf(job.CSV{Delimiter: delim, Quote: "none"})
		if err != nil {
			t.Fatal(err)
		}
		f := &csvFile{text: object([]byte(text.String())), dialect: d}
		for i := range width {
			f.fields = append(f.fields, field{name: fmt.Sprint(i), index: i, kind: kindText})
		}
		for trial := range 8 {
			convs := make([]*conversion, width)
			for i := range convs {
				lo, hi := bounds(types[(i+trial)%4])
				c := conversion{goal: goalInt, num: nums[(i/4+trial)%len(nums)], den: 1, lo: lo, hi: hi, exact: trial%2 == 0, nulls: []string{"", `\N`, "NULL"}}
				if trial == 5 {
					c.nulls = []string{"0"}
				}
				conv, why := adapt(c, f.fields[i])
				if why != "" {
					t.Fatal(why)
				}
				convs[i] = conv
			}
			withAndWithout(func(how string) {
				rowsOf := newCSVRows(f)
				rowsOf.split.seek(0, f.text.Size())
				out := make([]*vector, width)
				for i := range out {
					out[i] = newVector(types[(i+trial)%4], rows, memory.DefaultAllocator)
					defer out[i].release()
					out[i].begin()
					rowsOf.cols = append(rowsOf.cols, csvColumn{index: i, out: i, conv: convs[i]})
				}
				log, err := rowsOf.fill(out, 0, rows, nil)
				if err != nil {
					t.Fatal(err)
				}
				issues := map[string]bool{}
				for _, e := range log {
					issues[fmt.Sprint(e.at, " ", e.field, " ", e.reject)] = true
				}
				for i, v := range out {
					for k := range rows {
						want, o := convs[i].text([]byte(cells[k][i]))
						var got int64
						switch v.width {
						case 1:
							got = int64(lanes[uint8](v)[k])
						case 2:
							got = int64(lanes[int16](v)[k])
						case 4:
							got = int64(lanes[uint32](v)[k])
						default:
							got = int64(lanes[uint64](v)[k])
						}
						if o != valueOK {
							want = 0
						}
						if got != want || v.isNull(k) != (o != valueOK) {
							t.Fatalf("%s: %q times %d is %d (null %v), want %d (%d)", how, cells[k][i], convs[i].num, got, v.isNull(k), want, o)
						}
						if o > valueNull != issues[fmt.Sprint(k, " ", i, " ", o == valueReject)] {
							t.Fatalf("%s: %q is no issue, or a wrong one: outcome %d", how, cells[k][i], o)
						}
					}
				}
			})
		}
	}
}

// The same file gives the same batches with the instructions of this processor and
// without, whatever its encoding, delimiter and quotes.
func TestFilesAreReadAlikeWithAndWithoutVectors(t *testing.T) {
	text, s, columns := recordText(t, 700)
	var want []string
	for _, c := range []struct {
		delim string
		text  charset
		quote string
	}{{",", charsetUTF8, ""}, {"|@|", charsetUTF8, ""}, {",", charsetGB18030, ""}, {"|", charsetGB18030, ""}, {",", charsetUTF8, `"`}, {"||", charsetGB18030, `"`}} {
		s.Input.CSV.Delimiter, s.Input.CSV.Encoding = c.delim, c.text.String()
		text := strings.ReplaceAll(text, ",", c.quote+c.delim+c.quote)
		if c.quote != "" {
			text = c.quote + strings.ReplaceAll(text[:len(text)-1], "\n", c.quote+"\n"+c.quote) + c.quote + "\n"
		}
		data := inCharset(t, c.text, text)
		withAndWithout(func(how string) {
			d, err := Open(context.Background(), memoryStore{s.Input.Path: data}, s)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			sv, err := d.Survey(context.Background(), 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			r, err := d.Reader(cut(sv, whole)[0], sv.Files, columns, 256, memory.DefaultAllocator)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			var got []string
			for b, err := r.Next(context.Background()); err == nil; b, err = r.Next(context.Background()) {
				got = append(got, fmt.Sprint(b.Record, b.Bad))
			}
			if len(got) != 3 || want != nil && !slices.Equal(got, want) {
				t.Fatalf("%s, %s by %q: %d batches, or they differ", how, c.text, c.delim, len(got))
			}
			want = got
		})
	}
}
