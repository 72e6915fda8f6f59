package sink

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"unsafe"

	"rescore/worker/bitpack"
)

// Dictionary codes are stored as Parquet's hybrid of runs: a header of one number,
// and behind it either one code that repeats (count<<1), or groups of eight codes
// whose bits stand side by side (groups<<1 | 1), lowest first.
//
// A repeated code is written as such where that is shorter: never for fewer groups
// than repeatMin. A group takes as many bytes as a code has bits, wherever it stands: so
// all groups of a page are packed, and taken apart, at once, and runs are moved as bytes.

// codeBitsMax is the width of the widest code there is.
const codeBitsMax = 16

// repeatMin is from how many groups of eight equal codes on a run of them is
// shorter than their bits: it takes a header and a code, and bits that go on behind
// it take a header of their own.
func repeatMin(width int) int {
	if width > 8 {
		return 1
	}
	return 3/width + 1
}

// codeBytes is how many bytes a code takes that repeats.
func codeBytes(width int) int { return (width + 7) / 8 }

// groupMask has a bit for every group of eight codes of a page, and none behind the last.
type groupMask [pageRows/8/64 + 1]uint64

// next returns the place of the first bit from i on, or one behind all.
func (m *groupMask) next(i int) int {
	if word := i / 64; word < len(m) {
		if left := m[word] >> (i % 64); left != 0 {
			return i + bits.TrailingZeros64(left)
		}
		for word++; word < len(m); word++ {
			if m[word] != 0 {
				return 64*word + bits.TrailingZeros64(m[word])
			}
		}
	}
	return 64 * len(m)
}

// length returns how many bits from i on are set one behind the other.
func (m *groupMask) length(i int) int {
	n := 0
	for {
		at := i + n
		more := bits.TrailingZeros64(^(m[at/64] >> (at % 64)))
		if n += more; more == 0 || (i+n)%64 != 0 {
			return n
		}
	}
}

// adjoin leaves of the bits those behind which others follow: so many in all.
func (m *groupMask) adjoin(least int) {
	for ; least > 1; least-- {
		for i := range m[:len(m)-1] {
			m[i] &= m[i]>>1 | m[i+1]<<63
		}
	}
}

// appendCodes appends codes below 1<<width, pageRows of them at most: of 8 bits at most
// they are bytes.
func appendCodes[C uint8 | uint16](dst []byte, codes []C, width int) []byte {
	whole, groups := len(codes)/8, (len(codes)+7)/8
	if width <= 8 && whole > 0 && alike(codes) {
		return append(binary.AppendUvarint(dst, uint64(len(codes))<<1), byte(codes[0]))
	}
	var starts, again groupMask // groups of one code, and those of them that the next is like
	findRepeats(&starts, &again, codes)
	if least := repeatMin(width); least > 1 {
		starts = again
		starts.adjoin(least - 1)
	}
	// Groups are packed somewhat further on than where they are to stand. A repeated code
	// with its header, and one more for what follows, takes no more than its groups: so
	// nothing is moved past its place.
	const ahead = stretch + 16
	at, room := len(dst), ahead+groups*width+slack
	dst = slices.Grow(dst, room)[:at+room]
	packed := dst[at+ahead:]
	packGroups(packed, codes, width)
	from := 0 // groups from here on are not written yet
	for i := starts.next(0); i < whole; i = starts.next(from) {
		at += moveBits(dst[at:], packed, from, i, width)
		rows := 8 * (1 + again.length(i))
		from = i + rows/8
		if width <= 8 && from == whole && from < groups && alike(codes[8*whole-1:]) {
			rows, from = len(codes)-8*i, groups
		}
		at += binary.PutUvarint(dst[at:], uint64(rows)<<1)
		binary.LittleEndian.PutUint16(dst[at:], uint16(codes[8*i]))
		at += codeBytes(width)
	}
	at += moveBits(dst[at:], packed, from, groups, width)
	return dst[:at]
}

// moveBits writes a run of the groups from one to the one before past, side by side, and
// returns its size. What is packed may stand in dst, a stretch further on at least.
func moveBits(dst, packed []byte, from, past, width int) int {
	if from == past {
		return 0
	}
	at, n := binary.PutUvarint(dst, uint64(past-from)<<1|1), (past-from)*width
	if packed = packed[from*width:]; len(packed) < stretch {
		return at + copy(dst[at:], packed[:n])
	}
	moveStretch(dst[at:], packed)
	if n > stretch {
		copy(dst[at+stretch:], packed[stretch:n])
	}
	return at + n
}

// stretch is what is moved of a run without asking how long it is: the answer would often
// be guessed wrong.
const stretch = 32

func moveStretch(dst, src []byte) { *(*[stretch]byte)(dst) = *(*[stretch]byte)(src) }

// findRepeats notes which whole groups are of one code, and which of these the next group
// is like. Masks are empty.
func findRepeats[C uint8 | uint16](repeats, again *groupMask, codes []C) {
	whole := len(codes) / 8
	done := 0
	if n := (whole - 1) / 64; chosen == avx512 && n > 0 { // the last group has no next one
		switch codes := any(codes).(type) {
		case []uint8:
			repeats8x512(&repeats[0], &again[0], &codes[0], n)
		case []uint16:
			repeats16x512(&repeats[0], &again[0], &codes[0], n)
		}
		done = 64 * n
	}
	for i := done; i < whole; i++ {
		code, is := oneCode(codes[8*i : 8*i+8])
		if !is {
			continue
		}
		repeats[i/64] |= 1 << (i % 64)
		if i+1 < whole {
			if next, is := oneCode(codes[8*i+8 : 8*i+16]); is && next == code {
				again[i/64] |= 1 << (i % 64)
			}
		}
	}
}

// oneCode returns the first of the eight codes of a group, and whether all are that.
func oneCode[C uint8 | uint16](group []C) (code C, is bool) {
	words := unsafe.Slice((*uint64)(unsafe.Pointer(&group[0])), 8*unsafe.Sizeof(code)/8)
	ones := uint64(ones8)
	if len(words) == 2 {
		ones = 0x0001000100010001
	}
	code = group[0]
	return code, words[0] == uint64(code)*ones && words[len(words)-1] == words[0]
}

// ones8 has a one in every byte.
const ones8 = 0x0101010101010101

// packGroups writes groups of codes; the last one is filled up with zeros. Behind them
// there is slack.
func packGroups[C uint8 | uint16](dst []byte, codes []C, width int) {
	switch codes := any(codes).(type) {
	case []uint8:
		pack8(dst, codes, width)
	case []uint16:
		bitpack.PackGroups(dst, codes, width)
	}
}

// pack8 is packGroups of bytes.
func pack8(dst []byte, codes []uint8, width int) {
	at := 0
	if n := len(codes) / 64; chosen == avx512 && width < 8 && n > 0 {
		pack512(&dst[:8*n*width+slack][0], &codes[0], &packings[width], n)
		codes, at = codes[64*n:], 8*n*width
	}
	one, two, four := uint(8-width)&63, uint(16-2*width)&63, uint(4*width)&63
	for ; len(codes) >= 8; codes = codes[8:] {
		x := binary.LittleEndian.Uint64(codes)
		x = x&0x00ff00ff00ff00ff | x&0xff00ff00ff00ff00>>one
		x = x&0x0000ffff0000ffff | x&0xffff0000ffff0000>>two
		x = x&0x00000000ffffffff | x>>32<<four
		binary.LittleEndian.PutUint64(dst[at:], x)
		at += width
	}
	if len(codes) > 0 {
		var x uint64
		for i, c := range codes {
			x |= uint64(c) << (uint(i*width) & 63)
		}
		binary.LittleEndian.PutUint64(dst[at:], x)
	}
}

// slack is how many bytes behind packed groups are read and written, whatever they hold.
const slack = bitpack.Slack

// readCodes takes runs of codes of a page apart: exactly len(codes) of them, which
// are to be all there is. Codes are below 1<<width and, of 8 bits at most when C is
// uint8; what codes have room for behind them may be written. Packed is scratch.
func readCodes[C uint8 | uint16](codes []C, page []byte, width int, packed *[]byte) error {
	for len(codes) > 0 {
		n, rest, err := readRuns(codes, page, width, packed)
		if err != nil {
			return err
		}
		codes, page = codes[n:], rest
	}
	if len(page) > 0 {
		return fmt.Errorf("%w: bytes behind the codes of a page", ErrDamaged)
	}
	return nil
}

// readRuns takes runs of a page apart until there are as many codes, or one run ends
// within a group, as none does that is written here. It returns how many codes, and what
// follows them.
func readRuns[C uint8 | uint16](codes []C, page []byte, width int, packed *[]byte) (n int, rest []byte, err error) {
	groups := (len(codes) + 7) / 8
	if cap(*packed) < groups*width+slack {
		*packed = make([]byte, max(groups*width, pageRows)+slack)
	}
	all := (*packed)[:groups*width+slack]
	at := 0 // groups that are in it
	apart := func(codes []C) {
		switch codes := any(codes).(type) {
		case []uint8:
			bits8(codes, all, width)
		case []uint16:
			bits16(codes, all, width)
		}
	}
	for at < groups {
		at, page = shortRuns(all, page, at, groups, width)
		if at == groups {
			break
		}
		count, repeats, rest, err := runHeader(page)
		if err != nil {
			return 0, nil, err
		}
		page = rest
		if !repeats {
			if count == 0 || count > uint64(groups-at) || count*uint64(width) > uint64(len(page)) {
				return 0, nil, errRun
			}
			size := copy(all[at*width:], page[:int(count)*width])
			at, page = at+int(count), page[size:]
			continue
		}
		left := len(codes) - 8*at
		if count == 0 || count > uint64(left) {
			return 0, nil, errRun
		}
		code, rest, err := repeatedCode(page, width)
		if err != nil {
			return 0, nil, err
		}
		page = rest
		if run := int(count); run == len(codes) || run%8 != 0 && run != left {
			apart(codes[:8*at])
			fill(codes[8*at:][:run], C(code))
			return 8*at + run, page, nil
		}
		n := (int(count) + 7) / 8
		repeatGroups(all[at*width:], code, n, width)
		at += n
	}
	apart(codes)
	return len(codes), page, nil
}

// shortRuns takes the runs off a page that nothing is to be asked of but how long they
// are: of codes of 8 bits at most, with a header of a byte, and not at a page's end. It
// stops at any other. At and the result are groups, of which all has so many.
func shortRuns(all, page []byte, at, groups, width int) (int, []byte) {
	if width > 8 {
		return at, page
	}
	unit := repeatUnits[width]
	for at < groups && len(page) > stretch {
		h, next := int(page[0]), uint64(page[1])
		n := h >> 1
		dst := all[at*width:]
		if h&1 == 0 {
			if n >>= 3; h&15 != 0 || h > 64 || n == 0 || n >= groups-at || next>>width != 0 {
				break
			}
			low := next * unit
			binary.LittleEndian.PutUint64(dst, low)
			binary.LittleEndian.PutUint64(dst[width:], low)
			binary.LittleEndian.PutUint64(dst[2*width:], low)
			binary.LittleEndian.PutUint64(dst[3*width:], low)
			at, page = at+n, page[2:]
			continue
		}
		size := n * width
		if h >= 1<<7 || n == 0 || n > groups-at || size >= len(page) {
			break
		}
		moveStretch(dst, page[1:])
		if size > stretch {
			copy(dst[stretch:], page[1+stretch:1+size])
		}
		at, page = at+n, page[1+size:]
	}
	return at, page
}

// repeatUnits are, by width, eight codes of 1 side by side.
var repeatUnits = func() (units [9]uint64) {
	for width := range units {
		for i := range 8 {
			units[width] |= 1 << (i * width)
		}
	}
	return units
}()

// oneRun returns the code of a page of n of one code, and whether it is such a page.
func oneRun(page []byte, width, n int) (code int, is bool) {
	header, repeats, rest, err := runHeader(page)
	if err != nil || !repeats || header != uint64(n) {
		return 0, false
	}
	c, rest, err := repeatedCode(rest, width)
	return int(c), err == nil && len(rest) == 0
}

// runHeader takes the header of a run off a page: how many codes repeat, or how many
// groups follow.
func runHeader(page []byte) (count uint64, repeats bool, rest []byte, err error) {
	if len(page) > 0 {
		if h := page[0]; h < 1<<7 { // of most runs
			return uint64(h >> 1), h&1 == 0, page[1:], nil
		}
	}
	h, n := binary.Uvarint(page)
	if n <= 0 {
		return 0, false, nil, fmt.Errorf("%w: codes end early", ErrDamaged)
	}
	return h >> 1, h&1 == 0, page[n:], nil
}

// repeatedCode takes a code that repeats off a page.
func repeatedCode(page []byte, width int) (code uint64, rest []byte, err error) {
	value := codeBytes(width)
	if len(page) < value {
		return 0, nil, errRun
	}
	code = uint64(page[0])
	if value > 1 {
		code |= uint64(page[1]) << 8
	}
	if code>>width != 0 {
		return 0, nil, fmt.Errorf("%w: a code of too many bits", ErrDamaged)
	}
	return code, page[value:], nil
}

var errRun = fmt.Errorf("%w: a run of codes past its page", ErrDamaged)

// repeatGroups writes n groups of one code. It may write 16 bytes behind them.
func repeatGroups(dst []byte, code uint64, n, width int) {
	w := uint(width) & 63
	half := code | code<<w
	half |= half << (2 * w & 63) // four codes, of 64 bits at most
	low, high := half|half<<(4*w), half>>(64-4*w)
	for i := range min(n, 8) {
		binary.LittleEndian.PutUint64(dst[i*width:], low)
		binary.LittleEndian.PutUint64(dst[i*width+8:], high) // nothing of 8 bits at most
	}
	for done := 8; done < n; done *= 2 {
		copy(dst[done*width:n*width], dst[:done*width])
	}
}

// bits8 takes groups of codes of 8 bits at most apart, behind which there is slack.
func bits8(codes []uint8, page []byte, width int) {
	if n := unpack(codes, page, width); n > 0 {
		codes, page = codes[n:], page[n*width/8:]
	}
	w := uint(width) & 63
	half := uint64(1)<<(4*w) - 1
	pair := (uint64(1)<<(2*w) - 1) * 0x0000000100000001
	each := (uint64(1)<<w - 1) * 0x0001000100010001
	for ; len(codes) >= 8; codes = codes[8:] {
		x := binary.LittleEndian.Uint64(page)
		binary.LittleEndian.PutUint64(codes, spread8(x, w, half, pair, each))
		page = page[width:]
	}
	if len(codes) > 0 {
		x := spread8(binary.LittleEndian.Uint64(page), w, half, pair, each)
		for i := range codes {
			codes[i] = uint8(x >> (8 * uint(i)))
		}
	}
}

// spread8 gives each of eight codes of w bits a byte.
func spread8(x uint64, w uint, half, pair, each uint64) uint64 {
	x = x&half | x>>(4*w&63)&half<<32
	x = x&pair | x>>(2*w&63)&pair<<16
	return x&each | x>>(w&63)&each<<8
}

// bits16 takes groups of codes of 16 bits at most apart, behind which there is slack.
func bits16(codes []uint16, page []byte, width int) {
	if n := unpack(codes, page, width); n > 0 {
		codes, page = codes[n:], page[n*width/8:]
	}
	mask := uint64(1)<<width - 1
	for at := 0; len(codes) > 0; at += 4 * width {
		// Four codes begin at a byte or within one, and take 64 bits more at the most:
		// what does not fit into the word is in the byte behind it.
		x := binary.LittleEndian.Uint64(page[at>>3:]) >> (at & 7)
		if rest := at&7 + 4*width - 64; rest > 0 {
			x |= uint64(page[at>>3+8]) << (64 - at&7)
		}
		n := min(4, len(codes))
		for i := range codes[:n] {
			codes[i] = uint16(x & mask)
			x >>= uint(width) & 63
		}
		codes = codes[n:]
	}
}
