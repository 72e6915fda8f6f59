package sink

import "unsafe"

// These keep none of the pointers.
//
//go:noescape
func repeats8x512(repeats, again *uint64, codes *uint8, times int)

//go:noescape
func repeats16x512(repeats, again *uint64, codes *uint16, times int)

//go:noescape
func pack512(dst, codes *uint8, by *packing, times int)

//go:noescape
func unpack512(dst unsafe.Pointer, src *uint8, by *spreading, times int)

//go:noescape
func lookup512(dst, src *uint8, table *[1 << 8]uint8, times int)

//go:noescape
func lookup16x512(dst *uint16, src *uint8, halves *[2][1 << 8]uint8, times int)

//go:noescape
func note512(found *[2][64]uint8, values *uint8, times int, base uint8)

//go:noescape
func count512(values *uint8, value uint8, times int) int

//go:noescape
func bits16x512(rows *[16]int64, values *uint16, times int)

//go:noescape
func shorten512(dst *uint8, values *uint16, times int)

// bounds512 brings the smallest and largest values of each lane of blocks of 64 bytes
// together, of which there are times.
//
//go:noescape
func bounds512(kind int, low, high, values unsafe.Pointer, times int)
