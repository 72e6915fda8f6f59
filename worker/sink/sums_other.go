//go:build !amd64

package sink

import "unsafe"

// processors lists what this processor can run.
func processors() []processor { return []processor{scalar} }

func weigh(int, []uint64, unsafe.Pointer, uint64) (times int) { return 0 }

// Nothing calls these where there is no other path.
func quads512(*uint64, *quad, int, int, int, uint64, int, int) {}

func repeats8x512(_, _ *uint64, _ *uint8, _ int) {}

func repeats16x512(_, _ *uint64, _ *uint16, _ int) {}

func pack512(_, _ *uint8, _ *packing, _ int) {}

func unpack512(unsafe.Pointer, *uint8, *spreading, int) {}

func lookup512(_, _ *uint8, _ *[1 << 8]uint8, _ int) {}

func note512(*[2][64]uint8, *uint8, int, uint8) {}

func count512(*uint8, uint8, int) int { return 0 }

func bits16x512(*[16]int64, *uint16, int) {}

func shorten512(*uint8, *uint16, int) {}

func bounds512(int, unsafe.Pointer, unsafe.Pointer, unsafe.Pointer, int) {}

func lookup16x512(*uint16, *uint8, *[2][1 << 8]uint8, int) {}
