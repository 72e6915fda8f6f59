package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// writeBack has the system begin to write bytes from to past-1 of a file to the disk.
func writeBack(f *os.File, from, past int64) {
	_ = unix.SyncFileRange(int(f.Fd()), from, past-from, unix.SYNC_FILE_RANGE_WRITE) // Sync writes what is left
}
