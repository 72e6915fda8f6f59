package machine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"rescore/partition/store"
)

func (m *Machine) look(dir string) {
	if name, sets, virtual := cpuinfo(text("/proc/cpuinfo")); name != "" || sets != "" {
		m.VectorSets, m.Virtual = sets, virtual
		if name != "" {
			m.CPU = name
		}
	}
	m.Memory = counted(text("/proc/meminfo"), "MemTotal") << 10
	if release := strings.TrimSpace(text("/proc/sys/kernel/osrelease")); release != "" {
		m.System = "Linux " + release
	}
	m.Governor = strings.TrimSpace(text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))
	if whole, err := filepath.EvalSymlinks(dir); err == nil {
		dir = whole
	}
	if whole, err := filepath.Abs(dir); err == nil {
		dir = whole
	}
	m.Disk = mounted(text("/proc/self/mounts"), dir)
	var disk syscall.Statfs_t
	if syscall.Statfs(dir, &disk) == nil {
		m.DiskFree = int64(disk.Bavail) * disk.Bsize
	}
}

// Used returns what this process has used so far.
func Used() Usage {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return Usage{}
	}
	io := text("/proc/self/io")
	return Usage{
		CPUSeconds: float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9,
		// Not Getrusage's: that remembers how large whoever started this process was.
		MaxRSS:    counted(text("/proc/self/status"), "VmHWM") << 10,
		BytesRead: counted(io, "rchar") + store.Looked(), BytesWritten: counted(io, "wchar"),
	}
}

// text reads a file of the system's; "" where there is none.
func text(name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(data)
}

// StartOn starts a process that may use the first n of this one's cores.
func StartOn(n int, cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		// A child has the cores of the thread that starts it. This one is never unlocked, and
		// so ends with the goroutine.
		runtime.LockOSThread()
		started <- startOn(n, cmd)
	}()
	return <-started
}

func startOn(n int, cmd *exec.Cmd) error {
	var own, some unix.CPUSet
	if err := unix.SchedGetaffinity(0, &own); err != nil {
		return fmt.Errorf("ask for the cores: %w", err)
	}
	for i := 0; some.Count() < min(n, own.Count()); i++ {
		if own.IsSet(i) {
			some.Set(i)
		}
	}
	if err := unix.SchedSetaffinity(0, &some); err != nil {
		return fmt.Errorf("take %d cores: %w", n, err)
	}
	return cmd.Start()
}

// Load reads it; ok is false where the system does not say.
func Load() (b Busy, ok bool) {
	line, _, _ := strings.Cut(text("/proc/stat"), "\n")
	return busy(line)
}

// OwnCPU returns the processor time of this process and of those it waited for, in
// seconds.
func OwnCPU() float64 {
	total := 0.0
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			total += float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
		}
	}
	return total
}

// Forget has the system drop what it keeps of a file in memory, but for what is mapped; it
// writes first what has to be. Where the file system knows no such thing it is left.
func Forget(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	_ = f.Sync() // what cannot be written stays, as all does where the file system does not care
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	return f.Close()
}
