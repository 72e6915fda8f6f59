//go:build hdfs

package hdfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"rescore/partition/failpoint"
	"rescore/partition/store"
)

const (
	// A file is complete when the datanodes told the namenode of its last block.
	completeMax   = 600
	completePause = 100 * time.Millisecond
	// What holds the name of an object that is put is waited for so long to be one.
	wholeMax   = 50
	wholePause = 100 * time.Millisecond
	copyBytes  = 1 << 20
)

// Create implements store.Store.
func (s *Store) Create(ctx context.Context, name string) (store.Writer, error) {
	at, err := s.at(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.create(ctx, name, at)
}

func (s *Store) create(ctx context.Context, name, at string) (*writer, error) {
	if err := ask(ctx, func() error { return s.client.MkdirAll(path.Dir(at), folders) }); err != nil {
		if taken(err) {
			return nil, fmt.Errorf("make folder of %s: %s is a file", name, path.Dir(at))
		}
		return nil, explain("make folder of", name, err)
	}
	defaults, err := s.client.ServerDefaults()
	if err != nil {
		return nil, explain("create", name, err)
	}
	f, err := s.client.CreateFile(at, defaults.Replication, defaults.BlockSize, writing)
	if err != nil {
		return nil, explain("create", name, err)
	}
	return &writer{ctx: ctx, client: s.client, name: name, at: at, file: f}, nil
}

// writer writes a file that nobody can read before Commit.
type writer struct {
	ctx    context.Context
	client *hdfs.Client
	name   string
	at     string
	file   *hdfs.FileWriter // nil once closed
	err    error            // the first error: a writer that lost bytes never commits
}

func (w *writer) Write(p []byte) (int, error) {
	if w.file == nil || w.err != nil {
		return 0, store.Refusal("write", w.name, w.err)
	}
	n, err := w.file.Write(p)
	if err != nil {
		w.err = explain("write", w.name, err)
	}
	return n, w.err
}

func (w *writer) Commit() error {
	if w.file == nil || w.err != nil {
		return store.Refusal("commit", w.name, w.err)
	}
	failpoint.Hit("store.commit")
	if err := w.complete(); err != nil {
		w.err = explain("commit", w.name, errors.Join(err, w.Close()))
		return w.err
	}
	w.file = nil
	failpoint.Hit("store.synced")
	if err := ask(w.ctx, func() error { return w.client.Chmod(w.at, written) }); err != nil {
		w.err = explain("commit", w.name, err)
	}
	return w.err
}

// complete has the namenode close the file. It is asked until enough datanodes have
// told it of the last block.
func (w *writer) complete() error {
	for n := 1; ; n++ {
		err := w.file.Close()
		if !hdfs.IsErrReplicating(err) || n == completeMax {
			return err
		}
		if err := pause(w.ctx, completePause); err != nil {
			return err
		}
	}
}

// Close gives the file up: it is closed, so that its connection is, and removed.
func (w *writer) Close() error {
	if w.file == nil {
		return nil
	}
	_ = w.file.Close() // what it held is not wanted
	w.file = nil
	err := ask(context.WithoutCancel(w.ctx), func() error { return w.client.Remove(w.at) })
	if err != nil && !absent(err) {
		return explain("abandon", w.name, err)
	}
	return nil
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	return s.whole(ctx, name, bytes.NewReader(data))
}

// Adopt implements store.Store: it reads the bytes and writes them.
func (s *Store) Adopt(ctx context.Context, from, to string) error {
	if _, err := s.at(ctx, to); err != nil {
		return err
	}
	o, err := s.Open(ctx, from)
	if err != nil {
		return err
	}
	defer o.Close()
	if err := s.whole(ctx, to, io.NewSectionReader(o, 0, o.Size())); err != nil {
		return fmt.Errorf("adopt %s: %w", from, err)
	}
	return nil
}

// whole writes an object under a name that others may write as well: it is taken when
// an object is there, not while somebody is about to make one.
func (s *Store) whole(ctx context.Context, name string, r io.Reader) error {
	at, err := s.at(ctx, name)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		w, err := s.create(ctx, name, at)
		if err == nil {
			return w.fill(r)
		}
		if !errors.Is(err, store.ErrExist) {
			return err
		}
		_, failed := s.stat(ctx, at)
		switch {
		case failed == nil:
			return err
		case absent(failed): // given up, or a folder
			if n == wholeMax {
				return err
			}
		case errors.Is(failed, ErrUnfinished):
			if n == wholeMax {
				return explain("put", name, fmt.Errorf("%s: %w", at, ErrUnfinished))
			}
		default:
			return explain("put", name, failed)
		}
		if err := pause(ctx, wholePause); err != nil {
			return fmt.Errorf("put %s: %w", name, err)
		}
	}
}

func (w *writer) fill(r io.Reader) error {
	// Hidden, the reader cannot write itself: its pieces would be its own.
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, copyBytes))
	if err == nil {
		err = w.Commit()
	}
	return errors.Join(err, w.Close())
}
