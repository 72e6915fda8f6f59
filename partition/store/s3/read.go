package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"rescore/partition/store"
)

// Open implements store.Store.
func (s *Store) Open(ctx context.Context, name string) (store.Object, error) {
	key, err := s.key(ctx, name)
	if err != nil {
		return nil, err
	}
	f, err := s.client.find(ctx, key)
	if err != nil {
		return nil, explain("open", name, err)
	}
	o := &object{client: s.client, name: name, key: key, facts: f}
	o.last.Store(-2)
	o.ctx, o.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return o, nil
}

// object is an object that is read block by block, through the client's cache.
type object struct {
	client *Client
	name   string
	key    string
	facts  facts
	ctx    context.Context // until it is closed
	cancel context.CancelFunc
	under  sync.WaitGroup // blocks on their way
	last   atomic.Int64   // the block that was read last
}

func (o *object) Size() int64 { return o.facts.size }

// ReadAt implements io.ReaderAt. Blocks that the read spans are asked for at once,
// and some beyond them when the object is read from front to back.
func (o *object) ReadAt(p []byte, off int64) (n int, err error) {
	switch {
	case off < 0:
		return 0, fmt.Errorf("read %s: offset %d is negative", o.name, off)
	case o.ctx.Err() != nil:
		return 0, fmt.Errorf("read %s: the object is closed", o.name)
	case off >= o.facts.size:
		return 0, io.EOF
	}
	if rest := o.facts.size - off; int64(len(p)) > rest {
		p, err = p[:rest], io.EOF
	}
	for n < len(p) {
		at := off + int64(n)
		i := at / blockBytes
		past := (off + int64(len(p)) + blockBytes - 1) / blockBytes
		if last := o.last.Swap(i); i == last+1 || i == last {
			past = max(past, i+1+aheadMax)
		}
		b, failed := o.client.cache.get(o, i, min(past, i+1+aheadMax))
		if failed != nil {
			return n, explain("read", o.name, failed)
		}
		n += copy(p[n:], b.data[at-i*blockBytes:])
		o.client.cache.release(b)
	}
	return n, err
}

// Close ends reads that are under way, and gives the object's blocks back.
func (o *object) Close() error {
	o.cancel()
	o.client.cache.drop(o)
	o.under.Wait()
	return nil
}

// fetch reads a range of the object.
func (o *object) fetch(p []byte, off int64) error {
	return o.client.fetch(o.ctx, o.key, o.facts, p, off)
}

// fetch fills p from off of an object that is still what facts say.
func (c *Client) fetch(ctx context.Context, key string, f facts, p []byte, off int64) error {
	header := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1)}}
	f.condition(header, "If-Match")
	err := c.do(ctx, request{method: "GET", key: key, header: header, expect: int64(len(p))}, func(r *http.Response) error {
		whole := off == 0 && int64(len(p)) == f.size
		want := fmt.Sprintf("bytes %d-%d/%d", off, off+int64(len(p))-1, f.size)
		switch {
		case !f.same(r):
			return store.ErrChanged
		case r.StatusCode == http.StatusPartialContent && r.Header.Get("Content-Range") != want:
			return odd("asked for %s, the server sends %q", want, r.Header.Get("Content-Range"))
		case r.StatusCode != http.StatusPartialContent && !whole:
			return odd("asked for %s, the server sends the whole object", want)
		case r.ContentLength >= 0 && r.ContentLength != int64(len(p)):
			return odd("asked for %d bytes, the server sends %d", len(p), r.ContentLength)
		}
		if n, err := io.ReadFull(r.Body, p); err != nil {
			return fmt.Errorf("the answer ends after %d of %d bytes: %w", n, len(p), err)
		}
		if whole {
			return f.check(p)
		}
		return nil
	})
	if taken(err) || absent(err) {
		return errors.Join(store.ErrChanged, err)
	}
	return err
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	key, err := s.key(ctx, name)
	if err != nil {
		return nil, err
	}
	var data []byte
	header := http.Header{"X-Amz-Checksum-Mode": {"ENABLED"}}
	err = s.client.do(ctx, request{method: "GET", key: key, header: header, expect: min(limit, 64<<20)}, func(r *http.Response) error {
		f, err := factsOf(r)
		if err != nil {
			return err
		}
		if f.size > limit {
			return fmt.Errorf("%d bytes where at most %d are expected: %w", f.size, limit, store.ErrTooLarge)
		}
		data = make([]byte, f.size)
		if n, err := io.ReadFull(r.Body, data); err != nil {
			return fmt.Errorf("the answer ends after %d of %d bytes: %w", n, f.size, err)
		}
		return f.check(data)
	})
	if err != nil {
		return nil, explain("read", name, err)
	}
	return data, nil
}
