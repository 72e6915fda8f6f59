//go:build !amd64

package sink

import "unsafe"

// processors lists what this processor can run.
func processors() []processor { return []processor{scalar} }

// Nothing calls these where there is no other path.
func weigh(int, *uint64, unsafe.Pointer, uint64, int) {}

func mix(*[2][8]uint64, *uint64, int) {}

func uniform512(*uint64, *uint8, int) {}

func pack512(*uint8, *uint8, uint64, int, int) {}

func unpack512(unsafe.Pointer, *uint8, *spreading, int) {}

func lookup512(_, _ *uint8, _ *[1 << 8]uint8, _ int) {}

func note512(*[4][64]uint8, *uint8, int, uint8) uint64 { return 0 }

func count512(*uint8, uint8, int) int { return 0 }

func shorten512(*uint8, *uint16, int) {}

func bounds512(int, unsafe.Pointer, unsafe.Pointer, unsafe.Pointer, int) {}

func lookup16x512(*uint16, *uint8, *[2][1 << 8]uint8, int) {}
