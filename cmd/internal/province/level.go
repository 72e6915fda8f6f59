package province

import (
	"encoding/binary"
	"slices"
)

// levels are the definition levels of the open page. A validity bitmap is that
// already, one bit a row, least significant first; only where a page is filled
// in several goes its parts have to be moved next to each other.
type levels struct {
	bits        []byte // cleared beyond rows, with slack
	rows, nulls int
}

// take adds n rows of a bitmap that is clear beyond them.
func (l *levels) take(valid []byte, n, nulls int) {
	if need := (l.rows+n)/8 + slack; len(l.bits) < need {
		l.bits = append(l.bits, make([]byte, need-len(l.bits))...)
	}
	to, shift := l.bits[l.rows/8:], l.rows&7
	valid = valid[:(n+7)/8]
	for len(valid) >= 8 {
		w := binary.LittleEndian.Uint64(valid)
		binary.LittleEndian.PutUint64(to, binary.LittleEndian.Uint64(to)|w<<shift)
		to[8] = byte(w >> (64 - shift)) // 0 when there is no shift
		valid, to = valid[8:], to[8:]
	}
	for i, b := range valid {
		to[i] |= b << shift
		to[i+1] = byte(uint16(b) << shift >> 8)
	}
	l.rows, l.nulls = l.rows+n, l.nulls+nulls
}

// append writes the levels: one run when all or none are present, the bitmap as
// it is otherwise.
func (l *levels) append(dst []byte) []byte {
	start := len(dst)
	dst = append(slices.Grow(dst, l.rows/8+slack), 0, 0, 0, 0)
	switch l.nulls {
	case 0:
		dst = append(binary.AppendUvarint(dst, uint64(l.rows)<<1), 1)
	case l.rows:
		dst = append(binary.AppendUvarint(dst, uint64(l.rows)<<1), 0)
	default:
		groups := (l.rows + 7) / 8
		dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
		dst = append(dst, l.bits[:groups]...)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

func (l *levels) reset() {
	clear(l.bits)
	l.rows, l.nulls = 0, 0
}
