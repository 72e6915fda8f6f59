package bus

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"rescore/partition/role"
	"rescore/partition/wire"
)

// Embedded is a NATS server inside this process.
type Embedded struct {
	server *server.Server
	login  nats.Option
	log    *slog.Logger
}

// ServerConfig says how a coordinator's nats-server meets workers and the servers of
// the other coordinators.
type ServerConfig struct {
	Name    string   // the coordinator's ID, unique in the cluster
	Clients string   // host:port that workers connect to
	Routes  string   // host:port that other coordinators' servers connect to
	Others  []string // Routes of the other coordinators
	Token   string   // the password of every connection
	// TLS has this coordinator's certificate and the cluster's authority, as RootCAs.
	// Both ends then show a certificate that names their role. None: plain TCP.
	TLS *tls.Config
	Log *slog.Logger // nil for none
}

// Embed starts a server that listens on no port, for a coordinator and a worker in
// one process.
func Embed() (*Embedded, error) {
	o := options("rescore")
	o.DontListen = true
	return start(o, &Embedded{login: func(*nats.Options) error { return nil }, log: slog.New(slog.DiscardHandler)})
}

// Listen starts a server that is part of a cluster's. Whoever listens must Close.
func Listen(cfg ServerConfig) (*Embedded, error) {
	if cfg.Token == "" {
		return nil, errors.New("make nats-server: no token is given, so that anybody could connect")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	o := options(cfg.Name)
	var err error
	if o.Host, o.Port, err = split(cfg.Clients); err != nil {
		return nil, fmt.Errorf("make nats-server for workers: %w", err)
	}
	o.Cluster = server.ClusterOpts{
		Name:        "rescore",
		NoAdvertise: true, // a worker was told of every coordinator, by addresses that it can reach
		PoolSize:    -1,   // one connection a route: little is said, and it stays in order
		// A coordinator that stopped without closing anything is dropped after three of these.
		PingInterval: time.Second, MaxPingsOut: 2,
		Username: role.Coordinator, Password: cfg.Token, AuthTimeout: 5,
	}
	if o.Cluster.Host, o.Cluster.Port, err = split(cfg.Routes); err != nil {
		return nil, fmt.Errorf("make nats-server for the other coordinators: %w", err)
	}
	for _, other := range cfg.Others {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: other, User: url.UserPassword(role.Coordinator, cfg.Token)})
	}
	g := guard{token: sha256.Sum256([]byte(cfg.Token)), tls: cfg.TLS != nil}
	o.CustomClientAuthentication, o.CustomRouterAuthentication = &g, &routeGuard{g}
	if cfg.TLS != nil {
		o.TLSTimeout, o.TLSVerify, o.Cluster.TLSTimeout = 5, true, 5
		if o.TLSConfig, err = role.Mutual(cfg.TLS, ""); err == nil { // guard asks for the role
			o.Cluster.TLSConfig, err = role.Mutual(cfg.TLS, role.Coordinator)
		}
		if err != nil {
			return nil, fmt.Errorf("make nats-server: %w", err)
		}
	}
	e := &Embedded{login: nats.UserInfo(role.Coordinator, cfg.Token), log: cfg.Log}
	return start(o, e)
}

// options of every server: what is not needed is off. There is no JetStream, no
// monitoring port, no websocket, no MQTT, no leaf node, no system account.
func options(name string) *server.Options {
	return &server.Options{
		ServerName: name, NoSigs: true, NoLog: true, NoSystemAccount: true,
		MaxPayload: wire.BytesMax, MaxPending: 64 << 20, WriteDeadline: 5 * time.Second,
		PingInterval: 10 * time.Second, MaxPingsOut: 2, AuthTimeout: 5,
	}
}

func split(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil {
		return "", 0, fmt.Errorf("address %q: %w", address, err)
	}
	return host, port, nil
}

func start(o *server.Options, e *Embedded) (*Embedded, error) {
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("make nats-server: %w", err)
	}
	s.SetLoggerV2(&serverLog{to: e.log}, false, false, false)
	e.server = s
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		e.Close()
		if o.DontListen {
			return nil, errors.New("nats-server is not ready after 10 s")
		}
		return nil, fmt.Errorf("nats-server is not ready after 10 s; are %s:%d and %s:%d free, and this machine's?", o.Host, o.Port, o.Cluster.Host, o.Cluster.Port)
	}
	return e, nil
}

// Connect opens a connection of the coordinator to its own server, inside the process.
func (e *Embedded) Connect(name string) (*nats.Conn, error) {
	conn, err := nats.Connect("", nats.InProcessServer(e.server), e.login, nats.Name(name), nats.MaxReconnects(-1), nats.CustomInboxPrefix(Inbox(role.Coordinator)), faults(e.log))
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded nats-server: %w", err)
	}
	return conn, nil
}

// Close stops the server and waits for it.
func (e *Embedded) Close() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
}

// serverLog writes the server's lines to ours. They name addresses and errors, never a
// message's content.
type serverLog struct{ to *slog.Logger }

func (l *serverLog) Noticef(format string, v ...any) {
	l.to.Debug("nats: " + fmt.Sprintf(format, v...))
}
func (l *serverLog) Debugf(format string, v ...any) { l.to.Debug("nats: " + fmt.Sprintf(format, v...)) }
func (l *serverLog) Tracef(format string, v ...any) { l.to.Debug("nats: " + fmt.Sprintf(format, v...)) }
func (l *serverLog) Warnf(format string, v ...any)  { l.to.Warn("nats: " + fmt.Sprintf(format, v...)) }
func (l *serverLog) Errorf(format string, v ...any) { l.to.Warn("nats: " + fmt.Sprintf(format, v...)) }
func (l *serverLog) Fatalf(format string, v ...any) { l.to.Error("nats: " + fmt.Sprintf(format, v...)) }
