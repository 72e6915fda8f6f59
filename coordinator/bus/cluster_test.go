package bus

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"rescore/partition/job"
	"rescore/partition/loopback"
	"rescore/partition/role"
	"rescore/partition/wire"
)

const token = "a-token-of-this-test"

// free returns so many addresses of this machine where nobody listens.
func free(t *testing.T, n int) (addresses []string) {
	t.Helper()
	for range n {
		l := loopback.Listen(t)
		addresses = append(addresses, l.Addr().String())
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return addresses
}

// three starts a cluster of three servers and returns when they know each other.
func three(t *testing.T, secure func(name, role string) *tls.Config) (servers []*Embedded, clients []string) {
	t.Helper()
	at := free(t, 6)
	clients, routes := at[:3], at[3:]
	for i := range 3 {
		name := fmt.Sprintf("c%d", i+1)
		cfg := ServerConfig{
			Name: name, Clients: clients[i], Routes: routes[i], Others: append(slices.Clone(routes[:i]), routes[i+1:]...), Token: token,
			Log: slog.New(slog.DiscardHandler),
		}
		if secure != nil {
			cfg.TLS = secure(name, role.Coordinator)
		}
		e, err := Listen(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		servers = append(servers, e)
	}
	for _, e := range servers {
		for deadline := time.Now().Add(patience); e.server.NumRoutes() < 2; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s has %d routes", e.server.Name(), e.server.NumRoutes())
			}
		}
	}
	return servers, clients
}

// dial connects a worker over the network, with faults reported on a channel.
func dial(t *testing.T, address, user, password string, more ...nats.Option) (*nats.Conn, chan error, error) {
	t.Helper()
	faults := make(chan error, 100)
	o := append([]nats.Option{
		nats.UserInfo(user, password), nats.CustomInboxPrefix(Inbox(role.Worker)), nats.NoReconnect(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { faults <- err }),
	}, more...)
	conn, err := nats.Connect("nats://"+address, o...)
	if err == nil {
		t.Cleanup(conn.Close)
	}
	return conn, faults, err
}

// lead lets a coordinator of that name serve at its own server until the test ends.
func lead(t *testing.T, at *Embedded, name string) {
	t.Helper()
	conn, err := at.Connect(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	o := &office{t: t, server: conn, log: newJournal()}
	o.serve(newDesk())
	t.Cleanup(func() { _ = o.stop() })
}

func TestAWorkerOfAnyServerIsAnsweredByTheOneThatLeads(t *testing.T) {
	t.Parallel()
	servers, clients := three(t, nil)
	lead(t, servers[2], "c3")
	for _, at := range clients {
		worker, _, err := dial(t, at, role.Worker, token)
		if err != nil {
			t.Fatal(err)
		}
		leads, err := worker.SubscribeSync(wire.SubjectLead)
		if err != nil {
			t.Fatal(err)
		}
		m, err := leads.NextMsgWithContext(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		if l, err := wire.Decode[wire.Lead](m.Data); err != nil || l.Leader != "c3" || l.Since == 0 {
			t.Errorf("%+v, %v", l, err)
		}
		// It was heard to lead: whoever asks now is answered.
		m, err = worker.RequestWithContext(patient(t), wire.SubjectWork, mustEncode(t, wire.WorkRequest{Worker: "w", Slots: 7}))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := wire.Decode[wire.WorkReply](m.Data); err != nil || r.RetryMillis != 7 {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

func TestNobodyIsLetInWithoutTheTokenOrAsACoordinator(t *testing.T) {
	t.Parallel()
	_, clients := three(t, nil)
	for _, c := range []struct{ user, password string }{
		{role.Worker, "another-token-altogether"}, {role.Worker, ""}, {"", ""}, {"", token}, {"root", token},
		{role.Coordinator, token}, // those are in their own processes
	} {
		if _, _, err := dial(t, clients[0], c.user, c.password); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%q with %q: %v", c.user, c.password, err)
		}
	}
	if _, _, err := dial(t, clients[0], role.Worker, token); err != nil {
		t.Errorf("with the token: %v", err)
	}
}

func TestServersOfAnotherTokenDoNotJoin(t *testing.T) {
	t.Parallel()
	at := free(t, 4)
	listen := func(i int, token string, log slog.Handler) *Embedded {
		e, err := Listen(ServerConfig{Name: fmt.Sprint("c", i), Clients: at[i], Routes: at[2+i], Others: []string{at[3-i]}, Token: token, Log: slog.New(log)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		return e
	}
	first := listen(0, token, slog.DiscardHandler)
	log := newJournal()
	listen(1, "another-token-altogether", slog.NewTextHandler(log, nil))
	late := time.After(patience)
	for { // it says so in its log, again and again
		select {
		case line := <-log.lines:
			if !strings.Contains(strings.ToLower(line), "authorization") && !strings.Contains(strings.ToLower(line), "authentication") {
				continue
			}
		case <-late:
			t.Fatal("a server that is refused does not say so")
		}
		break
	}
	if n := first.server.NumRoutes(); n != 0 {
		t.Errorf("%d routes to servers of another token", n)
	}
	if _, err := Listen(ServerConfig{Name: "c", Clients: at[0], Routes: at[1]}); err == nil || !strings.Contains(err.Error(), "no token") {
		t.Errorf("without a token: %v", err)
	}
}

// TestAWorkerSaysAndHearsWhatIsItsOwn holds the permissions to every subject there is.
func TestAWorkerSaysAndHearsWhatIsItsOwn(t *testing.T) {
	t.Parallel()
	servers, clients := three(t, nil)
	home, err := servers[0].Connect("c1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(home.Close)
	worker, faults, err := dial(t, clients[1], role.Worker, token)
	if err != nil {
		t.Fatal(err)
	}
	denied := func(what string, do func() error) {
		t.Helper()
		if err := do(); err != nil {
			t.Fatal(what, err)
		}
		if err := worker.Flush(); err != nil {
			t.Fatal(what, err)
		}
		select {
		case err := <-faults:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(patience):
			t.Errorf("%s is allowed", what)
		}
	}
	for _, subject := range []string{
		wire.SubjectLead, wire.SubjectCheck, wire.SubjectCompare, Inbox(role.Coordinator) + ".x", Inbox(role.Worker) + ".x", "$SYS.REQ.SERVER.PING", "$JS.API.INFO", "anything",
	} {
		denied("to publish "+subject, func() error { return worker.Publish(subject, nil) })
	}
	for _, subject := range []string{
		wire.SubjectWork, wire.SubjectReport, wire.SubjectHeartbeat, Inbox(role.Coordinator) + ".>", wire.SubjectCheck, wire.SubjectCompare, "_INBOX.>", ">", "$SYS.>", "rescore.>",
	} {
		denied("to hear "+subject, func() error {
			_, err := worker.SubscribeSync(subject)
			return err
		})
	}
	denied("to hear checks in a group of its own", func() error {
		_, err := worker.QueueSubscribeSync(wire.SubjectCheck, "mine")
		return err
	})
	// What is its own passes.
	beats, err := home.SubscribeSync(wire.SubjectHeartbeat)
	if err != nil {
		t.Fatal(err)
	}
	checks, err := worker.QueueSubscribe(wire.SubjectCheck, wire.QueueWorkers, func(m *nats.Msg) {
		for _, r := range []wire.CheckReply{{Working: true}, {Job: "a"}} {
			if err := m.Respond(mustEncode(t, r)); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil || !checks.IsValid() {
		t.Fatal(err)
	}
	if err := worker.Flush(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; {
		if err := worker.Publish(wire.SubjectHeartbeat, mustEncode(t, wire.Heartbeat{Worker: "w"})); err != nil {
			t.Fatal(err)
		}
		if _, err := beats.NextMsg(100 * time.Millisecond); err == nil {
			break // the subscription has come round
		} else if time.Now().After(deadline) {
			t.Fatal("no heartbeat passes")
		}
	}
	b := New(home, slog.New(slog.DiscardHandler))
	got, err := b.Check(patient(t), wire.CheckRequest{Spec: []byte("{}")})
	if err != nil || got.Job != "a" {
		t.Errorf("%+v, %v", got, err)
	}
	select {
	case err := <-faults:
		t.Errorf("it is denied what is its own: %v", err)
	default:
	}
}

func TestAskingWorkersGoesOnUntilOneAnswers(t *testing.T) {
	t.Parallel()
	e := embed(t)
	home, worker := connect(t, e, "c1"), connect(t, e, "w1")
	b := New(home, slog.New(slog.DiscardHandler))
	b.silence = 50 * time.Millisecond
	if _, err := b.Check(patient(t), wire.CheckRequest{Spec: []byte("{}")}); !errors.Is(err, ErrNoWorker) {
		t.Errorf("without a worker: %v", err)
	}
	if _, err := b.Compare(patient(t), wire.CompareRequest{}); !errors.Is(err, wire.ErrMessage) {
		t.Errorf("a comparison of nothing: %v", err)
	}
	asked := 0
	sub, err := worker.QueueSubscribe(wire.SubjectCompare, wire.QueueWorkers, func(m *nats.Msg) {
		asked++
		r := wire.CompareReply{Figures: []byte("{}")}
		switch asked {
		case 1:
			return // dies with the question
		case 2:
			if err := m.Respond(mustEncode(t, wire.CompareReply{Working: true})); err != nil {
				t.Error(err)
			}
			return // dies at work
		}
		if err := m.Respond(mustEncode(t, r)); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Flush(); err != nil {
		t.Fatal(err)
	}
	got, err := b.Compare(patient(t), wire.CompareRequest{Old: "a", New: "b"})
	if err != nil || string(got.Figures) != "{}" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
}

func TestACoordinatorOutlivesTheOthersServers(t *testing.T) {
	t.Parallel()
	servers, clients := three(t, nil)
	lead(t, servers[0], "c1")
	servers[1].Close()
	servers[2].Close()
	worker, _, err := dial(t, clients[0], role.Worker, token)
	if err != nil {
		t.Fatal(err)
	}
	m, err := worker.RequestWithContext(patient(t), wire.SubjectReport, mustEncode(t, wire.Report{Worker: "w", Lease: aLease, Result: &job.Result{}}))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := wire.Decode[wire.ReportReply](m.Data); err != nil || r.Status != wire.OK {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAServerThatCannotListenSaysWhere(t *testing.T) {
	t.Parallel()
	at := free(t, 1)
	for _, c := range []struct{ clients, routes, says string }{
		{"nowhere", at[0], "for workers"}, {at[0], "nowhere", "for the other coordinators"},
	} {
		if _, err := Listen(ServerConfig{Name: "c", Clients: c.clients, Routes: c.routes, Token: token}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q and %q: %v", c.clients, c.routes, err)
		}
	}
}

// authority makes certificates that name roles.
func authority(t *testing.T) func(name, role string) *tls.Config {
	t.Helper()
	key := newKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if ca, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	serial := int64(1)
	return func(name, role string) *tls.Config {
		serial++
		mine := newKey(t)
		cert := &x509.Certificate{
			SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, URIs: []*url.URL{{Scheme: "rescore", Host: role}},
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		}
		raw, err := x509.CreateCertificate(rand.Reader, cert, ca, mine.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: mine}}}
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestWithTLSOnlyARoleOfTheAuthorityIsLetIn(t *testing.T) {
	t.Parallel()
	issue, stranger := authority(t), authority(t)
	servers, clients := three(t, issue) // the routes came up: coordinators take each other
	if home, err := servers[0].Connect("c1"); err != nil {
		t.Errorf("inside the process: %v", err)
	} else {
		home.Close()
	}
	if _, _, err := dial(t, clients[0], role.Worker, token, nats.Secure(issue("w1", role.Worker))); err != nil {
		t.Errorf("a worker: %v", err)
	}
	if _, _, err := dial(t, clients[0], role.Worker, token, nats.Secure(issue("c9", role.Coordinator))); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("a coordinator's certificate: %v", err)
	}
	if _, _, err := dial(t, clients[0], role.Worker, "another-token-altogether", nats.Secure(issue("w1", role.Worker))); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("another token: %v", err)
	}
	foreign := stranger("w1", role.Worker)
	foreign.RootCAs = issue("x", role.Worker).RootCAs
	if _, _, err := dial(t, clients[0], role.Worker, token, nats.Secure(foreign)); err == nil {
		t.Error("a certificate of another authority is let in")
	}
	bare := &tls.Config{RootCAs: foreign.RootCAs}
	if _, _, err := dial(t, clients[0], role.Worker, token, nats.Secure(bare)); err == nil {
		t.Error("no certificate is let in")
	}
	if _, _, err := dial(t, clients[0], role.Worker, token); err == nil {
		t.Error("plain TCP is let in")
	}
}

func TestAWorkersCertificateIsNoRoute(t *testing.T) {
	t.Parallel()
	issue := authority(t)
	at := free(t, 4)
	listen := func(i int, role string, log slog.Handler) *Embedded {
		e, err := Listen(ServerConfig{
			Name: fmt.Sprint("c", i), Clients: at[i], Routes: at[2+i], Others: []string{at[3-i]}, Token: token, TLS: issue(fmt.Sprint("c", i), role), Log: slog.New(log),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		return e
	}
	log := newJournal()
	first := listen(0, role.Coordinator, slog.NewTextHandler(log, nil))
	listen(1, role.Worker, slog.DiscardHandler)
	late := time.After(patience)
	for {
		select {
		case line := <-log.lines:
			if !strings.Contains(line, "does not name the role rescore://coordinator") {
				continue
			}
		case <-late:
			t.Fatal("a worker's certificate is not refused")
		}
		break
	}
	if n := first.server.NumRoutes(); n != 0 {
		t.Errorf("%d routes to a worker", n)
	}
}

// TestAServerOutsideLetsInAndAllowsTheSame reads the configuration that is handed to
// people, and holds it to what our own servers allow.
func TestAServerOutsideLetsInAndAllowsTheSame(t *testing.T) {
	t.Setenv("RESCORE_TOKEN", token)
	o, err := server.ProcessConfigFile("../../deploy/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	if o.MaxPayload != wire.BytesMax || len(o.Users) != len(may) {
		t.Errorf("%d bytes, %d users", o.MaxPayload, len(o.Users))
	}
	for _, u := range o.Users {
		if !reflect.DeepEqual(u.Permissions, may[u.Username]) {
			t.Errorf("%s may %+v %+v %+v", u.Username, u.Permissions.Publish, u.Permissions.Subscribe, u.Permissions.Response)
		}
	}
	own := options("outside")
	own.Host, own.Port, own.Users = "127.0.0.1", server.RANDOM_PORT, o.Users
	e, err := start(own, &Embedded{log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	home, err := Dial([]string{"nats://" + e.server.Addr().String()}, "c1", token, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(home.Close)
	desk := &office{t: t, server: home, log: newJournal()}
	desk.serve(newDesk())
	t.Cleanup(func() { _ = desk.stop() })
	worker, _, err := dial(t, e.server.Addr().String(), role.Worker, token)
	if err != nil {
		t.Fatal(err)
	}
	m, err := worker.RequestWithContext(patient(t), wire.SubjectWork, mustEncode(t, wire.WorkRequest{Worker: "w", Slots: 7}))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := wire.Decode[wire.WorkReply](m.Data); err != nil || r.RetryMillis != 7 {
		t.Errorf("%+v, %v", r, err)
	}
}
