package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/local"
	"rescore/cmd/internal/province"
	"rescore/coordinator/api"
	"rescore/coordinator/client"
	"rescore/coordinator/publish"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/synth"
	"rescore/worker/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token = "a-token-of-this-test"
	// patience bounds every wait; none needs a tenth of it.
	patience = 3 * time.Minute
)

// process is a role that runs in this process.
type process struct {
	cancel context.CancelFunc
	ended  chan error
}

func begin(t *testing.T, run func(context.Context) error) *process {
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{cancel, make(chan error, 1)}
	go func() { p.ended <- run(ctx) }()
	t.Cleanup(func() { p.stop(t) })
	return p
}

// stop ends the process as a signal does.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.cancel()
	select {
	case err := <-p.ended:
		p.ended <- nil
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("a process does not end")
	}
}

// cluster is three coordinators.
type cluster struct {
	peers        []Peer
	coordinators map[string]*process
	client       *client.Client
}

// start starts three coordinators and returns when all take part.
func start(t *testing.T, secure func(role string) *tls.Config) *cluster {
	t.Helper()
	for range 5 { // another process may have taken a port
		if c := try(t, secure); c != nil {
			return c
		}
	}
	t.Fatal("no ports for three coordinators")
	return nil
}

func try(t *testing.T, secure func(role string) *tls.Config) *cluster {
	c := &cluster{coordinators: map[string]*process{}}
	var bases []string
	for i := range 3 {
		base := Base{"127.0.0.1", freePorts(t)}
		c.peers = append(c.peers, Peer{fmt.Sprintf("c%d", i+1), base})
		bases = append(bases, base.String())
	}
	ready := make(chan Listening, 3)
	for _, p := range c.peers {
		o := Coordinator{ID: p.ID, Dir: t.TempDir(), Peers: c.peers, Token: token, Log: slog.New(slog.DiscardHandler), Ready: func(l Listening) { ready <- l }}
		if secure != nil {
			o.TLS = secure("coordinator")
		}
		c.coordinators[p.ID] = begin(t, o.Run)
	}
	deadline := time.Now().Add(patience)
	for up := 0; up < 3; {
		select {
		case l := <-ready:
			up++
			for _, p := range c.peers {
				if p.ID == l.ID && (l.Raft != p.Base.at(0) || l.NATS != p.Base.at(1) || l.API != p.Base.at(3)) {
					t.Errorf("%s says %+v", p.ID, l)
				}
			}
		case <-time.After(10 * time.Millisecond):
			if c.failed() {
				for _, p := range c.coordinators {
					p.cancel()
					if err := <-p.ended; err != nil {
						t.Log(err) // a port was taken: that is nobody's fault
					}
					p.ended <- nil
				}
				return nil
			}
			if time.Now().After(deadline) {
				t.Fatal("a coordinator is not ready")
			}
		}
	}
	o := client.Config{Coordinators: bases, Token: token, User: "tester", Patience: patience}
	if secure != nil {
		o.TLS = secure("client")
	}
	var err error
	if c.client, err = client.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.client.Close)
	return c
}

// failed reports whether a coordinator has ended.
func (c *cluster) failed() bool {
	for _, p := range c.coordinators {
		select {
		case err := <-p.ended:
			p.ended <- err
			return true
		default:
		}
	}
	return false
}

// freePorts finds four ports in a row that are free now.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 500 {
		first := 20000 + 4*mathrand.IntN(10000)
		free := true
		for i := range 4 {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+i))
			if err != nil {
				free = false
				break
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if free {
			return first
		}
	}
	t.Fatal("no four free ports in a row")
	return 0
}

func (c *cluster) worker(t *testing.T, id string, secure func(role string) *tls.Config) *process {
	w := Worker{ID: id, Token: token, Slots: 1, Log: slog.New(slog.DiscardHandler)}
	for _, p := range c.peers {
		w.Coordinators = append(w.Coordinators, p.Base)
	}
	if secure != nil {
		w.TLS = secure("worker")
	}
	return begin(t, w.Run)
}

// base is a small province and the job over it.
func base(t *testing.T) (job.Spec, string) {
	t.Helper()
	dir := t.TempDir()
	st, err := store.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	const month = 202610
	subscribers, rows := int64(20_000), int64(1000)
	if testing.Short() { // a partition costs much under the race detector
		subscribers, rows = 6000, 500
	}
	if _, err := province.Write(t.Context(), st, province.Options{Province: synth.Province{Seed: 3, Subscribers: subscribers, Month: month}, Files: 3}); err != nil {
		t.Fatal(err)
	}
	spec := job.Default()
	spec.Name, spec.Month = "province", month
	spec.Input.Path, spec.Model.Path, spec.Output.Path, spec.Run.Work = "base", "builtin:baseline", "together", "work"
	spec.Run.Workers, spec.Run.PartitionRows = 2, rows
	return spec, dir
}

// submit submits the job, as soon as a worker is there to look at it.
func (c *cluster) submit(t *testing.T, spec job.Spec, dir string) job.ID {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		s, err := c.client.Submit(t.Context(), api.Submission{Spec: spec.Canonical(), Base: dir, MaxAttempts: 3, PartitionRows: spec.Run.PartitionRows})
		if err == nil {
			return s.Job
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// digest runs the same job in this process alone.
func digest(t *testing.T, spec job.Spec, dir string) string {
	t.Helper()
	spec.Output.Path = "alone"
	out, err := local.Run(t.Context(), local.Options{Spec: spec, Base: dir})
	if err != nil {
		t.Fatal(err)
	}
	return out.Digest
}

// published returns the digest of the dataset's only version.
func published(t *testing.T, spec job.Spec, dir string) string {
	t.Helper()
	st, err := store.NewFile(filepath.Join(dir, spec.Output.Path))
	if err != nil {
		t.Fatal(err)
	}
	pointers, err := publish.Pointers(t.Context(), st)
	if err != nil || len(pointers) != 1 {
		t.Fatalf("%d versions, %v", len(pointers), err)
	}
	return pointers[0].Digest
}

// TestAJobOutlivesTheLeaderAndAWorkerThatLeaves: and its bytes are those of one process.
func TestAJobOutlivesTheLeaderAndAWorkerThatLeaves(t *testing.T) {
	c := start(t, nil)
	first := c.worker(t, "w1", nil)
	spec, dir := base(t)
	id := c.submit(t, spec, dir)
	c.worker(t, "w2", nil)
	var once sync.Once
	var killed string
	status, err := c.client.Watch(t.Context(), id, func(s api.Status) {
		if s.State == "published" { // whatever else is told first: on a slow machine stages go by between two looks
			return
		}
		once.Do(func() {
			members, err := c.client.Members(t.Context())
			if err != nil {
				t.Error(err)
			}
			for _, m := range members.Members {
				if m.Leader {
					killed = m.ID
				}
			}
			first.stop(t)
			c.coordinators[killed].stop(t)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if status.State != "published" || killed == "" {
		t.Fatalf("the job is %s (%s), %q was stopped", status.State, status.Failure, killed)
	}
	if got, want := published(t, spec, dir), digest(t, spec, dir); got != want {
		t.Errorf("the cluster's digest is %s, one process's %s", got, want)
	}
	if len(status.Quarantined) > 0 || len(status.Incidents) > 0 {
		t.Errorf("%+v", status)
	}
	// Of the two that are left, whichever leads by now. Raft's own figures go to whichever of
	// this process began last.
	want := []string{"rescore_coordinator_leads 1", "rescore_coordinator_leads 0", `rescore_jobs{state="published"} 1`, `rescore_workers{state="ready"} 1`, "process_resident_memory_bytes ", "go_goroutines "}
	for deadline := time.Now().Add(patience); len(want) > 0; {
		shown := ""
		for _, p := range c.peers {
			if p.ID != killed {
				shown += "\n" + metrics(t, p)
			}
		}
		want = slices.DeleteFunc(want, func(line string) bool { return strings.Contains(shown, "\n"+line) })
		if time.Now().After(deadline) {
			t.Fatalf("no %q in%s", want, shown)
		}
	}
}

// metrics is what a coordinator tells Prometheus.
func metrics(t testing.TB, p Peer) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Base.at(apiPort)+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%d %v %s", answer.StatusCode, err, text)
	}
	return string(text)
}

// authority issues certificates of roles, for this machine.
func authority(t *testing.T) func(role string) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := func(serial int64) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	}
	ca := template(1)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	raw, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if ca, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return func(role string) *tls.Config {
		mine, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		cert := template(time.Now().UnixNano())
		cert.IPAddresses, cert.URIs = []net.IP{net.IPv4(127, 0, 0, 1)}, []*url.URL{{Scheme: "rescore", Host: role}}
		cert.KeyUsage, cert.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
		raw, err := x509.CreateCertificate(rand.Reader, cert, ca, mine.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: mine}}}
	}
}

func TestAJobIsDoneUnderTLSAndNobodyWithAnotherRoleOrTokenTakesPart(t *testing.T) {
	issue := authority(t)
	c := start(t, issue)
	spec, dir := base(t)
	spec.Run.PartitionRows = 10_000
	intruder := Worker{ID: "w9", Coordinators: []Base{c.peers[0].Base}, Token: token, TLS: issue("coordinator"), Log: slog.New(slog.DiscardHandler)}
	if err := intruder.Run(t.Context()); !errors.Is(err, bus.ErrRefused) {
		t.Errorf("a coordinator's certificate: %v", err)
	}
	intruder.TLS, intruder.Token = issue("worker"), "another-token-altogether"
	if err := intruder.Run(t.Context()); !errors.Is(err, bus.ErrRefused) || boot.ExitCode(t.Context(), err) != boot.Failure {
		t.Errorf("another token: %v", err)
	}
	c.worker(t, "w1", issue)
	id := c.submit(t, spec, dir)
	status, err := c.client.Watch(t.Context(), id, func(api.Status) {})
	if err != nil || status.State != "published" {
		t.Fatalf("the job is %s (%s): %v", status.State, status.Failure, err)
	}
}

func TestACoordinatorRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	peers := []Peer{{"c1", Base{"127.0.0.1", 7300}}}
	for name, c := range map[string]struct {
		o    Coordinator
		says string
	}{
		"no ID":     {Coordinator{Dir: "d", Peers: peers}, "has no ID"},
		"no folder": {Coordinator{ID: "c1", Peers: peers}, "has no folder"},
		"no peer":   {Coordinator{ID: "c2", Dir: "d", Peers: peers}, "not among --peers"},
		"far away":  {Coordinator{ID: "c1", Dir: "d", Peers: []Peer{{"c1", Base{"192.0.2.1", 7300}}}}, "192.0.2.1 is not this machine"},
	} {
		if err := c.o.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) || boot.ExitCode(t.Context(), err) != boot.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := Worker{Coordinators: []Base{{"192.0.2.1", 7300}}, Token: token, Log: slog.New(slog.DiscardHandler)}
	if err := w.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "not this machine") {
		t.Errorf("a worker of coordinators far away: %v", err)
	}
}

func TestAddressesAreReadOrSaidToBeWrong(t *testing.T) {
	t.Parallel()
	peers, err := ParsePeers("c1=h1:7300, c2=[::1]:7310")
	if err != nil || len(peers) != 2 || peers[0] != (Peer{"c1", Base{"h1", 7300}}) || peers[1].Base.at(apiPort) != "[::1]:7313" {
		t.Errorf("%v, %v", peers, err)
	}
	bases, err := ParseCoordinators("h1:7300,h2:7301")
	if err != nil || len(bases) != 2 || bases[1].at(clientsPort) != "h2:7302" {
		t.Errorf("%v, %v", bases, err)
	}
	for _, wrong := range []string{"", "c1", "c1=", "=h1:7300", "c1=h1", "c1=:7300", "c1=h1:x", "c1=h1:0", "c1=h1:65533", "c1=h1:7300,c1=h2:7300", "c1=h1:7300,c2=h1:7300"} {
		if _, err := ParsePeers(wrong); boot.ExitCode(t.Context(), err) != boot.Usage {
			t.Errorf("peers %q: %v", wrong, err)
		}
	}
	for _, wrong := range []string{"", "h1", "h1:7300,", "h1:70000"} {
		if _, err := ParseCoordinators(wrong); boot.ExitCode(t.Context(), err) != boot.Usage {
			t.Errorf("coordinators %q: %v", wrong, err)
		}
	}
}

func TestATokenIsOneThatNobodyElseCanReadOrGuess(t *testing.T) {
	t.Parallel()
	write := func(text string, mode os.FileMode) string {
		name := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		return name
	}
	if got, err := ReadToken(write(token+"\n", 0o600)); err != nil || got != token {
		t.Errorf("%q, %v", got, err)
	}
	for name, c := range map[string]struct{ file, says string }{
		"others read":   {write(token, 0o644), "has mode 0644"},
		"others write":  {write(token, 0o602), "has mode 0602"},
		"short":         {write("short", 0o600), "5 characters"},
		"empty":         {write("", 0o600), "0 characters"},
		"two words":     {write(token+" "+token, 0o600), "not one line"},
		"two lines":     {write(token+"\n"+token, 0o600), "not one line"},
		"a large thing": {write(strings.Repeat("x", tokenMax+1), 0o600), "not one line"},
		"not there":     {filepath.Join(t.TempDir(), "none"), "read token file"},
	} {
		_, err := ReadToken(c.file)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var h interface{ Hint() string }
		if !errors.As(err, &h) || h.Hint() == "" {
			t.Errorf("%s: no remedy", name)
		}
	}
}
