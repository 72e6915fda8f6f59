package s3

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"rescore/partition/failpoint"
	"rescore/partition/store"
)

// newAttempt names an attempt to make an object: nobody else has that name.
func newAttempt() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	key, err := s.key(ctx, name)
	if err != nil {
		return err
	}
	if err := s.prove(ctx); err != nil {
		return explain("put", name, err)
	}
	failpoint.Hit("store.put")
	return explain("put", name, s.client.putNew(ctx, key, data))
}

// putNew makes an object of data, unless there is one.
func (c *Client) putNew(ctx context.Context, key string, data []byte) error {
	attempt := newAttempt()
	header := http.Header{
		"If-None-Match":         {"*"},
		attemptHeader:           {attempt},
		sumHeader:               {sumOf(data)},
		"X-Amz-Checksum-Crc32c": {sumOf(data)},
		"Content-Type":          {"application/octet-stream"},
	}
	err := c.do(ctx, request{method: "PUT", key: key, header: header, body: data}, nil)
	return c.settle(ctx, key, attempt, err)
}

// settle finds out what became of an attempt to make an object whose last answer is
// err: the one before it may have been lost, and been success.
func (c *Client) settle(ctx context.Context, key, attempt string, err error) error {
	if err == nil || !taken(err) && !uploadGone(err) && !errors.Is(err, store.ErrUnavailable) {
		return err
	}
	f, unknown := c.head(ctx, key)
	switch {
	case unknown == nil && f.attempt == attempt:
		return nil
	case unknown == nil && !taken(err):
		return fmt.Errorf("%w (%w)", store.ErrExist, err) // and can no longer be made by this attempt
	case unknown != nil && taken(err) && !absent(unknown):
		return fmt.Errorf("the object exists, and whose it is cannot be found out: %w", unknown)
	}
	return err
}
