package store

import (
	"runtime/debug"
	"sync/atomic"
)

// InPlace returns all bytes of an object as they lie in the system's memory, and who lets
// go of them, or nil where that cannot be had: then the object is read.
//
// Such bytes change when the object does: what is checked is taken first. Where somebody
// cut it there are none: whoever touches them defers Faults.
func InPlace(o Object) ([]byte, Mapper) {
	m, ok := o.(Mapper)
	if !ok {
		return nil, nil
	}
	b, err := m.Map()
	if err != nil { // its file system maps no files
		return nil, nil
	}
	return b, m
}

// Faults ends a call that touches bytes in place: what somebody cut off since is the error
// cut, and not the end of the process. The call begins with
//
//	defer store.Faults(debug.SetPanicOnFault(true), &err, cut)
func Faults(before bool, err *error, cut error) {
	debug.SetPanicOnFault(before)
	if p := recover(); p != nil {
		if _, ok := p.(interface{ Addr() uintptr }); !ok {
			panic(p)
		}
		*err = cut
	}
}

var looked atomic.Int64

// Look counts bytes that were looked at in place: no call of the system's tells of them.
func Look(bytes int64) { looked.Add(bytes) }

// Looked returns how many bytes this process has looked at in place.
func Looked() int64 { return looked.Load() }
