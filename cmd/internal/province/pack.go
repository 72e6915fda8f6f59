package province

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"rescore/partition/synth"
)

// What follows takes eight values a turn and writes whole words past the end of
// what is finished: the next turn writes over them, and slack is the room they
// need behind the last one.
const slack = 16

// integer is a value or a place in a dictionary.
type integer interface{ synth.Integer | uint16 }

// order[set] holds the positions of the bits of set, three bits each, lowest
// first, and above them how many there are.
var order = func() (t [256]uint32) {
	for set := range t {
		at := 0
		for k := range 8 {
			if set>>k&1 != 0 {
				t[set] |= uint32(k) << (3 * at)
				at++
			}
		}
		t[set] |= uint32(at) << 24
	}
	return t
}()

// gather copies the values that valid marks to out, which has room for all and
// eight more, and returns how many.
func gather[T synth.Integer](out, values []T, valid []byte) int {
	at := 0
	whole := len(values) / 8
	for g := 0; g < whole; g++ {
		set := valid[g]
		if set == 0xff && g+8 <= whole && binary.LittleEndian.Uint64(valid[g:]) == ^uint64(0) {
			at += copy(out[at:], values[g*8:g*8+64])
			g += 7
			continue
		}
		from, to := (*[8]T)(values[g*8:]), (*[8]T)(out[at:])
		if set == 0xff { // most groups of most columns
			*to = *from
			at += 8
			continue
		}
		o := order[set]
		to[0] = from[o&7]
		to[1] = from[o>>3&7]
		to[2] = from[o>>6&7]
		to[3] = from[o>>9&7]
		to[4] = from[o>>12&7]
		to[5] = from[o>>15&7]
		to[6] = from[o>>18&7]
		to[7] = from[o>>21&7]
		at += int(o >> 24)
	}
	for i := whole * 8; i < len(values); i++ {
		if valid[i>>3]>>(i&7)&1 != 0 {
			out[at] = values[i]
			at++
		}
	}
	return at
}

// words is values as words of eight bytes, without what does not fill one.
func words[T integer](values []T) []uint64 {
	size := int(unsafe.Sizeof(T(0)))
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*size/8)
}

// either is the bits set in any of the values.
func either[T integer](values []T) T {
	size := int(unsafe.Sizeof(T(0)))
	var w uint64
	for _, x := range words(values) {
		w |= x
	}
	for lane := 32; lane >= 8*size; lane /= 2 {
		w |= w >> lane
	}
	union := T(w)
	for _, x := range values[len(values)&^(8/size-1):] {
		union |= x
	}
	return union
}

// appendRuns writes values of 0 to 2^width-1 as Parquet's hybrid: the width, then
// runs of one value where eight bytes or more are saved, packed bits elsewhere.
func appendRuns[T integer](dst []byte, values []T, width int) []byte {
	dst = append(dst, byte(width))
	size := int(unsafe.Sizeof(T(0))) // also how many words eight values are
	lane := ^uint64(0) >> (64 - 8*size)
	every := ^uint64(0) / lane // times a value is that value in every lane
	all, groups := words(values), len(values)/8
	enough := (7 + width) / width // groups
	packed := 0                   // values written
	for g := 0; g < groups; g++ {
		w := all[g*size]
		if w != w&lane*every || !constant(all[g*size:(g+1)*size], w) {
			continue
		}
		first := g
		for g+1 < groups && constant(all[(g+1)*size:(g+2)*size], w) {
			g++
		}
		if run := g + 1 - first; run >= enough {
			dst = appendPackedRun(dst, values[packed:first*8], width)
			dst = binary.AppendUvarint(dst, uint64(run)*8<<1)
			dst = append(dst, byte(w))
			if width > 8 {
				dst = append(dst, byte(w>>8))
			}
			packed = (g + 1) * 8
		}
	}
	return appendPackedRun(dst, values[packed:], width)
}

func constant(words []uint64, w uint64) bool {
	for _, x := range words {
		if x != w {
			return false
		}
	}
	return true
}

func appendPackedRun[T integer](dst []byte, values []T, width int) []byte {
	if len(values) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(values)+7)/8<<1|1)
	return appendPacked(dst, values, width)
}

// appendPacked writes values of 0 to 2^width-1 as width bits each, width 1 to
// 16, filled up to a multiple of eight values with 0.
func appendPacked[T integer](dst []byte, values []T, width int) []byte {
	groups := (len(values) + 7) / 8
	p := len(dst)
	dst = slices.Grow(dst, groups*width+slack)[:p+groups*width+slack]
	for len(values) >= 8 {
		packEight(dst[p:], (*[8]T)(values), uint(width))
		values = values[8:]
		p += width
	}
	if len(values) > 0 {
		var last [8]T
		copy(last[:], values)
		packEight(dst[p:], &last, uint(width))
	}
	return dst[:len(dst)-slack]
}

func packEight[T integer](dst []byte, v *[8]T, width uint) {
	w := width & 31
	a := uint64(v[0]) | uint64(v[1])<<w | (uint64(v[2])|uint64(v[3])<<w)<<(2*w&63)
	b := uint64(v[4]) | uint64(v[5])<<w | (uint64(v[6])|uint64(v[7])<<w)<<(2*w&63)
	binary.LittleEndian.PutUint64(dst, a|b<<(4*w))
	if w > 8 {
		binary.LittleEndian.PutUint64(dst[8:], b>>(64-4*w))
	}
}
