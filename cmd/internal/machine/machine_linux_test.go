package machine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWhatOnlyLinuxTells(t *testing.T) {
	t.Parallel()
	m := Describe(t.TempDir(), "v1")
	if m.Memory < 1<<20 || m.DiskFree <= 0 || m.Disk == "" {
		t.Errorf("%+v", m)
	}
	before := Used()
	data := make([]byte, 1<<20)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(name); err != nil {
		t.Fatal(err)
	}
	after := Used()
	if after.MaxRSS < 1<<20 || after.CPUSeconds < before.CPUSeconds || after.BytesRead-before.BytesRead < 1<<20 || after.BytesWritten-before.BytesWritten < 1<<20 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if b, ok := Load(); !ok || b.Total <= 0 {
		t.Errorf("the machine's time: %+v, %t", b, ok)
	}
}
