package sink

import "unsafe"

// These keep none of the pointers.
//
//go:noescape
func uniform512(masks *uint64, codes *uint8, times int)

//go:noescape
func pack512(dst *uint8, codes *uint8, mask uint64, width, groups int)

//go:noescape
func unpack512(dst unsafe.Pointer, src *uint8, by *spreading, times int)

//go:noescape
func lookup512(dst, src *uint8, table *[1 << 8]uint8, times int)

//go:noescape
func lookup16x512(dst *uint16, src *uint8, halves *[2][1 << 8]uint8, times int)

//go:noescape
func note512(found *[4][64]uint8, values *uint8, times int, base uint8) (others uint64)

//go:noescape
func count512(values *uint8, value uint8, times int) int

//go:noescape
func shorten512(dst *uint8, values *uint16, times int)

//go:noescape
func boundsUint8x512(low, high, values unsafe.Pointer, times int)

//go:noescape
func boundsUint16x512(low, high, values unsafe.Pointer, times int)

//go:noescape
func boundsUint32x512(low, high, values unsafe.Pointer, times int)

//go:noescape
func boundsInt32x512(low, high, values unsafe.Pointer, times int)

//go:noescape
func boundsInt64x512(low, high, values unsafe.Pointer, times int)

// bounds512 brings the smallest and largest values of each lane of blocks of 64 bytes
// together, of which there are times.
func bounds512(kind int, low, high, values unsafe.Pointer, times int) {
	switch kind {
	case kindUint8:
		boundsUint8x512(low, high, values, times)
	case kindUint16:
		boundsUint16x512(low, high, values, times)
	case kindUint32:
		boundsUint32x512(low, high, values, times)
	case kindInt32:
		boundsInt32x512(low, high, values, times)
	case kind64:
		boundsInt64x512(low, high, values, times)
	}
}
