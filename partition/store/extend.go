package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"rescore/partition/failpoint"
)

// # Extending a file
//
// A new object that begins as another does need not be a copy of it: both are names of
// one file. What the other has from there on is kept beside it, and read from there.
//
//	before   part        [ beginning | end ]
//	after    part        [ beginning | more written ]     as is the new name's
//	         .tail-part  [ where the end began, end ]
//
// The tail is there, whole and synced, before a byte of the file changes; it is made under
// its name by a hard link, which one alone can make, so one alone ever writes to the
// file. It is that one's as long as the object lasts: whoever comes after a crash, or
// beside one that hangs, is refused and writes a whole object, of a beginning that nobody
// changes. Nor is a file written to that has a third name: a published version's, or that
// of a backup made of links.

// tail is the end of an object that was extended.
type tail struct {
	cut int64 // where it begins
	end []byte
}

func (t tail) size() int64 { return t.cut + int64(len(t.end)) }

// tailMax bounds what is kept of an object.
const tailMax = 64 << 20

func tailOf(name string) string { return path.Join(path.Dir(name), tailMark+path.Base(name)) }

// tail returns what is kept of an object, or fs.ErrNotExist where it is all in its file.
func (s *fileStore) tail(name string) (tail, error) {
	data, err := s.root.ReadFile(tailOf(name))
	if err != nil {
		return tail{}, err
	}
	t, err := decodeTail(data)
	if err != nil {
		return tail{}, fmt.Errorf("%s: %w", tailOf(name), err)
	}
	return t, nil
}

// errTail is of what is kept of an object and is not what was written.
var errTail = errors.New("the end that is kept of an extended object is damaged; delete both, and what was staged so is made again")

// decodeTail reads what Extend wrote: where the end began, in eight bytes, and the end.
func decodeTail(data []byte) (t tail, err error) {
	if len(data) >= 8 {
		t.cut, t.end = int64(binary.LittleEndian.Uint64(data)), data[8:]
	}
	if len(data) < 8 || t.cut < 0 || t.size() < t.cut {
		return tail{}, errTail
	}
	return t, nil
}

// Extend implements Extender, where the file system has hard links.
func (s *fileStore) Extend(ctx context.Context, from string, size, cut int64, to string) (_ Writer, err error) {
	if err := errors.Join(ready(ctx, from), ready(ctx, to)); err != nil {
		return nil, err
	}
	if cut < 0 || size < cut || size-cut > tailMax {
		return nil, explain("extend", from, errors.ErrUnsupported)
	}
	if _, err := s.root.Lstat(tailOf(from)); err == nil { // asked early; the link decides
		return nil, explain("extend", from, errors.ErrUnsupported)
	}
	data := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+size-cut), uint64(cut))[:8+size-cut]
	o, err := s.open(from)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if o.Size() != size { // the file is another object's already
		return nil, explain("extend", from, errors.ErrUnsupported)
	}
	if _, err := o.ReadAt(data[8:], cut); err != nil {
		if errors.Is(err, io.EOF) { // another one was faster, and has cut it
			err = errors.ErrUnsupported
		}
		return nil, explain("extend", from, err)
	}
	if err := s.folder(to); err != nil {
		return nil, err
	}
	err = s.place(tailOf(from), data)
	if unlinkable(err) || errors.Is(err, fs.ErrExist) {
		err = errors.ErrUnsupported
	}
	if err != nil {
		return nil, explain("extend", from, err)
	}
	failpoint.Hit("store.extend")
	if err := s.link(from, to); err != nil {
		if unlinkable(err) {
			err = errors.ErrUnsupported
		}
		return nil, explain("extend "+from+" as", to, err)
	}
	w := &fileWriter{store: s, name: to, size: cut, begun: cut}
	w.file, err = s.root.OpenFile(to, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrPermission) { // somebody else's file
		err = errors.ErrUnsupported
	}
	if err != nil {
		return nil, explain("extend "+from+" as", to, errors.Join(err, s.root.Remove(to)))
	}
	info, err := w.file.Stat()
	if err == nil && names(info) != 2 { // extended and swept since it was opened, or linked to
		err = errors.ErrUnsupported
	}
	if err == nil {
		err = w.file.Truncate(cut)
	}
	if err == nil {
		_, err = w.file.Seek(cut, io.SeekStart)
	}
	if err != nil {
		return nil, explain("extend "+from+" as", to, errors.Join(err, w.Close()))
	}
	return w, nil
}

// extended is an open object that was extended: its end is not in its file.
type extended struct {
	file *os.File
	tail tail
}

func (o *extended) Size() int64 { return o.tail.size() }

func (o *extended) Close() error { return o.file.Close() }

func (o *extended) ReadAt(p []byte, off int64) (n int, err error) {
	if n = int(min(int64(len(p)), max(0, o.tail.cut-off))); n > 0 {
		if n, err = o.file.ReadAt(p[:n], off); err != nil {
			return n, err
		}
	}
	if at := off + int64(n) - o.tail.cut; n < len(p) && at <= int64(len(o.tail.end)) {
		n += copy(p[n:], o.tail.end[at:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// whole reads an object from its beginning.
func whole(o Object) io.Reader { return io.NewSectionReader(o, 0, o.Size()) }
