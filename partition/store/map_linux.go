package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
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

// Forget lets the system take back the memory of bytes from to past.
func (o *fileObject) Forget(from, past int64) {
	page := int64(os.Getpagesize())
	from, past = (from+page-1)/page*page, past/page*page
	if from < past {
		_ = syscall.Madvise(o.mapped[from:past], syscall.MADV_DONTNEED) // advice
	}
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
