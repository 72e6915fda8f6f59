package sink

import "unsafe"

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

// kindBytes are the bytes of a value of each.
var kindBytes = [...]int{kindUint8: 1, kindInt8: 1, kindUint16: 2, kindInt32: 4, kindUint32: 4, kind64: 8}

// weighInts adds k times each of the first len(h) values to h.
func weighInts[T uint8 | int8 | uint16 | int32 | uint32 | uint64 | int64](h []uint64, k uint64, values []T) {
	values = values[:len(h)]
	n := 32 * weigh(kindOf[T](), h, unsafe.Pointer(unsafe.SliceData(values)), k)
	h, values = h[n:], values[n:]
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
