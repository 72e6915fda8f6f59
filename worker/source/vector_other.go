//go:build !amd64

package source

// vectors reports whether the processor has instructions that are used here.
var vectors = false

func unpackCodes(dst []uint32, src []byte, width int) (top uint32) {
	return unpackCodesPlain(dst, src, width)
}

func moveWords(dst, src []byte, shift int) (set int) { return moveWordsPlain(dst, src, shift) }

func look[T lane](dst []T, codes []uint32, vals []T, _ []uint32) { lookPlain(dst, codes, vals) }

func spreadWords[T lane | uint16 | verdict](dst []T, set int, words []uint64, under T) {
	spreadPlain(dst, set, words, under)
}

func fetch[T lane]([]T, []byte, int, *handful) uint32 { panic("source: entries without vectors") }

func floodMany[T lane](dst []T, v T) { floodPlain(dst, v) }
