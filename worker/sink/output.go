package sink

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"

	"rescore/partition/store"
	"rescore/worker/freelist"
)

// outputBuffer is the size of the writes a store sees, apart from the last.
const outputBuffer = 256 << 10

// checks are two different checksums of a sequence of bytes. Damage that one of them
// misses, one time in 2^32, the other finds. Both together take a twentieth of the
// time of SHA-256.
type checks struct{ ieee, castagnoli uint32 }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (c *checks) Write(p []byte) (int, error) {
	c.ieee, c.castagnoli = crc32.Update(c.ieee, crc32.IEEETable, p), crc32.Update(c.castagnoli, castagnoli, p)
	return len(p), nil
}

// output counts and hashes what goes into one object, and gives it to the store
// in large pieces.
type output struct {
	writer store.Writer
	hash   hash.Hash
	checks checks
	offset int64  // bytes taken so far
	buffer []byte // nil when all is committed
}

func newOutput(w store.Writer) *output {
	return &output{writer: w, hash: sha256.New(), buffer: outputBuffers.Get()[:0]}
}

// outputBuffers keeps buffers from one object to the next.
var outputBuffers = freelist.List[[outputBuffer]byte]{New: func() *[outputBuffer]byte { return new([outputBuffer]byte) }}

func (o *output) Write(p []byte) (int, error) {
	if o.buffer == nil {
		return o.writer.Write(p) // which refuses it
	}
	o.hash.Write(p)
	_, _ = o.checks.Write(p) // never fails
	o.offset += int64(len(p))
	for rest := p; len(rest) > 0; {
		n := copy(o.buffer[len(o.buffer):cap(o.buffer)], rest)
		o.buffer = o.buffer[:len(o.buffer)+n]
		rest = rest[n:]
		if len(o.buffer) == cap(o.buffer) {
			if err := o.drain(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

// place returns the place behind the bytes taken so far.
func (o *output) place() place { return place{o.offset, o.checks} }

func (o *output) drain() error {
	if len(o.buffer) == 0 {
		return nil
	}
	_, err := o.writer.Write(o.buffer)
	o.buffer = o.buffer[:0]
	return err
}

// end gives the store what is left.
func (o *output) end() error {
	if err := o.drain(); err != nil {
		return err
	}
	outputBuffers.Put((*[outputBuffer]byte)(o.buffer[:outputBuffer]))
	o.buffer = nil
	return nil
}

func (o *output) commit() error {
	if err := o.end(); err != nil {
		return err
	}
	return o.writer.Commit()
}

// settle commits an object and has it read again, both at once where the store shows what is
// not durable yet: the disk is waited for while there is something to do. An object that
// is not what was meant is deleted.
func settle(ctx context.Context, st store.Store, w store.Writer, name string, prove func(store.Object) error) error {
	o, err := preview(w)
	switch {
	case err == nil:
		defer o.Close()
		committed := false
		err = both(func() error {
			err := w.Commit()
			committed = err == nil
			return err
		}, func() error { return prove(o) })
		if !committed {
			return err
		}
	case errors.Is(err, errors.ErrUnsupported):
		if err := w.Commit(); err != nil {
			return err
		}
		err = reread(ctx, st, name, prove)
	default:
		return err
	}
	if err != nil { // nobody was told of this object, so it may go; if not, garbage finds it
		err = errors.Join(fmt.Errorf("verify %s: %w", name, err), st.Delete(context.WithoutCancel(ctx), name))
	}
	return err
}

func preview(w store.Writer) (store.Object, error) {
	if p, can := w.(store.Previewer); can {
		return p.Preview()
	}
	return nil, errors.ErrUnsupported
}

// reread opens an object and has it read.
func reread(ctx context.Context, st store.Store, name string, prove func(store.Object) error) error {
	o, err := st.Open(ctx, name)
	if err != nil {
		return err
	}
	defer o.Close()
	return prove(o)
}
