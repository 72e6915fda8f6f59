package lane

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// paths lists what this processor can run, the best last.
func paths() []path {
	list := []path{plain}
	x := &cpu.X86
	if x.HasAVX2 {
		list = append(list, avx2)
	}
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL {
		list = append(list, avx512)
	}
	return list
}

// run256 and run512 do a step to whole words of rows. What a step does not need
// is nil or 0. They keep none of the pointers.
//
//go:noescape
func run256(s step, words int, dst, x, y, m unsafe.Pointer, c, d uint64)

//go:noescape
func run512(s step, words int, dst, x, y, m unsafe.Pointer, c, d uint64)

// run does a step to the whole words of n rows and returns how many rows that is;
// the caller does the others.
func run(s step, n int, dst, x, y, m unsafe.Pointer, c, d uint64) uint {
	words := n >> 6
	if words == 0 {
		return 0
	}
	if words > Words {
		panic("lane: a step was given more rows than a chunk has")
	}
	switch chosen {
	case avx512:
		run512(s, words, dst, x, y, m, c, d)
	case avx2:
		run256(s, words, dst, x, y, m, c, d)
	default:
		return 0
	}
	return uint(words) << 6
}
