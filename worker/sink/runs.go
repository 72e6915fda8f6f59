package sink

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Dictionary codes are stored as Parquet's hybrid of runs: a header of one number,
// and behind it either one code that repeats (count<<1), or groups of eight codes
// whose bits stand side by side (groups<<1 | 1), lowest first.
//
// A repeated code is written as such where that is shorter: never for fewer groups
// than repeatMin. Eight codes are put together, and taken apart, in a machine word
// or two, not one by one.

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

// appendCodes8 appends codes below 1<<width, which is 8 at most: pageRows of them at
// most.
func appendCodes8(dst []byte, codes []uint8, width int) []byte {
	whole := len(codes) / 8
	least := repeatMin(width)
	var masks [pageRows/8/64 + 1]uint64 // and none behind the last
	uniform(masks[:], codes)
	if least <= whole {
		adjoin(masks[:], least)
	}
	from := 0 // groups from here on are not written yet
	for i := 0; i < whole; {
		if left := masks[i/64] >> (i % 64); left&1 == 0 {
			if left == 0 {
				i = (i/64 + 1) * 64
			} else {
				i += bits.TrailingZeros64(left)
			}
			continue
		}
		code, n := codes[8*i], 1
		for all := uint64(code) * ones8; i+n < whole && binary.LittleEndian.Uint64(codes[8*(i+n):]) == all; {
			n++
		}
		rows := 8 * n
		if i+n == whole && uniformTail(codes[8*whole:], code) {
			rows = len(codes) - 8*i
		}
		if n < least && rows < len(codes) {
			i += n
			continue
		}
		dst = appendBits8(dst, codes[8*from:8*i], width)
		dst = append(binary.AppendUvarint(dst, uint64(rows)<<1), code)
		i += n
		from = i
		if rows > 8*n {
			return dst
		}
	}
	return appendBits8(dst, codes[8*from:], width)
}

// adjoin leaves of the groups those behind which others follow: so many in all.
func adjoin(masks []uint64, least int) {
	for ; least > 1; least-- {
		for i := range masks[:len(masks)-1] {
			masks[i] &= masks[i]>>1 | masks[i+1]<<63
		}
	}
}

// uniformTail reports whether all of fewer than eight codes are one.
func uniformTail(tail []uint8, code uint8) bool {
	for _, c := range tail {
		if c != code {
			return false
		}
	}
	return true
}

// ones8 has a one in every byte.
const ones8 = 0x0101010101010101

// appendBits8 appends a run of codes side by side; the last group is filled up with
// zeros.
func appendBits8(dst []byte, codes []uint8, width int) []byte {
	if len(codes) == 0 {
		return dst
	}
	groups := (len(codes) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	at := len(dst)
	dst = grown(dst, groups*width+8)
	if n := len(codes) / 8; chosen == avx512 && n > 0 {
		pack512(&dst[at], &codes[0], (1<<width-1)*ones8, width, n)
		codes, at = codes[8*n:], at+n*width
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
		at += width
	}
	return dst[:at]
}

// appendCodes16 appends codes below 1<<width, which is 9 to codeBitsMax.
func appendCodes16(dst []byte, codes []uint16, width int) []byte {
	whole := len(codes) / 8
	from := 0
	for i := 0; i < whole; {
		first := codes[8*i]
		n := 0
		for i+n < whole && all16((*[8]uint16)(codes[8*(i+n):]), first) {
			n++
		}
		if n == 0 {
			i++
			continue
		}
		dst = appendBits16(dst, codes[8*from:8*i], width)
		dst = binary.LittleEndian.AppendUint16(binary.AppendUvarint(dst, uint64(8*n)<<1), first)
		i += n
		from = i
	}
	return appendBits16(dst, codes[8*from:], width)
}

func all16(group *[8]uint16, code uint16) bool {
	var other uint16
	for _, c := range group {
		other |= c ^ code
	}
	return other == 0
}

func appendBits16(dst []byte, codes []uint16, width int) []byte {
	if len(codes) == 0 {
		return dst
	}
	groups := (len(codes) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	at := len(dst)
	dst = grown(dst, groups*width+16)
	w := uint(width) & 63
	var group [8]uint16
	for len(codes) > 0 {
		n := copy(group[:], codes)
		clear(group[n:])
		codes = codes[n:]
		low := uint64(group[0]) | uint64(group[1])<<w | uint64(group[2])<<(2*w&63) | uint64(group[3])<<(3*w&63)
		high := uint64(group[4]) | uint64(group[5])<<w | uint64(group[6])<<(2*w&63) | uint64(group[7])<<(3*w&63)
		binary.LittleEndian.PutUint64(dst[at:], low|high<<(4*w)) // nothing of high when four codes take 64 bits
		binary.LittleEndian.PutUint64(dst[at+8:], high>>(64-4*w))
		at += width
	}
	return dst[:at]
}

// grown returns b with n bytes more, whatever they hold.
func grown(b []byte, n int) []byte {
	if cap(b)-len(b) < n {
		b = append(b, make([]byte, n)...)
		return b
	}
	return b[:len(b)+n]
}

// slack is how many bytes behind a page must be there to be read, whatever they hold.
const slack = 64

// readCodes takes runs of codes of a page apart: exactly len(codes) of them, which
// are to be all there is. Codes are below 1<<width and, of 8 bits at most when C is
// uint8. Page has slack bytes more in its capacity, which are read; what codes have is
// written.
func readCodes[C uint8 | uint16](codes []C, page []byte, width int) error {
	value := (width + 7) / 8
	for at := 0; at < len(codes); {
		header, n := binary.Uvarint(page)
		if n <= 0 {
			return fmt.Errorf("%w: codes end early", ErrDamaged)
		}
		page = page[n:]
		if header&1 == 0 {
			rows := header >> 1
			if rows == 0 || rows > uint64(len(codes)-at) || len(page) < value {
				return fmt.Errorf("%w: a run of codes past its page", ErrDamaged)
			}
			code := uint(page[0])
			if value > 1 {
				code |= uint(page[1]) << 8
			}
			if code>>width != 0 {
				return fmt.Errorf("%w: a code of too many bits", ErrDamaged)
			}
			page = page[value:]
			repeat(codes[at:at+int(rows)], C(code))
			at += int(rows)
			continue
		}
		groups := header >> 1
		if groups == 0 || groups > uint64(len(codes)-at+7)/8 || groups*uint64(width) > uint64(len(page)) {
			return fmt.Errorf("%w: a run of codes past its page", ErrDamaged)
		}
		run := codes[at:min(at+8*int(groups), len(codes))]
		switch run := any(run).(type) {
		case []uint8:
			bits8(run, page, width)
		case []uint16:
			bits16(run, page, width)
		}
		page = page[int(groups)*width:]
		at += len(run)
	}
	if len(page) > 0 {
		return fmt.Errorf("%w: bytes behind the codes of a page", ErrDamaged)
	}
	return nil
}

// repeat fills a run with a code.
func repeat[C uint8 | uint16](run []C, code C) {
	const short = 64 // most runs are, and not worth a call
	if bytes, is := any(run).([]uint8); is {
		for all := uint64(code) * ones8; len(bytes) >= 8 && len(run)-len(bytes) < short; bytes = bytes[8:] {
			binary.LittleEndian.PutUint64(bytes, all)
		}
		if len(bytes) < 8 {
			for i := range bytes {
				bytes[i] = uint8(code)
			}
			return
		}
	} else {
		for i := range run[:min(short, len(run))] {
			run[i] = code
		}
	}
	for done := short; done < len(run); done *= 2 {
		copy(run[done:], run[:done])
	}
}

// bits8 takes codes of 8 bits at most apart.
func bits8(codes []uint8, page []byte, width int) {
	page = page[: len(page)+slack : len(page)+slack]
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

// bits16 takes codes of 16 bits at most apart.
func bits16(codes []uint16, page []byte, width int) {
	page = page[: len(page)+slack : len(page)+slack]
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
