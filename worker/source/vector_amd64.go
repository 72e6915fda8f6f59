package source

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/cpu"
)

// vectors reports whether vector_amd64.s is used: it gives what Go gives.
var vectors = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL &&
	cpu.X86.HasAVX512VBMI && cpu.X86.HasAVX512VBMI2 && cpu.X86.HasBMI2 && cpu.X86.HasPOPCNT

// widthTable says how values of one width are brought to lanes: the bytes of each, how
// far to shift them down, and which bits are left.
type widthTable struct {
	bytes [64]byte
	shift [64]byte // as 16 or 8 numbers
	mask  uint64
}

// Widths whose values span no more bytes than their lane has.
var (
	codeTables = widthTables(16, 4, 25)
	sumTables  = widthTables(8, 8, 64)
)

// widthTables makes the tables of lanes of size bytes, by width; one that does not fit
// has none.
func widthTables(lanes, size, most int) []*widthTable {
	if !vectors {
		return nil
	}
	tables := make([]*widthTable, 65)
next:
	for width := range most + 1 {
		t := &widthTable{mask: 1<<width - 1}
		for i := range lanes {
			bit := i * width
			if bit&7+width > 8*size {
				continue next
			}
			for k := range size {
				t.bytes[i*size+k] = byte(min(bit>>3+k, 63)) // what is past the values is cut off
			}
			if size == 4 {
				binary.LittleEndian.PutUint32(t.shift[4*i:], uint32(bit&7))
			} else {
				binary.LittleEndian.PutUint64(t.shift[8*i:], uint64(bit&7))
			}
		}
		tables[width] = t
	}
	return tables
}

//go:noescape
func codes512(dst *uint32, src *byte, turns int, bytes int, w *widthTable) uint32

//go:noescape
func sums512(dst *int64, src *byte, turns int, bytes int, w *widthTable, least, last int64) int64

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
	if turns := len(dst) / 16; vectors && turns > 0 && width < len(codeTables) && codeTables[width] != nil {
		bytes := 2 * width
		_ = src[turns*bytes-1]
		top = codes512(&dst[0], &src[0], turns, bytes, codeTables[width])
		dst, src = dst[16*turns:], src[turns*bytes:]
	}
	return max(top, unpackCodesPlain(dst, src, width))
}

// sums reads len(dst) differences of width bits, 0 to 64, which src has, and adds each,
// and least, to the value before it, which is last for the first. It returns the last
// one.
func sums(dst []int64, src []byte, width int, least, last int64) int64 {
	turns, from := len(dst)/8, (*byte)(unsafe.Pointer(unsafe.SliceData(dst))) // of no bytes, nothing is read
	if width > 0 {
		turns, from = min(turns, len(src)/width), unsafe.SliceData(src)
	}
	if vectors && turns > 0 && sumTables[width] != nil {
		last = sums512(&dst[0], from, turns, width, sumTables[width], least, last)
		dst, src = dst[8*turns:], src[turns*width:]
	}
	return sumsPlain(dst, src, width, least, last)
}

// spreadWords is spread for rows that fill the words.
func spreadWords[T lane | uint16](dst []T, set int, words []uint64, under T) {
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
