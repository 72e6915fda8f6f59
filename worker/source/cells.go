package source

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// lineMarks are the bytes that a line is cut at, and those that ask for care. Its layout
// is known to the assembly.
type lineMarks struct {
	quote, escape byte // zero, which always asks for care, where there is none
	more          byte // bytes of the delimiter behind the first, of those that are here
	_             [5]byte
	delim         [8]byte // or what it begins with
}

func marksOf(d dialect) lineMarks {
	var m lineMarks
	if d.quotes {
		m.quote = '"'
	}
	if d.escape {
		m.escape = '\\'
	}
	m.more = byte(copy(m.delim[:], d.delim) - 1)
	return m
}

// What was seen in a line.
const (
	seenCare = 1 << iota // a quote, an escape or a zero byte
	seenHigh             // a byte that is not ASCII
)

// cutLinePlain is cutLine in Go: it returns where the first line of text ends, -1 when it
// does not; how many places in it, or in text, are like a delimiter; and what was seen in
// it. Where the first room of them end is written to out, and to doubtful, unless that is
// nil, which of them, as many as doubts, follow a byte that is not ASCII.
// Behind text are slack bytes, which make the last of a text without a line end no surer
// than that, and behind the room there is room for slack more.
func cutLinePlain(text []byte, m *lineMarks, out, doubtful []uint32, room int) (length, count, doubts int, seen uint64) {
	length = bytes.IndexByte(text, '\n')
	line := text
	if length >= 0 {
		line = text[:length]
	}
	if bytes.IndexByte(line, 0) >= 0 || m.quote != 0 && bytes.IndexByte(line, m.quote) >= 0 || m.escape != 0 && bytes.IndexByte(line, m.escape) >= 0 {
		seen = seenCare
	}
	if ascii(line) < len(line) {
		seen |= seenHigh
	}
	block := line[: len(line)+slack : len(line)+slack]
	pattern := uint64(m.delim[0]) * lowBits
	word, size := binary.LittleEndian.Uint64(m.delim[:]), int(m.more)+1
	under := ^uint64(0) >> (64 - 8*size)
	for i := 0; i < len(line); i += 64 {
		b := block[i : i+64 : i+64]
		var mask uint64 // a bit for each byte that a delimiter may begin with
		for j := range 8 {
			x := binary.LittleEndian.Uint64(b[8*j:]) ^ pattern
			zero := ^(x&lowest7 + lowest7 | x | lowest7) >> 7 // lowest bit of each byte that is zero
			mask |= zero * gather >> 56 << (8 * j)
		}
		if past := len(line) - i; past < 64 {
			mask &= 1<<past - 1
		}
		for ; mask != 0; mask &= mask - 1 {
			at := i + bits.TrailingZeros64(mask)
			if size > 1 && binary.LittleEndian.Uint64(block[at:])&under != word {
				continue
			}
			if doubtful != nil && at > 0 && line[at-1] >= utf8.RuneSelf {
				if doubts < room {
					doubtful[doubts] = uint32(count)
				}
				doubts++
			}
			if count < room {
				out[count] = uint32(at + size)
			}
			count++
		}
	}
	return length, count, doubts, seen
}

// withoutPlain is without in Go.
func withoutPlain(text []byte, drop byte) (n int) {
	for _, c := range text {
		text[n] = c
		if c != drop {
			n++
		}
	}
	return n
}

const (
	lowBits = 0x0101010101010101
	lowest7 = 0x7f7f7f7f7f7f7f7f
	gather  = 0x0102040810204080 // brings the lowest bits of eight bytes to the highest byte
)

// outcomes are those of the rows of a chunk, a bit each.
type outcomes struct {
	done  uint64 // read
	empty uint64
}

// cellTable says how digits become a column's values. Its layout is known to the assembly.
type cellTable struct {
	scale  [8]uint64 // what to multiply by, by digits behind the point; 0: it is not known to be whole
	lo, hi int64     // of values
}

// knownTexts remembers what texts became: most columns of text hold few. It is as if
// each were converted anew.
type knownTexts [128]struct {
	text  [4]uint64
	bytes int // and one, so that a slot that holds none matches nothing
	value int64
	why   outcome
}

// knownBytesMax is the longest text that is remembered.
const knownBytesMax = 32

// find returns the slot of the text whose n bytes, at most knownBytesMax, are at the
// front of b, which has as many as that, and whether it is there. If not, its value is
// to be written.
func (k *knownTexts) find(b []byte, n int) (value *int64, why *outcome, known bool) {
	var text [4]uint64
	for i := 0; 8*i < n; i++ {
		text[i] = binary.LittleEndian.Uint64(b[8*i:])
		if past := 8*i + 8 - n; past > 0 {
			text[i] = text[i] << (8 * past) >> (8 * past)
		}
	}
	hash := (text[0] ^ bits.RotateLeft64(text[1], 17) ^ bits.RotateLeft64(text[2], 31) ^ bits.RotateLeft64(text[3], 47)) * 0x9e3779b97f4a7c15
	slot := &k[hash>>(64-7)]
	if slot.bytes == n+1 && slot.text == text {
		return &slot.value, &slot.why, true
	}
	slot.text, slot.bytes = text, n+1
	return &slot.value, &slot.why, false
}
