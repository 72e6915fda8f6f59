package store_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"rescore/partition/store"
	"rescore/partition/store/storetest"
)

func TestFileStoreConforms(t *testing.T) {
	t.Parallel()
	storetest.Conformance(t, func(t *testing.T) store.Store { return open(t, t.TempDir()) })
}

func TestFileStoreWithoutHardLinksConforms(t *testing.T) {
	t.Parallel()
	storetest.Conformance(t, func(t *testing.T) store.Store {
		return store.WithoutLinks(open(t, t.TempDir()))
	})
}

func TestAFaultlessFaultyStoreConforms(t *testing.T) {
	t.Parallel()
	storetest.Conformance(t, func(t *testing.T) store.Store {
		return &storetest.Faulty{Store: open(t, t.TempDir())}
	})
}

func TestAdoptMovesNoBytes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	st := open(t, dir)
	if err := st.Put(t.Context(), "a", []byte("bytes")); err != nil {
		t.Fatal(err)
	}
	if err := st.Adopt(t.Context(), "a", "b/c"); err != nil {
		t.Fatal(err)
	}
	one, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.Stat(filepath.Join(dir, "b", "c"))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(one, two) {
		t.Error("adopt copied where it could link")
	}
}

func TestFaultyFailsWhereItIsTold(t *testing.T) {
	t.Parallel()
	errLost := errors.New("answer lost")
	write := func(st store.Store) error {
		w, err := st.Create(t.Context(), "x") // step 1
		if err != nil {
			return err
		}
		defer w.Close()
		if _, err := io.WriteString(w, "12345678"); err != nil { // step 2
			return err
		}
		return w.Commit() // step 3
	}
	for _, c := range []struct {
		name   string
		faulty *storetest.Faulty
		want   error
		left   string // "" = no object
	}{
		{"none", &storetest.Faulty{}, nil, "12345678"},
		{"create", &storetest.Faulty{FailAt: 1}, syscall.ENOSPC, ""},
		{"write", &storetest.Faulty{FailAt: 2, Partial: 3}, store.ErrNoSpace, ""},
		{"commit", &storetest.Faulty{FailAt: 3, Err: errLost}, errLost, ""},
		{"commit done, answer lost", &storetest.Faulty{FailAt: 3, After: true, Err: errLost}, errLost, "12345678"},
		{"past the end", &storetest.Faulty{FailAt: 4}, nil, "12345678"},
		{"capacity", &storetest.Faulty{Capacity: 7}, store.ErrNoSpace, ""},
		{"just enough capacity", &storetest.Faulty{Capacity: 8}, nil, "12345678"},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := open(t, t.TempDir())
			f := c.faulty
			f.Store = st
			if err := write(f); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if f.Fired() != (c.want != nil) {
				t.Errorf("fired: %v", f.Fired())
			}
			data, err := st.Get(t.Context(), "x", 100)
			if string(data) != c.left || (err == nil) != (c.left != "") {
				t.Errorf("left %q (%v), want %q", data, err, c.left)
			}
		})
	}
}

func open(t *testing.T, dir string) store.Store {
	t.Helper()
	st, err := store.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	return st
}
