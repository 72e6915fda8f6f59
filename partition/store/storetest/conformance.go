// Package storetest is what every store must pass, and a store that fails on
// purpose.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"rescore/partition/store"
)

// Conformance runs the promises of store.Store against the stores that open
// returns; each call returns an empty one.
func Conformance(t *testing.T, open func(t *testing.T) store.Store) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, st store.Store)
	}{
		{"CommittedBytesComeBack", committedBytesComeBack},
		{"CreateNeverOverwrites", createNeverOverwrites},
		{"CloseWithoutCommitLeavesNothing", closeWithoutCommitLeavesNothing},
		{"CommitEndsTheWriter", commitEndsTheWriter},
		{"PreviewShowsWhatCommitKeeps", previewShowsWhatCommitKeeps},
		{"PutNeverOverwrites", putNeverOverwrites},
		{"OnePutOfManyWins", onePutOfManyWins},
		{"GetRefusesMoreThanItsLimit", getRefusesMoreThanItsLimit},
		{"AdoptSharesAndNeverOverwrites", adoptSharesAndNeverOverwrites},
		{"ListIsSortedRecursiveAndByPrefix", listIsSortedRecursiveAndByPrefix},
		{"DeleteIsIdempotent", deleteIsIdempotent},
		{"BadNamesAreRefused", badNamesAreRefused},
		{"FoldersAreNoObjects", foldersAreNoObjects},
		{"CancelledContextDoesNothing", cancelledContextDoesNothing},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

func committedBytesComeBack(t *testing.T, st store.Store) {
	for _, size := range []int{0, 1, 4096, 1<<20 + 7} {
		data := pattern(size)
		name := fmt.Sprintf("a/b/size-%d", size)
		w, err := st.Create(t.Context(), name)
		check(t, err)
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 60_001)
			_, err := w.Write(rest[:n])
			check(t, err)
			rest = rest[n:]
		}
		check(t, w.Commit())
		check(t, w.Close())
		same(t, st, name, data)
	}
}

func createNeverOverwrites(t *testing.T, st store.Store) {
	create(t, st, "x", "first")
	if _, err := st.Create(t.Context(), "x"); !errors.Is(err, store.ErrExist) {
		t.Fatalf("create over an object: %v, want ErrExist", err)
	}
	same(t, st, "x", []byte("first"))
}

func closeWithoutCommitLeavesNothing(t *testing.T, st store.Store) {
	w, err := st.Create(t.Context(), "d/x")
	check(t, err)
	_, err = w.Write([]byte("half"))
	check(t, err)
	check(t, w.Close())
	check(t, w.Close())
	absent(t, st, "d/x")
	if _, err := w.Write([]byte("more")); !errors.Is(err, store.ErrAbandoned) {
		t.Fatalf("write after close: %v, want ErrAbandoned", err)
	}
	if err := w.Commit(); !errors.Is(err, store.ErrAbandoned) {
		t.Fatalf("commit after close: %v, want ErrAbandoned", err)
	}
	create(t, st, "d/x", "whole") // the name is free again
}

func commitEndsTheWriter(t *testing.T, st store.Store) {
	w, err := st.Create(t.Context(), "x")
	check(t, err)
	_, err = w.Write([]byte("whole"))
	check(t, err)
	check(t, w.Commit())
	if _, err := w.Write([]byte("more")); !errors.Is(err, store.ErrAbandoned) {
		t.Fatalf("write after commit: %v, want ErrAbandoned", err)
	}
	if err := w.Commit(); !errors.Is(err, store.ErrAbandoned) {
		t.Fatalf("second commit: %v, want ErrAbandoned", err)
	}
	check(t, w.Close())
	same(t, st, "x", []byte("whole"))
}

// previewShowsWhatCommitKeeps is for those that are store.Previewer; to others it says
// that there is nothing to hold them to.
func previewShowsWhatCommitKeeps(t *testing.T, st store.Store) {
	data := pattern(100_000)
	w, err := st.Create(t.Context(), "a/b")
	check(t, err)
	p, can := w.(store.Previewer)
	if !can {
		check(t, w.Close())
		t.Log("this store shows nothing before Commit")
		return
	}
	_, err = w.Write(data)
	check(t, err)
	o, err := p.Preview()
	check(t, err)
	shown := make([]byte, o.Size())
	_, err = io.ReadFull(io.NewSectionReader(o, 0, o.Size()), shown)
	check(t, err)
	if !bytes.Equal(shown, data) {
		t.Errorf("%d bytes are shown of %d that were written, or others", len(shown), len(data))
	}
	check(t, w.Commit())
	kept := make([]byte, len(data)) // it is open still
	_, err = io.ReadFull(io.NewSectionReader(o, 0, o.Size()), kept)
	check(t, errors.Join(err, o.Close()))
	if !bytes.Equal(kept, data) {
		t.Error("what was opened before Commit has other bytes after it")
	}
	if _, err := p.Preview(); err == nil {
		t.Error("a writer that has ended shows something")
	}
}

func putNeverOverwrites(t *testing.T, st store.Store) {
	check(t, st.Put(t.Context(), "p/x", []byte("first")))
	for _, second := range []string{"second", "first"} {
		if err := st.Put(t.Context(), "p/x", []byte(second)); !errors.Is(err, store.ErrExist) {
			t.Fatalf("put over an object: %v, want ErrExist", err)
		}
	}
	if _, err := st.Create(t.Context(), "p/x"); !errors.Is(err, store.ErrExist) {
		t.Fatalf("create over a put object: %v, want ErrExist", err)
	}
	same(t, st, "p/x", []byte("first"))
	check(t, st.Put(t.Context(), "p/empty", nil))
	same(t, st, "p/empty", nil)
	names(t, st, "", "p/empty", "p/x") // and nothing temporary
}

func onePutOfManyWins(t *testing.T, st store.Store) {
	var (
		wins atomic.Int64
		won  atomic.Value
		all  sync.WaitGroup
	)
	for i := range 16 {
		all.Go(func() {
			data := strings.Repeat(string(rune('a'+i)), 1000)
			switch err := st.Put(t.Context(), "race", []byte(data)); {
			case err == nil:
				wins.Add(1)
				won.Store(data)
			case !errors.Is(err, store.ErrExist):
				t.Errorf("put: %v", err)
			}
		})
	}
	all.Wait()
	if wins.Load() != 1 {
		t.Fatalf("%d puts of one name succeeded", wins.Load())
	}
	same(t, st, "race", []byte(won.Load().(string)))
}

func getRefusesMoreThanItsLimit(t *testing.T, st store.Store) {
	check(t, st.Put(t.Context(), "x", []byte("12345")))
	data, err := st.Get(t.Context(), "x", 5)
	if err != nil || string(data) != "12345" {
		t.Fatalf("get at the limit: %q, %v", data, err)
	}
	if _, err := st.Get(t.Context(), "x", 4); !errors.Is(err, store.ErrTooLarge) {
		t.Fatalf("get over the limit: %v, want ErrTooLarge", err)
	}
	if _, err := st.Get(t.Context(), "y", 4); !errors.Is(err, store.ErrNotExist) {
		t.Fatalf("get of nothing: %v, want ErrNotExist", err)
	}
}

func adoptSharesAndNeverOverwrites(t *testing.T, st store.Store) {
	create(t, st, "from", "bytes")
	check(t, st.Adopt(t.Context(), "from", "new/to"))
	same(t, st, "from", []byte("bytes"))
	same(t, st, "new/to", []byte("bytes"))
	for _, from := range []string{"from", "new/to"} {
		if err := st.Adopt(t.Context(), from, "new/to"); !errors.Is(err, store.ErrExist) {
			t.Fatalf("adopt over an object: %v, want ErrExist", err)
		}
	}
	if err := st.Adopt(t.Context(), "nothing", "x"); !errors.Is(err, store.ErrNotExist) {
		t.Fatalf("adopt of nothing: %v, want ErrNotExist", err)
	}
	absent(t, st, "x")
	check(t, st.Delete(t.Context(), "from"))
	same(t, st, "new/to", []byte("bytes")) // outlives the name it came from
}

func listIsSortedRecursiveAndByPrefix(t *testing.T, st store.Store) {
	for _, n := range []string{"a", "ab/c.d/e", "ab/c-1", "ab/c/x", "ab-c", "b/1/2/3"} {
		check(t, st.Put(t.Context(), n, []byte(n)))
	}
	for prefix, want := range map[string][]string{
		"":        {"a", "ab-c", "ab/c-1", "ab/c.d/e", "ab/c/x", "b/1/2/3"},
		"a":       {"a", "ab-c", "ab/c-1", "ab/c.d/e", "ab/c/x"},
		"ab":      {"ab-c", "ab/c-1", "ab/c.d/e", "ab/c/x"},
		"ab/":     {"ab/c-1", "ab/c.d/e", "ab/c/x"},
		"ab/c":    {"ab/c-1", "ab/c.d/e", "ab/c/x"},
		"ab/c/":   {"ab/c/x"},
		"b/1/2":   {"b/1/2/3"},
		"b/1/2/3": {"b/1/2/3"},
		"a/":      nil,
		"zzz":     nil,
		"z/z/":    nil,
	} {
		names(t, st, prefix, want...)
	}
	for _, prefix := range []string{"/", "/a", "../", "a/../", "a//b"} {
		if _, err := st.List(t.Context(), prefix); !errors.Is(err, store.ErrName) {
			t.Errorf("list %q: %v, want ErrName", prefix, err)
		}
	}
}

func deleteIsIdempotent(t *testing.T, st store.Store) {
	create(t, st, "d/x", "bytes")
	create(t, st, "d/y", "bytes")
	for range 2 {
		check(t, st.Delete(t.Context(), "d/x"))
	}
	check(t, st.Delete(t.Context(), "never/was"))
	absent(t, st, "d/x")
	same(t, st, "d/y", []byte("bytes"))
	create(t, st, "d/x", "again")
}

func badNamesAreRefused(t *testing.T, st store.Store) {
	create(t, st, "ok", "bytes")
	for _, name := range []string{"", ".", "..", "/", "/etc/x", "a/", "a//b", "../x", "a/../b", "a/./b", "./a", `a\b`, "a\x00b", ".put-1", "a/.put-1"} {
		_, create := st.Create(t.Context(), name)
		_, open := st.Open(t.Context(), name)
		_, get := st.Get(t.Context(), name, 9)
		for doing, err := range map[string]error{
			"create": create, "open": open, "get": get,
			"put": st.Put(t.Context(), name, nil), "delete": st.Delete(t.Context(), name),
			"adopt from": st.Adopt(t.Context(), name, "free"), "adopt to": st.Adopt(t.Context(), "ok", name),
		} {
			if !errors.Is(err, store.ErrName) {
				t.Errorf("%s %q: %v, want ErrName", doing, name, err)
			}
		}
	}
	names(t, st, "", "ok")
}

func foldersAreNoObjects(t *testing.T, st store.Store) {
	create(t, st, "d/x", "bytes")
	absent(t, st, "d")
	check(t, st.Delete(t.Context(), "d"))
	same(t, st, "d/x", []byte("bytes"))
	absent(t, st, "d/x/below")
	check(t, st.Delete(t.Context(), "d/x"))
	check(t, st.Delete(t.Context(), "d"))
	names(t, st, "")
}

func cancelledContextDoesNothing(t *testing.T, st store.Store) {
	create(t, st, "x", "bytes")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, createErr := st.Create(ctx, "y")
	_, openErr := st.Open(ctx, "x")
	_, getErr := st.Get(ctx, "x", 9)
	_, listErr := st.List(ctx, "")
	for doing, err := range map[string]error{
		"create": createErr, "open": openErr, "get": getErr, "list": listErr,
		"put": st.Put(ctx, "y", nil), "delete": st.Delete(ctx, "x"), "adopt": st.Adopt(ctx, "x", "y"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", doing, err)
		}
	}
	names(t, st, "", "x")
}

func create(t *testing.T, st store.Store, name, data string) {
	t.Helper()
	w, err := st.Create(t.Context(), name)
	check(t, err)
	_, err = io.WriteString(w, data)
	check(t, err)
	check(t, w.Commit())
}

// same fails unless name holds data under Open at every offset, Get and List.
func same(t *testing.T, st store.Store, name string, data []byte) {
	t.Helper()
	o, err := st.Open(t.Context(), name)
	check(t, err)
	defer o.Close()
	got, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size()+1))
	check(t, err)
	if o.Size() != int64(len(data)) || !bytes.Equal(got, data) {
		t.Fatalf("%s holds %d bytes that differ from the %d written", name, len(got), len(data))
	}
	if n := len(data) / 2; n > 0 {
		tail := make([]byte, len(data)-n)
		if _, err := o.ReadAt(tail, int64(n)); err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(tail, data[n:]) {
			t.Fatalf("%s from byte %d: %v, or other bytes", name, n, err)
		}
	}
	got, err = st.Get(t.Context(), name, int64(len(data)))
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("get %s: %v, or other bytes", name, err)
	}
	list, err := st.List(t.Context(), name)
	check(t, err)
	if !slices.Contains(list, store.Info{Name: name, Size: int64(len(data))}) {
		t.Fatalf("list %s: %v", name, list)
	}
}

func absent(t *testing.T, st store.Store, name string) {
	t.Helper()
	if _, err := st.Open(t.Context(), name); !errors.Is(err, store.ErrNotExist) {
		t.Fatalf("open %s: %v, want ErrNotExist", name, err)
	}
}

func names(t *testing.T, st store.Store, prefix string, want ...string) {
	t.Helper()
	list, err := st.List(t.Context(), prefix)
	check(t, err)
	var got []string
	for _, i := range list {
		got = append(got, i.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("list %q: %q, want %q", prefix, got, want)
	}
}

func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*7 + i>>8)
	}
	return data
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
