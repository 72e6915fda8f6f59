package s3_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"rescore/partition/store"
	"rescore/partition/store/s3"
	"rescore/partition/store/s3/s3test"
	"rescore/partition/store/storetest"
)

func TestS3Conforms(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	conform(t, server.Endpoint, server.Bucket(t, "conform"))
}

func TestS3ConformsOnASecondServer(t *testing.T) {
	t.Parallel()
	server := s3test.StartMoto(t)
	conform(t, server.Endpoint, makeBucket(t, server, "conform"))
}

func conform(t *testing.T, endpoint, bucket string) {
	client := newClient(t, endpoint, bucket, nil)
	var n atomic.Int64
	storetest.Conformance(t, func(t *testing.T) store.Store {
		return below(t, client, fmt.Sprintf("store %d/+ü", n.Add(1)))
	})
}

// newClient returns a client that is quick to try again.
func newClient(t testing.TB, endpoint, bucket string, change func(*s3.Options)) *s3.Client {
	t.Helper()
	o := s3.Options{
		Bucket: bucket, Endpoint: endpoint, Region: s3test.Region, Pause: time.Millisecond, PartBytes: 5 << 20,
		Credentials: credentials.NewStaticV4(s3test.AccessKey, s3test.SecretKey, ""),
	}
	if change != nil {
		change(&o)
	}
	c, err := s3.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func below(t testing.TB, c *s3.Client, prefix string) *s3.Store {
	t.Helper()
	st, err := c.Store(prefix)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// makeBucket makes a bucket in moto, which lets everybody.
func makeBucket(t testing.TB, s s3test.Server, name string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.Endpoint+"/"+name, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("make bucket: %s", answer.Status)
	}
	return name
}
