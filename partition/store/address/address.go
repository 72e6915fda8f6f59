// Package address is where a path of a job file or of a command leads: to a folder of
// this machine, to a bucket, or to a Hadoop file system.
//
//	out, /data/out, ../out       a folder; a relative one is below the job file's
//	s3://bucket/churn/out        a bucket, and what its keys begin with
//	hdfs://namenode:8020/churn   a cluster, and a folder in it
//
// Everything that opens a dataset opens it here. The stores of one bucket share a
// client for the life of the process, and with it connections, credentials, and what
// was found out about the server.
package address

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"rescore/partition/store"
	"rescore/partition/store/hdfs"
	"rescore/partition/store/s3"
)

// Remote reports whether an address is none of this machine's.
func Remote(address string) bool { return scheme(address) != "" }

// scheme returns what an address begins with, or "" for a folder's path.
func scheme(address string) string {
	for _, s := range []string{s3.Scheme, hdfs.Scheme} {
		if strings.HasPrefix(address, s) {
			return s
		}
	}
	return ""
}

// Resolve returns the whole address of a path that is written relative to base.
func Resolve(base, p string) string {
	switch s := scheme(p); {
	case s != "":
		return s + path.Clean(strings.TrimPrefix(p, s))
	case filepath.IsAbs(p):
		return filepath.Clean(p)
	}
	return Join(base, p)
}

// Join returns the address of what lies below another.
func Join(address, below string) string {
	if s := scheme(address); s != "" {
		return s + path.Join(strings.TrimPrefix(address, s), filepath.ToSlash(below))
	}
	return filepath.Join(address, filepath.FromSlash(below))
}

// Open opens the store at an address. A folder that is not there is made on this
// machine; elsewhere it is made with the first object.
func Open(address string) (store.Store, error) {
	if cluster, folder, ok := hdfs.Split(address); ok {
		return hdfs.Open(cluster, folder)
	}
	bucket, prefix, remote := s3.Split(address)
	if !remote {
		return store.NewFile(address)
	}
	c, err := client(bucket)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", address, err)
	}
	return c.Store(prefix)
}

// OpenExisting opens the store at an address to read from it. A folder must be there.
func OpenExisting(address string) (store.Store, error) {
	if !Remote(address) {
		if _, err := os.Stat(address); err != nil {
			return nil, err
		}
	}
	return Open(address)
}

// OpenInput opens the deepest folder that a pattern names plainly, and returns the
// rest of the pattern: usage/month={month} is month={month} below usage.
func OpenInput(ctx context.Context, pattern string) (store.Store, string, error) {
	root, rest := cut(filepath.ToSlash(pattern))
	file, err := isFile(ctx, root)
	if err != nil {
		return nil, "", fmt.Errorf("%w; give input.path a file, a folder or a pattern that exists", err)
	}
	if file {
		dir, last := path.Split(root)
		root, rest = strings.TrimRight(dir, "/"), path.Join(last, rest)
		if root == "" {
			root = "/"
		}
	}
	if rest == "" {
		rest = "."
	}
	st, err := Open(root)
	return st, rest, err
}

// cut splits a pattern before the first element that is none of a plain path.
func cut(pattern string) (root, rest string) {
	at := strings.IndexAny(pattern, "*?[{")
	if at < 0 {
		return pattern, ""
	}
	at = strings.LastIndexByte(pattern[:at], '/')
	switch {
	case at < 0:
		return ".", pattern
	case at == 0:
		return "/", pattern[1:]
	}
	return pattern[:at], pattern[at+1:]
}

// isFile reports whether an address is an object's or a file's. Elsewhere a folder is
// what names begin with, which needs not be there.
func isFile(ctx context.Context, address string) (bool, error) {
	if !Remote(address) {
		info, err := os.Stat(address)
		return err == nil && !info.IsDir(), err
	}
	_, err := size(ctx, address)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// size returns the size of an object.
func size(ctx context.Context, address string) (int64, error) {
	s := scheme(address)
	root, key, _ := strings.Cut(strings.TrimPrefix(address, s), "/")
	if key == "" {
		return 0, fs.ErrNotExist // the bucket or the cluster itself
	}
	st, err := Open(s + root)
	if err != nil {
		return 0, err
	}
	o, err := st.Open(ctx, key)
	if errors.Is(err, store.ErrNotExist) {
		return 0, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	if err != nil {
		return 0, err
	}
	return o.Size(), o.Close()
}

var clients struct {
	sync.Mutex
	of map[string]*s3.Client
}

// client returns the client of a bucket. It is made anew when the environment says
// something else.
func client(bucket string) (*s3.Client, error) {
	clients.Lock()
	defer clients.Unlock()
	o, err := s3.FromEnvironment(bucket)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("%s %s %s %t", o.Endpoint, o.Region, bucket, o.HostStyle)
	if c := clients.of[key]; c != nil {
		return c, nil
	}
	c, err := s3.NewClient(o)
	if err != nil {
		return nil, err
	}
	if clients.of == nil {
		clients.of = map[string]*s3.Client{}
	}
	clients.of[key] = c
	return c, nil
}
