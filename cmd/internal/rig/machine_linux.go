package rig

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Host is a machine of the cluster: a network namespace with one cable into a
// bridge, or this machine itself.
type Host struct {
	space string // name of the namespace; "" = this machine
	cable string // this machine's end of the cable
	IP    string
}

// Command prepares a program on the Host. With ip netns exec the process is the
// program itself, so that signals reach it.
func (h Host) Command(args ...string) *exec.Cmd {
	if h.space != "" {
		args = append([]string{"ip", "netns", "exec", h.space}, args...)
	}
	return exec.Command(args[0], args[1:]...)
}

// Cut takes the Host off the network, both ways, without a word to anybody.
func (h Host) Cut() error { return ip("link", "set", h.cable, "down") }

// Join puts it back.
func (h Host) Join() error { return ip("link", "set", h.cable, "up") }

// Deafen drops what the Host sends to another: that one hears nothing from it, and
// still speaks to it.
func (h Host) Deafen(other Host) error {
	return ip("netns", "exec", h.space, "ip", "route", "replace", "blackhole", other.IP+"/32")
}

// Hear undoes Deafen.
func (h Host) Hear(other Host) error {
	return ip("netns", "exec", h.space, "ip", "route", "del", "blackhole", other.IP+"/32")
}

// Hosts makes n machines on one network, or, where that is not allowed, says that
// all are this one.
func Hosts(t *testing.T, n int) (all []Host, apart bool) {
	t.Helper()
	bridge := fmt.Sprintf("rsb%d", os.Getpid()%100000)
	if err := ip("link", "add", bridge, "type", "bridge"); err != nil {
		t.Logf("no network can be laid here (it takes root and ip): every process is on the loopback, and no fault cuts cables: %v", err)
		return here(n), false
	}
	do := func(args ...string) {
		t.Helper()
		if err := ip(args...); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { do("link", "del", bridge) })
	do("addr", "add", "10.213.77.1/24", "dev", bridge)
	do("link", "set", bridge, "up")
	for i := range n {
		h := Host{
			space: fmt.Sprintf("rescore-%d-%d", os.Getpid(), i), cable: fmt.Sprintf("rsv%d-%d", os.Getpid()%100000, i),
			IP: fmt.Sprintf("10.213.77.%d", 10+i),
		}
		do("netns", "add", h.space)
		t.Cleanup(func() { do("netns", "del", h.space) })
		do("link", "add", h.cable, "type", "veth", "peer", "name", "eth0", "netns", h.space)
		// With its namespace it would go some time later, and the next test lays one of that name.
		t.Cleanup(func() { do("link", "del", h.cable) })
		do("link", "set", h.cable, "master", bridge)
		do("link", "set", h.cable, "up")
		do("netns", "exec", h.space, "ip", "link", "set", "lo", "up")
		do("netns", "exec", h.space, "ip", "addr", "add", h.IP+"/24", "dev", "eth0")
		do("netns", "exec", h.space, "ip", "link", "set", "eth0", "up")
		all = append(all, h)
	}
	return all, true
}

// SmallDisk mounts a disk of so many bytes at dir until the test ends. It returns
// false, and says so, where that is not allowed.
func SmallDisk(t *testing.T, dir string, bytes int) bool {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("rescore-fault", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Logf("no small disk can be mounted here (it takes root), so none fills up: %v", err)
		return false
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return true
}

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
