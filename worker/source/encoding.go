package source

import (
	"encoding/binary"
	"math/bits"
)

// The decoders of Parquet's value encodings. They are our own, where parquet-go
// has assembly, for three reasons: the number of values is bounded by what the
// page header promised (a run of four bytes may claim two billion), nothing is
// allocated per page, and no width read from a file reaches assembly, where a
// fault ends the process. Every decoder fills dst exactly or returns an error.

// unpack reads len(dst) unsigned integers of width bits, least significant bit
// first. src must hold at least ceil(len(dst)*width/8) bytes; width is 0 to 64.
func unpack[T int32 | uint32 | int64](dst []T, src []byte, width int) {
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

// unpackTail is unpack for the last values, where eight bytes at once would
// reach past src, and for the widest ones.
func unpackTail[T int32 | uint32 | int64](dst []T, src []byte, bit, width int) {
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

// decodeRuns reads Parquet's hybrid of run lengths and bit packing.
func decodeRuns(dst []uint32, src []byte, width int) error {
	if width < 0 || width > 32 {
		return corrupt("indexes %d bits wide", width)
	}
	if width == 0 { // a dictionary of one value
		clear(dst)
		return nil
	}
	for len(dst) > 0 {
		h, n := binary.Uvarint(src)
		if n <= 0 {
			return corrupt("a run is missing, %d values short", len(dst))
		}
		src = src[n:]
		if h&1 == 0 { // one value, h/2 times
			size := (width + 7) / 8
			if len(src) < size {
				return corrupt("a run ends early")
			}
			var v uint32
			for i := range size {
				v |= uint32(src[i]) << (8 * i)
			}
			src = src[size:]
			count := int(min(h>>1, uint64(len(dst))))
			if count == 0 {
				return corrupt("a run of no values")
			}
			run := dst[:count]
			for i := range run {
				run[i] = v
			}
			dst = dst[count:]
			continue
		}
		groups := h >> 1
		if groups == 0 {
			return corrupt("a packed run of no values")
		}
		count := len(dst)
		if groups <= uint64(count)/8 {
			count = int(groups) * 8
		}
		need := (count*width + 7) / 8
		if len(src) < need {
			return corrupt("packed values end early")
		}
		// Padding of the last group may be absent; a whole group may not.
		whole := len(src)
		if groups < uint64(len(src)) {
			whole = min(whole, int(groups)*width)
		}
		unpack(dst[:count], src[:max(whole, need)], width)
		src = src[max(whole, need):]
		dst = dst[count:]
	}
	return nil
}

// decodeLevels reads n definition levels of an optional top-level column, which
// are one bit each, as a bitmap: the layout of Arrow's validity. It returns how
// many are set.
func decodeLevels(bitmap []byte, n int, src []byte) (set int, err error) {
	for at := 0; at < n; {
		h, k := binary.Uvarint(src)
		if k <= 0 {
			return 0, corrupt("a run of levels is missing, %d short", n-at)
		}
		src = src[k:]
		if h&1 == 0 {
			if len(src) == 0 {
				return 0, corrupt("a run of levels ends early")
			}
			v := src[0]
			src = src[1:]
			count := int(min(h>>1, uint64(n-at)))
			if count == 0 || v > 1 {
				return 0, corrupt("a run of %d levels of %d", count, v)
			}
			setBits(bitmap, at, count, v == 1)
			if v == 1 {
				set += count
			}
			at += count
			continue
		}
		count := n - at
		if groups := h >> 1; groups <= uint64(count)/8 {
			count = int(groups) * 8
		}
		if count == 0 || len(src) < (count+7)/8 {
			return 0, corrupt("packed levels end early")
		}
		copyBits(bitmap, at, src, 0, count)
		set += countBits(src, 0, count)
		at += count
		src = src[min(uint64(len(src)), h>>1):]
	}
	return set, nil
}

// deltaHeader reads the start of a DELTA_BINARY_PACKED run and checks that it
// promises n values.
func deltaHeader(src []byte, n int) (blockSize, perMini int, first int64, rest []byte, err error) {
	var head [3]uint64
	for i := range head {
		v, k := binary.Uvarint(src)
		if k <= 0 {
			return 0, 0, 0, nil, corrupt("a delta header ends early")
		}
		head[i], src = v, src[k:]
	}
	first, k := binary.Varint(src)
	if k <= 0 {
		return 0, 0, 0, nil, corrupt("a delta header ends early")
	}
	block, minis, total := head[0], head[1], head[2]
	if block == 0 || block%128 != 0 || block > 1<<16 || minis == 0 || minis > block || block%minis != 0 || block/minis%32 != 0 {
		return 0, 0, 0, nil, corrupt("delta blocks of %d values in %d parts", block, minis)
	}
	if total != uint64(n) {
		return 0, 0, 0, nil, corrupt("%d delta values where the page holds %d", total, n)
	}
	return int(block), int(block / minis), first, src[k:], nil
}

// decodeDelta reads DELTA_BINARY_PACKED values and returns the bytes after them.
// Sums wrap, as the format says.
func decodeDelta[T int32 | int64](dst []T, src []byte) ([]byte, error) {
	block, perMini, first, src, err := deltaHeader(src, len(dst))
	if err != nil || len(dst) == 0 {
		return src, err
	}
	last := T(first)
	dst[0] = last
	dst = dst[1:]
	for len(dst) > 0 {
		least, k := binary.Varint(src)
		minis := block / perMini
		if k <= 0 || len(src)-k < minis {
			return nil, corrupt("a delta block ends early")
		}
		widths := src[k : k+minis]
		src = src[k+minis:]
		step := T(least)
		for _, w := range widths {
			if len(dst) == 0 {
				break // parts that hold no value have no bytes
			}
			width := int(w)
			if width > 64 {
				return nil, corrupt("deltas %d bits wide", width)
			}
			count := min(perMini, len(dst))
			have := perMini * width / 8
			if need := (count*width + 7) / 8; len(src) < need {
				return nil, corrupt("deltas end early")
			}
			have = min(have, len(src))
			run := dst[:count]
			unpackDelta(run, src[:have], width)
			for i := range run {
				last += step + run[i]
				run[i] = last
			}
			src = src[have:]
			dst = dst[count:]
		}
	}
	return src, nil
}

func unpackDelta[T int32 | int64](dst []T, src []byte, width int) {
	switch d := any(dst).(type) {
	case []int32:
		unpack(d, src, width)
	case []int64:
		unpack(d, src, width)
	}
}

// decodeSplit reads BYTE_STREAM_SPLIT: byte k of every value stands in stream k.
func decodeSplit(dst []byte, src []byte, size int) error {
	if len(src) != len(dst) {
		return corrupt("%d bytes of split values where the page holds %d", len(src), len(dst))
	}
	n := len(dst) / size
	for k := range size {
		stream := src[k*n : k*n+n]
		for i, b := range stream {
			dst[i*size+k] = b
		}
	}
	return nil
}

// text is a run of byte strings: value i is data[offs[i]:offs[i+1]].
type text struct {
	data []byte
	offs []uint32
}

func (t *text) at(i int) []byte { return t.data[t.offs[i]:t.offs[i+1]] }

func (t *text) len() int { return max(len(t.offs)-1, 0) }

// decodePlainText reads n PLAIN byte arrays.
func (t *text) decodePlain(n int, src []byte) error {
	if len(src)/4 < n {
		return corrupt("%d strings in %d bytes", n, len(src))
	}
	t.data, t.offs = t.data[:0], append(t.offs[:0], 0)
	for range n {
		if len(src) < 4 {
			return corrupt("a string ends early")
		}
		size := uint64(binary.LittleEndian.Uint32(src))
		if size > uint64(len(src)-4) {
			return corrupt("a string of %d bytes where %d are left", size, len(src)-4)
		}
		t.data = append(t.data, src[4:4+size]...)
		t.offs = append(t.offs, uint32(len(t.data)))
		src = src[4+size:]
	}
	return nil
}

// decodeDeltaLength reads n DELTA_LENGTH_BYTE_ARRAY values; sizes is scratch.
func (t *text) decodeDeltaLength(n int, src []byte, sizes *[]int32) error {
	size := grow(sizes, n)
	src, err := decodeDelta(size, src)
	if err != nil {
		return err
	}
	t.offs = append(t.offs[:0], 0)
	total := 0
	for _, s := range size {
		if s < 0 || int(s) > len(src)-total {
			return corrupt("a string of %d bytes where %d are left", s, len(src)-total)
		}
		total += int(s)
		t.offs = append(t.offs, uint32(total))
	}
	t.data = append(t.data[:0], src[:total]...)
	return nil
}

// decodeDeltaText reads n DELTA_BYTE_ARRAY values, each a prefix of the one
// before and a suffix; prefixes and sizes are scratch.
func (t *text) decodeDeltaText(n int, src []byte, prefixes, sizes *[]int32) error {
	prefix, size := grow(prefixes, n), grow(sizes, n)
	src, err := decodeDelta(prefix, src)
	if err != nil {
		return err
	}
	if src, err = decodeDelta(size, src); err != nil {
		return err
	}
	t.data, t.offs = t.data[:0], append(t.offs[:0], 0)
	last := 0
	for i := range n {
		p, s := int(prefix[i]), int(size[i])
		if p < 0 || p > len(t.data)-last || s < 0 || s > len(src) {
			return corrupt("a string of %d and %d bytes does not fit", p, s)
		}
		// A long prefix repeated by every value expands without bound.
		if len(t.data)+p+s > pageBytesMax {
			return corrupt("strings of more than %d bytes in a page", pageBytesMax)
		}
		start := len(t.data)
		t.data = append(t.data, t.data[last:last+p]...)
		t.data = append(t.data, src[:s]...)
		t.offs = append(t.offs, uint32(len(t.data)))
		src, last = src[s:], start
	}
	return nil
}

// grow returns *s with length n, keeping its memory when it is large enough.
func grow[T any](s *[]T, n int) []T {
	if cap(*s) < n {
		*s = make([]T, n, n+n/4)
	}
	*s = (*s)[:n]
	return *s
}

// setBits writes n bits of value v from bit at.
func setBits(b []byte, at, n int, v bool) {
	for ; n > 0 && at&7 != 0; at, n = at+1, n-1 {
		setBit(b, at, v)
	}
	fill := byte(0)
	if v {
		fill = 0xff
	}
	whole := b[at>>3 : at>>3+n>>3]
	for i := range whole {
		whole[i] = fill
	}
	at, n = at+n&^7, n&7
	for ; n > 0; at, n = at+1, n-1 {
		setBit(b, at, v)
	}
}

func setBit(b []byte, i int, v bool) {
	if v {
		b[i>>3] |= 1 << (i & 7)
	} else {
		b[i>>3] &^= 1 << (i & 7)
	}
}

func bit(b []byte, i int) bool { return b[i>>3]>>(i&7)&1 != 0 }

// copyBits copies n bits from bit from of src to bit at of dst.
func copyBits(dst []byte, at int, src []byte, from, n int) {
	for ; n > 0 && at&7 != 0; at, from, n = at+1, from+1, n-1 {
		setBit(dst, at, bit(src, from))
	}
	out := dst[at>>3:]
	whole := n >> 3
	if shift := from & 7; shift == 0 {
		copy(out[:whole], src[from>>3:])
	} else {
		in := src[from>>3:]
		for i := range whole {
			out[i] = in[i]>>shift | in[i+1]<<(8-shift)
		}
	}
	at, from, n = at+whole*8, from+whole*8, n&7
	for ; n > 0; at, from, n = at+1, from+1, n-1 {
		setBit(dst, at, bit(src, from))
	}
}

// countBits returns how many of n bits from bit at are set.
func countBits(b []byte, at, n int) int {
	set := 0
	for ; n > 0 && at&7 != 0; at, n = at+1, n-1 {
		set += int(b[at>>3] >> (at & 7) & 1)
	}
	b = b[at>>3:]
	for ; n >= 64; n -= 64 {
		set += bits.OnesCount64(binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	for i := range n {
		set += int(b[i>>3] >> (i & 7) & 1)
	}
	return set
}
