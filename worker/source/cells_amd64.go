package source

import "unsafe"

//go:noescape
func line512(text *byte, size int, marks *lineMarks, out, doubtful *uint32, room int) (length, count, doubts int, seen uint64)

//go:noescape
func without512(text *byte, size int, drop uint8) int

//go:noescape
func cells8x512(dst *uint8, text *byte, rows, starts *uint32, stride, count int, plain uint64, delim int, table *cellTable, out *outcomes)

//go:noescape
func cells16x512(dst *uint16, text *byte, rows, starts *uint32, stride, count int, plain uint64, delim int, table *cellTable, out *outcomes)

//go:noescape
func cells32x512(dst *uint32, text *byte, rows, starts *uint32, stride, count int, plain uint64, delim int, table *cellTable, out *outcomes)

//go:noescape
func cells64x512(dst *uint64, text *byte, rows, starts *uint32, stride, count int, plain uint64, delim int, table *cellTable, out *outcomes)

// cutLine looks for the end of the line at the front of text, and for what is in the
// line: see cutLinePlain.
func cutLine(text []byte, m *lineMarks, out, doubtful []uint32, room int) (length, count, doubts int, seen uint64) {
	if !vectors {
		return cutLinePlain(text, m, out, doubtful, room)
	}
	_ = text[:len(text)+slack]
	_ = out[:room+slack]
	if doubtful != nil {
		_ = doubtful[:room+slack]
	}
	return line512(unsafe.SliceData(text), len(text), m, &out[0], unsafe.SliceData(doubtful), room)
}

// without moves the bytes of text that are not drop to its front, and returns how many
// they are.
func without(text []byte, drop byte) int {
	if !vectors || len(text) == 0 {
		return withoutPlain(text, drop)
	}
	return without512(&text[0], len(text), drop)
}

// cellsOf reads cells of a chunk that are digits into dst, one a row, as their
// conversion's table says, and tells what became of each; what it did not read is zero.
func cellsOf[T uint8 | int16 | uint32 | uint64](dst []T, r *csvRows, index int, table *cellTable) (out outcomes) {
	if !vectors || len(dst) == 0 || r.plain == 0 {
		return out
	}
	at, text, rows := unsafe.Pointer(&dst[0]), &r.text[0], &r.at[0]
	starts := &r.starts[index : len(dst)*r.stride][0]
	delim := len(r.file.dialect.delim)
	switch unsafe.Sizeof(dst[0]) {
	case 1:
		cells8x512((*uint8)(at), text, rows, starts, r.stride, len(dst), r.plain, delim, table, &out)
	case 2:
		cells16x512((*uint16)(at), text, rows, starts, r.stride, len(dst), r.plain, delim, table, &out)
	case 4:
		cells32x512((*uint32)(at), text, rows, starts, r.stride, len(dst), r.plain, delim, table, &out)
	default:
		cells64x512((*uint64)(at), text, rows, starts, r.stride, len(dst), r.plain, delim, table, &out)
	}
	return out
}
