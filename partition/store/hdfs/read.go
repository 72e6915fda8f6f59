//go:build hdfs

package hdfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"github.com/colinmarc/hdfs/v2"

	"rescore/partition/store"
)

const (
	// idleMax is how many streams of an object are kept: as many columns are read
	// side by side without asking a datanode anew.
	idleMax = 4
	// skipMax is how far a stream is read on rather than opened anew. The client
	// does the reading.
	skipMax = 64 << 10
)

// Open implements store.Store.
func (s *Store) Open(ctx context.Context, name string) (store.Object, error) {
	at, err := s.at(ctx, name)
	if err != nil {
		return nil, err
	}
	info, err := s.stat(ctx, at)
	if errors.Is(err, ErrUnfinished) {
		err = fmt.Errorf("%w: %w", store.ErrNotExist, err)
	}
	if err != nil {
		return nil, explain("open", name, err)
	}
	return &object{client: s.client, name: name, at: at, info: info}, nil
}

// object is an open file. Each of its streams reads one block of a datanode on and on.
type object struct {
	client *hdfs.Client
	name   string
	at     string
	info   fs.FileInfo

	mu     sync.Mutex
	idle   []*stream // the one used last at the end
	closed bool
}

type stream struct {
	file *hdfs.FileReader
	next int64 // the offset it has come to
}

func (o *object) Size() int64 { return o.info.Size() }

// ReadAt implements io.ReaderAt.
func (o *object) ReadAt(p []byte, off int64) (n int, err error) {
	end := error(nil)
	switch rest := o.Size() - off; {
	case off < 0:
		return 0, fmt.Errorf("read %s: offset %d is negative", o.name, off)
	case rest <= 0:
		return 0, io.EOF
	case int64(len(p)) > rest:
		p, end = p[:rest], io.EOF
	}
	err = ask(context.Background(), func() error {
		s, err := o.take(off)
		if err != nil {
			return err
		}
		if n, err = s.file.ReadAt(p, off); n < len(p) {
			_ = s.file.Close() // the error of the read says more
			if absent(err) {
				return errors.Join(store.ErrChanged, err)
			}
			return fmt.Errorf("%d of %d bytes arrived: %w", n, len(p), err)
		}
		s.next = off + int64(n)
		return o.give(s)
	})
	if err != nil {
		return 0, explain("read", o.name, err)
	}
	return n, end
}

// take returns a stream that is at off or near before it, a new one, or when there are
// enough of them the one that was used least recently.
func (o *object) take(off int64) (*stream, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, fmt.Errorf("the object is closed: %w", store.ErrAbandoned)
	}
	best := -1
	for i, s := range o.idle {
		if s.next <= off && off-s.next <= skipMax && (best < 0 || s.next > o.idle[best].next) {
			best = i
		}
	}
	if best < 0 && len(o.idle) == idleMax {
		best = 0
	}
	if best >= 0 {
		s := o.idle[best]
		o.idle = slices.Delete(o.idle, best, best+1)
		return s, nil
	}
	f, err := o.client.Open(o.at)
	if err != nil {
		if absent(err) {
			err = errors.Join(store.ErrChanged, err)
		}
		return nil, err
	}
	if now := f.Stat(); now.Size() != o.info.Size() || identity(now) != identity(o.info) {
		return nil, errors.Join(store.ErrChanged, f.Close())
	}
	return &stream{file: f}, nil
}

// give takes a stream back.
func (o *object) give(s *stream) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.idle) == idleMax {
		_ = s.file.Close() // what was asked for has been read
		return nil
	}
	o.idle = append(o.idle, s)
	return nil
}

// identity is the namenode's number of a file: one by the same name is another.
func identity(info fs.FileInfo) uint64 {
	if status, ok := info.Sys().(*hdfs.FileStatus); ok {
		return status.GetFileId()
	}
	return 0
}

func (o *object) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for _, s := range o.idle {
		_ = s.file.Close() // in the middle of a block, which is no error
	}
	o.idle = nil
	return nil
}
