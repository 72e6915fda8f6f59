//go:build !amd64

package source

func cutLine(text []byte, m *lineMarks, out, doubtful []uint32, room int) (length, count, doubts int, seen uint64) {
	return cutLinePlain(text, m, out, doubtful, room)
}

func without(text []byte, drop byte) int { return withoutPlain(text, drop) }

func cellsOf[T uint8 | int16 | uint32 | uint64]([]T, *csvRows, int, *cellTable) (out outcomes) {
	return out
}
