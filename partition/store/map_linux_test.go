package store

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
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
	if kb := resident(t, filepath.Join(dir, "a")); kb != 0 {
		t.Errorf("%d kB stay behind", kb)
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
