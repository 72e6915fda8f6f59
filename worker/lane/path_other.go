//go:build !amd64

package lane

import "unsafe"

// paths lists what this processor can run, the best last.
func paths() []path { return []path{plain} }

// vector does no row: all are the caller's.
func vector(step, int, unsafe.Pointer, unsafe.Pointer, unsafe.Pointer, *Mask, uint64, uint64) uint {
	return 0
}
