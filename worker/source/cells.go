package source

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// lineMarks are the bytes that a line is cut at, and those that ask for care. Its layout
// is known to the assembly.
type lineMarks struct {
	delim         byte // the first of a delimiter
	quote, escape byte // zero, which always asks for care, where there is none
}

// What was seen in a line.
const (
	seenCare = 1 << iota // a quote, an escape or a zero byte
	seenHigh             // a byte that is not ASCII
)

// cutLinePlain is cutLine in Go: it returns where the first line of text ends, -1 when it does
// not; how many delimiters it has, or text has; and what was seen in it. Behind each of
// the first room delimiters the next byte's place is written to out.
func cutLinePlain(text []byte, m *lineMarks, out []uint32, room int) (length, count int, seen uint64) {
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
	block := line[: len(line)+slack : len(line)+slack] // what lies behind the line is cut off below
	pattern := uint64(m.delim) * lowBits
	for i := 0; i < len(line); i += 64 {
		b := block[i : i+64 : i+64]
		var mask uint64 // a bit for each byte that is a delimiter
		for j := range 8 {
			x := binary.LittleEndian.Uint64(b[8*j:]) ^ pattern
			zero := ^(x&lowest7 + lowest7 | x | lowest7) >> 7 // lowest bit of each byte that is zero
			mask |= zero * gather >> 56 << (8 * j)
		}
		if past := len(line) - i; past < 64 {
			mask &= 1<<past - 1
		}
		// Places are written eight at a time, more than there are, so that hardly a branch
		// depends on the data.
		at := min(count, room)
		count += bits.OnesCount64(mask)
		for ; mask != 0; at += 8 {
			o := out[at : at+8 : at+8]
			for j := range o {
				o[j] = uint32(i+bits.TrailingZeros64(mask)) + 1
				mask &= mask - 1
			}
		}
	}
	return length, count, seen
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
