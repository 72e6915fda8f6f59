//go:build !linux

package fault

import (
	"errors"
	"os/exec"
	"testing"
)

// host is this machine: there are no network namespaces here.
type host struct{ ip string }

var errNoCable = errors.New("network namespaces are Linux's")

func (h host) command(args ...string) *exec.Cmd { return exec.Command(args[0], args[1:]...) }
func (h host) cut() error                       { return errNoCable }
func (h host) join() error                      { return errNoCable }
func (h host) deafen(host) error                { return errNoCable }
func (h host) hear(host) error                  { return errNoCable }

func hosts(t *testing.T, n int) (all []host, apart bool) {
	t.Log("no network namespaces on this system: every process is on the loopback, and no fault cuts cables")
	for range n {
		all = append(all, host{ip: "127.0.0.1"})
	}
	return all, false
}

func smallDisk(t *testing.T, _ string, _ int) bool {
	t.Log("no small disk is mounted on this system, so none fills up")
	return false
}
