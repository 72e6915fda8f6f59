// Package freelist keeps large memory that tasks are done with for the tasks after them.
//
// It is a sync.Pool for few and large things. A pool keeps one for each processor, which no
// other processor finds: two attempts on three processors, moved between them by the
// scheduler, make five row groups of 10 MB where three are in use at any time, and touch
// the memory of each for the first time. Here what was given back last, whose memory is
// near the processor or at least the process's, is taken first, by anybody.
//
// What nobody uses is the garbage collector's, as with a pool: an idle worker holds nothing.
package freelist

import (
	"sync"
	"weak"
)

// List is a list of what is free. New must be set, and not change; the list is not to be
// copied after the first use. It is safe for concurrent use.
type List[T any] struct {
	New func() *T // makes one when none is free

	mu   sync.Mutex
	free []weak.Pointer[T]
}

// Get returns what was given back last, as it was then, or a new one.
func (l *List[T]) Get() *T {
	l.mu.Lock()
	for n := len(l.free) - 1; n >= 0; n-- {
		x := l.free[n].Value()
		l.free = l.free[:n]
		if x != nil {
			l.mu.Unlock()
			return x
		}
	}
	l.mu.Unlock()
	return l.New()
}

// Put gives x back, which the caller no longer uses.
func (l *List[T]) Put(x *T) {
	l.mu.Lock()
	l.free = append(l.free, weak.Make(x))
	l.mu.Unlock()
}
