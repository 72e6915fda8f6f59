package machine

import (
	"runtime"
	"testing"
)

const processors = "processor\t: 0\nmodel name\t: A Processor @ 2.0GHz\nflags\t\t: fpu avx2 hypervisor avx512f\n\nprocessor\t: 1\nmodel name\t: another\n"

func TestTheFirstProcessorIsNamed(t *testing.T) {
	t.Parallel()
	if name, sets, virtual := cpuinfo(processors); name != "A Processor @ 2.0GHz" || sets != "avx2 avx512f" || !virtual {
		t.Errorf("%q, %q, %t", name, sets, virtual)
	}
	if name, sets, virtual := cpuinfo(""); name != "" || sets != "" || virtual {
		t.Errorf("of nothing: %q, %q, %t", name, sets, virtual)
	}
}

func TestAFolderIsOnTheLongestMountAboveIt(t *testing.T) {
	t.Parallel()
	const mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp/a\\040b xfs rw 0 0\nbad line\n/dev/vdc /tmpfoo btrfs rw\n"
	for dir, want := range map[string]string{
		"/home/x": "ext4 on /dev/vda", "/tmp": "tmpfs on tmpfs", "/tmp/x": "tmpfs on tmpfs", "/tmp/a b/c": "xfs on /dev/vdb", "/tmpfoot": "ext4 on /dev/vda",
	} {
		if got := mounted(mounts, dir); got != want {
			t.Errorf("%s is on %q, want %q", dir, got, want)
		}
	}
}

func TestCountersAreFoundByTheirWholeNames(t *testing.T) {
	t.Parallel()
	const text = "xrchar: 5\nrchar: 12\nwchar: 34 kB\n"
	if r, w, none := counted(text, "rchar"), counted(text, "wchar"), counted(text, "char"); r != 12 || w != 34 || none != 0 {
		t.Errorf("%d %d %d", r, w, none)
	}
}

func TestTheMachinesTimeIsSplit(t *testing.T) {
	t.Parallel()
	b, ok := busy("cpu  100 200 300 400 500 600 700 800 0 0")
	if !ok || b != (Busy{Working: 19, Stolen: 8, Total: 36}) {
		t.Errorf("%+v, %t", b, ok)
	}
	for _, line := range []string{"", "cpu 1 2", "cpu0 1 2 3 4 5 6 7 8", "cpu a b c d e f g h"} {
		if _, ok := busy(line); ok {
			t.Errorf("%q was read", line)
		}
	}
}

func TestThisMachineIsDescribed(t *testing.T) {
	t.Parallel()
	m := Describe(t.TempDir(), "v1")
	if m.CPU == "" || m.Cores < 1 || m.Go != runtime.Version() || m.Rescore != "v1" || m.System == "" {
		t.Errorf("%+v", m)
	}
}
