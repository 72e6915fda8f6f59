// Package hdfstest starts a real HDFS for tests.
package hdfstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// User is who runs the cluster, and may do everything.
const User = "rescore"

// BlockBytes are those of a block.
const BlockBytes = 1 << 20

// startMax is how long a loaded machine may take to start one.
const startMax = 3 * time.Minute

// Cluster is a real namenode and datanode in a process of their own.
type Cluster struct {
	Address string // host and port of the namenode
	command *exec.Cmd
	dir     string
	done    chan struct{}
}

// Kill ends it; again is no error.
func (c *Cluster) Kill() {
	select {
	case <-c.done:
		return
	default:
	}
	_ = c.command.Process.Kill() // it may have ended
	<-c.done
	_ = os.RemoveAll(c.dir) // a temporary folder
}

// Launch starts a cluster from Hadoop's own jars, or skips the test and says how to get
// them. It outlives the test: whoever launches it kills it.
func Launch(t testing.TB) *Cluster {
	t.Helper()
	folder := os.Getenv("RESCORE_HDFS")
	jars, err := filepath.Glob(filepath.Join(folder, "hadoop-client-*.jar"))
	if folder == "" || err != nil || len(jars) == 0 {
		t.Skip("RESCORE_HDFS names no folder with Hadoop's jars: make hdfs fetches them and runs this")
	}
	java, err := exec.LookPath("java")
	if err != nil {
		t.Skip("java is not installed, which Hadoop runs on")
	}
	all, err := filepath.Glob(filepath.Join(folder, "*.jar"))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "rescore-hdfs-")
	if err != nil {
		t.Fatal(err)
	}
	details := filepath.Join(dir, "details.json")
	//nolint:noctx // it outlives the test that started it
	command := exec.Command(java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", strings.Join(all, string(os.PathListSeparator)), "org.apache.hadoop.test.MiniDFSClusterManager",
		"-format", "-datanodes", "1", "-writeDetails", details,
		"-D", fmt.Sprintf("dfs.blocksize=%d", BlockBytes), "-D", "dfs.namenode.fs-limits.min-block-size=1024")
	var log bytes.Buffer
	command.Dir, command.Stdout, command.Stderr = dir, &log, &log
	command.Env = append(os.Environ(), "HADOOP_CONF_DIR=", "HADOOP_USER_NAME="+User)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	c := &Cluster{command: command, dir: dir, done: make(chan struct{})}
	go func() {
		_ = command.Wait() // it is killed
		close(c.done)
	}()
	for until := time.Now().Add(startMax); ; time.Sleep(50 * time.Millisecond) {
		var said struct {
			Port int `json:"namenode_port"`
		}
		if data, err := os.ReadFile(details); err == nil && json.Unmarshal(data, &said) == nil {
			c.Address = fmt.Sprintf("127.0.0.1:%d", said.Port)
			return c
		}
		select {
		case <-c.done:
			t.Fatalf("the cluster ended: %s", log.String())
		default:
		}
		if time.Now().After(until) {
			c.Kill()
			t.Fatalf("the cluster does not start: %s", log.String())
		}
	}
}

// Setenv makes this process User, with no configuration of Hadoop's, until the test ends.
func Setenv(t *testing.T) {
	t.Setenv("HADOOP_CONF_DIR", "")
	t.Setenv("HADOOP_USER_NAME", User)
}
