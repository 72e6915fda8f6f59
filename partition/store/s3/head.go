package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
)

// Metadata that this store gives its objects.
const (
	attemptHeader = "X-Amz-Meta-Rescore-Attempt" // who made it
	sumHeader     = "X-Amz-Meta-Rescore-Crc32c"  // of its bytes, when they were known before it was sent
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOf is the CRC-32C of data as S3 writes it.
func sumOf(data []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.Checksum(data, castagnoli)))
}

// facts are what a server says of an object.
type facts struct {
	size     int64
	etag     string // "" of a file that was put behind the back of a server that serves a folder
	modified string // when, to the second
	attempt  string // of this store; "" when it is not its
	sum      string // CRC-32C of the whole object, "" when nobody knows
}

// condition sets the header by which a request is for these bytes and no others. A
// time will not do: servers compare the second they tell with the part of it they know.
func (f facts) condition(h http.Header, name string) {
	if f.etag != "" {
		h.Set(name, f.etag)
	}
}

// same reports whether an answer is of the same object: not every request carries a
// condition, and not every server knows it.
func (f facts) same(r *http.Response) bool {
	if f.etag != "" {
		return r.Header.Get("Etag") == f.etag
	}
	return r.Header.Get("Last-Modified") == f.modified
}

// head asks for the facts of an object.
func (c *Client) head(ctx context.Context, key string) (f facts, err error) {
	header := http.Header{"X-Amz-Checksum-Mode": {"ENABLED"}}
	err = c.do(ctx, request{method: "HEAD", key: key, header: header}, func(r *http.Response) (err error) {
		f, err = factsOf(r)
		return err
	})
	return f, err
}

// find is head of an object that should be there: when it is not, it asks once more,
// in the way that is answered with a reason, which may be the bucket or the user.
func (c *Client) find(ctx context.Context, key string) (facts, error) {
	f, err := c.head(ctx, key)
	if !absent(err) {
		return f, err
	}
	why := c.do(ctx, request{method: "GET", key: key, header: http.Header{"Range": {"bytes=0-0"}}}, nil)
	if why == nil {
		why = err
	}
	return f, why
}

func factsOf(r *http.Response) (facts, error) {
	f := facts{etag: r.Header.Get("Etag"), modified: r.Header.Get("Last-Modified"), attempt: r.Header.Get(attemptHeader), sum: r.Header.Get(sumHeader)}
	size, err := strconv.ParseInt(r.Header.Get("Content-Length"), 10, 64)
	if err != nil || size < 0 {
		return f, odd("the server does not say how long the object is")
	}
	f.size = size
	if f.etag == "" && f.modified == "" {
		return f, odd("the server gives the object neither an ETag nor a time")
	}
	// A sum of sums, of an object of several parts, ends in -N.
	if sum := r.Header.Get("X-Amz-Checksum-Crc32c"); f.sum == "" && len(sum) == 8 && !strings.Contains(sum, "-") && r.Header.Get("X-Amz-Checksum-Type") != "COMPOSITE" {
		f.sum = sum
	}
	return f, nil
}

// check compares the bytes of a whole object to its checksum.
func (f facts) check(data []byte) error {
	if f.sum != "" && sumOf(data) != f.sum {
		return other("%d bytes arrived with another CRC-32C than they were stored with", len(data))
	}
	return nil
}
