package store

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAMappedFileIsItsBytesUntilItIsClosed(t *testing.T) {
	dir := t.TempDir()
	want := bytes.Repeat([]byte("0123456789"), 50_000)
	if err := os.WriteFile(filepath.Join(dir, "a"), want, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{"a": want, "empty": nil} {
		o, err := st.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		m := o.(Mapper)
		for range 2 {
			got, err := m.Map()
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: %d bytes, %v", name, len(got), err)
			}
			m.Forget(0, m.Size()) // they come back
			m.Forget(m.Size()/2, m.Size()/2+1)
			if !bytes.Equal(got, want) {
				t.Fatalf("%s: other bytes", name)
			}
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		if err := o.Close(); err == nil {
			t.Errorf("%s was closed twice", name)
		}
	}
}

// The system brings what is around a byte that is touched: all of it counts as memory of
// this process, and none does when it is let go of.
func TestWhatIsForgottenIsNoMemoryOfTheProcess(t *testing.T) {
	dir := t.TempDir()
	const size, stride = 8 << 20, 300_000
	if err := os.WriteFile(filepath.Join(dir, "a"), make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	o, err := st.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	m := o.(Mapper)
	b, err := m.Map()
	if err != nil {
		t.Fatal(err)
	}
	sum := byte(0)
	for at := 0; at < size; at += stride {
		sum += b[at]
	}
	if kb := resident(t, filepath.Join(dir, "a")); kb < size/stride*4 || sum != 0 {
		t.Fatalf("%d kB of a file are in memory of which %d pages were touched", kb, size/stride)
	}
	for at := int64(0); at < size; at += stride {
		m.Forget(at, at+1)
	}
	var all stretches // as are forgotten later
	for from := int64(0); from < size; from += around {
		all.add(stretch{o.(*fileObject), from, from + around}, 0)
	}
	if kb := resident(t, filepath.Join(dir, "a")); kb != 0 {
		t.Errorf("%d kB stay behind", kb)
	}
}

func TestTheOldestIsGivenUpFirstAndNothingOfAFileThatIsClosed(t *testing.T) {
	dir := t.TempDir()
	const size = 8 * around
	st, err := NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files []*fileObject
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := st.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		b, err := o.(Mapper).Map()
		if err != nil || bytes.Count(b, []byte{0}) != size {
			t.Fatal(err)
		}
		files = append(files, o.(*fileObject))
	}
	kb := func(i int) int { return resident(t, filepath.Join(dir, []string{"a", "b"}[i])) }
	near := func(got, want int) bool { return max(got, want)-min(got, want) <= size>>10/64 } // a page or two may come and go
	whole := kb(0)
	if whole < size>>10/2 { // or pages that nobody wrote to are shared
		t.Fatalf("%d kB of a file are in memory that was read whole", whole)
	}

	var all stretches
	all.add(stretch{files[0], 0, size / 2}, size)
	all.add(stretch{files[0], size / 2, size}, size)
	all.add(stretch{files[1], 0, size / 2}, size)
	if a, b := kb(0), kb(1); !near(a, whole/2) || !near(b, whole) {
		t.Errorf("%d and %d kB are left, want half of the first file's %d, and all of the second's", a, b, whole)
	}
	if want := []stretch{{files[0], size / 2, size}, {files[1], 0, size / 2}}; !slices.Equal(all.all, want) || all.bytes != size {
		t.Errorf("%d bytes are left, %v", all.bytes, all.all)
	}
	all.drop(files[0])
	if len(all.all) != 1 || all.all[0].of != files[1] || all.bytes != size/2 {
		t.Errorf("%d bytes are left after a file was closed, %v", all.bytes, all.all)
	}

	all.letGo()
	if b := kb(1); !near(b, whole/2) || len(all.all) != 0 || all.bytes != 0 {
		t.Errorf("%d kB are left of the second file, and %d bytes to be given up", b, all.bytes)
	}

	files[1].Forget(0, size)
	if err := files[1].Close(); err != nil {
		t.Error(err)
	}
	if slices.ContainsFunc(forgotten.all, func(s stretch) bool { return s.of == files[1] }) {
		t.Error("a file that was closed is to be given up")
	}
}

// resident returns how many kilobytes of a file this process has mapped and in memory.
func resident(t *testing.T, path string) (kb int) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skipf("this system does not say what is in memory: %v", err)
	}
	defer f.Close()
	inside := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if first, _, _ := strings.Cut(line, " "); strings.Contains(first, "-") {
			inside = strings.HasSuffix(line, path)
		}
		if text, ok := strings.CutPrefix(line, "Rss:"); ok && inside {
			if _, err := fmt.Sscan(text, &kb); err != nil {
				t.Fatal(err)
			}
		}
	}
	return kb
}
