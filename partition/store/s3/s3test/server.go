// Package s3test starts real S3 servers for tests, and puts a proxy before them that
// fails on purpose.
package s3test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Versity is the server of choice: its posix backend keeps objects as files, and it
// installs with go alone. This module does not depend on it. CI installs the version
// of .ci/tools, and a test holds the two together.
const Versity = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

// Credentials of every server that is started here.
const (
	AccessKey = "rescore-test"
	SecretKey = "rescore-test-secret"
	Region    = "us-east-1"
)

// Server is a running S3 server.
type Server struct {
	Endpoint string
	Buckets  string // folder whose folders are buckets; "" when they are made over HTTP
}

// Start starts versitygw until the test ends. It is taken from PATH or from where go
// installs; otherwise the test is skipped, and says how to get it.
func Start(t testing.TB) Server {
	t.Helper()
	program := find(t, "versitygw")
	if program == "" {
		t.Skipf("versitygw, the S3 server of this test, is not installed: go install %s", Versity)
	}
	dir := t.TempDir()
	buckets := filepath.Join(dir, "buckets")
	for _, d := range []string{buckets, filepath.Join(dir, "sidecar")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	endpoint := run(t, func(ctx context.Context, address string) *exec.Cmd {
		// Metadata beside the files: not every file system has extended attributes.
		c := exec.CommandContext(ctx, program, "--quiet", "--keep-alive", "--region", Region, "--port", address, "posix", "--sidecar", filepath.Join(dir, "sidecar"), buckets)
		c.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey)
		return c
	})
	return Server{Endpoint: endpoint, Buckets: buckets}
}

// StartMoto starts moto, the second opinion: pip install 'moto[server]'. Its memory
// holds the buckets.
func StartMoto(t testing.TB) Server {
	t.Helper()
	program := find(t, "moto_server")
	if program == "" {
		t.Skip("moto_server, the second S3 server of this test, is not installed: pip install 'moto[server,s3]'")
	}
	return Server{Endpoint: run(t, func(ctx context.Context, address string) *exec.Cmd {
		host, port, _ := net.SplitHostPort(address)
		return exec.CommandContext(ctx, program, "-H", host, "-p", port)
	})}
}

// find returns where a program is, "" when it is nowhere.
func find(t testing.TB, program string) string {
	if found, err := exec.LookPath(program); err == nil {
		return found
	}
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOBIN", "GOPATH").Output()
	if err != nil {
		return ""
	}
	lines := strings.SplitN(string(out), "\n", 3)
	for _, dir := range []string{lines[0], filepath.Join(lines[1], "bin")} {
		if found, err := exec.LookPath(filepath.Join(dir, program)); dir != "" && err == nil {
			return found
		}
	}
	return ""
}

// run starts a server on a free port and waits until it answers. Another process may
// take the port in between; then there is another one.
func run(t testing.TB, command func(ctx context.Context, address string) *exec.Cmd) string {
	t.Helper()
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var log bytes.Buffer
		c := command(ctx, address)
		c.Stdout, c.Stderr = &log, &log
		c.Cancel = func() error { return c.Process.Signal(syscall.SIGKILL) }
		if err := c.Start(); err != nil {
			cancel()
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = c.Wait(); close(ended) }()
		if answers("http://"+address, ended) {
			t.Cleanup(func() { cancel(); <-ended })
			return "http://" + address
		}
		cancel()
		<-ended
		t.Logf("the S3 server did not start: %s", log.String())
	}
	t.Fatal("no S3 server started")
	return ""
}

// answers waits until something answers at url, or the process has ended, or a minute
// is over.
func answers(url string, ended <-chan struct{}) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		r, err := http.Get(url) //nolint:gosec,noctx // a server of our own
		if err == nil {
			_ = r.Body.Close()
			return true
		}
		var network net.Error
		if !errors.As(err, &network) {
			return false
		}
		select {
		case <-ended:
			return false
		case <-tick.C:
		}
	}
	return false
}

// Setenv makes the server the object store of this process, until the test ends.
func (s Server) Setenv(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_S3": s.Endpoint, "AWS_REGION": Region, "AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey,
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_CONFIG_FILE": filepath.Join(t.TempDir(), "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"),
	} {
		t.Setenv(name, value)
	}
}

// Bucket makes a bucket in a server that keeps them as folders.
func (s Server) Bucket(t testing.TB, name string) string {
	t.Helper()
	if err := os.Mkdir(filepath.Join(s.Buckets, name), 0o755); err != nil {
		t.Fatal(fmt.Errorf("make bucket: %w", err))
	}
	return name
}
