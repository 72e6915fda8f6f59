package machine

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
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

func TestAProcessHasTheCoresItIsStartedOn(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	cmd := exec.Command("nproc")
	cmd.Stdout, cmd.Env = &out, []string{"PATH=" + os.Getenv("PATH")}
	if cmd.Err != nil {
		t.Skipf("nproc, which counts cores, is not here: %v", cmd.Err)
	}
	before := runtime.NumCPU()
	if err := StartOn(1, cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(out.String()); got != "1" {
		t.Errorf("a process on one core counts %s", got)
	}
	after := exec.Command("nproc")
	after.Env = cmd.Env
	if err := StartOn(before+1, after); err != nil {
		t.Errorf("on more cores than there are: %v", err)
	} else if err := after.Wait(); err != nil {
		t.Error(err)
	}
}
