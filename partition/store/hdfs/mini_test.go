//go:build hdfs

package hdfs

import (
	"bytes"
	"encoding/json"
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

const (
	super      = "rescore" // who runs the cluster, and may do everything
	blockBytes = 1 << 20
	startMax   = 3 * time.Minute
)

// mini is a real namenode and datanode in a process of their own.
type mini struct {
	address string
	command *exec.Cmd
	dir     string
	done    chan struct{}
}

// kill ends it; again is no error.
func (m *mini) kill() {
	select {
	case <-m.done:
		return
	default:
	}
	_ = syscall.Kill(-m.command.Process.Pid, syscall.SIGKILL) // it may have ended
	<-m.done
	_ = os.RemoveAll(m.dir) // a temporary folder
}

var shared struct {
	sync.Mutex
	*mini
}

// start returns the cluster that the tests share, which ends with them.
func start(t *testing.T) *mini {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.mini == nil {
		shared.mini = launch(t)
	}
	return shared.mini
}

func TestMain(m *testing.M) {
	rc := m.Run()
	if c := shared.mini; c != nil {
		c.kill()
	}
	os.Exit(rc)
}

// launch starts a cluster from Hadoop's own jars, or skips the test and says how to
// get them.
func launch(t *testing.T) *mini {
	t.Helper()
	jars, err := filepath.Glob(filepath.Join(os.Getenv("RESCORE_HDFS"), "hadoop-client-*.jar"))
	if os.Getenv("RESCORE_HDFS") == "" || err != nil || len(jars) == 0 {
		t.Skip("RESCORE_HDFS names no folder with Hadoop's jars: make hdfs fetches them and runs this")
	}
	java, err := exec.LookPath("java")
	if err != nil {
		t.Skip("java is not installed, which Hadoop runs on")
	}
	more, err := filepath.Glob(filepath.Join(os.Getenv("RESCORE_HDFS"), "*.jar"))
	check(t, err)
	dir, err := os.MkdirTemp("", "rescore-hdfs-")
	check(t, err)
	t.Setenv("HADOOP_CONF_DIR", "")
	details := filepath.Join(dir, "details.json")
	//nolint:noctx // it outlives the test that started it
	c := exec.Command(java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", strings.Join(more, string(os.PathListSeparator)), "org.apache.hadoop.test.MiniDFSClusterManager",
		"-format", "-datanodes", "1", "-writeDetails", details,
		"-D", fmt.Sprintf("dfs.blocksize=%d", blockBytes), "-D", "dfs.namenode.fs-limits.min-block-size=1024")
	var log bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = dir, &log, &log
	c.Env = append(os.Environ(), "HADOOP_USER_NAME="+super)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	check(t, c.Start())
	m := &mini{command: c, dir: dir, done: make(chan struct{})}
	go func() {
		_ = c.Wait() // it is killed
		close(m.done)
	}()
	for until := time.Now().Add(startMax); ; time.Sleep(50 * time.Millisecond) {
		var said struct {
			Port int `json:"namenode_port"`
		}
		if data, err := os.ReadFile(details); err == nil && json.Unmarshal(data, &said) == nil {
			m.address = fmt.Sprintf("127.0.0.1:%d", said.Port)
			return m
		}
		select {
		case <-m.done:
			t.Fatalf("the cluster ended: %s", log.String())
		default:
		}
		if time.Now().After(until) {
			m.kill()
			t.Fatalf("the cluster does not start: %s", log.String())
		}
	}
}
