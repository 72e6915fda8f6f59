package source

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"rescore/worker/bitpack"
)

// The decoders of Parquet's value encodings. They are our own for three reasons: the
// number of values is bounded by what the page header promised (a run of four bytes may
// claim two billion), nothing is allocated per page, and no number from a file reaches
// assembly before it was checked, for a fault there ends the process. Every decoder fills
// dst exactly or returns an error. What they read may lie in a file that is mapped, and
// change: whatever decides where they read or write is taken once, and then checked.

// runs reads Parquet's hybrid of run lengths and bit packing, some values at a time.
type runs struct {
	src    []byte // runs that follow
	width  int
	total  int    // values not yet read
	left   int    // of them in the current run
	same   bool   // which is one value
	value  uint32 // this one
	bits   []byte // or packed: whole groups of eight, but for the last of all
	spare  [8]uint32
	spared int // last values of spare: they are next, before bits
}

// open begins with the first of total values.
func (r *runs) open(src []byte, total, width int) error {
	if width < 0 || width > 32 {
		return corrupt("indexes %d bits wide", width)
	}
	r.src, r.width, r.total, r.left = src, width, total, 0
	if width == 0 { // a dictionary of one value
		r.same, r.value, r.left = true, 0, total
	}
	return nil
}

// openPacked begins with the first of total values that are packed in bits, all of them
// there.
func (r *runs) openPacked(bits []byte, total, width int) {
	r.src, r.width, r.total, r.left, r.same, r.bits, r.spared = nil, width, total, total, false, bits, 0
}

// begin goes to the next run.
func (r *runs) begin() error {
	h, n := binary.Uvarint(r.src)
	if n <= 0 {
		return corrupt("a run is missing, %d values short", r.total)
	}
	src := r.src[n:]
	r.spared = 0
	if r.same = h&1 == 0; r.same { // one value, h/2 times
		size := (r.width + 7) / 8
		if len(src) < size {
			return corrupt("a run ends early")
		}
		if h == 0 {
			return corrupt("a run of no values")
		}
		r.value = 0
		for i := range size {
			r.value |= uint32(src[i]) << (8 * i)
		}
		r.src, r.left = src[size:], int(min(h>>1, uint64(r.total)))
		return nil
	}
	groups := h >> 1
	if groups == 0 {
		return corrupt("a packed run of no values")
	}
	r.left = r.total
	if groups <= uint64(r.total)/8 {
		r.left = int(groups) * 8
	}
	need := (r.left*r.width + 7) / 8
	if len(src) < need {
		return corrupt("packed values end early")
	}
	// Padding of the last group may be absent; a whole group may not.
	whole := len(src)
	if groups < uint64(len(src)) {
		whole = min(whole, int(groups)*r.width)
	}
	whole = max(whole, need)
	r.bits, r.src = src[:whole], src[whole:]
	return nil
}

// piece takes the next values, as many of n as lie alike: few of them, unpacked; or groups
// of eight, packed; or, when it returns neither, r.value as many times.
func (r *runs) piece(n int) (k int, few []uint32, packed []byte, err error) {
	if r.left == 0 {
		if err := r.begin(); err != nil {
			return 0, nil, nil, err
		}
	}
	k = min(n, r.left)
	switch {
	case r.same:
	case r.spared > 0 || k < len(r.spare):
		if r.spared == 0 { // a part of a group: the others are for later
			var group [32]byte
			size := copy(group[:r.width], r.bits)
			bitpack.Unpack(r.spare[:], group[:], r.width)
			r.spared, r.bits = len(r.spare), r.bits[size:]
		}
		k = min(k, r.spared)
		few = r.spare[len(r.spare)-r.spared:][:k]
		r.spared -= k
	default:
		k &^= 7
		size := k / 8 * r.width
		packed, r.bits = r.bits[:size], r.bits[size:]
	}
	r.left, r.total = r.left-k, r.total-k
	return k, few, packed, nil
}

// read reads the next values, of which there are as many, and returns the greatest.
func (r *runs) read(dst []uint32) (top uint32, err error) {
	for len(dst) > 0 {
		k, few, packed, err := r.piece(len(dst))
		if err != nil {
			return 0, err
		}
		switch piece := dst[:k]; {
		case packed != nil:
			top = max(top, unpackCodes(piece, packed, r.width))
		case few != nil:
			for i, v := range few {
				piece[i] = v
				top = max(top, v)
			}
		default:
			flood(piece, r.value)
			top = max(top, r.value)
		}
		dst = dst[k:]
	}
	return top, nil
}

// unpackCodesPlain is unpackCodes in Go.
func unpackCodesPlain(dst []uint32, src []byte, width int) (top uint32) {
	bitpack.Unpack(dst, src, width)
	for _, v := range dst {
		top = max(top, v)
	}
	return top
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
		set += takeBits(bitmap, at, src, count)
		at += count
		src = src[min(uint64(len(src)), h>>1):]
	}
	return set, nil
}

// readDeltas reads DELTA_BINARY_PACKED values and returns the bytes after them.
func readDeltas(dst []int64, src []byte) ([]byte, error) {
	rest, err := bitpack.ReadDeltas(dst, src)
	return rest, badDeltas(err)
}

func badDeltas(err error) error {
	if err != nil {
		err = corrupt("%v", err)
	}
	return err
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
func (t *text) decodeDeltaLength(n int, src []byte, sizes *[]int64) error {
	size := grow(sizes, n)
	src, err := readDeltas(size, src)
	if err != nil {
		return err
	}
	t.offs = append(t.offs[:0], 0)
	total := 0
	for _, s := range size {
		s = int64(int32(s)) // sums wrap
		if s < 0 || s > int64(len(src)-total) {
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
func (t *text) decodeDeltaText(n int, src []byte, prefixes, sizes *[]int64) error {
	prefix, size := grow(prefixes, n), grow(sizes, n)
	src, err := readDeltas(prefix, src)
	if err != nil {
		return err
	}
	if src, err = readDeltas(size, src); err != nil {
		return err
	}
	t.data, t.offs = t.data[:0], append(t.offs[:0], 0)
	last := 0
	for i := range n {
		prefix[i], size[i] = int64(int32(prefix[i])), int64(int32(size[i])) // sums wrap
		if prefix[i] < 0 || prefix[i] > int64(len(t.data)-last) || size[i] < 0 || size[i] > int64(len(src)) {
			return corrupt("a string of %d and %d bytes does not fit", prefix[i], size[i])
		}
		p, s := int(prefix[i]), int(size[i])
		// A long prefix repeated by every value expands without bound.
		if len(t.data)+p+s > prefixedMax {
			return corrupt("strings of more than %d bytes in a page", prefixedMax)
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

// takeBits copies n bits of src to bit at of bitmap, behind which there is slack, and
// returns how many are set.
func takeBits(bitmap []byte, at int, src []byte, n int) (set int) {
	words := n >> 6
	if at&7 != 0 || len(src) < 8*words {
		words = 0
	}
	done := words << 6
	if words > 0 {
		set = moveWords(bitmap[at>>3:][:8*words], src, 0)
	}
	copyBits(bitmap, at+done, src, done, n-done)
	return set + countBits(bitmap, at+done, n-done)
}

// moveWordsPlain is moveWords in Go.
func moveWordsPlain(dst, src []byte, shift int) (set int) {
	for len(dst) >= 8 {
		w := binary.LittleEndian.Uint64(src) >> shift
		if shift > 0 {
			w |= uint64(src[8]) << (64 - shift)
		}
		binary.LittleEndian.PutUint64(dst, w)
		set += bits.OnesCount64(w)
		dst, src = dst[8:], src[8:]
	}
	return set
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
		i := 0
		for ; i+8 <= whole; i += 8 {
			w := binary.LittleEndian.Uint64(in[i:])>>shift | uint64(in[i+8])<<(64-shift)
			binary.LittleEndian.PutUint64(out[i:], w)
		}
		for ; i < whole; i++ {
			out[i] = in[i]>>shift | in[i+1]<<(8-shift)
		}
	}
	at, from, n = at+whole*8, from+whole*8, n&7
	for ; n > 0; at, from, n = at+1, from+1, n-1 {
		setBit(dst, at, bit(src, from))
	}
}

// wordSlack is how many bytes follow a bitmap that is read a word at a time, and the one
// after it for what is shifted in.
const wordSlack = 16

// validity writes n bits from bit at of levels, behind which there is slack, as words,
// the bits past the last one clear. It returns the words and how many bits are set.
func validity(words *[]uint64, levels []byte, at, n int) (list []uint64, set int) {
	list = grow(words, (n+63)>>6)
	shift, whole := at&7, n>>6
	levels = levels[at>>3:]
	set = moveWords(bytesOf(list[:whole]), levels, shift)
	if whole < len(list) {
		levels = levels[8*whole:]
		w := binary.LittleEndian.Uint64(levels)>>shift | uint64(levels[8])<<(64-shift)
		w &= 1<<(n&63) - 1
		list[whole] = w
		set += bits.OnesCount64(w)
	}
	return list, set
}

// bytesOf returns the memory of words.
func bytesOf(words []uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))
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
