package sink

import (
	"fmt"
	"io"

	"rescore/partition/store"
)

// image is an object whose bytes are looked at where they lie, where its store has them in
// memory: without a system call, and without a copy. Whoever reads one defers store.Faults.
//
// Such bytes change when somebody changes the object, and nobody changes a staged file but
// behind its pages (store.Extender), which openStaged sees to. If somebody did, what is
// found would be wrong or right by chance; but memory is safe: what says how far to read
// or write is taken once and held to its limits then, and decoders that are not ours are
// given a copy.
type image struct {
	store.Object
	all []byte // nil where bytes have to be read
}

// viewer is an object that may have bytes in memory.
type viewer interface {
	// view returns bytes of the object, or nil where they have to be read.
	view(at, size int64) []byte
}

func imageOf(o store.Object) image {
	all, _ := store.InPlace(o)
	return image{Object: o, all: all}
}

func (i image) view(at, size int64) []byte {
	if size > int64(len(i.all))-at { // as read, they are not there either
		return nil
	}
	store.Look(size)
	return i.all[at : at+size : at+size]
}

// look returns bytes of an object, and whether they are where they lie: others are read
// into room, which grows. The error is ErrDamaged when they are not there.
func look(o store.Object, at, size int64, room *[]byte) (b []byte, shared bool, err error) {
	if v, is := o.(viewer); is {
		if b := v.view(at, size); b != nil {
			return b, true, nil
		}
	}
	if int64(cap(*room)) < size {
		*room = make([]byte, size)
	}
	b = (*room)[:size]
	if _, err := io.ReadFull(io.NewSectionReader(o, at, size), b); err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return b, false, nil
}

// errCut is of an object that has lost what was to be looked at in place.
var errCut = fmt.Errorf("%w: it was cut while it was read", ErrDamaged)
