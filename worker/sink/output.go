package sink

import (
	"crypto/sha256"
	"hash"

	"rescore/partition/store"
)

// outputBuffer is the size of the writes a store sees, apart from the last.
const outputBuffer = 256 << 10

// output counts and hashes what goes into one object, and gives it to the store
// in large pieces.
type output struct {
	writer store.Writer
	hash   hash.Hash
	offset int64 // bytes taken so far
	buffer []byte
}

func newOutput(w store.Writer) *output {
	return &output{writer: w, hash: sha256.New(), buffer: make([]byte, 0, outputBuffer)}
}

func (o *output) Write(p []byte) (int, error) {
	o.hash.Write(p)
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

func (o *output) drain() error {
	if len(o.buffer) == 0 {
		return nil
	}
	_, err := o.writer.Write(o.buffer)
	o.buffer = o.buffer[:0]
	return err
}

func (o *output) commit() error {
	if err := o.drain(); err != nil {
		return err
	}
	return o.writer.Commit()
}
