package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/minio/minio-go/v7/pkg/s3utils"
	"golang.org/x/sync/errgroup"

	"rescore/partition/store"
)

// copyingMax is how many parts of one object the server is asked to copy at once.
const copyingMax = 4

// Adopt implements store.Store. The server copies the bytes: as parts, whatever the
// size, because few servers take a condition with CopyObject, and it ends at 5 GB.
func (s *Store) Adopt(ctx context.Context, from, to string) error {
	source, err := s.key(ctx, from)
	if err != nil {
		return err
	}
	target, err := s.key(ctx, to)
	if err != nil {
		return err
	}
	if err := s.prove(ctx); err != nil {
		return explain("adopt "+from+" as", to, err)
	}
	f, err := s.client.find(ctx, source)
	if err != nil {
		return explain("open", from, err)
	}
	switch _, err := s.client.head(ctx, target); {
	case err == nil:
		return explain("adopt "+from+" as", to, store.ErrExist) // said before the copy is made
	case !absent(err):
		return explain("adopt "+from+" as", to, err)
	}
	if f.size == 0 {
		err = s.client.putNew(ctx, target, nil) // no range of it can be copied
	} else {
		err = s.client.copyNew(ctx, source, f, target)
	}
	return explain("adopt "+from+" as", to, err)
}

// copyNew makes an object of another's bytes, unless there is one.
func (c *Client) copyNew(ctx context.Context, from string, f facts, to string) error {
	size := max(c.CopyBytes, (f.size+partsMax-1)/partsMax)
	parts := make([]part, (f.size+size-1)/size)
	u, err := c.begin(ctx, to, f.sum, false)
	if err != nil {
		return err
	}
	copies, under := errgroup.WithContext(ctx)
	copies.SetLimit(copyingMax)
	for i := range parts {
		copies.Go(func() (err error) {
			first := int64(i) * size
			parts[i], err = u.copy(under, i+1, from, f, first, min(first+size, f.size))
			return err
		})
	}
	switch err = copies.Wait(); {
	case taken(err):
		err = fmt.Errorf("%s: %w", from, store.ErrChanged)
	case err == nil:
		err = u.complete(ctx, parts)
	}
	if err != nil {
		return errors.Join(err, u.abort(ctx))
	}
	return nil
}

func copySource(bucket, key string) string { return s3utils.EncodePath(bucket + "/" + key) }
