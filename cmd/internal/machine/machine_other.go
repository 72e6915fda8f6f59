//go:build !linux

package machine

import (
	"fmt"
	"os/exec"
	"time"
)

func (m *Machine) look(string) {}

// Used returns what this process has used so far: here the system is not asked.
func Used() Usage { return Usage{} }

// StartOn starts a process that may use n cores at a time.
func StartOn(n int, cmd *exec.Cmd) error {
	cmd.Env = append(cmd.Environ(), fmt.Sprintf("GOMAXPROCS=%d", n))
	return cmd.Start()
}

// Load reads it; ok is false where the system does not say.
func Load() (b Busy, ok bool) { return b, false }

// OwnCPU returns the processor time of this process and of those it waited for: here
// the system is not asked.
func OwnCPU() float64 { return 0 }

// Rate is how much arithmetic n of this process's cores do side by side: here no core can
// be asked for.
func Rate(int, time.Duration) (rate float64, ok bool) { return 0, false }

// Forget has the system drop what it keeps of a file in memory: here it is not asked.
func Forget(string) error { return nil }
