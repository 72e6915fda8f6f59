package store

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"
)

// Map returns the file's bytes as they are in the system's memory, and not a copy of
// them.
func (o *fileObject) Map() ([]byte, error) {
	o.mapping.Lock()
	defer o.mapping.Unlock()
	if o.mapped != nil || o.size == 0 {
		return o.mapped, nil
	}
	conn, err := o.SyscallConn()
	if err == nil {
		refused := conn.Control(func(fd uintptr) {
			o.mapped, err = syscall.Mmap(int(fd), 0, int(o.size), syscall.PROT_READ, syscall.MAP_SHARED)
		})
		err = errors.Join(err, refused)
	}
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", o.Name(), err)
	}
	return o.mapped, nil
}

// around is the most that the system brings at once of a file of which one byte is
// touched: a huge page, at a multiple of its size.
const around = 2 << 20

// Forget lets the system take back the memory of bytes from to past, and of what it
// brought with them.
func (o *fileObject) Forget(from, past int64) {
	if from >= past {
		return
	}
	base := int64(uintptr(unsafe.Pointer(unsafe.SliceData(o.mapped))) % around)
	from = max(0, (base+from)/around*around-base)
	past = min(o.size, (base+past+around-1)/around*around-base)
	_ = syscall.Madvise(o.mapped[from:past], syscall.MADV_DONTNEED) // advice
}

// Close ends what Map returned, too.
func (o *fileObject) Close() error {
	o.mapping.Lock()
	defer o.mapping.Unlock()
	var err error
	if o.mapped != nil {
		err = syscall.Munmap(o.mapped)
		o.mapped = nil
	}
	if closing := o.File.Close(); err == nil {
		err = closing
	}
	return err
}
