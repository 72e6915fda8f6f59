package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"rescore/partition/store"
	"rescore/partition/store/s3"
	"rescore/partition/store/s3/s3test"
)

func TestAbandonedUploadsAreTakenBack(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.Bucket(t, "abandon")
	proxy := s3test.NewProxy(t, server)
	st := below(t, newClient(t, proxy.Endpoint, bucket, func(o *s3.Options) { o.Attempts = 2 }), "")
	w, err := st.Create(t.Context(), "closed")
	check(t, err)
	for range 3 {
		_, err = w.Write(large)
		check(t, err)
	}
	check(t, w.Close())
	absent(t, st, "closed")
	noUploads(t, server, bucket, "")

	proxy.Plan(func(_ int, r *http.Request) s3test.Fault { // no object is ever completed
		if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") {
			return s3test.Busy
		}
		return s3test.None
	})
	if err := create(t.Context(), st, "failed", large); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("commit: %v, want ErrUnavailable", err)
	}
	check(t, st.Put(t.Context(), "source", large))
	if err := st.Adopt(t.Context(), "source", "adopted"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("adopt: %v, want ErrUnavailable", err)
	}
	noUploads(t, server, bucket, "")
}

// TestReadsAtRandomAreTheObject reads pieces of any size in any order, many at once,
// through a cache that holds a part of the object.
func TestReadsAtRandomAreTheObject(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	st := below(t, newClient(t, server.Endpoint, server.Bucket(t, "random"), func(o *s3.Options) { o.CacheBytes = 1 }), "")
	data := random(20<<20 + 77)
	check(t, create(t.Context(), st, "x", data))
	o, err := st.Open(t.Context(), "x")
	check(t, err)
	defer o.Close()
	var all sync.WaitGroup
	for seed := range uint64(6) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, 1))
			for range 60 {
				off, n := r.IntN(len(data)+9), r.IntN(1<<r.IntN(23))
				p := make([]byte, n)
				got, err := o.ReadAt(p, int64(off))
				want := data[min(off, len(data)):min(off+n, len(data))]
				if ended := got < n || off >= len(data); !bytes.Equal(p[:got], want) || ended != errors.Is(err, io.EOF) || !ended && err != nil {
					t.Errorf("read %d bytes at %d of %d: %d, %v, or other bytes", n, off, len(data), got, err)
				}
			}
		})
	}
	all.Wait()
}

func TestAdoptCopiesLargeObjectsInParts(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	st := below(t, newClient(t, server.Endpoint, server.Bucket(t, "copy"), func(o *s3.Options) { o.CopyBytes = 5 << 20 }), "")
	data := random(11<<20 + 1)
	check(t, create(t.Context(), st, "from", data))
	check(t, st.Adopt(t.Context(), "from", "to"))
	holds(t, st, "to", data)
}

func TestListingsOfManyPagesAreWhole(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.Bucket(t, "pages")
	var want []store.Info
	for i := range 2345 {
		name := fmt.Sprintf("a %04d+ü", i)
		check(t, os.WriteFile(filepath.Join(server.Buckets, bucket, name), nil, 0o644))
		want = append(want, store.Info{Name: name})
	}
	got, err := below(t, newClient(t, server.Endpoint, bucket, nil), "").List(t.Context(), "a ")
	check(t, err)
	if !slices.Equal(got, want) {
		t.Errorf("%d names of %d, or others", len(got), len(want))
	}
}

// TestAServerThatIgnoresConditionsIsRefused: it would overwrite.
func TestAServerThatIgnoresConditionsIsRefused(t *testing.T) {
	t.Parallel()
	for name, ignores := range map[string]func(r *http.Request) bool{
		"put":      func(r *http.Request) bool { return true },
		"complete": func(r *http.Request) bool { return r.Method == http.MethodPost },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var objects sync.Map
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Etag", `"tag"`)
				made := false
				if r.Header.Get("If-None-Match") != "" {
					_, made = objects.LoadOrStore(r.URL.Path, true)
				}
				switch {
				case r.Method == http.MethodHead:
					w.Header().Set("Content-Length", "1")
				case r.URL.Query().Has("uploads"):
					_, _ = io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
				case made && !ignores(r):
					w.WriteHeader(http.StatusPreconditionFailed)
				case r.Method == http.MethodPost: // completed
					_, _ = io.WriteString(w, `<CompleteMultipartUploadResult><ETag>"tag"</ETag></CompleteMultipartUploadResult>`)
				}
			}))
			defer server.Close()
			st := below(t, newClient(t, server.URL, "bucket", nil), "")
			_, creating := st.Create(t.Context(), "x")
			for doing, err := range map[string]error{"create": creating, "put": st.Put(t.Context(), "x", nil), "adopt": st.Adopt(t.Context(), "x", "y")} {
				if !errors.Is(err, s3.ErrConditional) {
					t.Errorf("%s: %v, want ErrConditional", doing, err)
				}
			}
		})
	}
}

func TestWrongCredentialsAreSaidWithoutThem(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.Bucket(t, "secret")
	for name, key := range map[string][2]string{"unknown key": {"AKIAWRONGWRONGWRONG", s3test.SecretKey}, "wrong secret": {s3test.AccessKey, "wrong-wrong-wrong"}} {
		st := below(t, newClient(t, server.Endpoint, bucket, func(o *s3.Options) { o.Credentials = credentials.NewStaticV4(key[0], key[1], "") }), "")
		_, opening := st.Open(t.Context(), "x")
		for doing, err := range map[string]error{"open": opening, "put": st.Put(t.Context(), "x", nil)} {
			// versitygw answers an unknown key 404, and not as other servers do.
			if err == nil || errors.Is(err, store.ErrNotExist) || name == "wrong secret" && !errors.Is(err, store.ErrDenied) {
				t.Errorf("%s, %s: %v, want ErrDenied", name, doing, err)
				continue
			}
			for _, secret := range []string{key[0], key[1], s3test.SecretKey, "Signature="} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s, %s: the error tells a secret", name, doing)
				}
			}
		}
	}
	none := below(t, newClient(t, server.Endpoint, bucket, func(o *s3.Options) { o.Credentials = credentials.NewStaticV4("", "", "") }), "")
	if err := none.Put(t.Context(), "x", nil); err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("without credentials: %v", err)
	}
	lost := below(t, newClient(t, server.Endpoint, "never-made", nil), "")
	if _, err := lost.List(t.Context(), ""); !errors.Is(err, store.ErrNotExist) || !strings.Contains(err.Error(), "bucket") {
		t.Errorf("a bucket that does not exist: %v", err)
	}
}

// TestTheBudgetEndsAStorm: requests that fail together are not repeated without end.
func TestTheBudgetEndsAStorm(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	st := below(t, newClient(t, server.URL, "bucket", nil), "")
	var all sync.WaitGroup
	const many = 500
	for range many {
		all.Go(func() {
			if _, err := st.Open(t.Context(), "x"); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("open: %v, want ErrUnavailable", err)
			}
		})
	}
	all.Wait()
	if n := asked.Load(); n > many+256 {
		t.Errorf("%d requests asked %d times", many, n)
	}
}

// TestUploadsOfKilledProcessesAreTakenBack: those that are a week old, below the prefix.
func TestUploadsOfKilledProcessesAreTakenBack(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.Bucket(t, "sweep")
	var aborted sync.Map
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case r.Method == http.MethodGet && q.Has("uploads"):
			w.Header().Set("Date", "Sun, 22 Nov 2026 09:00:00 GMT")
			_, _ = io.WriteString(w, `<ListMultipartUploadsResult>
				<Upload><Key>out/old</Key><UploadId>1</UploadId><Initiated>2026-11-14T08:00:00.000Z</Initiated></Upload>
				<Upload><Key>out/new</Key><UploadId>2</UploadId><Initiated>2026-11-21T08:00:00.000Z</Initiated></Upload>
				<Upload><Key>others/old</Key><UploadId>3</UploadId><Initiated>2025-11-14T08:00:00.000Z</Initiated></Upload>
				<Upload><Key>out/when</Key><UploadId>4</UploadId></Upload>
			</ListMultipartUploadsResult>`)
		case r.Method == http.MethodDelete && q.Has("uploadId") && len(q.Get("uploadId")) == 1:
			aborted.Store(r.URL.Path+" "+q.Get("uploadId"), true)
			w.WriteHeader(http.StatusNoContent)
		default:
			forward(t, w, r, server.Endpoint)
		}
	}))
	defer front.Close()
	check(t, below(t, newClient(t, front.URL, bucket, nil), "out").Put(t.Context(), "x", nil))
	var got []any
	aborted.Range(func(k, _ any) bool { got = append(got, k); return true })
	if !slices.Equal(got, []any{"/sweep/out/old 1"}) {
		t.Errorf("taken back: %v", got)
	}
}

// forward carries a request to a server as it is.
func forward(t *testing.T, w http.ResponseWriter, r *http.Request, endpoint string) {
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Error(err)
	}
	(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(u); p.Out.Host = p.In.Host }}).ServeHTTP(w, r)
}

// TestFilesBehindTheServersBackAreRead: they have no ETag, and a time instead.
func TestFilesBehindTheServersBackAreRead(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.Bucket(t, "behind")
	st := below(t, newClient(t, server.Endpoint, bucket, nil), "")
	file := filepath.Join(server.Buckets, bucket, "x")
	check(t, os.WriteFile(file, large, 0o600))
	check(t, read(t.Context(), st, "x", large))
	check(t, st.Adopt(t.Context(), "x", "y"))
	holds(t, st, "y", large)
	o, err := st.Open(t.Context(), "x")
	check(t, err)
	defer o.Close()
	check(t, os.Chtimes(file, time.Time{}, time.Unix(1e9, 0)))
	if _, err := o.ReadAt(make([]byte, 10), 0); !errors.Is(err, store.ErrChanged) {
		t.Errorf("read of a file with another time: %v, want ErrChanged", err)
	}
}
