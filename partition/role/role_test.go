package role

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"testing"
)

// shown is a connection whose other end has a certificate with these URIs.
func shown(t *testing.T, uris ...string) *tls.ConnectionState {
	t.Helper()
	cert := &x509.Certificate{}
	for _, text := range uris {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		cert.URIs = append(cert.URIs, u)
	}
	return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
}

func TestARoleIsNamedExactlyOrNotAtAll(t *testing.T) {
	t.Parallel()
	for _, uris := range [][]string{{"rescore://coordinator"}, {"spiffe://x/y", "rescore://coordinator"}} {
		if err := Check(shown(t, uris...), Coordinator); err != nil {
			t.Errorf("%v: %v", uris, err)
		}
	}
	for _, uri := range []string{
		"rescore://worker", "rescore://coordinators", "rescore://coordinator/", "rescore://coordinator/x", "rescore://coordinator?x",
		"rescore://x@coordinator", "rescore://coordinator:1", "http://coordinator", "coordinator",
	} {
		if Check(shown(t, uri), Coordinator) == nil {
			t.Errorf("%s is taken for a coordinator", uri)
		}
	}
	second := shown(t, "rescore://worker")
	second.PeerCertificates = append(second.PeerCertificates, shown(t, "rescore://coordinator").PeerCertificates[0])
	for name, s := range map[string]*tls.ConnectionState{"no TLS": nil, "no certificate": {}, "no URI": shown(t), "its authority's": second} {
		if Check(s, Coordinator) == nil {
			t.Errorf("%s is taken for a coordinator", name)
		}
	}
}

func TestMutualAsksBothEnds(t *testing.T) {
	t.Parallel()
	good := func() *tls.Config {
		return &tls.Config{RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{{}}} //nolint:gosec // Mutual sets the version
	}
	c, err := Mutual(good(), Coordinator)
	if err != nil {
		t.Fatal(err)
	}
	if c.MinVersion != tls.VersionTLS13 || c.ClientAuth != tls.RequireAndVerifyClientCert || c.ClientCAs != c.RootCAs {
		t.Errorf("got version %x, authentication %v", c.MinVersion, c.ClientAuth)
	}
	if err := c.VerifyConnection(*shown(t, "rescore://worker")); err == nil {
		t.Error("a worker is taken for a coordinator")
	}
	if c, err := Mutual(good(), ""); err != nil || c.VerifyConnection != nil {
		t.Errorf("any role: %v", err)
	}
	for name, spoil := range map[string]func(*tls.Config){
		"no authority":    func(c *tls.Config) { c.RootCAs = nil },
		"no certificate":  func(c *tls.Config) { c.Certificates = nil },
		"no verification": func(c *tls.Config) { c.InsecureSkipVerify = true },
	} {
		c := good()
		spoil(c)
		if _, err := Mutual(c, ""); err == nil {
			t.Errorf("%s keeps nobody out", name)
		}
	}
}
