//go:build !amd64

package source

// vectors reports whether the processor has instructions that are used here.
var vectors = false

func unpackCodes(dst []uint32, src []byte, width int) (top uint32) {
	return unpackCodesPlain(dst, src, width)
}

func sums(dst []int64, src, widths []byte, part int, least, last int64) (int64, int) {
	return sumsPlain(dst[:part], src, int(widths[0]), least, last), 1
}

func look[T lane](dst []T, codes []uint32, vals []T, _ []uint32) { lookPlain(dst, codes, vals) }

func spreadWords[T lane | uint16 | verdict](dst []T, set int, words []uint64, under T) {
	spreadPlain(dst, set, words, under)
}
