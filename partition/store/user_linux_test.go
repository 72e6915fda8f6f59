package store

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

// ordinary makes the file system take this test for an ordinary user, whom it denies
// what root may do, until the test cleans up. setfsuid is a thread's own affair, so
// the test keeps its thread till then.
func ordinary(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	runtime.LockOSThread()
	t.Cleanup(func() {
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0)
		runtime.UnlockOSThread()
	})
	const nobody = 65534
	if _, _, e := syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0); e != 0 {
		t.Fatalf("setfsuid: %v", e)
	}
	// It answers with the user before, and reports no error: ask whether it took.
	if now, _, _ := syscall.RawSyscall(syscall.SYS_SETFSUID, ^uintptr(0), 0, 0); now != nobody {
		t.Fatalf("the file system takes this thread for user %d still", now)
	}
}
