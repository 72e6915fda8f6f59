//go:build hdfs

package hdfs

import (
	"os"
	"sync"
	"testing"

	"rescore/partition/store/hdfs/hdfstest"
)

const (
	super      = hdfstest.User
	blockBytes = hdfstest.BlockBytes
)

var shared struct {
	sync.Mutex
	*hdfstest.Cluster
}

// start returns the cluster that the tests share, which ends with them.
func start(t *testing.T) *hdfstest.Cluster {
	t.Helper()
	hdfstest.Setenv(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.Cluster == nil {
		shared.Cluster = hdfstest.Launch(t)
	}
	return shared.Cluster
}

func TestMain(m *testing.M) {
	rc := m.Run()
	if c := shared.Cluster; c != nil {
		c.Kill()
	}
	os.Exit(rc)
}
