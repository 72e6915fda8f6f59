package replica

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// Role is the URI a certificate must carry among its subject alternative names
// to take part in the ledger. Every worker's certificate comes from the same
// authority: without the role, any of them could write the log.
const Role = "rescore://coordinator"

// mutual turns what the operator gave into TLS 1.3 in which both ends show a
// certificate of the given authority and the coordinator's role in it.
func mutual(given *tls.Config) (*tls.Config, error) {
	switch {
	case given.RootCAs == nil:
		return nil, errors.New("TLS without an authority of its own would trust the whole world's; give the certificate of the cluster's")
	case len(given.Certificates) == 0 && given.GetCertificate == nil:
		return nil, errors.New("TLS without a certificate of this replica; give one with its key")
	case given.InsecureSkipVerify:
		return nil, errors.New("TLS that does not verify the other end keeps nobody out of the ledger")
	}
	c := given.Clone()
	c.MinVersion = tls.VersionTLS13
	c.ClientAuth = tls.RequireAndVerifyClientCert
	if c.ClientCAs == nil {
		c.ClientCAs = c.RootCAs
	}
	also := given.VerifyConnection
	c.VerifyConnection = func(state tls.ConnectionState) error { // of resumed sessions too
		if len(state.PeerCertificates) == 0 || !hasRole(state.PeerCertificates[0]) {
			return fmt.Errorf("the other end's certificate does not name the role %s", Role)
		}
		if also != nil {
			return also(state)
		}
		return nil
	}
	return c, nil
}

func hasRole(cert *x509.Certificate) bool {
	for _, uri := range cert.URIs {
		if uri.String() == Role {
			return true
		}
	}
	return false
}
