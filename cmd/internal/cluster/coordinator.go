// Package cluster makes processes of the rooms: a coordinator, with its share of raft,
// NATS and the API, and a worker.
//
//	             ┌ PORT    raft ══════════ the other coordinators
//	coordinator ─┤ PORT+1  NATS ────────── workers
//	             │ PORT+2  NATS routes ═══ the other coordinators
//	             └ PORT+3  API ─────────── rescore submit, status, …
//
// Any coordinator may lead; the others keep the ledger, carry messages and pass on
// requests. It is the code that rescore run has in one process.
package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/local"
	"rescore/coordinator"
	"rescore/coordinator/api"
	"rescore/coordinator/bus"
	"rescore/coordinator/lease"
	"rescore/coordinator/plan"
	"rescore/coordinator/replica"
	"rescore/partition/failpoint"
)

// Coordinator says how one coordinator is run.
type Coordinator struct {
	ID       string
	Dir      string // its folder; nobody else may write in it
	Peers    []Peer // the coordinators the cluster begins with, this one among them
	Join     bool   // wait to be added to a cluster that has begun
	Token    string
	TLS      *tls.Config // RootCAs and this coordinator's certificate; nil is plain TCP
	Insecure bool        // plain TCP beyond this machine
	NATS     []string    // URLs of nats-servers outside; none: one of its own
	// LeaseTTL is how long a worker may be silent before its tasks are given away.
	// 0 is the default.
	LeaseTTL time.Duration
	Log      *slog.Logger
	Ready    func(Listening) // called once, when it takes part in the cluster
}

// Listening is where a coordinator can be reached.
type Listening struct {
	ID   string `json:"id"`
	Raft string `json:"raft"`
	NATS string `json:"nats"`
	API  string `json:"api"`
}

// Run runs a coordinator until ctx ends; that is no error. Its leadership is handed
// over first, so that nobody waits for it to be missed.
func (c Coordinator) Run(ctx context.Context) (err error) {
	self, err := c.check()
	if err != nil {
		return err
	}
	var peers []replica.Peer
	for _, p := range c.Peers {
		peers = append(peers, replica.Peer{ID: p.ID, Address: p.Base.at(raftPort)})
	}
	// Whoever can be reached comes first: what is taken on these ports waits for the rest.
	web, err := net.Listen("tcp", self.at(apiPort))
	if err != nil {
		return fmt.Errorf("listen for the API: %w", err)
	}
	defer func() { _ = web.Close() }() // the server closed it already
	conn, leave, err := c.meet(self)
	if err != nil {
		return err
	}
	defer leave()
	ledger, err := replica.Open(replica.Config{
		Dir: filepath.Join(c.Dir, "raft"), ID: c.ID, Peers: peers, Join: c.Join, Advertise: self.at(raftPort), TLS: c.TLS, Log: c.Log,
	})
	if err != nil {
		return classify(err)
	}
	defer func() {
		if closing := ledger.Close(); closing != nil {
			c.Log.Warn("close the ledger", "err", closing)
		}
	}()
	mail := bus.New(conn, c.Log)
	node := coordinator.New(coordinator.Config{
		Replica: ledger, Bus: mail, Output: local.Places.Output, Now: failpoint.Now, Lease: lease.Config{TTL: c.LeaseTTL, PartRows: plan.PartRows}, Log: c.Log,
	})
	shown := prometheus.NewRegistry()
	shown.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})) // panics when given twice
	if err := replica.Measure(shown); err != nil {
		return err
	}
	handler, err := api.New(api.Config{
		Node: node, Cluster: ledger, Token: c.Token, TLS: c.TLS, Check: mail.Check, Compare: mail.Compare, Output: local.Places.Output, Metrics: shown, Log: c.Log,
		Address: func(id string) (string, bool) { return c.apiOf(ctx, ledger, id) },
	})
	if err != nil {
		return err
	}
	defer handler.Close()
	server := api.Server(handler)
	if c.TLS != nil {
		server.TLSConfig = serving(c.TLS)
		web = tls.NewListener(web, server.TLSConfig)
	}
	group, running := errgroup.WithContext(ctx)
	asking, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	server.BaseContext = func(net.Listener) context.Context { return asking }
	over := make(chan struct{})
	group.Go(func() error {
		defer close(over)
		defer func() { _ = ledger.Close() }() // hands over; what went wrong is said when it is closed again
		if err := node.Run(running); err != nil || running.Err() == nil {
			return fmt.Errorf("coordinator %s: %w", c.ID, errors.Join(err, errEnded))
		}
		return nil
	})
	group.Go(func() error {
		if err := server.Serve(web); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the API: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-over
		hangUp() // whoever watches a job asks another coordinator
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(stopping) != nil {
			return server.Close()
		}
		return nil
	})
	if c.Ready != nil {
		at := self.at(clientsPort)
		if len(c.NATS) > 0 {
			at = strings.Join(c.NATS, ",")
		}
		c.Ready(Listening{ID: c.ID, Raft: self.at(raftPort), NATS: at, API: self.at(apiPort)})
	}
	return group.Wait()
}

// errEnded is the end of a coordinator that was not told to stop.
var errEnded = errors.New("it takes part in the cluster no more; see the log")

func (c Coordinator) check() (self Base, err error) {
	for _, p := range c.Peers {
		if p.ID == c.ID {
			self = p.Base
		}
	}
	switch {
	case c.ID == "":
		return self, boot.Usagef("give each coordinator a name of its own, such as --id c1", "the coordinator has no ID")
	case c.Dir == "":
		return self, boot.Usagef("name a folder on a disk that stays, such as --dir /var/lib/rescore", "the coordinator has no folder")
	case self == Base{}:
		return self, boot.Usagef("list it: --peers "+c.ID+"=HOST:PORT,…", "--id %s is not among --peers", c.ID)
	}
	if c.TLS != nil {
		return self, nil
	}
	hosts, err := unsealed(c.NATS)
	if err != nil {
		return self, err
	}
	return self, Near(c.Insecure, append(hosts, self.Host)...)
}

// meet starts the coordinator's nats-server, or finds those outside.
func (c Coordinator) meet(self Base) (conn *nats.Conn, leave func(), err error) {
	if len(c.NATS) > 0 {
		conn, err = bus.Dial(c.NATS, c.ID, c.Token, c.TLS, c.Log)
		if err != nil {
			return nil, nil, err
		}
		return conn, conn.Close, nil
	}
	var others []string
	for _, p := range c.Peers {
		if p.ID != c.ID {
			others = append(others, p.Base.at(routesPort))
		}
	}
	server, err := bus.Listen(bus.ServerConfig{
		Name: c.ID, Clients: self.at(clientsPort), Routes: self.at(routesPort), Others: others, Token: c.Token, TLS: c.TLS, Log: c.Log,
	})
	if err != nil {
		return nil, nil, err
	}
	if conn, err = server.Connect(c.ID); err != nil {
		server.Close()
		return nil, nil, err
	}
	return conn, func() {
		conn.Close()
		server.Close()
	}, nil
}

// apiOf returns where a coordinator serves its API. Members that came later are known
// to raft alone.
func (c Coordinator) apiOf(ctx context.Context, ledger *replica.Replica, id string) (string, bool) {
	for _, p := range c.Peers {
		if p.ID == id {
			return p.Base.at(apiPort), true
		}
	}
	members, err := ledger.Members(ctx)
	if err != nil {
		return "", false
	}
	for _, m := range members {
		if base, err := ParseBase(m.Address); m.ID == id && err == nil {
			return base.at(apiPort), true
		}
	}
	return "", false
}

// serving is how the API listens: it shows its certificate, and takes one of the
// cluster's authority where there is one. Who may ask is the token's to say.
func serving(given *tls.Config) *tls.Config {
	s := given.Clone()
	s.MinVersion, s.ClientCAs, s.ClientAuth = tls.VersionTLS13, given.RootCAs, tls.VerifyClientCertIfGiven
	return s
}

// classify gives what is wrong with a folder its exit code and its remedy.
func classify(err error) error {
	switch {
	case errors.Is(err, replica.ErrLocked):
		return boot.WithCode(err, boot.Conflict, "another coordinator runs in this folder; stop it, or name another --dir")
	case errors.Is(err, replica.ErrIdentity):
		return boot.WithCode(err, boot.Conflict, "the folder is another coordinator's, or the flags are another cluster's; mend --id, --dir or --peers")
	}
	return err
}
