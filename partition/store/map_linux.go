package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
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
// brought with them: not at once, but when lingering bytes were forgotten after them.
func (o *fileObject) Forget(from, past int64) {
	if from >= past {
		return
	}
	base := int64(uintptr(unsafe.Pointer(unsafe.SliceData(o.mapped))) % around)
	from = max(0, (base+from)/around*around-base)
	past = min(o.size, (base+past+around-1)/around*around-base)
	forgotten.add(stretch{o, from, past}, lingering)
}

// lingering is how much of what was forgotten the process still has, however often and of
// however many files: what is summed up first and scored then does not leave its memory
// in between, and a base that is no larger than this not at all. It is the system's to
// take all along, whose pages these are; but they count as the process's.
const lingering = 192 << 20

// stretch is a part of a mapped file.
type stretch struct {
	of         *fileObject
	from, past int64
}

// stretches are those that were forgotten, the oldest first.
type stretches struct {
	mu    sync.Mutex
	all   []stretch
	bytes int64
}

var forgotten stretches

// add takes the newest, and gives up the oldest until there are no more than most bytes.
func (f *stretches) add(s stretch, most int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, s)
	f.bytes += s.past - s.from
	n, left := 0, f.bytes
	for ; left > most; n++ {
		left -= f.all[n].past - f.all[n].from
	}
	f.give(n)
}

// give gives up the n oldest.
func (f *stretches) give(n int) {
	for _, s := range f.all[:n] {
		f.bytes -= s.past - s.from
		_ = syscall.Madvise(s.of.mapped[s.from:s.past], syscall.MADV_DONTNEED) // advice
	}
	f.all = slices.Delete(f.all, 0, n)
}

// LetGo gives up all that was forgotten and lingers, as a process does of which nothing is
// asked: when it ends, it would take as long, on one core.
func LetGo() { forgotten.letGo() }

func (f *stretches) letGo() {
	for {
		f.mu.Lock()
		if len(f.all) == 0 {
			f.mu.Unlock()
			return
		}
		f.give(1)
		f.mu.Unlock() // others may want to add
	}
}

// drop takes out what is of a file that is to be closed.
func (f *stretches) drop(o *fileObject) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = slices.DeleteFunc(f.all, func(s stretch) bool {
		if s.of == o {
			f.bytes -= s.past - s.from
		}
		return s.of == o
	})
}

// Close ends what Map returned, too.
func (o *fileObject) Close() error {
	o.mapping.Lock()
	defer o.mapping.Unlock()
	var err error
	if o.mapped != nil {
		forgotten.drop(o) // before its addresses are another's
		err = syscall.Munmap(o.mapped)
		o.mapped = nil
	}
	if closing := o.File.Close(); err == nil {
		err = closing
	}
	return err
}
