package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"rescore/partition/store"
)

// Faulty is a store that fails on purpose. The steps that change something
// (Create, every Write, Commit, Put, Adopt, Delete) are counted from 1; step
// FailAt fails. A test walks FailAt upwards until Fired stays false and so
// visits every place where a disk can fill up.
type Faulty struct {
	store.Store
	// FailAt is the step that fails; 0 fails none.
	FailAt int
	// Sticky makes every later step fail as well, as on a disk that stays full.
	// Delete still works there, and so does closing a writer.
	Sticky bool
	// Partial is how many bytes of a failing Write reach the object all the same.
	Partial int
	// After carries the failing step out and then returns the error: the answer
	// is lost, the deed is done.
	After bool
	// Capacity, when positive, is how many bytes the disk takes in all: the Write
	// or Put that passes it is cut short and fails, and so do all later ones.
	Capacity int64
	// Err is the error; nil means a full disk, as the operating system says it.
	Err error

	mu    sync.Mutex
	step  int
	bytes int64
	fired bool
}

// Fired reports whether a step has failed.
func (f *Faulty) Fired() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fired
}

// next counts a step that writes size bytes. It returns how many of them may
// be written, whether the step is still carried out whole, and its error.
func (f *Faulty) next(doing, name string, size int) (allowed int, whole bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.step++
	allowed = size
	switch {
	case f.step == f.FailAt, f.Sticky && f.FailAt > 0 && f.step > f.FailAt && doing != "delete":
		allowed, whole = min(f.Partial, size), f.After && f.step == f.FailAt
	case f.Capacity > 0 && size > 0 && f.bytes+int64(size) > f.Capacity:
		allowed = int(max(f.Capacity-f.bytes, 0))
	default:
		f.bytes += int64(size)
		return size, true, nil
	}
	f.fired = true
	f.bytes += int64(allowed)
	if f.Err != nil {
		return allowed, whole, fmt.Errorf("%s %s: %w", doing, name, f.Err)
	}
	return allowed, whole, fmt.Errorf("%s %s: %w (%w)", doing, name, store.ErrNoSpace, syscall.ENOSPC)
}

// Create implements store.Store.
func (f *Faulty) Create(ctx context.Context, name string) (store.Writer, error) {
	return f.begin("create", name, func() (store.Writer, error) { return f.Store.Create(ctx, name) })
}

// Extend implements store.Extender where the store does.
func (f *Faulty) Extend(ctx context.Context, from string, size, cut int64, to string) (store.Writer, error) {
	in, can := f.Store.(store.Extender)
	if !can {
		return nil, errors.ErrUnsupported
	}
	return f.begin("extend", to, func() (store.Writer, error) { return in.Extend(ctx, from, size, cut, to) })
}

// begin is the step that starts an object.
func (f *Faulty) begin(doing, name string, start func() (store.Writer, error)) (store.Writer, error) {
	_, whole, fault := f.next(doing, name, 0)
	if fault != nil && !whole {
		return nil, fault
	}
	w, err := start()
	if err != nil {
		return nil, err
	}
	if fault != nil {
		return nil, fault // the object is left open and partial, as by a killed process
	}
	return &faultyWriter{Writer: w, store: f, name: name}, nil
}

type faultyWriter struct {
	store.Writer
	store *Faulty
	name  string
	err   error // a writer that lost bytes never commits
}

func (w *faultyWriter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	allowed, whole, fault := w.store.next("write", w.name, len(p))
	if whole {
		allowed = len(p)
	}
	n, err := w.Writer.Write(p[:allowed])
	if err == nil {
		err = fault
	}
	w.err = err
	return n, err
}

// Preview implements store.Previewer where the store's writer does.
func (w *faultyWriter) Preview() (store.Object, error) {
	in, can := w.Writer.(store.Previewer)
	if !can {
		return nil, errors.ErrUnsupported
	}
	_, whole, fault := w.store.next("preview", w.name, 0)
	if fault != nil && !whole {
		return nil, fault
	}
	return in.Preview()
}

func (w *faultyWriter) Commit() error {
	if w.err != nil {
		return w.err
	}
	_, whole, fault := w.store.next("commit", w.name, 0)
	if fault != nil && !whole {
		w.err = fault
		return fault
	}
	if err := w.Writer.Commit(); err != nil {
		return err
	}
	w.err = fault
	return fault
}

// Put implements store.Store.
func (f *Faulty) Put(ctx context.Context, name string, data []byte) error {
	_, whole, fault := f.next("put", name, len(data))
	if fault != nil && !whole {
		return fault
	}
	if err := f.Store.Put(ctx, name, data); err != nil {
		return err
	}
	return fault
}

// Adopt implements store.Store.
func (f *Faulty) Adopt(ctx context.Context, from, to string) error {
	_, whole, fault := f.next("adopt", to, 0)
	if fault != nil && !whole {
		return fault
	}
	if err := f.Store.Adopt(ctx, from, to); err != nil {
		return err
	}
	return fault
}

// Delete implements store.Store.
func (f *Faulty) Delete(ctx context.Context, name string) error {
	_, whole, fault := f.next("delete", name, 0)
	if fault != nil && !whole {
		return fault
	}
	if err := f.Store.Delete(ctx, name); err != nil {
		return err
	}
	return fault
}
