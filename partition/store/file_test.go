package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func newFile(t *testing.T) (*fileStore, string) {
	t.Helper()
	dir := t.TempDir()
	st, err := NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	return st.(*fileStore), dir
}

func TestErrorsNameTheObjectAndTheRemedy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cause error
		want  error
	}{
		{syscall.ENOSPC, ErrNoSpace},
		{syscall.EDQUOT, ErrNoSpace},
		{syscall.EACCES, ErrDenied},
		{syscall.EROFS, ErrDenied},
		{syscall.ENOENT, ErrNotExist},
		{syscall.EEXIST, ErrExist},
	} {
		err := explain("write", "a/b", &fs.PathError{Op: "write", Path: "/secret/mount/a/b", Err: c.cause})
		if !errors.Is(err, c.want) || !errors.Is(err, c.cause) {
			t.Errorf("%v is not both %v and %v", err, c.want, c.cause)
		}
		if !strings.HasPrefix(err.Error(), "write a/b: "+c.want.Error()) || strings.Contains(err.Error(), "secret") {
			t.Errorf("message %q", err)
		}
		again := explain("stage", "a/b", err)
		if strings.Count(again.Error(), c.want.Error()) != 1 {
			t.Errorf("explained twice: %q", again)
		}
	}
}

// An object lies where a folder has to be: no name below it is taken, or free.
func TestAnObjectInPlaceOfAFolderIsNoObjectOfThatName(t *testing.T) {
	t.Parallel()
	st, _ := newFile(t)
	if err := errors.Join(st.Put(t.Context(), "a", []byte("x")), st.Put(t.Context(), "from", []byte("y"))); err != nil {
		t.Fatal(err)
	}
	_, creating := st.Create(t.Context(), "a/b/c")
	for doing, err := range map[string]error{
		"put": st.Put(t.Context(), "a/b", []byte("z")), "create": creating, "adopt": st.Adopt(t.Context(), "from", "a/b"),
	} {
		if !errors.Is(err, syscall.ENOTDIR) || errors.Is(err, ErrExist) || !strings.Contains(err.Error(), "a/b") {
			t.Errorf("%s: %v", doing, err)
		}
	}
}

// A device that is always full stands in for a full disk.
func TestAFullDiskIsErrNoSpaceAndNeverCommits(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("this system has no /dev/full")
	}
	if err != nil {
		t.Fatal(err)
	}
	st, dir := newFile(t)
	w, err := st.create("x")
	if err != nil {
		t.Fatal(err)
	}
	w.file.Close()
	w.file = full
	if _, err := w.Write([]byte("bytes")); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("write: %v, want ErrNoSpace", err)
	}
	if err := w.Commit(); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("commit: %v, want ErrNoSpace", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Fatalf("left behind: %v", left)
	}
}

func TestNoSymbolicLinkLeadsOutOfTheStore(t *testing.T) {
	t.Parallel()
	st, dir := newFile(t)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "x"), []byte("theirs"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := st.Open(ctx, "out/x"); err == nil {
		t.Error("open followed a link out of the store")
	}
	if err := st.Put(ctx, "out/y", nil); err == nil {
		t.Error("put followed a link out of the store")
	}
	if err := st.Delete(ctx, "out/x"); err == nil {
		t.Error("delete followed a link out of the store")
	}
	if list, err := st.List(ctx, ""); err != nil || len(list) != 0 {
		t.Errorf("list: %v, %v", list, err)
	}
	if _, err := os.Stat(filepath.Join(outside, "x")); err != nil {
		t.Error(err)
	}
}

// A crash between the steps of Put shows nothing or everything.
func TestACrashInPutLeavesNoPartialObject(t *testing.T) {
	t.Parallel()
	st, dir := newFile(t)
	type killed struct{}
	st.link = func(string, string) error { panic(killed{}) }
	func() {
		defer func() {
			if _, ok := recover().(killed); !ok {
				t.Error("put did not link")
			}
		}()
		_ = st.Put(context.Background(), "d/x", []byte("bytes"))
	}()
	again, err := NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := again.List(t.Context(), ""); err != nil || len(list) != 0 {
		t.Fatalf("after a crash before the link: %v, %v", list, err)
	}
	if err := again.Put(t.Context(), "d/x", []byte("bytes")); err != nil {
		t.Fatalf("put again after a crash: %v", err)
	}
}

// TestANameIsDurableUpToAFolderThatWas: its folder is synced each time, and those above
// as far as they may be new.
func TestANameIsDurableUpToAFolderThatWas(t *testing.T) {
	t.Parallel()
	files, _ := newFile(t)
	var synced []string
	broken := ""
	files.sync = func(folder string) error {
		if folder == broken {
			return syscall.EIO
		}
		synced = append(synced, folder)
		return files.syncFolder(folder)
	}
	for i, c := range []struct {
		name, broken, want string
	}{
		{"a/b/1", "a", "a/b"}, {"a/b/2", "", "a/b a ."}, {"a/b/3", "", "a/b"}, {"a/c/4", "a", "a/c"}, {"a/c/5", "", "a/c a"}, {"a/c/6", "", "a/c"}, {"a/7", "", "a"}, {"8", "", "."}, {"d/e/f/9", "", "d/e/f d/e d ."},
	} {
		synced, broken = nil, c.broken
		if err := files.Put(t.Context(), c.name, []byte{byte(i)}); (err != nil) != (broken != "") {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := strings.Join(synced, " "); got != c.want {
			t.Errorf("%s: %q was synced, want %q", c.name, got, c.want)
		}
	}
}

func TestDeniedFolderIsErrDenied(t *testing.T) {
	t.Parallel()
	st, dir := newFile(t)
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o755) })
	ordinary(t)
	if _, err := st.Create(t.Context(), "x"); !errors.Is(err, ErrDenied) {
		t.Fatalf("create: %v, want ErrDenied", err)
	}
}

func FuzzNamesStayInside(f *testing.F) {
	for _, s := range []string{"a", "a/b", "../a", "/a", "a/../../b", "", ".", "a//b", "a/./b", "\x00", `..\a`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) != nil {
			return
		}
		if !filepath.IsLocal(filepath.FromSlash(name)) || name == "." {
			t.Fatalf("%q is accepted and leaves the store", name)
		}
	})
}
