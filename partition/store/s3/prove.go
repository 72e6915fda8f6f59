package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"rescore/partition/store"
)

// prove tries once whether the bucket's server honours the conditions that writing
// rests on: it puts an object, and then tries to make the same one again, in both
// ways. An error is no proof of anything, and the next write tries again.
func (s *Store) prove(ctx context.Context) error {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proven {
		return nil
	}
	key := s.prefix + store.TempMark + newAttempt()
	if err := c.putNew(ctx, key, []byte("tried by rescore; delete it")); err != nil {
		return refused(err)
	}
	err := c.tryAgain(ctx, key)
	removed := c.do(ctx, request{method: "DELETE", key: key}, nil)
	if err == nil && removed != nil {
		err = fmt.Errorf("remove what the conditions were tried with: %w", removed)
	}
	if c.proven = err == nil; c.proven {
		s.sweep(ctx)
	}
	return err
}

// tryAgain makes sure that an object that exists cannot be made again.
func (c *Client) tryAgain(ctx context.Context, key string) error {
	switch err := c.putNew(ctx, key, nil); {
	case err == nil:
		return ErrConditional
	case !taken(err):
		return refused(err)
	}
	u, err := c.begin(ctx, key, "", true)
	if err != nil {
		return err
	}
	p, err := u.send(ctx, 1, []byte("tried by rescore; delete it"))
	if err == nil {
		err = u.complete(ctx, []part{p})
	}
	switch {
	case err == nil:
		return ErrConditional
	case !taken(err):
		return errors.Join(refused(err), u.abort(ctx))
	}
	return u.abort(ctx)
}

// refused marks the answer of a server that knows that it cannot do it.
func refused(err error) error {
	if code, word := status(err); code == http.StatusNotImplemented || word == "NotImplemented" {
		return fmt.Errorf("%w (%w)", ErrConditional, err)
	}
	return err
}
