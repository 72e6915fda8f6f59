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
	if x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512VBMI && x.HasBMI2 {
		list = append(list, avx512)
	}
	return list
}

// weigh adds k times the values, of a kind, to h: 32 times times of them.
func weigh(kind int, h *uint64, values unsafe.Pointer, k uint64, times int) {
	if chosen == avx512 {
		switch kind {
		case kindUint8:
			weighUint8x512(h, values, k, times)
		case kindInt8:
			weighInt8x512(h, values, k, times)
		case kindUint16:
			weighUint16x512(h, values, k, times)
		case kindInt32:
			weighInt32x512(h, values, k, times)
		case kindUint32:
			weighUint32x512(h, values, k, times)
		case kind64:
			weighUint64x512(h, values, k, times)
		}
		return
	}
	switch kind {
	case kindUint8:
		weighUint8x256(h, values, k, times)
	case kindInt8:
		weighInt8x256(h, values, k, times)
	case kindUint16:
		weighUint16x256(h, values, k, times)
	case kindInt32:
		weighInt32x256(h, values, k, times)
	case kindUint32:
		weighUint32x256(h, values, k, times)
	case kind64:
		weighUint64x256(h, values, k, times)
	}
}

// mix adds what AddHash makes of hashes, 16 times times of them, to the lanes of a
// sum, eight numbers each.
func mix(sum *[2][8]uint64, h *uint64, times int) { mix512(sum, h, times) }

// These keep none of the pointers.
//
//go:noescape
func weighUint8x512(h *uint64, values unsafe.Pointer, k uint64, times int)

//go:noescape
func weighInt8x512(h *uint64, values unsafe.Pointer, k uint64, times int)

//go:noescape
func weighUint16x512(h *uint64, values unsafe.Pointer, k uint64, times int)

//go:noescape
func weighInt32x512(h *uint64, values unsafe.Pointer, k uint64, times int)

//go:noescape
func weighUint32x512(h *uint64, values unsafe.Pointer, k uint64, times int)

//go:noescape
func weighUint64x512(h *uint64, values unsafe.Pointer, k uint64, times int)

//go:noescape
func weighUint8x256(h *uint64, values unsafe.Pointer, k uint64, times int)

//go:noescape
func weighInt8x256(h *uint64, values unsafe.Pointer, k uint64, times int)

//go:noescape
func weighUint16x256(h *uint64, values unsafe.Pointer, k uint64, times int)

//go:noescape
func weighInt32x256(h *uint64, values unsafe.Pointer, k uint64, times int)

//go:noescape
func weighUint32x256(h *uint64, values unsafe.Pointer, k uint64, times int)

//go:noescape
func weighUint64x256(h *uint64, values unsafe.Pointer, k uint64, times int)

//go:noescape
func mix512(sum *[2][8]uint64, h *uint64, times int)
