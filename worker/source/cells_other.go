//go:build !amd64

package source

func cutLine(text []byte, m *lineMarks, out []uint32, room int) (length, count int, seen uint64) {
	return cutLinePlain(text, m, out, room)
}

func cellsOf[T uint8 | int16 | uint32 | uint64]([]T, *csvRows, int, *cellTable) (out outcomes) {
	return out
}
