package rig

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is one role of the cluster, which is started again after every death.
type Process struct {
	Name    string
	Program string // path of the binary
	At      Host
	Args    []string
	Env     []string // beside the test's own
	Dir     string   // its own: log, failpoints, and of a coordinator the ledger

	mu   sync.Mutex
	cmd  *exec.Cmd
	gone chan struct{}  // closed when cmd has ended
	code int            // then
	by   syscall.Signal // that ended it; 0 = none
}

// Failpoints is the file that arms the process's failpoints.
func (p *Process) Failpoints() string { return filepath.Join(p.Dir, "failpoint") }

// Start starts the process; its output is added to its log. Like everything here
// that faults call from goroutines of their own, it reports and never ends the test.
func (p *Process) Start(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := os.MkdirAll(p.Dir, 0o755); err != nil {
		t.Error(err)
		return
	}
	log, err := os.OpenFile(filepath.Join(p.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = log.Close() }() // the child has its own
	cmd, gone := p.At.Command(append([]string{p.Program}, p.Args...)...), make(chan struct{})
	cmd.Env = append(append(os.Environ(), "NO_COLOR=1", "GOTRACEBACK=all", "RESCORE_LOG_LEVEL=info", "RESCORE_FAILPOINT="+p.Failpoints()), p.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Errorf("start %s: %v", p.Name, err)
		return
	}
	p.cmd, p.gone = cmd, gone
	go func() {
		_ = cmd.Wait() // its code says all there is
		p.mu.Lock()
		p.code, p.by = cmd.ProcessState.ExitCode(), 0
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			p.by = status.Signal()
		}
		p.mu.Unlock()
		close(gone)
	}()
}

// Alive reports whether the process has not ended.
func (p *Process) Alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gone:
		return false
	default:
		return p.cmd != nil
	}
}

// PID is the process's number, 0 before it was started.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Signal sends the process a signal; one that has ended does not mind.
func (p *Process) Signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Signal(s) // it may have ended
}

// Kill ends the process for certain and waits until it has.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.Ended()
}

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gone
}

// By is the signal that ended a process, 0 when it ended by itself.
func (p *Process) By() syscall.Signal {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.by
}

// Code is the exit code of a process that has ended.
func (p *Process) Code() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.code
}

// Revive starts the process again if it has ended.
func (p *Process) Revive(t *testing.T) {
	if !p.Alive() {
		p.Start(t)
	}
}

// Arm sets a failpoint, in the place of whatever was set.
func (p *Process) Arm(t *testing.T, line string) {
	t.Helper()
	temp := p.Failpoints() + ".arm"
	err := os.WriteFile(temp, []byte(line), 0o600)
	if err == nil {
		err = os.Rename(temp, p.Failpoints())
	}
	if err != nil {
		t.Error(err)
	}
}

// Hits are the failpoints that went off in the process.
func (p *Process) Hits(t *testing.T) (names []string) {
	t.Helper()
	data, err := os.ReadFile(p.Failpoints() + ".hit")
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	for line := range strings.Lines(string(data)) {
		names = append(names, strings.Fields(line)[0])
	}
	return names
}

// Stacks ends the process by SIGQUIT: its log says where its goroutines are.
func (p *Process) Stacks() {
	p.Signal(syscall.SIGQUIT)
	select {
	case <-p.Ended():
	case <-time.After(10 * time.Second):
	}
}

// Tail is the end of the process's log: 15 lines, and all stacks of a process that ended
// by SIGQUIT.
func (p *Process) Tail() string {
	f, err := os.Open(filepath.Join(p.Dir, "log"))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	var last []string
	stacks := false
	for s := bufio.NewScanner(f); s.Scan(); {
		last = append(last, s.Text())
		stacks = stacks || s.Text() == "SIGQUIT: quit"
		if !stacks {
			last = last[max(0, len(last)-15):]
		}
	}
	return fmt.Sprintf("--- %s\n%s\n", p.Name, strings.Join(last, "\n"))
}

// Patience is a time that no healthy run of a test needs, and no cluster to answer: less
// than what CI gives a step, so that what hangs is told and not just ended.
const Patience = 3 * time.Minute

// Command prepares a run of the binary on this machine. One that has not ended after
// Patience is ended by SIGQUIT, and says on stderr where its goroutines are.
func Command(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "GOTRACEBACK=all")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// Eventually waits until ok, looking every 20 ms, and fails the test after Patience.
func Eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not after %v", what, Patience)
		}
	}
}
