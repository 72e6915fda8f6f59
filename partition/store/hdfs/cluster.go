//go:build hdfs

package hdfs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/colinmarc/hdfs/v2"
	"github.com/colinmarc/hdfs/v2/hadoopconf"

	"rescore/partition/store"
)

const (
	portDefault = "8020"
	// answerMax is how long a namenode or a datanode may be silent. An idle writer
	// is kept alive by an answer every 30 seconds.
	answerMax = 90 * time.Second
	// A request that changes nothing is asked askMax times, a pause apart: the client
	// leaves a namenode that failed alone for five seconds.
	askMax   = 5
	askPause = 2 * time.Second
)

var clusters struct {
	sync.Mutex
	of map[string]*hdfs.Client
}

// Open returns the objects of a cluster below folder, "" for its root. The stores of
// one cluster and user share a client for the life of the process: with it go the
// connection to the namenode and the leases of what is being written.
func Open(cluster, folder string) (store.Store, error) {
	s := &Store{folder: "/" + folder, name: Scheme + cluster + "/" + folder}
	if folder != "" {
		if err := store.CheckName(folder); err != nil {
			return nil, fmt.Errorf("open %s: %w", s.name, err)
		}
	}
	o, err := fromEnvironment(cluster)
	if err == nil {
		s.client, err = connect(o)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s.name, err)
	}
	return s, nil
}

func connect(o hdfs.ClientOptions) (*hdfs.Client, error) {
	clusters.Lock()
	defer clusters.Unlock()
	key := fmt.Sprint(o.Addresses, o.User, o.UseDatanodeHostname)
	if c := clusters.of[key]; c != nil {
		return c, nil
	}
	c, err := hdfs.NewClient(o)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", store.ErrUnavailable, err)
	}
	// The client keeps the answer without a lock: it is asked before others come.
	if _, err := c.ServerDefaults(); err != nil {
		return nil, errors.Join(explain("ask for", "the cluster's defaults", err), c.Close())
	}
	if clusters.of == nil {
		clusters.of = map[string]*hdfs.Client{}
	}
	clusters.of[key] = c
	return c, nil
}

// fromEnvironment finds a cluster's namenodes, as hadoop does, in HADOOP_CONF_DIR or
// HADOOP_HOME, and the user in HADOOP_USER_NAME or the operating system.
func fromEnvironment(cluster string) (o hdfs.ClientOptions, err error) {
	conf, err := hadoopconf.LoadFromEnvironment()
	if err != nil {
		return o, fmt.Errorf("read the Hadoop configuration: %w", err)
	}
	o = hdfs.ClientOptionsFromConf(conf)
	if o.KerberosClient != nil {
		return o, ErrKerberos
	}
	if cluster == "" {
		if cluster, _, _ = Split(conf["fs.defaultFS"]); cluster == "" {
			return o, errors.New("the address names no namenode, and no fs.defaultFS is in HADOOP_CONF_DIR; write hdfs://namenode:8020/path")
		}
	}
	if o.Addresses, err = namenodes(conf, cluster); err != nil {
		return o, err
	}
	if o.User = os.Getenv("HADOOP_USER_NAME"); o.User == "" {
		u, err := user.Current()
		if err != nil {
			return o, fmt.Errorf("find the user to be; set HADOOP_USER_NAME: %w", err)
		}
		o.User = u.Username
	}
	o.NamenodeDialFunc, o.DatanodeDialFunc = dial, dial
	return o, nil
}

// namenodes returns where the namenodes of a cluster listen.
func namenodes(conf hadoopconf.HadoopConf, cluster string) (at []string, err error) {
	members, service := conf["dfs.ha.namenodes."+cluster]
	if !service {
		if _, _, err := net.SplitHostPort(cluster); err != nil {
			cluster = net.JoinHostPort(cluster, portDefault)
		}
		return []string{cluster}, nil
	}
	for m := range strings.SplitSeq(members, ",") {
		key := "dfs.namenode.rpc-address." + cluster + "." + strings.TrimSpace(m)
		if conf[key] == "" {
			return nil, fmt.Errorf("the Hadoop configuration names no %s", key)
		}
		at = append(at, conf[key])
	}
	return at, nil
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// conn bounds how long an answer may take, which the client does not; and it stays
// broken once a read failed: the client would send its next request on it, and take
// the late answer to the last one for its own.
type conn struct {
	net.Conn
	broken atomic.Bool
}

func (c *conn) Read(p []byte) (n int, err error) {
	if err = c.SetReadDeadline(time.Now().Add(answerMax)); err == nil {
		n, err = c.Conn.Read(p)
	}
	if err != nil {
		c.broken.Store(true)
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, net.ErrClosed
	}
	if err := c.SetWriteDeadline(time.Now().Add(answerMax)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// ask asks what may be asked again.
func ask(ctx context.Context, request func() error) error {
	for n := 1; ; n++ {
		err := request()
		if err == nil || n == askMax || !lost(err) {
			return err
		}
		if err := pause(ctx, askPause); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
