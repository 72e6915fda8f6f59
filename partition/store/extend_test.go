package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// holds fails unless an object has these bytes, however they are read, and the folder
// says so.
func holds(t *testing.T, st Store, name string, want []byte) {
	t.Helper()
	if got, err := st.Get(t.Context(), name, int64(len(want))); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes (%v), want %d others", name, len(got), err, len(want))
	}
	o, err := st.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	r := rand.New(rand.NewPCG(1, uint64(len(want))))
	for range 50 {
		p, at := make([]byte, 1+r.IntN(len(want)+10)), r.IntN(len(want)+10)
		q := make([]byte, len(p))
		n, err := o.ReadAt(p, int64(at))
		m, wanted := bytes.NewReader(want).ReadAt(q, int64(at))
		if n != m || (err == nil) != (wanted == nil) || !bytes.Equal(p[:n], q[:m]) {
			t.Fatalf("%s: %d of %d bytes from %d: %v, want %d: %v", name, n, len(p), at, err, m, wanted)
		}
	}
	if b, _ := InPlace(o); b != nil && !bytes.Equal(b, want) {
		t.Errorf("%s has other bytes in place", name)
	}
	list, err := st.List(t.Context(), name)
	if err != nil || len(list) != 1 || list[0] != (Info{name, int64(len(want))}) {
		t.Errorf("list: %v, %v, want %s of %d bytes", list, err, name, len(want))
	}
}

// begun returns a store with an object d/from.
func begun(t *testing.T) (st *fileStore, dir string, data []byte) {
	t.Helper()
	st, dir = newFile(t)
	data = make([]byte, 300_000)
	for i := range data {
		data[i] = byte(i * i >> 5)
	}
	if err := st.Put(t.Context(), "d/from", data); err != nil {
		t.Fatal(err)
	}
	return st, dir, data
}

func extend(t *testing.T, st Extender, size, cut int, to string, more []byte) {
	t.Helper()
	w, err := st.Extend(t.Context(), "d/from", int64(size), int64(cut), to)
	if err == nil {
		_, err = w.Write(more)
	}
	if err == nil {
		err = w.Commit()
	}
	if err != nil {
		t.Errorf("extend %d of %d bytes as %s: %v", cut, size, to, err)
	}
}

func unsupported(t *testing.T, st Extender, size, cut int, to string) {
	t.Helper()
	if _, err := st.Extend(t.Context(), "d/from", int64(size), int64(cut), to); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("extend %d of %d bytes as %s: %v, want it unsupported", cut, size, to, err)
	}
	if _, err := st.Open(t.Context(), to); !errors.Is(err, ErrNotExist) {
		t.Errorf("%s: %v, want none", to, err)
	}
}

func TestAnExtendedFileIsTwoObjects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ cut, more int }{{200_000, 150_000}, {299_992, 4096}, {200_000, 10}, {0, 1}, {300_000, 0}, {300_000, 99}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			st, dir, data := begun(t)
			before, err := st.Open(t.Context(), "d/from")
			if err != nil {
				t.Fatal(err)
			}
			defer before.Close()
			more := bytes.Repeat([]byte("more"), c.more)[:c.more]
			extend(t, st, len(data), c.cut, "d/to", more)
			both := append(bytes.Clone(data[:c.cut]), more...)
			holds(t, st, "d/from", data)
			holds(t, st, "d/to", both)
			same := make([]byte, c.cut)
			if _, err := before.ReadAt(same, 0); err != nil || !bytes.Equal(same, data[:c.cut]) {
				t.Errorf("who had it open reads another beginning: %v", err)
			}
			one, err := os.Stat(filepath.Join(dir, "d/from"))
			two, other := os.Stat(filepath.Join(dir, "d/to"))
			if err != nil || other != nil || !os.SameFile(one, two) {
				t.Errorf("its bytes were copied: %v, %v", err, other)
			}
			unsupported(t, st, len(data), c.cut, "d/again")

			for from, want := range map[string][]byte{"d/from": data, "d/to": both} {
				if err := st.Adopt(t.Context(), from, "v/"+from); err != nil {
					t.Fatal(err)
				}
				holds(t, st, "v/"+from, want)
			}
			if err := st.Delete(t.Context(), "d/from"); err != nil {
				t.Fatal(err)
			}
			holds(t, st, "d/to", both)
			if left, err := os.ReadDir(filepath.Join(dir, "d")); err != nil || len(left) != 1 {
				t.Errorf("left %v, %v", left, err)
			}
		})
	}
}

func TestOneExtensionOfManyWins(t *testing.T) {
	t.Parallel()
	st, _, data := begun(t)
	var won atomic.Int32
	var all sync.WaitGroup
	for k := range 16 {
		all.Go(func() {
			to := fmt.Sprintf("d/to-%d", k)
			w, err := st.Extend(t.Context(), "d/from", int64(len(data)), 1000, to)
			if errors.Is(err, errors.ErrUnsupported) {
				return
			}
			if err == nil {
				_, err = fmt.Fprint(w, to)
			}
			if err == nil {
				err = w.Commit()
			}
			if err != nil {
				t.Error(err)
				return
			}
			won.Add(1)
			holds(t, st, to, append(bytes.Clone(data[:1000]), to...))
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d extended it", won.Load())
	}
	holds(t, st, "d/from", data)
	if list, err := st.List(t.Context(), "d/"); err != nil || len(list) != 2 {
		t.Errorf("list: %v, %v", list, err)
	}
}

// TestWhoIsOvertakenInExtendWritesNothing: another has kept the end, and has not yet
// written, when this one comes to keep it.
func TestWhoIsOvertakenInExtendWritesNothing(t *testing.T) {
	t.Parallel()
	st, dir, data := begun(t)
	other, err := NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	rival, link := other.(*fileStore), st.link
	kept, goOn, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	defer func() {
		close(goOn)
		<-done
		holds(t, rival, "d/from", data)
		holds(t, rival, "d/rival", append(bytes.Clone(data[:1000]), "more"...))
	}()
	rival.link = func(from, to string) error {
		if to == "d/rival" {
			close(kept)
			<-goOn
		}
		return link(from, to)
	}
	st.link = func(from, to string) error {
		st.link = link
		go func() {
			defer close(done)
			extend(t, rival, len(data), 1000, "d/rival", []byte("more"))
		}()
		select {
		case <-kept:
		case <-done: // it failed, and said so
		}
		return link(from, to)
	}
	unsupported(t, st, len(data), 1000, "d/to")
}

// TestASweptEndIsNotKeptAgain: another has extended the object and its end was swept, all
// since this one looked.
func TestASweptEndIsNotKeptAgain(t *testing.T) {
	t.Parallel()
	st, dir, data := begun(t)
	link := st.link
	st.link = func(from, to string) error {
		st.link = link
		extend(t, st, len(data), 1000, "d/other", []byte("more"))
		if err := os.Remove(filepath.Join(dir, "d/.tail-from")); err != nil {
			t.Error(err)
		}
		return link(from, to)
	}
	unsupported(t, st, len(data), 1000, "d/to")
	holds(t, st, "d/other", append(bytes.Clone(data[:1000]), "more"...))
}

func TestAnExtensionThatIsGivenUpLeavesTheObject(t *testing.T) {
	t.Parallel()
	st, _, data := begun(t)
	w, err := st.Extend(t.Context(), "d/from", int64(len(data)), 1000, "d/to")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "half"); err != nil {
		t.Fatal(err)
	}
	holds(t, st, "d/from", data) // meanwhile too
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	holds(t, st, "d/from", data)
	unsupported(t, st, len(data), 1000, "d/to")
}

// Every link is one the process may die in: before the end is kept, and before the new
// name is there.
func TestACrashInExtendLeavesTheObject(t *testing.T) {
	t.Parallel()
	for dies := range 2 {
		st, dir, data := begun(t)
		type killed struct{}
		links, link := 0, st.link
		st.link = func(from, to string) error {
			if links++; links > dies {
				panic(killed{})
			}
			return link(from, to)
		}
		func() {
			defer func() {
				if _, ok := recover().(killed); !ok {
					t.Error("it did not link")
				}
			}()
			_, _ = st.Extend(t.Context(), "d/from", int64(len(data)), 1000, "d/to")
		}()
		again, err := NewFile(dir)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, again, "d/from", data)
		if dies == 0 {
			extend(t, again.(Extender), len(data), 1000, "d/to", nil)
		} else {
			unsupported(t, again.(Extender), len(data), 1000, "d/to")
		}
	}
}

func TestWhatCannotBeExtendedStaysAsItIs(t *testing.T) {
	t.Parallel()
	st, dir, data := begun(t)
	for _, c := range []struct{ size, cut int }{{len(data) + 1, 1000}, {len(data) - 1, 1000}, {len(data), len(data) + 1}, {len(data), -1}} {
		unsupported(t, st, c.size, c.cut, "d/to")
	}
	link := st.link
	st.link = func(string, string) error { return syscall.EOPNOTSUPP }
	unsupported(t, st, len(data), 1000, "d/to")
	st.link = link
	if _, err := st.Extend(t.Context(), "d/none", 1, 1, "d/to"); !errors.Is(err, ErrNotExist) {
		t.Errorf("extend nothing: %v", err)
	}
	holds(t, st, "d/from", data)
	if left, err := os.ReadDir(filepath.Join(dir, "d")); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}

	// Somebody sweeps what is kept: the object is another, and the file is not written to
	// a second time.
	extend(t, st, len(data), 1000, "d/to", []byte("more"))
	if err := os.Remove(filepath.Join(dir, "d/.tail-from")); err != nil {
		t.Fatal(err)
	}
	both := append(bytes.Clone(data[:1000]), "more"...)
	holds(t, st, "d/from", both)
	unsupported(t, st, len(data), 1000, "d/again")
	holds(t, st, "d/to", both)

	if err := os.WriteFile(filepath.Join(dir, "d/.tail-from"), []byte("short"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Open(t.Context(), "d/from"); !errors.Is(err, errTail) || !strings.Contains(err.Error(), "d/.tail-from") {
		t.Errorf("a damaged end: %v", err)
	}
	// It can be swept all the same.
	if list, err := st.List(t.Context(), "d/from"); err != nil || len(list) != 1 || list[0].Size == int64(len(data)) {
		t.Errorf("a damaged end in a listing: %v, %v", list, err)
	}
}

// TestAFileWithAThirdNameIsNotExtended: it is a version's, or a backup's of links.
func TestAFileWithAThirdNameIsNotExtended(t *testing.T) {
	t.Parallel()
	st, dir, data := begun(t)
	backup := filepath.Join(dir, "backup")
	if err := os.Link(filepath.Join(dir, "d/from"), backup); err != nil {
		t.Fatal(err)
	}
	unsupported(t, st, len(data), 1000, "d/to")
	holds(t, st, "d/from", data)
	if got, err := os.ReadFile(backup); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the backup has %d bytes: %v", len(got), err)
	}
}

func FuzzTail(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(binary.LittleEndian.AppendUint64(nil, 1<<63))
	f.Add(append(binary.LittleEndian.AppendUint64(nil, 1<<63-1), 1, 2))
	f.Add(append(binary.LittleEndian.AppendUint64(nil, 7), "end"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeTail(data)
		if err != nil {
			if !errors.Is(err, errTail) {
				t.Error(err)
			}
			return
		}
		if got.cut < 0 || got.size() != got.cut+int64(len(data))-8 || !bytes.Equal(append(binary.LittleEndian.AppendUint64(nil, uint64(got.cut)), got.end...), data) {
			t.Errorf("%v of %x", got, data)
		}
	})
}
