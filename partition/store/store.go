// Package store is where bytes live. A Store keeps whole objects under
// slash-separated names; it creates and never overwrites, it never renames,
// and nothing it does is decided by listing a directory.
package store

import (
	"context"
	"errors"
	"io"
)

// ErrExist is returned by Create, Put and Adopt when the name is taken: the
// object there is untouched.
var ErrExist = errors.New("object exists")

// ErrNotExist is returned when there is no object by that name.
var ErrNotExist = errors.New("object does not exist")

// Object is an open object for reading, until it is closed: the context it was
// opened with may end before. It is safe for concurrent use.
type Object interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Mapper is an Object whose bytes can be had without being copied, as those of a local
// file can where the system maps files.
type Mapper interface {
	Object
	// Map returns all of the object's bytes, until Close. They are what the object has
	// now: they change with it, and touching those that were cut off since is a fault.
	Map() ([]byte, error)
	// Forget lets the system take back the memory of bytes from to past, which are as
	// they were when they are touched again.
	Forget(from, past int64)
}

// Extender is a Store that makes a new object of the beginning of another without
// copying it.
type Extender interface {
	Store
	// Extend starts the object to with the first cut of the size bytes of from; what is
	// written follows them. From is the same to everybody who opens it afterwards, and
	// whoever has it open sees its bytes from cut on change, or go. An object is extended
	// once: then, and where it cannot be done, the error is errors.ErrUnsupported, and to
	// is to be written whole.
	Extend(ctx context.Context, from string, size, cut int64, to string) (Writer, error)
}

// Writer writes one new object. Until Commit returns nil the object may be
// absent or partial; after it the bytes are durable. Commit returns ErrExist where
// two may create one name and the other was first. Close without Commit abandons
// the object and removes what it can.
type Writer interface {
	io.Writer
	Commit() error
	Close() error
}

// Previewer is a Writer whose object can be read before Commit made it durable.
type Previewer interface {
	Writer
	// Preview opens the object with what was written so far: the bytes that Open finds once
	// Commit has returned. It is called before Commit; what it returned may be read
	// meanwhile. Where it cannot be done the error is errors.ErrUnsupported.
	Preview() (Object, error)
}

// Info is what a listing says of an object.
type Info struct {
	Name string
	Size int64
}

// Store is a tree of objects. Implementations are safe for concurrent use.
type Store interface {
	// Open opens an object for reading, or returns ErrNotExist.
	Open(ctx context.Context, name string) (Object, error)
	// Create starts a new object, or returns ErrExist.
	Create(ctx context.Context, name string) (Writer, error)
	// Put writes a small object whole, or returns ErrExist.
	Put(ctx context.Context, name string, data []byte) error
	// Get reads a small object whole; it refuses one larger than limit bytes.
	Get(ctx context.Context, name string, limit int64) ([]byte, error)
	// Adopt makes the object at from also readable at to without changing it
	// (a hard link, or a copy inside the store), or returns ErrExist.
	Adopt(ctx context.Context, from, to string) error
	// List returns the objects whose names start with prefix, sorted by name.
	List(ctx context.Context, prefix string) ([]Info, error)
	// Delete removes an object. Removing an absent one is not an error.
	Delete(ctx context.Context, name string) error
	// String names the store for messages.
	String() string
}
