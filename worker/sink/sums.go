package sink

import (
	"unsafe"

	"rescore/partition"
)

// processor is one way to sum up rows. All give the same sums.
type processor int

const (
	scalar processor = iota // Go alone
	avx2
	avx512
)

func (p processor) String() string { return [...]string{"go", "avx2", "avx512"}[p] }

// chosen is the path of this process, the best that the processor has.
var chosen = processors()[len(processors())-1]

// Kinds of values, by how they become 64 bits.
const (
	kindUint8 = iota
	kindInt8
	kindUint16
	kindInt32
	kindUint32
	kind64
)

// weighInts adds k times each of the first len(h) values to h.
func weighInts[T uint8 | int8 | uint16 | int32 | uint32 | uint64 | int64](h []uint64, k uint64, values []T) {
	values = values[:len(h)]
	if n := len(h) / 32; chosen != scalar && n > 0 {
		weigh(kindOf[T](), &h[0], unsafe.Pointer(unsafe.SliceData(values)), k, n)
		h, values = h[32*n:], values[32*n:]
	}
	for i, v := range values {
		h[i] += uint64(v) * k
	}
}

func kindOf[T uint8 | int8 | uint16 | int32 | uint32 | uint64 | int64]() int {
	var v T
	signed := T(0)-1 < 0
	switch size := unsafe.Sizeof(v); {
	case size == 1 && !signed:
		return kindUint8
	case size == 1:
		return kindInt8
	case size == 2:
		return kindUint16
	case size == 4 && signed:
		return kindInt32
	case size == 4:
		return kindUint32
	}
	return kind64
}

// sumOf is the sum of hashes.
func sumOf(h []uint64) (sum partition.Sum) {
	if n := len(h) / 16; chosen == avx512 && n > 0 { // without, nothing multiplies 64 bits
		var lanes [2][8]uint64
		mix(&lanes, &h[0], n)
		for i := range 8 {
			sum.Hi, sum.Lo = sum.Hi+lanes[0][i], sum.Lo+lanes[1][i]
		}
		h = h[16*n:]
	}
	for _, x := range h {
		sum = sum.AddHash(x)
	}
	return sum
}
