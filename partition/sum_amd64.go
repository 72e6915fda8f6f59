package partition

import "golang.org/x/sys/cpu"

// vectors reports whether mix512 is used: it gives what AddHash gives. Without it,
// nothing multiplies vectors of 64 bits.
var vectors = cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ

// mix512 adds what AddHash makes of hashes, 16 times times of them, to the lanes of a
// sum, eight numbers each. It keeps none of the pointers.
//
//go:noescape
func mix512(sum *[2][8]uint64, hashes *uint64, times int)
