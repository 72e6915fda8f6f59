//go:build !linux

package rig

import (
	"errors"
	"os/exec"
	"testing"
)

// Host is this machine: there are no network namespaces here.
type Host struct{ IP string }

var errNoCable = errors.New("network namespaces are Linux's")

func (h Host) Command(args ...string) *exec.Cmd { return exec.Command(args[0], args[1:]...) }
func (h Host) Cut() error                       { return errNoCable }
func (h Host) Join() error                      { return errNoCable }
func (h Host) Deafen(Host) error                { return errNoCable }
func (h Host) Hear(Host) error                  { return errNoCable }

func Hosts(t *testing.T, n int) (all []Host, apart bool) {
	t.Log("no network namespaces on this system: every process is on the loopback, and no fault cuts cables")
	return here(n), false
}

func SmallDisk(t *testing.T, _ string, _ int) bool {
	t.Log("no small disk is mounted on this system, so none fills up")
	return false
}
