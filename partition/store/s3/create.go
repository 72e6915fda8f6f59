package s3

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"rescore/partition/failpoint"
	"rescore/partition/store"
)

// sendingMax is how many parts of one object are on their way at once. A writer
// holds one part more in memory, the one that is being filled.
const sendingMax = 2

// Create implements store.Store. That the name is free is a courtesy; Commit decides.
func (s *Store) Create(ctx context.Context, name string) (store.Writer, error) {
	key, err := s.key(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := s.prove(ctx); err != nil {
		return nil, explain("create", name, err)
	}
	switch _, err := s.client.head(ctx, key); {
	case err == nil:
		return nil, explain("create", name, store.ErrExist)
	case !absent(err):
		return nil, explain("create", name, err)
	}
	w := &writer{client: s.client, name: name, key: key, slots: make(chan []byte, sendingMax)}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	for range sendingMax {
		w.slots <- nil
	}
	return w, nil
}

// writer sends an object: at once when it is smaller than a part, and in parts when
// it is not.
type writer struct {
	client *Client
	name   string
	key    string
	ctx    context.Context
	cancel context.CancelCauseFunc

	buffer []byte // of the part that is being filled
	upload *upload
	count  int // parts that were handed over
	slots  chan []byte
	under  sync.WaitGroup
	err    error // the first error: a writer that lost bytes never commits
	ended  bool

	mu     sync.Mutex
	parts  []part
	failed error // the first error of a part
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (n int, err error) {
	if w.ended || w.err != nil {
		return 0, store.Refusal("write", w.name, w.err)
	}
	for n < len(p) {
		if len(w.buffer) == w.client.PartBytes {
			if w.err = explain("write", w.name, w.flush()); w.err != nil {
				return n, w.err
			}
		}
		room := min(len(p)-n, w.client.PartBytes-len(w.buffer))
		w.buffer = append(w.buffer, p[n:n+room]...)
		n += room
	}
	return n, nil
}

// flush hands the filled part over to be sent, and takes a buffer that was.
func (w *writer) flush() error {
	if err := w.broken(); err != nil {
		return err
	}
	if w.upload == nil {
		u, err := w.client.begin(w.ctx, w.key, "", true)
		if err != nil {
			return err
		}
		w.upload = u
	}
	if w.count++; w.count > partsMax {
		return fmt.Errorf("more than %d parts of %d bytes: %w", partsMax, w.client.PartBytes, store.ErrTooLarge)
	}
	var next []byte
	select {
	case next = <-w.slots:
	case <-w.ctx.Done():
		return w.broken()
	}
	number, data := w.count, w.buffer
	w.buffer = next[:0]
	w.under.Go(func() {
		p, err := w.upload.send(w.ctx, number, data)
		w.mu.Lock()
		defer w.mu.Unlock()
		if err == nil {
			w.parts = append(w.parts, p)
		} else if w.failed == nil {
			w.failed = err
		}
		w.slots <- data // there is always room: every part sent took one out
	})
	return nil
}

// broken returns the error of a part, or of the context.
func (w *writer) broken() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return w.failed
	}
	return context.Cause(w.ctx)
}

// Commit implements store.Writer.
func (w *writer) Commit() error {
	if w.ended || w.err != nil {
		return store.Refusal("commit", w.name, w.err)
	}
	w.ended = true
	failpoint.Hit("store.commit")
	if w.err = explain("commit", w.name, w.commit()); w.err != nil {
		return errors.Join(w.err, w.abandon())
	}
	w.cancel(nil)
	failpoint.Hit("store.synced")
	return nil
}

func (w *writer) commit() error {
	if w.upload == nil {
		if err := w.broken(); err != nil {
			return err
		}
		return w.client.putNew(w.ctx, w.key, w.buffer)
	}
	if err := w.flush(); err != nil {
		return err
	}
	w.under.Wait()
	if err := w.broken(); err != nil {
		return err
	}
	parts := make([]part, w.count)
	for _, p := range w.parts {
		parts[p.PartNumber-1] = p
	}
	return w.upload.complete(w.ctx, parts)
}

// Close implements store.Writer.
func (w *writer) Close() error {
	if w.ended {
		return nil
	}
	w.ended = true
	return explain("abandon", w.name, w.abandon())
}

// abandon takes back what was sent. Parts on their way may arrive first: a server can
// keep one that comes after the upload was taken back.
func (w *writer) abandon() error {
	late := time.AfterFunc(abortPatience, func() { w.cancel(store.ErrAbandoned) })
	w.under.Wait()
	late.Stop()
	w.cancel(store.ErrAbandoned)
	w.buffer = nil
	if w.upload == nil {
		return nil
	}
	return w.upload.abort(w.ctx)
}
