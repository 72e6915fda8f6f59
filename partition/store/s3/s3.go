// Package s3 is a store.Store in a bucket of an S3-compatible object store.
//
//	Create ─► parts of 8 MiB ─► CompleteMultipartUpload, If-None-Match: * ─┐
//	          (a small one) ──► PutObject, If-None-Match: * ───────────────┼─► 412: who was first?
//	Put ──────────────────────► PutObject, If-None-Match: * ───────────────┤   HEAD says whose attempt
//	Adopt ─► UploadPartCopy ──► CompleteMultipartUpload, If-None-Match: * ─┘   the object is
//	Open ───► HEAD ─► blocks of 1 MiB, several at once, If-Match: the ETag of HEAD
//
// # What is promised
//
// An object is absent or whole, never partial: S3 shows nothing before the request
// that ends it. Of all who create one name exactly one is told so. Both rest on
// conditional requests, and there are servers that take the condition and ignore
// it. So the first time something is written the bucket is tried, with objects
// beside the data that no listing shows; one that overwrites is refused with
// ErrConditional. It is not worked around: without the condition, who looks first
// and writes then can overwrite, and a version that was published would change.
//
// # An answer that was lost
//
// A request that ends an object may succeed although its answer does not arrive. It
// is asked again, and the second answer is 412: the object exists. Every attempt
// therefore has an identity, 128 random bits in the object's metadata, and HEAD
// tells the own object, which is success, from another's, which is ErrExist. When
// the server does not answer at all the outcome stays open: the error is
// store.ErrUnavailable, and the object may be there.
//
// # Bytes
//
// Every body that is sent is signed with its SHA-256 and carries its CRC-32C, so a
// server takes it as it was or refuses it. What is read is held to length, range
// and ETag, and a small object, which is read at once, to the CRC-32C it was put
// with. S3 has no checksum of a range: between a range and its reader stand TLS, the
// checksums of the pages, and the digests that this program takes of every file it
// publishes. Use an https endpoint.
package s3

import (
	"context"
	"fmt"
	"path"

	"rescore/partition/store"
)

// Store is a bucket, below a prefix. Several may share one Client.
type Store struct {
	client *Client
	prefix string // "" or ends in /
}

// Store returns the objects of the client's bucket below prefix. It asks nothing.
func (c *Client) Store(prefix string) (*Store, error) {
	if prefix == "" {
		return &Store{client: c}, nil
	}
	if err := store.CheckName(prefix); err != nil {
		return nil, fmt.Errorf("open s3://%s: %w", path.Join(c.bucket, prefix), err)
	}
	return &Store{client: c, prefix: prefix + "/"}, nil
}

func (s *Store) String() string { return "s3://" + path.Join(s.client.bucket, s.prefix) }

// key returns the object's key in the bucket.
func (s *Store) key(ctx context.Context, name string) (string, error) {
	if err := store.CheckName(name); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("object %s: %w", name, err)
	}
	return s.prefix + name, nil
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	key, err := s.key(ctx, name)
	if err != nil {
		return err
	}
	err = s.client.do(ctx, request{method: "DELETE", key: key}, nil)
	if absent(err) {
		return nil
	}
	return explain("delete", name, err)
}
