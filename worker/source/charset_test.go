package source

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
)

var charsets = []charset{charsetUTF8, charsetGBK, charsetGB18030}

// reference decodes with x/text; UTF-8 it leaves alone.
func reference(t testing.TB, c charset, b []byte) string {
	t.Helper()
	var d *encoding.Decoder
	switch c {
	case charsetUTF8:
		return string(b)
	case charsetGBK:
		d = simplifiedchinese.GBK.NewDecoder()
	default:
		d = simplifiedchinese.GB18030.NewDecoder()
	}
	s, err := d.Bytes(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(s)
}

// trailing holds characters whose second byte in GBK looks like a delimiter, a
// backslash or a letter, and such that GB18030 writes with digits in them.
func trailing() []string {
	var out []string
	d := simplifiedchinese.GB18030.NewDecoder()
	for _, trail := range []byte("|@^~\\`{}[]_AZaz") {
		for lead := byte(0x81); lead < 0xff; lead += 9 {
			if s, err := d.Bytes([]byte{lead, trail}); err == nil && utf8.RuneCount(s) == 1 && string(s) != "\ufffd" {
				out = append(out, string(s))
			}
		}
	}
	for r := rune(0x10000); r < 0x10400; r += 33 {
		out = append(out, string(r))
	}
	return append(out, "ö", "中国移动", "全球通", "€", "男", "女", "ẞ")
}

func inCharset(t testing.TB, c charset, text string) []byte {
	t.Helper()
	var e *encoding.Encoder
	switch c {
	case charsetUTF8:
		return []byte(text)
	case charsetGBK:
		e = encoding.ReplaceUnsupported(simplifiedchinese.GBK.NewEncoder())
	default:
		e = simplifiedchinese.GB18030.NewEncoder()
	}
	b, err := e.Bytes([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// junk appends bytes that may be no text. Behind a lead of GB18030, x/text also takes
// the six bytes after the digits for digits; here, as in the standard, they are not.
func junk(r *rand.Rand, b []byte, n int) []byte {
	for range n {
		c := byte(r.Uint32())
		switch r.IntN(4) {
		case 0:
			c |= 0x80
		case 1:
			c = '0' + c%10
		}
		if c >= 0x3a && c <= 0x3f || c == '\n' || c == '\r' || c == 0 {
			c = 'x'
		}
		b = append(b, c)
	}
	return b
}

func checkCharset(t *testing.T, c charset, b []byte) {
	t.Helper()
	got, broken := c.appendText(nil, b)
	if n := c.broken(b); n != broken {
		t.Fatalf("%s: % x has %d broken bytes, and %d when it is decoded", c, b, n, broken)
	}
	if want := reference(t, c, b); c != charsetUTF8 && string(got) != want {
		t.Fatalf("%s: % x is %q, x/text reads %q", c, b, got, want)
	}
	if c == charsetUTF8 && (broken == 0) != utf8.Valid(b) || broken == 0 && c == charsetUTF8 && string(got) != string(b) {
		t.Fatalf("% x has %d broken bytes of UTF-8, and is %q", b, broken, got)
	}
	if !utf8.Valid(got) {
		t.Fatalf("%s: % x becomes %q", c, b, got)
	}
	if (broken == 0) != !strings.Contains(string(got), "\ufffd") && !strings.Contains(string(b), "\xef\xbf\xbd") && !strings.Contains(string(b), "\x84\x31\xa4\x37") {
		t.Fatalf("%s: % x has %d broken bytes, and is %q", c, b, broken, got)
	}
}

func TestEveryCharacterDecodesAsXTextDecodesIt(t *testing.T) {
	t.Parallel()
	for lead := range 256 {
		for second := range 256 {
			if second >= 0x3a && second <= 0x3f {
				continue
			}
			for _, c := range charsets {
				checkCharset(t, c, []byte{byte(lead), byte(second), 'a', byte(lead)}[:2+(lead+second)%3])
			}
		}
	}
	long := []byte{0, 0, 0, 0}
	step := 97 // a prime: every byte takes every value
	if os.Getenv("RESCORE_LONG") != "" {
		step = 1
	}
	for i := 0; i < 126*10*126*10; i += step {
		long[0], long[1], long[2], long[3] = byte(0x81+i/12600), byte('0'+i/1260%10), byte(0x81+i/10%126), byte('0'+i%10)
		checkCharset(t, charsetGB18030, long)
	}
	r := rand.New(rand.NewPCG(1, 6))
	for range 20_000 {
		b := junk(r, nil, 1+r.IntN(30))
		for _, c := range charsets {
			checkCharset(t, c, b)
		}
	}
}

func TestABrokenLeadTakesNoDelimiterWithIt(t *testing.T) {
	t.Parallel()
	for _, c := range charsets {
		for _, d := range []byte(",;\t\x01\n\r\"' ") {
			for lead := 0x80; lead < 0x100; lead++ {
				if n := c.step([]byte{byte(lead), d, 0x81, '0'}); n != 1 {
					t.Fatalf("%s: the byte %x takes %q with it", c, lead, d)
				}
			}
		}
	}
	if n := charsetGB18030.step([]byte("\x81;\x81\x30")); n != 1 {
		t.Errorf("a character of %d bytes has a semicolon in it", n)
	}
}

func TestTheRemedyNamesAnEncodingThatFits(t *testing.T) {
	t.Parallel()
	text := "用户号码,品牌"
	for _, c := range []struct {
		of   charset
		text []byte
		want string
	}{
		{charsetUTF8, inCharset(t, charsetGBK, text), "gb18030"},
		{charsetGBK, append([]byte("\xff"), text...), "write it again"},
		{charsetGBK, inCharset(t, charsetGB18030, "ẞ𠀀"), "gb18030"},
	} {
		if got := c.of.remedy(c.text); !strings.Contains(got, c.want) {
			t.Errorf("%s: the remedy is %q, want %q", c.of, got, c.want)
		}
	}
}

func FuzzCharset(f *testing.F) {
	for i, s := range trailing() {
		if i%8 == 0 {
			f.Add(inCharset(f, charsetGB18030, s))
		}
	}
	f.Add([]byte("\x81\x30\x81\x30\xff\x80\x84\x31\xa4\x37\xfe"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for i := range b {
			if b[i] >= 0x3a && b[i] <= 0x3f {
				b[i] = 'x'
			}
		}
		for _, c := range charsets {
			checkCharset(t, c, b)
		}
	})
}

// splitReference reads rows of nothing but cells and delimiters: it decodes first and
// splits then, so that no byte of a character is ever looked at by itself.
func splitReference(t testing.TB, c charset, delim string, data []byte) [][]string {
	t.Helper()
	var rows [][]string
	for _, line := range strings.Split(reference(t, c, data), "\n") {
		if line = strings.TrimSuffix(line, "\r"); line != "" {
			rows = append(rows, strings.Split(line, delim))
		}
	}
	return rows
}

func TestNoByteOfACharacterSeparates(t *testing.T) {
	t.Parallel()
	words := trailing()
	turns := 300
	for _, c := range charsets {
		for _, delim := range []string{",", "|", "\x01", "\t", "@", "^", "~", "a", "||", "|@|", "\x01\x02", "^|^", "`"} {
			r := rand.New(rand.NewPCG(uint64(c), uint64(len(delim))+uint64(delim[0])))
			for range turns {
				var data []byte
				for range 1 + r.IntN(6) {
					for k := range 1 + r.IntN(5) {
						if k > 0 {
							data = append(data, delim...)
						}
						switch r.IntN(6) {
						case 0:
						case 1:
							data = fmt.Append(data, r.IntN(1_000_000))
						case 2:
							if c != charsetUTF8 { // what is no text may be anywhere
								data = junk(r, data, 1+r.IntN(5))
							}
						default:
							for range 1 + r.IntN(4) {
								data = append(data, inCharset(t, c, words[r.IntN(len(words))])...)
							}
						}
					}
					data = append(data, []string{"\n", "\r\n", "\n\n"}[r.IntN(3)]...)
				}
				d := dialect{delim: []byte(delim), text: c}
				got, want := splitDialect(t, data, d, 0, int64(len(data))), splitReference(t, c, delim, data)
				if len(got) != len(want) {
					t.Fatalf("%s, %q: %d rows of % x, want %d", c, delim, len(got), data, len(want))
				}
				for i := range want {
					if len(got[i].cells) != len(want[i]) {
						t.Fatalf("%s, %q: row %d of % x is %q, want %q", c, delim, i, data, got[i].cells, want[i])
					}
					for k, cell := range got[i].cells {
						if text, _ := c.appendText(nil, []byte(cell)); string(text) != want[i][k] && c != charsetUTF8 {
							t.Fatalf("%s, %q: cell %d of row %d of % x is %q, want %q", c, delim, k, i, data, text, want[i][k])
						} else if c == charsetUTF8 && cell != want[i][k] {
							t.Fatalf("%q: cell %d of row %d is %q, want %q", delim, k, i, cell, want[i][k])
						}
					}
				}
			}
		}
	}
}

// Cells are written as the dialect says and must come back; the text is whole.
func TestQuotesAndEscapesGiveBackWhatWasWritten(t *testing.T) {
	t.Parallel()
	words := append(trailing(), `"`, `\`, "\n", "\t", "N", "n", "|", "@", "^", ",", "x", " ", "12", "")
	for _, c := range charsets {
		for _, delim := range []string{",", "|", "\x01", "^|^", "||"} {
			for _, escape := range []bool{false, true} {
				for _, quotes := range []bool{false, true} {
					if !escape && !quotes {
						continue
					}
					r := rand.New(rand.NewPCG(uint64(c), uint64(delim[0])))
					d := dialect{delim: []byte(delim), text: c, quotes: quotes, escape: escape}
					for range 150 {
						var data []byte
						var want [][]string
						for range 1 + r.IntN(5) {
							var row []string
							for k := range 2 + r.IntN(4) {
								if k > 0 {
									data = append(data, delim...)
								}
								var cell strings.Builder
								for range r.IntN(5) {
									cell.WriteString(words[r.IntN(len(words))])
								}
								text := string(inCharset(t, c, cell.String()))
								row = append(row, text)
								data = writeCell(data, text, d, r.IntN(2) == 0)
							}
							data = append(data, []string{"\n", "\r\n"}[r.IntN(2)]...)
							want = append(want, row)
						}
						got := splitDialect(t, data, d, 0, int64(len(data)))
						if len(got) != len(want) {
							t.Fatalf("%+v: %d rows of %q, want %d", d, len(got), data, len(want))
						}
						for i := range want {
							if got[i].bad || fmt.Sprintf("%q", got[i].cells) != fmt.Sprintf("%q", want[i]) {
								t.Fatalf("%+v: row %d of %q is %q, want %q", d, i, data, got[i].cells, want[i])
							}
						}
					}
				}
			}
		}
	}
}

// writeCell writes text in a dialect, character by character.
func writeCell(data []byte, text string, d dialect, loose bool) []byte {
	quoted := d.quotes && (loose || !d.escape)
	if quoted {
		data = append(data, '"')
	}
	for b := []byte(text); len(b) > 0; {
		n := 1
		if b[0] >= 0x80 {
			n = d.text.step(b)
		}
		switch {
		case quoted && b[0] == '"' && (!d.escape || loose):
			data = append(data, '"', '"')
		case d.escape && b[0] == '\n':
			data = append(data, `\n`...)
		case d.escape && n == 1 && (b[0] == '\\' || b[0] == '"' || b[0] == d.delim[0]):
			data = append(data, '\\', b[0])
		default:
			data = append(data, b[:n]...)
		}
		b = b[n:]
	}
	if quoted {
		data = append(data, '"')
	}
	return data
}

func TestANullOfHiveStaysOne(t *testing.T) {
	t.Parallel()
	data := []byte("\\N,a\\,b,\\N\n\\\\N,\\N,\\x\n")
	got := splitDialect(t, data, dialect{delim: []byte(","), escape: true}, 0, int64(len(data)))
	want := [][]string{{`\N`, "a,b", `\N`}, {`\N`, `\N`, "x"}}
	if fmt.Sprint(got[0].cells, got[1].cells) != fmt.Sprint(want[0], want[1]) {
		t.Errorf("rows %q and %q, want %q", got[0].cells, got[1].cells, want)
	}
}
