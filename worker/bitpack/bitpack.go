// Package bitpack reads and writes integers side by side, each of as many bits as it
// needs: Parquet's bit packing, and DELTA_BINARY_PACKED on top of it.
//
//	values ─► differences ─► less the least of 128 ─► 32 at a time, of as many bits as the largest has
//
// Bits are filled from the lowest on. What is read is bounded by what the caller has been
// promised, never by what the bytes claim, and no number from them reaches assembly before
// it was checked: a fault there ends the process. Errors say what is wrong with the bytes;
// where they are from, the caller knows.
package bitpack

import "encoding/binary"

// Unpack reads len(dst) unsigned integers of width bits, 0 to 64. src must hold at least
// ceil(len(dst)*width/8) bytes.
func Unpack[T uint32 | int64](dst []T, src []byte, width int) {
	if width == 0 {
		clear(dst)
		return
	}
	i := 0
	if width <= 8 {
		// Eight values take width bytes: one load serves them all.
		mask := uint64(1)<<width - 1
		for ; i+8 <= len(dst) && len(src) >= 8; i += 8 {
			w := binary.LittleEndian.Uint64(src)
			d := dst[i : i+8 : i+8]
			d[0] = T(w & mask)
			w >>= width & 15
			d[1] = T(w & mask)
			w >>= width & 15
			d[2] = T(w & mask)
			w >>= width & 15
			d[3] = T(w & mask)
			w >>= width & 15
			d[4] = T(w & mask)
			w >>= width & 15
			d[5] = T(w & mask)
			w >>= width & 15
			d[6] = T(w & mask)
			w >>= width & 15
			d[7] = T(w & mask)
			src = src[width:]
		}
	} else if width <= 56 {
		// A value starts at most 7 bits into its byte: 8 bytes hold it whole.
		mask := uint64(1)<<(width&63) - 1
		bit := 0
		for ; i < len(dst); i++ {
			at := bit >> 3
			if at+8 > len(src) {
				break
			}
			dst[i] = T(binary.LittleEndian.Uint64(src[at:]) >> (bit & 7) & mask)
			bit += width
		}
		unpackTail(dst[i:], src, bit, width)
		return
	}
	unpackTail(dst[i:], src, 0, width)
}

// unpackTail is Unpack for the last values, where eight bytes at once would
// reach past src, and for the widest ones.
func unpackTail[T uint32 | int64](dst []T, src []byte, bit, width int) {
	for i := range dst {
		var v uint64
		for got := 0; got < width; {
			at, off := bit>>3, bit&7
			n := min(8-off, width-got)
			v |= uint64(src[at]>>off) & (1<<n - 1) << got
			got += n
			bit += n
		}
		dst[i] = T(v)
	}
}

// Slack is how many bytes behind the last one packing may write, whatever they hold.
const Slack = 64

// PackGroups writes codes below 1<<width, which is 9 to 16: whole groups of eight, the
// last filled up with zeros. Behind them dst has Slack.
func PackGroups(dst []byte, codes []uint16, width int) {
	at := 0
	if n := len(codes) / 32; n > 0 {
		n = packCodes(dst, codes[:32*n], width)
		codes, at = codes[n:], n/8*width
	}
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
}

// packPlain packs a part in Go: width is 1 to 64. It writes up to eight bytes behind.
func packPlain(dst []byte, values []int64, width int) {
	var bits uint64 // not written yet
	n := uint(0)    // of them, less than eight
	if w := uint(width); w <= 56 {
		for _, v := range values {
			bits |= uint64(v) << (n & 63)
			binary.LittleEndian.PutUint64(dst, bits)
			n += w
			bits >>= n &^ 7 & 63
			dst = dst[n>>3:]
			n &= 7
		}
		return
	}
	for i := range 2 * len(values) { // behind seven bits there is no room for all of one
		v, w := uint64(values[i/2]), uint(32)
		if i%2 == 0 {
			v &= 1<<32 - 1
		} else {
			v, w = v>>32, uint(width)-32
		}
		bits |= v << n
		binary.LittleEndian.PutUint64(dst, bits)
		n += w
		bits >>= n &^ 7
		dst = dst[n>>3:]
		n &= 7
	}
}
