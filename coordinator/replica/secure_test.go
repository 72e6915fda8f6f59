package replica

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"rescore/partition/loopback"
	"rescore/partition/role"
)

// coordinator is what the certificate of one names.
var coordinator = role.URI(role.Coordinator)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	is := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, is, is, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{cert, key, x509.NewCertPool()}
	a.pool.AddCert(cert)
	return a
}

// sign returns what somebody with these roles puts into a configuration.
func (a *authority) sign(t *testing.T, roles ...string) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	is := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	for _, role := range roles {
		uri, err := url.Parse(role)
		if err != nil {
			t.Fatal(err)
		}
		is.URIs = append(is.URIs, uri)
	}
	der, err := x509.CreateCertificate(rand.Reader, is, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func TestThreeReplicasUnderMutualTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	c := begin(t, func(cfg *Config) { cfg.TLS = a.sign(t, "rescore://elsewhere", coordinator) })
	for n := range 3 {
		c.submit(n)
	}
	c.same(3)
	lost := c.followers(c.leader())[0]
	id := c.shut(lost)
	c.submit(3)
	c.open(id, nil)
	c.same(4)
}

// ends returns two ends of the network, of which the first calls the second.
func ends(t *testing.T, caller, called *tls.Config) (call func() (uint64, error)) {
	t.Helper()
	secure := func(given *tls.Config) *tls.Config {
		if given == nil {
			return nil
		}
		c, err := role.Mutual(given, role.Coordinator)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	at := loopback.Listen(t)
	to := newLayer(at, at.Addr().String(), secure(called), func() uint64 { return 42 }, nil)
	from := newLayer(loopback.Listen(t), "", secure(caller), func() uint64 { return 0 }, nil)
	t.Cleanup(func() {
		if err := to.Close(); err != nil {
			t.Error(err)
		}
		if err := from.Close(); err != nil {
			t.Error(err)
		}
	})
	return func() (uint64, error) { return from.progress(patient(t), at.Addr().String()) }
}

func TestOnlyCoordinatorsOfTheAuthorityAreSpokenTo(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	old := ours.sign(t, coordinator)
	old.MaxVersion = tls.VersionTLS12
	good := ours.sign(t, coordinator)
	for name, c := range map[string]struct{ caller, called *tls.Config }{
		"a worker calls":                      {ours.sign(t, "rescore://worker"), good},
		"somebody without a role calls":       {ours.sign(t), good},
		"a role that only begins so calls":    {ours.sign(t, coordinator+"s"), good},
		"a coordinator calls a worker":        {good, ours.sign(t, "rescore://worker")},
		"another authority's coordinator":     {theirs.sign(t, coordinator), good},
		"a coordinator of another is called":  {good, theirs.sign(t, coordinator)},
		"somebody without TLS calls":          {nil, good},
		"somebody with TLS calls one without": {good, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if index, err := ends(t, c.caller, c.called)(); err == nil {
				t.Errorf("it was told %d", index)
			}
		})
	}
	if index, err := ends(t, good, ours.sign(t, coordinator))(); err != nil || index != 42 {
		t.Errorf("coordinators: %d, %v", index, err)
	}
	if _, err := role.Mutual(old, role.Coordinator); err != nil {
		t.Fatal(err)
	}
	if _, err := ends(t, old, good)(); err == nil {
		t.Error("TLS 1.2 was spoken")
	}
}

func TestTLSThatKeepsNobodyOutIsRefused(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for name, spoil := range map[string]func(*tls.Config){
		"no authority":    func(c *tls.Config) { c.RootCAs = nil },
		"no certificate":  func(c *tls.Config) { c.Certificates = nil },
		"no verification": func(c *tls.Config) { c.InsecureSkipVerify = true },
	} {
		c := a.sign(t, coordinator)
		spoil(c)
		if r, err := Open(Config{Dir: t.TempDir(), ID: "c1", Peers: []Peer{{"c1", "127.0.0.1:0"}}, TLS: c}); err == nil || !strings.Contains(err.Error(), "TLS") {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				mustClose(t, r)
			}
		}
	}
}

func TestACallerWithoutAPurposeIsHungUpOn(t *testing.T) {
	t.Parallel()
	at := loopback.Listen(t)
	l := newLayer(at, at.Addr().String(), nil, func() uint64 { return 0 }, nil)
	defer func() { _ = l.Close() }() // below, too
	silent, err := net.Dial("tcp", at.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	stray, err := net.Dial("tcp", at.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stray.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if n, _ := io.Copy(io.Discard, stray); n != 0 {
		t.Errorf("it was answered with %d bytes", n)
	}
	if _, err := l.progress(context.Background(), at.Addr().String()); err != nil { // nobody waits for the silent one
		t.Error(err)
	}
	if err := l.Close(); err != nil { // nor does the end
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, silent); n != 0 {
		t.Error(n, err)
	}
	for _, c := range []net.Conn{silent, stray} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
