package lane

import (
	"syscall"
	"testing"
)

// region returns memory of whole pages whose next byte nobody may touch: a step
// that reads or writes past its rows stops the test.
func region(tb testing.TB, size int) []byte {
	page := syscall.Getpagesize()
	size = (size + page - 1) / page * page
	b, err := syscall.Mmap(-1, 0, size+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := syscall.Munmap(b); err != nil {
			tb.Error(err)
		}
	})
	if err := syscall.Mprotect(b[size:], syscall.PROT_NONE); err != nil {
		tb.Fatal(err)
	}
	return b[:size]
}
