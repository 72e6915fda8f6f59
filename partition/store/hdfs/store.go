//go:build hdfs

package hdfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"rescore/partition/store"
)

const (
	writing = 0o200 // the mode of a file that is no object yet
	written = 0o644
	folders = 0o755

	// staleAge is how old an unfinished file is that List shows: nobody writes that
	// long.
	staleAge = 24 * time.Hour
)

// Store is a folder of a cluster.
type Store struct {
	client *hdfs.Client
	folder string // "/", or /a/b
	name   string
}

func (s *Store) String() string { return s.name }

// at returns where an object is.
func (s *Store) at(ctx context.Context, name string) (string, error) {
	if err := store.CheckName(name); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("object %s: %w", name, err)
	}
	return path.Join(s.folder, name), nil
}

// stat finds a file. One that is unfinished is returned with ErrUnfinished.
func (s *Store) stat(ctx context.Context, at string) (info fs.FileInfo, err error) {
	err = ask(ctx, func() error {
		info, err = s.client.Stat(at)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fs.ErrNotExist // a folder is no object
	case !finished(info):
		return info, ErrUnfinished
	}
	return info, nil
}

func finished(info fs.FileInfo) bool { return info.Mode().Perm()&0o444 != 0 }

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string) ([]store.Info, error) {
	folder, err := store.CheckPrefix(prefix)
	if err == nil {
		err = ctx.Err()
	}
	var list []store.Info
	if err == nil {
		err = s.walk(ctx, folder, prefix, &list)
	}
	if err != nil {
		return nil, explain("list", prefix, err)
	}
	slices.SortFunc(list, func(a, b store.Info) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func (s *Store) walk(ctx context.Context, folder, prefix string, list *[]store.Info) error {
	var infos []fs.FileInfo
	err := ask(ctx, func() error {
		f, err := s.client.Open(path.Join(s.folder, folder))
		if err != nil {
			return err
		}
		defer f.Close()
		infos = nil
		if f.Stat().IsDir() {
			infos, err = f.Readdir(0)
		}
		return err
	})
	if absent(err) {
		return nil // deleted while we looked, or never there
	}
	if err != nil {
		return err
	}
	for _, info := range infos {
		name := path.Join(folder, info.Name())
		switch {
		case info.IsDir():
			if store.Leads(name, prefix) {
				if err := s.walk(ctx, name, prefix, list); err != nil {
					return err
				}
			}
		case strings.HasPrefix(name, prefix) && (finished(info) || time.Since(info.ModTime()) > staleAge):
			*list = append(*list, store.Info{Name: name, Size: info.Size()})
		}
	}
	return nil
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	o, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if o.Size() > limit {
		return nil, fmt.Errorf("read %s: %d bytes where at most %d are expected: %w", name, o.Size(), limit, store.ErrTooLarge)
	}
	data := make([]byte, o.Size())
	if n, err := o.ReadAt(data, 0); err != nil && (n < len(data) || !errors.Is(err, io.EOF)) {
		return nil, err
	}
	return data, nil
}

// Delete implements store.Store. It also takes a file that was never finished.
func (s *Store) Delete(ctx context.Context, name string) error {
	at, err := s.at(ctx, name)
	if err != nil {
		return err
	}
	_, err = s.stat(ctx, at)
	if err == nil || errors.Is(err, ErrUnfinished) {
		err = ask(ctx, func() error { return s.client.Remove(at) })
	}
	if err != nil && !absent(err) {
		return explain("delete", name, err)
	}
	return nil
}
