package machine

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
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

func TestRateIsOfCoresSideBySide(t *testing.T) {
	t.Parallel()
	cores := []int{first(t), first(t), first(t)} // one core may play three
	var mu sync.Mutex
	var affinity []unix.CPUSet
	var all sync.WaitGroup
	all.Add(len(cores))
	got, ok := together(cores, func() float64 {
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(0, &set); err != nil {
			t.Error(err)
		}
		mu.Lock()
		affinity = append(affinity, set)
		n := len(affinity)
		mu.Unlock()
		all.Done()
		all.Wait() // for ever, were they one after the other
		return float64(n)
	})
	if !ok || got != 6 {
		t.Errorf("three cores that do 1, 2 and 3: %v, %t", got, ok)
	}
	for _, set := range affinity {
		if set.Count() != 1 || !set.IsSet(cores[0]) {
			t.Errorf("a thread may use %d cores", set.Count())
		}
	}
	if _, ok := together(nil, func() float64 { return 1 }); ok {
		t.Error("no cores have a rate")
	}
	if _, ok := together([]int{cores[0], 1023}, func() float64 { return 1 }); ok {
		t.Error("a core that is not there has a rate")
	}
	if got, ok := Rate(1<<20, time.Millisecond); !ok || got <= 0 {
		t.Errorf("of more cores than there are: %v, %t", got, ok)
	}
}

// first is the first core that this process may use.
func first(t *testing.T) int {
	t.Helper()
	var own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &own); err != nil {
		t.Fatal(err)
	}
	for i := range 1024 {
		if own.IsSet(i) {
			return i
		}
	}
	t.Fatal("this process may use no core")
	return 0
}

func TestWhatIsForgottenIsReadFromTheDisk(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "base")
	const size = 4 << 20
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(name, &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Type == unix.TMPFS_MAGIC {
		t.Skip("temporary files are in memory here, and nothing else has them")
	}
	kept := func() (pages int) {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		data, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			t.Fatal(err)
		}
		in := make([]byte, size/os.Getpagesize())
		_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&data[0])), size, uintptr(unsafe.Pointer(&in[0])))
		if err := unix.Munmap(data); err != nil || errno != 0 {
			t.Fatal(err, errno)
		}
		for _, b := range in {
			pages += int(b & 1)
		}
		return pages
	}
	before := kept()
	if err := Forget(name); err != nil {
		t.Fatal(err)
	}
	if after := kept(); before == 0 || after != 0 {
		t.Errorf("%d pages were kept, and %d are", before, after)
	}
	if err := Forget(name + "?"); !os.IsNotExist(err) {
		t.Errorf("of a file that is not there: %v", err)
	}
}
