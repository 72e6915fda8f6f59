package bundle

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Limits of a package.
const (
	BytesMax = 1<<30 + 64<<20 // of all files together: the largest model, and room beside it
	FilesMax = 1000
)

// ErrNotPacked is returned for bytes that are a tar file, and not in the one form
// that Pack gives.
var ErrNotPacked = errors.New("the bytes are not the one form of a package")

// Pack reads every file of a folder and gives them as one sequence of bytes: the
// same files always give the same. Names that begin with a dot are no part of a
// package.
func Pack(folder fs.FS) ([]byte, error) {
	var names []string
	var total int64
	err := fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		switch hidden := strings.HasPrefix(path.Base(name), ".") && name != "."; {
		case err != nil:
			return err
		case hidden && entry.IsDir():
			return fs.SkipDir
		case hidden || entry.IsDir():
			return nil
		}
		info, err := fs.Stat(folder, name) // of what a link leads to
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no file; keep only the package's own files in its folder", name)
		}
		names, total = append(names, name), total+info.Size()
		if len(names) > FilesMax || total > BytesMax {
			return fmt.Errorf("with %s there are more than %d files or %d MiB; keep only the package's own files in its folder", name, FilesMax, BytesMax>>20)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read model package: %w", err)
	}
	files := make([]File, len(names))
	for i, name := range names {
		data, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, fmt.Errorf("read model package: %w", err)
		}
		files[i] = File{name, data}
	}
	return PackFiles(files)
}

// PackFiles gives files, whose names are different, as Pack does a folder's.
func PackFiles(files []File) ([]byte, error) {
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	total := 0
	for _, f := range files {
		total += len(f.Data)
	}
	var b bytes.Buffer
	b.Grow(total + 1024*(len(files)+1))
	if err := pack(&b, files); err != nil {
		return nil, fmt.Errorf("read model package: %w", err)
	}
	return b.Bytes(), nil
}

// pack writes files, which are in order, as a tar file without anything that may
// differ: times, owners, rights.
func pack(w io.Writer, files []File) error {
	t := tar.NewWriter(w)
	for _, f := range files {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.Name, Size: int64(len(f.Data)), Mode: 0o644, Format: tar.FormatUSTAR}); err != nil {
			return fmt.Errorf("%s: %w; give it a shorter name of plain letters", f.Name, err)
		}
		if _, err := t.Write(f.Data); err != nil {
			return err
		}
	}
	return t.Close()
}

// packed reports whether data is a tar file. No model's format has its mark.
func packed(data []byte) bool {
	return len(data) >= 1024 && string(data[257:262]) == "ustar"
}

// unpack returns the files of what Pack gave. They share data's memory.
func unpack(data []byte) ([]File, error) {
	var files []File
	r := bytes.NewReader(data)
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotPacked, err)
		}
		at := int64(len(data)) - int64(r.Len()) // the reader stands behind the header
		if h.Typeflag != tar.TypeReg || h.Format != tar.FormatUSTAR || h.Size < 0 || h.Size > int64(r.Len()) || len(files) == FilesMax {
			return nil, fmt.Errorf("%w: %d files in, an entry is none of it", ErrNotPacked, len(files))
		}
		files = append(files, File{h.Name, data[at : at+h.Size : at+h.Size]})
	}
	same := &comparer{rest: data}
	if err := pack(same, files); err != nil || len(same.rest) > 0 || !slices.IsSortedFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) }) {
		return nil, fmt.Errorf("%w: give the folder instead", ErrNotPacked)
	}
	return files, nil
}

// comparer takes the bytes it was given, and no others.
type comparer struct{ rest []byte }

func (c *comparer) Write(p []byte) (int, error) {
	if !bytes.HasPrefix(c.rest, p) {
		return 0, ErrNotPacked
	}
	c.rest = c.rest[len(p):]
	return len(p), nil
}
