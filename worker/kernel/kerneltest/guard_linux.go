package kerneltest

import (
	"syscall"
	"testing"
)

// Guarded returns size bytes behind which nobody may touch memory: what reads or writes
// past them stops the test.
func Guarded(tb testing.TB, size int) []byte {
	tb.Helper()
	page := syscall.Getpagesize()
	room := (size + page - 1) / page * page
	b, err := syscall.Mmap(-1, 0, room+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := syscall.Munmap(b); err != nil {
			tb.Error(err)
		}
	})
	if err := syscall.Mprotect(b[room:], syscall.PROT_NONE); err != nil {
		tb.Fatal(err)
	}
	return b[room-size : room]
}
