package fault

import (
	"bufio"
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

// process is one role of the cluster, which is started again after every death.
type process struct {
	name string
	at   host
	args []string
	dir  string // its own: log, failpoints, and of a coordinator the ledger

	mu   sync.Mutex
	cmd  *exec.Cmd
	gone chan struct{} // closed when cmd has ended
	code int           // then
}

func (p *process) failpoints() string { return filepath.Join(p.dir, "failpoint") }

// start starts the process; its output is added to its log. Like everything here
// that faults call from goroutines of their own, it reports and never ends the test.
func (p *process) start(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		t.Error(err)
		return
	}
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = log.Close() }() // the child has its own
	p.cmd = p.at.command(append([]string{program}, p.args...)...)
	p.cmd.Env = append(os.Environ(), "NO_COLOR=1", "RESCORE_LOG_LEVEL=info", "RESCORE_FAILPOINT="+p.failpoints())
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Errorf("start %s: %v", p.name, err)
		return
	}
	cmd, gone := p.cmd, make(chan struct{})
	p.gone = gone
	go func() {
		_ = cmd.Wait() // its code says all there is
		p.mu.Lock()
		p.code = cmd.ProcessState.ExitCode()
		p.mu.Unlock()
		close(gone)
	}()
}

// alive reports whether the process has not ended.
func (p *process) alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gone:
		return false
	default:
		return p.cmd != nil
	}
}

func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Signal(s) // it may have ended
}

// kill ends the process for certain and waits until it has.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended()
}

func (p *process) ended() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gone
}

// revive starts the process again if it has ended.
func (p *process) revive(t *testing.T) {
	if !p.alive() {
		p.start(t)
	}
}

// arm sets a failpoint, in the place of whatever was set.
func (p *process) arm(t *testing.T, line string) {
	t.Helper()
	temp := p.failpoints() + ".arm"
	err := os.WriteFile(temp, []byte(line), 0o600)
	if err == nil {
		err = os.Rename(temp, p.failpoints())
	}
	if err != nil {
		t.Error(err)
	}
}

// hits are the failpoints that went off in the process.
func (p *process) hits(t *testing.T) (names []string) {
	t.Helper()
	data, err := os.ReadFile(p.failpoints() + ".hit")
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	for line := range strings.Lines(string(data)) {
		names = append(names, strings.Fields(line)[0])
	}
	return names
}

// tail is the end of the process's log.
func (p *process) tail() string {
	f, err := os.Open(filepath.Join(p.dir, "log"))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	var last []string
	for s := bufio.NewScanner(f); s.Scan(); {
		last = append(last, s.Text())
		last = last[max(0, len(last)-15):]
	}
	return fmt.Sprintf("--- %s\n%s\n", p.name, strings.Join(last, "\n"))
}

// eventually waits until ok, looking every 20 ms, and fails the test after a time
// that no healthy cluster needs.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not after five minutes", what)
		}
	}
}
