package source

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"rescore/partition/job"
)

// charset is how the bytes of a file stand for text.
//
// The second byte of a GBK character may look like a letter, |, @, ^, \ or ~, and the
// second and fourth of GB18030's long ones like digits. What looks like a delimiter
// inside a character is none. A first byte that what follows does not fit is broken by
// itself: it takes no delimiter, quote or line end with it.
type charset uint8

const (
	charsetUTF8 charset = iota
	charsetGBK
	charsetGB18030
)

var charsetNames = [...]string{job.EncodingUTF8, job.EncodingGBK, job.EncodingGB18030}

func (c charset) String() string { return charsetNames[c] }

func charsetOf(name string) (charset, error) {
	if name == "" {
		return charsetUTF8, nil
	}
	for i, n := range charsetNames {
		if n == name {
			return charset(i), nil
		}
	}
	return 0, fmt.Errorf("csv.encoding %q is not read; write utf-8, gbk or gb18030: %w", name, ErrMapping)
}

// trails reports whether an ASCII byte may be part of a longer character.
func (c charset) trails(b byte) bool {
	return c != charsetUTF8 && b >= 0x40 && b <= 0x7e || c == charsetGB18030 && b >= '0' && b <= '9'
}

// step returns how many bytes the character at the front of b takes, which is not
// ASCII. A broken one takes one, and so does each byte of UTF-8, where none of a longer
// character looks like ASCII.
func (c charset) step(b []byte) int {
	if c == charsetUTF8 || b[0] == 0x80 || b[0] == 0xff || len(b) < 2 {
		return 1
	}
	switch t := b[1]; {
	case t >= 0x40 && t <= 0x7e, t >= 0x80 && t <= 0xfe:
		return 2
	case c == charsetGB18030 && t >= '0' && t <= '9' && len(b) >= 4 && b[2] >= 0x81 && b[2] <= 0xfe && b[3] >= '0' && b[3] <= '9':
		if i := long(b); i < len(characters{}.longs) || i >= longSupplementary && i < longPast {
			return 4
		}
	}
	return 1
}

// long returns the place of a character of four bytes.
func long(b []byte) int {
	return ((int(b[0]-0x81)*10+int(b[1]-'0'))*126+int(b[2]-0x81))*10 + int(b[3]-'0')
}

// stepMax is the longest character.
const stepMax = 4

// characters are those of GBK and GB18030 in the basic plane, 0 where there is none.
type characters struct {
	pairs [126 * 190]uint16 // of two bytes
	longs [39420]uint16     // of four
}

// The long characters past those of the basic plane follow the code points.
const (
	longSupplementary = 189_000
	longPast          = longSupplementary + 0x100000
)

var chinese = sync.OnceValue(func() *characters {
	c := new(characters)
	d := simplifiedchinese.GB18030.NewDecoder()
	char := func(b ...byte) uint16 {
		text, err := d.Bytes(b)
		if r, size := utf8.DecodeRune(text); err == nil && r != utf8.RuneError && size == len(text) {
			return uint16(r)
		}
		return 0
	}
	for i := range c.pairs {
		second := byte(0x40 + i%190)
		if second >= 0x7f {
			second++
		}
		c.pairs[i] = char(byte(0x81+i/190), second)
	}
	for i := range c.longs {
		c.longs[i] = char(byte(0x81+i/12600), byte('0'+i/1260%10), byte(0x81+i/10%126), byte('0'+i%10))
	}
	return c
})

// char returns the character of n bytes, as step counts them, at the front of b, and
// false when there is none.
func (c charset) char(b []byte, n int) (rune, bool) {
	switch n {
	case 1:
		return '€', c != charsetUTF8 && b[0] == 0x80 // as Windows writes it
	case 2:
		i := int(b[0]-0x81)*190 + int(b[1]-0x40)
		if b[1] > 0x7f {
			i--
		}
		r := rune(chinese().pairs[i])
		return r, r != 0
	}
	i := long(b)
	if i >= longSupplementary {
		return rune(i - longSupplementary + 0x10000), true
	}
	r := rune(chinese().longs[i])
	return r, r != 0
}

// appendText appends b, as UTF-8, to dst, and returns how many bytes of b are no text.
func (c charset) appendText(dst, b []byte) (text []byte, broken int) {
	for len(b) > 0 {
		n := ascii(b)
		dst = append(dst, b[:n]...)
		if b = b[n:]; len(b) == 0 {
			break
		}
		var r rune
		ok := false
		if c == charsetUTF8 {
			r, n = utf8.DecodeRune(b)
			ok = n > 1
		} else {
			n = c.step(b)
			r, ok = c.char(b, n)
		}
		if !ok {
			r = utf8.RuneError
			broken += n
		}
		dst = utf8.AppendRune(dst, r)
		b = b[n:]
	}
	return dst, broken
}

// broken returns how many bytes of b are no text.
func (c charset) broken(b []byte) int {
	broken := 0
	for {
		b = b[ascii(b):]
		if len(b) == 0 {
			return broken
		}
		var n int
		var ok bool
		if c == charsetUTF8 {
			_, n = utf8.DecodeRune(b)
			ok = n > 1
		} else {
			n = c.step(b)
			_, ok = c.char(b, n)
		}
		if !ok {
			broken += n
		}
		b = b[n:]
	}
}

// other returns the encoding, of those that are read, in which b is text, when it is
// not in c.
func (c charset) other(b []byte) (charset, bool) {
	for _, o := range []charset{charsetUTF8, charsetGB18030} {
		if o != c && o.broken(b) == 0 {
			return o, true
		}
	}
	return c, false
}

// remedy says what to do about text that is not of this encoding, of which b is some.
func (c charset) remedy(b []byte) string {
	if o, ok := c.other(b); ok {
		return fmt.Sprintf("it reads as %s: set input.csv.encoding to %s", o, o)
	}
	return "write it again as UTF-8, GBK or GB18030, and say which under input.csv.encoding"
}

// textCheck counts, over the rows of a file, what is no text in its encoding.
type textCheck struct {
	rows   int64 // not all ASCII
	broken int64 // of them
	bytes  int64 // that are no text
	sample []byte
}

// A file with so many rows of another encoding is refused, when they are more than half
// of those that are not all ASCII.
const (
	brokenRowsMin = 16
	sampleBytes   = 16 << 10
)

func (t *textCheck) add(c charset, line []byte) {
	if ascii(line) == len(line) {
		return
	}
	t.rows++
	if n := c.broken(line); n > 0 {
		t.broken++
		t.bytes += int64(n)
		if len(t.sample)+len(line) <= sampleBytes {
			t.sample = append(t.sample, line...)
		}
	}
}

// check returns ErrFormat for text of another encoding.
func (t *textCheck) check(c charset) error {
	if t.broken < brokenRowsMin || t.broken <= t.rows/2 {
		return nil
	}
	return fmt.Errorf("%d of the %d rows that are not all ASCII are no %s; %s: %w", t.broken, t.rows, c, c.remedy(t.sample), ErrFormat)
}

const highBits = 0x8080808080808080

// ascii returns how many bytes at the front of b are ASCII.
func ascii(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		if high := binary.LittleEndian.Uint64(b[i:]) & highBits; high != 0 {
			return i + bits.TrailingZeros64(high)>>3
		}
	}
	for i < len(b) && b[i] < utf8.RuneSelf {
		i++
	}
	return i
}
