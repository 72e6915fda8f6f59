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
func note512(found *[4][64]uint8, values *uint8, times int) (others uint64)
