package sink

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// processors lists what this processor can run, the best last.
func processors() []processor {
	list := []processor{scalar}
	x := &cpu.X86
	if x.HasAVX2 {
		list = append(list, avx2)
	}
	if x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512VBMI && x.HasAVX512VNNI && x.HasBMI2 {
		list = append(list, avx512)
	}
	return list
}

// weigh adds k times the values, of a kind, to h: as many times 32 of them as it returns.
func weigh(kind int, h []uint64, values unsafe.Pointer, k uint64) (times int) {
	times = len(h) / 32
	switch {
	case times == 0:
	case chosen == avx2:
		weigh256(kind, &h[0], values, k, times)
	case chosen == avx512 && kind == kind64:
		weigh512(&h[0], values, k, times)
	default:
		times = 0
	}
	return times
}

// These keep none of the pointers.
//
//go:noescape
func weigh512(h *uint64, values unsafe.Pointer, k uint64, times int)

//go:noescape
func weigh256(kind int, h *uint64, values unsafe.Pointer, k uint64, times int)

// quads512 makes of h what quads add to a base, from a row on, 32 rows times times. The
// first quads are of four columns, the next of two, the last of one.
//
//go:noescape
func quads512(h *uint64, quads *quad, bytes, pairs, words int, base uint64, from, times int)
