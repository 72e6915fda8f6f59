package source

import (
	"syscall"

	"golang.org/x/sys/unix"

	"rescore/partition/store"
)

// asker returns what has the system fetch a stretch of a local file in the background,
// nil of another object: stores that are far read ahead themselves.
func asker(obj store.Object) func(from, size int64) {
	f, ok := obj.(syscall.Conn)
	if !ok {
		return nil
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	return func(from, size int64) {
		_ = conn.Control(func(fd uintptr) { // where it is not done, bytes come later
			_ = unix.Fadvise(int(fd), from, size, unix.FADV_WILLNEED)
		})
	}
}
