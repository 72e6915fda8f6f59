//go:build !amd64

package bitpack

// vectors reports whether the processor has instructions that are used here.
var vectors = false

func sums(_ []int64, _, _ []byte, _ int, _, last int64) (end int64, parts, size int) {
	return last, 0, 0 // none
}

func blocks(_ []int64, _ []byte, last int64) (end int64, values, size int) {
	return last, 0, 0 // none
}

func differences(block *[blockValues]int64, values []int64, largest *[blockParts]uint64) (least int64) {
	return differencesPlain(block, values, largest)
}

func pack(dst []byte, values []int64, width int) { packPlain(dst, values, width) }

func packCodes([]byte, []uint16, int) int { return 0 }
