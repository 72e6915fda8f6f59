package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"rescore/partition/failpoint"
)

// NewFile opens the folder dir as a store and makes it when it is missing.
//
// Every name is resolved below dir by the operating system (os.Root), so no
// name and no symbolic link leads out of it. What is promised after a power
// cut:
//
//	Create  the object is whole once Commit returned; before that it may be
//	        absent or partial under its own name.
//	Put     the object is absent or whole, never partial: it is written and
//	        synced under a temporary name in the same folder, then hard-linked
//	        to its name, which fails when the name is taken.
//	Adopt   as Put: a hard link, so no byte moves.
//
// Where the file system has no hard links, Put and Adopt write under the final
// name, created exclusively; a crash can then leave a partial object, which
// readers find out by its digest.
//
// A crash can leave temporary files behind, named .put-…; they are no objects
// and may be deleted when no process uses the store. Those named .tail-… may not
// (extend.go).
func NewFile(dir string) (Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, explain("make store", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, explain("open store", dir, err)
	}
	s := &fileStore{dir: dir, root: root, link: root.Link, anchored: map[string]bool{}}
	s.sync = s.syncFolder
	return s, nil
}

type fileStore struct {
	dir  string
	root *os.Root
	// link is root.Link; tests replace it to play a file system without links.
	link func(from, to string) error
	sync func(folder string) error // syncFolder, likewise

	mu       sync.Mutex
	anchored map[string]bool // folders whose own entry, up to the root, was synced
}

func (s *fileStore) String() string { return "file://" + s.dir }

func (s *fileStore) Open(ctx context.Context, name string) (Object, error) {
	if err := ready(ctx, name); err != nil {
		return nil, err
	}
	return s.open(name)
}

func (s *fileStore) open(name string) (Object, error) {
	f, err := s.root.Open(name)
	if errors.Is(err, syscall.ENOTDIR) {
		err = fs.ErrNotExist // a/b where a is an object
	}
	if err != nil {
		return nil, explain("open", name, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist // a folder is no object
	}
	if err != nil {
		return nil, explain("open", name, errors.Join(err, f.Close()))
	}
	// Looked for once the file is open: of an end that is kept later, the file that is open
	// has all, or too little, which its reader notices.
	if t, err := s.tail(name); err == nil {
		return &extended{file: f, tail: t}, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, explain("open", name, errors.Join(err, f.Close()))
	}
	return &fileObject{File: f, size: info.Size()}, nil
}

type fileObject struct {
	*os.File
	size int64

	mapping sync.Mutex
	mapped  []byte // nil before Map
}

func (o *fileObject) Size() int64 { return o.size }

func (s *fileStore) Create(ctx context.Context, name string) (Writer, error) {
	if err := ready(ctx, name); err != nil {
		return nil, err
	}
	return s.create(name)
}

// folder makes the folder of an object. What lies in its place, and is none, is not the
// object: whoever asks for a name that is free must not be told that it is taken, and
// try another for ever.
func (s *fileStore) folder(name string) error {
	err := s.root.MkdirAll(path.Dir(name), 0o755)
	if errors.Is(err, fs.ErrExist) {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return explain("make folder of", name, err)
	}
	return nil
}

func (s *fileStore) create(name string) (*fileWriter, error) {
	if err := s.folder(name); err != nil {
		return nil, err
	}
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, explain("create", name, err)
	}
	return &fileWriter{store: s, name: name, file: f}, nil
}

type fileWriter struct {
	store *fileStore
	name  string
	file  *os.File // nil once closed
	err   error    // the first error: a writer that lost bytes never commits

	size, begun int64 // bytes, and before which the disk was asked to take them
}

func (w *fileWriter) Write(p []byte) (int, error) {
	if w.file == nil || w.err != nil {
		return 0, Refusal("write", w.name, w.err)
	}
	n, err := w.file.Write(p)
	if err != nil {
		w.err = explain("write", w.name, err)
	}
	if w.size += int64(n); w.size-w.begun >= writeBackBytes {
		writeBack(w.file, w.begun, w.size)
		w.begun = w.size
	}
	return n, w.err
}

// Preview implements Previewer: a file has its name from the beginning.
func (w *fileWriter) Preview() (Object, error) {
	if w.file == nil || w.err != nil {
		return nil, Refusal("preview", w.name, w.err)
	}
	return w.store.open(w.name)
}

// writeBackBytes is how much is written before the disk is asked to take it: then Commit
// has little to wait for.
const writeBackBytes = 1 << 20

func (w *fileWriter) Commit() error {
	if w.file == nil || w.err != nil {
		return Refusal("commit", w.name, w.err)
	}
	failpoint.Hit("store.commit")
	err := w.file.Sync()
	if closing := w.file.Close(); err == nil {
		err = closing
	}
	w.file = nil
	if err == nil {
		failpoint.Hit("store.synced")
		err = w.store.anchor(w.name)
	}
	if err != nil {
		w.err = explain("commit", w.name, err)
		_ = w.store.root.Remove(w.name)
	}
	return w.err
}

func (w *fileWriter) Close() error {
	if w.file == nil {
		return nil
	}
	err := errors.Join(w.file.Close(), w.store.root.Remove(w.name))
	w.file = nil
	if err != nil {
		return explain("abandon", w.name, err)
	}
	return nil
}

func (s *fileStore) Put(ctx context.Context, name string, data []byte) error {
	if err := ready(ctx, name); err != nil {
		return err
	}
	// Asked early for the plain answer only; the link below decides.
	if _, err := s.root.Lstat(name); err == nil {
		return explain("put", name, fs.ErrExist)
	}
	err := s.place(name, data)
	if unlinkable(err) {
		return s.copyTo(name, bytes.NewReader(data))
	}
	if err != nil {
		return explain("put", name, err)
	}
	return nil
}

// place writes a file that is there, whole and synced, or not at all.
func (s *fileStore) place(name string, data []byte) error {
	temp, err := s.writeTemp(path.Dir(name), data)
	if err != nil {
		return err
	}
	err = s.link(temp, name)
	_ = s.root.Remove(temp) // one that stays behind is no object
	if err != nil {
		return err
	}
	return s.anchor(name)
}

// writeTemp writes data to a new, synced file in folder that no listing shows.
func (s *fileStore) writeTemp(folder string, data []byte) (string, error) {
	for {
		name := path.Join(folder, TempMark+strconv.FormatUint(rand.Uint64(), 36))
		w, err := s.create(name)
		if errors.Is(err, ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if _, err := w.Write(data); err != nil {
			return "", errors.Join(err, w.Close())
		}
		failpoint.Hit("store.put")
		if err := w.file.Sync(); err != nil {
			return "", explain("write", name, errors.Join(err, w.Close()))
		}
		if err := w.file.Close(); err != nil {
			return "", explain("write", name, errors.Join(err, s.root.Remove(name)))
		}
		return name, nil
	}
}

func (s *fileStore) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	if err := ready(ctx, name); err != nil {
		return nil, err
	}
	o, err := s.open(name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if o.Size() > limit {
		return nil, fmt.Errorf("read %s: %d bytes where at most %d are expected: %w", name, o.Size(), limit, ErrTooLarge)
	}
	data := make([]byte, o.Size())
	if _, err := io.ReadFull(whole(o), data); err != nil {
		return nil, explain("read", name, err)
	}
	return data, nil
}

func (s *fileStore) Adopt(ctx context.Context, from, to string) error {
	if err := ready(ctx, from); err != nil {
		return err
	}
	if err := ready(ctx, to); err != nil {
		return err
	}
	o, err := s.open(from)
	if err != nil {
		return err
	}
	defer o.Close()
	if err := s.folder(to); err != nil {
		return err
	}
	if _, is := o.(*extended); is {
		return s.copyTo(to, whole(o))
	}
	err = s.link(from, to)
	if unlinkable(err) {
		return s.copyTo(to, whole(o))
	}
	if err == nil {
		err = s.anchor(to)
	}
	if err != nil {
		return explain("adopt "+from+" as", to, err)
	}
	return nil
}

// unlinkable reports whether err says that this link cannot be made here,
// whatever the names: no hard links at all, another volume, too many links,
// or somebody else's file.
func unlinkable(err error) bool {
	for _, e := range []error{syscall.EPERM, syscall.ENOTSUP, syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.EXDEV, syscall.EMLINK, errors.ErrUnsupported} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// copyTo writes a new object whole, exclusively.
func (s *fileStore) copyTo(name string, r io.Reader) error {
	w, err := s.create(name)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := io.Copy(w, r); err != nil {
		return explain("write", name, err)
	}
	return w.Commit()
}

func (s *fileStore) List(ctx context.Context, prefix string) ([]Info, error) {
	folder, err := CheckPrefix(prefix)
	if err != nil {
		return nil, err
	}
	var list []Info
	var tails []string
	if err := s.walk(ctx, folder, prefix, &list, &tails); err != nil {
		return nil, explain("list", prefix, err)
	}
	byName := func(a Info, name string) int { return strings.Compare(a.Name, name) }
	slices.SortFunc(list, func(a, b Info) int { return byName(a, b.Name) })
	for _, name := range tails { // the size is that of before they were extended
		i, there := slices.BinarySearchFunc(list, name, byName)
		if !there {
			continue
		}
		switch t, err := s.tail(name); {
		case err == nil:
			list[i].Size = t.size()
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, errTail): // of that size it is not what was written
		default:
			return nil, explain("list", prefix, err)
		}
	}
	return list, nil
}

// walk adds the objects below a folder, in any order, and the names of those that were
// extended. A folder may hold hundreds of thousands: it is read a piece at a time.
func (s *fileStore) walk(ctx context.Context, folder, prefix string, list *[]Info, tails *[]string) (err error) {
	vanished := func(err error) bool { // deleted while we looked, or never there
		return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
	}
	dir, err := s.root.Open(folder)
	if vanished(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		entries, err := dir.ReadDir(1024)
		if errors.Is(err, io.EOF) || vanished(err) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, d := range entries {
			name := path.Join(folder, d.Name())
			switch {
			case d.IsDir():
				if !Leads(name, prefix) {
					continue
				}
				if err := s.walk(ctx, name, prefix, list, tails); err != nil {
					return err
				}
			case d.Type().IsRegular() && strings.HasPrefix(d.Name(), tailMark):
				*tails = append(*tails, path.Join(folder, strings.TrimPrefix(d.Name(), tailMark)))
			case d.Type().IsRegular() && strings.HasPrefix(name, prefix) && !kept(d.Name()):
				info, err := d.Info()
				if vanished(err) {
					continue
				}
				if err != nil {
					return err
				}
				*list = append(*list, Info{Name: name, Size: info.Size()})
			}
		}
	}
}

func (s *fileStore) Delete(ctx context.Context, name string) error {
	if err := ready(ctx, name); err != nil {
		return err
	}
	// Remove also takes an empty folder, which is no object.
	if info, err := s.root.Lstat(name); err == nil && info.IsDir() {
		return nil
	}
	for _, n := range []string{tailOf(name), name} {
		err := s.root.Remove(n)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return explain("delete", name, err)
		}
	}
	return nil
}

func ready(ctx context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("object %s: %w", name, err)
	}
	return nil
}

// anchor makes the entry of name durable: it syncs its folder and, the first
// time a folder is used, the folders above it down to one that was used before: they may
// be new as well. This store never removes a folder, so once is enough.
func (s *fileStore) anchor(name string) error {
	var above []string // and the folder itself, whose entries are durable now
	for folder := path.Dir(name); ; folder = path.Dir(folder) {
		s.mu.Lock()
		known := s.anchored[folder]
		s.mu.Unlock()
		if err := s.sync(folder); err != nil {
			return err
		}
		if above = append(above, folder); folder == "." || known {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, folder := range above {
		s.anchored[folder] = true
	}
	return nil
}

func (s *fileStore) syncFolder(folder string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there
	}
	f, err := s.root.Open(folder)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil // some network and user-space file systems keep entries durable themselves
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}
