//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

var mu sync.Mutex // one reader and writer of the file in this process

// Hit does what the file says of name, once.
func Hit(name string) {
	act, arg := take(name)
	switch act {
	case "":
		return
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it arrives
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "sleep":
		d, err := time.ParseDuration(arg)
		if err != nil {
			panic(fmt.Sprintf("failpoint %s: %v", name, err)) // the test's own mistake
		}
		time.Sleep(d)
	default:
		panic(fmt.Sprintf("failpoint %s: no action %q", name, act))
	}
}

// Now is the time, off by what the file says of clock.
func Now() time.Time {
	now := time.Now()
	for _, line := range lines() {
		var shift string
		if n, _ := fmt.Sscanf(line, "clock shift %s", &shift); n == 1 {
			d, err := time.ParseDuration(shift)
			if err != nil {
				panic(fmt.Sprintf("failpoint clock: %v", err))
			}
			return now.Add(d)
		}
	}
	return now
}

// take finds a name's line and moves it from the file to the hits.
func take(name string) (act, arg string) {
	mu.Lock()
	defer mu.Unlock()
	all := lines()
	for i, line := range all {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != name {
			continue
		}
		file := os.Getenv("RESCORE_FAILPOINT")
		rest := strings.Join(append(append([]string{}, all[:i]...), all[i+1:]...), "\n")
		if os.WriteFile(file+".tmp", []byte(rest), 0o600) != nil || os.Rename(file+".tmp", file) != nil {
			return "", "" // left armed: hit again
		}
		if f, err := os.OpenFile(file+".hit", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
			_, _ = fmt.Fprintln(f, name, fields[1])
			_ = f.Close()
		}
		if len(fields) > 2 {
			arg = fields[2]
		}
		return fields[1], arg
	}
	return "", ""
}

func lines() []string {
	file := os.Getenv("RESCORE_FAILPOINT")
	if file == "" {
		return nil
	}
	data, err := os.ReadFile(file)
	if err != nil || len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}
