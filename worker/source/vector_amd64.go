package source

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/cpu"
)

// vectors reports whether vector_amd64.s is used: it gives what Go gives.
var vectors = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL &&
	cpu.X86.HasAVX512VBMI && cpu.X86.HasAVX512VBMI2 && cpu.X86.HasAVX512VPOPCNTDQ && cpu.X86.HasBMI2 && cpu.X86.HasPOPCNT

// widthTable says how values of one width are brought to lanes: the bytes of each, how
// far to shift them down, and which bits are left. The assembly knows where each begins.
type widthTable struct {
	bytes [64]byte
	shift [64]byte // as 16 numbers
	mask  uint64
}

// codeTables are the tables of lanes of 32 bits, by width. Not every width fits: its values
// can span more bytes than a lane has.
var codeTables = func() *widthTables {
	tables := new(widthTables)
	for width := range len(tables.table) {
		t := &tables.table[width]
		t.mask = 1<<width - 1
		tables.fits[width] = vectors
		for i := range 16 {
			bit := i * width
			if bit&7+width > 32 {
				tables.fits[width] = false
			}
			for k := range 4 {
				t.bytes[i*4+k] = byte(bit>>3 + k)
			}
			binary.LittleEndian.PutUint32(t.shift[4*i:], uint32(bit&7))
		}
	}
	return tables
}()

type widthTables struct {
	table [33]widthTable
	fits  [33]bool
}

// byteTables are the tables of lanes of a byte: eight values of up to eight bits lie in
// eight bytes, and shift says where each begins.
var byteTables = func() (tables [9]widthTable) {
	for width := range tables {
		t := &tables[width]
		t.mask = (1<<width - 1) * 0x0101010101010101
		for i := range t.bytes {
			t.bytes[i] = byte(i/8*width + i%8)
			t.shift[i] = byte(i % 8 * width)
		}
	}
	return tables
}()

//go:noescape
func codes512(dst *uint32, src *byte, groups int, width int, w *widthTable) uint32

//go:noescape
func fetch8x512(dst *uint8, src *byte, groups, width int, w *widthTable, value *byte) uint8

//go:noescape
func fetch16x512(dst *uint16, src *byte, groups, width int, w *widthTable, value *byte) uint8

//go:noescape
func flood512(dst *byte, size int, pattern uint64)

//go:noescape
func words512(dst, src *byte, words, shift int) (set int)

//go:noescape
func look8x512(dst *uint8, codes, table *uint32, turns, entries int)

//go:noescape
func look16x512(dst *uint16, codes, table *uint32, turns, entries int)

//go:noescape
func look32x512(dst, codes, table *uint32, turns, entries int)

//go:noescape
func look64x512(dst *uint64, codes *uint32, table *uint64, turns int)

//go:noescape
func spread8x512(dst *uint8, words *uint64, count, set int, under uint8)

//go:noescape
func spread16x512(dst *uint16, words *uint64, count, set int, under uint16)

//go:noescape
func spread32x512(dst *uint32, words *uint64, count, set int, under uint32)

//go:noescape
func spread64x512(dst *uint64, words *uint64, count, set int, under uint64)

// unpackCodes reads len(dst) integers of width bits, 1 to 32, from src, which they
// fill: they are whole groups of eight. It returns the greatest.
func unpackCodes(dst []uint32, src []byte, width int) (top uint32) {
	groups := len(dst) / 8
	if !codeTables.fits[width] || groups == 0 {
		return unpackCodesPlain(dst, src, width)
	}
	_ = src[groups*width-1]
	return codes512(&dst[0], &src[0], groups, width, &codeTables.table[width])
}

// moveWords copies len(dst) bytes of src, whole words, shifted down by up to seven bits
// that come from the byte behind them, and returns how many bits are set. Where bits are
// shifted, a word more of src is there.
func moveWords(dst, src []byte, shift int) (set int) {
	if !vectors || len(dst) == 0 {
		return moveWordsPlain(dst, src, shift)
	}
	_ = src[len(dst)-1]
	if shift > 0 {
		_ = src[len(dst)+7]
	}
	return words512(&dst[0], &src[0], len(dst)/8, shift)
}

// fetch reads len(dst) indexes of width bits, 1 to 8, from src, which they fill: they are
// whole groups of eight. It writes the entry of each, and returns the greatest.
func fetch[T lane](dst []T, src []byte, width int, e *handful) (top uint32) {
	groups := len(dst) / 8
	_ = src[groups*width-1]
	at, table := unsafe.Pointer(unsafe.SliceData(dst)), &byteTables[width]
	if unsafe.Sizeof(dst[0]) == 1 {
		return uint32(fetch8x512((*uint8)(at), &src[0], groups, width, table, &e.value[0]))
	}
	return uint32(fetch16x512((*uint16)(at), &src[0], groups, width, table, &e.value[0]))
}

// floodMany writes v to all of dst, which is not empty.
func floodMany[T lane](dst []T, v T) {
	if !vectors {
		floodPlain(dst, v)
		return
	}
	size := int(unsafe.Sizeof(v))
	var pattern uint64
	for i := range 8 / size {
		*(*T)(unsafe.Add(unsafe.Pointer(&pattern), i*size)) = v
	}
	flood512((*byte)(unsafe.Pointer(&dst[0])), size*len(dst), pattern)
}

// look fetches the values of codes, all of them below the length of the dictionary, from
// vals; wide has them as 32 bits, and 32 of them at least, where values are no larger.
func look[T lane](dst []T, codes []uint32, vals []T, wide []uint32) {
	if done := len(dst) &^ 15; vectors && done > 0 {
		codes = codes[:len(dst)]
		at := unsafe.Pointer(unsafe.SliceData(dst))
		switch unsafe.Sizeof(dst[0]) {
		case 1:
			look8x512((*uint8)(at), &codes[0], &wide[:32][0], done/16, len(vals))
		case 2:
			look16x512((*uint16)(at), &codes[0], &wide[:32][0], done/16, len(vals))
		case 4:
			look32x512((*uint32)(at), &codes[0], &wide[:32][0], done/16, len(vals))
		default:
			look64x512((*uint64)(at), &codes[0], (*uint64)(unsafe.Pointer(unsafe.SliceData(vals))), done/8)
		}
		dst, codes = dst[done:], codes[done:]
	}
	lookPlain(dst, codes, vals)
}

// spreadWords is spread for rows that fill the words.
func spreadWords[T lane | uint16 | verdict](dst []T, set int, words []uint64, under T) {
	if !vectors {
		spreadPlain(dst, set, words, under)
		return
	}
	if len(dst) == 0 {
		return
	}
	if set < 0 || set > len(dst) || len(dst) != len(words)*64 {
		panic("source: values that their rows do not hold")
	}
	at, value := unsafe.Pointer(unsafe.SliceData(dst)), unsafe.Pointer(&under)
	switch unsafe.Sizeof(under) {
	case 1:
		spread8x512((*uint8)(at), &words[0], len(words), set, *(*uint8)(value))
	case 2:
		spread16x512((*uint16)(at), &words[0], len(words), set, *(*uint16)(value))
	case 4:
		spread32x512((*uint32)(at), &words[0], len(words), set, *(*uint32)(value))
	default:
		spread64x512((*uint64)(at), &words[0], len(words), set, *(*uint64)(value))
	}
}
