package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"

	"rescore/partition/store"
)

// Options say where a bucket is and how it is asked. The zero value of what is
// below Credentials is a default.
type Options struct {
	Bucket      string
	Endpoint    string // as https://host:port
	Region      string
	HostStyle   bool // the bucket is the first label of the host, not of the path
	Credentials *credentials.Credentials

	Transport http.RoundTripper
	// Attempts is how often a request is sent at most; 8 when 0.
	Attempts int
	// Pause bounds the first wait between two attempts; each further one may be
	// twice as long, up to 100 times this. 100 ms when 0.
	Pause time.Duration
	// Patience is how long one attempt may take beside the time its bytes take; 20 s
	// when 0.
	Patience time.Duration
	// Pace is how many bytes a second are the least; 128 KiB when 0.
	Pace int64
	// PartBytes is the size of the parts of large objects: 8 MiB when 0, and at least
	// 5 MiB, S3's minimum. An object has at most 10,000 of them.
	PartBytes int
	// CopyBytes is how much of an object one request copies: 512 MiB when 0, at most
	// 5 GiB, S3's maximum.
	CopyBytes int64
	// CacheBytes bounds the blocks that are kept of all objects; 128 MiB when 0.
	CacheBytes int
}

// Client speaks to one bucket. It is safe for concurrent use, and nothing needs to
// be closed.
type Client struct {
	Options
	bucket string
	base   url.URL
	http   *http.Client
	budget budget
	gate   chan struct{} // a place for every request under way
	cache  *cache

	mu     sync.Mutex
	proven bool // that conditions are honoured
}

// requestsMax is how many requests are under way at once.
const requestsMax = 32

// errCredentials is returned when no credentials can be found.
var errCredentials = errors.New("no credentials for the object store; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws/credentials")

// NewClient readies a client. It asks nothing.
func NewClient(o Options) (*Client, error) {
	if err := s3utils.CheckValidBucketName(o.Bucket); err != nil {
		return nil, fmt.Errorf("bucket %q: %w", o.Bucket, err)
	}
	base, err := url.Parse(o.Endpoint)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" || base.User != nil || base.RawQuery != "" || strings.Trim(base.Path, "/") != "" {
		return nil, errors.New("the endpoint of the object store is no URL such as https://host:9000; look at AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL")
	}
	base.Path = ""
	if o.HostStyle {
		base.Host = o.Bucket + "." + base.Host
	}
	o.Attempts = fallback(o.Attempts, 8)
	o.Pause = fallback(o.Pause, 100*time.Millisecond)
	o.Patience = fallback(o.Patience, 20*time.Second)
	o.Pace = fallback(o.Pace, 128<<10)
	o.PartBytes = fallback(o.PartBytes, 8<<20)
	o.CopyBytes = fallback(o.CopyBytes, 512<<20)
	o.CacheBytes = fallback(o.CacheBytes, 128<<20)
	if o.Transport == nil {
		o.Transport = Transport(nil)
	}
	return &Client{
		Options: o, bucket: o.Bucket, base: *base, gate: make(chan struct{}, requestsMax), cache: newCache(o.CacheBytes / blockBytes),
		http: &http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

func fallback[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// request is what is asked of a server.
type request struct {
	method string
	key    string     // "" asks the bucket
	query  url.Values // nil: none
	header http.Header
	body   []byte
	expect int64 // bytes of the answer, for its time
}

// do sends a request until it is answered, or it is no use. read takes the answer in,
// and may be called again when it fails; nil takes nothing.
func (c *Client) do(ctx context.Context, r request, read func(*http.Response) error) error {
	for attempt := 1; ; attempt++ {
		err := c.once(ctx, r, read)
		switch {
		case err == nil:
			c.budget.earn()
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !again(err):
			return err
		case attempt >= c.Attempts || !c.budget.spend():
			var m mismatch
			if errors.As(err, &m) {
				return fmt.Errorf("%w (%d attempts, the last: %w)", m.sentinel, attempt, err)
			}
			return fmt.Errorf("%w (%d attempts, the last: %w)", store.ErrUnavailable, attempt, err)
		}
		if err := pause(ctx, c.Pause, attempt); err != nil {
			return err
		}
	}
}

// once sends a request and takes its answer in, within a time of its own.
func (c *Client) once(ctx context.Context, r request, read func(*http.Response) error) error {
	select {
	case c.gate <- struct{}{}:
		defer func() { <-c.gate }()
	case <-ctx.Done():
		return ctx.Err()
	}
	travel := time.Duration(float64(int64(len(r.body))+r.expect) / float64(c.Pace) * float64(time.Second))
	ctx, cancel := context.WithTimeout(ctx, c.Patience+travel)
	defer cancel()
	signed, err := c.sign(ctx, r)
	if err != nil {
		return err
	}
	response, err := c.http.Do(signed)
	if err != nil {
		return bare(err)
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, response.Body, 64<<10) // so that the connection serves again
		_ = response.Body.Close()
	}()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return refusal(response)
	}
	if read == nil {
		return nil
	}
	return read(response)
}

// sign makes the HTTP request. A new one is signed for every attempt: the time is in it.
func (c *Client) sign(ctx context.Context, r request) (*http.Request, error) {
	u := c.base
	u.Path = "/" + r.key
	if !c.HostStyle {
		u.Path = "/" + c.bucket + "/" + r.key
	}
	u.RawPath = s3utils.EncodePath(u.Path)
	u.RawQuery = r.query.Encode()
	h, err := http.NewRequestWithContext(ctx, r.method, u.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if r.header != nil {
		h.Header = r.header.Clone()
	}
	sum := sha256.Sum256(r.body)
	h.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	h.Header.Set("User-Agent", "rescore")
	v, err := c.Credentials.GetWithContext(&credentials.CredContext{Client: c.http, Context: ctx})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCredentials, bare(err))
	}
	if v.AccessKeyID == "" || v.SecretAccessKey == "" {
		return nil, errCredentials
	}
	return signer.SignV4(*h, v.AccessKeyID, v.SecretAccessKey, v.SessionToken, c.Region), nil
}
