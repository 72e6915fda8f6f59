package province

import (
	"encoding/binary"
	"math/bits"
	"slices"

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
	for g, set := range valid[:whole] {
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

// bounds are the least and greatest value, 0 when there is none.
func bounds[T integer](values []T) (low, high T) {
	if len(values) == 0 {
		return 0, 0
	}
	low, high = values[0], values[0]
	low1, high1 := low, high // two chains run side by side
	for ; len(values) >= 4; values = values[4:] {
		a, b, c, d := values[0], values[1], values[2], values[3]
		low, high = min(low, a, b), max(high, a, b)
		low1, high1 = min(low1, c, d), max(high1, c, d)
	}
	for _, x := range values {
		low, high = min(low, x), max(high, x)
	}
	return min(low, low1), max(high, high1)
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

// The shape of delta encoding.
const (
	deltaBlock = 128
	deltaMini  = 32
	deltaMinis = deltaBlock / deltaMini
)

// appendDeltas writes amounts as DELTA_BINARY_PACKED. A miniblock's width is
// rounded up so that a turn, four values of up to 30 bits or two wider ones,
// ends between bytes: one amount in thirty grows by a bit, and no turn has to
// pick up what the one before left.
func appendDeltas(dst []byte, amounts []int64) []byte {
	dst = binary.AppendUvarint(dst, deltaBlock)
	dst = binary.AppendUvarint(dst, deltaMinis)
	dst = binary.AppendUvarint(dst, uint64(len(amounts)))
	if len(amounts) == 0 {
		return binary.AppendVarint(dst, 0)
	}
	previous := amounts[0]
	dst = binary.AppendVarint(dst, previous)
	amounts = amounts[1:]
	var deltas [deltaBlock]int64
	var greatest [deltaMinis]int64
	for len(amounts) > 0 {
		n := min(len(amounts), deltaBlock)
		block := amounts[:n]
		amounts = amounts[n:]

		least := block[0] - previous // differences wrap, as the format has it
		minis := (n + deltaMini - 1) / deltaMini
		for m := range minis {
			part := block[m*deltaMini : min((m+1)*deltaMini, n)]
			most := part[0] - previous
			to := deltas[m*deltaMini:][:len(part)]
			for i, x := range part {
				d := x - previous
				previous = x
				to[i] = d
				least, most = min(least, d), max(most, d)
			}
			greatest[m] = most
		}
		for i := n; i < minis*deltaMini; i++ {
			deltas[i] = least
		}

		dst = binary.AppendVarint(dst, least)
		p := len(dst) + deltaMinis
		dst = slices.Grow(dst, deltaMinis+deltaBlock*8+slack)
		dst = append(dst, 0, 0, 0, 0)
		for m := range minis {
			width := roundedWidth(uint64(greatest[m] - least))
			dst[p-deltaMinis+m] = uint8(width)
		}
		widths := dst[p-deltaMinis : p]
		room := dst[p:cap(dst)]
		at := 0
		for m := range minis {
			at += packMini(room[at:], (*[deltaMini]int64)(deltas[m*deltaMini:]), least, uint(widths[m]))
		}
		dst = dst[:p+at]
	}
	return dst
}

// roundedWidth is how many bits a miniblock spends on a value up to most.
func roundedWidth(most uint64) int {
	width := bits.Len64(most)
	if width <= 30 {
		return (width + 1) &^ 1
	}
	return (width + 3) &^ 3
}

// packMini writes a miniblock and returns its size in bytes.
func packMini(dst []byte, deltas *[deltaMini]int64, least int64, width uint) int {
	p := 0
	switch {
	case width == 0:
	case width <= 30:
		w, w2 := width&31, 2*width&63
		step := int(width / 2)
		for i := 0; i < deltaMini; i += 4 {
			d := (*[4]int64)(deltas[i:])
			a := uint64(d[0]-least) | uint64(d[1]-least)<<w
			b := uint64(d[2]-least) | uint64(d[3]-least)<<w
			to := (*[16]byte)(dst[p:])
			binary.LittleEndian.PutUint64(to[:8], a|b<<w2)
			binary.LittleEndian.PutUint64(to[8:], b>>(64-w2&63))
			p += step
		}
	default:
		for i := 0; i < deltaMini; i += 2 {
			a, b := uint64(deltas[i]-least), uint64(deltas[i+1]-least)
			to := (*[16]byte)(dst[p:])
			binary.LittleEndian.PutUint64(to[:8], a|b<<width)
			binary.LittleEndian.PutUint64(to[8:], b>>(64-width))
			p += int(width / 4)
		}
	}
	return p
}
