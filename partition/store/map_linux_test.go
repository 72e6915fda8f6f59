package store

import (
	"bytes"
	"os"
	"path/filepath"
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
